"""A simple rule for the clusters: a shallow tree over named figures, and how far it gets."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from clustlab.analysis import features
from clustlab.analysis.shares import percent
from clustlab.analysis.surrogate_tree import DEPTHS, Surrogate, fitted, rules, sample
from clustlab.runs.store import Run
from clustlab.types import Array, Report
from clustlab.ui import session
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View
from clustlab.ui.widgets import panels
from clustlab.views import trees


def rule_for_clusters(view: View) -> None:
    """The rule, folded away: nothing is measured before it is opened."""
    box = st.expander(
        "A simple rule for these clusters",
        icon=":material/account_tree:",
        key="simple-rule",
        on_change="rerun",
    )
    if box.open:
        with box:
            session.guarded(_draw_rule)(view)


def _draw_rule(view: View) -> None:
    surrogate = _surrogate(view.run, view.step)
    depth = st.slider("Depth of the tree", DEPTHS[0], DEPTHS[-1], 3, key="rule-depth")
    share = surrogate.fidelity[DEPTHS.index(depth)]
    n_used, n_total = surrogate.n_used, surrogate.n_total
    used_items = f"{n_used:,} of {n_total:,} items" if n_used < n_total else "all"
    st.markdown(
        f"A tree that asks {plain(depth)} question{'s' * (depth > 1)} in a row places "
        f"**{percent(share)}** of the items in their cluster; always naming the largest cluster "
        f"would get **{percent(surrogate.baseline)}**."
    )
    st.caption(
        f"Measured on items the tree has not seen: half of {used_items} build it, the others test "
        "it."
    )
    panels.tabs(
        {
            "As a drawing": lambda: panels.chart(
                trees.tree, surrogate.tree(depth), key=f"rule-tree-{depth}", height=74 * (depth + 1)
            ),
            "In words": lambda: _rules_in_words(surrogate, depth),
            "Fidelity": lambda: panels.chart(
                trees.fidelity,
                surrogate.fidelity,
                surrogate.baseline,
                depth,
                key="rule-fidelity",
                height=240,
            ),
        }
    )


def _rules_in_words(surrogate: Surrogate, depth: int) -> None:
    st.code(rules(surrogate.tree(depth)), language=None)


@session.kept_per_run(maxsize=2)
def _figures(run: Run) -> tuple[Array, Array, tuple[str, ...]]:
    """Items looked at (m,), their figures (m, f), and the names of these."""
    data = session.dataset(run)
    rows = sample(len(data.items))
    with _progress("Measuring items") as report:
        x, names = features.named(data.items, rows, report, data.columns)
    return rows, x, names


@session.kept_per_run(maxsize=16)
def _surrogate(run: Run, step: int) -> Surrogate:
    """Trees for the clusters of a step; figures of the items are measured once a run."""
    rows, x, names = _figures(run)
    clusters = session.timeline(run).stable(step)
    with _progress("Growing trees") as report:
        return fitted(x, names, clusters[rows], len(clusters), report)


@contextmanager
def _progress(words: str) -> Iterator[Report]:
    """A bar while something is computed."""
    bar = st.progress(0.0, plain(words))

    def report(says: str, share: float) -> None:
        bar.progress(min(share, 1.0), plain(says))

    try:
        yield report
    finally:
        bar.empty()
