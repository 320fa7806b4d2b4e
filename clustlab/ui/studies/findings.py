"""What the runs of a study that are done have found."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from clustlab.analysis.score_catalogue import SCORES
from clustlab.analysis.shares import percent
from clustlab.studies import summary
from clustlab.studies.description import Cell, Study
from clustlab.studies.state import Place
from clustlab.studies.summary import CellSummary, Results
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.shared import Shared
from clustlab.ui.studies import number_of_clusters, small_maps
from clustlab.ui.widgets import panels
from clustlab.views import studies as views

_results: Shared[Results] = Shared(16)


def findings(study: Study, every: Sequence[Place]) -> None:
    """Figures over the seeds, cells compared, and the runs of a cell that is chosen."""
    done = [place for place in every if place.status == "done" and place.run is not None]
    if not done:
        st.caption("What the runs found stands here as soon as the first one is done.")
        return
    known = tuple((p.run.id, len(p.run)) for p in done if p.run)
    key = (str(session.store().root), repr(study), known)
    found = _results.get(key, lambda: summary.results(session.store(), study, every))
    figures = found.figures()
    if not figures:
        st.caption("The runs that are done cannot be scored: their items are not there any more.")
        return
    figure = st.selectbox(
        "Figure", figures, format_func=title_of, key=state.STUDY_FIGURE.key, width=320
    )
    st.caption(plain(meaning_of(figure)))
    cells = found.of(figure)
    if study.varied:
        _chart(study, cells, figure)
    _table(study, found, cells, every, figure)
    if figure == summary.SILHOUETTE and not found.is_one_space:
        st.caption("Here each run has a space of its own, so no row is better than another by it.")
    elif len(study.cells) > 1:
        _best(found, figure, cells)
        _pair(study, cells)
    number_of_clusters.choice_of_k(found)
    small_maps.small_maps(study, done)


def title_of(figure: str) -> str:
    """What a score or a criterion is called."""
    return SCORES[figure].title if figure in SCORES else "Silhouette"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def in_a_sentence(figure: str) -> str:
    """What it is called within a sentence: `accuracy`, `NMI` and `adjusted Rand index`."""
    title = title_of(figure)
    return title if title[1:2].isupper() or title[1:2] == "-" else title[:1].lower() + title[1:]


def meaning_of(figure: str) -> str:
    """What it says, in a sentence or two."""
    return SCORES[figure].meaning if figure in SCORES else summary.ABOUT_SILHOUETTE


def _better(figure: str) -> str:
    return SCORES[figure].better if figure in SCORES else "higher"


def _written(figure: str, value: float | None) -> str:
    if value is None:
        return "–"
    return SCORES[figure].written(value) if figure in SCORES else f"{value:.3f}"


def _chart(study: Study, cells: Sequence[CellSummary], figure: str) -> None:
    names = [axis.name for axis in study.varied]
    # over numbers first, where a line shows most
    setting = next((axis.name for axis in study.varied if axis.is_number), names[0])
    if len(names) > 1:
        setting = st.segmented_control(
            "Over",
            names,
            format_func=lambda name: plain(_capital(study.label(name))),
            default=setting,
            required=True,
            key="study-over",
        )
    (axis,) = (axis for axis in study.varied if axis.name == setting)
    rows = []
    for each in cells:
        others = dict(each.cell.chosen)
        value = others.pop(setting)
        shown = value if axis.is_number else study.value_words(setting, value)
        group = study.words(Cell(tuple(others.items())))
        rows += [
            {"value": shown, "seed": seed, "figure": number, "group": group}
            for seed, number in each.by_seed.items()
        ]
    table = pd.DataFrame(rows, columns=list(views.COLUMNS))
    panels.chart(
        views.over_setting,
        table,
        _capital(study.label(setting)),
        title_of(figure),
        values=list(dict.fromkeys(table["value"].astype(str))),
        is_number=axis.is_number,
        key="study-chart",
        height=320,
        with_guide=len(study.seeds) > 1,
        alt=f"{title_of(figure)} over {study.label(setting)}, a dot for each seed",
    )
    if len(study.seeds) == 1:
        st.caption("One seed cannot tell a difference from chance: add some above.")


def _table(
    study: Study,
    found: Results,
    cells: Sequence[CellSummary],
    every: Sequence[Place],
    figure: str,
) -> None:
    rows = [_row(study, each, every, figure, found) for each in cells]
    frame = pd.DataFrame(rows)
    frame = frame.drop(
        columns=[key for key in ("stability", "clustered") if frame[key].isna().all()]
    )
    event: Any = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            **{
                axis.name: st.column_config.TextColumn(plain(_capital(study.label(axis.name))))
                for axis in study.varied
            },
            "runs": st.column_config.TextColumn("Runs done", width="small"),
            "median": st.column_config.TextColumn(f"{title_of(figure)}, median", width="small"),
            "range": st.column_config.TextColumn("Least to greatest", width="small"),
            "stability": st.column_config.NumberColumn(
                "Stability", format="%.3f", width="small", help=plain(summary.ABOUT_STABILITY)
            ),
            "clustered": st.column_config.TextColumn(
                "Clustered",
                width="small",
                help="Median share of items that are not noise; scores leave noise out.",
            ),
        },
        key=f"study-table-{hash(repr(study))}-{figure}",
        alt=f"{title_of(figure)} of each combination of settings",
    )
    st.caption("Choose a row to open its runs.")
    for i in event.selection.rows:
        if i < len(cells):
            _runs(study, cells[i].cell, every)


def _row(
    study: Study, each: CellSummary, every: Sequence[Place], figure: str, found: Results
) -> dict[str, Any]:
    mine = [place for place in every if place.cell == each.cell]
    n_done = sum(place.status == "done" for place in mine)
    ends = each.range
    shares = {other.cell: other.median for other in found.of("share_clustered")}
    has_noise = any(known is not None and known < 1 for known in shares.values())
    share = shares.get(each.cell)
    return {
        **{name: study.value_words(name, value) for name, value in each.cell.chosen},
        "runs": f"{n_done} of {len(mine)}",
        "median": _written(figure, each.median),
        "range": " to ".join(_written(figure, end) for end in ends) if ends else "–",
        "stability": found.stability.get(each.cell),
        "clustered": percent(share) if has_noise and share is not None else None,
    }


def _runs(study: Study, cell: Cell, every: Sequence[Place]) -> None:
    st.markdown(f"**{plain(_capital(study.words(cell)) or 'All seeds')}**")
    with st.container(horizontal=True):
        for place in every:
            if place.cell == cell and place.run is not None:
                label = f"Seed {place.seed}: {place.status}"
                nav.link("embedding", plain(label), "scatter_plot", run=place.run.id)


def _best(found: Results, figure: str, cells: Sequence[CellSummary]) -> None:
    """Which cell leads by the figure, and which by what needs no label."""
    if _better(figure) == "neither":
        return
    leading = summary.best(cells, _better(figure))
    if leading is None:
        return
    figures, words = in_a_sentence(figure), found.study.words
    st.markdown(
        f"By {plain(figures)}, **{plain(words(leading.cell))}** leads with a median of "
        f"{plain(_written(figure, leading.median))}."
    )
    if figure not in SCORES or not SCORES[figure].needs_labels:
        return
    for criterion, cell in found.choices_without_labels().items():
        its = next(each for each in cells if each.cell == cell)
        st.markdown(
            f"By {plain(criterion)}, which needs no label, it would be **{plain(words(cell))}** "
            f"({plain(figures)} {plain(_written(figure, its.median))})."
        )
    st.caption("Who chooses by labels has used them: the best figure is then too good.")


def _pair(study: Study, cells: Sequence[CellSummary]) -> None:
    """Two cells compared seed by seed."""
    known = [each for each in cells if each.by_seed]
    if len(known) < 2:
        return
    words = [study.words(each.cell) for each in known]
    first, second = st.columns(2)
    with first:
        one = st.selectbox("Compare", words, index=len(words) - 1, key="study-one")
    with second:
        other = st.selectbox("with", words, index=0, key="study-other")
    pair = summary.paired(known[words.index(one)], known[words.index(other)])
    if one == other or pair.range is None or pair.median is None:
        st.caption("Choose two that have a seed in common.")
        return
    low, high = pair.range
    n = len(pair.differences)
    if n == 1:
        (seed,) = pair.differences
        st.markdown(
            f"With seed {plain(seed)}, **{plain(one)}** has {low:+.3f} against **{plain(other)}**."
        )
        return
    st.markdown(
        f"With the same seed, **{plain(one)}** has more than **{plain(other)}** in "
        f"{pair.in_favour} of {n} seeds: {pair.median:+.3f} in the median "
        f"({low:+.3f} to {high:+.3f})."
    )
