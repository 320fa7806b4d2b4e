"""One run among those that are compared, and selections that concern all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from clustlab.analysis import agreement
from clustlab.runs.store import Run
from clustlab.types import Array
from clustlab.ui import session
from clustlab.ui.run.view import View


@dataclass(frozen=True)
class Side:
    """One run at one step, with its clusters under numbers that all runs share."""

    letter: str
    view: View
    ids: Array  # (k,) lasting number in the run -> common number

    @cached_property
    def clusters(self) -> Array:
        """Cluster of each item under its common number, (n,) int32."""
        return np.asarray(self.ids[self.view.clusters])

    @cached_property
    def class_of(self) -> Array:
        """Class that each cluster stands for, by common number; -1 for none."""
        found = np.full(int(self.ids.max(initial=-1)) + 1, -1)
        found[self.ids] = self.view.class_of[: len(self.ids)]
        return found

    @property
    def present(self) -> Array:
        """Common numbers of the clusters that the method has at this step, empty ones included."""
        return np.asarray(self.ids[self.view.timeline.mapping(self.view.step)])

    @property
    def name(self) -> str:
        """Letter and method, short enough for a heading."""
        return f"{self.letter}: {self.view.run.manifest['method_title']}"


def common_ids(runs: Sequence[Run]) -> list[Array]:
    """Common number of each cluster of each run, matched at the last step of each."""
    timelines = [session.timeline(run) for run in runs]
    last = [timeline.stable(len(timeline) - 1) for timeline in timelines]
    return agreement.alignments(last, [timeline.n_ids() for timeline in timelines])


# -- selecting ---------------------------------------------------------------------------------
def chart_key(name: str) -> str:
    """Key of a chart to select in; a new one when something is selected elsewhere."""
    return f"{session.chart_key(name)}-{st.session_state.get(f'superseded-{name}', 0)}"


def select(source: str, indices: Array, title: str) -> None:
    """Select items; marks in other charts than the source would mislead, and go."""
    before = st.session_state.get("compare-source")
    if before not in (None, source):
        name = f"superseded-{before}"
        st.session_state[name] = st.session_state.get(name, 0) + 1
    st.session_state["compare-source"] = source
    session.select(indices, title)
