"""Noise is grey and called noise wherever clusters are drawn, and is never taken for the last."""

import numpy as np
import pytest

from clustlab.analysis import genealogy
from clustlab.types import NOISE, Artefact, Snapshot
from clustlab.views import (
    artefacts,
    bars,
    flow,
    life,
    lineage,
    matrices,
    panes,
    raster,
    regions,
    scatter,
    sheets,
    theme,
    thumbnail,
)

LABELS = np.repeat([0, 1, 2], 20)
CLUSTERS = np.where(np.arange(60) % 20 < 5, NOISE, LABELS)
POINTS = np.stack([LABELS * 2.0, np.arange(60) / 60], 1).astype(np.float32)
NAMES = ("ant", "bee", "cat")
ITEMS = np.full((60, 8, 8, 1), 255, np.uint8)
GREY = theme.rgb([theme.GREY])[0].tolist()


def rows(spec):
    """All rows of all tables of a specification."""
    return [row for table in spec["datasets"].values() for row in table]


def dots(**options):
    known = {"labels": LABELS, "class_names": NAMES, "classes": np.array([0, 1, 2])}
    return scatter.dots(POINTS, CLUSTERS, **{**known, **options})


# Maps --------------------------------------------------------------------------------------------


def test_a_map_has_grey_dots_that_are_called_noise_in_legend_and_tooltip():
    spec = scatter.embedding(dots()).to_dict()
    circles = spec["layer"][0]
    colour = circles["encoding"]["color"]
    assert colour["scale"]["domain"] == [0, 1, 2, NOISE]
    assert colour["scale"]["range"][-1] == theme.GREY
    assert colour["legend"]["labelExpr"] == "datum.value < 0 ? 'noise' : datum.label"
    (name,) = circles["transform"]
    assert name == {
        "as": "cluster name",
        "calculate": "datum.cluster < 0 ? 'noise' : datum.cluster",
    }
    shown = {tip["field"]: tip.get("title") for tip in circles["encoding"]["tooltip"]}
    assert shown["cluster name"] == "cluster"
    assert "cluster" not in shown


def test_noise_has_no_middle_to_write_a_number_at():
    for spec in (
        scatter.embedding(dots()).to_dict(),
        panes.linked(panes.wide([POINTS], [CLUSTERS]), ["A"]).to_dict(),
    ):
        rings = [row for row in rows(spec) if "color" in row]
        assert [row.get("cluster", row.get("clusterA")) for row in rings] == [0, 1, 2]


def test_noise_is_neither_right_nor_wrong_in_a_map():
    table = dots()
    assert table["correct"].value_counts().to_dict() == {"right": 45, "noise": 15}
    spec = scatter.embedding(table, colour_by="correct").to_dict()
    domain = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert domain == ["right", "wrong", "noise", "unknown"]
    clean = scatter.dots(POINTS, LABELS, labels=LABELS, classes=np.arange(3))
    assert list(scatter.correctness(clean)) == ["right", "wrong", "unknown"]


def test_all_noise_can_be_drawn_everywhere():
    nothing = np.full(60, NOISE)
    none = np.zeros(0, int)
    table = scatter.dots(POINTS, nothing, labels=LABELS, classes=none)
    centers = np.zeros((0, 2))
    assert set(table["correct"]) == {"noise"}
    scatter.embedding(table, centers=centers).to_dict()
    panes.linked(panes.wide([POINTS], [nothing]), ["A"]).to_dict()
    matrices.confusion(LABELS, nothing, NAMES, classes=none, ids=none).to_dict()
    matrices.transition(nothing, nothing, 0).to_dict()
    matrices.between(nothing, nothing).to_dict()
    flow.sankey(nothing, nothing, 0)
    bars.history(nothing[:4]).to_dict()
    assert thumbnail.embedding(POINTS, nothing)
    assert raster.raster(np.stack([nothing] * 3), np.arange(60)).drawn == 60


# Matrices ----------------------------------------------------------------------------------------


def test_a_confusion_matrix_has_a_last_column_of_noise():
    spec = matrices.confusion(LABELS, CLUSTERS, NAMES).to_dict()
    cells = {(r["true"], r["cluster"]): r for r in rows(spec) if "matched" in r}
    assert [cells[name, NOISE]["count"] for name in NAMES] == [5, 5, 5]
    assert not any(cells[name, NOISE]["matched"] for name in NAMES)
    assert cells["ant", 0]["share"] == 0.75
    assert {cell["head"] for cell in cells.values()} == {"0 → ant", "1 → bee", "2 → cat", "noise"}
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"][-1] == "noise"
    assert cells["ant", NOISE]["cluster name"] == "noise"


def test_without_noise_there_is_no_such_column():
    spec = matrices.confusion(LABELS, LABELS, NAMES).to_dict()
    assert {row["cluster"] for row in rows(spec)} == {0, 1, 2}


@pytest.mark.parametrize("draw", [lambda a, b: matrices.transition(a, b, 3), matrices.between])
def test_tables_of_two_clusterings_have_a_row_and_a_column_of_noise(draw):
    spec = draw(LABELS, CLUSTERS).to_dict()
    cells = {(r["from"], r["to"]): r["count"] for r in rows(spec) if "matched" in r}
    assert [cells[i, NOISE] for i in range(3)] == [5, 5, 5]
    x = spec["layer"][0]["encoding"]["x"]
    assert x["scale"]["domain"] == [0, 1, 2, NOISE]
    assert x["axis"]["labelExpr"] == "datum.value < 0 ? 'noise' : datum.label"
    spec = draw(CLUSTERS, CLUSTERS).to_dict()
    cells = {(r["from"], r["to"]): r for r in rows(spec) if "matched" in r}
    assert cells[NOISE, NOISE]["count"] == 15
    assert cells[NOISE, NOISE]["from name"] == "noise"


# Flows -------------------------------------------------------------------------------------------


def test_flows_into_noise_end_in_a_grey_block_below_all_clusters():
    option, links = flow.sankey(LABELS, CLUSTERS, 3, words=("before", "after"))
    assert links == [(0, 0), (0, -1), (1, 1), (1, -1), (2, 2), (2, -1)]
    nodes = option["series"][0]["data"]
    assert nodes[-1]["name"] == "noise after"
    assert nodes[-1]["itemStyle"] == {"color": theme.GREY}
    steps = np.stack([LABELS, CLUSTERS, LABELS])
    option, links = lineage.sankey(genealogy.flows(steps, np.arange(3)), np.arange(3))
    assert (0, 2, -1) in links
    assert (1, -1, 2) in links
    nodes = [node for node in option["series"][0]["data"] if node["depth"] == 1]
    assert [node["label"]["formatter"] for node in nodes] == ["0", "1", "2", "noise"]
    assert nodes[-1]["itemStyle"]["color"] == theme.GREY


# Sheets and rasters ------------------------------------------------------------------------------


def test_a_sheet_has_a_grey_row_and_grey_frames_of_noise():
    framed = sheets.atlas(ITEMS, [0, 10], clusters=CLUSTERS[[0, 10]])
    left, top, *_ = framed.boxes[0]
    assert framed.pixels[top, left].tolist() == GREY
    sheet = sheets.cluster_rows(ITEMS, [[10], [0, 1]], clusters=[0, NOISE], tile=32)
    second = sheet.boxes[1][1]
    assert sheet.pixels[second, 1].tolist() == GREY
    patch = sheet.pixels[second : second + 30, 1:30].reshape(-1, 3)
    assert len(np.unique(patch, axis=0)) > 2  # a word is written on it


def test_orders_of_images_know_that_noise_has_no_centre():
    centers = np.array([[0, 0.5], [2, 0.5], [4, 0.5]])
    made = Snapshot(POINTS, CLUSTERS, {}, centers=centers)
    for snapshot in (made, Snapshot(POINTS, CLUSTERS, {})):
        found = sheets.order("central", np.arange(60), snapshot)
        assert sorted(found[-15:].tolist()) == np.flatnonzero(CLUSTERS == NOISE).tolist()
    found = sheets.order(
        "changed", np.arange(20), made, clusters=CLUSTERS, previous=np.full(60, NOISE)
    )
    assert sorted(found.tolist()) == list(range(5, 20))


def test_a_raster_draws_noise_grey_and_sorts_it_below_all_clusters():
    steps = np.stack([CLUSTERS, CLUSTERS])
    ranking = raster.order(steps, "cluster")
    assert (CLUSTERS[ranking[-15:]] == NOISE).all()
    drawn = raster.raster(steps, ranking)
    left, top, _, height = drawn.sheet.boxes[-1]
    assert drawn.sheet.pixels[top + height - 1, left + 1, :3].tolist() == GREY
    words = raster.legend([NOISE, 0, 1])
    assert words.index(">1<") < words.index(">noise<")
    assert theme.GREY in words


def test_the_ground_of_noise_is_grey():
    spots = np.full(regions.SIDE**2, NOISE)
    assert regions.picture(spots)[0, 0, :3].tolist() == GREY


# One item ----------------------------------------------------------------------------------------


def test_the_history_of_an_item_begins_with_noise_too():
    spec = bars.history(np.array([-1, -1, 2, 2, -1])).to_dict()
    table = [row for row in rows(spec) if "steps" in row and "ink" not in row]
    assert [(row["cluster name"], row["steps"]) for row in table] == [
        ("noise", "0 to 1"),
        ("2", "2 to 3"),
        ("noise", "4 to 4"),
    ]
    path = life.path(POINTS[:3], np.array([-1, 0, -1]), POINTS, 1).to_dict()
    names = [row["cluster name"] for row in rows(path) if "cluster name" in row]
    assert set(names) == {"noise", "0"}


def test_the_chip_of_noise_says_so():
    html = bars.chip(NOISE, 15, 60)
    assert ">noise<" in html
    assert theme.GREY in html


# What only one method has ------------------------------------------------------------------------


def test_an_axis_with_one_more_than_clusters_ends_with_noise():
    sizes = Artefact(
        "bars",
        np.array([[5, 7, 9, 2]]),
        "Sizes",
        columns=("0", "1", "2", "noise"),
        cluster_axes=(1,),
        marked=(3,),
    )
    shown = artefacts.renumbered(sizes, np.array([2, 0, 1]))
    assert shown.data.tolist() == [[7, 9, 5, 2]]
    assert shown.columns == ("0", "1", "2", "noise")
    assert shown.marked == (3,)
    none = Artefact("bars", np.array([[60]]), "Sizes", columns=("noise",), cluster_axes=(1,))
    assert artefacts.renumbered(none, np.zeros(0, int)).columns == ("noise",)
