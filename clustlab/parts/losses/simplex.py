"""Arithmetic of cluster probabilities: rows that are positive and sum to 1."""

import torch
from torch import Tensor


def joint_probabilities(p: Tensor, p_prime: Tensor) -> Tensor:
    """Joint probability of the clusters of an item and of its changed copy, (..., k, k), sums to 1.

    Symmetric, since either of the two could have come first. Ji et al. 2019, section 3.2.

    Parameters
    ----------
    p, p_prime : Tensor
        Cluster probabilities (..., n, k) of the same n items in the same order; axes in front,
        such as heads, have a matrix each, all from one product.
    """
    if p.dtype != torch.float64:  # half precision would lose the small entries
        p, p_prime = p.float(), p_prime.float()
    joint = p.mT @ p_prime
    joint = joint + joint.mT
    return joint / joint.sum((-2, -1), keepdim=True)


def consistency(p: Tensor, p_prime: Tensor) -> Tensor:
    """Mean of -ln of the product of two answers to the same item, a scalar in nats, at least 0.

    Van Gansbeke et al. 2020, first term of eq. 2.

    Parameters
    ----------
    p, p_prime : Tensor
        Cluster probabilities (..., n, k) of items and of a neighbour of each; the mean is over
        all but the last axis.
    """
    agree = (p * p_prime).sum(-1)
    return -agree.clamp_min(torch.finfo(agree.dtype).tiny).log().mean()
