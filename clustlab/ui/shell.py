"""The script behind every page: frame of the window, navigation, and the error boundary."""

from pathlib import Path

import streamlit as st

from clustlab.errors import ClustlabError, storage_errors
from clustlab.ui import nav, session, state
from clustlab.ui.server import access
from clustlab.ui.widgets import live


def page_of_file(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
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
access.demand_login()
pages = {
    "": [
        page_of_file("home", "Home", "home", default=True),
        page_of_file("train", "Train", "play_circle"),
    ],
    "Look inside": [
        page_of_file("embedding", "Embedding", "scatter_plot"),
        page_of_file("clusters", "Clusters", "grid_view"),
        page_of_file("evaluate", "Evaluate", "grid_on"),
        page_of_file("shifts", "Shifts", "swap_horiz"),
        page_of_file("inside", "Inside the method", "settings_input_component"),
    ],
    "Learn": [
        page_of_file("learn", "Lessons", "school"),
        page_of_file("sabotage", "Sabotage", "build"),
        page_of_file("claims", "Claims", "fact_check"),
    ],
    "Look closer": [
        page_of_file("follow", "Follow", "timeline"),
        page_of_file("failures", "Failures", "troubleshoot"),
        page_of_file("compare", "Compare", "compare_arrows"),
        page_of_file("apply", "New items", "add_photo_alternate"),
        page_of_file("studies", "Studies", "science"),
    ],
    "Reference": [
        page_of_file("runs", "Runs", "list"),
        page_of_file("figures", "Figures", "leaderboard"),
        page_of_file("data", "Data sets", "database"),
        page_of_file("methods", "Methods", "menu_book"),
    ],
}
chosen = st.navigation(pages, position="hidden")
nav.side_bar(pages)
access.warn_if_open()
st.html(HERE / "style.css")
nav.follow()
if problem := state.CALLBACK_ERROR.take():
    session.show_error(problem)
live.begin()
state.DRAWN.forget()  # until the page says what it draws
try:
    with storage_errors(), session.first_look(chosen.url_path):
        chosen.run()
    live.pulse(access.KEY if access.needs_login() else "")
except ClustlabError as error:
    session.show_error(error)
