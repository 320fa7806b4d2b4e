"""How items flow from cluster to cluster between two steps."""

from typing import Any

import numpy as np

from clustlab.analysis import transitions
from clustlab.analysis.matching import with_noise_last
from clustlab.analysis.shares import percent
from clustlab.types import Array, cluster_name, cluster_words
from clustlab.views import theme

THIN = 0.005  # share of all items; narrower bands are drawn as one
REST = "small moves"
SIDE = 110  # pixels for the names on either side
LEAST_HEIGHT = 460  # pixels
BOLD = {"name": {"fontWeight": "bold", "padding": [0, 4, 0, 0]}}
LINE = 17  # pixels of a name with the space below it
Link = tuple[int, int] | None


def sankey(
    before: Array,
    after: Array,
    n_ids: int | None = None,
    *,
    words: tuple[str, str] = ("before", "after"),
) -> tuple[dict[str, Any], list[Link]]:
    """ECharts option of a flow diagram, and (from, to) of each band; None for that of small moves.

    Reading: each band is a group of items that went from a cluster on the left to one on the right;
    its width is their number, and a straight band of one colour stayed. The number behind a cluster
    is its size. Clusters that trade items stand beside each other. Bands under 0.5% of all items
    are drawn together as one grey band, and noise is grey. Click a band to see its images.

    Parameters
    ----------
    before, after : (n,) int
        Stable cluster ids at both steps, -1 for noise.
    n_ids : int, optional
        Number of ids.
    words : tuple of str
        What to call the two sides, such as `step 3` and `step 9`.
    """
    counts = transitions.table(before, after, n_ids)
    total = int(counts.sum())
    left, right = words if words[0] != words[1] else ("before", "after")
    wide: Array = counts >= max(THIN * total, 1)
    ids = with_noise_last(len(counts) - 1)
    order = np.append(transitions.order_by_exchange((counts * wide)[:-1, :-1]), len(counts) - 1)
    pairs: list[Link] = [(int(a), int(b)) for a, b in ids[np.argwhere(wide)]]
    links = [
        {
            "source": f"{cluster_name(a)} {left}",
            "target": f"{cluster_name(b)} {right}",
            "value": int(counts[a, b]),
            "lineStyle": {"color": theme.colour(a), "opacity": 0.25 if a == b else 0.6},
            "tooltip": {"formatter": _told(a, b, int(counts[a, b]), int(counts[a].sum()))},
        }
        for a, b in (pair for pair in pairs if pair is not None)
    ]
    rest = int(counts[~wide].sum())
    nodes = [
        {**_node(int(ids[i]), side, int(of_cluster[i].sum())), "depth": depth}
        for depth, (side, of_cluster, drawn) in enumerate(
            [(left, counts, wide), (right, counts.T, wide.T)]
        )
        for i in order.tolist()
        if drawn[i].any()
    ]
    if rest:
        told = f"{rest:,} items in {REST}, each too thin to be drawn"
        style: dict[str, Any] = {
            "itemStyle": {"color": theme.GREY},
            "label": {"formatter": f"{{name|{REST}}}"},
            "tooltip": {"formatter": told},
        }
        nodes += [
            {"name": f"{REST} {side}", "depth": depth, **style}
            for depth, side in enumerate((left, right))
        ]
        links.append(
            {
                "source": f"{REST} {left}",
                "target": f"{REST} {right}",
                "value": rest,
                "lineStyle": {"color": theme.GREY, "opacity": 0.3},
                "tooltip": {"formatter": told},
            }
        )
        pairs.append(None)
    series = {
        "type": "sankey",
        "id": "flow",
        "data": nodes,
        "links": links,
        "selectedMode": "single",
        "select": {"lineStyle": {"opacity": 0.95}, "itemStyle": {"borderWidth": 0}},
        "emphasis": {"focus": "adjacency"},
        "layoutIterations": 0,  # keeps both sides in one order
        "nodeGap": 6,
        "nodeWidth": 14,
        "left": SIDE,
        "right": SIDE,
        "top": 28,
        "bottom": 8,
        "label": {"color": theme.GREY, "fontSize": 12, "rich": BOLD},
        "levels": [{"depth": 0, "label": {"position": "left"}}],
    }
    heads = [_head(left, {"left": SIDE}), _head(right, {"right": SIDE})]
    return {"tooltip": {"trigger": "item"}, "title": heads, "series": [series]}, pairs


def _head(words: str, place: dict[str, int]) -> dict[str, Any]:
    """What a side of the flow is, above it."""
    style = {"color": theme.GREY, "fontSize": 12, "fontWeight": "bold"}
    return {"text": words, "top": 4, "padding": 0, "textStyle": style, **place}


def _node(cluster: int, side: str, size: int) -> dict[str, Any]:
    name = cluster_name(cluster)
    return {
        "name": f"{name} {side}",
        "itemStyle": {"color": theme.colour(cluster)},
        "label": {"formatter": f"{{name|{name}}}{size:,}"},
        "tooltip": {"formatter": f"{cluster_words(cluster)} {side}: {size:,} items".capitalize()},
    }


def _told(a: int, b: int, items: int, of: int) -> str:
    """What a band is, for whoever hovers over it."""
    went = "stayed" if a == b else f"went to {cluster_words(b)}"
    return f"{items:,} of the {of:,} items in {cluster_words(a)} {went} ({percent(items / of)})"


def height(option: dict[str, Any]) -> int:
    """Pixels that a flow needs, so that no name of a cluster is drawn over the next."""
    blocks: dict[int, int] = {}
    for node in option["series"][0]["data"]:
        side = node["depth"]
        blocks[side] = blocks.get(side, 0) + 1
    return max(LEAST_HEIGHT, LINE * max(blocks.values(), default=0))
