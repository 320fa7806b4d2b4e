"""Entropies of cluster probabilities, and how a method shows them."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from clustlab.parts.losses.simplex import joint_probabilities
from clustlab.types import Array, Artefact


def row_entropies(p: Tensor) -> Tensor:
    """Entropy of each row of probabilities (..., k) in nats, (...), between 0 and ln k."""
    tiny = torch.finfo(p.dtype).tiny  # keeps the gradient of 0 ln 0 finite
    return -(p * p.clamp_min(tiny).log()).sum(-1)


def marginal_entropy(p: Tensor) -> Tensor:
    """H(y), entropy of the mean row of probabilities (..., n, k) in nats, (...), up to ln k.

    It is largest if all clusters are equally full, and 0 if all items are in one.
    """
    return row_entropies(p.mean(-2))


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
            "Entropy of the probabilities of each item: where it is high, the item lies on a "
            "border between clusters.",
            columns=("entropy",),
        ),
    }


def _numpy(values: Tensor) -> Array:
    array: Array = values.detach().float().cpu().numpy()
    return array


def joint_artefacts(p: Tensor, p_prime: Tensor) -> dict[str, Artefact]:
    """Joint matrix of the answers (n, k) to items and to changed copies, and its marginals."""
    joint = joint_probabilities(p, p_prime)
    return {
        "joint": Artefact(
            "matrix",
            joint.cpu().numpy(),
            "Joint matrix P of the chosen head",
            "Cell (i, i): share of all pairs of an image and its changed copy that lie in cluster "
            "i. Pairs in two clusters are split evenly between (i, j) and (j, i). All mass on the "
            "diagonal, evenly spread, is the best there is.",
            cluster_axes=(0, 1),
            axis_titles=("cluster of one of a pair", "cluster of the other"),
        ),
        "marginals": Artefact(
            "bars",
            joint.sum(0)[None].cpu().numpy(),
            "Share of each cluster",
            "Equal bars mean equally full clusters, which the loss rewards.",
            rows=("share",),
            cluster_axes=(1,),
        ),
    }


def overlap(over: Tensor, p: Tensor) -> dict[str, Artefact]:
    """Where the fine clusters (n, k_over) of an auxiliary head lie; nothing if there are none."""
    if not over.shape[1]:
        return {}
    table = over.T @ p / len(over)  # (k_over, k)
    return {
        "parts": Artefact(
            "matrix",
            table.float().cpu().numpy(),
            "Fine clusters of an auxiliary head within the clusters",
            "A row with one strong cell is a style within one cluster; one with two strong cells "
            "straddles two.",
            cluster_axes=(1,),
            axis_titles=("fine cluster", "cluster"),
        )
    }
