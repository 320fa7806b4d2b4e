"""What differs in a cluster of vectors: its features against those of all other items."""

import numpy as np
import streamlit as st

from clustlab.analysis.feature_differences import FeatureDifferences, feature_differences
from clustlab.analysis.features import coordinates
from clustlab.runs.store import Run
from clustlab.types import cluster_words
from clustlab.ui import session
from clustlab.ui.run import surrogate_tree
from clustlab.ui.run.view import View
from clustlab.ui.widgets import panels
from clustlab.views import feature_bars

LOOKED_AT = 100_000  # items, of which there may be a million at each step


def what_differs(view: View) -> None:
    """Choice of a cluster, the features that tell it apart, and a rule for all clusters."""
    occupied = [int(i) for i in np.unique(view.clusters[view.is_clustered])]
    if not occupied:
        return
    st.markdown("**What differs in this cluster**")
    picked = session.picked()
    own = -1 if picked is None else int(view.clusters[picked])
    cluster = st.selectbox(
        "Cluster",
        occupied,
        index=occupied.index(own) if own in occupied else 0,
        format_func=lambda i: cluster_words(i).capitalize(),
        key=f"differing-{own}",  # of another item that was opened: begin with its cluster
        width=200,
    )
    told = _differences(view.run, view.step)
    names = view.dataset.columns or coordinates(view.dataset.items.shape[1])
    if len(occupied) < 2 and view.is_clustered.all():
        st.caption("All items are in this cluster, so there is nothing to compare it with.")
        return
    if np.isnan(told.standardised[cluster]).all():
        st.caption("Of so many items not all are looked at, and none of this cluster's.")
        return
    panels.chart(
        feature_bars.differences,
        told.standardised[cluster],
        told.inside[cluster],
        told.outside[cluster],
        names,
        cluster=cluster,
        key="differences",
    )
    told_of = []
    if len(names) > feature_bars.MOST:
        told_of.append(f"Showing {feature_bars.MOST} of {len(names):,} features.")
    if (every := _every(len(view.clusters))) > 1:
        told_of.append(f"Measured on one of {every} items.")
    if told_of:
        st.caption(" ".join(told_of))
    surrogate_tree.rule_for_clusters(view)


@session.kept_per_run(maxsize=8, anew=session.n_followed)  # ids of clusters grow with the run
def _differences(run: Run, step: int) -> FeatureDifferences:
    timeline, items = session.timeline(run), session.items(run)
    every = _every(len(items))
    return feature_differences(items[::every], timeline.stable(step)[::every], timeline.n_ids())


def _every(n: int) -> int:
    """One of how many of n items is looked at."""
    return -(-n // LOOKED_AT) or 1
