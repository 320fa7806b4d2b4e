"""Fields that narrow what a query finds: cluster, class, confidence, steps."""

import re

import streamlit as st

from clustlab.analysis.failures.search import Filters, is_labelled
from clustlab.errors import ClustlabError, ParameterError
from clustlab.ui import session
from clustlab.ui.run.view import View


def fields(view: View) -> Filters:
    """Draw the fields that narrow an answer; what they say is in the address."""
    ids = ["any", *(str(i) for i in range(view.timeline.n_ids()))]
    cluster = st.selectbox("Cluster", ids, key="in_cluster", bind="query-params", width=84)
    names, label = ["any"], None
    if is_labelled(view.dataset):
        names += [view.class_name(i) for i in range(view.timeline.n_classes)]
        label = st.selectbox("Class", names, key="of_class", bind="query-params", width=100)
    low, high = st.slider(
        "Confidence", 0.0, 1.0, (0.0, 1.0), 0.05, key="sure", bind="query-params", width=140
    )
    moved = st.text_input(
        "Moved in steps",
        key="moved",
        bind="query-params",
        placeholder="such as 3-12",
        help="Only items that changed their cluster in these steps.",
        width=128,
    )
    steps = None
    try:
        steps = parsed_steps(moved or "", len(view.timeline))
    except ClustlabError as error:
        session.show_error(error)
    return Filters(
        None if cluster in (None, "any") else int(cluster),
        None if label in (None, "any") else names.index(label) - 1,
        steps,
        None if (low, high) == (0.0, 1.0) else (low, high),
    )


def parsed_steps(text: str, n_steps: int) -> tuple[int, int] | None:
    """First and last step from text such as `3-12` or `7`; None if it is empty.

    Raises
    ------
    ParameterError
        If it is no range of steps of the run.
    """
    if not text.strip():
        return None
    match = re.fullmatch(r"\s*(\d{1,8})\s*(?:(?:-|–|to|\s)\s*(\d{1,8}))?\s*", text, re.ASCII)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not first <= last < n_steps:
        raise ParameterError(
            f"{text!r} is not a range of steps of this run.",
            f"Write two numbers in [0, {n_steps - 1}], such as 0-{n_steps - 1}.",
        )
    return first, last


def filters_in_words(view: View, filters: Filters) -> str:
    """Filters in words, to be added to a title."""
    parts = []
    if filters.cluster is not None:
        parts.append(f"cluster {filters.cluster}")
    if filters.label is not None:
        parts.append(view.class_name(filters.label))
    if filters.confidence:
        parts.append(f"confidence {filters.confidence[0]:g} to {filters.confidence[1]:g}")
    if filters.steps:
        parts.append(f"moved in steps {filters.steps[0]} to {filters.steps[1]}")
    return f" ({', '.join(parts)})" if parts else ""
