"""The script behind every page: frame of the window, navigation, and the error boundary."""

from pathlib import Path

import streamlit as st

from clustlab.errors import ClustlabError
from clustlab.ui import nav, session, state


def page(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    """Page from its file."""
    return st.Page(
        nav.path(name),
        title=title,
        icon=f":material/{icon}:",
        url_path="" if default else name,
        default=default,
    )


HERE = Path(__file__).parent

st.set_page_config(page_title="clustlab", page_icon=str(HERE / "icon.svg"), layout="wide")
pages = {
    "": [
        page("home", "Home", "home", default=True),
        page("train", "Train", "play_circle"),
    ],
    "Look inside": [
        page("embedding", "Embedding", "scatter_plot"),
        page("clusters", "Clusters", "grid_view"),
        page("evaluate", "Evaluate", "grid_on"),
        page("shifts", "Shifts", "swap_horiz"),
        page("inside", "Inside the method", "settings_input_component"),
    ],
    "Learn": [
        page("learn", "Lessons", "school"),
        page("sabotage", "Sabotage", "build"),
    ],
    "Look closer": [
        page("follow", "Follow", "timeline"),
        page("failures", "Failures", "troubleshoot"),
        page("compare", "Compare", "compare_arrows"),
    ],
    "Reference": [
        page("runs", "Runs", "list"),
        page("figures", "Figures", "leaderboard"),
        page("data", "Data sets", "database"),
        page("methods", "Methods", "menu_book"),
    ],
}
chosen = st.navigation(pages, position="hidden")
nav.side_bar(pages)
st.html(HERE / "style.css")
nav.follow()
if problem := state.CALLBACK_ERROR.take():
    session.show_error(problem)
try:
    with session.first_look(chosen.url_path):
        chosen.run()
except ClustlabError as error:
    session.show_error(error)
