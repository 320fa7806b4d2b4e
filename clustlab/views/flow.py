"""How items flow from cluster to cluster between two steps."""

from typing import Any

import numpy as np

from clustlab.analysis import transitions
from clustlab.analysis.matching import with_noise_last
from clustlab.types import Array, cluster_name
from clustlab.views import theme

THIN = 0.005  # share of all items; narrower bands are drawn as one
REST = "small moves"
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
    its width is their number, and a straight band of one colour stayed. Bands under 0.5% of all
    items are drawn together as one grey band, and noise is grey. Click a band to see its images.

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
    wide = counts >= max(THIN * total, 1)
    ids = with_noise_last(len(counts) - 1)
    pairs: list[Link] = [(int(a), int(b)) for a, b in ids[np.argwhere(wide)]]
    links = [
        {
            "source": f"{cluster_name(a)} {left}",
            "target": f"{cluster_name(b)} {right}",
            "value": int(counts[a, b]),
            "lineStyle": {"color": theme.colour(a), "opacity": 0.25 if a == b else 0.6},
        }
        for a, b in (pair for pair in pairs if pair is not None)
    ]
    rest = int(counts[~wide].sum())
    nodes = [_node(i, left) for i in ids[wide.any(1)].tolist()]
    nodes += [_node(i, right) for i in ids[wide.any(0)].tolist()]
    if rest:
        grey = {"itemStyle": {"color": theme.GREY}}
        nodes += [{"name": f"{REST} {side}", **grey} for side in (left, right)]
        links.append(
            {
                "source": f"{REST} {left}",
                "target": f"{REST} {right}",
                "value": rest,
                "lineStyle": {"color": theme.GREY, "opacity": 0.3},
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
        "layoutIterations": 0,  # keeps both sides in the order of the ids
        "nodeGap": 6,
        "nodeWidth": 14,
        "left": 120,
        "right": 120,
        "top": 8,
        "bottom": 8,
        "label": {"color": theme.GREY, "fontSize": 11},
        "levels": [{"depth": 0, "label": {"position": "left"}}],
    }
    return {"tooltip": {"trigger": "item"}, "series": [series]}, pairs


def _node(cluster: int, side: str) -> dict[str, Any]:
    return {
        "name": f"{cluster_name(cluster)} {side}",
        "itemStyle": {"color": theme.colour(cluster)},
    }
