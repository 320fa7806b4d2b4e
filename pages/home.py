"""Home: one click starts a real run; the last runs are one click away."""

import streamlit as st

from clustlab.ui import nav, session
from clustlab.ui.train import cards

st.title("See how deep clustering learns", anchor=False)
st.markdown(
    "A network sorts images into groups without ever seeing a label. "
    "Start one, and watch the groups form."
)

starts = st.columns(3)
for column, start in zip(starts, cards.QUICK_STARTS, strict=True):
    with column:
        cards.quick_start(start)

runs = session.store().runs()
if runs:
    st.subheader("Last runs", anchor=False)
    cards.last_runs(runs[:6])
else:
    st.caption(
        "Your runs will be shown here, each with a small map of its embedding. "
        "Nothing leaves this machine, and nothing needs the internet."
    )
nav.link("train", "Choose another data set, method or setting", "tune")
