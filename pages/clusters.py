"""Clusters: one row a cluster, with its images."""

from clustlab.ui.look import clusters
from clustlab.ui.run import frame

frame.run_page(clusters.clusters_page)
