"""Body of the page Runs."""

import base64
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from clustlab.analysis import comparison
from clustlab.analysis.score_catalogue import LABELLED, MERGED, SCORES, Score
from clustlab.analysis.shares import in_table
from clustlab.errors import ClustlabError, storage_errors
from clustlab.runs import titles
from clustlab.runs.identity import carried_out, changed_data, changed_settings
from clustlab.runs.labels import (
    LONGEST_NAME,
    LONGEST_NOTE,
    Label,
    label_of,
    set_label,
    tags_in,
)
from clustlab.runs.search import Wanted
from clustlab.runs.store import RESUMABLE, Run
from clustlab.ui import nav, session, state
from clustlab.ui.look import exports, hand_on, packs, run_filters, unreadable_runs
from clustlab.ui.markdown import plain
from clustlab.ui.run import summaries, train_longer
from clustlab.ui.widgets import live

SHOWN = [SCORES[key] for key in (*MERGED, *LABELLED[:3], "n_occupied", "share_clustered")]
WRITTEN = ("tags", "note")  # by hand: columns that are left out while nobody has
FORMATS = {"share_clustered": "percent"}
COLUMNS = {
    "picture": st.column_config.ImageColumn("Picture", width="small"),
    "run": st.column_config.TextColumn("Run", width=270),
    "tags": st.column_config.ListColumn("Tags", width="small"),
    "status": st.column_config.TextColumn("Status", width=110),
    "preset": st.column_config.TextColumn("Preset", width="small"),
    "steps": st.column_config.NumberColumn("Steps", width="small"),
    **{
        score.key: st.column_config.NumberColumn(
            score.short,
            format="%d" if score.is_count else FORMATS.get(score.key, "%.3f"),
            width="small",
            help=nav.with_terms(f"At the last step. {plain(score.meaning)}", *score.terms),
        )
        for score in SHOWN
    },
    "seconds": st.column_config.NumberColumn("Training, s", format="%.1f", width="small"),
    "size": st.column_config.NumberColumn("On disk, MB", format="%.1f", width="small"),
    "settings": st.column_config.TextColumn("Changed settings", width="large"),
    "note": st.column_config.TextColumn("Note", width="medium"),
    "started": st.column_config.DatetimeColumn("Created", format="D MMM, HH:mm", width=112),
}


def runs_page() -> None:
    """Table of runs, and what can be done with those chosen."""
    st.title("Runs", anchor=False)
    _undo()
    runs, unreadable = session.store().runs(), session.store().unreadable()
    if not runs:
        unreadable_runs.unreadable_runs(unreadable)
        st.markdown("No run yet. Each run you start is kept here until you delete it.")
        if st.button("Start a run", type="primary", icon=":material/play_arrow:"):
            nav.go("train")
        packs.open_a_pack()
        return
    wanted = run_filters.wanted_runs(runs)
    active = any(run.is_active for run in runs)
    live.part("runs", _table, [live.QUEUE] if active else [], "steps")(wanted)
    unreadable_runs.unreadable_runs(unreadable)
    packs.open_a_pack()
    st.caption(
        f"Runs are kept in the folder {plain(repr(session.store().root.name))}; set CLUSTLAB_RUNS "
        "to use "
        "another. With the keyboard, move with the arrow keys and select with Shift and Space."
    )


def _table(wanted: Wanted) -> None:
    every = session.store().runs()
    runs = [run for run in every if wanted.matches(run)]
    if not runs:
        run_filters.nothing_matches(len(every))
    else:
        _rows(runs)
    is_active = any(run.is_active for run in every)
    if not is_active and state.WERE_ACTIVE.take():
        st.rerun()
    state.WERE_ACTIVE.set(is_active)


def _rows(runs: list[Run]) -> None:
    called = titles.titles(runs)
    frame = pd.DataFrame(
        [_row(session.open_run(r.id), t) for r, t in zip(runs, called, strict=True)]
    )
    if not (frame["share_clustered"].astype(float) < 1).any():  # no run leaves noise
        frame = frame.drop(columns="share_clustered")
    frame = frame.drop(columns=[key for key in MERGED if frame[key].isna().all()])
    frame = frame.drop(columns=[key for key in WRITTEN if not frame[key].map(len).any()])
    event = st.dataframe(
        frame,
        hide_index=True,
        column_config=COLUMNS,
        on_select="rerun",
        selection_mode="multi-row",
        row_height=56,
        placeholder="",  # of what has no figure
        height=min(640, 60 + 56 * len(frame)),
        key=f"runs-table-{hash(tuple(run.id for run in runs))}",  # rows are chosen by position
        alt="Runs with their status and figures",
    )
    st.caption("Scores are from the last step of each run.")
    with st.container(horizontal=True, key="run-actions"):
        _actions(_chosen(event, runs))
    exports.table_buttons(lambda: exports.lines_of(runs), "runs")


def _chosen(event: Any, shown: list[Run]) -> list[Run]:
    """Runs whose rows are chosen in the table."""
    return [shown[i] for i in event.selection.rows if i < len(shown)]


def _row(run: Run, title: str) -> dict[str, Any]:
    progress, scores = run.progress, summaries.scores(run)
    label, description = label_of(run), titles.description(run)
    png = None
    try:
        png = summaries.thumbnail(run)
    except ClustlabError:
        scores = {}
    picture = f"data:image/png;base64,{base64.b64encode(png).decode()}" if png else None
    return {
        "picture": picture,
        "run": title,
        "started": pd.Timestamp.fromtimestamp(run.manifest["created"]),
        "tags": list(label.tags),
        "status": summaries.outcome_words(run),
        "preset": run.spec.preset,
        "steps": len(run),
        **{score.key: _shown(score, scores.get(score.key)) for score in SHOWN},
        "seconds": progress.get("seconds"),
        "size": run.size / 1e6,
        "settings": ", ".join(filter(None, [label.name and description, settings(run)])),
        "note": label.note,
    }


def _shown(score: Score, value: float | None) -> float | None:
    return value if score.is_count else in_table(value)


def settings(run: Run) -> str:
    """What sets a run apart from the plain one of its preset, in a line; empty if nothing does."""
    spec = run.spec
    changed = {**changed_data(spec), **changed_settings(run)}
    words = [titles.setting_words(name, value) for name, value in changed.items()]
    if spec.mixed_precision:
        words.append("mixed precision")
    if spec.continues:
        words.append(f"continues {spec.continues}")
    if spec.excluded:
        words.append(f"without {len(spec.excluded):,} items")
    words += map(str, carried_out(run))
    return ", ".join(words)


def _actions(chosen: list[Run]) -> None:
    one = chosen[0] if len(chosen) == 1 else None
    if st.button("Open", icon=":material/open_in_new:", disabled=one is None) and one:
        session.choose(one.id)
        nav.go("train" if one.is_active else "embedding")
    few = comparison.FEWEST <= len(chosen) <= comparison.MOST
    if st.button(
        "Compare",
        icon=":material/compare_arrows:",
        disabled=not few,
        help="Select two to four runs on the same items",
    ):
        nav.go("compare", runs=",".join(run.id for run in chosen))
    hand_on.replay_page(chosen)
    is_outside = one is not None and one.spec.is_outside
    again = one is not None and one.status in RESUMABLE and not is_outside
    if st.button("Resume", icon=":material/play_arrow:", disabled=not again) and one:
        session.resume(one)
        st.rerun()
    if one is not None and one.status == "done" and not is_outside:
        train_longer.train_longer(session.open_run(one.id))
    words = "Train on its items" if is_outside else "Change and run again"
    if st.button(words, icon=":material/edit:", disabled=one is None) and one:
        session.duplicate(one)
        st.rerun()
    if one:
        _edit(one)
    exports.export_menu(one)
    packs.pack_button(chosen)
    words = f"Delete {len(chosen)}" if len(chosen) > 1 else "Delete"
    if st.button(words, icon=":material/delete:", disabled=not chosen):
        for run in chosen:
            session.store().delete(run.id)
        state.DELETED_RUNS.set([run.id for run in chosen])
        st.rerun()


def _edit(run: Run) -> None:
    """Name, tags and note of a run, in a form."""
    label = label_of(run)
    for part, text in _said(label).items():
        field = state.widget(f"label-{part}-{run.id}")
        if not field.is_set():
            field.set(text)
    with (
        st.popover("Name, tags, note", icon=":material/label:"),
        st.form(f"label-{run.id}", border=False),
    ):
        name = st.text_input(
            "Name",
            key=f"label-name-{run.id}",
            max_chars=LONGEST_NAME,
            placeholder=titles.description(run),
            help="Shown instead of the automatic name.",
        )
        tags = st.text_input(
            "Tags",
            key=f"label-tags-{run.id}",
            placeholder="draft, for the paper",
            help="Separate tags with commas.",
        )
        note = st.text_area("Note", key=f"label-note-{run.id}", max_chars=LONGEST_NOTE, height=100)
        if not st.form_submit_button("Save", type="primary"):
            return
        try:
            with storage_errors():
                set_label(run, Label(name, tags_in(tags), note))
        except ClustlabError as error:
            session.show_error(error)
            return
    if label_of(run) != label:  # else the change before could not be taken back any more
        state.LABEL_BEFORE.set((run.id, label))
    st.rerun()


def _said(label: Label) -> dict[str, str]:
    """What the fields of the form hold for a label."""
    return {"name": label.name, "tags": ", ".join(label.tags), "note": label.note}


def _undo() -> None:
    """Offer to take back the last change of a label, and to bring back what was deleted last.

    Older deletions go after a week.
    """
    with contextlib.suppress(OSError):  # it is tried again
        session.store().purge(older_than=7 * 86400)
    before = state.LABEL_BEFORE.get()
    if before:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(
                f"Changed the name, tags or note of the run {plain(before[0])}.", width="stretch"
            )
            st.button("Undo", icon=":material/undo:", key="undo-label", on_click=_take_back)
    gone = state.DELETED_RUNS.get()
    taken = [run_id for run_id in gone if (session.store().root / run_id).exists()]
    if free := [run_id for run_id in gone if run_id not in taken]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(f"Deleted {len(free)} run{'s' * (len(free) > 1)}.", width="stretch")
            st.button("Undo", icon=":material/undo:", on_click=_bring_back(free))
    if taken:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(
                f"Deleted {plain(', '.join(taken))}; there is another run of this name by now, "
                "such as the same one from a pack.",
                width="stretch",
            )
            st.button(
                "Bring back beside it",
                icon=":material/undo:",
                help="The deleted one gets a name of its own; the other stays as it is.",
                on_click=_bring_back(taken, beside=True),
            )


def _bring_back(run_ids: Sequence[str], *, beside: bool = False) -> Callable[[], None]:
    """Callback that restores deleted runs, one by one, so that those that came back are told."""

    def bring_back() -> None:
        for run_id in run_ids:
            session.store().restore(run_id, beside=beside)
            state.DELETED_RUNS.set([each for each in state.DELETED_RUNS.get() if each != run_id])

    return session.later(bring_back)


@session.later
def _take_back() -> None:
    before = state.LABEL_BEFORE.take()
    if before is None:
        return
    run = session.open_run(before[0])
    set_label(run, before[1])
    for part, text in _said(before[1]).items():  # or the form would show what was taken back
        state.widget(f"label-{part}-{run.id}").set(text)
