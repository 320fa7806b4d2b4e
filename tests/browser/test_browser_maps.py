"""Maps of all items in a real browser: what is drawn, and what choosing on them does."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from clustlab.analysis.timeline import Timeline
from clustlab.ui.look.embedding import FURTHER
from clustlab.ui.server import map_scripts
from tests.support import made_runs
from tests.support.browser import PATIENCE, SIZE, see, selected, settle, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
N = 3000  # more than charts draw
TRUE = np.repeat([0, 1, 2], N // 3)
HALF = np.where(np.arange(N) < 400, 1, TRUE)
RIM = 6  # px around what is shown, as in map.js


@pytest.fixture(scope="module")
def run(store):
    """A run of three groups, a part of one of which joins another."""
    made_runs.data(store, "maps", n=N, labels=TRUE)
    return made_runs.run(store, [TRUE, HALF], "maps")


def on(page, step):
    """The map, once it shows a step and nothing moves."""
    box = page.locator(f".map[data-step='{step}']")
    box.wait_for()
    settle(page)
    return box


def opened(page, address, run, **query):
    asked = "&".join(f"{name}={value}" for name, value in {"run": run.id, **query}.items())
    page.goto(f"{address}/embedding?{asked}")
    return on(page, query.get("step", len(run) - 1))


def spots(page, run, step):
    """Where the dots of a step are drawn, (n, 2) in pixels of the map, before anybody zooms."""
    timeline = Timeline(run)
    timeline.extend()
    every = np.concatenate([timeline.points(i) for i in range(len(run))])
    low, high = every.min(0), every.max(0)
    box = page.locator(".map").bounding_box()
    size = np.array([box["width"], box["height"]])
    scale = ((size - 2 * RIM) / ((high - low) * FURTHER)).min()
    return (timeline.points(step) - (low + high) / 2) * [1, -1] * scale + size / 2, box


def pixels(page):
    """What the canvas of the map shows, (h, w, 3)."""
    told = page.locator(".map-dots").evaluate(
        """canvas => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let text = "";
          for (let i = 0; i < data.length; i += 4096) {
            text += String.fromCharCode(...data.subarray(i, i + 4096));
          }
          return [canvas.width, canvas.height, btoa(text)];
        }"""
    )
    import base64

    width, height, text = told
    drawn = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
    return drawn[..., :3].astype(int)


def is_drawn(picture):
    """Whether a pixel differs from the ground, which the corner shows, (h, w) bool."""
    return np.abs(picture - picture[1, 1]).max(2) > 12


def bright(picture):
    """How many pixels are coloured rather than grey."""
    return int((np.ptp(picture, axis=2) > 60).sum())


def drag(page, box, corners):
    page.mouse.move(*(box[a] + share for a, share in zip("xy", corners[0], strict=True)))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*(box[a] + share for a, share in zip("xy", corner, strict=True)), steps=3)
    page.mouse.up()


def test_every_item_is_drawn_where_it_lies_in_light_and_dark(page, address, run):
    opened(page, address, run)
    at, _ = spots(page, run, 1)
    columns, rows = at.round().astype(int).T
    light = pixels(page)
    assert is_drawn(light)[rows, columns].mean() > 0.99
    assert 0.002 < is_drawn(light).mean() < 0.5  # and nothing where none is
    assert light[1, 1].min() > 240
    assert bright(light) > 1000
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    until(page, lambda: pixels(page)[1, 1].max() < 60)
    assert is_drawn(pixels(page))[rows, columns].mean() > 0.99


SHADED = """async ([script, ground, places]) => {
  const { disc, packed, putDense, putDiscs } = await import(script);
  const [wide, high] = [100, 100];
  const place = { x: places.map(([x]) => x / 100), y: places.map(([, y]) => y / 100) };
  const at = { left: 0, top: 100, scale: 100, least: { x: 0, y: 0 }, most: { x: 1, y: 1 } };
  const sums = new Float32Array(4 * wide * high);
  const colours = [[200, 0, 0], [0, 0, 200]];
  const drawn = (put) => {
    const pixels = new Uint32Array(wide * high).fill(packed(ground));
    const size = { width: wide, height: high };
    put(pixels, size, place, at, disc(0.6, wide), 0.8, (i) => colours[places[i][2]], sums);
    return [...new Uint8Array(pixels.buffer)];
  };
  return [drawn(putDense), drawn(putDiscs), sums.every((each) => each === 0)];
}"""


def shaded(page, address, ground, places):
    """Pictures (100, 100, 3) of dots (x, y, colour), by density and as discs on each other."""
    page.goto(f"{address}/api/healthz")
    script = map_scripts.address().replace(map_scripts.OWN, "raster.js")
    dense, discs, is_clean = page.evaluate(SHADED, [script, ground, places])
    assert is_clean
    return [np.array(each).reshape(100, 100, 4)[..., :3].astype(int) for each in (dense, discs)]


@pytest.mark.parametrize("ground", [[255, 255, 255], [20, 20, 20]])
def test_the_more_dots_lie_on_a_pixel_the_stronger_is_their_colour(page, address, ground):
    numbers = {10: 1, 20: 3, 30: 10, 40: 40}
    places = [[x, 50, 0] for x, number in numbers.items() for _ in range(number)]
    dense, _ = shaded(page, address, ground, [*places, *([[60, 50, 0], [60, 50, 1]] * 20)])
    alone, few, more, most, mixed = (dense[50, x] for x in (*numbers, 60))
    away = [np.abs(colour - ground).max() for colour in (alone, few, more, most)]
    assert (np.diff(away) > 15).all()  # each differs more from the ground
    assert away[0] > 50  # a dot alone is seen
    assert np.abs(most - [200, 0, 0]).max() <= 2
    assert np.abs(mixed - [100, 0, 100]).max() <= 2


def test_dots_that_do_not_overlap_look_the_same_however_many_there_are(page, address):
    places = [[x, y, (x + y) % 2] for x in range(4, 96, 4) for y in range(4, 96, 4)]
    dense, discs = shaded(page, address, [255, 255, 255], places)
    assert np.abs(dense - discs).max() <= 16  # at the rims of dots
    assert np.abs(dense - discs)[50:60, 50:60].max() <= 16
    assert (np.abs(dense - discs)[100 - 4 :: -4, 4:96:4] <= 1).all()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cores_of_many_dots_are_stronger_than_their_rims(chromium, address, store, scheme):
    n = 12_000
    of = np.repeat([0, 1, 2], n // 3)
    made_runs.data(store, "many", n=n, labels=of)
    run = made_runs.run(store, [of], "many")
    context = chromium.new_context(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    opened(page, address, run)
    at, _ = spots(page, run, 0)
    drawn = pixels(page)
    context.close()
    around = [
        np.roll(drawn, (i - 1, j - 1), (0, 1)) for i, j in np.ndindex(3, 3)
    ]  # dots lie between pixels
    away = np.max([np.abs(each - drawn[1, 1]).max(2) for each in around], axis=0)
    columns, rows = at.round().astype(int).T
    crowd = np.zeros(away.shape)
    for right in range(-4, 5):
        for down in range(-4, 5):
            np.add.at(crowd, (rows + down, columns + right), 1)  # dots within nine pixels
    crowds, strength = crowd[rows, columns], away[rows, columns]
    rim, core = crowds <= np.quantile(crowds, 0.1), crowds >= np.quantile(crowds, 0.9)
    assert np.median(strength[core]) > 1.25 * np.median(strength[rim])
    assert np.median(strength[rim]) > 40


def test_a_click_opens_an_item_and_pointing_at_it_says_what_it_is(page, address, run):
    opened(page, address, run)
    at, box = spots(page, run, 1)
    gaps = np.linalg.norm(at[:, None] - at[None], axis=2) + np.eye(N) * 1e9
    lonely = int(gaps.min(1).argmax())
    x, y = box["x"] + at[lonely, 0], box["y"] + at[lonely, 1]
    page.mouse.move(x, y)
    tip = page.locator(".tip")
    expect(tip).to_contain_text(f"item{lonely}", timeout=PATIENCE)
    expect(tip).to_contain_text(re.compile(rf"cluster{HALF[lonely]}\D"))
    expect(tip).to_contain_text("true class")
    until(page, lambda: tip.locator("img").evaluate("image => image.naturalWidth") > 0)
    page.mouse.click(x, y)
    see(page, rf"^Item {lonely}$")
    assert f"item={lonely}" in page.url


def test_what_is_drawn_around_is_selected_and_the_rest_is_grey(page, address, run):
    opened(page, address, run)
    at, box = spots(page, run, 1)
    before = bright(pixels(page))
    page.locator(".map").evaluate("map => { window.before = map; }")
    low, high = at[TRUE == 2].min(0) - 5, at[TRUE == 2].max(0) + 5
    drag(page, box, [low, high])
    see(page, "^Brushed: ")
    # The inspector takes its column now, and the map is the same one in less room.
    until(page, lambda: page.locator(".map").bounding_box()["width"] < 0.7 * box["width"])
    assert page.locator(".map").evaluate("map => window.before === map")
    assert selected(page) == ("Brushed", N // 3)
    until(page, lambda: 0 < bright(pixels(page)) < before / 2)

    page.get_by_role("button", name="Lasso").click()
    opened_map = on(page, 1)
    at, box = spots(page, run, 1)
    low, high = at[HALF == 1].min(0) - 5, at[HALF == 1].max(0) + 5
    drag(page, box, [low, (low[0], high[1]), high, (high[0], low[1]), low])
    see(page, "^Lassoed: ")
    assert selected(page) == ("Lassoed", 1400)

    # The keyboard: all that is in view, then nothing.
    opened_map.locator(".map-dots").focus()
    page.keyboard.press("Enter")
    see(page, f"^Brushed: {N:,} items$")
    expect(opened_map.locator(".map-dots")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_text(re.compile("^Brushed: "))).to_have_count(0, timeout=PATIENCE)
    until(page, lambda: bright(pixels(page)) > 0.8 * before)


def test_the_legend_shows_only_what_is_pressed(page, address, run):
    shown = opened(page, address, run)
    before = bright(pixels(page))
    entry = page.get_by_role("button", name="1 1,400")
    entry.click()
    expect(entry).to_have_attribute("aria-pressed", "true")
    until(page, lambda: bright(pixels(page)) < 0.7 * before)
    shown.locator(".map-dots").focus()
    page.keyboard.press("Enter")
    see(page, "^Brushed: 1,400 items$")
    entry.click()
    until(page, lambda: bright(pixels(page)) > 0.4 * before)


def closer(page, spot, times):
    """Zoom in at a spot of the page, and let the map rest."""
    page.mouse.move(*spot)
    page.keyboard.down("Control")
    for _ in range(times):
        page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    page.wait_for_timeout(500)


def test_close_up_dots_become_their_images(page, address, run):
    asked = []
    several = re.compile(r"/api/item/[^/]+/\d+-[\d-]+\.png")  # one is that under the pointer
    page.on("request", lambda r: asked.append(r.url) if several.search(r.url) else None)
    shown = opened(page, address, run)
    whole = pixels(page)
    at, box = spots(page, run, 1)
    middle = at[TRUE == 2].mean(0) + np.array([box["x"], box["y"]])
    while shown.get_attribute("data-pictures") == "0":
        assert asked == []  # nothing is fetched for dots
        closer(page, middle, times=2)
    until(page, lambda: int(shown.get_attribute("data-pictures")) > 20)
    assert len(asked) == 1  # many in one answer
    close = pixels(page)
    assert noise(close) > 0.1 > 0.01 > noise(whole)
    assert bright(close) > 1000  # frames

    drag(page, box, [(5, 5), (box["width"] / 2, box["height"] / 2)])
    see(page, "^Brushed: ")
    until(page, lambda: 0 < bright(pixels(page)) < 0.7 * bright(close))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show all dots").click()
    until(page, lambda: shown.get_attribute("data-pictures") == "0")
    until(page, lambda: page.locator(".map").bounding_box()["width"] == box["width"])
    until(page, lambda: pixels(page).shape == whole.shape and (pixels(page) == whole).all())


def noise(picture):
    """Share of pixels in a grey that neither dots nor the ground have: images are noise here."""
    return ((np.ptp(picture, axis=2) < 4) & (abs(picture.max(2) - 128) < 64)).mean()


def test_drawing_around_nothing_leaves_the_colours(page, address, run):
    opened(page, address, run)
    before = pixels(page)
    drag(page, page.locator(".map").bounding_box(), [(3, 3), (12, 12)])
    settle(page)
    assert (pixels(page) == before).all()


def test_zoom_and_place_are_kept_over_steps(page, address, run):
    opened(page, address, run)
    whole = pixels(page)
    page.get_by_role("button", name="Zoom in").click(click_count=3)
    page.wait_for_timeout(300)
    close = pixels(page)
    assert (close != whole).any()
    page.get_by_role("button", name="Previous step").click()
    on(page, 0)
    page.get_by_role("button", name="Next step").click()
    on(page, 1)
    assert (pixels(page) == close).all()
    page.get_by_role("button", name="Show all dots").click()
    until(page, lambda: (pixels(page) == whole).all())


def test_the_step_beside_is_there_before_anybody_asks_for_it(page, address, run):
    shown = opened(page, address, run)
    until(page, lambda: shown.get_attribute("data-ready") == "1")
    asked = []
    page.on("request", lambda r: asked.append(r.url) if "/api/put-down/" in r.url else None)
    page.get_by_role("button", name="Previous step").click()
    on(page, 0)
    assert asked == []


FRAMES = """canvas => {
  window.frames_drawn = [];
  const look = () => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i] + 7 * data[i + 1]) | 0;
    if (window.frames_drawn.at(-1) !== sum) window.frames_drawn.push(sum);
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_dots_glide_from_step_to_step_unless_motion_is_reduced(chromium, address, run, motion):
    context = chromium.new_context(viewport=SIZE, reduced_motion=motion)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    opened(page, address, run)
    page.locator(".map-dots").evaluate(FRAMES)
    page.get_by_role("button", name="Previous step").click()
    on(page, 0)
    frames = page.evaluate("window.frames_drawn.length")
    context.close()
    if motion == "reduce":
        assert frames <= 3  # colours, then places
    else:
        assert frames > 3


def test_the_live_view_draws_every_item_and_what_is_drawn_around_is_selected(page, address, run):
    page.goto(f"{address}/train?run={run.id}")
    on(page, 1)
    at, box = spots(page, run, 1)
    columns, rows = at.round().astype(int).T
    assert is_drawn(pixels(page))[rows, columns].mean() > 0.99
    low, high = at[TRUE == 2].min(0) - 4, at[TRUE == 2].max(0) + 4
    drag(page, box, [low, high])
    see(page, "^Brushed: 1,000 items$")


def test_what_the_server_has_not_kept_is_asked_for_again(chromium, address, run):
    context = chromium.new_context(viewport=SIZE, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    refused = []

    def refuse_the_first(route):
        if len(refused) < 4:
            refused.append(route.request.url)
            route.fulfill(status=404)
        else:
            route.continue_()

    page.route("**/api/put-down/*", refuse_the_first)
    opened(page, address, run)
    assert bright(pixels(page)) > 1000
    assert len(refused) == 4
    expect(page.locator(".problem")).to_be_empty()
    context.close()


def test_a_map_has_a_name_for_screen_readers_before_it_is_loaded(chromium, address, run):
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    page.route("**/api/put-down/*", lambda route: None)  # never answered
    page.goto(f"{address}/embedding?run={run.id}")
    assert page.locator(".map-dots").get_attribute("aria-label") == "Map, loading"
    page.close()
