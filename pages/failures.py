"""Failures: ready questions to a run, and baskets of what they find."""

from clustlab.ui.look import failures
from clustlab.ui.run import frame

frame.run_page(failures.failures_page, class_rule="majority")
