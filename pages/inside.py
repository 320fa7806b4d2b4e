"""Inside: what only this method has, its losses, and its loop, at the chosen step."""

from clustlab.ui.look import inside
from clustlab.ui.run import frame

frame.run_page(inside.inside_page)
