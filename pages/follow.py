"""Follow: what became of every item and every cluster over the whole run."""

from clustlab.ui.look import follow
from clustlab.ui.run import frame

frame.run_page(follow.follow_page)
