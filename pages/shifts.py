"""Shifts: who moved between two steps."""

from clustlab.ui import frame, shifts

frame.show(shifts.body)
