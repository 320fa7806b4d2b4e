"""Evaluate: the clustering against the true classes."""

from clustlab.ui.look import evaluate
from clustlab.ui.run import frame

frame.run_page(evaluate.evaluate_page)
