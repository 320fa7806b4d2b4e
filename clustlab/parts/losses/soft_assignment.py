"""Soft assignment of codes to centres, its target, and the distance between the two."""

import torch
from torch import Tensor
from torch.nn import functional

from clustlab.parts.losses.targets import power_target

UNSURE, SURE = 0.3, 0.6  # mean of max q below which the code is scaled, and what it is scaled to
NEARLY, LARGEST_EXPONENT, BISECTIONS = 0.9, 16.0, 16
CHUNK_VALUES = 8_000_000  # differences of codes and centres held at once: 32 MB


def soft_assignment(z: Tensor, centers: Tensor, alpha: float = 1.0) -> Tensor:
    """Student-t similarity of codes to centres, (n, k), rows sum to 1. Xie et al. 2016, eq. 1.

    Parameters
    ----------
    z : Tensor
        Codes (n, d).
    centers : Tensor
        Centres (k, d).
    alpha : float
        Degrees of freedom: small values have heavy tails, large ones are close to a Gaussian.
    """
    distances = (z[:, None] - centers).square().sum(-1)  # (n, k)
    weights = (1 + distances / alpha) ** (-(alpha + 1) / 2)
    return weights / weights.sum(1, keepdim=True)


def target_distribution(q: Tensor) -> Tensor:
    """Sharpened and balanced soft assignment, (n, k), rows sum to 1. Xie et al. 2016, eq. 3.

    To be called with the rows of all items: cluster sizes of one batch say nothing about the set,
    and for a single row nothing is sharpened at all.

    Parameters
    ----------
    q : Tensor
        Soft assignment (n, k).
    """
    return power_target(q)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Mean over the rows of KL(p || q) in nats, a scalar. Xie et al. 2016, eq. 2, per item.

    Parameters
    ----------
    p : Tensor
        Target (n, k), a constant.
    q : Tensor
        Soft assignment (n, k).
    """
    log_q = q.clamp_min(torch.finfo(q.dtype).tiny).log()
    return functional.kl_div(log_q, p, reduction="batchmean")


def sure_scale(z: Tensor, centers: Tensor, alpha: float = 1.0) -> float:
    """Factor for codes and centres: 1, or above if the soft assignment is too close to uniform.

    The mean of the largest entry of each row grows with the factor, from 1/k up to a limit that
    the shape of the clusters sets. If it is below 0.3, the factor is found by bisection that lifts
    it to 0.6, or to nine tenths of that limit if this is less.
    """

    def sureness(exponent: float) -> float:
        scale = 2.0**exponent
        return float(soft_assignment_of_all(z * scale, centers * scale, alpha).amax(1).mean())

    if sureness(0.0) >= UNSURE:
        return 1.0
    low, high = 0.0, LARGEST_EXPONENT
    goal = min(SURE, NEARLY * sureness(high))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if sureness(middle) < goal else (low, middle)
    return float(2.0**low)


def soft_assignment_of_all(z: Tensor, centers: Tensor, alpha: float = 1.0) -> Tensor:
    """Soft assignment (n, k) of any number of codes, without gradients, in limited memory."""
    size = max(1, CHUNK_VALUES // max(1, centers.numel()))
    with torch.no_grad():
        return torch.cat([soft_assignment(part, centers, alpha) for part in torch.split(z, size)])
