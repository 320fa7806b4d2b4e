"""A part of the items to stand for all, for methods that compare every item with every other."""

import torch
from torch import Tensor

from clustlab import params
from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.clustering.neighbour_graph import nearest
from clustlab.types import Array


def max_items() -> int:
    """Greatest number of items compared with each other, in one wording for all methods."""
    setting: int = params.param(
        10_000,
        low=100,
        high=50_000,
        log=True,
        advanced=True,
        caps_items=True,
        help="Beyond this number a random sample of the items is clustered, and every other item "
        "follows its nearest neighbours in the sample. Time and memory grow with its square.",
    )
    return setting


def check_enough_compared(n: int, limit: int, n_clusters: int) -> None:
    """Nothing, if n items, of which at most `limit` are compared, can fill this many clusters.

    Raises
    ------
    ParameterError
        If they cannot; it names the setting that has to be changed.
    """
    check_enough_items(n, n_clusters)
    if limit < n_clusters:
        raise ParameterError(
            f"max_items must be at least n_clusters, got {limit} for {n_clusters}.",
            "Raise max_items or lower n_clusters.",
        )


def sample(n: int, limit: int, ctx: Context) -> tuple[Tensor, Tensor]:
    """Rising row numbers (m,) of a random part of n items, at most `limit`, and those of the rest.

    Nothing is drawn if there are no more items than that.
    """
    rows = torch.arange(n)
    if n <= limit:
        return rows.to(ctx.device), rows[:0].to(ctx.device)
    inside = torch.zeros(n, dtype=torch.bool)
    inside[torch.from_numpy(ctx.rng.choice(n, limit, replace=False))] = True
    return rows[inside].to(ctx.device), rows[~inside].to(ctx.device)


def owners(z: Tensor, inside: Tensor, outside: Tensor, ctx: Context) -> Array:
    """Place in `inside` (n,) int64 of each item itself or, if it lies outside, of the nearest one.

    Parameters
    ----------
    z : Tensor
        (n, d) float32.
    inside, outside : Tensor
        From `sample`.
    """
    owner = torch.empty(len(z), dtype=torch.long, device=z.device)
    owner[inside] = torch.arange(len(inside), device=z.device)
    owner[outside] = nearest(z[outside], z[inside], 1, ctx)[0].flatten()
    places: Array = owner.cpu().numpy()
    return places
