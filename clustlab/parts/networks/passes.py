"""Passes of items through a network: over the whole set without gradients, and one step down."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from clustlab.context import Context
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.memory import check_fits
from clustlab.types import Array

PASS_VALUES = 1_600_000  # input values per batch of a pass without gradients: 2,000 MNIST images

Forward = Callable[[Tensor], Tensor]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; each submodule gets its own mode back afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def pass_size(shape: tuple[int, ...]) -> int:
    """Items per batch in a pass over the whole set, by the size of one item: 64 to 2,000."""
    return int(np.clip(PASS_VALUES // math.prod(shape), 64, 2000))


def embed(
    network: nn.Module,
    inputs: Inputs,
    ctx: Context,
    *,
    forward: Forward | None = None,
    size: int | None = None,
    order: Array | None = None,
) -> Tensor:
    """Output for every item, (n, ...) float32 on the device, row i for item i.

    Runs in eval mode without gradients, draws no random number, and can be paused or cancelled
    between batches.

    Parameters
    ----------
    network : Module
        Put into eval mode for the pass.
    inputs : Inputs
        The whole set.
    forward : callable, optional
        What to compute, such as `network.encode`; the network itself by default.
    size : int, optional
        Items per batch; `pass_size` by default.
    order : array of int, optional
        A fixed permutation in which items are put into batches, for networks whose BatchNorm
        uses the batch at evaluation. Rows of the result are in the order of the items anyway.
    """
    n = len(inputs)
    order = np.arange(n) if order is None else order
    forward = network if forward is None else forward
    out: Tensor | None = None
    with evaluating(network):
        # batches of equal size: a small last one would have poor batch statistics
        numbers = torch.from_numpy(order).to(inputs.device)
        for index in numbers.tensor_split(math.ceil(n / (size or pass_size(inputs.shape)))):
            ctx.poll()
            rows = forward(inputs[index]).float()
            if out is None:
                if rows.device.type == "cpu":
                    check_fits("A pass over all items", n, 4 * math.prod(rows.shape[1:]))
                out = torch.empty((n, *rows.shape[1:]), dtype=torch.float32, device=rows.device)
            out[index] = rows
    if out is None:
        raise ValueError("there is nothing to embed")
    return out


def settle(network: nn.Module, inputs: Inputs, ctx: Context, size: int) -> None:
    """Measure the statistics of every BatchNorm anew, in one pass without training.

    An untrained network has none, and evaluates as if every column had mean 0 and variance 1.

    Parameters
    ----------
    network : Module
        Is in training mode afterwards.
    inputs : Inputs
        The whole set.
    size : int
        Items per batch; a last batch of one item joins the one before it.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    network.train()
    with torch.no_grad():
        for index in ctx.batches(len(inputs), size):
            network(inputs[index])
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step down the gradient of a loss."""
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
