"""Which inputs the score of a cluster depends on, and whether such a map can be trusted."""

import copy
import math
import threading
import warnings
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from clustlab.types import Array

Kind = Literal["gradient", "integrated-gradients", "guided-backpropagation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STEPS = 128  # points of the path that integrated gradients look at

_one_at_a_time = threading.Lock()  # guided backpropagation hooks itself into the shared module


def saliency(scorer: nn.Module, x: Tensor, cluster: int, kind: Kind) -> Array:
    """Map (h, w) float32 of one image, or (d,) of one point, for the score of a cluster.

    `gradient` is the change of the score per unit of each input (Simonyan et al. 2014),
    `integrated-gradients` its mean on the straight way from black, or from the origin, times the
    input (Sundararajan et al. 2017), and `guided-backpropagation` a gradient that lets only
    positive parts through each ReLU (Springenberg et al. 2015). See `is_signed` for what happens
    to channels.

    Parameters
    ----------
    scorer : Module
        Scores (b, k) of a batch; each row must not depend on the others.
    x : Tensor
        A batch of one item, (1, c, h, w) or (1, d).
    cluster : int
        Column of the scores.
    """
    from captum.attr import GuidedBackprop, IntegratedGradients

    x = x.detach().clone().requires_grad_()
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its hooks at every call
        if kind == "gradient":
            (attribution,) = torch.autograd.grad(scorer(x)[0, cluster], x)
        elif kind == "guided-backpropagation":
            attribution = GuidedBackprop(scorer).attribute(x, target=cluster)
        elif kind == "integrated-gradients":
            attribution = IntegratedGradients(scorer).attribute(
                x, baselines=torch.zeros_like(x), target=cluster, n_steps=STEPS
            )
        else:
            raise ValueError(f"{kind!r} is not a kind of map; choose one of {', '.join(KINDS)}")
    return _flat(attribution.detach()[0], kind).float().cpu().numpy()


def is_signed(kind: Kind, channels: int) -> bool:
    """Whether a map tells for from against.

    Integrated gradients are summed over the channels, so that they still add up. Of the other two
    the largest size over the channels is taken, as its author did, if there is more than one.
    """
    return channels == 1 or kind == "integrated-gradients"


def _flat(attribution: Tensor, kind: Kind) -> Tensor:
    if attribution.ndim == 1:
        return attribution
    return attribution.sum(0) if is_signed(kind, len(attribution)) else attribution.abs().amax(0)


def completeness(scorer: nn.Module, x: Tensor, cluster: int, values: Array) -> tuple[float, float]:
    """What integrated gradients add up to, and what they should: the change of the score.

    The change is that from black, or the origin, to the item; the sum misses it by what the steps
    of the path leave out.
    """
    with torch.no_grad():
        ends = scorer(torch.cat((x, torch.zeros_like(x))))[:, cluster]
    return float(values.sum()), float(ends[0] - ends[1])


def randomised(scorer: nn.Module, seed: int = 0) -> nn.Module:
    """Copy of a scorer whose weights are drawn anew: a map that stays the same says nothing of it.

    Each tensor of weights, centres or directions is drawn from a normal distribution of its own
    mean and spread, so that scores keep their size. Adebayo et al. 2018, section 3.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = copy.deepcopy(scorer)
    with torch.no_grad():
        for weights in drawn.parameters():
            noise = torch.randn(weights.shape, generator=generator).to(weights)
            deviation = weights.std(correction=0)
            weights.copy_(weights.mean() + deviation * noise)
    return drawn


def similarity(first: Array, second: Array) -> float:
    """Rank correlation in [-1, 1] of the sizes of two maps, where not both are 0.

    nan if one of them is flat there. Black pixels have no integrated gradient whatever the
    weights are, which would make any two such maps alike.
    """
    from scipy.stats import spearmanr

    a, b = np.abs(first).ravel(), np.abs(second).ravel()
    there = (a > 0) | (b > 0)
    a, b = a[there], b[there]
    if not len(a) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(spearmanr(a, b).statistic)
