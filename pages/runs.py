"""Runs: all runs with their figures; open, continue, duplicate, delete with undo."""

from clustlab.ui.look import runs

runs.runs_page()
