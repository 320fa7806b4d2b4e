"""Body of the page Failures: ready questions, what they find, and baskets of it."""

from typing import Any

import numpy as np
import streamlit as st

from clustlab.analysis.failures import catalogue
from clustlab.analysis.failures.catalogue import QUERIES, Query
from clustlab.analysis.failures.queries import QueryResult, Side
from clustlab.analysis.failures.search import FailureSearch, Filters
from clustlab.analysis.shares import figure
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.runs.store import Run
from clustlab.types import Array, ClassRule, Dataset, Report
from clustlab.ui import session, state
from clustlab.ui.look import baskets, failure_filters
from clustlab.ui.markdown import plain
from clustlab.ui.run import biography, frame, item_sheet
from clustlab.ui.run.class_rule_switch import class_rule_switch
from clustlab.ui.run.view import View
from clustlab.ui.widgets import panels
from clustlab.views import counts, sheets
from clustlab.views.theme import reading

PER_PAGE = 60
PAIRS = 20  # of look-alikes on a page
PAIRS_IN_A_ROW = 4
SIDE = 30  # images of one side of a contrast
NO_LABELS = "Needs true classes, which these items do not have."
UNASKED = "Select it to count: it compares all items with each other."


def failures_page(view: View) -> frame.Unselected | None:
    """Questions with their answers, and the baskets.

    Beside them stands the worst image of the answer while nothing is selected.
    """
    worst: list[frame.Unselected] = []
    panels.tabs(
        {
            "Queries": lambda: worst.extend(_queries(view)),
            "Baskets": lambda: baskets.baskets_panel(view),
        }
    )
    return worst[0] if worst else None


@session.kept_per_run(maxsize=6)
def _search_of_run(run: Run, timeline: Timeline, class_rule: ClassRule | None) -> FailureSearch:
    return FailureSearch(run, session.dataset(run), timeline, class_rule)


def _queries(view: View) -> list[frame.Unselected]:
    """The questions and the answer to the one that is chosen; draws its worst item, if any."""
    search = _search_of_run(view.run, view.timeline, view.asked_class_rule)
    search.forget_after(len(view.timeline))
    q = _chosen(search)
    if search.is_labelled:
        class_rule_switch(view)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="filters"):
        filters = failure_filters.fields(view)
        select = st.container(width="content")
    listing, answer = st.columns([4, 9], gap="small")
    with listing:
        place = st.container(key="query-list", gap="xxsmall")
    with answer, st.container(gap="xsmall"):
        items = _answer(view, search, q, filters, select)
    with place:  # last, since the answer may bring a count
        _list(view, search, q)
    return [lambda: _worst(view, q, int(items[0]))] if len(items) else []


def _worst(view: View, q: Query, index: int) -> None:
    st.markdown(f"**First in this list: {plain(q.title.lower())}**")
    biography.biography_card(view, index, is_chosen=False)


# -- the questions -----------------------------------------------------------------------------
def _chosen(search: FailureSearch) -> Query:
    """Query in the address, else the first that can be asked."""
    wanted = state.QUERY_IN_ADDRESS.get() or state.QUERY.get()
    first = next(q for q in QUERIES if search.available(q))
    try:
        query = first if wanted is None else catalogue.query(wanted)
    except ParameterError as error:
        session.show_error(error)
        query = first
    return query if search.available(query) else first


def _choose(name: str) -> None:
    state.QUERY.set(name)
    state.QUERY_IN_ADDRESS.set(name)


def _list(view: View, search: FailureSearch, chosen: Query) -> None:
    """A button for each query: a sentence with its count at this step."""
    for q in QUERIES:
        known = search.available(q)
        count = search.count(q.name, view.step)
        help_text = None if count is not None else UNASKED if known else NO_LABELS
        st.button(
            plain(sentence(q, count, view.dataset)),
            key=f"query-{q.name}",
            type="secondary" if q is chosen else "tertiary",
            icon=":material/chevron_right:" if q is chosen else None,
            on_click=_choose,
            args=(q.name,),
            disabled=not known,
            help=help_text,
            width="stretch",
        )
    if not search.is_labelled:
        st.caption(f"Greyed out: {NO_LABELS[0].lower()}{NO_LABELS[1:]}")


def sentence(q: Query, count: int | None, dataset: Dataset) -> str:
    """Query as a sentence, such as `132 images: sure and wrong`; … stands for a count to come."""
    number = "…" if count is None else f"{count:,}"
    return f"{number} {q.units(2 if count is None else count, dataset.noun)}: {q.phrase}"


# -- the answer --------------------------------------------------------------------------------
def _answer(view: View, search: FailureSearch, q: Query, filters: Filters, select: Any) -> Array:
    """Draw what a query finds; returns the items (m,), the worst first."""
    note = search.note(q.name)
    st.markdown(f"**{plain(q.title)}**")
    st.caption(f"{plain(q.meaning)} {plain(note) + '.' if note else ''}")
    place = st.empty()
    progress = _progress(place, search.is_ready(q, view.step))
    matches = search.find(q.name, view.step, filters, progress)
    place.empty()
    title = f"{q.title}, step {view.step}{failure_filters.filters_in_words(view, filters)}"
    select.button(
        f"Select all {len(matches.items):,}",
        key="select-all",
        icon=":material/select_all:",
        disabled=not len(matches.items),
        on_click=session.select,
        args=(matches.items, title),
    )
    if not q.number(matches):
        narrowed = filters != Filters()
        st.markdown("No item passes the filters." if narrowed else "None at this step.")
    elif q.needs == "twins":
        _look_alikes(view, matches)
    elif q.unit == "item":
        _sheet(view, matches, q)
    else:
        _contrast(view, matches, q)
    _over_time(view, search, q, filters)
    return matches.items


def _progress(place: Any, ready: bool) -> Report | None:
    """Progress bar in a place, for what takes long."""
    if ready:
        return None
    place.progress(0.0, "Comparing items")
    return lambda words, share: place.progress(min(share, 1.0), plain(words))


def _sheet(view: View, matches: QueryResult, q: Query) -> None:
    items, first = _page(matches.items, PER_PAGE)
    alt = f"{q.title}: {len(items)} {view.dataset.noun}s from rank {first + 1}"
    item_sheet.image_sheet(view, items, key="answer", alt=alt)
    st.caption(f"Ranked by {plain(q.score)}, worst first.")


def _page(items: Any, per_page: int) -> tuple[Any, int]:
    """Part of a list that is on the chosen page, and the rank at which it begins."""
    pages = -(-len(items) // per_page)
    page = 1
    if pages > 1:
        page = min(st.pagination(pages, key="answer-page") or 1, pages)
    first = (page - 1) * per_page
    return items[first : first + per_page], first


def _look_alikes(view: View, matches: QueryResult) -> None:
    """Pairs, each two side by side."""
    groups, first = _page(matches.groups, PAIRS)
    twos = np.array([[int(side.items[0]) for side in group.sides] for group in groups])
    sheet = sheets.pairs(
        view.dataset.pictures,
        twos,
        tile=item_sheet.TILE,
        columns=PAIRS_IN_A_ROW,
        clusters=view.clusters,
        wrong=view.wrong,
    )
    alt = f"{len(twos)} pairs of look-alikes from rank {first + 1}"
    item_sheet.show_sheet(view, sheet, key="answer", alt=alt, of=sheets.pairs, fit="wrap", group=2)
    panels.guide(sheets.pairs)


def _contrast(view: View, matches: QueryResult, q: Query) -> None:
    """One group at a time, its sides next to one another."""
    titles = [group.title for group in matches.groups]
    chosen = st.selectbox(f"Which {plain(q.unit)}", titles, key="group", bind="query-params")
    group = matches.groups[titles.index(chosen) if chosen in titles else 0]
    st.caption(f"{plain(q.score[0].upper() + q.score[1:])}: {plain(_score(group.score))}")
    columns = st.columns(min(len(group.sides), 3))
    for i, side in enumerate(group.sides):
        with columns[i % len(columns)]:
            _side(view, side, i)


def _score(value: float) -> str:
    """A score of a group, which may be a share or not."""
    return figure(value) if 0 <= value < 1 else f"{value:.3g}"


def _side(view: View, side: Side, number: int) -> None:
    st.button(
        plain(side.title),
        key=f"side-{number}",
        type="tertiary",
        icon=":material/select_all:",
        help="Select these",
        disabled=not len(side.items),
        on_click=session.select,
        args=(side.items, side.title),
    )
    rows = side.items[:SIDE]
    if len(rows):
        alt = f"{side.title}, {len(rows)} {view.dataset.noun}s"
        key = f"side-sheet-{number}"
        item_sheet.image_sheet(view, rows, key=key, alt=alt)
    if len(side.items) > SIDE:
        st.caption(f"Showing {SIDE} of {len(side.items):,}.")


# -- over time ---------------------------------------------------------------------------------
def _over_time(view: View, search: FailureSearch, q: Query, filters: Filters) -> None:
    missing = search.missing(q.name, filters)
    place = st.empty()
    if (
        q.needs == "neighbours"
        and missing
        and not place.button(
            "Count at every step", icon=":material/insights:", key="count-over-time"
        )
    ):
        return
    slow = missing > 20 or (missing and q.needs == "neighbours")
    steps, n_matches = search.history(q.name, filters, _progress(place, not slow))
    place.empty()
    last = len(view.timeline) - 1
    if last < 1:
        return
    left_out = len(steps) <= last
    of_steps = f" ({len(steps)} of {last + 1} steps)" if left_out else ""
    st.markdown(
        f"**Over time**{plain(failure_filters.filters_in_words(view, filters))}{of_steps}",
        help=plain(reading(counts.over_time)),
    )
    _chart(view, steps, n_matches, last)


def _chart(view: View, steps: Array, n_matches: Array, last: int) -> None:
    key = session.chart_key("failures-over-time")

    def go() -> None:
        steps_marked = state.marked(key, "at")
        if steps_marked:
            step = int(steps_marked[0]["step"])
            session.set_step(None if step >= last else step)

    panels.chart(
        counts.over_time,
        steps,
        n_matches,
        step=view.step,
        last=last,
        key=key,
        height=130,
        select="at",
        on_select=go,
        with_guide=False,
    )
