"""Encoders and decoders for items of any shape."""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

POINT_WIDTHS = (64, 64)  # hidden widths for points, which need no wide network
FINAL_SIDE = 4  # a convolutional encoder ends on a map of about this side


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
