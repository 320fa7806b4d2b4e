"""Embedding: the projection of every step, and what lies in it."""

from clustlab.ui import embedding, frame

frame.show(embedding.body)
