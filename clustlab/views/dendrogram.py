"""A tree of clusters within clusters, with the height at which each of them came together."""

import altair as alt
import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.types import Array
from clustlab.views import charts, theme

PARENT, HEIGHT, ITEMS, CLUSTER = range(4)
TALL = 380  # pixels
LABELLED = 40  # clusters whose number there is room for
WEIGHED = 40  # branches beside which there is room for the share of items that they hold


def tree(nodes: Array, height_name: str = "distance") -> alt.LayerChart:
    """A tree of merges: two branches join at the height of the distance between them.

    Reading: read it from the bottom up. Discs are groups of items, larger ones hold more; where two
    branches meet, two groups were merged, and the higher up, the less alike they were. The dashed
    line is the cut: every branch it crosses is a cluster, in its colour. A cut through long
    branches is a clear one. In a small tree each branch shows its share of the items. Hover for the
    number of items.

    Parameters
    ----------
    nodes : (m, 4) float
        A node a row, parents before their children: row of the parent (-1 for the root), height,
        items in it, and its cluster (-1 if it holds several or none). Nodes that nothing hangs
        on are drawn as discs.
    height_name : str
        What the height of a node is.
    """
    table = placed(np.asarray(nodes, dtype=np.float64))
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.02, 1.02], nice=False))
    spread = alt.Scale(zero=False)
    y = alt.Y("height:Q", title=height_name, scale=spread, axis=alt.Axis(grid=False))
    colour = alt.Color("colour:N", scale=None, legend=None)
    tooltip = [
        alt.Tooltip("items:Q", format=","),
        alt.Tooltip("says:N", title="cluster"),
        alt.Tooltip("height:Q", format=".4~g"),
    ]
    below, inner = table[table["parent"] >= 0], table[~table["is_leaf"]]
    up = alt.Chart(below).mark_rule(strokeWidth=1.5)
    across = alt.Chart(inner).mark_rule(strokeWidth=1.5)
    layers = [
        up.encode(x=x, y=y, y2="above:Q", color=colour, tooltip=tooltip),
        across.encode(x=alt.X("left:Q", axis=None), x2="right:Q", y=y, color=colour),
    ]
    if len(below) <= WEIGHED:
        words = [percent(share, 0) for share in below["share"]]
        weighed = below.assign(**{"share written": words})
        shares = alt.Chart(weighed).mark_text(align="left", dx=4, fontSize=11, color=theme.GREY)
        layers.append(shares.encode(x=x, y="middle:Q", text=alt.Text("share written:N")))
    height = cut(table)
    if height is not None:
        line = alt.Chart(pd.DataFrame({"height": [height]}))
        layers.append(line.mark_rule(strokeDash=[5, 4], color=theme.ACCENT).encode(y=y))
    sizes = alt.Scale(type="sqrt", domain=[0, float(table["items"].max())], range=[12, 420])
    discs = alt.Chart(table[table["is_leaf"]]).mark_circle(opacity=1)
    size = alt.Size("items:Q", scale=sizes, legend=None)
    layers.append(discs.encode(x=x, y=y, size=size, color=colour, tooltip=tooltip))
    tops = table[table["is_top"]]
    if len(tops) <= LABELLED:
        numbers = alt.Chart(tops).mark_text(
            align="left", dx=3, dy=-7, fontSize=11, fontWeight="bold"
        )
        layers.append(numbers.encode(x=x, y=y, text="cluster:N", color=colour))
    ends = int(table["is_leaf"].sum())
    note = f"{table['items'].iloc[0]:,.0f} items in {ends} {'branch' if ends == 1 else 'branches'}"
    return charts.finish(charts.layered(*layers).properties(height=TALL), "", note)


def placed(nodes: Array) -> pd.DataFrame:
    """One row a node with its place: leaves side by side in [0, 1], others amid their children."""
    parent = nodes[:, PARENT].astype(np.int64)
    children: list[list[int]] = [[] for _ in nodes]
    for node, above in enumerate(parent.tolist()):
        if above >= 0:
            children[above].append(node)
    leaves, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        waiting += reversed(children[node])
        if not children[node]:
            leaves.append(node)
    x = np.zeros(len(nodes))
    x[leaves] = np.linspace(0, 1, len(leaves)) if len(leaves) > 1 else 0.5
    left, right = x.copy(), x.copy()
    for node in range(len(nodes) - 1, -1, -1):
        if children[node]:
            places = x[children[node]]
            x[node], left[node], right[node] = places.mean(), places.min(), places.max()
    cluster = nodes[:, CLUSTER].astype(np.int64)
    above = np.maximum(parent, 0)
    return pd.DataFrame(
        {
            "parent": parent,
            "x": x,
            "left": left,
            "right": right,
            "height": nodes[:, HEIGHT],
            "above": nodes[above, HEIGHT],
            "middle": (nodes[:, HEIGHT] + nodes[above, HEIGHT]) / 2,
            "items": nodes[:, ITEMS],
            "share": nodes[:, ITEMS] / max(float(nodes[0, ITEMS]), 1.0),
            "cluster": cluster,
            "says": [str(c) if c >= 0 else "several or none" for c in cluster.tolist()],
            "colour": [theme.colour(c) for c in cluster.tolist()],
            "is_leaf": [not c for c in children],
            "is_top": (cluster >= 0) & ((parent < 0) | (cluster[above] != cluster)),
        }
    )


def cut(table: pd.DataFrame) -> float | None:
    """Height between the clusters and what joins them; None if no one height parts them."""
    whole, mixed = table[table["cluster"] >= 0], table[table["cluster"] < 0]
    if not len(whole) or not len(mixed):
        return None
    low, high = float(whole["height"].max()), float(mixed["height"].min())
    return (low + high) / 2 if low <= high else None
