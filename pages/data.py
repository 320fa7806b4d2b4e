"""Data sets: what each holds, its classes and random items; and bringing in one's own."""

import streamlit as st

from clustlab.ui.data import sets

st.title("Data sets", anchor=False)
sets.data_page()
