"""Home: what this is, a run as a picture, and where to begin."""

from clustlab.ui.home import home

home.home_page()
