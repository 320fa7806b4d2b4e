"""A replay page, opened from the disk without a network: all that it offers, in a browser."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse
from urllib.request import url2pathname

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import clustlab as cl
from clustlab.analysis import biography, transitions
from clustlab.replay.lesson_page import lesson_page, missing_runs
from clustlab.replay.page import Limits
from clustlab.replay.page import page as replay_page
from clustlab.runs.labels import Label, set_label
from clustlab.training.worker import execute, new_run
from clustlab.types import Dataset, Snapshot
from tests.support import made_runs, small_lesson
from tests.support.browser import PATIENCE, SIZE, Watch, settle, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
HOSTILE = "</script><img src=x onerror=alert(1)> <b>bold</b> {{FACTS}}"
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def written(store, kmeans_runs, tmp_path_factory):
    """Write the page of some runs; returns its address on the disk."""
    folder = tmp_path_factory.mktemp("pages")

    def write(*runs, **limits):
        file = folder / f"{'-'.join(run.id for run in runs)}.html"
        if not file.exists():
            file.write_bytes(replay_page(store, [run.id for run in runs], Limits(**limits)).html)
        return file.as_uri()

    return write


@pytest.fixture
def window(chromium):
    """A page without a network, which must ask for its own file only and end without an error."""
    context = chromium.new_context(viewport=SIZE, reduced_motion="reduce", offline=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    watch, asked = Watch(opened), []
    opened.on("request", lambda request: asked.append(request.url.split("#")[0]))
    yield opened
    context.close()
    assert watch.problems == []
    assert all(url.startswith("file://") for url in asked)
    assert len(set(asked)) <= 1  # reloads ask for it again


@pytest.fixture
def one(window, written, kmeans_runs, store):
    """The page of a run, and the run."""
    opened_at(window, written(kmeans_runs[0]))
    return window, cl.open(kmeans_runs[0].id, store.root)


def opened_at(window, address):
    window.goto(address)
    drawn(window)


def drawn(window):
    """Wait until the page is there, with its images."""
    window.locator(".map-dots").first.wait_for()
    # the page lets nothing be evaluated from within, as `wait_for_function` would
    until(window, lambda: window.evaluate("performance.getEntriesByName('images').length"))


def address_of(window):
    """What the address says of the state, once it is told."""
    window.wait_for_timeout(400)
    return {k: v[0] for k, v in parse_qs(window.url.partition("#")[2]).items()}


def step_words(window):
    return window.locator("output.step-words")


def cells(window, area):
    """Numbers of the cells of a table by what they say."""
    box = window.locator(f".{area}")
    box.scroll_into_view_if_needed()
    box.locator("td").first.wait_for()
    said = box.locator("td").evaluate_all("all => all.map(cell => cell.ariaLabel)")
    return {
        re.sub(r": .*", "", words): int(re.search(r": ([\d,]+) \(", words)[1].replace(",", ""))
        for words in said
    }


def selection(window):
    """Title and size of what is selected."""
    title, number = window.locator(".selection h3").inner_text().split("\n")[0].rsplit(": ", 1)
    return title, int(re.match(r"[\d,]+", number)[0].replace(",", ""))


def drag(window, canvas, corners, *, shift=False):
    """Draw from corner to corner, each told as shares of the canvas."""
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    if shift:
        window.keyboard.down("Shift")
    window.mouse.move(*places[0])
    window.mouse.down()
    for place in places[1:]:
        window.mouse.move(*place, steps=4)
    window.mouse.up()
    if shift:
        window.keyboard.up("Shift")


# -- steps -----------------------------------------------------------------------------------------
def test_keys_slider_and_play_go_through_the_steps(one):
    window, run = one
    last = run.steps[-1]
    expect(step_words(window)).to_have_text(f"Step {last} of {last}")
    for key, step in (("Home", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("End", last)):
        window.keyboard.press(key)
        expect(step_words(window)).to_have_text(f"Step {step} of {last}")
        assert address_of(window) == {"step": str(step)}
        expect(window.locator(".head .where")).to_contain_text(f"Step {step} of {last}")
        told = window.locator(".head .scores").inner_text()
        scores = run.scores(step)
        assert f"ACC {scores['acc']:.3f}" in told
        assert f"NMI {scores['nmi']:.3f}" in told
    window.get_by_role("slider", name="Step").fill("1")
    expect(step_words(window)).to_have_text(f"Step 1 of {last}")
    window.get_by_label("Pace").select_option("4")
    window.keyboard.press("Space")  # on the list of paces, where it is the list's
    window.keyboard.press("Escape")
    window.get_by_role("button", name="Play").click()
    expect(window.get_by_role("button", name="Pause")).to_be_visible()
    expect(step_words(window)).to_have_text(f"Step {last} of {last}")
    expect(window.get_by_role("button", name="Play")).to_be_visible()
    assert address_of(window) == {"step": str(last)}
    window.locator("h1").click()
    window.keyboard.press("Space")  # from the start again
    expect(step_words(window)).to_have_text(f"Step 1 of {last}")
    window.keyboard.press("Space")
    expect(window.get_by_role("button", name="Play")).to_be_visible()


def test_tables_hold_the_figures_of_the_step(one):
    window, run = one
    for key, step in (("End", run.steps[-1]), ("Home", 0)):
        window.keyboard.press(key)
        view = run.view(step)
        counts = cells(window, "confusion")
        assert sum(counts.values()) == len(view.clusters)
        for (label, cluster), number in np.ndenumerate(view.counts):
            assert counts.get(f"{view.class_name(label)} in cluster {cluster}", 0) == number
    box = window.locator(".shifts")
    expect(box).to_contain_text("nothing has moved yet")
    window.keyboard.press("ArrowRight")
    expect(box).to_contain_text("Shifts from step 0 to 1")
    moved = transitions.table(run.assignments(0), run.assignments(1))
    counts = cells(window, "shifts")
    for (before, after), number in np.ndenumerate(moved[:-1, :-1]):
        assert counts.get(f"From cluster {before} to cluster {after}", 0) == number


# -- choosing --------------------------------------------------------------------------------------
def test_drawing_on_the_map_selects(one):
    window, run = one
    canvas = window.locator(".map-dots")
    canvas.scroll_into_view_if_needed()
    points = run.view(run.steps[-1]).timeline.points(run.steps[-1])
    ring = [(0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995)]
    drag(window, canvas, ring)
    assert selection(window) == ("Selected on the map", len(points))
    half = [(0.005, 0.005), (0.5, 0.005), (0.5, 0.995), (0.005, 0.995)]
    drag(window, canvas, half)
    _, left = selection(window)
    assert abs(left - int((points[:, 0] < 0).sum())) <= 3  # a pixel is not a point
    window.get_by_role("button", name="Box").click()
    drag(window, canvas, [(0.5, 0.005), (0.995, 0.995)], shift=True)
    assert selection(window)[1] == len(points)
    window.keyboard.press("Escape")
    expect(window.locator(".selection h3")).to_have_count(0)
    canvas.focus()
    for _ in range(4):
        window.keyboard.press("+")
    window.keyboard.press("Enter")
    assert 0 < selection(window)[1] < len(points)
    before = step_words(window).inner_text()
    window.keyboard.press("ArrowLeft")  # moves the map, which is zoomed in
    assert step_words(window).inner_text() == before
    window.keyboard.press("Home")  # shows all again
    window.keyboard.press("ArrowLeft")
    expect(step_words(window)).not_to_have_text(before)


def test_a_cell_a_cluster_and_a_move_select_their_items(one):
    window, run = one
    view = run.view(run.steps[-1])
    counts = cells(window, "confusion")
    words, number = max(counts.items(), key=lambda each: each[1])
    window.get_by_role("gridcell", name=f"{words}:").click()
    assert selection(window) == (words, number)
    window.get_by_role("button", name=re.compile("Select cluster 3")).click()
    assert selection(window) == ("Cluster 3", int((view.clusters == 3).sum()))
    cell = window.locator(".confusion td[tabindex='0']")
    cell.focus()
    window.keyboard.press("ArrowDown")
    focused = window.evaluate("document.activeElement.ariaLabel")
    window.keyboard.press("Enter")
    title = re.sub(r": .*", "", focused)
    expected = counts[title]
    if expected:
        assert selection(window) == (title, expected)


def test_a_click_on_an_image_opens_its_biography(one):
    window, run = one
    sheet = window.locator(".clusters canvas.sheet")
    sheet.click(position={"x": 12, "y": 12})  # the most central item of cluster 0
    item = int(address_of(window)["item"])
    view = run.view(run.steps[-1])
    assert view.clusters[item] == 0
    about = window.locator(".biography")
    expect(about).to_contain_text(f"Item {item}")
    expect(about).to_contain_text(f"confidence {view.confidence[item]:.3f}")
    expect(about).to_contain_text(f"True class {view.class_name(run.dataset.labels[item])}")
    times = int(view.changes[item])
    expect(about).to_contain_text(f"Changed cluster {times} time")
    near = biography.near(run._run, view.timeline, item, view.step, 8)
    own = sum(cluster == view.clusters[item] for cluster in near["clusters"])
    expect(about).to_contain_text(f"at step {view.step}: {own} of 8 share its cluster")
    about.locator(".near canvas.sheet").last.click(position={"x": 12, "y": 12})
    assert address_of(window)["item"] == str(near["items"][0])
    moved = int(view.changes.argmax())
    window.evaluate(f"location.hash = '#item={moved}'")
    step = about.locator(".moves button").first
    step.click()
    expect(step).to_be_focused()  # although the biography is drawn anew
    expect(step_words(window)).to_contain_text(step.inner_text())
    window.keyboard.press("End")
    sheet.focus()
    window.keyboard.press("ArrowRight")
    window.keyboard.press("ArrowRight")
    window.keyboard.press("Enter")
    assert int(address_of(window)["item"]) != item
    window.get_by_label("Find an image").fill(str(item))
    window.get_by_role("button", name="Find").click()
    assert address_of(window)["item"] == str(item)
    window.get_by_label("Find an image").fill("99999")
    window.get_by_role("button", name="Find").click()
    expect(window.locator(".inspector [role=status]")).to_contain_text(
        'No image on this page is called "99999"'
    )
    window.keyboard.press("Escape")
    assert "item" not in address_of(window)


def test_the_address_brings_back_what_was_seen(one):
    window, run = one
    start = window.url.partition("#")[0]
    window.goto("about:blank")
    opened_at(window, f"{start}#step=1&item=17&colour=class&theme=dark")
    expect(step_words(window)).to_have_text(re.compile("^Step 1 of"))
    expect(window.locator(".biography")).to_contain_text("Item 17")
    expect(window.get_by_role("button", name="True class")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert ground(window) == DARK
    window.evaluate("location.hash = '#step=0&item=3'")
    expect(window.locator(".biography")).to_contain_text("Item 3")
    expect(step_words(window)).to_have_text(re.compile("^Step 0 of"))
    for nonsense in ("#step=-1&item=x&colour=constructor", "#%%%", "#step=99999999&item=99999999"):
        window.goto("about:blank")
        opened_at(window, start + nonsense)
        expect(step_words(window)).to_have_text(f"Step {run.steps[-1]} of {run.steps[-1]}")


# -- light and dark, motion ------------------------------------------------------------------------
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(14, 17, 23)"


def ground(window):
    return window.evaluate("getComputedStyle(document.body).backgroundColor")


def corner(window):
    """Colour of a pixel of the map in which no dot is."""
    return window.evaluate(
        "[...document.querySelector('.map-dots').getContext('2d').getImageData(1, 1, 1, 1).data]"
    )


def test_it_is_light_or_dark_as_the_system_says_or_as_asked(one):
    window, _ = one
    assert ground(window) == LIGHT
    until(window, lambda: corner(window)[:3] == [255, 255, 255])
    window.emulate_media(color_scheme="dark")
    assert ground(window) == DARK
    until(window, lambda: corner(window)[:3] == [14, 17, 23])
    window.get_by_role("button", name="Light", exact=True).click()
    assert ground(window) == LIGHT
    assert address_of(window)["theme"] == "light"


def test_dots_glide_unless_motion_is_to_be_reduced(window, written, kmeans_runs):
    opened_at(window, written(kmeans_runs[0]))
    window.keyboard.press("Home")
    counting = """() => {
      const paper = document.querySelector('.map-dots').getContext('2d');
      window.painted = 0;
      const put = paper.putImageData.bind(paper);
      paper.putImageData = (...all) => { window.painted++; put(...all); };
    }"""
    window.evaluate(counting)
    window.keyboard.press("ArrowRight")
    window.wait_for_timeout(1000)
    still = window.evaluate("window.painted")
    assert 1 <= still <= 2
    window.emulate_media(reduced_motion="no-preference")
    window.keyboard.press("ArrowRight")
    until(window, lambda: window.evaluate("window.painted") > still + 2)


# -- two runs --------------------------------------------------------------------------------------
def test_two_runs_are_replayed_side_by_side(window, written, kmeans_runs, store):
    opened_at(window, written(*kmeans_runs))
    told = cl.compare(*(run.id for run in kmeans_runs), folder=store.root)
    box = window.locator(".agreement")
    box.scroll_into_view_if_needed()
    expect(box).to_contain_text(f"NMI of A and B {told['nmi'][0][1]:.3f}")
    right = told["pairs"][0]["right"]
    window.get_by_role("button", name=re.compile("Only A right")).click()
    assert selection(window) == ("Only A right", right["only_a"])
    window.get_by_role("button", name=re.compile("Both right")).click()
    assert selection(window) == ("Both right", right["both"])
    a = window.locator(".map-dots").first
    a.scroll_into_view_if_needed()
    drag(window, a, [(0.01, 0.01), (0.5, 0.01), (0.5, 0.99), (0.01, 0.99)])
    chosen = selection(window)[1]
    tallies = window.locator(".selection .tally").all_inner_texts()
    assert [text.split(":")[0] for text in tallies[:2]] == ["Clusters in A", "Clusters in B"]
    for text in tallies[:2]:
        assert sum(int(n.replace(",", "")) for n in re.findall(r" ([\d,]+) \(", text)) == chosen
    window.keyboard.press("Home")
    places = window.locator(".head .where")
    expect(places.nth(0)).to_contain_text("Step 0 of")
    expect(places.nth(1)).to_contain_text("Step 0 of")
    lengths = [len(run) for run in kmeans_runs]
    if min(lengths) < max(lengths):
        window.keyboard.press("End")
        ended = places.nth(int(np.argmin(lengths)))
        expect(ended).to_contain_text("this run has ended")
    window.locator(".clusters canvas.sheet").first.click(position={"x": 12, "y": 12})
    assert window.locator(".biography .life").count() == 2


def test_the_page_runs_hands_on_a_page(window, page, address, kmeans_runs, tmp_path):
    page.goto(f"{address}/runs?find={kmeans_runs[0].id}")
    settle(page)
    table = page.get_by_test_id("stDataFrame")
    box = table.bounding_box()
    page.mouse.click(box["x"] + 12, box["y"] + 36 + 28)  # its only row
    button = page.get_by_role("button", name="Replay page")
    expect(button).to_be_enabled()
    settle(page)
    with page.expect_download() as download:
        button.click()
    file = tmp_path / "handed on.html"
    download.value.save_as(file)
    assert download.value.suggested_filename == f"{kmeans_runs[0].id}.html"
    opened_at(window, file.as_uri())
    expect(window.locator(".head .scores")).to_contain_text("ACC")


# -- all kinds of items ----------------------------------------------------------------------------
def test_names_are_text_and_noise_is_grey(window, written, store):
    n = 30
    items = made_runs.dataset(n, seed=8).items
    labels = np.arange(n, dtype=np.int32) % 2
    data = Dataset("hostile", items, labels, (HOSTILE, "b"), item_names=[HOSTILE] * n)
    embedding = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    steps = [Snapshot(embedding, np.where(np.arange(n) < 5 + i, -1, labels), {}) for i in (0, 1)]
    run = made_runs.write(store, steps, data)
    set_label(run, Label(HOSTILE, (), ""))
    dialogs = []
    window.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    opened_at(window, written(run))
    assert window.title() == HOSTILE
    expect(window.locator("h1")).to_have_text(HOSTILE)
    assert window.locator("img, b:has-text('bold')").count() == 0
    assert cells(window, "confusion")[f"{HOSTILE} in noise"] == 3
    window.get_by_role("button", name="Select noise: 6 items").click()
    assert selection(window) == ("Noise", 6)
    window.locator(".selection canvas.sheet").click(position={"x": 12, "y": 12})
    expect(window.locator(".biography")).to_contain_text("Noise: it belongs to no cluster")
    grey = "rgb(118, 125, 138)"
    chip = window.locator(".biography .chip").first
    assert chip.evaluate("chip => getComputedStyle(chip).backgroundColor") == grey
    assert cells(window, "shifts")["From cluster 1 to noise"] == 1
    assert dialogs == []


@pytest.mark.parametrize("width", [2, 6])
def test_points_without_labels_are_replayed_too(window, written, store, width):
    rng = np.random.default_rng(0)
    clusters = np.arange(60) % 3
    items = (np.eye(3, width)[clusters] * 5 + rng.normal(size=(60, width))).astype(np.float32)
    steps = [made_runs.hard(np.roll(clusters, i), 3) for i in range(3)]
    run = made_runs.write(store, steps, Dataset(f"points-{width}", items))
    opened_at(window, written(run))
    assert window.locator(".confusion").count() == 0
    assert window.get_by_role("button", name="True class").count() == 0
    window.get_by_role("button", name=re.compile("Select cluster 1")).click()
    assert selection(window) == ("Cluster 1", 20)
    expect(window.locator(".clusters h3")).to_have_text("Items of each cluster")


def test_many_clusters_have_the_fullest_part_of_their_tables(window, written, store):
    n, k = 400, 100
    labels = np.arange(n, dtype=np.int32) % 10
    clusters = np.arange(n) % k
    embedding = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    steps = [Snapshot(embedding, each, {}) for each in (clusters, np.roll(clusters, 1))]
    run = made_runs.write(store, steps, made_runs.dataset(n, labels, tuple("abcdefghij"), seed=2))
    opened_at(window, written(run))
    assert sum(cells(window, "confusion").values()) == n
    assert len(cells(window, "shifts")) == 70 * 70
    expect(window.locator(".shifts")).to_contain_text("The fullest 70 of 100 rows")
    expect(window.locator(".clusters")).to_contain_text("The 60 largest of 100 clusters")


@pytest.mark.parametrize("share", [0.7, 0.98])
def test_a_file_cut_short_says_so(chromium, written, kmeans_runs, tmp_path, share):
    whole = Path(url2pathname(urlparse(written(kmeans_runs[0])).path)).read_bytes()
    file = tmp_path / "cut.html"
    file.write_bytes(whole[: int(len(whole) * share)])
    window = chromium.new_page()
    window.goto(file.as_uri())
    expect(window.locator("main")).to_contain_text("the file is not whole")
    window.close()


def test_a_lesson_answers_predictions_and_replays_its_runs(window, store, monkeypatch, tmp_path):
    small_lesson.install(monkeypatch)
    if missing_runs(store, "small"):
        execute(store.root, new_run(store, small_lesson.RUN).id)
    file = tmp_path / "lesson.html"
    file.write_bytes(lesson_page(store, "small", Limits()).html)
    window.goto(file.as_uri())
    first, second = window.locator(".step").all()
    expect(first.locator(".after")).to_be_hidden()
    first.get_by_role("button", name="It shrinks").click()
    expect(first.locator(".verdict")).to_contain_text("Not as predicted.")
    expect(first.locator(".verdict")).to_contain_text("It is: It grows. It is 3 now.")
    expect(first.locator(".after")).to_contain_text("The scale is 3")
    first.get_by_role("button", name="It grows").click()
    expect(first.locator(".said")).to_have_text("As predicted.")
    told = first.locator(".begin .told p:not([hidden])")
    expect(told).to_have_count(1)
    first.locator(".begin").get_by_role("button", name="1.500").click()
    expect(told).to_have_text(re.compile("in a$"))
    assert first.locator(".formula math").count() == 2
    assert second.locator("img.chart").first.evaluate("image => image.naturalWidth") > 100
    found = Axe().run(window, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [v for v in found if v["impact"] in SERIOUS]
    assert [(v["id"], v["nodes"][0]["target"]) for v in serious] == []
    second.get_by_role("button", name="Replay k-means").click()
    inner = window.frame_locator("#stage iframe")
    expect(inner.locator(".head .scores")).to_contain_text("ACC")
    inner.get_by_role("button", name="First step").click()
    expect(inner.locator("output.step-words")).to_contain_text("Step 0 of")
    inner.locator("h1").click()
    window.keyboard.press("ArrowRight")
    expect(inner.locator("output.step-words")).to_contain_text("Step 1 of")


# -- everyone --------------------------------------------------------------------------------------
def test_it_has_no_serious_obstacle(window, written, kmeans_runs):
    opened_at(window, f"{written(*kmeans_runs)}#item=5")
    window.get_by_role("button", name=re.compile("Select cluster 3")).first.click()
    window.emulate_media(media="print")  # draws what is out of sight
    window.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    window.emulate_media(media="screen")
    for scheme in ("light", "dark"):
        window.emulate_media(color_scheme=scheme)
        found = Axe().run(window, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [v for v in found if v["impact"] in SERIOUS]
        assert [(v["id"], v["nodes"][0]["target"]) for v in serious] == []


def test_it_fits_a_narrow_window(window, written, kmeans_runs):
    for width in (1100, 420):
        window.set_viewport_size({"width": width, "height": 800})
        opened_at(window, written(*kmeans_runs))
        wide = window.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        window.goto("about:blank")
