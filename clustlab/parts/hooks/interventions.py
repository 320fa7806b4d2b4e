"""What users change in a run under way: labels, centres, answers and learning rates.

Everything is drawn from `ctx.rng`, and only if there is something to change: a run that nobody
touches draws what it would have drawn.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import assign, kmeans
from clustlab.types import Array, Intervention, InterventionKind

RATE: tuple[InterventionKind, ...] = ("learning rate",)
ALL: tuple[InterventionKind, ...] = ("learning rate", "merge", "split", "re-seed", "scramble")
OF_CENTERS: tuple[InterventionKind, ...] = ("merge", "split", "re-seed", "scramble")
OF_LABELS: tuple[InterventionKind, ...] = ("learning rate", "merge", "split", "scramble")

Wanted = Sequence[Intervention]
"""What is to be changed now, in the order in which it was asked for."""
Offer = Mapping[str, tuple[InterventionKind, ...]]
"""Kinds that a method carries out, by phase, in the order of the phases."""


def change_rate(optimiser: torch.optim.Optimizer, wanted: Wanted) -> None:
    """Multiply the learning rate of an optimiser by the factors that are wanted."""
    for intervention in wanted:
        if intervention.kind == "learning rate":
            for group in optimiser.param_groups:
                group["lr"] *= intervention.value


def of_clusters(wanted: Wanted) -> list[Intervention]:
    """What is wanted of clusters, without what is wanted of the learning rate."""
    return [each for each in wanted if each.kind != "learning rate"]


class LearningRateFactor:
    """Factor on learning rates that a method sets itself, such as those that follow a schedule."""

    def __init__(self, name: str, ctx: Context) -> None:
        self._factor = ctx.keep(name, Cell(1.0), across_runs=False)

    def take(self, wanted: Wanted) -> None:
        """Multiply the factor by those that are wanted."""
        for intervention in wanted:
            if intervention.kind == "learning rate":
                self._factor.value *= intervention.value

    def set(self, rate: float, *optimisers: torch.optim.Optimizer) -> float:
        """Give optimisers a rate times the factor, and return that."""
        changed = float(rate * self._factor.value)
        for group in (group for each in optimisers for group in each.param_groups):
            group["lr"] = changed
        return changed


def relabelled(z: Tensor, assignments: Tensor, k: int, wanted: Wanted, ctx: Context) -> Tensor:
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
    wanted: Wanted,
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


def scrambled_rows(p: Tensor, assignments: Tensor, wanted: Wanted, ctx: Context) -> Tensor:
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


def changed_answers(z: Tensor, answers: Tensor, wanted: Wanted, ctx: Context) -> Tensor:
    """Who answers for which item (n, k) after what is wanted of the clusters; rows sum to 1.

    The second of two merged ones answers for nothing, so that a mixture fitted to this gives it no
    weight. Items that get another cluster belong to it alone.

    Parameters
    ----------
    z : Tensor
        Items (n, d).
    answers : Tensor
        Responsibilities (n, k).
    """
    answers, k = answers.clone(), answers.shape[1]
    for intervention in wanted:
        labels = answers.argmax(1)
        if intervention.kind == "merge":
            first, second = intervention.clusters
            answers[:, first] += answers[:, second]
            answers[:, second] = 0
            continue
        if intervention.kind == "re-seed":
            cluster = intervention.clusters[0]
            after = _nearest_to_a_far_one(z, answers, cluster, ctx)
            moved = (labels == cluster) | (after == cluster)
        else:
            after = relabelled(z, labels, k, [intervention], ctx)
            moved = after != labels
        answers[moved] = functional.one_hot(after[moved], k).to(answers)
    return answers


def _nearest_to_a_far_one(z: Tensor, answers: Tensor, cluster: int, ctx: Context) -> Tensor:
    """Nearest (n,) of the means of all clusters, of which one is placed on a far item."""
    held = answers.sum(0).to(z)
    means = (answers.T.to(z) @ z) / held.clamp_min(torch.finfo(z.dtype).tiny)[:, None]
    means[held <= 0] = _out_of_reach(z)
    means[cluster] = z[_far_item(z, means, ctx)]
    return assign(z, means, ctx).assignments
