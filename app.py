"""Start with: streamlit run app.py."""

import streamlit as st

from clustlab.ui.server.routes import routes
from clustlab.ui.server.warm_up import lifespan

app = st.App("clustlab/ui/shell.py", routes=routes, lifespan=lifespan)
