"""k-means in torch, on the device of the data: pieces that a method can put together itself.

All functions take the items as (n, d) float32. Squared distances are expanded as
|x|^2 - 2 x.c + |c|^2, which loses digits when the data lie far from 0: `kmeans` centres them, and
whoever calls the pieces should pass data that are roughly centred.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.types import Array

CHUNK_CELLS = 4_000_000  # distances held at once: 16 MB, so that 70k items and many clusters fit
PERTURBATION = 1e-3  # offset of a copied centre, as a share of the spread of its cluster

Init = Literal["k-means++", "random"]


@dataclass(frozen=True, slots=True)
class Clustering:
    """A division of items into clusters.

    Parameters
    ----------
    centers : Tensor
        (k, d) float32.
    assignments : Tensor
        (n,) int64, the nearest centre of each item.
    distances : Tensor
        (n,) float32, squared distance to that centre, at least 0.
    iterations : int
        Rounds of move-and-assign that led here.
    n_repaired : int
        How often an empty cluster was given items on the way.
    """

    centers: Tensor
    assignments: Tensor
    distances: Tensor
    iterations: int = 0
    n_repaired: int = 0

    @property
    def inertia(self) -> float:
        """Sum of squared distances of the items to their centres."""
        return float(self.distances.cpu().double().sum())

    @property
    def sizes(self) -> Array:
        """Items per cluster, (k,) int64."""
        counts: Array = torch.bincount(self.assignments, minlength=len(self.centers)).cpu().numpy()
        return counts


@dataclass(frozen=True, slots=True)
class Repair:
    """What `repair_empty` did: the division after it, and items per cluster (k,) around it."""

    clustering: Clustering
    sizes_before: Array
    sizes_after: Array


def kmeans(
    x: Tensor,
    n_clusters: int,
    ctx: Context,
    *,
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-3,
    init: Init = "k-means++",
    centers: Tensor | None = None,
    repair: bool = False,
) -> Clustering:
    """Division of lowest inertia among `n_init` runs of Lloyd's algorithm.

    Parameters
    ----------
    x : Tensor
        Items (n, d) float32.
    n_clusters : int
        Number of clusters k, at most n.
    max_iter, tol, repair
        See `lloyd`.
    init : {"k-means++", "random"}
        How each run draws its first centres.
    centers : Tensor, optional
        First centres (k, d) of a single run, instead of drawing any.

    Raises
    ------
    ParameterError
        If there are fewer items than clusters.
    """
    check_enough_items(len(x), n_clusters)
    shift = x.mean(0)
    x = x - shift
    norms = x.square().sum(1)
    best: Clustering | None = None
    for _ in range(n_init if centers is None else 1):
        if centers is not None:
            start = centers - shift
        elif init == "k-means++":
            start = plus_plus(x, n_clusters, ctx, norms=norms)
        else:
            start = x[_choice(len(x), n_clusters, ctx)]
        clustering = lloyd(x, start, ctx, max_iter=max_iter, tol=tol, repair=repair, norms=norms)
        if best is None or clustering.inertia < best.inertia:
            best = clustering
    if best is None:
        raise ValueError(f"n_init must be at least 1, got {n_init}")
    return replace(best, centers=best.centers + shift)


def follow(
    x: Tensor, n_clusters: int, assignments: Tensor, ctx: Context, *, max_iter: int = 10
) -> Clustering:
    """Division of items that have moved, which goes on from the one before.

    The old centres are where nothing is any more, so the means of the old members (n,) are the
    first ones; without members it is the mean of all.
    """
    nowhere = x.mean(0).repeat(n_clusters, 1)
    centers = means(x, assignments, nowhere, ctx)
    return kmeans(x, n_clusters, ctx, centers=centers, max_iter=max_iter, repair=True)


def check_enough_items(n: int, n_clusters: int, setting: str = "n_clusters") -> None:
    """Nothing, if n items can fill this many clusters.

    Raises
    ------
    ParameterError
        If they cannot; it names the setting that says how many clusters there are.
    """
    if n < n_clusters:
        raise ParameterError(
            f"{setting} must not exceed the number of items, got {n_clusters} for {n} items.",
            f"Lower {setting} or draw more items.",
        )


def _choice(n: int, size: int, ctx: Context) -> Tensor:
    return torch.from_numpy(ctx.rng.choice(n, size, replace=False))


def plus_plus(x: Tensor, n_clusters: int, ctx: Context, *, norms: Tensor | None = None) -> Tensor:
    """First centres (k, d) by greedy k-means++.

    Each next centre is drawn from the items with probability proportional to the squared distance
    to the nearest centre so far; of 2 + floor(ln k) such draws the one that lowers the inertia
    most is taken. Arthur and Vassilvitskii 2007, section 2.2, and its remark on greedy choice.

    Parameters
    ----------
    x : Tensor
        Items (n, d) float32.
    norms : Tensor, optional
        Squared norms (n,) of the items, to save computing them again.
    """
    norms = x.square().sum(1) if norms is None else norms
    trials = 2 + int(math.log(n_clusters))
    picked = [int(ctx.rng.integers(len(x)))]
    closest = _squared_distances(x, x[picked], norms)[:, 0]
    while len(picked) < n_clusters:
        ctx.poll()
        mass = closest.cpu().numpy().astype(np.float64).cumsum()
        draws = ctx.rng.random(trials)
        if mass[-1] > 0:
            candidates = np.searchsorted(mass, draws * mass[-1], side="right")
        else:  # fewer distinct items than clusters: any item is as good
            candidates = (draws * len(x)).astype(np.int64)
        candidates = candidates.clip(0, len(x) - 1)
        reached = _squared_distances(x, x[torch.from_numpy(candidates).to(x.device)], norms)
        reached = torch.minimum(reached, closest[:, None])  # (n, trials)
        best = int(reached.sum(0).argmin())
        picked.append(int(candidates[best]))
        closest = reached[:, best]
    return x[picked].clone()


def lloyd(
    x: Tensor,
    centers: Tensor,
    ctx: Context,
    *,
    max_iter: int = 100,
    tol: float = 1e-3,
    repair: bool = False,
    norms: Tensor | None = None,
) -> Clustering:
    """Division after repeated move-and-assign from the given centres; inertia never rises.

    Stops when no more than the share `tol` of the items changes its cluster, or after `max_iter`
    rounds.

    Parameters
    ----------
    x : Tensor
        Items (n, d) float32.
    centers : Tensor
        First centres (k, d).
    repair : bool
        Give items to empty clusters in every round, see `repair_empty`. Otherwise an empty
        cluster keeps its centre.
    norms : Tensor, optional
        Squared norms (n,) of the items, to save computing them again.
    """
    norms = x.square().sum(1) if norms is None else norms
    now = assign(x, centers, ctx, norms=norms)
    for _ in range(max_iter):
        after = step(x, now, ctx, norms=norms)
        empty = int((after.sizes == 0).sum()) if repair else 0
        if empty:
            after = repair_empty(x, after, ctx).clustering
        changed = float((after.assignments != now.assignments).float().mean())
        now = after
        if changed <= tol:
            break
    return now


def step(x: Tensor, now: Clustering, ctx: Context, *, norms: Tensor | None = None) -> Clustering:
    """Division after one round: centres move to the means of their items, items are reassigned."""
    after = assign(x, means(x, now.assignments, now.centers, ctx), ctx, norms=norms)
    return replace(after, iterations=now.iterations + 1, n_repaired=now.n_repaired)


def assign(x: Tensor, centers: Tensor, ctx: Context, *, norms: Tensor | None = None) -> Clustering:
    """Division that gives each item (n, d) to its nearest centre (k, d)."""
    norms = x.square().sum(1) if norms is None else norms
    distances, assignments = [], []
    for rows in _chunks(len(x), len(centers)):
        ctx.poll()
        nearest = _squared_distances(x[rows], centers, norms[rows]).min(1)
        distances.append(nearest.values)
        assignments.append(nearest.indices)
    return Clustering(centers, torch.cat(assignments), torch.cat(distances))


def means(x: Tensor, assignments: Tensor, centers: Tensor, ctx: Context) -> Tensor:
    """Mean (k, d) of the items of each cluster; an empty cluster keeps its centre.

    Sums are matrix products with one-hot rows, which repeat bit for bit on a CPU where scattered
    additions would be slow, and on a GPU where they would not repeat.
    """
    k = len(centers)
    total = torch.zeros_like(centers)
    for rows in _chunks(len(x), k):
        ctx.poll()
        member = x.new_zeros(rows.stop - rows.start, k).scatter_(1, assignments[rows, None], 1.0)
        total += member.T @ x[rows]
    sizes = torch.bincount(assignments, minlength=k)[:, None]
    return torch.where(sizes > 0, total / sizes.clamp(min=1), centers)


def repair_empty(x: Tensor, clustering: Clustering, ctx: Context) -> Repair:
    """Division in which empty clusters have items where possible, with the sizes around it.

    The centre of each empty cluster becomes that of a random non-empty one plus a small
    perturbation, and the two share the items of the donor by distance (methods of DeepCluster,
    Caron et al. 2018, section 3.3). The donor keeps its centre, so the inertia cannot rise. Only
    clusters of two or more distinct items can be donors; without any, a cluster stays empty.
    """
    before = clustering.sizes
    centers = clustering.centers.clone()
    assignments = clustering.assignments.clone()
    distances = clustering.distances.clone()
    repaired = 0
    for cluster in np.flatnonzero(before == 0):
        ctx.poll()
        donor = _donor(assignments, distances, len(centers), ctx)
        if donor is None:
            break
        members = (assignments == donor).nonzero()[:, 0]
        offset = torch.from_numpy(ctx.rng.standard_normal(x.shape[1])).to(x)
        deviation = (distances[members].mean() / x.shape[1]).sqrt()
        centers[cluster] = centers[donor] + PERTURBATION * deviation * offset
        # exact differences, since the expansion cannot tell two centres this close apart
        to_old = (x[members] - centers[donor]).square().sum(1)
        to_new = (x[members] - centers[cluster]).square().sum(1)
        moved = members[to_new < to_old]
        assignments[moved] = int(cluster)
        distances[members] = torch.minimum(to_old, to_new)
        repaired += int(len(moved) > 0)
    after = replace(
        clustering,
        centers=centers,
        assignments=assignments,
        distances=distances,
        n_repaired=clustering.n_repaired + repaired,
    )
    return Repair(after, before, after.sizes)


def _donor(assignments: Tensor, distances: Tensor, k: int, ctx: Context) -> int | None:
    """Random cluster that can be shared: two or more items, not all at its centre."""
    sizes = torch.bincount(assignments, minlength=k).cpu().numpy()
    apart = torch.bincount(assignments[distances > 0], minlength=k).cpu().numpy()
    donors = np.flatnonzero((sizes > 1) & (apart > 0))
    return int(ctx.rng.choice(donors)) if len(donors) else None


def _squared_distances(x: Tensor, centers: Tensor, norms: Tensor) -> Tensor:
    """Squared distances (n, k), at least 0: rounding may carry the expansion below."""
    cross = torch.addmm(centers.square().sum(1), x, centers.T, alpha=-2)
    return cross.add_(norms[:, None]).clamp_(min=0)


def _chunks(n: int, k: int) -> list[slice]:
    size = max(1, CHUNK_CELLS // max(1, k))
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]
