"""Charts as files: their size on paper, their words, their fonts, their light ground."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from clustlab.errors import ParameterError
from clustlab.views import (
    bars,
    curves,
    matrices,
    pictures,
    scatter,
    sheets,
    specification,
    thumbnail,
)
from clustlab.views.pictures import WIDTHS, picture
from clustlab.views.theme import reading

LABELS = np.array([0, 1, 2] * 20)
CLUSTERS = np.array([0, 1, 1] * 20)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def confusion():
    chart = matrices.confusion(
        LABELS, CLUSTERS, ("zero", "one", "two"), classes=None, ids=None, title="A & B < C"
    )
    return specification.vega_lite_spec(chart)


def points_of(pdf):
    (box,) = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    return tuple(float(each) for each in box)


def texts(svg):
    return [each.text for each in ET.fromstring(svg).iter(f"{SVG}text") if each.text]


@pytest.mark.parametrize("size", WIDTHS)
def test_each_kind_is_as_wide_as_a_column_or_a_page(confusion, size):
    inches = WIDTHS[size].millimetres / 25.4
    png = Image.open(io.BytesIO(picture(confusion, "png", size=size)))
    assert png.width == pytest.approx(inches * 300, abs=2)
    assert png.info["dpi"][0] == pytest.approx(300, abs=0.1)
    pdf = picture(confusion, "pdf", size=size)
    assert points_of(pdf)[0] == pytest.approx(inches * 72, abs=0.5)
    assert points_of(pdf)[1] == pytest.approx(png.height / 300 * 72, abs=1)
    svg = ET.fromstring(picture(confusion, "svg", size=size))
    assert svg.get("width") == f"{WIDTHS[size].millimetres}mm"


@pytest.mark.parametrize("size", WIDTHS)
def test_a_sheet_of_images_is_a_picture_whose_pixels_stay_sharp(size):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    shown = Image.open(io.BytesIO(picture(pixels, "png", size=size))).convert("RGB")
    inches = WIDTHS[size].millimetres / 25.4
    assert shown.width == pytest.approx(inches * 300, abs=2)
    dots = 300 * inches / WIDTHS[size].pixels  # a side of a pixel
    left = top = pictures.MARGIN * dots
    y, x = np.mgrid[:40, :60]
    found = np.asarray(shown)[
        np.rint(top + (y + 0.5) * dots).astype(int), np.rint(left + (x + 0.5) * dots).astype(int)
    ]
    assert (found == pixels).mean() > 0.99
    svg = picture(pixels, "svg", size=size, title="Images", caption="Each is one.").decode()
    assert texts(svg) == ["Images", "Each is one."]
    assert picture(pixels, "pdf", size=size).startswith(b"%PDF")


def test_a_wide_sheet_fits_between_the_margins():
    wide = np.zeros((100, 2000, 3), np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(picture(wide, "png"))).convert("L"))
    assert (shown[:, 0] == 255).all()
    assert (shown[:, -1] == 255).all()
    assert shown.shape[0] / shown.shape[1] == pytest.approx(1 / 20, abs=0.05)


def test_the_ground_is_white_and_something_is_on_it(confusion):
    pixels = np.asarray(Image.open(io.BytesIO(picture(confusion, "png"))).convert("RGB"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 255).all()
    assert (pixels < 128).any()


def test_colours_are_those_of_the_light_theme(confusion):
    assert "light-dark" in str(confusion)
    svg = picture(confusion, "svg").decode()
    assert "light-dark" not in svg
    pixels = np.asarray(Image.open(io.BytesIO(picture(confusion, "png"))).convert("RGB"))
    assert (pixels == (0x1F, 0x54, 0x9B)).all(2).mean() > 0.01  # a full cell, not black


def test_a_caption_says_nothing_of_the_pointer():
    said = "Each row is a class; the stronger the colour, the more. Click a cell to see its images."
    assert pictures.on_paper(said) == "Each row is a class; the stronger the colour, the more."
    assert pictures.on_paper("Big is much; hover to see it.") == "Big is much."
    readings = [reading(view) for view in (matrices.confusion, matrices.generic, scatter.embedding)]
    for each in map(pictures.on_paper, readings):
        assert not re.search(r"click|hover|drag", each, re.IGNORECASE)
        assert len(each) > 15


def test_title_and_caption_stand_in_it_in_lines_that_fit(confusion):
    long = "Every one of these words stands in the caption of the chart that is saved here. " * 3
    svg = picture(confusion, "svg", size="column", caption=long)
    said = " ".join(texts(svg))
    assert "A & B < C" in said
    assert " ".join(long.split()) in said
    lines = [each for each in texts(svg) if "words" in each or "caption" in each]
    assert len(lines) > 2
    widest = max(pictures._measure("normal")(line) for line in lines) * pictures.CAPTION
    assert widest <= WIDTHS["column"].pixels - 2 * pictures.MARGIN
    bare = " ".join(texts(picture(confusion, "svg", title="")))
    assert "A & B < C" not in bare
    assert "mine" in " ".join(texts(picture(confusion, "svg", title="mine")))


def test_a_word_that_is_wider_than_a_line_is_cut():
    lines = list(pictures._lines("x" * 300, 9.0, "normal", 340.0))
    assert "".join(line.text for line in lines) == "x" * 300
    assert len(lines) > 3


def test_an_svg_carries_the_letters_that_it_uses(confusion):
    svg = picture(confusion, "svg", title="Größe π").decode()
    faces = re.findall(r"font-weight:(\w+);src:url\(data:font/woff;base64,([^)]+)\)", svg)
    assert {weight for weight, _ in faces} == {"normal", "bold"}
    for _, face in faces:
        letters = TTFont(io.BytesIO(base64.b64decode(face))).getBestCmap()
        assert {ord(letter) for letter in "Größeπzerotw"} <= set(letters)
        assert ord("Q") not in letters  # nor any other that does not occur
    assert len(svg) < 200_000


def test_a_pdf_carries_its_fonts_and_keeps_its_words_as_text(confusion):
    pdf = picture(confusion, "pdf")
    assert re.search(rb"/FontName\s*/\w+\+DejaVuSans\b", pdf)
    assert b"/FontFile" in pdf


@pytest.mark.parametrize("kind", ["arrow", "frame"])
def test_tables_as_the_browser_is_sent_them_make_the_same_picture(confusion, kind):
    spec = confusion if kind == "frame" else specification.with_arrow_tables(confusion)
    drawn = [re.sub(rb"clip\d+", b"", picture(each, "svg")) for each in (spec, confusion)]
    assert drawn[0] == drawn[1]
    assert pictures._rows(pa.table({"a": [1.0, float("nan")]})) == [{"a": 1.0}, {"a": None}]
    assert pictures._rows([{"a": 1}]) == [{"a": 1}]


def test_charts_of_every_build_can_be_saved():
    losses = [{"loss": 2.0, "inertia": 9.0}, {"loss": 1.0}]
    table = curves.scalar_frame([{"phase": "train", "scalars": each} for each in losses])
    rng = np.random.default_rng(0)
    dots = scatter.dots(rng.normal(size=(60, 2)), CLUSTERS, labels=LABELS)
    for chart in (
        curves.scalars(table),  # several beside each other
        bars.sizes({"a": 3, "b": 0}),
        scatter.embedding(dots, colour_by="cluster"),  # of a width and a height of its own
    ):
        drawn = picture(specification.vega_lite_spec(chart), "svg", size="column")
        root = ET.fromstring(drawn)
        assert root.get("width") == "86mm"
        assert root.findall(f".//{SVG}path")


def test_nothing_is_fetched_for_a_picture(confusion):
    far = {**confusion, "data": {"url": "http://192.0.2.1/x.json"}}
    with pytest.raises(ValueError, match=r"192\.0\.2\.1"):
        picture({"data": far["data"], "mark": "point", "encoding": {"x": {"field": "a"}}}, "svg")


def test_kinds_and_sizes_that_there_are_not_are_told(confusion):
    with pytest.raises(ParameterError, match="kind must be one of png, svg, pdf, got 'gif'"):
        picture(confusion, "gif")
    with pytest.raises(ParameterError, match="size must be one of column, page, got 'wall'"):
        picture(confusion, "png", size="wall")


def test_names_of_files_tell_what_is_in_them_and_nothing_else():
    assert (
        pictures.file_name("20261128-dec", "step-5", "confusion") == "20261128-dec-step-5-confusion"
    )
    assert pictures.file_name("a/../b:c", "", "é") == "a-..-b-c-é"


@pytest.mark.parametrize("group", [1, 2])
def test_a_sheet_that_wraps_shows_all_its_tiles_in_their_order(group):
    items = (np.arange(10, dtype=np.uint8) * 20)[:, None, None, None] * np.ones(
        (1, 8, 8, 1), np.uint8
    )
    if group == 1:
        sheet = sheets.atlas(items, np.arange(10), tile=8, columns=10)
    else:
        sheet = sheets.pairs(items, np.arange(10).reshape(5, 2), tile=8, columns=5)
    pixels = sheets.wrapped(sheet, columns=5, group=group)
    assert pixels.shape[1] <= 5 * 9 + 1
    seen = []
    for top in range(1, pixels.shape[0], 9):
        for left in range(1, pixels.shape[1], 9):
            tile = pixels[top : top + 8, left : left + 8]
            if not (tile == 255).all():
                assert (tile == tile[0, 0]).all()
                seen.append(int(tile[0, 0, 0]))
    assert seen == (np.arange(10) * 20).tolist()


def test_maps_beside_each_other_are_turned_and_coloured_alike():
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32) * (3, 1)
    clusters = (points[:, 0] > 0).astype(int)
    first = thumbnail.embedding(points, clusters)
    beside = thumbnail.beside(-points, 1 - clusters, 2, (points, clusters))
    assert beside == first
    assert thumbnail.embedding(-points, 1 - clusters) != first
    noise = np.where(clusters == 1, -1, 0)
    assert thumbnail.beside(points, noise, 1, (points, clusters)) == thumbnail.embedding(
        points, noise
    )
