"""Random views of a batch: what a method is told not to care about.

A view is one affine map (crop, rotation, shift, scale, shear, mirror) followed by one change of
light. All draws of a batch are made at once and all images are resampled in one call.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch.nn import functional

from clustlab.types import Array

_HALVED = 0.5  # side of the smallest crop if the strength were 1 or more: half the image stays


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the random changes; all zero leaves a batch as it is.

    Parameters
    ----------
    crop : float
        Largest share of a side that is cut away before the rest fills the frame again.
    rotation : float
        Largest angle in degrees, to either side.
    shift : float
        Largest shift as a share of the side, in either direction.
    scale : float
        Largest zoom in or out, as a share of the size. Points are zoomed about the origin.
    shear : float
        Largest slant, as horizontal shift per unit of height.
    brightness, contrast : float
        Largest change of either, as a share. Background stays black under brightness.
    flip : bool
        Mirror left and right in half of the cases. Off, since a mirrored digit is no digit.
    noise : float
        Standard deviation of what is added to points; images ignore it.
    """

    crop: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    flip: bool = False
    noise: float = 0.0

    def scaled(self, strength: float) -> "Augmentation":
        """The same mixture with every strength multiplied; the mirror is not touched."""
        values = {f.name: strength * getattr(self, f.name) for f in fields(self)}
        return replace(self, **{**values, "flip": self.flip})

    def __call__(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Random view of each item of a batch, in the shape, type and place of the batch.

        Parameters
        ----------
        x : Tensor
            Images (b, c, h, w) in [0, 1], which stay in that range, or points (b, d).
        generator : Generator, optional
            Draws from here instead of torch's own generator, for views that must not change.
        """
        draw = _Draws(len(x), x, generator)
        if x.ndim == 2:
            return self._points(x, draw)
        theta = self._affine(draw)
        if theta is not None:
            x = _resample(x, theta)
        return self._light(x, draw)

    def _points(self, x: torch.Tensor, draw: "_Draws") -> torch.Tensor:
        if self.scale:
            (unit,) = draw.units(1)
            x = x * (1 + _within(self.scale, unit))[:, None]
        if self.noise:
            x = x + self.noise * draw.normal(x.shape[1])
        return x

    def _affine(self, draw: "_Draws") -> torch.Tensor | None:
        """Maps (b, 2, 3) from places in the view to places in the image, None if all identity."""
        if not (self.flip or self.crop or self.rotation or self.shift or self.scale or self.shear):
            return None
        units = draw.units(8 + self.flip)
        side = 1 - min(self.crop, _HALVED) * next(units)  # share of the side that stays
        zoom = side * (1 + _within(min(self.scale, _HALVED), next(units)))
        angle = _within(math.radians(self.rotation), next(units))
        slant = _within(self.shear, next(units))
        mirror = torch.sign(next(units) - 0.5) if self.flip else torch.ones_like(side)
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        # coordinates run from -1 to 1, so that a crop of side s can sit anywhere within 1 - s
        right, down = (
            (1 - side) * _within(1.0, next(units)) + 2 * _within(self.shift, next(units))
            for _ in range(2)
        )
        rows = (cos * mirror, cos * slant - sin, right, sin * mirror, sin * slant + cos, down)
        return torch.stack(rows, 1).view(-1, 2, 3)

    def _light(self, x: torch.Tensor, draw: "_Draws") -> torch.Tensor:
        if not (self.brightness or self.contrast):
            return x
        changes = zip((self.brightness, self.contrast), draw.units(2), strict=True)
        gain, contrast = ((1 + _within(*each))[:, None, None, None] for each in changes)
        x = x * gain
        mean = x.mean((1, 2, 3), keepdim=True)
        return torch.lerp(mean, x, contrast).clamp_(0, 1)


class _Draws:
    """Draws of one batch, one number per item, on the device and in the type of the batch.

    The numbers of several changes come from one call, since each call costs a GPU as much as the
    drawing itself.
    """

    def __init__(self, n: int, like: torch.Tensor, generator: torch.Generator | None) -> None:
        self.n, self.like, self.generator = n, like, generator

    def units(self, count: int) -> Iterator[torch.Tensor]:
        """So many times numbers uniform in [0, 1), (b,)."""
        return iter(
            torch.rand(
                (count, self.n),
                generator=self.generator,
                device=self.like.device,
                dtype=self.like.dtype,
            )
        )

    def normal(self, d: int) -> torch.Tensor:
        """Standard normal, (b, d)."""
        return torch.randn(
            self.n, d, generator=self.generator, device=self.like.device, dtype=self.like.dtype
        )


def _within(bound: float, units: torch.Tensor) -> torch.Tensor:
    """Numbers uniform in [-bound, bound) from such in [0, 1)."""
    return units.mul(2).sub_(1).mul_(bound)


def _resample(x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    # Grey sets have a black ground, so what comes in from outside is black. A colour photograph
    # goes on beyond its frame, and a mirror image is the better guess.
    outside = "zeros" if x.shape[1] == 1 else "reflection"
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode=outside, align_corners=False)


_SMOOTHED_STEP = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))  # Sobel and Feldman 1968


def sobel(x: torch.Tensor) -> torch.Tensor:
    """Horizontal and vertical edges of the grey image, (b, 2, h, w) in [-1, 1].

    Colour is averaged away first: what is left cannot be grouped by tint.

    Parameters
    ----------
    x : Tensor
        Images (b, c, h, w) in [0, 1].
    """
    across = torch.tensor(_SMOOTHED_STEP, device=x.device, dtype=x.dtype) / 4
    kernels = torch.stack((across, across.T))[:, None]  # (2, 1, 3, 3)
    grey = functional.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(grey, kernels)


def side_by_side(x: torch.Tensor, views: torch.Tensor) -> Array:
    """Images above their views, (2, b, h, w, c) uint8, as an artefact shows them.

    Parameters
    ----------
    x, views : Tensor
        Images (b, c, h, w) in [0, 1].
    """
    both = torch.stack((x, views)).mul(255).round().clamp(0, 255).byte()
    rows: Array = both.permute(0, 1, 3, 4, 2).cpu().numpy()
    return rows
