"""Export of a run to other programs, on the page Runs."""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from clustlab.data.scratch import scratch
from clustlab.runs.store import Run
from clustlab.ui import session
from clustlab.ui.markdown import plain

if TYPE_CHECKING:
    from clustlab.analysis.seed_table import Line


def export_menu(run: Run | None) -> None:
    """Formats to choose from, and a button that makes the file when it is pressed."""
    with st.popover("Export", icon=":material/download:", disabled=run is None):
        if run is None or not len(run):
            st.caption("Nothing to export yet: the run has no step.")
            return
        from clustlab.scripting.exporting.formats import FORMATS

        to = st.selectbox(
            "For",
            list(FORMATS),
            format_func=lambda name: f"{FORMATS[name].meaning} ({name})",
            key="export-to",
        )
        chosen = FORMATS[to]
        every = st.toggle(
            "All steps",
            disabled=not chosen.takes_all_steps,
            key="export-all-steps",
            help="In place of one. Tables of all steps have no images.",
        )
        with_all = every and chosen.takes_all_steps
        last = len(run) - 1
        step = st.number_input(
            "Step", 0, last, last, disabled=with_all or not last, key=f"export-step-{run.id}-{last}"
        )
        images = st.toggle(
            "With images",
            True,
            disabled=chosen.needs_images or with_all,
            key="export-images",
            help="Where there are any.",
        )
        wanted = Wanted(to, None if with_all else int(step), images or chosen.needs_images)
        which = "all-steps" if wanted.step is None else f"step-{wanted.step:05d}"
        st.download_button(
            "Download",
            lambda: exported(run.id, wanted),
            file_name=f"{run.id}-{which}-{to}{chosen.ending or '.zip'}",
            key="export-run",
            on_click="ignore",
            type="primary",
        )


@dataclass(frozen=True)
class Wanted:
    """What of a run is to be exported."""

    to: str
    step: int | None  # all of them
    images: bool = True


def table_buttons(make: Callable[[], Sequence["Line"]], name: str) -> None:
    """Buttons that download a table of figures, with a line for all seeds of a setting."""
    with st.container(horizontal=True):
        for kind, words in (("csv", "Table as CSV"), ("latex", "Table as LaTeX")):
            st.download_button(
                plain(words),
                partial(table, make, kind),
                file_name=f"{name}.{'tex' if kind == 'latex' else kind}",
                key=f"{name}-{kind}",
                icon=":material/table:",
                on_click="ignore",
                type="tertiary",
                help="Mean, least and greatest over all seeds of the same settings",
            )


def table(make: Callable[[], Sequence["Line"]], kind: str) -> str:
    """Table of figures as text."""
    from clustlab.analysis import seed_table

    lines = make()
    return seed_table.latex(lines) if kind == "latex" else seed_table.csv(lines)


def lines_of(runs: Sequence[Run]) -> Sequence["Line"]:
    """Runs as lines of a table."""
    from clustlab.analysis import seed_table

    return seed_table.lines_of_runs(session.store(), runs)


def exported(run_id: str, wanted: Wanted) -> bytes:
    """A run in a format; a folder as a ZIP archive. Raises like `export`."""
    from clustlab.scripting.exporting.formats import export
    from clustlab.scripting.runs import open_run

    with scratch() as temporary:
        target = temporary / run_id
        export(
            open_run(run_id, session.store().root),
            wanted.to,
            target,
            step=wanted.step,
            all_steps=wanted.step is None,
            images=wanted.images,
        )
        if target.is_file():
            return target.read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as pack:
            for file in sorted(target.rglob("*")):
                if file.is_file():
                    pack.write(file, file.relative_to(temporary))
        return archive.getvalue()
