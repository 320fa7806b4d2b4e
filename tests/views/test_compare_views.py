import itertools

import numpy as np
import pandas as pd
import pytest

from clustlab.analysis import learning_curves, progress_axis
from clustlab.views import matrices, overlay, panes, theme

RNG = np.random.default_rng(0)
N = 60
POINTS = [RNG.normal(size=(N, 2)).astype(np.float32) * 0.4 for _ in range(4)]
CLUSTERS = [np.repeat([0, 1, 2], 20), np.repeat([0, 2, 1], 20), np.arange(N) % 5]


def rows(chart):
    return list(itertools.chain.from_iterable(chart.to_dict()["datasets"].values()))


def table(n=2, count=N):
    keep = np.arange(count) % N
    return panes.wide([p[keep] for p in POINTS[:n]], [c[keep] for c in CLUSTERS[:n]])


# -- panes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 3])
def test_each_run_has_a_pane(n):
    spec = panes.linked(table(n), list("ABC"[:n])).to_dict()
    assert [pane["title"]["text"] for pane in spec["concat"]] == list("ABC"[:n])
    for letter, pane in zip("ABC", spec["concat"], strict=False):
        dots = pane["layer"][0]["encoding"]
        assert (dots["x"]["field"], dots["y"]["field"]) == (f"x{letter}", f"y{letter}")
        unlit = dots["color"]["condition"]
        assert (unlit["test"], unlit["value"]) == ("!datum.lit", theme.GREY)
        # one unit is as long on both axes
        x, y = (dots[axis]["scale"]["domain"][1] for axis in "xy")
        width, height = pane["width"], pane["height"]
        assert x / width == pytest.approx(y / height)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_panes_take_all_of_the_width(n):
    width, height = panes.size(n)
    assert panes.ACROSS - n <= n * width + (n - 1) * panes.SPACE + panes.MARGIN <= panes.ACROSS
    assert height / width == pytest.approx(panes.UPRIGHT[n], abs=0.02)
    assert panes.size(1) == panes.size(2)  # not twice as large


def test_a_colour_is_one_cluster_in_every_pane_and_at_every_step():
    spec = panes.linked(table(), ["A", "B"], ids=[0, 1, 2, 3]).to_dict()
    scales = [pane["layer"][0]["encoding"]["color"]["scale"] for pane in spec["concat"]]
    assert scales[0] == scales[1]
    assert scales[0]["domain"] == [0, 1, 2, 3]
    assert scales[0]["range"][2] == theme.colour(2)


def test_all_is_lit_unless_something_is_selected():
    lit = [row["lit"] for row in rows(panes.linked(table(), ["A", "B"])) if "lit" in row]
    assert all(lit)
    chart = panes.linked(table(), ["A", "B"], selected=[3, 4])
    found = [row["index"] for row in rows(chart) if row.get("lit")]
    assert found == [3, 4]


def test_a_large_run_is_thinned_with_a_word_and_keeps_the_selection():
    chart = panes.linked(table(count=5000), ["A", "B"], selected=[4999, 17])
    drawn = [row for row in rows(chart) if "lit" in row]
    assert len(drawn) == panes.MAX_DOTS
    assert {row["index"] for row in drawn if row["lit"]} == {4999, 17}
    assert chart.to_dict()["title"]["text"] == ["2,000 of 5,000 items shown"]


def test_a_large_selection_leaves_room_for_the_rest_in_grey():
    chosen = np.arange(4000)
    drawn = rows(panes.linked(table(count=5000), ["A", "B"], selected=chosen))
    lit = [row["lit"] for row in drawn if "lit" in row]
    assert len(lit) == panes.MAX_DOTS
    assert len(panes.kept(chosen)) == 1000 <= sum(lit) < panes.MAX_DOTS
    assert panes.kept([5, 3]).tolist() == [5, 3]


# -- matrices ------------------------------------------------------------------------------------
def test_clusters_of_two_runs_are_crossed_with_equal_numbers_outlined():
    a, b = np.array([0, 0, 1, 1, 3]), np.array([0, 2, 2, 2, 3])
    cells = {
        (row["from"], row["to"]): row["count"]
        for row in rows(matrices.between(a, b))
        if "share" in row
    }
    assert cells[0, 0] == cells[0, 2] == cells[3, 3] == 1
    assert cells[1, 2] == 2
    assert {k for k, _ in cells} == {0, 1, 3}
    outlined = {(r["from"], r["to"]) for r in rows(matrices.between(a, b)) if r.get("matched")}
    assert outlined == {(0, 0), (3, 3)}


def test_a_matrix_of_scores_has_each_pair():
    values = np.array([[1, 0.25], [0.25, 1]])
    found = {(r["a"], r["b"]): r["score"] for r in rows(matrices.pairwise(values, ["A", "B"]))}
    assert found == {("A", "A"): 1, ("A", "B"): 0.25, ("B", "A"): 0.25, ("B", "B"): 1}


def test_numbers_that_do_not_fit_into_narrow_cells_are_hidden():
    spec = matrices.confusion(CLUSTERS[0], CLUSTERS[0], list("abc")).to_dict()
    texts = [layer["mark"] for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    assert {text["opacity"]["expr"] for text in texts} == {"width > 60 ? 1 : 0"}


# -- curves --------------------------------------------------------------------------------------
def test_curves_have_a_band_for_seeds_and_a_mark_for_each_place():
    curves = {
        name: pd.DataFrame({"step": [0, 1, 2], "acc": values})
        for name, values in {"a": [0.1, 0.2, 0.3], "b": [0.3, 0.4, 0.5], "c": [1, 1, 1]}.items()
    }
    groups = {"A: DEC, 2 seeds": ["a", "b"], "B: IIC": ["c"]}
    found = learning_curves.bands(curves, groups, "step", "acc")
    chart = overlay.overlaid(found, list(groups), figure="acc", at=[np.nan, 2.0])
    spec = chart.to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rule", "area", "line", "circle"]
    drawn = [row for row in rows(chart) if "mean" in row]
    assert [row["mean"] for row in drawn] == pytest.approx([0.2, 0.3, 0.4, 1, 1, 1])
    assert [row["low"] for row in drawn[:3]] == pytest.approx([0.1, 0.2, 0.3])
    assert [row for row in rows(chart) if "mean" not in row] == [{"group": "B: IIC", "x": 2.0}]


@pytest.mark.parametrize("axis", progress_axis.AXES)
def test_curves_without_a_row_are_an_empty_chart(axis):
    empty = learning_curves.bands({}, {}, axis, "acc")
    spec = overlay.overlaid(empty, ["A"], figure="acc", axis=axis).to_dict()
    assert spec["layer"][1]["encoding"]["x"]["title"] == overlay.AXES[axis]


def test_items_of_a_part_keep_their_numbers_in_the_linked_maps():
    n = 4000
    at = np.stack([np.linspace(-1, 1, n), np.zeros(n)], axis=1)
    items = np.arange(n) * 2 + 1
    table = panes.wide([at], [np.zeros(n, int)], letters="A", items=items)
    chosen = [1, 3, 7999]
    drawn = panes._drawn(table, chosen)
    assert drawn.loc[drawn["lit"], "index"].tolist() == chosen
    assert len(drawn) == panes.MAX_DOTS
