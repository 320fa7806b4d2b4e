r"""# VaDE: variational deep embedding

## Idea

Tell a story of how the items came about, clusters included: pick a cluster $c$ with probability
$\pi_c$, draw a code $z$ from the Gaussian of that cluster, and let a network draw the item from
$z$. A second network looks at an item and answers with a posterior, a small cloud of codes: $q(z
\mid x) = \mathcal N(\tilde\mu, \tilde\sigma^2)$. Both networks and the mixture of Gaussians are
trained together, so that the story explains the items well. The loss per item is

$$L = -\ln p(x \mid z) + \tfrac12 \sum_c \gamma_c \sum_d \Bigl( \ln \sigma_{cd}^2 +
\frac{\tilde\sigma_d^2 + (\tilde\mu_d - \mu_{cd})^2}{\sigma_{cd}^2} \Bigr)
- \tfrac12 \sum_d (1 + \ln \tilde\sigma_d^2) + \sum_c \gamma_c \ln \frac{\gamma_c}{\pi_c},$$

where the cluster of a code follows from Bayes' rule:

$$\gamma_c = \frac{\pi_c \, \mathcal N(z; \mu_c, \sigma_c^2)}
{\sum_{c'} \pi_{c'} \, \mathcal N(z; \mu_{c'}, \sigma_{c'}^2)} .$$

The first term wants a code from which the item can be drawn, the rest wants it where one of the
clusters is. The start is an autoencoder, and a mixture fitted to its code; of several mixtures the
likeliest is taken.

## What to watch

- **Samples** of each cluster: nobody has ever seen these images. A column with two different digits
  is a cluster that holds both.
- **Active units**: dimensions of the code whose mean moves from item to item. One that is given
  up keeps the same posterior for all items.
- **Reconstruction** and **divergence**, both in nats, pull in opposite directions.
- **Shares** $\pi_c$ are learned: unlike in IMSAT, clusters may differ in size.
- **Learning rate**: it rises over the first 400 updates. At the full rate at once, two of ten
  clusters lost all their items within 80 updates.

## Where it fails

- Without the start it falls into one cluster at once and stays there. With a poor start two kinds
  of item that share a Gaussian go on sharing it. The published 0.945 begins from weights that its
  authors ship with their code; independent runs report 0.70 to 0.81.
- A cluster that loses its items is not given any: its share shrinks towards 0.
- Clusters are ellipses along the axes of the code, and what makes up most pixels shapes the code.
- On photographs the reconstruction term outweighs all else, and clusters are colours.

## Source

Jiang, Zheng, Tan, Tang and Zhou (2017), *Variational Deep Embedding: An Unsupervised and
Generative Approach to Clustering*, IJCAI, section 3; active units as in Burda et al. (2016).

Deviations: end-to-end pre-training, fewer passes, a code of variance 1 before k-means starts the
diagonal mixture, and a prior $\pi_c$ that counts once, not per dimension as in the authors' code.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.methods.vade.variational import (
    FIRST_VARIANCE,
    SMALLEST_VARIANCE,
    MixturePriorAutoencoder,
    Prior,
    change_prior,
    prior_divergence,
)
from clustlab.parts.clustering.code_clusters import USUAL_KMEANS_STEPS
from clustlab.parts.clustering.kmeans import Clustering
from clustlab.parts.clustering.mixture_start import USUAL_ROUNDS, Limits, likeliest_start
from clustlab.parts.hooks.interventions import ALL, LearningRateFactor, Offer, Wanted, of_clusters
from clustlab.parts.hooks.scoring import ScoringChain, kept, phase_of
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.cost import macs
from clustlab.parts.networks.passes import descend, embed, evaluating
from clustlab.parts.stages.autoencoding import (
    TRAINING,
    AutoencoderSettings,
    AutoencoderTraining,
    to_images,
)
from clustlab.types import (
    Array,
    Artefact,
    Cost,
    MethodFamily,
    Paper,
    PlannedPhase,
    Reported,
    Snapshot,
)

NO_VARIANCE = 1e-8  # of a code whose items are all equal but for rounding
# Updates per factor of the rate, that factor, and its floor. The authors' code lowers the rate
# every 10 epochs of 700 updates; fewer items make shorter epochs, not a faster fall.
STEADY, SLOWER, SLOWEST = 7000, 0.9, 0.1
FIT = Limits(100, 1e-3)  # of a mixture to the code, as scikit-learn ends it
EPSILON = 1e-4  # of Adam, as in the authors' code
ACTIVE = 0.01  # share of variance between items from which a unit is active
SAMPLES = 6  # images drawn from each cluster


@dataclass(frozen=True)
class VaDE(AutoencoderSettings):
    """A variational autoencoder with a mixture of Gaussians as its prior."""

    name: ClassVar[str] = "vade"
    title: ClassVar[str] = "VaDE"
    idea: ClassVar[str] = "Learn how items are made: from a cluster to a code to an image."
    paper: ClassVar[Paper] = Paper(
        authors="Jiang, Zheng, Tan, Tang and Zhou",
        year=2017,
        title="Variational Deep Embedding: An Unsupervised and Generative Approach to Clustering",
        venue="IJCAI",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist",
            0.9446,
            "all 70,000, from weights shipped with its code; independent runs report 0.70 to 0.81",
            "code of its authors",
        ),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "mixture"
    loop: ClassVar[tuple[str, ...]] = ("train", "encode", "cluster", "sample")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    interventions: ClassVar[Offer] = {**AutoencoderSettings.interventions, "cluster": ALL}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "hidden_widths": "250-250-1000",
            "batch_size": 64,
            "epochs": 15,
            "cluster_epochs": 25,
            "warm_up_updates": 400,
        },
        "standard": {
            "augmented": True,
            "epochs": 70,
            "cluster_epochs": 100,
            "warm_up_updates": 400,
        },
        "paper": {"epochs": 400, "cluster_epochs": 3000, "warm_up_updates": 400},
    }

    n_init: int = params.param(
        20,
        low=1,
        high=100,
        advanced=True,
        help="Starts of k-means. A mixture is fitted from each, and the likeliest is kept.",
    )
    augmented: bool = params.param(
        False,
        help="Pre-train on turned and shifted copies. After that the mixture sees only the items "
        "themselves, since those are what it has to explain.",
    )
    batch_size: int = params.batch_size(100)
    cluster_epochs: int = params.epochs(
        60, "How often training of the whole model passes over all items, after pre-training."
    )
    cluster_learning_rate: float = params.learning_rate(2e-3)
    warm_up_updates: int = params.param(
        0,  # as in runs that were made before there was a rise
        low=0,
        high=100_000,
        advanced=True,
        help="Updates over which the learning rate of the whole model rises to its full value; in "
        "the authors' code it does not. At 0, clusters may lose all their items to others at "
        "once.",
    )

    def network(self, shape: tuple[int, ...]) -> MixturePriorAutoencoder:
        """Untrained network for items of a shape (c, h, w) or (d,)."""
        return MixturePriorAutoencoder(shape, self.widths, self.code_size)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        network = self.blank(shape)
        epoch = macs(network, network.shape) * (TRAINING * n)
        look = macs(network, network.shape, network.encode) * n
        start = self.clustering_plan("initialise clusters", "initialise", n, shape)
        rounds = USUAL_KMEANS_STEPS + USUAL_ROUNDS * self.n_init
        mixture = Cost(linear=float(4 * rounds * n * self.n_clusters * network.code))
        before = [
            *self.pretraining_plan(n, shape),
            replace(start, cost=start.cost + mixture),
        ]
        return [
            *(replace(phase, is_in_loop=False) for phase in before),
            PlannedPhase("cluster", self.cluster_epochs, epoch + look, "train", n),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per epoch of pre-training, then one per epoch of training the whole."""
        training = AutoencoderTraining(self, items, ctx)
        stage = _Generation(self, training, ctx)
        yield from training.start()
        yield from training.pretrain(0 if ctx.is_warm else self.epochs)
        for _ in ctx.phase("initialise clusters", 1):
            yield stage.initialise()
        for i in ctx.phase("cluster", self.cluster_epochs):
            if wanted := ctx.interventions():
                stage.intervene(wanted)
            yield stage.epoch(i)

    def rate(self, updates: int) -> float:
        """Learning rate of the whole after so many updates: it rises, then falls in steps."""
        rising = min(1.0, (updates + 1) / max(1, self.warm_up_updates))
        falling = max(SLOWER ** (updates // STEADY), SLOWEST)
        return self.cluster_learning_rate * rising * falling

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log of the cluster probabilities; closeness to the centres before; `registry.Scoring`."""
        if phase_of(state) not in ("initialise clusters", "cluster"):
            return self.code_scorer(inputs, state)
        with torch.device("meta"):
            prior = Prior(self.n_clusters, last.embedding.shape[1])
        prior.load_state_dict(kept(state, "prior"), assign=True)
        prior.to(inputs.device).requires_grad_(False)
        encoder = self.code_encoder(inputs, state)
        judging = (prior, nn.LogSoftmax(1))
        return ScoringChain(encoder, judging, gives_log_probabilities=True).eval()


def fitted_mixture(z: Array, clustering: Clustering, seed: int) -> tuple[Array, Array, Array]:
    """Shares (k,), means and variances (k, d) of a diagonal mixture fitted to codes (n, d) by EM.

    It starts from a division by k-means.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    assignments, shift = clustering.assignments.cpu().numpy(), z.mean(0)
    z = z - shift  # far from 0 the variances would be lost to rounding
    means = clustering.centers.cpu().double().numpy() - shift
    k = len(means)
    shares = (np.bincount(assignments, minlength=k) + 1) / (len(z) + k)  # none is 0
    variances = np.full(means.shape, SMALLEST_VARIANCE)
    for cluster in np.unique(assignments):
        variances[cluster] += z[assignments == cluster].var(0)
    mixture = GaussianMixture(
        k,
        covariance_type="diag",
        reg_covar=SMALLEST_VARIANCE,
        weights_init=shares,
        means_init=means,
        precisions_init=1 / variances,
        random_state=seed,
    )
    with warnings.catch_warnings():  # a start need not have settled
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(z)
    return mixture.weights_, mixture.means_ + shift, mixture.covariances_


class _Generation:
    """The second stage: both networks and the mixture, for one run."""

    def __init__(self, settings: VaDE, training: AutoencoderTraining, ctx: Context) -> None:
        network = training.network
        if not isinstance(network, MixturePriorAutoencoder):
            raise TypeError(f"{type(network).__name__} has no posterior")
        self.settings, self.training, self.ctx, self.network = settings, training, ctx, network
        self.prior = ctx.keep("prior", Prior(settings.n_clusters, network.code))
        weights = [*network.parameters(), *self.prior.parameters()]
        rate = settings.cluster_learning_rate
        adam = torch.optim.Adam(weights, rate, eps=EPSILON, fused=True)
        # the mixture is fitted anew in a continued run, so its momentum has no meaning there
        self.optimiser = ctx.keep("cluster optimiser", adam, across_runs=False)
        self.step = ctx.step(self._step, self.optimiser)
        self.rate_factor = LearningRateFactor("pace", ctx)
        self.draws = ctx.keep("draws", Cell(int(ctx.rng.integers(2**31))))

    def initialise(self) -> Snapshot:
        """Snapshot with a code of variance 1 and a mixture fitted to it."""
        z = self.training.code()
        variance = float(z.var(0, correction=0).mean())
        scale = 1 / math.sqrt(variance) if variance > NO_VARIANCE else 1.0
        self.network.rescale(scale)
        if not self.ctx.is_warm:
            nn.init.constant_(self.network.variance_layer.bias, math.log(FIRST_VARIANCE))
        z = z * scale
        self.ctx.at("cluster")
        s = self.settings
        clustering = likeliest_start(
            z, s.n_clusters, self.ctx, "diag", SMALLEST_VARIANCE, s.n_init, FIT
        )
        seed = int(self.ctx.rng.integers(2**31))
        shares, means, variances = fitted_mixture(z.cpu().double().numpy(), clustering, seed)
        start = {"scores": np.log(shares), "means": means, "log_variances": np.log(variances)}
        with torch.no_grad():
            for name, value in start.items():
                getattr(self.prior, name).copy_(torch.from_numpy(value))
        return self._snapshot({"inertia": clustering.inertia, "code_scale": scale})

    def intervene(self, wanted: Wanted) -> None:
        """Change the learning rate, or the clusters of the mixture."""
        self.rate_factor.take(wanted)
        if moves := of_clusters(wanted):
            change_prior(self.prior, self.training.code(), moves, self.ctx)

    def epoch(self, done: int) -> Snapshot:
        """Snapshot after one more pass over all items."""
        self.ctx.at("train")
        self.network.train()
        n, rate, settings = len(self.training.inputs), 0.0, self.settings
        total = torch.zeros(2, device=self.ctx.device)
        for index in self.ctx.batches(n, settings.batch_size):
            updates = done * self.ctx.n_batches + self.ctx.batch
            rate = self.rate_factor.set(settings.rate(updates), self.optimiser)
            total += self.step(index) * (len(index) / n)
        reconstruction, divergence = total.tolist()
        return self._snapshot(
            {
                "loss": reconstruction + divergence,
                "reconstruction": reconstruction,
                "divergence": divergence,
                "learning_rate": rate,
            }
        )

    def _step(self, index: Tensor) -> Tensor:
        """Losses (2,) of one step on a batch (b,)."""
        parts = self._losses(self.training.inputs[index])
        descend(self.optimiser, parts.sum())
        return parts.detach()

    def _losses(self, x: Tensor) -> Tensor:
        """Mean surprise and mean divergence of a batch, (2,), with one code drawn per item."""
        mean, log_variance = self.network.posterior_parameters(x).chunk(2, 1)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        prior = self.prior
        gamma = prior(z).softmax(1)
        divergence = prior_divergence(
            mean,
            log_variance,
            gamma,
            prior.scores.log_softmax(0),
            prior.means,
            prior.log_variances,
        )
        return torch.stack((self.network.surprise(x, z).mean(), divergence.mean()))

    def _snapshot(self, scalars: Mapping[str, float]) -> Snapshot:
        self.ctx.at("encode")
        posteriors = embed(
            self.network, self.training.inputs, self.ctx, forward=self.network.posterior_parameters
        )
        mean, log_variance = posteriors.chunk(2, 1)
        self.ctx.at("cluster")
        with torch.no_grad():
            scores = self.prior(mean)
        p, centers = scores.softmax(1), self.prior.means.detach()
        units = torch.stack((mean.var(0, correction=0), log_variance.exp().mean(0)))
        active = units[0] / units.sum(0).clamp_min(1e-12) > ACTIVE
        self.ctx.at("sample")
        measured = {"active_units": float(active.sum()), "confidence": float(p.amax(1).mean())}
        artefacts = {**self._artefacts(units, active, p), **self.training.pictures(centers)}
        return Snapshot(
            mean.cpu().numpy(),
            scores.argmax(1).cpu().numpy(),
            {**scalars, **measured},
            probabilities=p.cpu().numpy(),
            centers=centers.cpu().numpy(),
            artefacts=artefacts,
        )

    def _artefacts(self, units: Tensor, active: Tensor, p: Tensor) -> dict[str, Artefact]:
        shares = torch.stack((self.prior.scores.detach().softmax(0), p.mean(0)))
        numbers = tuple(str(i + 1) for i in range(units.shape[1]))
        artefacts = {
            "units": Artefact(
                "bars",
                units.cpu().numpy(),
                "Active units",
                "Variance of each dimension of the code: between items, and within the "
                "posterior of one. A unit whose first bar is near 0 tells nothing of the item.",
                rows=("between items", "within a posterior"),
                columns=numbers,
                marked=tuple(active.nonzero()[:, 0].tolist()),
            ),
            "shares": Artefact(
                "bars",
                shares.cpu().numpy(),
                "Share of each cluster",
                "What the mixture expects beside what the items show; both may be unequal.",
                rows=("prior", "mean of the items"),
                cluster_axes=(1,),
            ),
        }
        if self.training.inputs.is_image:
            artefacts["samples"] = Artefact(
                "images",
                self._samples(),
                "Samples of each cluster",
                "Images that the model makes up. Unlike ones in a column share a cluster.",
                cluster_axes=(1,),
            )
        return artefacts

    def _samples(self) -> Array:
        """Images drawn from every cluster, (samples, k, h, w, c) uint8; always the same draws."""
        generator = torch.Generator().manual_seed(self.draws.value)
        k, d = self.prior.means.shape
        noise = torch.randn(SAMPLES, k, d, generator=generator).to(self.prior.means)
        with evaluating(self.network):
            z = self.prior.means + (0.5 * self.prior.log_variances).exp() * noise
            images = to_images(self.network.decode(z.flatten(0, 1)))
        return images.reshape(SAMPLES, k, *images.shape[1:])
