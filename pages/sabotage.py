"""Sabotage: runs that are broken on purpose, beside the same runs with their guards."""

from clustlab.ui.learn import sabotage

sabotage.sabotage_page()
