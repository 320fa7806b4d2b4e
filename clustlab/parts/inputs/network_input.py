"""From items to network input: the only place that scales pixels to [0, 1]."""

import math

import numpy as np
import torch

from clustlab.parts.inputs.near_one import brought_near_one
from clustlab.parts.memory import check_fits
from clustlab.types import Array

FAR = 100  # deviations from 0 at which a mean that is summed in floats is no longer exact
COPIES = 2  # of the items as numbers that are held at a time
EQUAL = 1e-12  # deviation of points that differ by rounding only; floats differ by 1e-7 or more


def features(items: Array) -> Array:
    """Items as rows of numbers, (n, d) float32: pixels in [0, 1], points centred at unit scale.

    Points in other units give the same rows, up to the rounding of the points themselves.

    Raises
    ------
    ParameterError
        If they do not fit into memory, with a copy that most methods make.
    """
    check_fits("Holding all items as numbers", len(items), COPIES * 4 * math.prod(items.shape[1:]))
    if items.ndim == 4:
        rows = items.reshape(len(items), -1).astype(np.float32)
        rows /= 255.0
        return rows
    near_one, _ = brought_near_one(items)
    mean, scale = _scale(near_one)
    rows = near_one - mean
    rows /= scale
    return rows.astype(np.float32, copy=False)


def point_scale(points: Array) -> tuple[Array, float]:
    """Mean of each coordinate and one common scale, so that the shape of a cloud is kept."""
    near_one, exponent = brought_near_one(points)
    mean, scale = _scale(near_one)
    return np.ldexp(mean, exponent), math.ldexp(scale, exponent)


def _scale(points: Array) -> tuple[Array, float]:
    """Mean (1, d) and common deviation of points near 1; deviation 1 if all points are equal."""
    mean = points.mean(0, keepdims=True)
    deviation = float((points - mean).std())
    if np.abs(mean).max(initial=0) > FAR * deviation:
        mean = points.mean(0, keepdims=True, dtype=np.float64)
        deviation = float((points - mean).std())
    return mean, deviation if deviation > EQUAL else 1.0


class Inputs:
    """All items of a run, handed out as tensors on the device, one index array at a time.

    Images leave as (b, c, h, w) float32 in [0, 1], points as (b, d) float32 at unit scale.
    The uint8 originals stay where they are, on the device if they fit there easily.
    """

    def __init__(self, items: Array, device: torch.device) -> None:
        self.is_image = items.ndim == 4
        self.device = device
        rows = np.ascontiguousarray(items) if self.is_image else features(items)
        tensor = torch.from_numpy(rows if rows.flags.writeable else rows.copy())
        self._rows = tensor.to(device) if tensor.nbytes < 2**31 else tensor

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one item as the network sees it: (c, h, w) or (d,)."""
        if self.is_image:
            _, h, w, c = self._rows.shape
            return (c, h, w)
        return (int(self._rows.shape[1]),)

    def __getitem__(self, index: Array | torch.Tensor) -> torch.Tensor:
        rows = self._rows[torch.as_tensor(index).to(self._rows.device)]
        rows = rows.to(self.device, non_blocking=True)
        return rows.permute(0, 3, 1, 2).float().div_(255.0) if self.is_image else rows

    def all(self, size: int = 2000) -> "list[torch.Tensor]":
        """The whole set in order, as batches of at most `size`."""
        return [self[np.arange(i, min(i + size, len(self)))] for i in range(0, len(self), size)]
