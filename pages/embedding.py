"""Embedding: the projection of every step, and what lies in it."""

from clustlab.ui.look import embedding
from clustlab.ui.run import frame

frame.show(embedding.body)
