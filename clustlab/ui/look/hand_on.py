"""What a run is handed on as: a page that replays it without this app."""

from collections.abc import Sequence

import streamlit as st

from clustlab.analysis import comparison
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run
from clustlab.ui import session
from clustlab.ui.markdown import plain

HELP = (
    "One HTML file that replays the run in any browser, without this app or the internet. "
    "Select two runs on the same items to have them side by side."
)


def replay_page(runs: Sequence[Run]) -> None:
    """Button that makes the page of one run or two when it is pressed, and downloads it."""
    missing = _why_not(runs)
    ids = [run.id for run in runs]

    def made() -> bytes:
        from clustlab.replay.page import Limits, page

        return page(session.store(), ids, Limits()).html

    st.download_button(
        "Replay page",
        made,
        file_name=f"{'-and-'.join(ids) or 'run'}.html",
        mime="text/html",
        icon=":material/slideshow:",
        key="replay-page",
        on_click="ignore",
        disabled=bool(missing),
        help=HELP if not missing else plain(missing),
    )


def _why_not(runs: Sequence[Run]) -> str:
    """Why there is no page of these runs; empty if there is one."""
    if not 1 <= len(runs) <= 2:
        return HELP
    try:
        if len(runs) > 1:
            comparison.check(session.store(), runs)
        for run in runs:
            session.dataset(run)
    except ClustlabError as error:
        return str(error)
    return "" if all(map(len, runs)) else "There is no step to replay yet."
