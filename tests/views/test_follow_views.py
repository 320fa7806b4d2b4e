"""The pictures of the page Follow and of the biography: what is in them."""

import numpy as np
import pandas as pd
import pytest

from clustlab.analysis import genealogy
from clustlab.views import life, lineage, raster, theme
from clustlab.views.sheets import png

# Four items over five steps: 0 never moves, 1 settles at step 1, 2 at step 4 after two flips,
# 3 at step 4 after one.
LINES = np.array([[0, 1, 2, 1], [0, 0, 2, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 2, 0]])
LABELS = np.array([1, 0, 0, -1])
BIG = np.random.default_rng(0).integers(4, size=(3, 5000))


def rows(chart):
    """All rows of data of a chart, one list a table."""
    return list(chart.to_dict()["datasets"].values())


# -- raster ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("stable", [0, 1, 3, 2]),
        ("flips", [0, 1, 3, 2]),
        ("cluster", [0, 1, 3, 2]),
        ("class", [3, 1, 2, 0]),
    ],
)
def test_order_of_the_rows(by, expected):
    assert raster.order(LINES, by, LABELS).tolist() == expected


def test_an_order_by_class_needs_labels():
    with pytest.raises(ValueError, match="class"):
        raster.order(LINES, "class")


def test_a_row_has_the_colours_of_its_clusters():
    ranking = np.array([2, 0, 1, 3])
    drawn = raster.raster(LINES, ranking)
    assert drawn.drawn == 4
    height, width = 12, raster.WIDTH // 5
    middle = raster.TOP + height // 2
    for row, item in enumerate(ranking):
        for step in range(5):
            x, y = raster.LEFT + step * width + width // 2, middle + row * height
            assert drawn.sheet.pixels[y, x, :3].tolist() == (
                theme.rgb([theme.colour(LINES[step, item])])[0].tolist()
            )


def test_the_step_in_view_and_the_selection_are_marked():
    accent = [*theme.rgb([theme.ACCENT])[0].tolist(), 255]
    drawn = raster.raster(LINES, np.arange(4), step=2, selected=np.array([1]))
    pixels, width = drawn.sheet.pixels, raster.WIDTH // 5
    assert pixels[raster.TOP, raster.LEFT + 2 * width + width // 2].tolist() == accent
    margin = pixels[:, raster.LEFT - 5].tolist()
    marked = [y for y, pixel in enumerate(margin) if pixel == accent]
    assert marked
    assert all(raster.TOP + 12 <= y < raster.TOP + 24 for y in marked)


def test_bands_cover_all_items_although_few_are_drawn():
    drawn = raster.raster(BIG, raster.order(BIG, "stable"))
    assert drawn.drawn == raster.ROWS
    spans = drawn.spans
    assert (spans[0, 0], spans[-1, 1]) == (0, 5000)
    assert (spans[1:, 0] == spans[:-1, 1]).all()
    assert (spans[:, 1] > spans[:, 0]).all()
    boxes = drawn.sheet.boxes
    assert (boxes[1:, 1] == boxes[:-1, 1] + boxes[:-1, 3]).all()
    assert boxes[:, 3].sum() == raster.ROWS


def test_a_small_selection_is_drawn_and_a_large_one_does_not_fill_the_picture():
    ranking = np.arange(5000)
    few = raster.raster(BIG, ranking, selected=np.array([17, 18, 19]))
    assert few.drawn == raster.ROWS
    without = raster.raster(BIG, ranking)
    assert (few.spans[0] != without.spans[0]).any() or (few.spans != without.spans).any()
    many = raster.raster(BIG, ranking, selected=np.arange(1000, 3000))
    inside = (many.spans[:, 0] >= 1000) & (many.spans[:, 1] <= 3000)
    assert many.sheet.boxes[inside, 3].sum() < 0.55 * raster.ROWS  # two fifths of all items


def test_a_raster_of_very_long_runs_and_of_one_item():
    long = np.zeros((3000, 2), dtype=int)
    assert raster.raster(long, np.arange(2), step=2999).sheet.pixels.shape[1] < 720
    one = raster.raster(np.zeros((1, 1), dtype=int), np.arange(1), step=0)
    assert one.spans.tolist() == [[0, 1]]
    assert png(one.sheet.pixels)[:4] == b"\x89PNG"


def test_the_legend_has_every_cluster():
    text = raster.legend([0, 7])
    assert theme.colour(7) in text
    assert text.count("<span") == 2


def test_ink_is_the_better_of_black_and_white():
    assert (theme.ink("#ffffff"), theme.ink("#000000")) == ("black", "white")
    assert theme.ink("#757575") == "white"  # 4.61 to 1, black 4.55
    assert theme.ink("#777777") == "black"  # white 4.48 to 1, black 4.69


# -- lineage ---------------------------------------------------------------------------------------
def test_a_flow_has_a_block_for_each_cluster_and_column():
    columns = np.array([0, 2, 4])
    option, links = lineage.sankey(genealogy.flows(LINES, columns), columns)
    (series,) = option["series"]
    names = {node["name"]: node["depth"] for node in series["data"]}
    assert names == {
        "0 at step 0": 0,
        "1 at step 0": 0,
        "2 at step 0": 0,
        "0 at step 2": 1,
        "1 at step 2": 1,
        "0 at step 4": 2,
        "2 at step 4": 2,
    }
    assert links == [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 2, 1), (1, 0, 0), (1, 1, 0), (1, 1, 2)]
    assert sum(link["value"] for link in series["links"]) == 8
    assert [head["text"] for head in option["title"]] == ["step 0", "2", "4"]


def test_traced_members_have_a_band_of_their_own():
    columns = np.array([0, 4])
    traced = genealogy.flows(LINES, columns, np.array([1]))
    option, links = lineage.sankey(genealogy.flows(LINES, columns), columns, traced)
    bands = {
        (link, band["lineStyle"]["opacity"]): band["value"]
        for link, band in zip(links, option["series"][0]["links"], strict=True)
    }
    assert bands[((0, 1, 0), 0.75)] == 1  # item 1
    assert bands[((0, 1, 0), 0.1)] == 1  # item 3 on the same way
    assert sum(bands.values()) == 4


def test_narrow_bands_are_one_grey_band_that_cannot_be_chosen():
    counts = np.diag([500, 500, 0])  # no noise
    counts[0, 1] = 2
    option, links = lineage.sankey([counts], [0, 9])
    assert links == [(0, 0, 0), (0, 1, 1), None]
    assert option["series"][0]["links"][-1]["value"] == 2
    assert option["series"][0]["links"][-1]["source"] == "small moves at step 0"


def test_clusters_of_a_lineage_keep_their_place_from_column_to_column():
    counts = np.diag([500, 500, 500, 0])
    counts[0, 2] = 100
    option, _ = lineage.sankey([np.diag([600, 500, 400, 0]), counts], [0, 4, 9])
    names = [node["name"] for node in option["series"][0]["data"]]
    assert names == [f"{i} at step {step}" for step in (0, 4, 9) for i in (0, 2, 1)]


def test_jumps_show_both_parts_of_each_step():
    table = pd.DataFrame(
        {"step": [1, 2], "acc": [1, 1], "moved": [0.1, -0.2], "rematched": [0, 0.3]}
    )
    drawn = [row for part in rows(lineage.jumps(table, 2)) for row in part if "part" in row]
    assert {(r["step"], r["part"], r["change"]) for r in drawn} == {
        (1, "Items that moved", 0.1),
        (2, "Items that moved", -0.2),
        (1, "New matching", 0),
        (2, "New matching", 0.3),
    }


# -- one item --------------------------------------------------------------------------------------
def test_probabilities_stand_on_one_another_and_fill_the_strip():
    values = np.array([[np.nan] * 3, [0.7, 0.3, np.nan], [0.2, 0.3, 0.5]])
    drawn = [row for part in rows(life.spread(values, 1)) for row in part if "cluster" in row]
    assert {row["step"] for row in drawn} == {1, 2}
    second = {row["cluster"]: (row["low"], row["high"]) for row in drawn if row["step"] == 2}
    assert second["0"] == pytest.approx((0, 0.2))
    assert second["1"] == pytest.approx((0.2, 0.5))
    assert second["2"] == pytest.approx((0.5, 1))


def test_many_clusters_are_the_likely_ones_and_the_rest():
    values = np.full((2, 40), 0.01)
    values[:, 30] = 0.61
    table = life._stacked(values)
    assert len(set(table["cluster"])) == life.MOST + 1
    rest = table[table["cluster"] == "all others"]
    assert rest["probability"].tolist() == pytest.approx([0.32, 0.32])
    assert "30" in set(table["cluster"])


def test_a_path_has_a_dot_for_each_step_and_few_in_the_ground():
    places = np.arange(6).reshape(3, 2) / 10
    ground = np.random.default_rng(0).normal(size=(5000, 2))
    tables = rows(life.path(places, [0, 0, 1], ground, 1, extent=1.1))
    sizes = sorted(len(table) for table in tables)
    assert sizes[-1] == life.GROUND
    dots = next(table for table in tables if len(table) == 3)
    assert [row["cluster"] for row in dots] == [0, 0, 1]


def test_confidence_and_margin_over_time():
    (table,) = (
        t for t in rows(life.certainty(np.array([[0.9, 0.8], [0.6, 0.1]]), 1)) if len(t) > 1
    )
    assert {(r["step"], r["figure"], r["value"]) for r in table} == {
        (0, "Confidence", 0.9),
        (0, "Margin", 0.8),
        (1, "Confidence", 0.6),
        (1, "Margin", 0.1),
    }
