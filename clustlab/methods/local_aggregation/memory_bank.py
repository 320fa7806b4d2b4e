"""A memory of one direction per item, and what Local Aggregation asks of it."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clustlab.types import Artefact

BINS, SLACK = 40, 1e-4  # bars of similarities; rounding may take one out of [-1, 1]


class Close(NamedTuple):
    """Background neighbours of some items, and which of them are close."""

    background: Tensor  # (b, n_background) int64, row numbers in the bank, most similar first
    scores: Tensor  # (b, n_background), products with the rows of the bank
    close: Tensor  # (b, n_background) bool
    votes: Tensor  # (b, n_background) int64, clusterings that put both into one cluster


def neighbourhood(
    v: Tensor, index: Tensor, memory_bank: Tensor, tables: Tensor, n_background: int
) -> Close:
    """Background and close neighbours of some items. Zhuang et al. 2019, section 3.

    Background are the most similar rows of the bank. Close are those of them that share a cluster
    with the item in at least one clustering. The row of the item itself is always among them: if
    it is not similar enough any more, it takes the place of the least similar.

    Parameters
    ----------
    v : Tensor
        Directions (b, d) of the items as they are now, rows of length 1.
    index : Tensor
        Row numbers (b,) of the items in the bank.
    memory_bank : Tensor
        Directions (n, d) of all items, rows of length 1.
    tables : Tensor
        Clusters (clusterings, n) int64 of all items.
    n_background : int
        How many background neighbours, at most n.
    """
    memory_bank, tables = memory_bank.detach(), tables.long()
    products = v @ memory_bank.to(v.dtype).T
    background = products.detach().topk(min(n_background, len(memory_bank)), dim=1).indices
    lost = ~(background == index[:, None]).any(1)
    background[:, -1] = torch.where(lost, index, background[:, -1])
    votes = (tables[:, background] == tables[:, index][:, :, None]).sum(0)
    return Close(background, products.gather(1, background), votes > 0, votes)


def local_aggregation_loss(neighbours: Close, temperature: float = 0.07) -> Tensor:
    """Mean of -ln of the share of the close among the background, a scalar in nats, at least 0.

    Zhuang et al. 2019, section 3; what all probabilities are divided by cancels.

    Parameters
    ----------
    neighbours : Close
        What `neighbourhood` returned; every item must have at least one close neighbour.
    temperature : float
        Small values look at the most similar rows only.
    """
    scores = neighbours.scores / temperature
    close = scores.masked_fill(~neighbours.close, -math.inf)
    return (scores.logsumexp(1) - close.logsumexp(1)).mean()


def instance_loss(
    v: Tensor, index: Tensor, memory_bank: Tensor, temperature: float = 0.07
) -> Tensor:
    """Cross-entropy of finding the own row among all rows of the bank, a scalar in nats.

    Wu et al. 2018, eq. 2, over all rows instead of a sample, so that nothing is estimated.

    Parameters
    ----------
    v, index, memory_bank, temperature
        See `neighbourhood` and `local_aggregation_loss`.
    """
    scores = v @ memory_bank.detach().to(v.dtype).T / temperature
    return functional.cross_entropy(scores, index)


def remember(memory_bank: Tensor, index: Tensor, v: Tensor, keep: float = 0.5) -> None:
    """Move rows of the bank towards new directions and back to length 1, in place.

    Parameters
    ----------
    memory_bank : Tensor
        Directions (n, d), rows of length 1.
    index : Tensor
        Row numbers (b,), each at most once.
    v : Tensor
        New directions (b, d); no gradient passes.
    keep : float
        Weight of what is there; 0 forgets it.
    """
    mixed = keep * memory_bank[index] + (1 - keep) * v.detach().to(memory_bank.dtype)
    memory_bank[index] = functional.normalize(mixed, dim=1)


def similarities(v: Tensor, memory_bank: Tensor, around: Close) -> Artefact:
    """Bars of how similar items (b, d) are to all rows of the bank, by the kind of neighbour."""
    products = (v @ memory_bank.to(v.dtype).T, around.scores, around.scores[around.close])
    whole, background, close = (torch.histc(x, BINS, -1 - SLACK, 1 + SLACK) for x in products)
    counts = torch.stack((close, background - close, whole - background))
    return Artefact(
        "bars",
        (counts / counts.sum(1, keepdim=True).clamp_min(1)).cpu().numpy(),
        "Similarity to close, other background and all further items",
        reading="Cosines, shares of each kind. Training moves close neighbours to the right and "
        "other background to the left.",
        rows=("close", "other background", "further away"),
        columns=tuple(f"{middle:+.2f}" for middle in np.linspace(-1, 1, 2 * BINS + 1)[1::2]),
    )
