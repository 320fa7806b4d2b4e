"""New items: which clusters of a run they belong to, and which of them are strange."""

from clustlab.ui.look import new_items
from clustlab.ui.run import frame

frame.run_page(new_items.new_items_page, inspector="none")
