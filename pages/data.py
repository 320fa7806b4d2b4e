"""Data sets: what each holds, its class balance, and a sheet of random items."""

import streamlit as st

from clustlab.ui.data import sets

st.title("Data sets", anchor=False)
sets.datasets()
