"""Sabotage: runs that are broken on purpose, beside the same runs with their guards."""

from clustlab.ui import sabotage

sabotage.page()
