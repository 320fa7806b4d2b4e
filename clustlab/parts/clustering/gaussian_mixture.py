"""Mixtures of Gaussians by expectation and maximisation, in float64 on the CPU.

Float64, since a covariance that is nearly singular decides about the result, and on the CPU,
since not every accelerator has it. Items are rows (n, d) float64.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["full", "tied", "diag", "spherical"]


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of k Gaussians in d dimensions.

    Parameters
    ----------
    weights : Tensor
        (k,) mixing weights, sum to 1.
    means : Tensor
        (k, d).
    covariances : Tensor
        (k, d, d) if full, (d, d) if tied, (k, d) variances if diag, (k,) if spherical.
    kind : {"full", "tied", "diag", "spherical"}
        What the covariances may look like.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    kind: Kind

    def factors(self) -> Tensor:
        """Lower triangular L (k, d, d) with L @ L.T the covariance of each component."""
        k, d = self.means.shape
        if self.kind == "full":
            return torch.linalg.cholesky(self.covariances)
        if self.kind == "tied":
            return torch.linalg.cholesky(self.covariances).expand(k, d, d)
        deviations = self.covariances.sqrt()
        return torch.diag_embed(
            deviations if self.kind == "diag" else deviations[:, None].expand(k, d)
        )

    @property
    def n_free(self) -> int:
        """Number of free parameters."""
        k, d = self.means.shape
        square = d * (d + 1) // 2
        free = {"full": k * square, "tied": square, "diag": k * d, "spherical": k}
        return free[self.kind] + k * d + k - 1


def log_joint(x: Tensor, mixture: Mixture) -> Tensor:
    """Logarithm (n, k) of the mixing weight times the density of each component at each item."""
    d = x.shape[1]
    if mixture.kind in ("diag", "spherical"):
        shape = (-1, d) if mixture.kind == "diag" else (-1, 1)
        variances = mixture.covariances.view(shape).expand(-1, d)
        pairs = zip(mixture.means, variances, strict=True)
        squares = [((x - m).square() / v).sum(1) for m, v in pairs]
        log_det = variances.log().sum(1)
    else:
        factors = mixture.factors()
        squares = [
            torch.linalg.solve_triangular(f, (x - m).T, upper=False).square().sum(0)
            for m, f in zip(mixture.means, factors, strict=True)
        ]
        log_det = 2 * factors.diagonal(dim1=1, dim2=2).log().sum(1)
    deviance = torch.stack(squares, 1) + log_det + d * math.log(2 * math.pi)
    return mixture.weights.log() - deviance / 2


def expect(x: Tensor, mixture: Mixture) -> tuple[Tensor, float]:
    """Responsibilities (n, k), rows sum to 1, and the mean log likelihood of the items.

    Bishop 2006, *Pattern Recognition and Machine Learning*, eq. 9.23 and 9.28.
    """
    joint = log_joint(x, mixture)
    evidence = joint.logsumexp(1)
    return (joint - evidence[:, None]).exp(), float(evidence.mean())


def maximise(
    x: Tensor, responsibilities: Tensor, means: Tensor, kind: Kind, regularisation: float
) -> Mixture:
    """Mixture of greatest likelihood given who answers for which item. Bishop 2006, eq. 9.24-9.26.

    Parameters
    ----------
    responsibilities : Tensor
        (n, k), rows sum to 1.
    means : Tensor
        (k, d), kept by components that answer for nothing.
    regularisation : float
        Added to every variance, so that no component can shrink to a point. A round then never
        lowers the likelihood less the ridge's pull on the covariances; the likelihood alone may
        fall by as much as the pull does.
    """
    sizes = responsibilities.sum(0)
    held = sizes.clamp_min(10 * torch.finfo(x.dtype).eps)
    alive = (sizes > 10 * torch.finfo(x.dtype).eps)[:, None]
    means = torch.where(alive, responsibilities.T @ x / held[:, None], means)
    mixture = Mixture(sizes / sizes.sum(), means, x.new_empty(0), kind)
    covariances = _covariances(x, responsibilities, held, mixture, regularisation)
    return replace(mixture, covariances=covariances)


def _covariances(
    x: Tensor, responsibilities: Tensor, held: Tensor, mixture: Mixture, regularisation: float
) -> Tensor:
    pairs = list(zip(responsibilities.T, mixture.means, strict=True))
    if mixture.kind in ("diag", "spherical"):
        variances = torch.stack([r @ (x - m).square() for r, m in pairs]) / held[:, None]
        variances = variances + regularisation
        return variances if mixture.kind == "diag" else variances.mean(1)
    ridge = regularisation * torch.eye(x.shape[1], dtype=x.dtype)
    scatters = torch.stack([(r[:, None] * (x - m)).T @ (x - m) for r, m in pairs])
    if mixture.kind == "tied":
        return scatters.sum(0) / len(x) + ridge
    return scatters / held[:, None, None] + ridge


def bic(mixture: Mixture, log_likelihood: float, n: int) -> float:
    """Bayesian information criterion of n items from their mean log likelihood; lower is better.

    Schwarz 1978, *Estimating the Dimension of a Model*, Annals of Statistics 6(2).
    """
    return mixture.n_free * math.log(n) - 2 * n * log_likelihood


class Posterior(nn.Module):
    """Log-probabilities (b, k) of the components, from rows (b, d) float32."""

    def __init__(self, mixture: Mixture) -> None:
        super().__init__()
        factors = mixture.factors()
        d = factors.shape[1]
        eye = torch.eye(d, dtype=factors.dtype).expand(len(factors), d, d)
        inverse = torch.linalg.solve_triangular(factors, eye, upper=False)
        log_det = factors.diagonal(dim1=1, dim2=2).log().sum(1)
        self.inverse = nn.Parameter(inverse.float(), requires_grad=False)  # (k, d, d)
        self.means = nn.Parameter(mixture.means.float(), requires_grad=False)
        self.offset = nn.Parameter((mixture.weights.log() - log_det).float(), requires_grad=False)

    def forward(self, z: Tensor) -> Tensor:
        """Log-probabilities (b, k)."""
        squares = [
            ((z - m) @ f.T).square().sum(1) for m, f in zip(self.means, self.inverse, strict=True)
        ]
        return (self.offset - torch.stack(squares, 1) / 2).log_softmax(1)
