"""Start with: streamlit run app.py."""

import streamlit as st
from starlette.middleware import Middleware

from clustlab.ui.server.access import KnownHosts
from clustlab.ui.server.routes import routes
from clustlab.ui.server.warm_up import lifespan

app = st.App(
    "clustlab/ui/shell.py",
    routes=routes,
    lifespan=lifespan,
    middleware=[Middleware(KnownHosts)],
)
