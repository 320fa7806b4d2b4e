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

ROUNDS = 30  # of k-means in search of two halves
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
class Seen:
    """Of groups of items: how many (...), their means (..., d) and scatters (..., d, d)."""

    n: Tensor
    mean: Tensor
    scatter: Tensor

    def at(self, index: Tensor) -> "Seen":
        """Some of the groups."""
        return Seen(self.n[index], self.mean[index], self.scatter[index])


def roundness(d: int, variance: float, worth: float) -> Belief:
    """Belief in round clusters of this variance, worth so many items, in data centred at 0."""
    nu = d + 2 + worth
    scatter = torch.eye(d, dtype=torch.float64) * (variance * (nu - d - 1))
    return Belief(torch.zeros(d, dtype=torch.float64), 1.0, scatter, nu)


def seen(x: Tensor, answers: Tensor) -> Seen:
    """Summary of k groups of items (n, d), who belong to them by the weights (n, k)."""
    n = answers.sum(0)
    mean = (answers.T @ x) / n.clamp_min(1e-12)[:, None]
    scatters = []
    for weight, middle in zip(answers.T, mean, strict=True):
        away = x - middle
        scatters.append((weight[:, None] * away).T @ away)
    return Seen(n, mean, torch.stack(scatters))


def both(one: Seen, other: Seen) -> Seen:
    """Summary of each pair of groups together."""
    n = one.n + other.n
    safe = n.clamp_min(1e-12)
    gap = other.mean - one.mean
    mean = one.mean + gap * (other.n / safe)[..., None]
    spread = (one.n * other.n / safe)[..., None, None] * gap[..., :, None] * gap[..., None, :]
    return Seen(n, mean, one.scatter + other.scatter + spread)


def log_evidence(belief: Belief, found: Seen) -> Tensor:
    """Logarithm (...) of the density of all items of a group, for any mean and covariance.

    Murphy 2007, *Conjugate Bayesian Analysis of the Gaussian Distribution*, eq. 266.
    """
    d = found.mean.shape[-1]
    kappa, nu = belief.kappa + found.n, belief.nu + found.n
    scatter = _believed_scatter(belief, found)
    first = torch.special.multigammaln(torch.tensor(belief.nu / 2, dtype=torch.float64), d)
    gammas = torch.special.multigammaln(nu / 2, d) - first
    shapes = belief.nu * torch.logdet(belief.scatter) - nu * torch.logdet(scatter)
    scale = d * (math.log(belief.kappa) - kappa.log())
    return gammas + (shapes + scale - found.n * d * math.log(math.pi)) / 2


def _believed_scatter(belief: Belief, found: Seen) -> Tensor:
    """Scatter (..., d, d) after the items were seen. Murphy 2007, eq. 254."""
    gap = found.mean - belief.mean
    weight = belief.kappa * found.n / (belief.kappa + found.n)
    shift = weight[..., None, None] * gap[..., :, None] * gap[..., None, :]
    return belief.scatter + found.scatter + shift


def log_odds(belief: Belief, one: Seen, other: Seen, alpha: float) -> Tensor:
    """Logarithm (...) of the odds that two groups of items are two clusters and not one.

    ln alpha + ln Gamma(N1) f(1) + ln Gamma(N2) f(2) - ln Gamma(N) f(1 and 2). Ronen et al. 2022,
    eq. 9. That of a merge is the negative.

    Parameters
    ----------
    one, other : Seen
        At least one item in each group.
    alpha : float
        Concentration: how readily a new cluster is believed in.
    """
    whole = both(one, other)
    apart = sum(torch.lgamma(part.n) + log_evidence(belief, part) for part in (one, other))
    return math.log(alpha) + apart - torch.lgamma(whole.n) - log_evidence(belief, whole)


def most_likely(belief: Belief, found: Seen, alpha: float) -> Mixture:
    """Mixture of greatest posterior density, whose clusters were seen. Murphy 2007, eq. 279."""
    d, k = found.mean.shape[-1], len(found.n)
    weights = (found.n + alpha / k) / (found.n.sum() + alpha)
    pull = (belief.kappa / (belief.kappa + found.n))[:, None]
    means = found.mean + (belief.mean - found.mean) * pull
    scale = (belief.nu + found.n + d + 2)[:, None, None]
    return Mixture(weights, means, _believed_scatter(belief, found) / scale, "full")


def refined(
    x: Tensor, assignments: Tensor, k: int, belief: Belief, alpha: float, rounds: int
) -> tuple[Mixture, Tensor, float]:
    """Mixture, responsibilities (n, k) and mean log likelihood after rounds of the mixture."""

    def once(answers: Tensor) -> tuple[Mixture, Tensor, float]:
        mixture = most_likely(belief, seen(x, answers), alpha)
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
        found = kmeans(mine.float(), 2, ctx, n_init=2, max_iter=ROUNDS).assignments
        side[members] = refined(mine, found, 2, belief, 1.0, REFINED)[1].argmax(1)
    return side


def split_odds(
    x: Tensor, assignments: Tensor, side: Tensor, k: int, belief: Belief, alpha: float, least: int
) -> Tensor:
    """Log odds (k,) of splitting each cluster into its sides; -inf if one holds too few items."""
    table = functional.one_hot(2 * assignments + side, 2 * k).double()
    found = seen(x, table)
    one, other = found.at(torch.arange(0, 2 * k, 2)), found.at(torch.arange(1, 2 * k, 2))
    enough = torch.minimum(one.n, other.n) >= max(1, least)
    odds = torch.full((k,), -torch.inf, dtype=torch.float64)
    if bool(enough.any()):
        odds[enough] = log_odds(belief, one.at(enough), other.at(enough), alpha)
    return odds


def merge_odds(x: Tensor, assignments: Tensor, k: int, belief: Belief, alpha: float) -> Tensor:
    """Log odds (k, k) of merging each pair of clusters, none of them empty; -inf with itself."""
    found = seen(x, functional.one_hot(assignments, k).double())
    one, other = torch.triu_indices(k, k, 1)
    odds = torch.full((k, k), -torch.inf, dtype=torch.float64)
    if k > 1:
        pairs = -log_odds(belief, found.at(one), found.at(other), alpha)
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
    occupied, found = np.unique(assignments.numpy(), return_inverse=True)
    return torch.from_numpy(found), len(occupied)


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
