"""What one pass of an item through a network costs, counted without memory or random numbers."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from clustlab.parts.networks.passes import Forward, evaluating
from clustlab.types import Cost

M = TypeVar("M", bound=nn.Module)


def blank(
    make: Callable[[tuple[int, ...]], M], shape: tuple[int, ...]
) -> tuple[M, tuple[int, ...]]:
    """Network without memory, to be counted, and the shape of an item as it sees it.

    Parameters
    ----------
    make : callable
        From the shape of an item, (c, h, w) or (d,), to its network.
    shape : tuple of int
        Shape of an item in a data set, (h, w, c) or (d,).
    """
    seen = (shape[2], *shape[:2]) if len(shape) == 3 else shape
    with torch.device("meta"):
        return make(seen), seen


def forward_cost(make: Callable[[tuple[int, ...]], nn.Module], shape: tuple[int, ...]) -> Cost:
    """Multiply-accumulates of one forward pass of one item; see `blank` and `macs`."""
    return macs(*blank(make, shape))


def macs(network: nn.Module, shape: tuple[int, ...], forward: Forward | None = None) -> Cost:
    """Multiply-accumulates of one forward pass of one item, by kind of layer.

    Counted by hooks on the layers that multiply matrices, during one pass of two blank items. A
    `blank` network costs no time, memory or random numbers.
    """
    multiplications = {"linear": 0, "conv": 0}
    batch = 2  # batch statistics need two

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            multiplications["linear"] += output.numel() // batch * layer.in_features
        elif isinstance(layer, nn.Conv2d):
            taps = math.prod(layer.kernel_size) * layer.in_channels // layer.groups
            multiplications["conv"] += output.numel() // batch * taps

    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    try:
        with evaluating(network):
            (forward or network)(torch.zeros(batch, *shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return Cost(linear=float(multiplications["linear"]), conv=float(multiplications["conv"]))
