"""Evaluate: the clustering against the true classes."""

from clustlab.ui import evaluate, frame

frame.show(evaluate.body)
