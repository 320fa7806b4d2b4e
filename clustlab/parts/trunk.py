"""The network between an item and what a method puts on top of it, for images and for points."""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from clustlab.parts.augment import sobel
from clustlab.parts.networks import ConvEncoder
from clustlab.types import Array

POINT_WIDTHS = (64, 64)


class Trunk(nn.Module):
    """Features (b, `width`) after a ReLU: convolutions for images, linear layers for points.

    Every layer is followed by BatchNorm.

    Parameters
    ----------
    shape : tuple of int
        Shape of one item, (c, h, w) or (d,).
    channels : sequence of int
        Output channels of each convolution. Ignored for points, which get two layers of 64.
    edges : bool
        Show the network the two Sobel edges of an image instead of its pixels.
    track_running_stats : bool
        False makes BatchNorm use the statistics of the present batch at evaluation too.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: Sequence[int],
        *,
        edges: bool = False,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.edges = edges and len(shape) == 3
        if len(shape) == 3:
            seen = (2, *shape[1:]) if self.edges else shape
            encoder = ConvEncoder(seen, channels, track_running_stats=track_running_stats)
            self.layers: nn.Module = encoder
            self.width = encoder.width
        else:
            self.layers = _point_layers(shape[0], track_running_stats)
            self.width = POINT_WIDTHS[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Features (b, width) of a batch of items (b, *shape)."""
        return self.layers(sobel(x) if self.edges else x)

    def filters(self) -> Array | None:
        """First convolution as images (rows, columns, h, w, c) uint8, None if there is none.

        Each filter uses the full range of grey. There is one row per input channel, or one in
        colour if there are three.
        """
        first = next((m for m in self.modules() if isinstance(m, nn.Conv2d)), None)
        if first is None:
            return None
        weight = first.weight.detach().float().cpu().numpy()  # (out, in, h, w)
        low, high = (f(weight, (1, 2, 3), keepdims=True) for f in (np.min, np.max))
        pixels = ((weight - low) / np.maximum(high - low, 1e-12) * 255).round().astype(np.uint8)
        if weight.shape[1] == 3:
            return pixels.transpose(0, 2, 3, 1)[None]
        return pixels.transpose(1, 0, 2, 3)[..., None]


def _point_layers(d: int, track_running_stats: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip((d, *POINT_WIDTHS[:-1]), POINT_WIDTHS, strict=True):
        norm = nn.BatchNorm1d(after, track_running_stats=track_running_stats)
        layers += [nn.Linear(before, after, bias=False), norm, nn.ReLU()]
    return nn.Sequential(*layers)


def even_batch(n: int, size: int) -> int:
    """Batch size near `size` that divides n items into equal parts.

    A small last batch would be normalised by the statistics of a handful of items.
    """
    return math.ceil(n / max(1, round(n / size)))
