"""Which cluster each spot of the plane belongs to, for data sets of points in the plane."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from clustlab.runs.store import Run
from clustlab.types import Array
from clustlab.ui import session
from clustlab.ui.run import explanation
from clustlab.views import regions

if TYPE_CHECKING:
    from clustlab.ui.run.view import View

KEPT = 8  # runs whose spots are remembered


def has_plane(view: "View") -> bool:
    """Whether the items are points in the plane."""
    return view.dataset.items.ndim == 2 and view.dataset.items.shape[1] == 2


def by_scores(views: Sequence["View"]) -> bool:
    """Whether methods shall be asked about each spot: a switch, if any of them can be asked.

    Scores need what the method has learned, which a run keeps of its last step.
    """
    return any(explanation.can_ask(view) for view in views) and st.toggle(
        "Background: the method's own scores",
        value=True,
        key="scored-ground",
        bind="query-params",
        help="Asks the method about every point of the plane, instead of taking the cluster of the "
        "nearest item, as at all other steps.",
    )


def clusters(view: "View", scored: bool, square: regions.Square | None = None) -> Array:
    """Stable cluster of each spot of a square: as scored, or of the nearest item.

    By default the square is that of the items.
    """
    square = square or regions.square_of(view.dataset.items)
    if scored and explanation.can_ask(view):
        answers = _answers(view.run, view.step, square)
        if answers is not None:
            return view.timeline.mapping(view.step)[answers]
    of_spots: Array = view.clusters[_nearest(view.run, square)]
    return of_spots


@session.kept_per_run(maxsize=KEPT)
def _answers(run: Run, step: int, square: regions.Square) -> Array | None:
    return explanation.answers(run, step, regions.spots(square))


@session.kept_per_run(maxsize=KEPT)
def _nearest(run: Run, square: regions.Square) -> Array:
    """Number of the item nearest to each spot; the items lie where they lie at every step."""
    return regions.nearest(session.items(run), regions.spots(square))
