"""UMAP: a fuzzy graph of nearest neighbours, and points that are laid out after it.

Written out here instead of called from umap-learn, so that a layout can be watched, stopped,
resumed to the bit and done on the device of the data, without waiting for umap-learn to compile.
The graph is the same; the layout draws its edges in batches instead of one after the other, and
is as good: tests hold both against umap-learn, which draws the maps of the pages.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.optimize import curve_fit
from torch import Tensor

from clustlab import params
from clustlab.context import Context
from clustlab.parts.clustering.neighbour_graph import nearest
from clustlab.parts.inputs.pca import principal
from clustlab.types import Array

BISECTIONS, CLOSE = 64, 1e-5
NARROWEST = 1e-3  # least width of a neighbourhood, as a share of the mean distance in it
REPELLED = 5  # random items that each drawn edge pushes away from
LONGEST = 4.0  # step of a coordinate at most, before the step size
LONG, SHORT, FEW_ITEMS = 500, 200, 10_000  # epochs of few and of more items
START = 10.0  # side of the box of first points
JITTER = 1e-3  # of the first points, so that equal items can part

Graph = Any  # scipy.sparse.csr_array (n, n) float32, symmetric, entries in (0, 1]


def neighborhood() -> Any:
    """Setting: how many items are the neighbourhood of an item."""
    return params.param(
        20,
        low=2,
        high=200,
        help="Items that count as the neighbourhood of an item. Fewer show smaller islands.",
        of_items=params.ALL_NEIGHBOURS,
    )


def layout_epochs() -> Any:
    """Setting: epochs of a layout; None for those of `usual_epochs`."""
    return params.param(
        SHORT,
        low=1,
        high=5000,
        log=True,
        none_word="auto",
        help="How often the layout passes over the edges. 'auto' is 500 up to 10,000 items and 200 "
        "for more, as in the authors' code.",
    )


def widths(distances: Array) -> tuple[Array, Array]:
    """Distance to the nearest neighbour rho (n,), and width sigma (n,) of each neighbourhood.

    Such that the sum over the k neighbours of exp(-max(0, d - rho) / sigma) is log2(k + 1).
    McInnes, Healy and Melville 2018, algorithm 3.

    Parameters
    ----------
    distances : array
        (n, k) to the nearest neighbours without oneself, rising.
    """
    d = distances.astype(np.float64)
    n, k = d.shape
    rho = np.where(d > 0, d, np.inf).min(1)
    rho = np.where(np.isfinite(rho), rho, 0.0)
    beyond = np.maximum(d - rho[:, None], 0)
    low, high, middle = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(BISECTIONS):
        total = np.exp(-beyond / middle[:, None]).sum(1)
        moving = np.abs(total - np.log2(k + 1)) >= CLOSE
        above = total > np.log2(k + 1)
        high = np.where(moving & above, middle, high)
        low = np.where(moving & ~above, middle, low)
        half = np.where(np.isinf(high), 2 * middle, (low + high) / 2)
        middle = np.where(moving, half, middle)
    # the mean counts oneself, as in the authors' code
    least = np.where(rho > 0, d.sum(1) / (k + 1), d.sum() / (n * (k + 1)))
    return rho, np.maximum(middle, NARROWEST * least)


def fuzzy_graph(neighbours: Array, distances: Array) -> Graph:
    """Strength in (0, 1] with which two items are neighbours: that one or the other says so.

    McInnes, Healy and Melville 2018, section 3.1.

    Parameters
    ----------
    neighbours : array of int
        (n, k) without oneself.
    distances : array
        (n, k), rising.
    """
    n, k = neighbours.shape
    rho, sigma = widths(distances)
    beyond = np.maximum(distances - rho[:, None], 0)
    safe = np.maximum(sigma, np.finfo(np.float64).tiny)[:, None]
    weights = np.where(beyond > 0, np.exp(-beyond / safe), 1.0)
    ends = np.arange(0, n * k + 1, k)
    arrows = sparse.csr_array((weights.ravel(), neighbours.ravel(), ends), shape=(n, n))
    other = sparse.csr_array(arrows.T)
    graph = sparse.csr_array(arrows + other - arrows * other)
    return graph.astype(np.float32)


def usual_epochs(n: int) -> int:
    """Epochs of a layout of n items that umap-learn takes if it is not told how many."""
    return LONG if n <= FEW_ITEMS else SHORT


def curve(min_dist: float) -> tuple[float, float]:
    """A and b of 1 / (1 + a d^(2b)), close to 1 up to min_dist and exp(min_dist - d) beyond."""
    d = np.linspace(0, 3, 300)
    wanted = np.where(d < min_dist, 1.0, np.exp(-(d - min_dist)))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), d, wanted)
    return float(a), float(b)


def boxed(z: Tensor) -> Tensor:
    """Rows (n, d) with every coordinate stretched from 0 to 10, where layouts start."""
    low, high = z.amin(0), z.amax(0)
    return START * (z - low) / (high - low).clamp_min(torch.finfo(z.dtype).tiny)


def first_points(z: Tensor, n_dimensions: int, ctx: Context) -> Tensor:
    """Where layouts of the rows (n, d) start: their principal components in a box, (n, m) float32.

    Every point is moved by a hair, since two in one place would neither pull nor push each other.
    """
    components = principal(z, n_dimensions)
    noise = torch.from_numpy(ctx.rng.standard_normal((len(z), n_dimensions)))
    points = components.new_zeros(len(z), n_dimensions)
    points[:, : components.shape[1]] = boxed(components)  # few items have fewer components
    return points + JITTER * noise.to(points)


@dataclass(frozen=True)
class Layout:
    """What is needed to lay out n points; positions are the caller's to keep.

    Parameters
    ----------
    head, tail : Tensor
        (m,) int64, the two ends of each edge; each pair of neighbours is there both ways.
    rate : Tensor
        (m,) float64 in (0, 1], how often an epoch draws the edge.
    n : int
        Number of points.
    a, b : float
        See `curve`.
    """

    head: Tensor
    tail: Tensor
    rate: Tensor
    n: int
    a: float
    b: float

    def epoch(self, points: Tensor, done: int, step: float, ctx: Context) -> None:
        """Move points (n, d) in place: each edge that is due pulls, and pushes from random items.

        McInnes, Healy and Melville 2018, algorithm 5. Edges are drawn in batches, in which every
        point has one edge on average, since the pulls of one batch do not know of each other.

        Parameters
        ----------
        done : int
            Epochs before this one, which say which edges are due.
        step : float
            Step size.
        """
        due = ((done + 1) * self.rate).floor() > (done * self.rate).floor()
        edges = due.nonzero()[:, 0].cpu().numpy()
        for edge in ctx.slices(ctx.rng.permutation(edges), max(1, self.n // 2)):
            head, tail = self.head[edge], self.tail[edge]
            pull = self._pull(points[head] - points[tail])
            drawn = ctx.rng.integers(self.n, size=(len(edge), REPELLED))
            strangers = torch.from_numpy(drawn).to(points.device)
            push = self._push(points[head][:, None] - points[strangers]).sum(1)
            points.index_add_(0, head, step * (pull + push))
            points.index_add_(0, tail, -step * pull)

    def _pull(self, difference: Tensor) -> Tensor:
        """Step (m, d) towards the neighbour from differences to it."""
        squares = difference.square().sum(-1, keepdim=True)
        tiny = torch.finfo(squares.dtype).tiny
        powers = squares.clamp_min(tiny) ** self.b
        factor = -2 * self.a * self.b * powers / squares.clamp_min(tiny) / (self.a * powers + 1)
        return (torch.where(squares > 0, factor, 0.0) * difference).clamp(-LONGEST, LONGEST)

    def _push(self, difference: Tensor) -> Tensor:
        """Step (m, REPELLED, d) away from others from differences to them."""
        squares = difference.square().sum(-1, keepdim=True)
        factor = 2 * self.b / ((0.001 + squares) * (self.a * squares**self.b + 1))
        return (factor * difference).clamp(-LONGEST, LONGEST)


def layout_of(z: Tensor, n_neighbors: int, min_dist: float, epochs: int, ctx: Context) -> Layout:
    """Layout of the rows (n, d) of a space, by exact neighbours, for so many epochs.

    Parameters
    ----------
    n_neighbors : int
        Size of a neighbourhood, oneself included.
    min_dist : float
        How close neighbours may get.
    """
    near, distances = nearest(z - z.mean(0), z - z.mean(0), n_neighbors - 1, ctx, same=True)
    ctx.poll()
    graph = fuzzy_graph(near.cpu().numpy(), distances.cpu().numpy()).tocoo()
    rate = graph.data.astype(np.float64) / max(float(graph.data.max(initial=0.0)), 1e-12)
    kept = rate >= 1 / epochs  # the others would never be drawn
    head, tail = (torch.from_numpy(axis[kept].astype(np.int64)) for axis in graph.coords)
    a, b = curve(min_dist)
    rates = torch.from_numpy(rate[kept])
    return Layout(head.to(z.device), tail.to(z.device), rates, len(z), a, b)
