"""A decision tree as a drawing, and how faithful trees of rising depth are."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.analysis.surrogate_tree import DEPTHS, Node
from clustlab.views import charts, theme

LEVEL = 74  # pixels from one level of a tree to the next
MARGIN = 24
WORDED = 3  # levels whose questions there is room for
LABELLED = 16  # answers beside which there is room for their share


def fidelity(shares: Sequence[float], baseline: float, depth: int) -> alt.LayerChart:
    """Share of held-out items that a tree puts into their cluster, by its depth.

    Reading: the dashed line is what always guessing the largest cluster achieves. A curve that is
    high from the start means that a few simple measurements explain the clusters; one that stays
    low means that the method uses something these measurements do not capture.

    Parameters
    ----------
    shares : (depths,) float
        In [0, 1], for each of `DEPTHS`.
    baseline : float
        Share of the largest cluster.
    depth : int
        The depth in view.
    """
    table = pd.DataFrame({"depth": DEPTHS, "fidelity": shares})
    y = alt.Y(
        "fidelity:Q",
        title="held-out items placed correctly",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%"),
    )
    x = alt.X("depth:O", title="depth", axis=alt.Axis(labelAngle=0))
    tooltip = [alt.Tooltip("depth:O"), charts.written_tooltip("fidelity", "fidelity")]
    base = charts.write(alt.Chart(table), "fidelity", how="percent").encode(
        x=x, y=y, tooltip=tooltip
    )
    line = base.mark_line(color=theme.RIGHT, strokeWidth=2)
    dots = base.mark_circle(color=theme.RIGHT, size=60, opacity=1)
    words = base.mark_text(dy=-12, color=theme.GREY).encode(text=alt.Text("fidelity written:N"))
    level = alt.Chart(pd.DataFrame({"fidelity": [baseline]})).mark_rule(
        strokeDash=[4, 4], color=theme.GREY
    )
    here = alt.Chart(pd.DataFrame({"depth": [depth]})).mark_rule(
        color=theme.ACCENT, strokeWidth=1.5
    )
    return charts.finish(charts.layered(here.encode(x=x), level.encode(y=y), line, dots, words))


def tree(nodes: Sequence[Node]) -> alt.LayerChart:
    """A decision tree: questions, and at the ends the clusters they lead to.

    Reading: start at the top; if the answer is yes go left, otherwise right. A disc is a cluster in
    its colour, the larger the more items end there; the share below says how many of them really
    are in that cluster. Hover for what there is no room to write.

    Parameters
    ----------
    nodes : sequence of Node
        From `surrogate.Surrogate.tree`.
    """
    table = _placed(nodes)
    table["share written"] = [percent(share, 0) for share in table["share"]]
    depth = int(table["depth"].max())
    edges = table[table["parent"] >= 0].merge(
        table[["id", "x", "depth"]], left_on="parent", right_on="id", suffixes=("", "_above")
    )
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    levels = alt.Scale(domain=[-0.5, depth + 0.45], reverse=True)
    y, end = (alt.Y(field, axis=None, scale=levels) for field in ("depth:Q", "end:Q"))
    tooltip = [
        alt.Tooltip("says:N", title="here"),
        alt.Tooltip("n:Q", title="items", format=","),
        alt.Tooltip("cluster:N", title="most are in cluster"),
        charts.written_tooltip("share", "share of them"),
    ]
    # a line ends above the words, which it would cross out
    edges["end"] = edges["depth"] - 0.48 * (~edges["is_leaf"] & (edges["depth"] < WORDED))
    lines = alt.Chart(edges).mark_rule(color=theme.GREY, strokeWidth=1.2, opacity=0.7)
    lines = lines.encode(x=x, y=end, x2="x_above:Q", y2="depth_above:Q")
    asked, leaves = table[~table["is_leaf"]], table[table["is_leaf"]]
    knots = alt.Chart(asked).mark_circle(color=theme.GREY, size=40, opacity=1)
    layers = [lines, knots.encode(x=x, y=y, tooltip=tooltip)]
    few = asked[asked["depth"] < WORDED]
    words = alt.Chart(few).mark_text(
        lineBreak="\n", dy=-26, fontSize=11, color=theme.GREY, lineHeight=12
    )
    layers.append(words.encode(x=x, y=y, text="words:N", tooltip=tooltip))
    layers += _discs(leaves, x, y, tooltip)
    return charts.finish(charts.layered(*layers).properties(height=LEVEL * (depth + 1)))


def _discs(leaves: pd.DataFrame, x: alt.X, y: alt.Y, tooltip: list[alt.Tooltip]) -> list[alt.Chart]:
    """Answers as discs in the colours of their clusters with their numbers."""
    many = len(leaves) > LABELLED
    sizes = alt.Scale(type="sqrt", domain=[0, int(leaves["n"].max())], range=[80, 420])
    ids = sorted(set(leaves["cluster"].tolist()))
    disc = (
        alt.Chart(leaves)
        .mark_circle(opacity=1)
        .encode(
            x=x,
            y=y,
            size=alt.Size("n:Q", scale=sizes, legend=None),
            color=alt.Color("cluster:N", scale=charts.scale(ids), legend=None),
            tooltip=tooltip,
        )
    )
    number = alt.Chart(leaves).mark_text(
        fontSize=8 if many else 11, fontWeight="bold", baseline="middle"
    )
    ink = alt.Color("ink:N", scale=None, legend=None)
    parts = [disc, number.encode(x=x, y=y, text="cluster:N", color=ink, tooltip=tooltip)]
    if not many:
        share = alt.Chart(leaves).mark_text(dy=20, fontSize=11, color=theme.GREY)
        parts.append(share.encode(x=x, y=y, text=alt.Text("share written:N")))
    return parts


def _placed(nodes: Sequence[Node]) -> pd.DataFrame:
    """One row a node with its place: ends side by side, questions in the middle above them."""
    places: dict[int, float] = {}
    ends = [node for node in nodes if not node.feature]
    for i, node in enumerate(ends):
        places[node.id] = (i + 0.5) / len(ends)
    for node in reversed(nodes):
        if node.feature:
            below = [places[other.id] for other in nodes if other.parent == node.id]
            places[node.id] = float(np.mean(below))
    rows = [
        {
            "id": node.id,
            "parent": node.parent,
            "x": places[node.id],
            "depth": node.depth,
            "is_leaf": not node.feature,
            "words": f"{node.feature}\n≤ {node.threshold:.3g}?" if node.feature else "",
            "says": f"{node.question}?" if node.feature else f"cluster {node.cluster}",
            "cluster": node.cluster,
            "share": node.share,
            "n": node.n,
            "ink": "white" if theme.is_dark(theme.colour(node.cluster)) else "black",
        }
        for node in nodes
    ]
    return pd.DataFrame(rows)
