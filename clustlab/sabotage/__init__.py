"""Runs that are broken on purpose, each beside the same run with its guard."""
