r"""# Gaussian mixture

## Idea

Suppose every item was made in two steps: first one of $K$ components is drawn, component $k$ with
probability $\pi_k$; then a point from its Gaussian, with mean $\mu_k$ and covariance $\Sigma_k$.
Nobody wrote down which component it was. **Expectation-maximisation** finds both, the components
and which made what, in turns:

- *Expect*: how much does component $k$ answer for item $i$?
  $\gamma_{ik} = \dfrac{\pi_k\, \mathcal N(x_i; \mu_k, \Sigma_k)}
  {\sum_l \pi_l\, \mathcal N(x_i; \mu_l, \Sigma_l)}$
- *Maximise*: fit each component to all items, weighted by these responsibilities.

Every round raises the **log likelihood** of the items. k-means is the special case with round
components of equal size and weight and responsibilities of 0 or 1. Images are first reduced to
their leading principal components, since a full covariance of all pixels would have far more
entries than there are items.

## What to watch

- **Log likelihood** rises fast, then creeps. Borders between components that overlap keep moving
  long after the curve looks flat.
- **Confidence**: an item between two components belongs to both. On points, pick one to see its
  responsibilities; in many dimensions they are nearly always 0 or 1, which is not certainty but
  a property of high-dimensional Gaussians.
- **Samples** are new images drawn from each component. They look like ghosts of digits: that is all
  a Gaussian can know of them.
- Change the **covariance**. `full` follows long, slanted groups of any width (`toy`: anisotropic,
  unequal variance); `spherical` is nearly k-means; `tied` gives all components one shape. The
  **BIC** weighs the likelihood against the number of parameters: lower is better.

## Where it fails

A group that is bent or hollow is no Gaussian: on moons and circles the mixture lays several
components over one group or one component over several. It starts from k-means and seldom gets far
from it, so a merged pair of groups stays merged. With too few items per component a covariance is
fitted to noise, and with no regularisation a component can shrink onto a single item, which makes
the likelihood infinite and the result worthless. Of several starts the likeliest fit is kept,
which finds better divisions, but also such a component if there is one.

## Source

Dempster, Laird and Rubin (1977), *Maximum Likelihood from Incomplete Data via the EM Algorithm*,
Journal of the Royal Statistical Society B 39(1), section 4.3.

Deviations: images enter as principal components; a constant is added to all variances, which is
why the likelihood of a round may fall by a hair.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.gaussian_mixture import (
    Mixture,
    Posterior,
    bic,
    expect,
    log_joint,
    maximise,
)
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.clustering.mixture_start import (
    USUAL_ROUNDS,
    Limits,
    answers_of,
    likeliest_start,
)
from clustlab.parts.hooks.interventions import OF_CENTERS, Offer, Wanted, changed_answers
from clustlab.parts.hooks.scoring import AsRows, ScoringChain, before_components, kept, projected
from clustlab.parts.inputs.components import Components, n_components, pca_cost
from clustlab.parts.inputs.network_input import Inputs
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

N_SAMPLES = 5  # drawn from each component
SIDE = 56  # pixels of the picture of a component in the plane
MIN_LOG = -700.0  # a component without items has a weight, and so a logarithm, of none
USUAL_KMEANS_STEPS = 25  # of k-means until it settles, for the estimate of time


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of Gaussians on principal components."""

    name: ClassVar[str] = "gmm"
    title: ClassVar[str] = "Gaussian mixture"
    idea: ClassVar[str] = "Fit Gaussians to the items, ask which one made which item, and repeat."
    paper: ClassVar[Paper] = Paper(
        "Dempster, Laird and Rubin",
        1977,
        "Maximum Likelihood from Incomplete Data via the EM Algorithm",
        "J. R. Stat. Soc. B 39(1)",
    )
    step_unit: ClassVar[str] = "round"
    family: ClassVar[MethodFamily] = "mixture"
    # "place bells" is the name in stored runs of placing the components
    loop: ClassVar[tuple[str, ...]] = ("project", "place bells", "expect", "maximise")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    interventions: ClassVar[Offer] = {"expect and maximise": OF_CENTERS}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"n_init": 1, "max_iter": 40},
        "standard": {},
        "paper": {"n_init": 20, "max_iter": 500, "tolerance": 1e-5},
    }

    n_clusters: int = params.n_clusters()
    covariance: Literal["full", "tied", "diag", "spherical"] = params.param(
        "full",
        help="Shape of the components: an ellipsoid each (full), one ellipsoid for all (tied), "
        "ellipsoids along the axes (diag), or balls (spherical).",
    )
    n_components: int = n_components(20)
    n_init: int = params.param(
        10,
        low=1,
        high=100,
        help="Starts of k-means. The mixture is fitted from each, and the likeliest is kept.",
    )
    max_iter: int = params.param(
        100, low=1, high=1000, log=True, help="Upper limit on rounds of expect and maximise."
    )
    tolerance: float = params.param(
        1e-3,
        low=0.0,
        high=1.0,
        ends_training=True,
        help="Stop when a round gains less than this in the mean log likelihood of an item.",
    )
    regularisation: float = params.param(
        1e-3,
        low=1e-9,
        high=1.0,
        log=True,
        advanced=True,
        help="Added to every variance, so that no component shrinks to a point. Pixels lie in "
        "[0, 1], points have unit scale.",
    )

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        width = math.prod(shape)
        d = min(self.n_components, n, width)
        square = d if self.covariance in ("full", "tied") else 1
        one_round = Cost(linear=float(n * self.n_clusters * d * (2 * square + 2)))
        starts = Cost(linear=float(2 * USUAL_KMEANS_STEPS * self.n_init * n * self.n_clusters * d))
        fits = one_round * (USUAL_ROUNDS * self.n_init if self.n_init > 1 else 0)
        first = pca_cost(n, width, d) + starts + fits + one_round
        return [
            PlannedPhase("place bells", 1, first, "initialise"),
            PlannedPhase("expect and maximise", self.max_iter, one_round, "train"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the first components, then one per round."""
        check_enough_items(len(items), self.n_clusters)
        run = _Run(self, items, ctx)
        for _ in ctx.phase("place bells", 0 if ctx.is_warm else 1):
            yield run.start()
        for _ in ctx.phase("expect and maximise", self.max_iter):
            if wanted := ctx.interventions():
                run.intervene(wanted)
            elif run.settled.value:
                return
            yield run.round()

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log-probabilities of the components; see `registry.Scoring`."""
        names = ("weights", "means", "covariances")
        weights, means, covariances = (kept(state, name)["tensor"].cpu() for name in names)
        mixture = Mixture(weights, means, covariances, self.covariance)
        encoder = nn.Sequential(AsRows())
        with torch.no_grad():
            encoder = projected(encoder, inputs, self.n_components)
        seeing, reducing = before_components(encoder)
        judging = (*reducing, Posterior(mixture).to(inputs.device))
        return ScoringChain(seeing, judging, gives_log_probabilities=True).eval()


class _Run:
    """One run: the components of the items, the mixture that is kept, and its snapshots."""

    def __init__(self, settings: GaussianMixture, items: Array, ctx: Context) -> None:
        ctx.at("project")
        self.settings, self.ctx = settings, ctx
        self.data = Components(items, settings.n_components, ctx)
        self.x = self.data.z.cpu().double()
        k, d = settings.n_clusters, self.x.shape[1]
        blank = maximise(self.x[:k], torch.eye(k).double(), self.x[:k], settings.covariance, 1.0)
        self._weights = ctx.keep("weights", Cell(blank.weights))
        self._means = ctx.keep("means", Cell(blank.means))
        self._covariances = ctx.keep("covariances", Cell(blank.covariances))
        self.settled = ctx.keep("settled", Cell(False), across_runs=False)
        draws = torch.from_numpy(ctx.rng.standard_normal((N_SAMPLES, 1, d)))
        self._draws = ctx.keep("draws", Cell(draws), across_runs=False)
        self._answers: tuple[Tensor, float] | None = None  # of the mixture that is kept

    @property
    def mixture(self) -> Mixture:
        """The mixture as it is now."""
        values = self._weights.value, self._means.value, self._covariances.value
        return Mixture(*values, self.settings.covariance)

    def start(self) -> Snapshot:
        """Snapshot of the components fitted to the division whose mixture is likeliest."""
        self.ctx.at("place bells")
        s = self.settings
        clustering = likeliest_start(
            self.data.z,
            s.n_clusters,
            self.ctx,
            s.covariance,
            s.regularisation,
            s.n_init,
            Limits(s.max_iter, s.tolerance),
        )
        self._fit(answers_of(clustering), clustering.centers.cpu().double())
        log_likelihood = self._expect()[1]
        return self._snapshot({"log_likelihood": log_likelihood})

    def round(self) -> Snapshot:
        """Snapshot after one more round."""
        answers, before = self._expect()
        self._fit(answers, self._means.value)
        _, after = self._expect()
        self.settled.value = after - before < self.settings.tolerance
        return self._snapshot({"log_likelihood": after, "gain": after - before})

    def intervene(self, wanted: Wanted) -> None:
        """Change who answers for which item, which the next components are fitted to."""
        answers, reached = self._expect()
        self._answers = changed_answers(self.data.z.cpu(), answers, wanted, self.ctx), reached

    def _fit(self, responsibilities: Tensor, means: Tensor) -> None:
        self.ctx.at("maximise")
        settings = self.settings
        mixture = maximise(
            self.x, responsibilities, means, settings.covariance, settings.regularisation
        )
        self._weights.value, self._means.value = mixture.weights, mixture.means
        self._covariances.value, self._answers = mixture.covariances, None

    def _expect(self) -> tuple[Tensor, float]:
        if self._answers is None:
            self.ctx.at("expect")
            self._answers = expect(self.x, self.mixture)
        return self._answers

    def _snapshot(self, scalars: Mapping[str, float]) -> Snapshot:
        answers, log_likelihood = self._expect()
        value = bic(self.mixture, log_likelihood, len(self.x))
        return Snapshot(
            self.data.shown,
            answers.argmax(1).numpy(),
            {**scalars, "bic": value},
            probabilities=answers.numpy(),
            centers=self.data.leading(self._means.value),
            artefacts=self._artefacts(answers),
        )

    def _artefacts(self, answers: Tensor) -> dict[str, Artefact]:
        """Mixing weights, and what the components look like."""
        artefacts = {"weights": _weights(self.mixture)}
        if self.data.is_image:
            artefacts["centroids"] = self.data.centroids(self._means.value.to(self.data.z))
            artefacts["samples"] = self._samples()
            return artefacts
        artefacts["responsibilities"] = _responsibilities(answers)
        if self.data.shape == (2,):
            artefacts["bells"] = self._densities()  # its name in stored runs
        return artefacts

    def _samples(self) -> Artefact:
        factors = self.mixture.factors()
        k, d, _ = factors.shape
        offsets = torch.einsum("kij,skj->ski", factors, self._draws.value.expand(-1, k, d))
        drawn = (self._means.value + offsets).flatten(0, 1).to(self.data.z)
        return Artefact(
            "images",
            self.data.pictures(drawn).reshape(N_SAMPLES, k, *self.data.shape),
            "Samples",
            reading="New images drawn from each component: what it takes its items to look like.",
            cluster_axes=(1,),
        )

    def _densities(self) -> Artefact:
        extent = float(self.x.abs().max()) or 1.0
        along = torch.linspace(-extent, extent, SIDE, dtype=self.x.dtype)
        grid = torch.cartesian_prod(-along, along).flip(1)  # rows of pixels, from the top
        height = log_joint(grid, self.mixture)
        bright = (height - height.amax(0).clamp_min(MIN_LOG)).exp() * 255
        pixels = bright.T.reshape(1, -1, SIDE, SIDE, 1).round().clamp(0, 255)
        return Artefact(
            "images",
            pixels.numpy().astype(np.uint8),
            "Components",
            reading="The plane seen by each component: white at its mean, darker farther away.",
            cluster_axes=(1,),
        )


def _weights(mixture: Mixture) -> Artefact:
    return Artefact(
        "bars",
        mixture.weights[None].numpy(),
        "Mixing weights",
        reading="The share of all items that each component answers for; all shares sum to 1.",
        cluster_axes=(1,),
    )


def _responsibilities(answers: Tensor) -> Artefact:
    return Artefact(
        "per_item",
        answers.numpy(),
        "Responsibilities",
        reading="How much each component answers for the item picked, or for all items how often "
        "it does so to which degree; near 0 or 1 it is sure.",
        cluster_axes=(1,),
    )
