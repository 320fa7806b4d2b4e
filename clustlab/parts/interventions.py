"""What users change in a run under way: labels, centres and learning rates.

Everything is drawn from `ctx.rng`, and only if there is something to change: a run that nobody
touches draws what it would have drawn.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from clustlab.context import Context
from clustlab.parts.kmeans import assign, kmeans
from clustlab.types import Array, Intervention, InterventionKind

ALL: tuple[InterventionKind, ...] = ("learning rate", "merge", "split", "re-seed", "scramble")
OF_CENTERS: tuple[InterventionKind, ...] = ("merge", "split", "re-seed", "scramble")
OF_LABELS: tuple[InterventionKind, ...] = ("learning rate", "merge", "split", "scramble")

Offer = Mapping[str, tuple[InterventionKind, ...]]
"""Kinds that a method carries out, by phase."""


def change_rate(optimiser: torch.optim.Optimizer, wanted: Sequence[Intervention]) -> None:
    """Multiply the learning rate of an optimiser by the factors that are wanted."""
    for intervention in wanted:
        if intervention.kind == "learning rate":
            for group in optimiser.param_groups:
                group["lr"] *= intervention.value


def relabelled(
    z: Tensor, assignments: Tensor, k: int, wanted: Sequence[Intervention], ctx: Context
) -> Tensor:
    """Assignments (n,) of items (n, d) to k clusters after what is wanted of the labels.

    Handles `merge`, `split` and `scramble`.
    """
    assignments = assignments.clone()
    for intervention in wanted:
        if intervention.kind == "merge":
            first, second = intervention.clusters
            assignments[assignments == second] = first
        elif intervention.kind == "split":
            assignments = _split(z, assignments, k, intervention.clusters[0], ctx)
        elif intervention.kind == "scramble":
            members = (assignments == intervention.clusters[0]).nonzero()[:, 0]
            drawn = torch.from_numpy(ctx.rng.integers(k, size=len(members)))
            assignments[members] = drawn.to(assignments)
    return assignments


def _split(z: Tensor, assignments: Tensor, k: int, cluster: int, ctx: Context) -> Tensor:
    """Assignments in which half of a cluster has gone to the emptiest other one.

    What the other one held goes to the nearest of the means that stay.
    """
    members = (assignments == cluster).nonzero()[:, 0]
    if len(members) < 2 or k < 2:
        return assignments
    sizes = torch.bincount(assignments, minlength=k)
    sizes[cluster] = len(assignments) + 1
    spare = int(sizes.argmin())
    homeless = (assignments == spare).nonzero()[:, 0]
    halves = kmeans(z[members], 2, ctx).assignments
    assignments = assignments.clone()
    assignments[members[halves == 1]] = spare
    if len(homeless):
        stay = [i for i in range(k) if i != spare and bool((assignments == i).any())]
        means = torch.stack([z[assignments == i].mean(0) for i in stay])
        nearest = assign(z[homeless], means, ctx).assignments
        assignments[homeless] = torch.tensor(stay, device=z.device)[nearest]
    return assignments


def moved_centers(
    z: Tensor,
    assignments: Tensor,
    centers: Tensor,
    wanted: Sequence[Intervention],
    ctx: Context,
) -> tuple[Tensor, Tensor]:
    """Assignments (n,) and centres (k, d) after what is wanted of the clusters.

    A cluster whose items have changed gets their mean as its centre. The second of two merged
    ones is put out of reach, so that it wins no item back until it is re-seeded.
    """
    k = len(centers)
    assignments, centers = assignments.clone(), centers.clone()
    for intervention in wanted:
        if intervention.kind == "re-seed":
            centers[intervention.clusters[0]] = z[_far_item(z, centers, ctx)]
            assignments = assign(z, centers, ctx).assignments
            continue
        after = relabelled(z, assignments, k, [intervention], ctx)
        changed = after != assignments
        for cluster in sorted({*assignments[changed].tolist(), *after[changed].tolist()}):
            members = after == cluster
            if members.any():
                centers[cluster] = z[members].mean(0)
        if intervention.kind == "merge":
            centers[intervention.clusters[1]] = _out_of_reach(z)
        assignments = after
    return assignments, centers


def _out_of_reach(z: Tensor) -> Tensor:
    """Place (d,) farther from every item than any two items are from each other."""
    middle = z.mean(0)
    place = middle.clone()
    place[0] += 4 * (z - middle).norm(dim=1).amax() + 1
    return place


def _far_item(z: Tensor, centers: Tensor, ctx: Context) -> int:
    """Item drawn in proportion to its squared distance to the nearest centre."""
    distances: Array = assign(z, centers, ctx).distances.cpu().numpy().astype(np.float64)
    mass = distances.cumsum()
    if mass[-1] <= 0:
        return int(ctx.rng.integers(len(z)))
    return min(int(np.searchsorted(mass, ctx.rng.random() * mass[-1])), len(z) - 1)


def scrambled_rows(
    p: Tensor, assignments: Tensor, wanted: Sequence[Intervention], ctx: Context
) -> Tensor:
    """Targets (n, k) in which those of the items of scrambled clusters are mixed up.

    Each of their rows keeps its values, which stand under other clusters.
    """
    p = p.clone()
    for intervention in wanted:
        if intervention.kind == "scramble":
            members = (assignments == intervention.clusters[0]).nonzero()[:, 0]
            order = ctx.rng.random((len(members), p.shape[1])).argsort(1)
            p[members] = p[members].gather(1, torch.from_numpy(order).to(p.device))
    return p
