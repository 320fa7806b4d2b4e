"""Several heads on the same features, each with its own division into clusters."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from clustlab.parts.clustering.agreement import agreement_of
from clustlab.parts.hooks.output_units import Units
from clustlab.types import Artefact


class Heads(nn.Module):
    """Cluster probabilities (n_heads, b, n_clusters) of features (b, width), one softmax per head.

    The heads share nothing but the features and differ by the draw of their first weights. They
    are one linear layer, so that many of them cost hardly more than one.

    Parameters
    ----------
    width : int
        Number of features.
    n_heads : int
        Number of heads.
    n_clusters : int
        Number of clusters k of each head.
    """

    def __init__(self, width: int, n_heads: int, n_clusters: int) -> None:
        super().__init__()
        self.n_heads, self.n_clusters = n_heads, n_clusters
        self.linear = nn.Linear(width, n_heads * n_clusters)

    def forward(self, features: Tensor) -> Tensor:
        """Probabilities (n_heads, b, n_clusters), rows sum to 1."""
        scores = self.linear(features).view(-1, self.n_heads, self.n_clusters)
        # in half precision the rows would not sum to 1
        return scores.float().softmax(-1).transpose(0, 1)

    def units(self, head: int, encoder: nn.Module, features: Callable[[], Tensor]) -> Units:
        """What users change of one head.

        Parameters
        ----------
        encoder : Module
            From items to features.
        features : callable
            Gives those of all items, (n, width).
        """
        k = self.n_clusters
        rows = slice(head * k, (head + 1) * k)

        def log_probabilities(x: Tensor) -> Tensor:
            return self.linear(encoder(x))[:, rows].float().log_softmax(1)

        weight, offset = self.linear.weight.detach()[rows], self.linear.bias.detach()[rows]
        return Units(weight, offset, features, log_probabilities)


def head_agreement(p: Tensor) -> dict[str, float]:
    """Mean NMI of the assignments of all pairs of heads, in [0, 1], under its name; no pair, none.

    1 means that all heads divide the items alike, whatever the numbers of their clusters; near 0,
    one head tells nothing of another. No label is needed.

    Parameters
    ----------
    p : Tensor
        Cluster probabilities (n_heads, n, k) of all items.
    """
    n_heads, _, k = p.shape
    if n_heads < 2:
        return {}
    numbers = p.argmax(2)
    pairs = combinations(numbers, 2)
    tables = torch.stack([torch.bincount(a * k + b, minlength=k * k) for a, b in pairs])
    counts = tables.view(-1, k, k).cpu().numpy()
    return {"head_agreement": float(np.mean([agreement_of(table) for table in counts]))}


def self_label_loss(p: Tensor, pseudo_labels: Tensor, confident: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of -ln p of the pseudo-labels of confident items, a scalar; 0 if none is.

    Van Gansbeke et al. 2020, section 2.3. Weights of one over the size of a cluster give every
    cluster the same say, see `balance.inverse_size_weights`.

    Parameters
    ----------
    p : Tensor
        Cluster probabilities (n, k) of changed copies of items.
    pseudo_labels : Tensor
        Clusters (n,) of the unchanged items, int64.
    confident : Tensor
        Which of the items (n,) count as confident, bool.
    weight : Tensor
        Weight of each cluster, (k,), by whose sum over the items the loss is divided.
    """
    tiny = torch.finfo(p.dtype).tiny
    log_p = p.gather(1, pseudo_labels[:, None])[:, 0].clamp_min(tiny).log()
    weights = weight[pseudo_labels] * confident  # all rows, since picking some waits for a GPU
    return -(weights * log_p).sum() / weights.sum().clamp_min(tiny)  # 0 if nobody is confident


def loss_bars(losses: list[float], chosen: int) -> Artefact:
    """Bars of the losses of several heads, the chosen one marked."""
    return Artefact(
        "bars",
        np.array([losses], np.float32),
        "Loss of each head on the whole set",
        "The lowest bar is the head whose clusters are shown; gaps below 0.01 mean nothing.",
        rows=("loss",),
        columns=tuple(str(i + 1) for i in range(len(losses))),
        marked=(chosen,),
    )


def confidence_artefacts(p: Tensor, confident: Tensor) -> dict[str, Artefact]:
    """How sure the answers are: the share of confident items by cluster, and the sureness of each.

    Parameters
    ----------
    p : Tensor
        Cluster probabilities (n, k).
    confident : Tensor
        Which of the items (n,) count as confident, bool.
    """
    k, assignments = p.shape[1], p.argmax(1)
    sizes, sure = (torch.bincount(a, minlength=k) for a in (assignments, assignments[confident]))
    return {
        "confident": Artefact(
            "bars",
            (sure / sizes.clamp_min(1))[None].cpu().numpy(),
            "Share of confident items by cluster",
            "Low bars are doubtful clusters; only confident items label themselves.",
            rows=("share",),
            cluster_axes=(1,),
        ),
        "confidence": Artefact(
            "per_item",
            p.amax(1)[:, None].cpu().numpy(),
            "Largest probability of each item",
            "Items to the right of the threshold count as confident.",
            columns=("largest probability",),
        ),
    }
