"""Clusters: one row a cluster, with its images."""

from clustlab.ui.look import clusters
from clustlab.ui.run import frame

frame.show(clusters.body)
