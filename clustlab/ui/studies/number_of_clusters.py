"""Which number of clusters to take, as the criteria say it beside each other."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from clustlab.analysis.score_catalogue import SCORES
from clustlab.studies import summary
from clustlab.studies.description import Study
from clustlab.studies.number_of_clusters import STABILITY, Curve, curves, is_varied
from clustlab.studies.summary import Results
from clustlab.ui.markdown import plain
from clustlab.ui.widgets import panels
from clustlab.views import studies as views

TITLES = {
    summary.SPREAD: "Spread within clusters",
    summary.SILHOUETTE: "Silhouette",
    STABILITY: "Stability over seeds",
}
ABOUT = {
    summary.SPREAD: summary.ABOUT_SPREAD,
    summary.SILHOUETTE: summary.ABOUT_SILHOUETTE,
    STABILITY: summary.ABOUT_STABILITY,
}
SPEAKS_FOR = {summary.SPREAD: "where it bends most"}  # others speak for their greatest value
HEIGHT = 230  # pixels


def choice_of_k(results: Results) -> None:
    """Each criterion over the number of clusters, and the number that it speaks for."""
    if not is_varied(results):
        return
    every = curves(results)
    criteria = list(dict.fromkeys(curve.criterion for curve in every))
    if not criteria:
        return
    st.subheader("Which number of clusters?", anchor=False)
    for i in range(0, len(criteria), 2):
        for column, criterion in zip(st.columns(2), criteria[i : i + 2], strict=False):
            with column:
                _chart(results.study, [curve for curve in every if curve.criterion == criterion])
    st.dataframe(
        choices(results.study, every),
        hide_index=True,
        column_config={
            "group": st.column_config.TextColumn("Of"),
            "criterion": st.column_config.TextColumn("Criterion"),
            "labels": st.column_config.TextColumn("Has seen labels"),
            "choice": st.column_config.TextColumn("Speaks for"),
        },
        key="study-choices-of-k",
        alt="The number of clusters that each criterion speaks for",
    )
    if any(curve.needs_labels for curve in every):
        st.caption(
            "Who has no labels can choose by the first criteria only. A number chosen by a score "
            "that has seen the labels makes that score too good."
        )
    if not results.is_one_space:
        st.caption("Here each run has a space of its own, so spread and silhouette do not choose.")


def choices(study: Study, every: Sequence[Curve]) -> pd.DataFrame:
    """A row for each curve: what it is, whether it has seen labels, and what it speaks for."""
    rows = [
        {
            "group": study.words(curve.group),
            "criterion": title_of(curve.criterion),
            "labels": "yes" if curve.needs_labels else "no",
            "choice": _choice(curve),
        }
        for curve in every
    ]
    table = pd.DataFrame(rows)
    return table if table["group"].map(len).any() else table.drop(columns="group")


def _choice(curve: Curve) -> str:
    if curve.choice is None:
        return "none: it has no clear bend" if curve.criterion == summary.SPREAD else "none"
    return " ".join(filter(None, (str(curve.choice), SPEAKS_FOR.get(curve.criterion, ""))))


def title_of(criterion: str) -> str:
    """What a criterion is called."""
    return TITLES.get(criterion) or SCORES[criterion].title


def _chart(study: Study, every: Sequence[Curve]) -> None:
    criterion = every[0].criterion
    title = title_of(criterion)
    rows = [
        {
            "value": k,
            "seed": "all" if criterion == STABILITY else str(seed),
            "figure": value,
            "group": study.words(curve.group),
        }
        for curve in every
        for k, point in curve.points.items()
        for seed, value in point.by_seed.items()
    ]
    panels.chart(
        views.over_setting,
        pd.DataFrame(rows, columns=list(views.COLUMNS)),
        "Number of clusters",
        title,
        values=sorted({str(row["value"]) for row in rows}),
        is_number=True,
        key=f"study-k-{criterion}",
        height=HEIGHT,
        with_guide=False,
        alt=f"{title} over the number of clusters",
    )
    words = "has seen the labels" if every[0].needs_labels else "needs no label"
    about = ABOUT.get(criterion) or SCORES[criterion].meaning
    st.caption(plain(f"{title}: {words}"), help=plain(about))
