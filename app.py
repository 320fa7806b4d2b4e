"""Start with: streamlit run app.py."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

import clustlab
from clustlab.ui.server.access import KnownHosts
from clustlab.ui.server.routes import routes
from clustlab.ui.server.warm_up import lifespan

app = st.App(
    Path(clustlab.__file__).parent / "ui" / "shell.py",
    routes=routes,
    lifespan=lifespan,
    middleware=[Middleware(KnownHosts)],
)
