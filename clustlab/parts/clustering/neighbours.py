"""Which items are most similar to which, and a sheet of images that shows it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.parts.clustering import neighbour_graph
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.stages.autoencoding import to_images
from clustlab.types import Array, Artefact

COLUMNS = 12  # neighbours on a sheet


def nearest(z: Tensor, n_neighbors: int, ctx: Context) -> Tensor:
    """Row numbers (n, min(n_neighbors, n - 1)) int64 of the most similar others, best first.

    Similar means a large cosine. An item is never its own neighbour, not even if others are equal
    to it.

    Parameters
    ----------
    z : Tensor
        Rows (n, d); their length does not matter.
    n_neighbors : int
        How many to find for each row.
    """
    # among rows of length 1 the squared distance is 2 - 2 cos: the nearest are the most similar
    directions = functional.normalize(z.float(), dim=1)
    return neighbour_graph.nearest(directions, directions, n_neighbors, ctx, same=True)[0]


def sheet(inputs: Inputs, table: Sequence[Sequence[int]]) -> Array:
    """Images (rows, columns, h, w, c) uint8 of the items in a table of row numbers.

    Rows may differ in length: what is missing is black.

    Parameters
    ----------
    inputs : Inputs
        All items, which must be images.
    table : sequence of sequences of int
        Which items to show.
    """
    c, h, w = inputs.shape
    columns = max((len(row) for row in table), default=0)
    grid = np.zeros((len(table), columns, h, w, c), np.uint8)
    for i, row in enumerate(table):
        if len(row):
            grid[i, : len(row)] = to_images(inputs[np.asarray(row, np.int64)])
    return grid


def shown_items(n: int, how_many: int, rng: np.random.Generator) -> Array:
    """Row numbers, in order, of a few items that are looked at all along."""
    return np.sort(rng.choice(n, min(n, how_many), replace=False))


def chosen_first(chosen: int | None, drawn: Array, n: int) -> Array:
    """Row numbers of the items to be shown, as many as were drawn, that of the user in front.

    Raises
    ------
    ParameterError
        If there is no such item.
    """
    if chosen is None:
        return drawn
    if chosen >= n:
        raise ParameterError(
            f"shown_item must be less than the number of items, got {chosen} for {n} items.",
            "Items are numbered from 0: choose one that exists, or none.",
        )
    return np.array([chosen, *drawn[drawn != chosen]], np.int64)[: len(drawn)]


def neighbour_sheet(inputs: Inputs, shown: Array, table: Tensor) -> Artefact:
    """Sheet of some items (rows of the table of neighbours (n, m)), each before its neighbours."""
    neighbours = table[torch.from_numpy(shown).to(table.device)][:, :COLUMNS]
    rows = np.column_stack((shown, neighbours.cpu().numpy()))
    return Artefact(
        "images",
        sheet(inputs, rows.tolist()),
        "Neighbours of some images",
        "Each image with those that resemble it most, best first. Where a row mixes classes, so "
        "will the clusters.",
        rows=tuple(f"item {i}" for i in shown),
        columns=("item", *map(str, range(1, rows.shape[1]))),
        marked=(0,),
    )
