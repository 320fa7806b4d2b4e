"""How far each item is from its neighbours: the scale on which it may be changed."""

import numpy as np
import torch
from torch import Tensor

from clustlab.context import Context
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.passes import pass_size


def neighbour_distances(inputs: Inputs, n_neighbors: int, ctx: Context) -> Tensor:
    """Distance of each item to its k-th nearest other item, (n,) float32, in units of the input.

    Exact, block by block, so that neither all items as floats nor all distances are held at once.
    An item is not its own neighbour. With k or fewer items the farthest one counts.

    Parameters
    ----------
    inputs : Inputs
        The whole set.
    n_neighbors : int
        Which neighbour counts, k.
    """
    n, size = len(inputs), pass_size(inputs.shape)
    k = min(n_neighbors, n - 1)
    blocks = [np.arange(start, min(start + size, n)) for start in range(0, n, size)]
    squared_distances = []
    for rows in blocks:
        x = inputs[rows].flatten(1)
        norms = x.square().sum(1, keepdim=True)
        nearest = x.new_full((len(rows), k), float("inf"))
        for others in blocks:
            ctx.poll()
            y = x if others is rows else inputs[others].flatten(1)
            squares = torch.addmm(y.square().sum(1), x, y.T, alpha=-2).add_(norms)
            if others is rows:
                squares.fill_diagonal_(float("inf"))
            candidates = torch.cat((nearest, squares), 1)
            nearest = candidates.topk(k, dim=1, largest=False).values
        squared_distances.append(nearest[:, -1] if k else x.new_zeros(len(rows)))
    return torch.cat(squared_distances).clamp_min_(0).sqrt_()
