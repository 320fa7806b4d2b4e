"""Encoders and decoders for items of any shape, a pass over the whole set, and what it costs."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from clustlab.context import Context
from clustlab.parts.inputs.network_input import Inputs
from clustlab.types import Array, Cost

POINT_WIDTHS = (64, 64)  # hidden widths for points, which need no wide network
FINAL_SIDE = 4  # a convolutional encoder ends on a map of about this side
PASS_VALUES = 1_600_000  # input values per batch of a pass without gradients: 2,000 MNIST images

Forward = Callable[[Tensor], Tensor]
M = TypeVar("M", bound=nn.Module)


class Autoencoder(nn.Module):
    """Fully connected autoencoder with a linear code and a linear reconstruction.

    The decoder mirrors the encoder. Images are flattened. Points get a small network and a code
    that is no wider than the points. Weights start uniform with variance 2 / (fan_in + fan_out):
    torch's own smaller start spends the first passes on one and the same mean image.

    Parameters
    ----------
    shape : tuple of int
        Shape of one item, (c, h, w) or (d,).
    widths : sequence of int
        Hidden widths of the encoder, from the input inwards. Ignored for points.
    code : int
        Width of the code.
    overcomplete : bool
        Let the code of points be wider than the points are.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: Sequence[int] = (500, 500, 2000),
        code: int = 10,
        *,
        overcomplete: bool = False,
    ) -> None:
        super().__init__()
        is_image = len(shape) == 3
        inner = tuple(widths) if is_image else POINT_WIDTHS
        self.shape = shape
        self.code = code if is_image or overcomplete else min(code, shape[0])
        sizes = (math.prod(shape), *inner, self.code)
        self.encoder = mlp(sizes)
        self.decoder = mlp(sizes[::-1])
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)  # Glorot and Bengio 2010, eq. 16
                nn.init.zeros_(layer.bias)

    @property
    def pairs(self) -> list[tuple[nn.Linear, nn.Linear]]:
        """Linear layers of the encoder, from the input inwards, each with its mirror image."""
        inwards, outwards = (
            [layer for layer in half if isinstance(layer, nn.Linear)]
            for half in (self.encoder, self.decoder)
        )
        return list(zip(inwards, reversed(outwards), strict=True))

    def encode(self, x: Tensor) -> Tensor:
        """Code (b, code) of a batch of items (b, *shape)."""
        return self.encoder(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruction (b, *shape) of a batch of codes (b, code); not limited to [0, 1]."""
        return self.decoder(z).unflatten(1, self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction (b, *shape) of a batch of items."""
        return self.decode(self.encode(x))


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers through the given sizes, ReLU between them, none after the last."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(before, after))
        if i < len(sizes) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class ConvEncoder(nn.Module):
    """Convolutions with BatchNorm and ReLU, flattened to `width` features; images of any size.

    Each block halves the side until about 4 is left; larger maps are averaged down to about 4 at
    the end. So 28x28 goes 14-7-4, 32x32 16-8-4, 96x96 48-24-12-4 and 8x8 4-4-4.

    Parameters
    ----------
    shape : tuple of int
        Shape of one image, (c, h, w).
    channels : sequence of int
        Output channels of each block.
    kernel : int
        Side of the kernels, odd.
    track_running_stats : bool
        False makes BatchNorm use the statistics of the present batch at evaluation too.
    norm : callable, optional
        From the number of channels to another normalisation than BatchNorm.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: Sequence[int] = (24, 48, 96),
        *,
        kernel: int = 5,
        track_running_stats: bool = True,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        before, height, width = shape
        norm = norm or partial(nn.BatchNorm2d, track_running_stats=track_running_stats)
        layers: list[nn.Module] = []
        for after in channels:
            stride = 2 if max(height, width) > FINAL_SIDE + 2 else 1
            layers += [
                nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False),
                norm(after),
                nn.ReLU(),
            ]
            height, width = -(-height // stride), -(-width // stride)
            before = after
        pool = max(1, max(height, width) // FINAL_SIDE)
        if pool > 1:
            layers.append(nn.AvgPool2d(min(pool, height, width)))
            height, width = (side // min(pool, height, width) for side in (height, width))
        self.width: int = before * height * width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Features (b, width) of a batch of images (b, c, h, w), after the last ReLU."""
        return self.layers(x).flatten(1)


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
        for index in np.array_split(order, math.ceil(n / (size or pass_size(inputs.shape)))):
            ctx.poll()
            rows = forward(inputs[index]).float()
            if out is None:
                out = torch.empty((n, *rows.shape[1:]), dtype=torch.float32, device=rows.device)
            out[torch.from_numpy(index).to(out.device)] = rows
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
    found = {"linear": 0, "conv": 0}
    batch = 2  # batch statistics need two

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            found["linear"] += output.numel() // batch * layer.in_features
        elif isinstance(layer, nn.Conv2d):
            taps = math.prod(layer.kernel_size) * layer.in_channels // layer.groups
            found["conv"] += output.numel() // batch * taps

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
    return Cost(linear=float(found["linear"]), conv=float(found["conv"]))
