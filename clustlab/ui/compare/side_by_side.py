"""What the page Compare draws: a column for each run, and what they agree on."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import streamlit as st

from clustlab.analysis import agreement, matching, run_scores
from clustlab.analysis.score_catalogue import MERGED, SCORES, Score, labelled_scores
from clustlab.analysis.shares import figure
from clustlab.data.item_names import item_words
from clustlab.runs import titles
from clustlab.runs.phases import place_in_run
from clustlab.runs.store import Run
from clustlab.types import NOISE, Array, cluster_words
from clustlab.ui import nav, session, state
from clustlab.ui.compare import agreement_tabs, linked_maps
from clustlab.ui.compare.compared_run import Side, chart_key, select
from clustlab.ui.look import clusters
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.run import biography, frame, inspector, summaries
from clustlab.ui.widgets import keyboard_choice, panels
from clustlab.ui.widgets.clickable_sheet import clickable
from clustlab.views import matrices, sheets, theme

ROWS = 10  # clusters on one page of images
PAIRS = 3  # tables of two runs in a row
IMAGES = {1: 24, 2: 16, 3: 11, 4: 8}  # of each cluster, by the number of columns


def runs_side_by_side(sides: Sequence[Side], waiting: Sequence[Run]) -> None:
    """Columns, the tabs below them, and the inspector beside."""
    main, beside = st.columns([7, 3], gap="medium")
    with main:
        _heads(sides)
        for run in waiting:
            st.markdown(f"**{plain(run.title)}**")
            frame.why_nothing_yet(run)
        linked_maps.linked_maps(sides)
        _who_is_right(sides)
        panels.tabs(
            {
                "Images": lambda: _images(sides),
                "Confusion": lambda: _confusions(sides),
                "Agreement": lambda: agreement_tabs.agreement_of(sides),
                "Consensus": lambda: agreement_tabs.consensus_of(sides),
                "Curves": lambda: agreement_tabs.curves_of(sides),
                "Settings": lambda: agreement_tabs.settings_of(sides),
            }
        )
    with beside:
        _inspect(sides)


# -- columns -----------------------------------------------------------------------------------
def _heads(sides: Sequence[Side]) -> None:
    called = titles.titles([side.view.run for side in sides])
    columns = st.columns(len(sides), gap="small")
    for column, side, title in zip(columns, sides, called, strict=True):
        with column, st.container(gap="xsmall"):
            run, row = side.view.run, side.figures
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.markdown(f"**{plain(side.name)}**", width="content", help=plain(title))
                st.badge(
                    plain(summaries.outcome_words(run)), color=summaries.STATUS_COLORS[run.status]
                )
                nav.link("embedding", "Open", "open_in_new", run=run.id)
            scores = [
                f"{plain(score.short)} **{score.written(row[score.key])}**" for score in _told(row)
            ]
            scores.append(f"**{row['n_occupied']:.0f}** clusters")
            if row["share_clustered"] < 1:
                scores.insert(1, plain(run_scores.clustered_words(row["share_clustered"])))
            few = scores if len(sides) < 3 else scores[:2]  # narrow columns
            terms = [term for score in _told(row) for term in score.terms]
            tip = nav.with_terms(", ".join(scores).replace("*", ""), *terms)
            record = run.log[side.view.step]
            words = f"Step {side.view.step} of {len(run) - 1} · {plain(place_in_run(record))}"
            if record.get("seconds") is not None:
                words += f" · {record['seconds']:.1f} s"
            st.caption(words)
            st.markdown(" · ".join(few), help=tip)
            if side.has_others:
                st.caption(plain(_over_its_own(side)))


def _told(row: Mapping[str, float]) -> list[Score]:
    """Scores that stand above a column."""
    is_over_clustered = any(row[key] != row["acc"] for key in MERGED)
    names = labelled_scores(is_over_clustered=is_over_clustered)[:3]
    return [SCORES[name] for name in (names if row["acc"] == row["acc"] else ("confidence",))]


def _over_its_own(side: Side) -> str:
    """What a run scores over all of its items, where these are not those that are compared."""
    row, n = side.whole.timeline.row(side.whole.step), len(side.whole.clusters)
    scores = ", ".join(f"{score.short} {score.written(row[score.key])}" for score in _told(row))
    return f"On the {len(side.rows):,} shared items. On all its {n:,} items: {scores}"


def _who_is_right(sides: Sequence[Side]) -> None:
    """How many items both, one or neither of each two runs puts with their class."""
    labels = sides[0].view.labels
    if labels is None or not (labels >= 0).any() or len(sides) < 2:
        return
    if len(sides) > 2:
        _right_in_how_many(sides, labels)
    pairs = list(combinations(sides, 2))
    columns = [
        column
        for _ in range(0, len(pairs), PAIRS)
        for column in st.columns(min(max(len(pairs), 2), PAIRS), gap="medium")
    ]
    for column, (a, b) in zip(columns, pairs, strict=False):
        with column, st.container(key=f"right-{a.letter}{b.letter}", gap="xsmall"):
            st.markdown(f"**Who is right, {plain(a.letter)} or {plain(b.letter)}?**", help=RIGHT)
            noise = ~(a.view.is_clustered & b.view.is_clustered)
            verdicts = agreement.who_is_right(labels, ~a.view.wrong, ~b.view.wrong, noise)
            rows = (("both", "only_a"), ("only_b", "neither"))
            for row in rows:
                for cell, name in zip(st.columns(2, gap="xsmall"), row, strict=True):
                    with cell:
                        _cell(name, a.items[getattr(verdicts, name)], a.letter, b.letter)
            if len(verdicts.noise):
                _cell("noise", a.items[verdicts.noise], a.letter, b.letter)
    if len(pairs) == 1:
        with columns[1]:
            _in_short(*pairs[0])


RIGHT = (
    "An item is right in a run if its true class is the one its cluster stands for (by 1-to-1 "
    "matching, or by majority where there are more clusters than classes). Noise is neither right "
    "nor wrong. Click a button to see the items."
)
CELLS = {  # what the button says, and the title of what it selects
    "both": ("Both right", "Right in {a} and {b}"),
    "only_a": ("Only {a}", "Right in {a}, wrong in {b}"),
    "only_b": ("Only {b}", "Right in {b}, wrong in {a}"),
    "neither": ("Both wrong", "Wrong in {a} and {b}"),
    "noise": ("Noise in one or both", "Noise in {a} or {b}"),
}


def _right_in_how_many(sides: Sequence[Side], labels: Array) -> None:
    """How many items all runs put with their class, exactly one, several or none."""
    tally = agreement.how_many_are_right(
        labels, [~s.view.wrong & s.view.is_clustered for s in sides]
    )
    shown = [("All right", "Right in all runs", tally.every)]
    for side, items in zip(sides, tally.only, strict=True):
        shown.append((f"Only {side.letter}", f"Right in {side.letter} only", items))
    shown.append(("All wrong", "Right in no run", tally.none))
    st.markdown(
        "**In how many runs is an item right?**", help=f"{RIGHT} Here noise counts as wrong."
    )
    for column, (words, title, rows) in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.button(
                f"{plain(words)}: {len(rows):,}",
                key=f"right-in-{words.lower().replace(' ', '-')}",
                width="stretch",
                disabled=not len(rows),
                on_click=select,
                args=("right", sides[0].items[rows], title),
            )
    if len(tally.several):
        st.caption(f"The other {len(tally.several):,} are right in several runs, but not in all.")


def _cell(name: str, items: Array, a: str, b: str) -> None:
    words, title = (text.format(a=a, b=b) for text in CELLS[name])
    st.button(
        f"{plain(words)}: {len(items):,}",
        key=f"cell-{a}{b}-{name}",
        width="stretch",
        disabled=not len(items),
        on_click=select,
        args=("right", items, title),
    )


def _in_short(a: Side, b: Side) -> None:
    ari, nmi = agreement.scores([a.clusters, b.clusters])
    same = agreement.n_in_matched(a.clusters, b.clusters)
    st.markdown(f"**How far do {plain(a.letter)} and {plain(b.letter)} agree?**")
    ari_term, nmi_term = nav.term_link("ARI"), nav.term_link("NMI")
    st.markdown(
        f"{ari_term} **{figure(ari[0, 1])}** · {nmi_term} **{figure(nmi[0, 1])}** · {same:,} of "
        f"{len(a.clusters):,} items in matched clusters. The tabs Agreement and Consensus show "
        "which ones."
    )


def _images(sides: Sequence[Side]) -> None:
    order = _order(sides)
    page = 1
    if len(order) > ROWS:
        page = st.pagination(-(-len(order) // ROWS), key="compare-images-page") or 1
    shown = order[(page - 1) * ROWS : page * ROWS]
    limit = IMAGES[len(sides)]
    for column, side in zip(st.columns(len(sides), gap="small"), sides, strict=True):
        view = side.view
        rows = [
            sheets.order("central", np.flatnonzero(side.clusters == i), view.snapshot, limit=limit)
            for i in shown
        ]
        sheet = sheets.cluster_rows(
            view.dataset.pictures, rows, clusters=shown, columns=limit, wrong=view.wrong
        )
        with column:
            alt = f"{view.dataset.noun.capitalize()}s of each cluster of {side.name}, a row each"
            sheet_of(side, sheet, key=f"compare-rows-{side.letter}", alt=alt)
    st.caption(
        "A row is the same cluster in all columns, matched by shared items; an empty row means "
        "that the run has no such cluster."
    )
    panels.guide(sheets.cluster_rows)


def _order(sides: Sequence[Side]) -> Array:
    """Clusters in the order of the first run, then those that only others have."""
    first = sides[0].ids[clusters.ordered(sides[0].view)]
    used = np.unique(np.concatenate([side.clusters for side in sides]))
    others = np.setdiff1d(used, first)
    others = others[np.argsort(others < 0, kind="stable")]  # noise comes last
    return np.concatenate([first[np.isin(first, used)], others])


def sheet_of(side: Side, sheet: sheets.Sheet, *, key: str, alt: str) -> None:
    """Clickable sheet that names clusters by their common numbers."""

    def label(index: int) -> str:
        own = f"{cluster_words(side.clusters[index])} in {side.letter}"
        labels = side.view.labels
        words = item_words(side.view.dataset, index, int(side.items[index]))
        if labels is None or labels[index] < 0:
            return f"{words} · {own}"
        return f"{words} · {side.view.class_name(int(labels[index]))} · {own}"

    clickable(
        sheet,
        key=key,
        alt=alt,
        label=label,
        on_pick=side.pick,
        fit="crop",
        reading=theme.reading(sheets.cluster_rows),
    )


def _confusions(sides: Sequence[Side]) -> None:
    labels = sides[0].view.labels
    if labels is None or not (labels >= 0).any():
        st.info(
            "These items have no labels, so no run can be right or wrong. The tab Agreement shows "
            "how far the runs agree."
        )
        return
    for column, side in zip(st.columns(len(sides), gap="small"), sides, strict=True):
        with column:
            st.markdown(f"**{plain(side.name)}**")
            _confusion(side, labels)
    panels.guide(matrices.confusion)


def _confusion(side: Side, labels: Array) -> None:
    names = list(side.view.dataset.class_names)
    source = f"confusion-{side.letter}"
    key = chart_key(source)

    def name(label: int) -> str:
        return side.view.class_name(label)

    def choose(cell: tuple[int, int]) -> None:
        label, cluster = cell
        rows = side.items[np.flatnonzero((labels == label) & (side.clusters == cluster))]
        select(source, rows, f"{name(label)} in {cluster_words(cluster)} of {side.letter}")

    cells = keyboard_choice.Chooser(source, key, choose)

    def chosen() -> None:
        clicked = state.marked(key, "cell")
        if clicked:
            cells.take((names.index(str(clicked[0]["true"])), int(clicked[0]["cluster"])))

    n_ids = int(side.ids.max(initial=-1)) + 1
    words = keyboard_choice.cells(
        matching.classes_by_clusters(labels, side.clusters, side.view.timeline.n_classes, n_ids),
        lambda label, cluster: f"true {name(label)} in {cluster_words(cluster)}",
        columns=matching.with_noise_last(n_ids),
        noun=side.view.dataset.noun,
    )
    cells.box("Choose a cell", words)
    panels.chart(
        matrices.confusion,
        labels,
        side.clusters,
        names,
        classes=side.class_of,
        ids=side.present,
        key=key,
        select="cell",
        on_select=chosen,
        with_guide=False,
        height=320,
        alt=f"Confusion matrix of {side.name}",
    )


# -- the inspector -----------------------------------------------------------------------------
def _inspect(sides: Sequence[Side]) -> None:
    index = session.picked()
    first = sides[0]
    if index is not None and index < len(first.whole.clusters) and len(sides) > 1:
        _in_each_run(sides, index)
    inspector.inspector_panel(first.whole, _most_disputed(sides) if len(sides) > 1 else None)
    if len(sides) > 1 and (index is not None or session.selection()[0]):
        st.caption(f"Frames, corners and facts come from {plain(first.name)}.")


def _in_each_run(sides: Sequence[Side], index: int) -> None:
    """What each run makes of an item, by its number on the page."""
    with st.container(border=True):
        words = item_words(sides[0].whole.dataset, index)
        st.markdown(f"**{plain(words[0].upper() + words[1:])} in each run**")
        here = np.flatnonzero(sides[0].items == index)
        if len(here):
            st.markdown("\n\n".join(_verdict(side, int(here[0])) for side in sides))
        else:
            st.caption("Not all of these runs have this item, so it is not compared.")


def _most_disputed(sides: Sequence[Side]) -> frame.Unselected | None:
    """What to show while nothing is selected: the item on which the runs differ most.

    None where they agree on every one.
    """
    apart = agreement.disagreement([side.clusters for side in sides])
    if not apart.any():
        return None
    index = int(sides[0].items[apart.argmax()])

    def draw() -> None:
        word = plain(sides[0].view.dataset.noun)
        st.markdown(f"**The {word} on which the runs differ most**")
        _in_each_run(sides, index)
        biography.biography_card(sides[0].whole, index, is_chosen=False)
        st.caption(f"Frames, corners and facts come from {plain(sides[0].name)}.")

    return draw


def _verdict(side: Side, index: int) -> Markdown:
    view, cluster = side.view, int(side.clusters[index])
    if cluster == NOISE:
        return f"{plain(side.name)}: **noise**"
    sure = figure(float(view.confidence[index]), 2)
    words = f"{plain(side.name)}: cluster **{cluster}** (confidence {sure})"
    if view.labels is None or view.labels[index] < 0:
        return words
    meant = int(side.class_of[cluster])
    stands = (
        f"which stands for {plain(view.class_name(meant))}"
        if meant >= 0
        else "which stands for no class"
    )
    return f"{words}, {stands}: {'wrong' if view.wrong[index] else 'right'}"
