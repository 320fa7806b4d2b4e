"""The network between an item and what a method puts on top of it, for images and for points.

Its settings, and those of the changed copies it is trained on, are shared by the methods that are
trained on changed copies.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from clustlab import params
from clustlab.parts.inputs.augmentation import Augmentation, sobel
from clustlab.parts.networks.backbones import Backbone, Normalisation, encoder, mlp_encoder
from clustlab.types import Array

POINT_WIDTHS = (64, 64)
# Amounts of the changes that a method has no own amount for.
USUAL = Augmentation(
    crop=0.15, rotation=15, shift=0.1, scale=0.1, shear=0.2, brightness=0.3, contrast=0.3, noise=0.1
)


@dataclass(frozen=True)
class EncoderSettings:
    """Hyperparameters of an encoder and of the changed copies that it is trained on."""

    n_clusters: int = params.n_clusters()
    crop: bool = params.switch("Cut away up to about a seventh of a side, and enlarge the rest.")
    rotation: bool = params.switch("Turn copies by a few degrees to either side.")
    shift: bool = params.switch("Move copies by up to a tenth of a side.")
    scale: bool = params.switch("Make copies larger or smaller.")
    shear: bool = params.switch("Slant copies to the left or right.")
    jitter: bool = params.switch("Change brightness and contrast of copies.")
    flip: bool = params.flip()
    sobel: bool = params.sobel()
    network: Backbone = params.param(  # noqa: RUF009 - a field, as all the others
        "small CNN",
        advanced=True,
        help="Network for images: 'small CNN' is quick; 'ResNet-18' and 'small ViT' are slow "
        "without a GPU. Points always get two linear layers of 64.",
    )
    normalisation: Normalisation = params.param(  # noqa: RUF009 - likewise
        "usual",
        advanced=True,
        help="How values inside the network are kept on one scale: over the batch, over each "
        "item, or over groups of channels. 'usual' is what the network was published with.",
    )
    width: int = params.param(
        24,
        low=4,
        high=128,
        advanced=True,
        help="Channels of the first convolution; each later one has twice as many.",
    )
    depth: int = params.param(3, low=1, high=5, advanced=True, help="Number of convolutions.")

    def build_network(
        self, shape: tuple[int, ...], *, track_running_stats: bool = True
    ) -> "Encoder":
        """Untrained encoder for items of a shape, (c, h, w) or (d,)."""
        return Encoder(
            shape,
            [self.width * 2**i for i in range(self.depth)],
            edges=self.sobel,
            track_running_stats=track_running_stats,
            network=self.network,
            normalisation=self.normalisation,
        )

    def switched(self, mixture: Augmentation) -> Augmentation:
        """A mixture of changes without what is switched off, and with what is switched on."""
        own = {
            name: (getattr(mixture, name) or getattr(USUAL, name)) if on else 0.0
            for name, on in (
                ("crop", self.crop),
                ("rotation", self.rotation),
                ("shift", self.shift),
                ("scale", self.scale),
                ("shear", self.shear),
                ("brightness", self.jitter),
                ("contrast", self.jitter),
            )
        }
        return replace(mixture, **own, flip=self.flip)


class ChangedCopies(EncoderSettings):
    """An encoder trained on copies that are changed as strongly as a user wants.

    No dataclass: each method says its `strength` in its own place among its fields, and its help.
    """

    views: ClassVar[Augmentation]  # the changes at strength 1
    strength: float

    @property
    def augmentation(self) -> Augmentation:
        """Changes that copies go through."""
        return self.switched(self.views).scaled(self.strength)


class Encoder(nn.Module):
    """Features (b, `width`): a network for images, by default convolutions; layers for points.

    Every layer is followed by BatchNorm unless told otherwise, and by a ReLU.

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
    network, normalisation : str
        See `backbones.encoder`. Points always get linear layers.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: Sequence[int],
        *,
        edges: bool = False,
        track_running_stats: bool = True,
        network: Backbone = "small CNN",
        normalisation: Normalisation = "usual",
    ) -> None:
        super().__init__()
        self.edges = edges and len(shape) == 3
        track = track_running_stats
        if len(shape) == 3:
            seen = (2 if self.edges else shape[0], *shape[1:])
            layers_and_width = encoder(network, seen, channels, normalisation, track=track)
        else:
            layers_and_width = mlp_encoder(shape[0], POINT_WIDTHS, normalisation, track=track)
        self.layers, self.width = layers_and_width

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


def even_batch(n: int, size: int) -> int:
    """Batch size near `size` that divides n items into equal parts.

    A small last batch would be normalised by the statistics of a handful of items.
    """
    return math.ceil(n / max(1, round(n / size)))
