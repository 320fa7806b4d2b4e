"""Body of the page Follow: all items, all clusters and every score over the whole run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.analysis import genealogy, matching, rematch, transitions
from clustlab.analysis.score_catalogue import SCORES
from clustlab.analysis.shares import figure, signed
from clustlab.runs.store import Run
from clustlab.types import Array, cluster_name, cluster_words
from clustlab.ui import nav, session, state
from clustlab.ui.look import shifts
from clustlab.ui.markdown import plain
from clustlab.ui.run import alarms
from clustlab.ui.run.view import View
from clustlab.ui.widgets import keyboard_choice, panels
from clustlab.ui.widgets.clickable_sheet import clickable
from clustlab.views import flow, lineage, raster
from clustlab.views.theme import reading, shown

EVENTS = 8  # in sight at once
MAX_LEGEND = 40  # clusters; more are no help


def follow_page(view: View) -> None:
    """Four ways to look at the whole run."""
    if len(view.timeline) < 2:
        st.info("Following labels takes two steps; the second one is on its way.")
        return
    panels.tabs(
        {
            "Items": lambda: _raster(view),
            "Clusters": lambda: _genealogy(view),
            "Matching": lambda: _matching(view),
            "Alarms": lambda: alarms.alarm_list(view),
        },
        name=alarms.TABS,
    )


# -- raster ----------------------------------------------------------------------------------------
def _raster(view: View) -> None:
    kinds = [kind for kind in raster.ORDERS if kind != "class" or _has_labels(view)]
    ids = np.unique(view.timeline.assignments())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.segmented_control(
            "Sort items by",
            kinds,
            default="stable",
            required=True,
            format_func=raster.ORDERS.__getitem__,
            key="raster-order",
        )
        if len(ids) <= MAX_LEGEND:
            st.html(raster.legend(ids))
    assignments = view.timeline.assignments()
    ranking = raster.order(assignments, str(by), view.labels, read_anew=view.timeline.read_anew())
    n = len(ranking)
    selected = np.array([i for i in session.selection()[0] if i < n], dtype=np.int64)
    drawn = raster.raster(
        assignments, ranking, step=view.step, selected=selected, missing=view.timeline.missing()
    )
    words = raster.ORDERS[str(by)].lower()

    def chosen(first: int, end: int) -> None:
        session.select(ranking[first:end], f"Rows {first:,} to {end - 1:,} by {words}")

    def band(number: int) -> None:
        first, end = (int(place) for place in drawn.spans[number])
        state.RASTER_ROWS.set((first, end - 1))
        chosen(first, end)

    def slid() -> None:
        first, last = state.RASTER_ROWS.get() or (0, n - 1)
        chosen(first, last + 1)

    clickable(
        drawn.sheet,
        key="raster",
        alt=f"Clusters of {drawn.drawn:,} items over {len(assignments)} steps, by {words}",
        label=lambda i: f"rows {drawn.spans[i, 0]:,} to {drawn.spans[i, 1] - 1:,}",
        on_pick=band,
        reading=reading(raster.raster),
    )
    first, last = state.RASTER_ROWS.get() or (0, n - 1)
    state.RASTER_ROWS.set((min(first, n - 1), min(last, n - 1)))
    if n > 1:
        st.slider("Rows to show", 0, n - 1, key=state.RASTER_ROWS.key, on_change=slid)
    st.caption(
        " ".join(
            plain(part)
            for part in (
                "Click the picture, or move the ends of the slider, to see the items.",
                _sampled(drawn.drawn, n),
            )
            if part
        )
    )
    panels.guide(raster.raster)


def _sampled(drawn: int, n: int) -> str:
    words = shown(drawn, n, "items")
    return words and f"{words}, drawn at random; selecting takes all {n:,} into account."


def _has_labels(view: View) -> bool:
    return view.labels is not None and bool((view.labels >= 0).any())


# -- genealogy -------------------------------------------------------------------------------------
@session.kept_per_run(maxsize=8, anew=session.n_followed)
def _events(run: Run) -> tuple[genealogy.Event, ...]:
    known = session.timeline(run).assignments()
    return tuple(genealogy.events(known, genealogy.thinned(len(known))))


def _genealogy(view: View) -> None:
    assignments = view.timeline.assignments()
    columns = genealogy.thinned(len(assignments))
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    with controls:
        members = _traced(view)
    counts = genealogy.flows(assignments, columns)
    mine = None if members is None else genealogy.flows(assignments, columns, members)
    option, links = lineage.sankey(counts, columns, mine)
    key = session.chart_key("lineage")
    bands = keyboard_choice.Chooser(
        "lineage", key, lambda band: _select_band(assignments, columns, band)
    )

    def chosen() -> None:
        for group in state.marked(key, "selected"):
            for i in group["data_indices"] if group.get("data_type") == "edge" else ():
                if links[i] is not None:
                    bands.take(links[i])

    with controls:
        words = _bands(counts, columns, links, noun=view.dataset.noun)
        bands.box("Choose a band", words, width=250)
    says = f"Flow of items between clusters over steps {', '.join(map(str, columns))}"
    st.echarts_chart(
        option, height=flow.height(option), key=key, on_select=chosen, renderer="svg", alt=says
    )
    if thinned := shown(len(columns), len(assignments), "steps"):
        st.caption(f"{plain(thinned)}; events in between are found, too.")
    panels.guide(lineage.sankey)
    _event_list(view)


def _traced(view: View) -> Array | None:
    """Members of the cluster to trace, as it is at the step in view; None without one."""
    ids = sorted(np.unique(view.clusters).tolist(), key=lambda i: (i < 0, i))
    cluster = st.selectbox(
        "Trace the members of",
        [None, *ids],
        format_func=lambda i: "no cluster" if i is None else f"{cluster_words(i)}, as it is now",
        key="traced",
        help="The cluster as it is at the step in view.",
        width=220,
    )
    members = None if cluster is None else np.flatnonzero(view.clusters == cluster)
    st.button(
        "Select them",
        icon=":material/select_all:",
        disabled=members is None,
        on_click=session.select,
        args=(
            ([], "")
            if members is None or cluster is None
            else (members, f"{cluster_words(cluster).capitalize()} at step {view.step}")
        ),
    )
    return members


def _bands(
    counts: list[Array], columns: Array, links: list[lineage.Link], *, noun: str
) -> dict[tuple[int, int, int], str]:
    """Words for each band of the flow but the grey ones, the largest first."""
    sizes = {link: int(counts[link[0]][link[1:]]) for link in links if link is not None}
    largest = sorted(sizes, key=lambda link: (-sizes[link], link))[: keyboard_choice.MOST]
    return {
        (column, a, b): f"steps {columns[column]} to {columns[column + 1]}, "
        + (
            f"stayed in {cluster_name(a)}: "
            if a == b
            else f"{cluster_words(a)} to {cluster_name(b)}: "
        )
        + keyboard_choice.counted(sizes[column, a, b], noun)
        for column, a, b in largest
    }


def _select_band(assignments: Array, columns: Array, band: tuple[int, int, int]) -> None:
    column, a, b = band
    first, last = (int(step) for step in columns[column : column + 2])
    rows = np.flatnonzero((assignments[first] == a) & (assignments[last] == b))
    words = f"{cluster_words(a)} → {cluster_name(b)}".capitalize()
    session.select(rows, f"{words}, steps {first} to {last}")


def _event_list(view: View) -> None:
    events = _events(view.run)
    if not events:
        st.markdown(f"{transitions.NOTHING}.")
        st.caption(transitions.RULE)
        return
    chosen = st.multiselect(
        "Only events that involve all of these clusters",
        sorted(set().union(*(event.change.concerns for event in events))),
        key=f"events-of-{view.run.id}",
        placeholder="all clusters",
        help="Choose two to see when they merged.",
        width=360,
    )
    together = genealogy.of_all(events, chosen)
    if not together:
        st.markdown(
            f"Clusters {plain(' and '.join(map(str, chosen)))} take part in no common event."
        )
    else:
        st.markdown(f"**{len(together)} event{'s' * (len(together) > 1)}**")
    _event_rows(together[:EVENTS], 0)
    if len(together) > EVENTS:
        with st.expander(f"{len(together) - EVENTS} more"):
            _event_rows(together[EVENTS:], EVENTS)
    st.caption(transitions.RULE)


def _event_rows(events: Sequence[genealogy.Event], start: int) -> None:
    with st.container(key=f"events-{start}", gap="xsmall"):
        for i, event in enumerate(events):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    f"Step {event.step}",
                    key=f"event-{start + i}",
                    type="tertiary",
                    on_click=session.set_step,
                    args=(event.step,),
                )
                st.markdown(plain(event.change.sentence))


# -- matching --------------------------------------------------------------------------------------
@session.kept_per_run(maxsize=8, anew=session.n_followed)
def _over_time(run: Run) -> pd.DataFrame:
    timeline, labels = session.timeline(run), session.dataset(run).labels
    assert labels is not None
    return rematch.over_time(
        labels, timeline.assignments(), timeline.n_classes, timeline.read_anew()
    )


def _matching(view: View) -> None:
    if not _has_labels(view):
        st.info(
            "These items have no labels, so no cluster is matched to a class. "
            "The other tabs need no labels."
        )
        return
    start = shifts.earlier_step(view)
    if start == view.step:
        st.info("Choose two different steps. The scrubber sets the later one.")
    else:
        _decomposed(view, start)
    st.markdown("**Every step compared with the one before**")
    with st.spinner("Matching clusters and classes at every step"):
        table = _over_time(view.run)
    panels.chart(lineage.jumps, table, view.step, key="jumps", height=260)


def _decomposed(view: View, start: int) -> None:
    assert view.labels is not None
    before = view.timeline.stable(start)
    acc_change = rematch.decompose(view.labels, before, view.clusters, view.timeline.n_classes)
    with st.container(horizontal=True):
        tip = nav.with_terms(plain(SCORES["acc"].meaning), *SCORES["acc"].terms)
        st.metric(f"ACC at step {start}", plain(_figure(acc_change.acc_before)), help=tip)
        st.metric(
            "Items that moved",
            plain(_figure(acc_change.moved, "+")),
            help=f"By the matching of step {start}, {acc_change.n_gained:,} items became right "
            f"and {acc_change.n_lost:,} became wrong.",
        )
        st.metric(
            "New matching",
            plain(_figure(acc_change.rematched, "+")),
            help=nav.with_terms(
                "What the best matching at the later step adds. It is never negative.",
                "Hungarian matching",
            ),
        )
        st.metric(f"ACC at step {view.step}", plain(_figure(acc_change.acc_after)), help=tip)
    st.markdown(plain(acc_change.sentence))
    shifts.note_read_anew(view, start)
    _changes(view, start, acc_change)


def _figure(value: float, sign: str = "") -> str:
    return signed(value) if sign else figure(value)


def _changes(view: View, start: int, acc_change: rematch.Rematch) -> None:
    """Table of the clusters that stand for another class."""
    if not acc_change.changed:
        st.caption("Every cluster stands for the same class at both steps.")
        return
    sizes = matching.sizes_of(view.clusters, len(acc_change.classes_after))
    named = [
        {
            "cluster": cluster,
            f"class at step {start}": _class(view, before),
            f"class at step {view.step}": _class(view, after),
            "items now": int(sizes[cluster]),
        }
        for cluster, before, after in acc_change.changed
    ]
    st.dataframe(
        pd.DataFrame(named),
        hide_index=True,
        alt=f"Clusters that stand for another class at step {view.step} than at step {start}",
    )


def _class(view: View, number: int) -> str:
    return "none" if number < 0 else view.class_name(number)
