"""Contrastive learning: find the copy of an item, or of a cluster, among all the others."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab.context import Context
from clustlab.parts.hooks.output_units import Units
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.autoencoder import mlp
from clustlab.parts.networks.passes import embed

# No change of tint and no inversion: on digits, where ink alone tells, they lead to collapse.
VIEWS = Augmentation(
    crop=0.25,
    rotation=20,
    shift=0.1,
    scale=0.15,
    shear=0.3,
    brightness=0.4,
    contrast=0.4,
    noise=0.1,
)
SHORTEST = 1e-6  # length below which a row is not stretched to length 1: its direction is rounding


def nt_xent(z: Tensor, z_prime: Tensor, temperature: float = 0.5) -> Tensor:
    """Normalised temperature-scaled cross-entropy, a scalar in nats, at least 0.

    Each of the 2n rows has to find its counterpart among the 2n - 1 others by cosine. Guessing
    costs ln(2n - 1). Chen et al. 2020, SimCLR, eq. 1; with the columns of cluster probabilities
    as rows it is the cluster-level loss of Li et al. 2021, eq. 5 and 6.

    Parameters
    ----------
    z, z_prime : Tensor
        Rows (n, d) in the same order; their length does not matter.
    temperature : float
        Small values look at the most similar of the others only.
    """
    n = len(z)
    both = torch.cat((z, z_prime))
    both = both if both.dtype == torch.float64 else both.float()
    both = functional.normalize(both, dim=1, eps=SHORTEST)
    scores = both @ both.T / temperature
    itself = torch.eye(2 * n, dtype=torch.bool, device=both.device)
    partner = torch.arange(2 * n, device=both.device).roll(n)
    return functional.cross_entropy(scores.masked_fill(itself, -torch.inf), partner)


def imbalance(p: Tensor) -> Tensor:
    """Distance of the mean cluster probabilities from an even division, ln K - H, in [0, ln K].

    A scalar in nats; finite, with its gradient, where a cluster is empty. Li et al. 2021, eq. 6.

    Parameters
    ----------
    p : Tensor
        Cluster probabilities (n, k).
    """
    mean = p.mean(0)
    tiny = torch.finfo(p.dtype).tiny  # 0 ln 0 would be no number
    return math.log(p.shape[1]) + (mean * mean.clamp_min(tiny).log()).sum()


def cluster_contrast(p: Tensor, p_prime: Tensor, temperature: float = 1.0) -> Tensor:
    """Loss of telling clusters apart by the items they hold, a scalar in nats.

    Each of the 2k columns has to find the same cluster in the other table. Li et al. 2021,
    eq. 4 and 5.

    Parameters
    ----------
    p, p_prime : Tensor
        Cluster probabilities (n, k) of two copies of the same items, in the same order.
    temperature : float
        Small values look at the most similar of the other clusters only.
    """
    return nt_xent(p.T, p_prime.T, temperature)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine (n, m) of every row of one matrix (n, d) with every row of another (m, d)."""
    rows, others = (functional.normalize(x.float(), dim=1, eps=SHORTEST) for x in (a, b))
    return rows @ others.T


class Projection(nn.Sequential):
    """Two linear layers from features to the space where items are compared, (b, width)."""

    def __init__(self, n_features: int, hidden: int, width: int) -> None:
        super().__init__(*mlp((n_features, hidden, width)))

    def units(self, encoder: nn.Module, inputs: Inputs, ctx: Context) -> Units:
        """What users change, where a softmax of what comes out, (b, k), gives the clusters.

        Parameters
        ----------
        encoder : Module
            From items (b, *shape) to what comes in, (b, d).
        inputs : Inputs
            The whole set.
        """
        *inner, end = self
        hidden, last = nn.Sequential(encoder, *inner), cast("nn.Linear", end)
        return Units(
            last.weight.detach(),
            last.bias.detach(),
            lambda: embed(hidden, inputs, ctx),
            lambda x: self(encoder(x)).float().log_softmax(1),
        )
