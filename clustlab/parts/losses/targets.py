"""What soft assignments can be trained towards, from the soft assignments of all items."""

import torch
from torch import Tensor
from torch.nn import functional

SINKHORN_EPSILON = 0.5  # exp(ln q / 0.5) = q^2, the sharpening of DEC


def power_target(q: Tensor, gamma: float = 2.0, delta: float = 1.0) -> Tensor:
    """Rows proportional to q^gamma / f^delta with f the column sums of q; (2, 1) is DEC.

    Parameters
    ----------
    q : Tensor
        Soft assignment (n, k).
    gamma : float
        Sharpening: 1 leaves rows as they are, large values approach `hard_target`.
    delta : float
        How far large clusters are held back: 0 not at all.
    """
    tiny = torch.finfo(q.dtype).tiny
    # in logarithms, since high powers of small numbers are 0 in a row that then cannot be summed
    logits = gamma * q.clamp_min(tiny).log() - delta * q.sum(0).clamp_min(tiny).log()
    return logits.softmax(1)


def hard_target(q: Tensor) -> Tensor:
    """One-hot rows (n, k) of the largest entry of each row."""
    return functional.one_hot(q.argmax(1), q.shape[1]).to(q.dtype)


def sinkhorn(scores: Tensor, epsilon: float = SINKHORN_EPSILON, rounds: int = 3) -> Tensor:
    """Rows (n, k) close to exp(scores / epsilon) that sum to 1 and fill all columns equally.

    Columns and rows are normalised in turn, rows last. Cuturi 2013; Caron et al. 2020, SwAV.

    Parameters
    ----------
    scores : Tensor
        Scores (n, k) of items for clusters.
    epsilon : float
        Small values give sharper rows.
    rounds : int
        Column masses are equal only after some dozens.
    """
    logits = scores / epsilon
    for _ in range(rounds):
        logits = logits - logits.logsumexp(0)
        logits = logits - logits.logsumexp(1, keepdim=True)
    return logits.exp()
