"""Studies: many runs as one thing, with every seed a dot."""

from clustlab.ui.studies import studies

studies.studies_page()
