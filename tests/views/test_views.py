import inspect
import io
import itertools
import json
import re

import altair as alt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clustlab import registry
from clustlab.types import Artefact, Scalar, Snapshot
from clustlab.views import (
    artefacts,
    bars,
    charts,
    curves,
    dendrogram,
    flow,
    loop,
    matrices,
    scatter,
    sheets,
    specification,
    teaching,
    theme,
)

RNG = np.random.default_rng(0)
N = 60
LABELS = np.repeat([0, 1, 2], 20)
CLUSTERS = np.where(np.arange(N) % 10 == 0, 1, LABELS)
POINTS = RNG.normal(size=(N, 2)).astype(np.float32)
NAMES = ("cat", "dog", "owl")
NOTHING = np.zeros(0, dtype=int)


def rows(chart):
    """All rows of data in a chart, by layer or alone."""
    spec = chart.to_dict()
    return list(itertools.chain.from_iterable(spec["datasets"].values()))


def params(chart):
    return {p["name"]: p["select"] for p in chart.to_dict().get("params", [])}


def full_table(n=N):
    keep = np.arange(n) % N
    return scatter.dots(
        POINTS[keep],
        CLUSTERS[keep],
        labels=LABELS[keep],
        class_names=NAMES,
        classes=np.arange(3),
        confidence=np.linspace(0, 1, n),
        changes=keep,
    )


# -- theme ---------------------------------------------------------------------------------------
def luminance(colour):
    c = theme.rgb([colour])[0] / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", theme.TEN)
def test_cluster_colours_stand_out_on_both_themes(colour):
    light = luminance(colour)
    assert 1.05 / (light + 0.05) > 1.7
    assert (light + 0.05) / (luminance("#0e1117") + 0.05) > 2.5


def test_the_first_twenty_colours_differ_and_later_ones_repeat_at_most_after_256():
    assert len({theme.colour(i) for i in range(20)}) == 20
    assert len({theme.colour(i) for i in range(20, 276)}) == 256
    assert theme.colour(-1) == theme.GREY
    assert not set(theme.TEN) & set(theme.CLASSES)


def test_a_scale_gives_each_id_its_colour_whatever_the_others_are():
    few, many = charts.scale([3, 7]).to_dict(), charts.scale(range(10)).to_dict()
    assert few["range"] == [many["range"][3], many["range"][7]]


@given(st.integers(0, 300), st.lists(st.integers(0, 299), max_size=30), st.integers(1, 100))
def test_thinning_keeps_the_limit_and_what_must_be_kept(n, keep, limit):
    keep = [k for k in keep if k < n]
    drawn = theme.thin(n, keep, limit)
    assert len(drawn) == min(n, limit)
    assert len(set(drawn.tolist())) == len(drawn)
    assert set(keep) <= set(drawn.tolist()) or len(set(keep)) > limit


def test_thinning_says_so():
    assert theme.shown(5, 10_000) == "5 of 10,000 shown"
    assert theme.shown(5, 10, "cells") == "5 of 10 cells shown"
    assert theme.shown(10, 10) == ""


VIEWS = [
    scatter.embedding,
    curves.metrics,
    curves.right_pairs,
    curves.scalars,
    curves.sparkline,
    matrices.confusion,
    matrices.transition,
    matrices.generic,
    flow.sankey,
    bars.class_balance,
    bars.recall,
    bars.probabilities,
    bars.history,
    bars.points,
    bars.series,
    sheets.atlas,
    sheets.cluster_rows,
    sheets.random_sheet,
    loop.svg,
    dendrogram.tree,
    artefacts.artefact_chart,
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: f"{v.__module__}.{v.__name__}")
def test_every_view_says_how_to_read_it(view):
    text = theme.reading(view)
    assert len(text) > 20
    assert "\n" not in text
    assert "Parameters" not in text


def test_reading_of_a_function_without_one_is_empty():
    assert theme.reading(scatter.dots) == ""


def test_no_view_touches_the_global_theme():
    for view in VIEWS:
        assert "alt.theme" not in inspect.getsource(inspect.getmodule(view))


# -- scatter -------------------------------------------------------------------------------------
def test_dots_know_classes_and_correctness():
    table = full_table()
    assert table["index"].tolist() == list(range(N))
    assert table["class"].unique().tolist() == list(NAMES)
    assert (table["correct"] == np.where(CLUSTERS == LABELS, "right", "wrong")).all()
    assert scatter.colourings(table) == list(scatter.COLOURINGS)
    assert scatter.colourings(scatter.dots(POINTS, CLUSTERS)) == ["cluster"]


def test_unlabelled_items_are_neither_right_nor_wrong():
    table = scatter.dots(POINTS, CLUSTERS, labels=np.full(N, -1), classes=np.arange(3))
    assert set(table["correct"]) == {"unknown"}
    assert set(table["class"]) == {"unknown"}


@pytest.mark.parametrize("by", scatter.COLOURINGS)
def test_embedding_has_one_row_per_item_and_named_selections(by):
    chart = scatter.embedding(full_table(), colour_by=by, title="PCA")
    spec = chart.to_dict()
    dots = next(layer for layer in spec["layer"] if layer.get("name") == "dots")
    assert len(spec["datasets"][dots["data"]["name"]]) == N
    assert dots["encoding"]["color"]["field"] == by
    assert params(chart) == {
        "brush": {"type": "interval", "encodings": ["x", "y"]},
        "pick": {"type": "point", "fields": ["index"]},
    }


def test_embedding_uses_the_colours_of_the_clusters():
    spec = scatter.embedding(full_table()).to_dict()
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    assert scale == {"domain": [0, 1, 2], "range": [theme.colour(i) for i in range(3)]}


def test_embedding_is_thinned_with_a_note_and_keeps_the_selected(monkeypatch):
    monkeypatch.setattr(theme, "MAX_POINTS", 30)
    chart = scatter.embedding(full_table(), selected=[7, 8])
    spec = chart.to_dict()
    drawn = spec["datasets"][spec["layer"][0]["data"]["name"]]
    assert len(drawn) == 30
    assert [row["index"] for row in drawn[-2:]] == [7, 8]  # on top of the others
    assert spec["title"]["text"] == ["30 of 60 shown"]


def test_centers_are_numbered_and_missing_ones_left_out():
    centers = np.array([[0, 0], [np.nan, np.nan], [1, 1]])
    chart = scatter.embedding(full_table(), centers=centers)
    rings = [row for row in rows(chart) if set(row) == {"cluster", "x", "y", "color"}]
    assert [row["cluster"] for row in rings] == [0, 2]
    assert [row["color"] for row in rings] == [theme.colour(0), theme.colour(2)]


def test_axes_have_equal_units():
    x, y = (axis.to_dict()["scale"] for axis in scatter.axes(full_table(), 5.0))
    assert x["domainMax"] == {"expr": "0.0 + 5.0 * width / min(width, height)"}
    assert y["domainMin"] == {"expr": "0.0 - 5.0 * height / min(width, height)"}
    assert x["clamp"]  # what lies outside stays in sight at the rim


def test_trails_follow_the_selected_items():
    table = scatter.trails([3, 4], [POINTS, POINTS + 1], [CLUSTERS, CLUSTERS], [5, 6])
    assert table["index"].tolist() == [5, 6, 5, 6]
    assert table["step"].tolist() == [3, 3, 4, 4]
    chart = scatter.embedding(full_table(), selected=[5, 6], trails=table)
    assert chart.to_dict()["layer"][0]["mark"]["type"] == "line"
    assert scatter.trails([], [], [], [1]).empty


def test_a_brush_finds_items_that_are_not_drawn():
    table = full_table()
    found = scatter.brushed(table, [0.5, -0.5], [-1, 1])
    inside = (np.abs(POINTS[:, 0]) <= 0.5) & (np.abs(POINTS[:, 1]) <= 1)
    assert found.tolist() == np.flatnonzero(inside).tolist()


def test_empty_embeddings_are_drawn_empty():
    table = scatter.dots(np.zeros((0, 2)), NOTHING)
    spec = scatter.embedding(table).to_dict()
    assert spec["title"]["text"] == ["no items"]


# -- curves --------------------------------------------------------------------------------------
FIGURES = pd.DataFrame(
    {"step": range(4), "acc": [0.1, 0.5, 0.7, 0.8], "changed": [np.nan, 0.4, 0.2, 0.1]}
)


def test_metrics_have_a_row_per_defined_value_and_a_mark_at_the_step():
    chart = curves.metrics(FIGURES, ["acc", "changed"], step=2, phases=[("a", 0), ("b", 3)])
    values = [row for row in rows(chart) if "value" in row]
    assert len(values) == 7
    assert {row["name"] for row in values} == {"Accuracy", "Share of labels changed"}
    assert {"step": 2} in rows(chart)
    assert {"phase": "b", "step": 3} in rows(chart)
    assert params(chart)["at"]["fields"] == ["step"]


def test_no_two_curves_look_alike():
    names = ["acc", "nmi", "ari", "purity", "ami", "homogeneity", "completeness", "v_measure"]
    table = pd.DataFrame({"step": [0, 1], **{name: [0.1, 0.2] for name in names}})
    encoded = curves.metrics(table, names).to_dict()["layer"][0]["encoding"]
    looks = zip(
        encoded["color"]["scale"]["range"],
        map(tuple, encoded["strokeDash"]["scale"]["range"]),
        strict=True,
    )
    assert len(set(looks)) == len(names)


def test_curves_of_many_steps_are_thinned():
    steps = np.arange(20_000)
    table = pd.DataFrame({"step": steps, "acc": steps / 20_000})
    drawn = rows(curves.metrics(table, ["acc"]))
    assert len(drawn) == curves.MAX_STEPS
    assert drawn[-1]["step"] == 19_999


def test_right_pairs_reach_from_none_to_all_and_leave_out_what_there_is_none_of():
    table = pd.DataFrame([(0, 0.2, np.nan), (1, 0.8, 0.9)], columns=["step", *curves.PAIRS])
    chart = curves.right_pairs(table, step=1)
    assert sorted(row["value"] for row in rows(chart) if "value" in row) == [0.2, 0.8, 0.9]
    assert {"step": 1} in rows(chart)
    assert '"scale": {"domain": [0.0, 1.0]}' in json.dumps(chart.to_dict())


def test_empty_metrics_are_drawn_empty():
    assert rows(curves.metrics(FIGURES[:0], ["acc"])) == []
    curves.scalars(curves.scalar_frame([])).to_dict()
    curves.sparkline([]).to_dict()


def test_each_scalar_has_its_own_chart_over_the_steps_of_its_phases():
    log = [
        {"phase": "pretrain", "scalars": {"reconstruction": 1.0}},
        {"phase": "pretrain", "scalars": {"reconstruction": 0.5, "entropy_ceiling": 2.0}},
        {"phase": "cluster", "scalars": {"kl_divergence": 0.2, "code_scale": 1.41111}},
        {"phase": "cluster", "scalars": {"kl_divergence": 0.1}},
    ]
    table = curves.scalar_frame(log)
    spec = curves.scalars(table, step=1).to_dict()
    titles = [chart["title"] for chart in spec["concat"]]
    assert [(" ".join(title["text"]), title["subtitle"]) for title in titles] == [
        ("Reconstruction error", ["lower is better", "in pretrain"]),
        ("Divergence from the prior", ["nats", "in cluster"]),
    ]
    domains = [c["layer"][-1]["encoding"]["x"]["scale"]["domain"] for c in spec["concat"]]
    assert domains == [[0, 1], [2, 3]]
    assert curves.scalars(table, room=300).to_dict()["columns"] == 1


def test_what_has_one_value_only_is_a_number_and_no_curve():
    log = [
        {"phase": "train", "scalars": {"entropy_ceiling": 2.302585, "loss": 0.5 - step}}
        for step in range(3)
    ]
    log[1]["scalars"]["code_scale"] = 1.41111
    table = curves.scalar_frame(log)
    assert curves.curves_of(table) == ["loss"]
    assert curves.single_values(table) == [
        ("Greatest entropy possible", "2.303 nats at every step"),
        ("Enlargement of the codes", "1.411 times at step 1"),
    ]


def test_numbers_under_the_pointer_are_not_rounded_to_all_or_nothing():
    frame = FIGURES.assign(acc=0.9999)
    spec = json.dumps(curves.metrics(frame, ["acc"]).to_dict())
    assert "'>0.999'" in spec
    assert "value written" in spec
    assert bars.recall([0.9999, 1.0]).to_dict()["layer"][1]["encoding"]["text"] == {
        "field": "recall written",
        "type": "nominal",
    }
    written = [row["recall written"] for row in rows(bars.recall([0.9999, 1.0, 0.0001]))]
    assert written[:3] == [">0.999", "1.000", "<0.001"]


def test_the_legend_of_lines_shows_lines_and_has_columns_for_long_names():
    few = charts.line_legend(["ACC", "NMI"]).to_dict()
    assert (few["symbolType"], few["columns"]) == ("stroke", 2)
    long = charts.line_legend(["NMI with the step before", "Share of labels changed", "Accuracy"])
    assert long.to_dict()["columns"] == 1
    assert curves.metrics(FIGURES, ["acc"]).to_dict()["config"]["legend"] == {"labelLimit": 0}


def test_every_column_of_a_matrix_of_20_clusters_has_its_name():
    labels = np.arange(200) % 20
    spec = matrices.confusion(labels, labels).to_dict()
    axis = spec["layer"][0]["encoding"]["x"]["axis"]
    assert (axis["labelOverlap"], axis["labelFontSize"]) == (False, 9)
    spec = matrices.generic(np.eye(20), titles=("cluster", "copy")).to_dict()
    axes = [spec["layer"][0]["encoding"][way] for way in "yx"]
    assert [axis["title"] for axis in axes] == ["cluster", "copy"]
    assert not any(axis["axis"]["labelOverlap"] for axis in axes)


def test_numbers_in_cells_have_no_rim():
    spec = json.dumps(matrices.confusion(np.arange(9) % 3, np.arange(9) % 3).to_dict())
    assert 'strokeWidth": 3' not in spec


def test_probabilities_of_all_items_are_a_row_for_each_cluster():
    data = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    artefact = Artefact("per_item", data, "Target p", cluster_axes=(1,))
    spec = artefacts.artefact_chart(artefact, np.array([1, 0])).to_dict()
    assert spec["encoding"]["y"]["title"] == "cluster"
    assert spec["encoding"]["x"]["title"] == "Target p"
    assert spec["encoding"]["opacity"]["legend"]["title"] == "items"
    assert "color" not in spec["encoding"]
    assert sum(row["items"] for row in rows(artefacts.artefact_chart(artefact))) == 6


def test_a_method_says_what_its_own_scalars_are():
    log = [{"phase": "train", "scalars": {"tension": 1.0, "lost_name": 2.0}}]
    own = (Scalar("tension", "Tension of the springs", "units", "lower"),)
    table = curves.scalar_frame(log, own)
    assert table["name"].tolist() == ["Tension of the springs", "Lost name"]
    assert table["about"].tolist() == ["units, lower is better", ""]


def test_the_sparkline_of_a_step_differs_only_in_its_red_line():
    shares = [float("nan"), 0.4, 0.1]
    for step in (0, 2):
        fresh = specification.vega_lite_spec(curves.sparkline(shares, step, alarms=[1]))
        kept = curves.sparkline_at(shares, step, alarms=[1])
        assert {k: v for k, v in fresh.items() if k != "datasets"} == {
            k: v for k, v in kept.items() if k != "datasets"
        }
        assert fresh["datasets"].keys() == kept["datasets"].keys()
        for name, table in fresh["datasets"].items():
            assert table.equals(kept["datasets"][name])


def test_sparkline_keeps_the_peaks_of_long_runs():
    shares = np.zeros(50_000)
    shares[31_234] = 0.9
    drawn = rows(curves.sparkline(shares, 3, alarms=[5]))
    assert max(row.get("value", 0) for row in drawn) == 0.9
    assert len(drawn) == curves.MAX_STEPS + 2


# -- matrices ------------------------------------------------------------------------------------
def cells(chart):
    spec = chart.to_dict()
    return spec["datasets"][spec["layer"][0]["data"]["name"]]


def test_confusion_counts_every_item_once_and_outlines_the_matching():
    chart = matrices.confusion(LABELS, CLUSTERS, NAMES)
    found = cells(chart)
    assert sum(cell["count"] for cell in found) == N
    outlined = {(c["true"], c["cluster"]) for c in found if c["matched"]}
    assert outlined == {("cat", 0), ("dog", 1), ("owl", 2)}
    (split,) = [c for c in found if (c["true"], c["cluster"]) == ("cat", 1)]
    assert (split["count"], split["share"]) == (2, 0.1)
    assert params(chart)["cell"] == {"type": "point", "fields": ["true", "cluster"]}


def test_confusion_orders_columns_by_the_matching_also_with_more_clusters():
    swapped = np.array([2, 0, 1, 5])[np.concatenate([CLUSTERS[:55], np.full(5, 3)])]
    spec = matrices.confusion(LABELS, swapped, NAMES).to_dict()
    heads = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert heads == ["2 → cat", "0 → dog", "1 → owl", "5", "3", "4"]


def test_confusion_copes_with_nothing_one_cluster_and_unlabelled_items():
    assert cells(matrices.confusion(NOTHING, NOTHING, NAMES)) == []
    one = cells(matrices.confusion(LABELS, np.zeros(N, dtype=int), NAMES))
    assert len(one) == 3
    unknown = cells(matrices.confusion(np.full(N, -1), CLUSTERS, NAMES))
    assert sum(cell["count"] for cell in unknown) == 0


def test_shares_of_a_confusion_matrix_are_of_the_class_or_of_the_cluster():
    labels, clusters = np.array([0] * 8 + [1] * 8), np.array([0] * 6 + [1] * 2 + [1] * 8)
    for side, expected in (("class", (0.25, 1.0)), ("cluster", (0.2, 0.8))):
        found = cells(matrices.confusion(labels, clusters, share_of=side))
        shares = {(cell["true"], cell["cluster"]): cell["share"] for cell in found}
        assert (shares["0", 1], shares["1", 1]) == expected
        (cell,) = [cell for cell in found if (cell["true"], cell["cluster"]) == ("0", 1)]
        assert (cell["of row written"], cell["of column written"]) == ("25%", "20%")


def test_a_matrix_without_numbers_in_its_cells_says_what_its_colours_are():
    def key(n_ids):
        clusters = np.arange(n_ids)
        heat = matrices.transition(clusters, clusters).to_dict()["layer"][0]
        return heat["encoding"]["opacity"]["legend"]

    assert key(10) is None
    assert key(30)["title"] == "share"


def test_names_of_columns_lie_where_they_have_room():
    def room(names):
        axis = matrices._top("head", names, "").to_dict()["axis"]
        [where] = re.findall(r"^width > (\d+) \? 0 : -\d0$", axis["labelAngle"]["expr"])
        assert axis["labelAlign"]["expr"].startswith(f"width > {where} ? 'center'")
        return int(where)

    assert room([f"{i} → {i}" for i in range(10)]) < 480  # pixels that the page gives ten of them
    assert room(["tortoiseshell"] * 10) > 800
    assert room([0, 1, -1]) > room([0, 1, 2])  # noise is written out


def test_huge_confusion_matrices_show_their_fullest_cells():
    labels, clusters = np.arange(8000) % 100, np.arange(8000) // 80
    chart = matrices.confusion(labels, clusters)
    assert len(cells(chart)) == matrices.MAX_CELLS
    assert chart.to_dict()["title"]["text"] == ["4,900 of 10,000 cells shown"]


def test_transition_sums_to_all_items_and_drops_unused_ids():
    after = np.where(np.arange(N) < 5, 4, CLUSTERS)
    chart = matrices.transition(CLUSTERS, after, 9)
    found = cells(chart)
    assert sum(cell["count"] for cell in found) == N
    assert {cell["to"] for cell in found} == {0, 1, 2, 4}
    assert params(chart)["cell"]["fields"] == ["from", "to"]
    assert cells(matrices.transition(NOTHING, NOTHING)) == []


def test_generic_matrices_are_shrunk_to_what_can_be_read():
    chart = matrices.generic(np.ones((200, 3)))
    assert len(cells(chart)) == 70 * 3
    assert {cell["value"] for cell in cells(chart)} == {1.0}
    assert cells(matrices.generic(np.zeros((0, 0)))) == []


def test_no_chart_has_an_empty_strip_at_its_foot_unless_it_asks_for_one():
    frame = pd.DataFrame({"step": [0, 1], "acc": [0.1, 0.2]})
    assert curves.metrics(frame, ["acc"]).to_dict()["padding"] == {"bottom": 5}
    assert bars.history(np.array([0, 1]), 1).to_dict()["padding"] == 0


def test_a_small_matrix_of_numbers_has_them_in_its_cells_and_a_large_one_a_legend():
    small = matrices.generic(np.array([[0.131, 0.0002], [0.0449, 0.1]]))
    written = [row["words"] for row in rows(small) if "words" in row]
    assert written == ["0.131", "0.045", "0.100"]  # all with the decimals that the largest needs
    large = matrices.generic(np.eye(20))
    assert not [row for row in rows(large) if "words" in row]
    legend = large.to_dict()["layer"][0]["encoding"]["opacity"]["legend"]
    assert (legend["title"], legend["values"]) == ("value", [0.0, 0.25, 0.5, 0.75, 1.0])
    counts = matrices.generic(np.array([[1234.0, 5.4]]))
    assert [row["words"] for row in rows(counts) if "words" in row] == ["1,234", "5"]


def test_shades_of_a_lesson_are_strong_where_there_is_much_on_any_ground():
    spec = teaching.shades(np.array([[0.8, 0.1]]), ["a"], ["b", "c"]).to_dict()
    encoding = spec["layer"][0]["encoding"]
    assert encoding["opacity"]["scale"]["range"] == [0, 1]  # little lets the page show through
    assert "color" not in encoding


def test_words_in_a_cloud_stand_where_they_belong_and_are_not_cut_off():
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    chart = teaching.cloud(points, np.array([0, 1]), texts=[(0.0, 2.0, "above all")])
    assert {"x": 0.0, "y": 2.0, "words": "above all"} in rows(chart)
    low, high = chart.to_dict()["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low < 0
    assert high > 2


# -- flow ----------------------------------------------------------------------------------------
def test_bands_and_their_list_are_in_the_same_order():
    before = np.repeat([0, 1], 500)
    after = before.copy()
    after[:100] = 1
    after[999] = 0  # one item of a thousand: too thin for a band of its own
    option, links = flow.sankey(before, after, 2)
    (series,) = option["series"]
    assert links == [(0, 0), (0, 1), (1, 1), None]
    assert [link["value"] for link in series["links"]] == [400, 100, 499, 1]
    assert sum(link["value"] for link in series["links"]) == 1000
    colours = {node["name"]: node["itemStyle"]["color"] for node in series["data"]}
    assert colours["0 before"] == colours["0 after"] == theme.colour(0)
    assert series["links"][1]["source"] == "0 before"
    assert series["links"][1]["target"] == "1 after"
    assert series["links"][1]["tooltip"]["formatter"] == (
        "100 of the 500 items in cluster 0 went to cluster 1 (20%)"
    )
    assert series["data"][0]["label"]["formatter"] == "{name|0}500"
    assert [head["text"] for head in option["title"]] == ["before", "after"]
    json.dumps(option)


def test_both_sides_of_a_flow_put_clusters_that_trade_items_beside_each_other():
    before = np.repeat([0, 1, 2, 3], 100)
    after = before.copy()
    after[350:] = 0
    option, _ = flow.sankey(before, after, 4)
    names = [node["name"] for node in option["series"][0]["data"]]
    assert names == [f"{i} {side}" for side in ("before", "after") for i in (0, 3, 1, 2)]


def test_a_flow_of_many_clusters_is_tall_enough_for_their_names():
    clusters = np.repeat(np.arange(50), 20)
    many, _ = flow.sankey(clusters, clusters, 50)
    few, _ = flow.sankey(clusters % 5, clusters % 5, 5)
    assert flow.height(many) >= 50 * 15
    assert flow.height(few) == 460


def test_flow_of_nothing_has_no_bands():
    option, links = flow.sankey(NOTHING, NOTHING, 3)
    assert links == []
    assert option["series"][0]["links"] == []


# -- bars ----------------------------------------------------------------------------------------
def test_class_balance_counts_unlabelled_items_apart():
    labels = np.array([0, 0, 2, -1])
    found = {row["name"]: row["items"] for row in rows(bars.class_balance(labels, NAMES))}
    assert found == {"cat": 2, "dog": 0, "owl": 1, "unlabelled": 1}


def test_probabilities_use_stable_ids_and_colours():
    chart = bars.probabilities(np.array([0.2, 0.8]), np.array([5, 3]))
    assert {row["cluster"]: row["probability"] for row in rows(chart)} == {5: 0.2, 3: 0.8}
    scale = chart.to_dict()["encoding"]["color"]["scale"]
    assert scale["range"] == [theme.colour(3), theme.colour(5)]


def test_history_has_a_stretch_per_change():
    drawn = [r for r in rows(bars.history(np.array([3, 3, 1, 1, 1, 3]), 2)) if "start" in r]
    stretches = {(row["cluster"], row["start"], row["end"]) for row in drawn}
    assert stretches == {(3, 0, 2), (1, 2, 5), (3, 5, 6)}


def test_a_series_marks_its_columns():
    chart = bars.series(np.array([[1.0, 2.0], [3.0, 4.0]]), ("before", "after"), marked=[1])
    found = {(row["series"], row["bar"]): row["marked"] for row in rows(chart)}
    assert found[("after", "1")]
    assert not found[("before", "0")]


def test_bars_of_nothing_are_drawn_empty():
    for chart in (
        bars.class_balance(NOTHING),
        bars.recall(np.zeros(0)),
        bars.probabilities(np.zeros(0)),
        bars.history(NOTHING),
        bars.points(np.zeros((0, 2), np.float32)),
        bars.series(np.zeros((0, 0))),
    ):
        assert isinstance(chart.to_dict(), dict)


def test_a_chip_shows_number_colour_and_share():
    assert "25 items" in bars.chip(3, 25, 100, words="25 items")
    html = bars.chip(3, 25, 100)
    assert ">3<" in html
    assert theme.colour(3) in html
    assert "width:25.0%" in html
    assert "width:0.0%" in bars.chip(0, 0, 0)


def test_a_chip_shows_what_a_cluster_is_made_of():
    html = bars.chip(3, 4, 9, [1, 0, 3], ("a<b", "dog", "owl"))
    assert html.index("owl: 3") < html.index("a&lt;b: 1")
    assert "dog" not in html
    assert "width:75.00%" in html
    assert theme.class_colour(2) in html


# -- loop ----------------------------------------------------------------------------------------
def test_the_loop_shows_its_boxes_and_lights_the_active_one():
    svg = loop.svg(("encode", "cluster & merge"), active="encode")
    assert "cluster &amp; merge" in svg
    assert svg.count("<rect") == 2
    assert svg.count(f'fill="{theme.ACCENT}"') == 1
    assert "now: encode" in svg
    assert [line for line in ("encode", "cluster &amp;", "merge") if f">{line}</tspan>" in svg] == [
        "encode",
        "cluster &amp;",
        "merge",
    ]
    assert theme.ACCENT not in loop.svg(("encode",), active="train")
    assert loop.svg(()).startswith("<svg")
    assert loop.svg(("encode",)).count("<polygon") == 0


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_the_loop_is_a_ring_with_an_arrow_from_each_box_to_the_next(n):
    svg = loop.svg([f"box {i}" for i in range(n)])
    assert svg.count("<polygon") == n
    places = [(float(x), float(y)) for x, y in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)"', svg)]
    assert len(set(places)) == n
    upper, lower = places[: (n + 1) // 2], places[(n + 1) // 2 :]
    assert upper == sorted(upper)
    assert lower == sorted(lower, reverse=True)
    assert upper[-1][0] == lower[0][0]  # the way down is straight


@pytest.mark.parametrize("name", registry.methods())
def test_letters_of_a_loop_stay_readable_in_a_narrow_window(name):
    svg = loop.svg(registry.method(name).loop)
    width, letters = float(re.search(r'width="(\d+)"', svg)[1]), loop.SIZE
    narrow = 280  # pixels that the picture has on the page Train in a window of 1100
    assert letters * min(1, narrow / width) >= 11


# -- artefacts -----------------------------------------------------------------------------------
def test_cluster_axes_are_renumbered_by_the_stable_ids():
    matrix = Artefact("matrix", np.array([[1.0, 2.0], [3.0, 4.0]]), "P", cluster_axes=(0, 1))
    new = artefacts.renumbered(matrix, np.array([7, 2]))
    assert new.data.tolist() == [[4, 3], [2, 1]]
    assert new.rows == new.columns == ("2", "7")


def test_the_axes_of_a_matrix_say_which_is_which():
    def titles(*titles):
        data = np.array([[1.0, 2.0], [3.0, 4.0]])
        matrix = Artefact("matrix", data, "P", cluster_axes=(0, 1), axis_titles=titles)
        axes = artefacts.artefact_chart(matrix).to_dict()["layer"][0]["encoding"]
        return axes["y"]["title"], axes["x"]["title"]

    assert titles("cluster of images", "cluster of copies") == (
        "cluster of images",
        "cluster of copies",
    )
    assert titles() == ("cluster", "cluster")  # of runs that were stored without


def test_marks_move_with_their_columns_and_other_axes_stay():
    sizes = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    bar = Artefact("bars", sizes, "sizes", rows=("a", "b"), cluster_axes=(1,), marked=(0,))
    new = artefacts.renumbered(bar, np.array([2, 0, 1]))
    assert new.data.tolist() == [[2, 3, 1], [5, 6, 4]]
    assert new.marked == (2,)
    assert new.rows == ("a", "b")
    same = artefacts.renumbered(bar, np.arange(5))  # other clusters than those of the run
    assert same.data.tolist() == sizes.tolist()


def test_names_of_clusters_follow_their_ids():
    names = ("0", "1", "noise")
    bar = Artefact("bars", np.ones((1, 3)), "sizes", cluster_axes=(1,), columns=names, marked=(2,))
    new = artefacts.renumbered(bar, np.array([4, 0, 2]))
    assert new.columns == ("0", "2 noise", "4")
    assert new.marked == (1,)


def test_every_kind_of_artefact_has_a_view():
    images = Artefact("images", np.zeros((2, 3, 8, 8, 1), np.uint8), "i", rows=("a", "b"))
    picture = artefacts.artefact_chart(images)
    assert picture.dtype == np.uint8
    assert picture.shape[0] == 2 * (artefacts.TILE + 1) + 1
    chart = artefacts.artefact_chart(Artefact("matrix", np.eye(3), "m"), np.array([2, 1, 0]))
    assert isinstance(chart, alt.LayerChart)
    per_item = Artefact("per_item", np.arange(6.0).reshape(3, 2), "p", columns=("u", "v"))
    one = {row["bar"]: row["value"] for row in rows(artefacts.artefact_chart(per_item, item=1))}
    assert one == {"u": 2.0, "v": 3.0}
    assert sum(row["items"] for row in rows(artefacts.artefact_chart(per_item))) == 6
    tree = Artefact("tree", np.array([[-1, 2, 3, -1], [0, 1, 2, 0], [0, 0, 1, 1]]), "t")
    assert isinstance(artefacts.artefact_chart(tree, np.array([1, 0])), alt.LayerChart)


# -- sheets --------------------------------------------------------------------------------------
IMAGES = RNG.integers(0, 255, (N, 8, 8, 1), dtype=np.uint8)


@given(st.integers(0, 50), st.integers(1, 12), st.integers(8, 40), st.booleans())
def test_sheets_have_the_promised_size(count, columns, tile, framed):
    clusters = np.arange(count) if framed else None
    sheet = sheets.atlas(IMAGES, np.arange(count), tile=tile, columns=columns, clusters=clusters)
    side = tile + (2 * sheets.BORDER if framed else 0)
    wide = max(min(columns, count), 1)
    high = max(-(-count // wide), 1)
    assert sheet.pixels.shape == (high * (side + 1) + 1, wide * (side + 1) + 1, 3)
    assert sheet.ids.tolist() == list(range(count))
    for item, (x, y, w, h) in zip(sheet.ids, sheet.boxes, strict=True):
        assert w == h == side
        left, top = (item % wide) * (side + 1) + 1, (item // wide) * (side + 1) + 1
        assert (x, y) == (left, top)


def test_pixels_stay_pixels():
    sheet = sheets.atlas(IMAGES, [7], tile=24)
    assert (sheet.pixels[1:25, 1:25, 0] == np.kron(IMAGES[7, :, :, 0], np.ones((3, 3)))).all()
    assert (sheet.pixels[0] == theme.GROUND).all()


def test_borders_and_marks_have_their_colours():
    sheet = sheets.atlas(IMAGES, [1, 2], tile=24, clusters=[4, 5], wrong=[False, True])
    (x, y, side, _), (x2, y2, _, _) = sheet.boxes.tolist()
    assert (sheet.pixels[y, x] == theme.rgb([theme.colour(4)])[0]).all()
    assert (sheet.pixels[y2 + side - 1, x2] == theme.rgb([theme.colour(5)])[0]).all()
    assert (sheet.pixels[y2 + 1, x2 + side - 2] == theme.rgb([theme.WRONG])[0]).all()
    assert (sheet.pixels[y, x + side - 1] == theme.rgb([theme.colour(4)])[0]).all()


def test_rows_of_clusters_keep_empty_ones():
    sheet = sheets.cluster_rows(
        IMAGES, [[3, 4, 5], [], [6]], clusters=[0, 1, 2], columns=2, tile=16
    )
    assert sheet.ids.tolist() == [3, 4, 6]
    assert sheet.columns == 2
    assert sheet.pixels.shape[0] == 3 * (16 + 2 * sheets.BORDER + 1) + 1
    assert sheets.cluster_rows(IMAGES, [], clusters=[]).ids.tolist() == []


def test_large_sheets_are_cut_to_what_browsers_take():
    sheet = sheets.atlas(IMAGES, np.arange(50_000) % N, tile=28, columns=100)
    assert max(sheet.pixels.shape) <= sheets.MAX_SIDE
    assert len(sheet.ids) == len(sheet.boxes) < 50_000


@pytest.mark.parametrize("shape", [(5, 96, 96, 3), (5, 28, 20, 1), (5, 200, 10, 3)])
def test_images_of_any_size_fit_their_tile(shape):
    items = RNG.integers(0, 255, shape, dtype=np.uint8)
    assert sheets.tile(items, 2, 40).shape == (40, 40, 3)


def test_shrinking_averages_instead_of_dropping_pixels():
    board = np.zeros((1, 80, 80, 1), np.uint8)
    board[:, ::2] = 200
    assert set(np.unique(sheets.tile(board, 0, 40))) == {100}


@pytest.mark.parametrize("width", [1, 2, 5])
def test_points_are_drawn_as_places_or_bars(width):
    cloud = RNG.normal(size=(30, width)).astype(np.float32)
    first, second = sheets.tile(cloud, 0, 40), sheets.tile(cloud, 1, 40)
    assert first.shape == (40, 40, 3)
    assert (first != second).any()


def test_png_keeps_pixels():
    sheet = sheets.atlas(IMAGES, np.arange(9), tile=16, columns=3)
    with Image.open(io.BytesIO(sheets.png(sheet.pixels))) as image:
        assert (np.asarray(image) == sheet.pixels).all()


def snapshot():
    places = np.array([[0.0], [1.0], [3.0], [10.0], [12.0]])
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    return Snapshot(places, [0, 0, 0, 1, 1], {}, p, np.array([[1.0], [10.0]]))


def test_orders_of_images():
    snap, members = snapshot(), [0, 1, 2]
    assert sheets.order("central", members, snap).tolist() == [1, 0, 2]
    assert sheets.order("doubtful", members, snap).tolist() == [1, 2, 0]
    assert sheets.order("central", members, snap, limit=1).tolist() == [1]
    assert sorted(sheets.order("random", members, snap)) == members
    now, before = snap.assignments, np.array([1, 0, 1, 1, 1])
    changed = sheets.order("changed", members, snap, clusters=now, previous=before)
    assert changed.tolist() == [2, 0]
    assert sheets.order("changed", members, snap, clusters=now).tolist() == []
    with pytest.raises(ValueError, match="'sideways' is not an order"):
        sheets.order("sideways", members, snap)
    assert set(sheets.ORDERS) == {"central", "doubtful", "random", "changed"}


def test_order_by_means_where_there_are_no_centers():
    snap = Snapshot(np.array([[0.0], [2.0], [1.1]]), [0, 0, 0], {})
    assert sheets.order("central", [0, 1, 2], snap).tolist() == [2, 1, 0]


def test_an_empty_cluster_has_an_order_too():
    snap = Snapshot(np.array([[0.0], [2.0]]), [0, 0], {})  # cluster 1 has no items, nor a center
    for kind in sheets.ORDERS:
        assert sheets.order(kind, np.array([], dtype=np.int64), snap).tolist() == []


def test_random_sheets_repeat_themselves():
    assert (sheets.random_sheet(IMAGES, 5).ids == sheets.random_sheet(IMAGES, 5).ids).all()
    assert sheets.strip(IMAGES, 12).shape[1] == 12 * 41 + 1


def test_no_guide_speaks_of_dark_cells_which_are_light_in_the_dark_theme():
    for draw in (matrices.confusion, matrices.transition, matrices.between, matrices.generic):
        assert "dark" not in theme.reading(draw)
