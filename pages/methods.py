"""Methods: what each does, what to watch, where it fails, and its parameters."""

import streamlit as st

from clustlab.ui.learn import reference

st.title("Methods", anchor=False)
reference.methods()
