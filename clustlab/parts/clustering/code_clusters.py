"""Clusters of a code that moves: k-means after every epoch, going on from the epoch before."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import Clustering, check_enough_items, follow, kmeans, means
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.networks.passes import embed
from clustlab.types import Artefact, Cost, Snapshot

KMEANS_STEPS = 10  # of k-means per epoch of training, from the centres of the epoch before
STARTS, COMPONENTS = 10, 32  # of fresh clusters of features, and what is kept of these
USUAL_KMEANS_STEPS = 40  # of k-means until it settles, for the estimate of time


class CodeClusters:
    """k-means on the code of n items, kept from one snapshot to the next.

    A finished run that is continued starts from the clusters it ended with.

    Parameters
    ----------
    n, width : int
        Number of items and width of the code.
    n_clusters, n_init : int
        Number of clusters, and of starts of k-means when the best is wanted.

    Raises
    ------
    ParameterError
        If there are fewer items than clusters.
    """

    def __init__(self, n: int, width: int, n_clusters: int, n_init: int, ctx: Context) -> None:
        check_enough_items(n, n_clusters)
        self.n_clusters, self.n_init, self.ctx = n_clusters, n_init, ctx
        centers = torch.zeros(n_clusters, width, device=ctx.device)
        assignments = torch.zeros(n, dtype=torch.long, device=ctx.device)
        self._centers = ctx.keep("code centers", Cell(centers))
        self._assignments = ctx.keep("code assignments", Cell(assignments))

    def first(self, z: Tensor) -> Clustering:
        """Clusters of a code (n, width) that nothing is known of yet."""
        return kmeans(z, self.n_clusters, self.ctx, max_iter=KMEANS_STEPS)

    def next(self, z: Tensor) -> Clustering:
        """Clusters of a code that has moved, with the numbers of the clusters before."""
        # the old centres are where nothing is any more: take the old members' means
        centers = means(z, self._assignments.value, self._centers.value, self.ctx)
        return kmeans(
            z, self.n_clusters, self.ctx, centers=centers, max_iter=KMEANS_STEPS, repair=True
        )

    def best(self, z: Tensor) -> Clustering:
        """Best of several runs of k-means."""
        return kmeans(z, self.n_clusters, self.ctx, n_init=self.n_init)

    def snapshot(
        self,
        z: Tensor,
        clustering: Clustering,
        scalars: Mapping[str, float],
        artefacts: Mapping[str, Artefact],
    ) -> Snapshot:
        """Snapshot of a code and its clusters, with their inertia; they are kept for the next."""
        self._centers.value, self._assignments.value = clustering.centers, clustering.assignments
        return _snapshot(z, clustering, scalars, artefacts)


class FeatureClusters:
    """k-means on principal components of the features of an encoder, kept between snapshots.

    Attributes
    ----------
    assignments : Cell
        Clusters (n,) of the last snapshot; also whoever clusters otherwise writes them here.
    """

    def __init__(self, encoder: nn.Module, inputs: Inputs, n_clusters: int, ctx: Context) -> None:
        self.encoder, self.inputs, self.n_clusters, self.ctx = encoder, inputs, n_clusters, ctx
        first = torch.zeros(len(inputs), dtype=torch.long, device=ctx.device)
        self.assignments = ctx.keep("assignments", Cell(first))

    def features(self) -> Tensor:
        """What the encoder makes of all items, (n, width)."""
        self.ctx.at("encode")
        return embed(self.encoder, self.inputs, self.ctx)

    def snapshot(
        self,
        scalars: Mapping[str, float],
        artefacts: Mapping[str, Artefact],
        *,
        fresh: bool = False,
    ) -> Snapshot:
        """Snapshot of the features; clusters go on from the members of the last unless fresh."""
        z, k, ctx = principal(self.features(), COMPONENTS), self.n_clusters, self.ctx
        clustering = clustered(z, k, None if fresh else self.assignments.value, ctx)
        self.assignments.value = clustering.assignments
        return _snapshot(z, clustering, scalars, artefacts)


def clustered(z: Tensor, k: int, before: Tensor | None, ctx: Context) -> Clustering:
    """Clusters of rows (n, d), from the means of the members (n,) before if there are any."""
    if before is None:
        return kmeans(z, k, ctx, n_init=STARTS)
    return follow(z, k, before, ctx, max_iter=KMEANS_STEPS)


def _snapshot(
    z: Tensor,
    clustering: Clustering,
    scalars: Mapping[str, float],
    artefacts: Mapping[str, Artefact],
) -> Snapshot:
    return Snapshot(
        z.cpu().numpy(),
        clustering.assignments.cpu().numpy(),
        {**scalars, "inertia": clustering.inertia},
        centers=clustering.centers.cpu().numpy(),
        artefacts=artefacts,
    )


def following_cost(n: int, width: int, n_clusters: int) -> Cost:
    """Work of one clustering of a code that has moved."""
    return Cost(linear=float(2 * KMEANS_STEPS * n * n_clusters * width))


def best_cost(n: int, width: int, n_clusters: int, n_init: int) -> Cost:
    """Work of the best of several runs of k-means."""
    return Cost(linear=float(2 * USUAL_KMEANS_STEPS * n_init * n * n_clusters * width))
