"""Entropies of cluster probabilities, and how a method shows them."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from clustlab.types import Array, Artefact


def row_entropies(p: Tensor) -> Tensor:
    """Entropy of each row of probabilities (n, k) in nats, (n,), between 0 and ln k."""
    tiny = torch.finfo(p.dtype).tiny  # keeps the gradient of 0 ln 0 finite
    return -(p * p.clamp_min(tiny).log()).sum(1)


def marginal_entropy(p: Tensor) -> Tensor:
    """H(y), entropy of the mean row of probabilities (n, k) in nats, a scalar up to ln k.

    It is largest if all clusters are equally full, and 0 if all items are in one.
    """
    return row_entropies(p.mean(0, keepdim=True))[0]


def conditional_entropy(p: Tensor) -> Tensor:
    """H(y|x), mean entropy of the rows of probabilities (n, k) in nats, a scalar; 0 if all sure."""
    return row_entropies(p).mean()


def entropy_scalars(p: Tensor) -> dict[str, float]:
    """The two entropies of all items (n, k) by name, their difference, and the most it can be."""
    marginal, conditional = float(marginal_entropy(p)), float(conditional_entropy(p))
    return {
        "marginal_entropy": marginal,
        "conditional_entropy": conditional,
        "mutual_information": marginal - conditional,
        "mutual_information_ceiling": math.log(p.shape[1]),
    }


def entropy_artefacts(p: Tensor, scalars: Mapping[str, float]) -> dict[str, Artefact]:
    """The pair of entropies beside ln k, shares of the clusters, and the doubt of each item."""
    names = ("marginal_entropy", "conditional_entropy", "mutual_information_ceiling")
    pair = np.array([[scalars[name] for name in names]], np.float32)
    return {
        "entropies": Artefact(
            "bars",
            pair,
            "Entropy pair",
            "H(y) at ln k: all clusters equally full. H(y|x) at 0: every answer is sure.",
            rows=("nats",),
            columns=("H(y)", "H(y|x)", "ln k"),
        ),
        "shares": Artefact(
            "bars",
            _numpy(p.mean(0)[None]),
            "Share of each cluster",
            "Mean probability over all items; equal bars are what H(y) rewards.",
            rows=("share",),
            cluster_axes=(1,),
        ),
        "doubt": Artefact(
            "per_item",
            _numpy(row_entropies(p)[:, None]),
            "Doubt",
            "Entropy of the probabilities of an item: high ones lie on a border between clusters.",
            columns=("entropy",),
        ),
    }


def _numpy(values: Tensor) -> Array:
    array: Array = values.detach().float().cpu().numpy()
    return array
