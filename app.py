"""Start with: streamlit run app.py."""

import streamlit as st

from clustlab.ui.server.routes import lifespan, routes

app = st.App("clustlab/ui/shell.py", routes=routes, lifespan=lifespan)
