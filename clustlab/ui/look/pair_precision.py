"""What the labels say about choices that a method made without them, on the page Inside."""

import math

import pandas as pd
import streamlit as st

from clustlab.analysis import pairs
from clustlab.analysis.shares import percent
from clustlab.runs.store import Run, probabilities_at
from clustlab.types import Array
from clustlab.ui import session
from clustlab.ui.markdown import Markdown
from clustlab.ui.run.view import View
from clustlab.ui.widgets import panels
from clustlab.views import curves

MOST_STEPS = 64  # measured for a curve; a step of many items takes a twentieth of a second
HEIGHT = 260  # pixels


def pairs_of(view: View) -> None:
    """How many pairs above and below the thresholds are right; nothing for methods without."""
    limits = pairs.thresholds(view.run.log)
    if not limits:
        return
    labels = view.labels
    if labels is None or len(pairs.sample(labels)) < 2:
        st.caption(
            "There is no telling whether the chosen pairs are right: these items have no labels."
        )
        return
    st.markdown("**How many of the chosen pairs are right**")
    table = _table(view, limits)
    _shares_in_words(view, labels, table)
    panels.chart(curves.right_pairs, table, step=view.step, key="right-pairs", height=HEIGHT)
    _said(labels)


def _table(view: View, limits: list[tuple[float, float]]) -> pd.DataFrame:
    """Shares of right pairs at some steps, the one in view among them."""
    # the timeline may be shorter than the log, which grows meanwhile
    steps = sorted({*drawn(len(view.timeline)), view.step})
    with st.spinner("Comparing pairs with labels ..."):  # shown only if it takes long
        rows = [(i, *_measured(view.run, i, limits[i])) for i in steps]
    return pd.DataFrame(rows, columns=["step", *curves.PAIRS])


def drawn(n_steps: int) -> list[int]:
    """Numbers of at most 64 evenly spaced steps and of the newest.

    Their distance is a power of two: when a run grows, those measured before are needed again.
    """
    distance = 1
    while n_steps > MOST_STEPS * distance:
        distance *= 2
    return [*range(0, max(n_steps - 1, 0), distance), *([n_steps - 1] if n_steps else [])]


@session.kept_per_run(maxsize=4096)
def _measured(run: Run, step: int, limits: tuple[float, float]) -> tuple[float, float]:
    p, labels = probabilities_at(run, step), session.dataset(run).labels
    if p is None or labels is None:
        return math.nan, math.nan
    return pairs.precision(p, labels, limits)


def _shares_in_words(view: View, labels: Array, table: pd.DataFrame) -> None:
    """The shares at the step in view, beside those of pairs drawn blindly."""
    row = table.loc[table["step"] == view.step, list(curves.PAIRS)]
    similar, dissimilar = (float(value) for value in row.to_numpy()[0])
    one, two = pairs.by_chance(labels)
    st.markdown(
        f"At step {view.step}: {_share(similar, 'similar', 'one class', one)}; "
        f"{_share(dissimilar, 'dissimilar', 'two', two)}."
    )


def _share(value: float, kind: Markdown, right: Markdown, blindly: float) -> Markdown:
    if math.isnan(value):
        return f"no pair is taken as {kind}"
    return (
        f"of the pairs taken as {kind}, **{percent(value)}** belong to {right} "
        f"({percent(blindly)} if drawn at random)"
    )


def _said(labels: Array) -> None:
    """That the method knows nothing of this, and what was counted."""
    known, used = int((labels >= 0).sum()), len(pairs.sample(labels))
    among = f"all pairs of {used:,} items" + f" out of {known:,}" * (used < known)
    st.caption(
        f":material/lock: Labels are used only here; the method never sees them. This counts "
        f"{among}, by the probabilities and thresholds of each step."
    )
