"""Shifts: who moved between two steps."""

from clustlab.ui.look import shifts
from clustlab.ui.run import frame

frame.run_page(shifts.shifts_page)
