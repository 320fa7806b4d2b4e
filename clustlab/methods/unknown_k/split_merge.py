"""How many Gaussians there are: clusters that are split and merged by the odds of either.

All in float64 on the CPU, like `mixtures`. Items are rows (n, d). Ronen, Finder and Freifeld 2022,
*DeepDPM*; the odds are those of Chang and Fisher 2013.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clustlab.context import Context
from clustlab.parts.clustering.gaussian_mixture import Mixture, expect
from clustlab.parts.clustering.kmeans import kmeans
from clustlab.types import Array

KMEANS_STEPS = 30  # of k-means in search of two halves
REFINED = 5  # rounds of the mixture of two that follow


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of a cluster before it is seen: a normal-inverse-Wishart distribution.

    Parameters
    ----------
    mean : Tensor
        (d,) where its mean may be.
    kappa : float
        How many items that belief is worth.
    scatter : Tensor
        (d, d) Psi; the expected covariance is Psi / (nu - d - 1).
    nu : float
        How many items the belief in the covariance is worth; above d - 1.
    """

    mean: Tensor
    kappa: float
    scatter: Tensor
    nu: float


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """Of groups of items: how many (...), their means (..., d) and scatters (..., d, d)."""

    n: Tensor
    mean: Tensor
    scatter: Tensor

    def select(self, index: Tensor) -> "GroupStatistics":
        """Some of the groups."""
        return GroupStatistics(self.n[index], self.mean[index], self.scatter[index])


def roundness(d: int, variance: float, worth: float) -> Belief:
    """Belief in round clusters of this variance, worth so many items, in data centred at 0."""
    nu = d + 2 + worth
    scatter = torch.eye(d, dtype=torch.float64) * (variance * (nu - d - 1))
    return Belief(torch.zeros(d, dtype=torch.float64), 1.0, scatter, nu)


def group_statistics(x: Tensor, answers: Tensor) -> GroupStatistics:
    """Summary of k groups of items (n, d), who belong to them by the weights (n, k)."""
    n = answers.sum(0)
    mean = (answers.T @ x) / n.clamp_min(1e-12)[:, None]
    scatters = []
    for weight, middle in zip(answers.T, mean, strict=True):
        away = x - middle
        scatters.append((weight[:, None] * away).T @ away)
    return GroupStatistics(n, mean, torch.stack(scatters))


def both(one: GroupStatistics, other: GroupStatistics) -> GroupStatistics:
    """Summary of each pair of groups together."""
    n = one.n + other.n
    safe = n.clamp_min(1e-12)
    gap = other.mean - one.mean
    mean = one.mean + gap * (other.n / safe)[..., None]
    between = (one.n * other.n / safe)[..., None, None] * gap[..., :, None] * gap[..., None, :]
    return GroupStatistics(n, mean, one.scatter + other.scatter + between)


def log_evidence(belief: Belief, statistics: GroupStatistics) -> Tensor:
    """Logarithm (...) of the density of all items of a group, for any mean and covariance.

    Murphy 2007, *Conjugate Bayesian Analysis of the Gaussian Distribution*, eq. 266.
    """
    d = statistics.mean.shape[-1]
    kappa, nu = belief.kappa + statistics.n, belief.nu + statistics.n
    scatter = _believed_scatter(belief, statistics)
    first = torch.special.multigammaln(torch.tensor(belief.nu / 2, dtype=torch.float64), d)
    gammas = torch.special.multigammaln(nu / 2, d) - first
    shapes = belief.nu * torch.logdet(belief.scatter) - nu * torch.logdet(scatter)
    scale = d * (math.log(belief.kappa) - kappa.log())
    return gammas + (shapes + scale - statistics.n * d * math.log(math.pi)) / 2


def _believed_scatter(belief: Belief, statistics: GroupStatistics) -> Tensor:
    """Scatter (..., d, d) after the items were seen. Murphy 2007, eq. 254."""
    gap = statistics.mean - belief.mean
    weight = belief.kappa * statistics.n / (belief.kappa + statistics.n)
    shift = weight[..., None, None] * gap[..., :, None] * gap[..., None, :]
    return belief.scatter + statistics.scatter + shift


def log_odds(belief: Belief, one: GroupStatistics, other: GroupStatistics, alpha: float) -> Tensor:
    """Logarithm (...) of the odds that two groups of items are two clusters and not one.

    ln alpha + ln Gamma(N1) f(1) + ln Gamma(N2) f(2) - ln Gamma(N) f(1 and 2). Ronen et al. 2022,
    eq. 9. That of a merge is the negative.

    Parameters
    ----------
    one, other : GroupStatistics
        At least one item in each group.
    alpha : float
        Concentration: how readily a new cluster is believed in.
    """
    whole = both(one, other)
    apart = sum(torch.lgamma(part.n) + log_evidence(belief, part) for part in (one, other))
    return math.log(alpha) + apart - torch.lgamma(whole.n) - log_evidence(belief, whole)


def most_likely(belief: Belief, statistics: GroupStatistics, alpha: float) -> Mixture:
    """Mixture of greatest posterior density, whose clusters were seen. Murphy 2007, eq. 279."""
    d, k = statistics.mean.shape[-1], len(statistics.n)
    weights = (statistics.n + alpha / k) / (statistics.n.sum() + alpha)
    pull = (belief.kappa / (belief.kappa + statistics.n))[:, None]
    means = statistics.mean + (belief.mean - statistics.mean) * pull
    scale = (belief.nu + statistics.n + d + 2)[:, None, None]
    return Mixture(weights, means, _believed_scatter(belief, statistics) / scale, "full")


def refined(
    x: Tensor, assignments: Tensor, k: int, belief: Belief, alpha: float, rounds: int
) -> tuple[Mixture, Tensor, float]:
    """Mixture, responsibilities (n, k) and mean log likelihood after rounds of the mixture."""

    def once(answers: Tensor) -> tuple[Mixture, Tensor, float]:
        mixture = most_likely(belief, group_statistics(x, answers), alpha)
        return mixture, *expect(x, mixture)

    now = once(functional.one_hot(assignments, k).double())
    for _ in range(rounds - 1):
        now = once(now[1])
    return now


def halves(x: Tensor, assignments: Tensor, k: int, belief: Belief, ctx: Context) -> Tensor:
    """Side (n,) int64, 0 or 1, of each item in its own cluster, if that were two.

    By k-means and then a mixture of two. A cluster of fewer than two items has but one side.
    """
    side = torch.zeros(len(x), dtype=torch.long)
    for cluster in range(k):
        ctx.poll()
        members = (assignments == cluster).nonzero()[:, 0]
        if len(members) < 2:
            continue
        mine = x[members]
        kmeans_sides = kmeans(mine.float(), 2, ctx, n_init=2, max_iter=KMEANS_STEPS).assignments
        side[members] = refined(mine, kmeans_sides, 2, belief, 1.0, REFINED)[1].argmax(1)
    return side


def split_odds(
    x: Tensor, assignments: Tensor, side: Tensor, k: int, belief: Belief, alpha: float, least: int
) -> Tensor:
    """Log odds (k,) of splitting each cluster into its sides; -inf if one holds too few items."""
    table = functional.one_hot(2 * assignments + side, 2 * k).double()
    statistics = group_statistics(x, table)
    one, other = (
        statistics.select(torch.arange(0, 2 * k, 2)),
        statistics.select(torch.arange(1, 2 * k, 2)),
    )
    enough = torch.minimum(one.n, other.n) >= max(1, least)
    odds = torch.full((k,), -torch.inf, dtype=torch.float64)
    if bool(enough.any()):
        odds[enough] = log_odds(belief, one.select(enough), other.select(enough), alpha)
    return odds


def merge_odds(x: Tensor, assignments: Tensor, k: int, belief: Belief, alpha: float) -> Tensor:
    """Log odds (k, k) of merging each pair of clusters, none of them empty; -inf with itself."""
    statistics = group_statistics(x, functional.one_hot(assignments, k).double())
    one, other = torch.triu_indices(k, k, 1)
    odds = torch.full((k, k), -torch.inf, dtype=torch.float64)
    if k > 1:
        pairs = -log_odds(belief, statistics.select(one), statistics.select(other), alpha)
        odds[one, other], odds[other, one] = pairs, pairs
    return odds


def split(assignments: Tensor, side: Tensor, chosen: Array) -> Tensor:
    """Assignments in which the second sides of some clusters are clusters of their own."""
    k = int(assignments.max()) + 1
    after = assignments.clone()
    for i, cluster in enumerate(chosen.tolist()):
        after[(assignments == cluster) & (side == 1)] = k + i
    return after


def merge(assignments: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Assignments in which the second of each pair of clusters belongs to the first."""
    after = assignments.clone()
    for one, other in pairs:
        after[assignments == other] = one
    return after


def numbered(assignments: Tensor) -> tuple[Tensor, int]:
    """Assignments without the numbers of empty clusters, in the same order, and how many."""
    occupied, renumbered = np.unique(assignments.numpy(), return_inverse=True)
    return torch.from_numpy(renumbered), len(occupied)


def accepted_pairs(odds: Tensor, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs of clusters to merge, best odds first, each cluster in one pair at most."""
    k, pairs = len(odds), []
    taken: set[int] = set()
    order = odds.flatten().argsort(descending=True, stable=True)
    for one, other in ((int(i) // k, int(i) % k) for i in order.tolist()):
        if one < other and not taken & {one, other} and accepted(float(odds[one, other]), rng):
            pairs.append((one, other))
            taken |= {one, other}
    return pairs


def accepted(odds: float, rng: np.random.Generator) -> bool:
    """Whether a proposal of these log odds is carried out: always above 0, else by chance."""
    return bool(math.log(max(rng.random(), 1e-300)) < odds)
