"""The embedding as dots, to brush a rectangle in and to click on."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.analysis.matching import looked_up
from clustlab.data.item_names import shortened
from clustlab.types import Array
from clustlab.views import charts, theme

COLOURINGS = {
    "cluster": "Cluster",
    "class": "True class",
    "confidence": "Confidence",
    "correct": "Right or wrong",
    "changes": "Label changes",
}
PROJECTED = {  # what distances in a map mean, by how it was made
    "pca": "The axes are the two directions in which the embedding varies most: dots far apart are "
    "items far apart, but dots close together may differ in a direction that is not shown.",
    "umap": "Items that were neighbours before are neighbours here; sizes of groups, distances "
    "between them and the axes mean little.",
    "tsne": "Items that were neighbours before are neighbours here; sizes of groups, distances "
    "between them and the axes mean little.",
}
COLOURED = {  # what colours tell, by what they stand for
    "cluster": "Tight, separate groups of one colour mean that the embedding itself shows the "
    "clusters; a group in two colours, that a boundary cuts through it.",
    "class": "A group in one colour holds one class; a group in two colours, that the embedding "
    "does not part these classes here.",
}
MAX_LEGEND = 20  # entries; a longer legend is no help
ROOMY = 500  # pixels of width from which there is a legend
INK = "#22252b"  # letters on a light ground of their own
ALWAYS_SENT = ("index", "name", "x", "y", "cluster", "class", "confidence", "changes", "selected")
MAX_TRAILS = 200  # items whose past positions are drawn
TRAIL_COLUMNS = ["index", "step", "x", "y", "cluster"]


def dots(
    points: Array,
    clusters: Array,
    *,
    labels: Array | None = None,
    class_names: Sequence[str] = (),
    classes: Array | None = None,
    confidence: Array | None = None,
    changes: Array | None = None,
) -> pd.DataFrame:
    """Table of all items for the charts below: `index`, `x`, `y`, `cluster` and what is known.

    Parameters
    ----------
    points : (n, 2) float
        Where the items lie.
    clusters : (n,) int
        Stable cluster ids, -1 for noise.
    labels : (n,) int, optional
        True classes, -1 where unknown; gives the columns `class` and `class_id`.
    class_names : sequence of str
        Their names.
    classes : (k,) int, optional
        Class matched to each stable id, -1 for none; with labels gives the column `correct`, where
        noise is neither right nor wrong.
    confidence : (n,) float, optional
        In [0, 1].
    changes : (n,) int, optional
        How often the item changed its cluster so far.
    """
    table = pd.DataFrame(
        {
            "index": np.arange(len(points)),
            "x": np.asarray(points)[:, 0],
            "y": np.asarray(points)[:, 1],
            "cluster": np.asarray(clusters, dtype=np.int64),
        }
    )
    if labels is not None:
        labels = np.asarray(labels, dtype=np.int64)
        names = [*theme.names(int(labels.max(initial=-1)) + 1, class_names), "unknown"]
        named = np.array(names, dtype=object)  # copied a million times, texts would take longer
        table["class_id"] = labels
        table["class"] = pd.Series(named[labels], dtype=object)
    if labels is not None and classes is not None:
        right = looked_up(table["cluster"].to_numpy(), classes) == labels
        judged = np.where(table["cluster"] < 0, 2, np.where(right, 0, 1))
        words = np.array(["right", "wrong", "noise", "unknown"], dtype=object)
        table["correct"] = pd.Series(words[np.where(labels < 0, 3, judged)], dtype=object)
    if confidence is not None:
        table["confidence"] = np.asarray(confidence, dtype=np.float32)
    if changes is not None:
        table["changes"] = np.asarray(changes, dtype=np.int64)
    return table


def colourings(table: pd.DataFrame) -> list[str]:
    """Ways to colour these dots, out of the keys of `COLOURINGS`."""
    return [name for name in COLOURINGS if name in table.columns]


def reading(projection: str, colour_by: str) -> str:
    """How to read a map by its projection and its colours, in words; empty if nothing is to say."""
    return " ".join(filter(None, (COLOURED.get(colour_by), PROJECTED.get(projection))))


def embedding(
    table: pd.DataFrame,
    *,
    colour_by: str = "cluster",
    centers: Array | None = None,
    selected: Sequence[int] | Array = (),
    trails: pd.DataFrame | None = None,
    names: Sequence[str] = (),
    title: str = "",
    extent: float | None = None,
    size: tuple[int, int] = (760, 620),
) -> alt.LayerChart:
    """Each dot is one item; what lies close together looks alike to the network.

    Reading: each dot is one item. Drag a rectangle to select dots, click one to open it.

    Parameters
    ----------
    table : DataFrame
        From `dots`; thinned here to `MAX_POINTS`, always with the selected items.
    colour_by : str
        One of `colourings(table)`.
    centers : (ids, 2) float, optional
        Drawn as rings with their number, by stable id, nan for none. By default the means.
    selected : sequence of int
        Items to highlight; all others turn grey.
    trails : DataFrame, optional
        Past positions of some items, from `trails`.
    names : (n,) str, optional
        Of all items, for the hover; only those of drawn dots are read.
    title : str
        What the picture shows, such as `PCA of a 10-d code`.
    extent : float, optional
        Half the side of the shown square; give it to keep the axes still over steps. Dots further
        out are drawn at the rim.
    size : tuple of int
        Width and height in pixels, unless the page stretches the chart; one unit is as long on
        both axes in any case.

    Selections: interval `brush` over x and y, point `pick` with the field `index`.
    """
    few = drawn(table, selected)
    if names:
        few["name"] = named(few, names)
    x, y = axes(table, extent)
    brush = alt.selection_interval(name="brush", encodings=["x", "y"])
    pick = alt.selection_point(name="pick", fields=["index"])
    opacity = alt.OpacityValue(0.2, condition={"param": "brush", "value": 0.8})
    if len(selected):
        opacity = alt.OpacityValue(0.25, condition={"test": "datum.selected", "value": 1})
    sent = [column for column in few.columns if column in ALWAYS_SENT or column == colour_by]
    layer = alt.Chart(few[sent])
    layer.transform = charts.named("cluster")
    if "confidence" in sent:
        charts.write(layer, "confidence")
    roomy = size[0] >= ROOMY
    circles = (
        layer.mark_circle(size=22, aria=False)  # or each dot is described in words, unheard
        .encode(
            x=x,
            y=y,
            color=_colour(table, colour_by, roomy=roomy, dimmed=len(selected) > 0),
            opacity=opacity,
            size=alt.SizeValue(22, condition={"test": "datum.selected", "value": 60}),
            tooltip=_tooltip(few),
        )
        .add_params(brush, pick)
        .properties(name="dots", width=size[0], height=size[1])
    )
    layers = [circles, *(mark.encode(x=x, y=y) for mark in _marks(table, colour_by, centers))]
    if trails is not None and len(trails):
        layers.insert(0, _trails(trails).encode(x=x, y=y))
    note = theme.shown(len(few), len(table)) or ("" if len(table) else "no items")
    chart = charts.layered(*layers)
    # painted, since as parts of a document dots take four times longer
    chart.usermeta = {"embedOptions": {"renderer": "canvas"}}
    return charts.finish(chart, title, note)


def drawn(table: pd.DataFrame, selected: Sequence[int] | Array) -> pd.DataFrame:
    """The drawn part of a table; selected items come last, so that they lie on top."""
    few = table.iloc[theme.thin(len(table), selected)].copy()
    few["selected"] = np.isin(few["index"], np.asarray(selected, dtype=np.int64))
    return few.sort_values("selected", kind="stable") if len(selected) else few


def named(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Short name of the item of each row, out of those of all items."""
    return [shortened(names[item]) for item in table["index"].tolist()]


def square_of(table: pd.DataFrame, extent: float | None) -> tuple[float, float, float]:
    """Middle (x, y) and half the side of the square to show: around the origin or the dots."""
    if extent is not None:
        return 0.0, 0.0, extent
    if not len(table):
        return 0.0, 0.0, 1.0
    low, high = table[["x", "y"]].min(), table[["x", "y"]].max()
    half = float((high - low).max()) / 2 * 1.05
    return float(low["x"] + high["x"]) / 2, float(low["y"] + high["y"]) / 2, half or 1.0


def axes(table: pd.DataFrame, extent: float | None = None) -> tuple[alt.X, alt.Y]:
    """Axes with the same unit per pixel, whatever the size of the chart turns out to be.

    Dots outside the square that is shown stay in sight at its rim.
    """
    x, y, half = square_of(table, extent)

    def scale(middle: float, side: str) -> alt.Scale:
        half_range = f"{half!r} * {side} / min(width, height)"
        low, high = (alt.ExprRef(f"{middle!r} {sign} {half_range}") for sign in "-+")
        return alt.Scale(domainMin=low, domainMax=high, nice=False, zero=False, clamp=True)

    return (
        alt.X("x:Q", scale=scale(x, "width"), axis=None),
        alt.Y("y:Q", scale=scale(y, "height"), axis=None),
    )


def _colour(table: pd.DataFrame, by: str, *, roomy: bool, dimmed: bool) -> alt.Color:
    """Colour by a column, with a legend if there is room; only of selected dots if dimmed."""
    grey: dict[str, Any] = {"test": "!datum.selected", "value": theme.GREY}
    extra: dict[str, Any] = {"condition": grey} if dimmed else {}

    def legend(entries: int, **options: Any) -> alt.Legend | None:
        fits = roomy and entries <= MAX_LEGEND
        return alt.Legend(title=COLOURINGS[by], **options) if fits else None

    if by == "cluster":
        ids = sorted(table["cluster"].unique(), key=lambda i: (i < 0, i))
        says = legend(len(ids), labelExpr=charts.CLUSTER_LABEL)
        return alt.Color("cluster:N", scale=charts.scale(ids), legend=says, **extra)
    if by == "class":
        known = table[["class_id", "class"]].drop_duplicates().sort_values("class_id")
        colours = [theme.class_colour(int(i)) for i in known["class_id"]]
        scale = alt.Scale(domain=known["class"].tolist(), range=colours)
        return alt.Color("class:N", scale=scale, legend=legend(len(known)), **extra)
    if by == "correct":
        words = correctness(table)
        scale = alt.Scale(domain=list(words), range=list(words.values()))
        return alt.Color("correct:N", scale=scale, legend=legend(len(words)), **extra)
    high = 1.0 if by == "confidence" else float(max(table[by].max(), 1)) if len(table) else 1.0
    return alt.Color(f"{by}:Q", scale=charts.ramp(0, high), legend=legend(1), **extra)


def correctness(table: pd.DataFrame) -> dict[str, str]:
    """Colours of what a table says under `correct`; noise only where there is some."""
    words = {"right": theme.RIGHT, "wrong": theme.WRONG}
    if (table["cluster"] < 0).any():
        words["noise"] = theme.GREY
    return {**words, "unknown": theme.UNKNOWN}


def _tooltip(table: pd.DataFrame) -> list[alt.Tooltip]:
    fields = [alt.Tooltip("index:Q", title="item"), charts.cluster_tooltip()]
    if "name" in table:
        fields.insert(0, alt.Tooltip("name:N"))
    if "class" in table:
        fields.append(alt.Tooltip("class:N", title="true class"))
    if "confidence" in table:
        fields.append(charts.written_tooltip("confidence", "confidence"))
    if "changes" in table:
        fields.append(alt.Tooltip("changes:Q", title="label changes"))
    return fields


def middles(table: pd.DataFrame, by: str, centers: Array | None = None) -> pd.DataFrame:
    """Where clusters or classes have their middle: `text`, `x` and `y`; noise has none.

    Parameters
    ----------
    by : str
        What the dots are coloured by; names of classes if that is the class, else the numbers of
        clusters.
    centers : (ids, 2) float, optional
        Of the clusters by number, nan for none. By default the means of their dots.
    """
    if by == "class":
        means = table[table["class_id"] >= 0].groupby("class")[["x", "y"]].mean().reset_index()
        return means.rename(columns={"class": "text"})
    if centers is None:
        clustered = table[table["cluster"] >= 0]
        rings = clustered.groupby("cluster")[["x", "y"]].mean().reset_index()
    else:
        numbers = np.arange(len(centers))
        rings = pd.DataFrame({"cluster": numbers, "x": centers[:, 0], "y": centers[:, 1]}).dropna()
    return rings.assign(cluster=rings["cluster"].astype(str)).rename(columns={"cluster": "text"})


def _marks(table: pd.DataFrame, by: str, centers: Array | None) -> list[Any]:
    """Rings with the numbers of the clusters, or the names of the classes at their means."""
    at = middles(table, by, centers)
    if by == "class":
        base = alt.Chart(at.rename(columns={"text": "class"})).encode(text="class:N")
        halo: dict[str, Any] = {
            "stroke": "white",
            "strokeWidth": 4,
            "strokeOpacity": 0.85,
            "strokeJoin": "round",
        }
        font: dict[str, Any] = {"fontSize": 14, "fontWeight": "bold"}
        return [base.mark_text(**halo, **font), base.mark_text(color=INK, **font)]
    rings = at.rename(columns={"text": "cluster"}).astype({"cluster": int})
    base = alt.Chart(rings.assign(color=[theme.colour(int(c)) for c in rings["cluster"]]))
    ring = base.mark_point(size=340, strokeWidth=2.5, filled=True, fill="white", fillOpacity=0.85)
    number = base.mark_text(fontSize=11, fontWeight="bold", color=INK)
    own = alt.Stroke("color:N", scale=None)
    return [
        ring.encode(stroke=own),  # without a tooltip, so that clicks go through to the dots
        number.encode(text="cluster:N"),
    ]


def trails(
    steps: Sequence[int], points: Sequence[Array], clusters: Sequence[Array], items: Sequence[int]
) -> pd.DataFrame:
    """Positions of some items over some steps, one row per item and step.

    At most 200 items are followed: the first ones given.
    """
    followed = np.asarray(items, dtype=np.int64)[:MAX_TRAILS]
    rows = [
        pd.DataFrame(
            {
                "index": followed,
                "step": step,
                "x": at[followed, 0],
                "y": at[followed, 1],
                "cluster": ids[followed],
            }
        )
        for step, at, ids in zip(steps, points, clusters, strict=True)
    ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=TRAIL_COLUMNS)


def _trails(table: pd.DataFrame) -> Any:
    line = alt.Chart(table).mark_line(strokeWidth=1, opacity=0.35, color=theme.GREY)
    return line.encode(detail="index:N", order="step:Q")


def brushed(table: pd.DataFrame, x: Sequence[float], y: Sequence[float]) -> Array:
    """Numbers of all items in a rectangle, also of those that were thinned out of the chart."""
    inside = table["x"].between(min(x), max(x)) & table["y"].between(min(y), max(y))
    return table.loc[inside, "index"].to_numpy()
