"""Which cluster each spot of the plane belongs to, for data sets of points in the plane."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from clustlab.types import Array
from clustlab.ui import why
from clustlab.views import regions

if TYPE_CHECKING:
    from clustlab.ui.frame import View


def has_plane(view: "View") -> bool:
    """Whether the items are points in the plane."""
    return view.dataset.items.ndim == 2 and view.dataset.items.shape[1] == 2


def clusters(view: "View", table: Any) -> Array:
    """Stable cluster of each spot of `regions.spots(table)`: of the nearest item, or as scored.

    Scores need what the method has learnt, which a run keeps of its last step.
    """
    places = regions.spots(table)
    if why.can_ask(view) and st.toggle(
        "Ground as the method scores it",
        value=True,
        key="scored-ground",
        bind="query-params",
        help="Ask the method itself about every spot, instead of taking the cluster of the "
        "nearest item as at all other steps.",
    ):
        scored = why.answers(view, places)
        if scored is not None:
            return view.timeline.mapping(view.step)[scored]
    return regions.by_nearest(table, places)
