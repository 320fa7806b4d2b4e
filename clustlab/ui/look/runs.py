"""Body of the page Runs."""

import base64
from typing import Any

import pandas as pd
import streamlit as st

from clustlab.analysis import comparison
from clustlab.analysis.score_catalogue import LABELLED, SCORES
from clustlab.errors import ClustlabError
from clustlab.runs.identity import carried_out
from clustlab.runs.store import Run
from clustlab.ui import nav, session
from clustlab.ui.run import summaries

SHOWN = [SCORES[key] for key in (*LABELLED[:3], "n_occupied")]
COLUMNS = {
    "picture": st.column_config.ImageColumn("Picture", width="small"),
    "run": st.column_config.TextColumn("Run", width="medium"),
    "status": st.column_config.TextColumn("Status", width="small"),
    "preset": st.column_config.TextColumn("Preset", width="small"),
    "steps": st.column_config.NumberColumn("Steps", width="small"),
    **{
        score.key: st.column_config.NumberColumn(
            score.short,
            format="%d" if score.is_count else "%.3f",
            width="small",
            help=score.meaning,
        )
        for score in SHOWN
    },
    "seconds": st.column_config.NumberColumn("Training, s", format="%.0f", width="small"),
    "size": st.column_config.NumberColumn("On disk, MB", format="%.1f", width="small"),
    "settings": st.column_config.TextColumn("Changed settings", width="large"),
    "started": st.column_config.DatetimeColumn("Made", format="D MMM, HH:mm", width="small"),
}


def page() -> None:
    """Table of runs, and what can be done with those chosen."""
    st.title("Runs", anchor=False)
    _undo()
    found = session.store().runs()
    if not found:
        st.markdown("No run yet. Each run you start is kept here until you delete it.")
        if st.button("Start a run", type="primary", icon=":material/play_arrow:"):
            nav.go("train")
        return
    active = any(run.is_active for run in found)
    st.fragment(session.guarded(_table), run_every=2.0 if active else None)()
    st.caption(
        f"Runs live in the folder {session.store().root.name!r}; set CLUSTLAB_RUNS to move. By "
        "keyboard, arrows move in the table, and Shift with the space bar chooses a row."
    )


def _table() -> None:
    found = session.store().runs()
    frame = pd.DataFrame([_row(session.open_run(run.id)) for run in found])
    event = st.dataframe(
        frame,
        hide_index=True,
        column_config=COLUMNS,
        on_select="rerun",
        selection_mode="multi-row",
        row_height=56,
        height=min(640, 60 + 56 * len(frame)),
        key=f"runs-table-{hash(tuple(run.id for run in found))}",  # rows are chosen by position
        alt="All runs with their status and figures",
    )
    chosen = [found[i] for i in event.selection.rows if i < len(found)]
    with st.container(horizontal=True, key="run-actions"):
        _actions(chosen)
    if not any(run.is_active for run in found) and st.session_state.pop("runs-active", False):
        st.rerun()
    st.session_state["runs-active"] = any(run.is_active for run in found)


def _row(run: Run) -> dict[str, Any]:
    progress, found = run.progress, summaries.scores(run)
    png = None
    try:
        png = summaries.thumbnail(run)
    except ClustlabError:
        found = {}
    picture = f"data:image/png;base64,{base64.b64encode(png).decode()}" if png else None
    return {
        "picture": picture,
        "run": run.title,
        "status": progress["status"],
        "preset": run.spec.preset,
        "steps": len(run),
        **{score.key: found.get(score.key) for score in SHOWN},
        "seconds": progress.get("seconds"),
        "size": run.size / 1e6,
        "settings": settings(run),
        "started": pd.Timestamp.fromtimestamp(run.manifest["created"]),
    }


def settings(run: Run) -> str:
    """Settings that differ from the defaults, in a line."""
    spec = run.spec
    pairs = [f"{k}={v}" for k, v in {**spec.dataset_params, **spec.method_params}.items()]
    if spec.continues:
        pairs.append(f"continues {spec.continues}")
    if spec.excluded:
        pairs.append(f"without {len(spec.excluded):,} items")
    pairs += map(str, carried_out(run))
    return ", ".join(pairs)


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
        help="Choose two to four runs over the same items",
    ):
        nav.go("compare", runs=",".join(run.id for run in chosen))
    again = one is not None and one.status in ("cancelled", "failed", "lost")
    if st.button("Resume", icon=":material/play_arrow:", disabled=not again) and one:
        session.resume(one)
        st.rerun()
    done = one is not None and one.status == "done"
    if st.button("Train longer", icon=":material/fast_forward:", disabled=not done) and one:
        session.train_longer(one)
        nav.go("train")
    if st.button("Change and run again", icon=":material/edit:", disabled=one is None) and one:
        session.duplicate(one)
        st.rerun()
    label = f"Delete {len(chosen)}" if len(chosen) > 1 else "Delete"
    if st.button(label, icon=":material/delete:", disabled=not chosen):
        for run in chosen:
            session.store().delete(run.id)
        st.session_state["deleted"] = [run.id for run in chosen]
        st.rerun()


def _undo() -> None:
    """Offer to bring back what was deleted last; older deletions go after a week."""
    session.store().purge(older_than=7 * 86400)
    gone = st.session_state.get("deleted", [])
    if not gone:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Deleted {len(gone)} run{'s' * (len(gone) > 1)}.", width="stretch")
        if st.button("Undo", icon=":material/undo:"):
            for run_id in gone:
                session.store().restore(run_id)
            st.session_state["deleted"] = []
            st.rerun()
