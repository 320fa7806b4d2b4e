"""Failures: ready questions to a run, and baskets of what they find."""

from clustlab.ui import failures, frame

frame.show(failures.body)
