"""Binary trees that items run down: every inner node sends a share of an item to either side.

Nodes stand in heap order: the root is 0, and node u has the children 2u + 1 on its left and
2u + 2 on its right. So level t is the 2^t nodes from 2^t - 1 on, and leaf 0 is the one always on
the left. Znaleźniak et al. 2023, section 3.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab.context import Context
from clustlab.parts.inputs.network_input import Inputs
from clustlab.types import Array, Artefact

SIDES = str.maketrans("01", "LR")
DRAWN_LEVELS = 4  # of mean images: a row of 16 fits
PASS = 2000  # items at once


def level_scores(scores: Tensor) -> list[Tensor]:
    """Logarithm of the probability of every node, (b, 2^t) for each level t = 1, 2, ...

    The entries of a level sum to 1 as probabilities. As logarithms, since a product of several
    small probabilities would be 0 and have no gradient.

    Parameters
    ----------
    scores : Tensor
        (b, 2^depth - 1) of the inner nodes in heap order; the sigmoid is the share that goes left.
    """
    reached = scores.new_zeros(scores.shape[0], 1)  # not len: `export-model` leaves it open
    levels = []
    while reached.shape[1] <= scores.shape[1]:
        width = reached.shape[1]
        here = scores[:, width - 1 : 2 * width - 1]
        left, right = functional.logsigmoid(here), functional.logsigmoid(-here)
        reached = torch.stack((reached + left, reached + right), 2).flatten(1)
        levels.append(reached)
    return levels


def pruned(levels: list[Tensor], alive: Tensor) -> list[Tensor]:
    """Roots of the node probabilities of each level, (b, 2^t), 0 at leaves that were cut off.

    What a cut leaf held is lost, which teaches the network to send it elsewhere.

    Parameters
    ----------
    levels : list of Tensor
        From `level_scores`.
    alive : Tensor
        (leaves,) bool.
    """
    roots = [(0.5 * level).exp() for level in levels]  # of a logarithm: has a gradient at 0
    return [*roots[:-1], roots[-1] * alive.to(roots[-1].dtype)]


def tree_contrast(roots: list[Tensor], roots_prime: list[Tensor]) -> Tensor:
    """Likeness of strangers minus likeness of copies, summed over levels; a scalar.

    The likeness of two items at a level is the Bhattacharyya coefficient of where they are, in
    [0, 1]. Strangers are all pairs that are neither an item with itself nor with its copy.
    Znaleźniak et al. 2023, eq. 2 to 4.

    Parameters
    ----------
    roots, roots_prime : list of Tensor
        (n, 2^t) of each level, from `pruned`, of two copies of the same items in the same order.
    """
    total = roots[0].new_zeros(())
    for one, other in zip(roots, roots_prime, strict=True):
        n = len(one)
        copies = (one * other).sum()
        whole = torch.cat((one, other)).sum(0).square().sum()  # over all ordered pairs
        itself = one.square().sum() + other.square().sum()
        strangers = (whole - itself - 2 * copies) / max(1, 2 * n * (2 * n - 2))
        total = total + strangers - copies / n
    return total


def evenness(levels: list[Tensor], alive: Tensor) -> Tensor:
    """How unevenly siblings share a batch: -ln of their mean masses, weighted by level; a scalar.

    Each pair of siblings of level t adds -2^-t (ln m + ln m') / 2 with the mean masses m and m',
    unless one of them was cut off. Znaleźniak et al. 2023, section 3.3.

    Parameters
    ----------
    levels : list of Tensor
        From `level_scores`.
    alive : Tensor
        (leaves,) bool.
    """
    total = levels[0].new_zeros(())
    for t, level in enumerate(levels, 1):
        masses = level.logsumexp(0) - math.log(len(level))  # ln of the mean
        pairs = masses.view(-1, 2).mean(1)
        if t == len(levels):
            pairs = pairs * alive.view(-1, 2).all(1)
        total = total - pairs.sum() * 2.0**-t
    return total


class Answers(nn.Module):
    """Log-probabilities (b, living leaves), rows sum to 1, from scores (b, 2^depth - 1)."""

    def __init__(self, alive: Tensor) -> None:
        super().__init__()
        self.leaves = nn.Parameter(alive.nonzero()[:, 0], requires_grad=False)

    def forward(self, scores: Tensor) -> Tensor:
        """Log-probabilities of the leaves that were not cut off."""
        return level_scores(scores.float())[-1][:, self.leaves].log_softmax(1)


def paths(n_leaves: int) -> list[str]:
    """Way to each leaf, such as "LRRL"."""
    depth = n_leaves.bit_length() - 1
    return [format(leaf, f"0{depth}b").translate(SIDES) for leaf in range(n_leaves)]


def _forks(alive: Array) -> bool:
    """Whether leaves live on both sides."""
    return bool(alive.reshape(2, -1).any(1).all())


def drawn_tree(counts: Array, alive: Array) -> Array:
    """Living nodes of a tree as the data of an artefact of kind "tree".

    The height of a node is the number of decisions that are left; where only one side lives,
    nothing is decided, and the node is left out.

    Parameters
    ----------
    counts : array
        (leaves,) items in each leaf, 0 where it was cut off.
    alive : array of bool
        (leaves,).
    """
    leaves = len(alive)
    number = np.cumsum(alive) - 1
    rows: list[tuple[float, float, float, float]] = []
    waiting = [(0, leaves, -1)]
    while waiting:
        start, width, parent = waiting.pop(0)
        half = width // 2
        while width > 1 and not _forks(alive[start : start + width]):
            start += 0 if alive[start : start + half].any() else half
            width, half = half, half // 2
        height = float(width.bit_length() - 1)
        cluster = float(number[start]) if width == 1 else -1.0
        rows.append((float(parent), height, float(counts[start : start + width].sum()), cluster))
        if width > 1:
            place = len(rows) - 1
            waiting += [(start, half, place), (start + half, half, place)]
    return np.array(rows, dtype=np.float32)


def node_images(inputs: Inputs, levels: list[Tensor], alive: Tensor, ctx: Context) -> Artefact:
    """Mean image of every living node, a row per level, each above the first of its leaves.

    Parameters
    ----------
    inputs : Inputs
        All items, which must be images.
    levels : list of Tensor
        Probabilities (n, 2^t) of each level.
    alive : Tensor
        (leaves,) bool.
    """
    drawn = levels[:DRAWN_LEVELS]
    columns, shape = 2 ** len(drawn), inputs.shape
    sums = torch.zeros(columns, math.prod(shape), device=alive.device)
    for start in range(0, len(inputs), PASS):
        ctx.poll()
        rows = slice(start, start + PASS)
        x = inputs[np.arange(len(inputs))[rows]].flatten(1)
        sums += drawn[-1][rows].T @ x
    masses = drawn[-1].sum(0)
    living = alive.view(columns, -1).any(1)
    c, h, w = shape
    grid = np.zeros((len(drawn) + 1, columns, h, w, c), np.uint8)
    for t in range(len(drawn) + 1):
        width = columns >> t
        share = masses.view(-1, width).sum(1).clamp_min(1e-12)
        means = sums.view(2**t, width, -1).sum(1) / share[:, None]
        means = means * living.view(-1, width).any(1)[:, None]
        pixels = (means.view(-1, c, h, w) * 255).round().clamp(0, 255).byte()
        grid[t, ::width] = pixels.permute(0, 2, 3, 1).cpu().numpy()
    return Artefact(
        "images",
        grid,
        "Nodes",
        "The mean image of each node, the root above; below it, its left child, and its right "
        "child halfway to the next node. Black places were cut off or hold no node.",
        rows=("root", *(f"level {t + 1}" for t in range(len(drawn)))),
    )
