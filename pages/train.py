"""Train: choose a data set and a method, start, and watch it learn."""

import streamlit as st

from clustlab.ui import session, state
from clustlab.ui.run import frame
from clustlab.ui.train import live, setup

run = session.chosen_run()
session.follow_form_in_address()
left, right = st.columns([10, 27], gap="medium")
with left:
    choice = setup.form(run)
with right:
    if run is None or state.IS_FORM_OPEN.get():
        setup.preview(choice)
    else:
        frame.run_page(live.four_views, inspector="none")
