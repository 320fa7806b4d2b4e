"""Embedding: the projection of every step, and what lies in it."""

from clustlab.ui.look import embedding
from clustlab.ui.run import frame

frame.run_page(embedding.embedding_page, inspector="when chosen")
