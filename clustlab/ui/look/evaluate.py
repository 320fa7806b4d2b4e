"""Body of the page Evaluate: the clustering against the true classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.analysis import matching, probes
from clustlab.analysis.score_catalogue import SCORES, UNLABELLED, labelled_scores
from clustlab.analysis.shares import figure, percent
from clustlab.types import cluster_words
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.run import summaries
from clustlab.ui.run.class_rule_switch import class_rule_switch
from clustlab.ui.run.view import View
from clustlab.ui.widgets import keyboard_choice, panels
from clustlab.views import bars, curves, matrices, theme

TILE = 104  # pixels: figures stand below one another where a row has no room for all
SHARES: Mapping[matrices.Side, str] = {"class": "the class", "cluster": "the cluster"}
SHARES_HELP = (
    "Of the class: where its items went, so each row adds up to 100% and the outlined cells are "
    "the recall. Of the cluster: what it is made of, so each column adds up to 100% and the "
    "outlined cells say how pure it is."
)
DRAWN = 4  # leading scores that the curves begin with; the others can be added


def evaluate_page(view: View) -> None:
    """Confusion matrix, scores over time, recall per class, probes."""
    if view.labels is None or not (view.labels >= 0).any():
        _without_labels(view)
        return
    row = view.timeline.row(view.step)
    st.caption(f"At step {view.step}")
    with st.container(horizontal=True):
        for score in (SCORES[key] for key in _scores(view)):
            tip = nav.with_terms(
                plain(f"{score.meaning} {view.dataset.protocol}".strip()), *score.terms
            )
            st.metric(plain(score.short), score.written(row[score.key]), help=tip, width=TILE)
        _share_clustered(row)
    panels.tabs({"Confusion matrix": lambda: _confusion(view), "Over time": lambda: _curves(view)})
    _probes(view)


def _without_labels(view: View) -> None:
    st.info(
        "These items have no labels, so accuracy and similar scores are undefined. "
        "Below are the scores that need none."
    )
    row = view.timeline.row(view.step)
    st.caption(f"At step {view.step}")
    with st.container(horizontal=True):
        for score in (SCORES["n_occupied"], SCORES["confidence"]):
            st.metric(plain(score.title), score.written(row[score.key]), help=plain(score.meaning))
        st.metric("Silhouette", figure(view.timeline.silhouette(view.step)))
        _share_clustered(row)
    shares = [key for key in UNLABELLED if not SCORES[key].is_count]
    panels.chart(
        curves.metrics,
        view.timeline.metrics(),
        shares,
        step=view.step,
        read_anew=view.timeline.read_anew(),
        key="curves-unlabelled",
    )


def _scores(view: View) -> tuple[str, ...]:
    """Scores of the run that need labels, leading ones first."""
    return labelled_scores(is_over_clustered=view.timeline.is_over_clustered())


def _share_clustered(row: Mapping[str, float]) -> None:
    """What part of the items the scores speak of, where it is not all of them."""
    if row["share_clustered"] < 1:
        st.metric(
            "Clustered",
            percent(row["share_clustered"]),
            help=summaries.NOISE_HELP,
            width=TILE,
        )


def _confusion(view: View) -> None:
    cells = chooser(view, "confusion")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cells.box("Choose a cell", choices(view), width=250)
        class_rule_switch(view)
        share_of = st.segmented_control(
            "Shares are of",
            list(SHARES),
            default="class",
            required=True,
            format_func=SHARES.__getitem__,
            key=state.SHARES_ARE_OF.key,
            help=plain(SHARES_HELP),
        )
    matrix(view, cells, share_of=share_of)
    st.caption(_outlined(view))


def _outlined(view: View) -> Markdown:
    """What the outlined cells of the matrix are, and to which score they add up."""
    accuracy = nav.term_link("ACC")
    if view.class_rule == "majority":
        return (
            "The majority class of each cluster is outlined; together these cells give "
            f"{nav.term_link('Purity', 'purity')}. {accuracy} counts only one cluster for each "
            "class."
        )
    pairs = [
        f"{c} → {plain(view.class_name(int(k)))}" for c, k in enumerate(view.class_of) if k >= 0
    ]
    rule = nav.term_link("Hungarian matching")
    return f"{rule} (cluster → class), the outlined cells that give {accuracy}: {', '.join(pairs)}"


def chooser(view: View, name: str) -> keyboard_choice.Chooser:
    """Way to select the items of a class in a cluster."""

    def choose(cell: tuple[int, int]) -> None:
        label, cluster = cell
        rows = np.flatnonzero((view.labels == label) & (view.clusters == cluster))
        session.select(rows, f"{view.class_name(label)} in {cluster_words(cluster)}")

    return keyboard_choice.Chooser(name, session.chart_key(name), choose)


def choices(view: View) -> dict[tuple[int, int], str]:
    """Words for each class in each cluster that has some of it, the largest first."""
    assert view.labels is not None
    n_classes, n_ids = view.timeline.n_classes, view.timeline.n_ids()
    return keyboard_choice.cells(
        matching.classes_by_clusters(view.labels, view.clusters, n_classes, n_ids),
        lambda label, cluster: f"true {view.class_name(label)} in {cluster_words(cluster)}",
        columns=matching.with_noise_last(n_ids),
        noun=view.dataset.noun,
    )


def matrix(view: View, cells: keyboard_choice.Chooser, **options: Any) -> None:
    """Confusion matrix; a click on a cell selects its items."""

    def chosen() -> None:
        clicked = state.marked(cells.key, "cell")
        if clicked:
            names = list(view.dataset.class_names)
            cells.take((names.index(str(clicked[0]["true"])), int(clicked[0]["cluster"])))

    panels.chart(
        matrices.confusion,
        view.labels,
        view.clusters,
        view.dataset.class_names,
        classes=view.class_of,
        ids=view.timeline.mapping(view.step),
        key=cells.key,
        select="cell",
        on_select=chosen,
        **options,
    )


def _curves(view: View) -> None:
    frame = view.timeline.metrics()
    read_anew = view.timeline.read_anew()
    drawn = st.pills(
        "Scores",
        _scores(view),
        default=_scores(view)[:DRAWN],
        selection_mode="multi",
        format_func=lambda key: plain(SCORES[key].title),
        help=nav.with_terms("Which curves to draw.", "ACC", "NMI", "ARI", "Purity"),
    )
    if view.timeline.has_noise():
        drawn = [*drawn, "share_clustered"]
    panels.chart(
        curves.metrics,
        frame,
        drawn,
        step=view.step,
        read_anew=read_anew,
        key="scores",
        height=270,
    )
    st.markdown("**Recall of each class**")
    recall = view.timeline.recall()
    left, right = st.columns(2)
    with left:
        shares = recall[view.step]
        panels.chart(bars.recall, shares, view.dataset.class_names, key="recall", height=230)
    with right:
        names = [view.class_name(i) for i in range(recall.shape[1])]
        table = pd.DataFrame(recall, columns=names).rename_axis("step").reset_index()
        panels.chart(
            curves.metrics,
            table,
            names[:10],
            step=view.step,
            read_anew=read_anew,
            colours=[theme.class_colour(i) for i in range(len(names[:10]))],
            with_legend=False,  # the bars beside say it
            key="recalls",
            height=230,
            with_guide=False,
        )
    _silhouettes(view)


def _silhouettes(view: View) -> None:
    """Silhouette over all steps: too slow for every step at once, so on demand."""
    kept = state.widget(f"silhouettes-{view.run.id}")
    steps = len(view.timeline)
    if st.button("Measure the silhouette at all steps", icon=":material/insights:"):
        bar = st.progress(0.0, "Measuring silhouettes")
        values = []
        for i in range(steps):
            values.append(view.timeline.silhouette(i))
            bar.progress((i + 1) / steps)
        bar.empty()
        kept.set(values)
    if kept.is_set():
        values = kept.get()
        table = pd.DataFrame({"step": range(len(values)), "silhouette": values})
        panels.chart(
            curves.metrics,
            table,
            ["silhouette"],
            step=view.step,
            read_anew=view.timeline.read_anew(),
            key="silhouettes",
            height=200,
        )


def _probes(view: View) -> None:
    """Scores that read classes from the embedding; computed when asked for."""
    with st.expander("Probes: how much does the embedding reveal about the classes?"):
        st.caption(
            "A probe is a classifier trained with labels on the frozen embedding. If it scores "
            "high and ACC is low, the classes are there, but the clusters do not follow them.",
            help=nav.with_terms("", "Embedding", "ACC"),
        )
        kept = state.widget(f"probes-{view.run.id}-{view.step}")
        if st.button("Measure at this step", icon=":material/speed:"):
            with st.spinner("kNN probe, then linear probe ..."):
                embedding, labels = view.snapshot.embedding, view.dataset.labels
                assert labels is not None
                kept.set(
                    {
                        "kNN probe": probes.knn_probe(embedding, labels),
                        "Linear probe": probes.linear_probe(embedding, labels),
                        "Silhouette": view.timeline.silhouette(view.step),
                    }
                )
        for name, value in (kept.get() or {}).items():
            st.metric(plain(name), figure(value))
