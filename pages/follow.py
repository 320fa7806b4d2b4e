"""Follow: what became of every item and every cluster over the whole run."""

from clustlab.ui import follow, frame

frame.show(follow.body)
