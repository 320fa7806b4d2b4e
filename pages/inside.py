"""Inside: what only this method has, its losses, and its loop, at the chosen step."""

from clustlab.ui import frame, inside

frame.show(inside.body)
