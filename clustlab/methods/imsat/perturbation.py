"""Small changes of items, random or the worst of their size, and what they do to the answers.

Virtual adversarial training, Miyato et al. 2016.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def change_divergences(before: Tensor, after: Tensor) -> Tensor:
    """KL(p || p') of each row of scores before and after a change, (n,) in nats.

    No gradient reaches the scores before the change: else both sides would drift to meet.

    Parameters
    ----------
    before, after : Tensor
        Scores (n, k) of the items and of their changed copies.
    """
    log_p = before.detach().log_softmax(1)
    return (log_p.exp() * (log_p - after.log_softmax(1))).sum(1)


def unit(direction: Tensor) -> Tensor:
    """Each item of a batch (b, ...) scaled to length 1, however short it is; 0 stays 0."""
    flat = direction.flatten(1)
    # by the largest entry first, since squares of very small gradients vanish
    largest = flat.abs().amax(1, keepdim=True)
    flat = flat / torch.where(largest > 0, largest, torch.ones_like(largest))
    length = flat.norm(dim=1, keepdim=True)
    return (flat / torch.where(length > 0, length, torch.ones_like(length))).view_as(direction)


def adversarial_direction(
    network: nn.Module, x: Tensor, scores: Tensor, start: Tensor, probe: float | Tensor
) -> Tensor:
    """Directions of length 1 in which the answers change most, (b, *shape), found in one step.

    The gradient of the divergence at a short way into the start direction points there. It is
    taken with respect to the way alone; the gradients of the weights stay as they are.

    Parameters
    ----------
    network : Module
        From items to scores (b, k).
    x, scores : Tensor
        Items (b, *shape) and their scores.
    start : Tensor
        Directions of length 1 to start from.
    probe : float or Tensor
        Length of that way.
    """
    with torch.enable_grad():
        way = (probe * start).detach().requires_grad_()
        divergence = change_divergences(scores, network(x + way)).sum()
        (slope,) = torch.autograd.grad(divergence, way)
    return unit(slope)


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Inside, BatchNorm of a network in training uses the batch and leaves its averages alone.

    Changed items must not enter the averages with which unchanged ones are judged later.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
