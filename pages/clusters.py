"""Clusters: one row a cluster, with its images."""

from clustlab.ui import clusters, frame

frame.show(clusters.body)
