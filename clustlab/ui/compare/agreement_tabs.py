"""Tabs of the page Compare that look at all runs together."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.analysis import agreement, comparison, learning_curves, progress_axis, run_scores
from clustlab.analysis.consensus import RULE, consensus, numbered_like
from clustlab.analysis.matching import with_noise, with_noise_last
from clustlab.analysis.score_catalogue import FROM_ASSIGNMENTS, LABELLED, MERGED, SCORES
from clustlab.analysis.shares import figure, percent
from clustlab.data.item_names import item_words
from clustlab.params import label_of_setting
from clustlab.runs.store import Run
from clustlab.types import Array, cluster_name, cluster_words
from clustlab.ui import nav, session, state
from clustlab.ui.compare.compared_run import Side, chart_key, select, shared_by
from clustlab.ui.markdown import plain
from clustlab.ui.run import summaries
from clustlab.ui.widgets import keyboard_choice, panels
from clustlab.ui.widgets.clickable_sheet import Fit, clickable
from clustlab.views import matrices, overlay, sheets

DISPUTED = 60  # images in sight on which runs differ most
TAKEN = 300  # of them that are selected at a click
ROWS, IMAGES = 10, 24  # of the consensus clusters


# -- agreement ---------------------------------------------------------------------------------
def agreement_of(sides: Sequence[Side]) -> None:
    """ARI and NMI of all runs, and the clusters of two of them against each other."""
    names = [side.name for side in sides]
    scores = agreement.scores([side.clusters for side in sides])
    columns = st.columns(2, gap="medium")
    for column, title, values in zip(columns, ("ARI", "NMI"), scores, strict=True):
        with column:
            st.markdown(f"**{nav.term_link(title)}** between runs")
            panels.chart(
                matrices.pairwise,
                values,
                names,
                key=f"pairwise-{title}",
                with_guide=title == "NMI",
                alt=_in_words(title, values, names),
            )
    if len(sides) > 1:
        _clusters_of_two(sides)


def _in_words(title: str, values: Array, names: Sequence[str]) -> str:
    pairs = combinations(range(len(names)), 2)
    said = [f"{names[i]} and {names[j]} {figure(values[i, j])}" for i, j in pairs]
    return f"{title} between runs. {'; '.join(said)}"


def _clusters_of_two(sides: Sequence[Side]) -> None:
    pairs = list(combinations(range(len(sides)), 2))

    def pair_names(pair: tuple[int, int]) -> str:
        return f"{sides[pair[0]].name} and {sides[pair[1]].name}"

    pair = pairs[0]
    if len(pairs) > 1:
        pair = st.selectbox(
            "Clusters of", pairs, format_func=pair_names, key="compare-pair", width=360
        )
    a, b = sides[pair[0]], sides[pair[1]]
    same = agreement.n_in_matched(a.clusters, b.clusters)
    st.markdown(
        f"**Clusters of {plain(a.name)} by clusters of {plain(b.name)}**: {same:,} of "
        f"{len(a.clusters):,} items "
        f"({percent(same / max(len(a.clusters), 1))}) are in clusters that are matched to each "
        "other."
    )
    source = f"between-{a.letter}{b.letter}"
    key = chart_key(source)

    def choose(cell: tuple[int, int]) -> None:
        one, other = cell
        rows = a.items[np.flatnonzero((a.clusters == one) & (b.clusters == other))]
        first = cluster_words(one).capitalize()
        select(source, rows, f"{first} of {a.letter}, {cluster_name(other)} of {b.letter}")

    cells = keyboard_choice.Chooser(source, key, choose)

    def chosen() -> None:
        clicked = state.marked(key, "cell")
        if clicked:
            cells.take((int(clicked[0]["from"]), int(clicked[0]["to"])))

    n_ids = int(max(side.ids.max(initial=-1) for side in (a, b))) + 1
    ids = with_noise_last(n_ids)
    choices = keyboard_choice.cells(
        with_noise(a.clusters, b.clusters, n_ids, n_ids),
        lambda one, other: (
            f"{cluster_words(one)} of {a.letter}, {cluster_name(other)} of {b.letter}"
        ),
        rows=ids,
        columns=ids,
        noun=a.view.dataset.noun,
    )
    cells.box("Choose a cell", choices, width=360)
    panels.chart(
        matrices.between,
        a.clusters,
        b.clusters,
        (a.name, b.name),
        key=key,
        select="cell",
        on_select=chosen,
    )


# -- consensus ---------------------------------------------------------------------------------
def consensus_of(sides: Sequence[Side]) -> None:
    """What the runs have in common, and the images on which they differ most."""
    own = [side.clusters for side in sides]
    agreed = consensus(own)
    ids, share = numbered_like(agreed.clusters, own), agreed.share
    apart = agreement.disagreement(own)
    labels = sides[0].view.labels
    scores = run_scores.scores(ids, labels)
    with st.container(horizontal=True):
        in_all = ((share == 1) & (ids >= 0)).mean()  # noise in common is no cluster in common
        st.metric(
            "All runs agree on",
            percent(in_all),
            help="Items that every run puts into the cluster matched to their consensus cluster.",
        )
        st.metric("Consensus clusters", plain(scores["n_occupied"]), help=RULE)
        for score in (SCORES[key] for key in LABELLED[:2]):
            value = scores[score.key]
            if value is not None:
                st.metric(f"{plain(score.short)} of the consensus", score.written(value))
        part = scores["share_clustered"]
        if part is not None and part < 1:
            st.metric("Clustered by consensus", percent(part), help=summaries.NOISE_HELP)
    _disputed(sides, ids, apart)
    noun = sides[0].view.dataset.noun
    st.markdown(f"**Consensus clusters**, {plain(noun)}s on which the runs agree most first")
    used, sizes = np.unique(ids, return_counts=True)
    shown = used[np.lexsort((-sizes, used < 0))][:ROWS]  # noise is no cluster and comes last
    rising = np.argsort(apart, kind="stable")
    rows = [rising[ids[rising] == i][:IMAGES] for i in shown]
    sheet = sheets.cluster_rows(
        sides[0].view.dataset.pictures, rows, clusters=shown, columns=IMAGES
    )
    alt = f"{noun.capitalize()}s of each consensus cluster, a row each"
    _sheet(sides, sheet, "compare-consensus", alt, "crop")
    left_out = f" Shown are the {ROWS} largest of {len(used)}." if len(used) > ROWS else ""
    st.caption(f"{RULE}{left_out}")


def _disputed(sides: Sequence[Side], ids: Array, apart: Array) -> None:
    order = np.argsort(-apart, kind="stable")
    order = order[apart[order] > 0]
    data = sides[0].view.dataset
    noun = plain(data.noun)
    st.markdown(f"**{noun.capitalize()}s on which the runs differ most**")
    if not len(order):
        st.caption(f"None: every {noun} shares its cluster with the same {noun}s in all runs.")
        return
    few = order[:DISPUTED]
    sheet = sheets.atlas(data.pictures, few, tile=32, columns=len(few), clusters=ids[few])
    _sheet(sides, sheet, "compare-disputed", f"The {len(few)} most disputed {data.noun}s", "wrap")
    taken = sides[0].items[order[:TAKEN]]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Select the first {len(taken):,}",
            key="select-disputed",
            icon=":material/select_all:",
            on_click=select,
            args=("disputed", taken, "Most disputed"),
        )
        st.caption(
            f"Showing {len(few):,} of {len(order):,}. Two runs differ on an {noun} by the share "
            f"of the {noun}s that are in its cluster in one of them only; frames show the "
            "consensus."
        )


def _sheet(sides: Sequence[Side], sheet: sheets.Sheet, key: str, alt: str, fit: Fit) -> None:
    def label(index: int) -> str:
        seen = ", ".join(f"{side.letter} {cluster_name(side.clusters[index])}" for side in sides)
        first = sides[0]
        words = item_words(first.view.dataset, index, int(first.items[index]))
        return f"{words} · cluster in {seen}"

    clickable(sheet, key=key, alt=alt, label=label, on_pick=sides[0].pick, fit=fit)


# -- curves ------------------------------------------------------------------------------------
@session.kept_per_run(maxsize=32, anew=len)
def _curve(run: Run, compared: tuple[str, ...]) -> pd.DataFrame:
    """Figures of a run over the items that all compared runs have, or over its own if none are."""
    data = session.dataset(run)
    only = None
    if compared:
        shared = shared_by([session.open_run(other) for other in compared])
        only = shared.rows[compared.index(run.id)]
    return learning_curves.curve(run, data.labels, only)


def curves_of(sides: Sequence[Side]) -> None:
    """One figure of all runs along one axis; seeds of one setting as mean and range."""
    partly = any(side.has_others for side in sides)
    compared = tuple(side.view.run.id for side in sides) if partly else ()
    labelled = sides[0].view.labels is not None
    names = [key for key in FROM_ASSIGNMENTS if labelled or not SCORES[key].needs_labels]
    if any(side.whole.timeline.is_over_clustered() for side in sides):
        names = [*MERGED, *names]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        figure = st.selectbox(
            "Score",
            names,
            format_func=lambda key: SCORES[key].title,
            key="compare-figure",
            width=220,
        )
        axis = st.segmented_control(
            "Against",
            progress_axis.AXES,
            default="step",
            required=True,
            format_func=overlay.AXES.__getitem__,
            key="compare-axis",
        )
        with_seeds = st.toggle(
            "Other seeds of the same settings",
            key="compare-seeds",
            help="Adds finished runs that differ only in the seed. Their items may differ, so they "
            "appear in the curves only.",
        )
    with st.spinner("Computing the curves ..."):
        groups = _groups(sides, with_seeds=with_seeds)
        tables = {
            run.id: _curve(run, () if len(group) > 1 else compared)
            for group in groups.values()
            for run in group
        }
    ids = {name: [run.id for run in group] for name, group in groups.items()}
    table = learning_curves.bands(tables, ids, axis, figure)
    steps = {side.view.run.id: side.view.step for side in sides}
    at = [_place(tables, group, steps, axis) for group in groups.values()]
    panels.chart(
        overlay.overlaid, table, list(groups), figure=figure, axis=axis, at=at, key="overlaid"
    )
    if partly and any(len(group) > 1 for group in groups.values()):
        st.caption("Means over seeds use all items of each run, not just the shared ones.")
    for name in sorted(set(groups) - set(table["group"])):
        st.caption(f"{plain(name)} has no curve here. {plain(_why_not(groups[name], axis))}")
    if axis == "samples":
        for name in sorted(set(table["group"])):
            phases = [p for run in groups[name] for p in progress_axis.phases_not_counted(run)]
            if phases:
                st.caption(f"{plain(name)}: {plain(_not_counted(list(dict.fromkeys(phases))))}")


def _groups(sides: Sequence[Side], *, with_seeds: bool) -> dict[str, list[Run]]:
    """Runs of each line, by the words of the legend."""
    letters = {side.view.run.id: side.letter for side in sides}
    runs = [side.view.run for side in sides]
    others = [session.open_run(r.id) for r in session.store().runs()] if with_seeds else []
    groups = {}
    for group in comparison.seeds(runs, others):
        own = ", ".join(letters[run.id] for run in group if run.id in letters)
        count = f", {len(group)} seeds" if len(group) > 1 else ""
        groups[f"{own}: {group[0].manifest['method_title']}{count}"] = group
    return groups


def _place(
    tables: dict[str, pd.DataFrame], group: Sequence[Run], steps: dict[str, int], axis: str
) -> float:
    """Where a line stands now; nan for a mean over seeds."""
    if len(group) > 1 or steps[group[0].id] >= len(tables[group[0].id]):
        return float("nan")
    return float(tables[group[0].id][axis].iloc[steps[group[0].id]])


def _not_counted(phases: Sequence[str]) -> str:
    """Why steps of these phases stand at one place of the axis of samples."""
    names = " and ".join(f"'{name}'" for name in phases)
    return (
        f"the steps of {names} look at all items at once and draw no batches, so they do not "
        "advance along this axis. Of all steps at one place, the last one is shown."
    )


def _why_not(group: Sequence[Run], axis: str) -> str:
    if axis == "samples":
        for run in group:
            _, reason = progress_axis.samples_seen(run)
            if reason:
                return reason
    if axis == "seconds" and any(progress_axis.clock(run).seconds is None for run in group):
        return "Its log has no training times."
    return "This score is undefined for it."


# -- settings ----------------------------------------------------------------------------------
def settings_of(sides: Sequence[Side]) -> None:
    """Settings in which the runs differ, and nothing else; then versions and devices."""
    runs = [side.view.run for side in sides]
    machines = comparison.differing_machines(runs)
    settings = comparison.differing(runs)
    if settings:
        _differing(sides, settings, "setting", "Settings in which the runs differ")
        st.caption(
            "Settings that are equal in all runs are left out. A dash: the method has no such "
            "setting."
        )
    else:
        others = "by versions and devices" if machines else "by chance"
        st.info(f"These runs have the same settings; they differ only {others}.")
    if machines:
        st.markdown("**Carried out otherwise**")
        _differing(sides, machines, "what", "Versions and devices in which the runs differ")
        st.caption("For these alone, figures may differ in their last digits, and so in all later.")


def _differing(
    sides: Sequence[Side], rows: Sequence[Mapping[str, Any]], heading: str, alt: str
) -> None:
    table = [
        {
            heading: _setting(row["name"]),
            **{side.name: _word(row["name"], row["values"], side.view.run) for side in sides},
        }
        for row in rows
    ]
    height = min(36 * (len(table) + 1) + 4, 520)
    st.dataframe(pd.DataFrame(table), hide_index=True, height=height, alt=alt)


def _setting(name: str) -> str:
    """Name of a fact in words; those of the data begin with `data.`."""
    of_data = name.removeprefix("data.")
    return label_of_setting(name) if of_data == name else f"{label_of_setting(of_data)} (data)"


def _word(name: str, values: Mapping[str, Any], run: Run) -> str:
    if run.id not in values:
        return "–"
    if name in ("method", "dataset"):
        return str(run.manifest[f"{name}_title"])
    value = values[run.id]
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)
