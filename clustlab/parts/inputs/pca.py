"""Principal components on the device, without drawing a random number.

For methods. Readers of runs have `analysis.projection.pca_2d`: it gives the same plane, up to
rounding and signs, without torch, whose import takes longer than the components of a step.
`tests/bench/layouts.py` on 70,000 images of MNIST, seconds of the processor: numpy 0.7, torch 1.3,
scikit-learn 0.8, of 32 columns 0.01 each; the same variance in all.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

EXACT_WIDTH = 512  # the covariance of wider features is never formed: its spectrum takes seconds
SPARE = 16  # directions beyond those asked for, which speed up the search for them
ROUNDS = 4  # of the search; the error falls with the ratio of neighbouring spectra each round
FLOOR = 1e-6  # smallest variance that whitening scales up, as a share of the largest


def principal(x: Tensor, n_components: int, *, whiten: bool = False) -> Tensor:
    """Leading principal components of the rows, (n, min(n_components, n, d)) float32, centred.

    Same rows, same result: no sign is left to chance and nothing is drawn. Up to 512 columns the
    result is exact, beyond that it comes from a subspace iteration with a fixed start.

    Parameters
    ----------
    x : Tensor
        Rows (n, d).
    n_components : int
        How many directions of largest variance to keep.
    whiten : bool
        Scale every component to unit variance.
    """
    with torch.no_grad():
        axes = _principal_axes(x, n_components)
        z = axes.rows @ axes.directions
        return z / axes.deviations if whiten else z * axes.scale


def principal_map(x: Tensor, n_components: int, *, whiten: bool = False) -> tuple[Tensor, Tensor]:
    """Mean (d,) and basis (d, m) with which (x - mean) @ basis is `principal(x)`, for new rows too.

    Parameters are those of `principal`; both agree up to the rounding of one matrix product.
    """
    with torch.no_grad():
        axes = _principal_axes(x, n_components)
        basis = axes.directions if axes.within is None else axes.within @ axes.directions
        return axes.mean, basis / (axes.scale * axes.deviations) if whiten else basis


class _PrincipalAxes(NamedTuple):
    """What the search for directions leaves: rows (n, s) in which to look, and where to look."""

    mean: Tensor  # (d,)
    scale: Tensor  # of the centred rows, by which they were divided
    within: Tensor | None  # (d, s) orthonormal columns that were searched; None for all of space
    rows: Tensor  # (n, s), centred, at unit scale
    directions: Tensor  # (s, m)
    deviations: Tensor  # (m,) standard deviations, with a floor, at unit scale


def _principal_axes(x: Tensor, n_components: int) -> _PrincipalAxes:
    x = x.float()
    mean = x.mean(0)
    x = x - mean
    d = min(n_components, *x.shape)
    # at unit scale no square underflows, however close together the rows are
    scale = torch.maximum(x.max(), -x.min()).clamp_min(torch.finfo(x.dtype).tiny)
    x /= scale  # a copy by now, and there is no room for many
    within = None
    if x.shape[1] > EXACT_WIDTH:
        within = _leading_basis(x, min(d + SPARE, *x.shape))
        x = x @ within
    covariance = x.T @ x / len(x)
    if x.device.type != "mps":  # MPS has no doubles; in floats a rank of one may not converge
        covariance = covariance.double()
    variances, directions = torch.linalg.eigh(covariance)  # ascending
    variances, directions = variances.flip(0)[:d].to(x), directions.flip(1)[:, :d].to(x)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    directions = directions * torch.where(largest < 0, -1.0, 1.0)
    floor = (variances[:1] * FLOOR).clamp_min(torch.finfo(x.dtype).tiny)
    return _PrincipalAxes(
        mean, scale, within, x, directions, torch.maximum(variances, floor).sqrt()
    )


def _leading_basis(x: Tensor, size: int) -> Tensor:
    """Orthonormal columns (d, size) close to the leading directions of centred rows.

    Halko, Martinsson and Tropp 2011, algorithm 4.4, with cosines instead of a random start.
    """
    d = x.shape[1]
    # rows of the discrete cosine transform: orthogonal, spread over all columns, never drawn
    angle = torch.outer(torch.arange(d) + 0.5, torch.arange(1, size + 1)) * (math.pi / d)
    basis = torch.cos(angle).to(x)
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(x.T @ (x @ basis)).Q
    return basis
