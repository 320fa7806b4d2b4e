"""Packs on the page Runs: chosen runs as one file to hand on, and such a file opened."""

import io
from collections.abc import Sequence

import streamlit as st

from clustlab.data.checked_json import Unreadable
from clustlab.errors import DataError
from clustlab.runs.pack import packed_bytes, write_pack
from clustlab.runs.store import Run
from clustlab.runs.unpack import Unpacked, unpack
from clustlab.ui import session, state
from clustlab.ui.markdown import Markdown, plain

LARGEST = 10**9  # bytes that are sent at once; the server holds them in memory meanwhile


def pack_button(chosen: Sequence[Run]) -> None:
    """Button that downloads the chosen runs as one file."""
    why = _why_not(chosen)
    st.download_button(
        f"Pack {len(chosen)}" if len(chosen) > 1 else "Pack",
        lambda: packed(chosen),
        file_name=f"{chosen[0].id}.zip" if len(chosen) == 1 else f"{len(chosen)} runs.zip",
        mime="application/zip",
        icon=":material/archive:",
        key="pack-runs",
        on_click="ignore",
        disabled=bool(why),
        help=why
        or "One file with the runs, their items and the baskets of these, to open on another "
        "machine. It tells what the machines were called that they were made on.",
    )


def packed(runs: Sequence[Run]) -> bytes:
    """Pack of some runs.

    Raises
    ------
    DataError
        If a file of a run is not plain.
    """
    file = io.BytesIO()
    try:
        write_pack(session.store(), runs, file)
    except Unreadable as error:
        raise DataError(
            f"These runs cannot be packed: {error}.", "Delete the damaged one."
        ) from error
    return file.getvalue()


def _why_not(chosen: Sequence[Run]) -> Markdown:
    """Why these runs cannot be packed here; empty if they can."""
    if not chosen:
        return "Select one run or more."
    if any(run.is_active for run in chosen):
        return "A run that trains or waits cannot be packed: stop it, or wait until it is done."
    if packed_bytes(session.store(), chosen) > LARGEST:
        return "These runs have more than 1 GB: use the command **pack** on the server."
    return ""


def open_a_pack() -> None:
    """Field for a pack that somebody has handed on, and what has become of the last one."""
    if told := state.UNPACKED.take():
        st.info(plain(told), icon=":material/unarchive:")
    with st.expander("Open a pack", icon=":material/unarchive:"):
        upload = st.file_uploader(
            "A file made by Pack, here or on another machine",
            type="zip",
            key=f"pack-{state.UNPACK_TURN.get()}",
        )
        most = int(st.get_option("server.maxUploadSize"))
        st.caption(f"Up to {most:,} MB; for more, use the command **unpack** on the server.")
        if upload is None:
            return

        def bring_in() -> None:
            state.UNPACK_TURN.set(state.UNPACK_TURN.get() + 1)  # lets go of the file
            unpacked = unpack(session.store(), io.BytesIO(upload.getvalue()), upload.name)
            state.UNPACKED.set(in_words(unpacked))

        st.button(
            "Bring in its runs", type="primary", key="unpack", on_click=session.later(bring_in)
        )


def in_words(unpacked: Unpacked) -> str:
    """What has become of a pack."""
    new = [each.run.title for each in unpacked.runs if each.is_new]
    kept = [each.run.title for each in unpacked.runs if not each.is_new]
    parts = [f"Brought in {', '.join(new)}."] if new else []
    if kept:
        parts.append(f"There already, and kept as it is: {', '.join(kept)}.")
    parts += [f"The data set {name!r} came with it." for name in unpacked.sets]
    if unpacked.baskets:
        parts.append(f"Baskets came with it: {', '.join(map(repr, unpacked.baskets))}.")
    return " ".join([*parts, *unpacked.remarks])
