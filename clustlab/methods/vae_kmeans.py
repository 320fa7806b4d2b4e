r"""# Variational autoencoder + k-means

## Idea

An autoencoder may scatter its codes anywhere, with nothing in between that could be decoded. The
variational autoencoder describes each item $x$ not by a point but by a small cloud, a normal
distribution $q(z|x)$ with a mean $\mu$ and a variance $\sigma^2$ in each dimension. It decodes a
random point of the cloud, and pays for every cloud that differs from the one normal distribution
$p(z) = N(0, I)$ shared by all:

$$L = -\mathbb{E}_{q(z|x)} \ln p(x|z) + \beta\, \mathrm{KL}(q(z|x) \Vert p(z)), \qquad
\mathrm{KL} = -\tfrac12 \sum_j (1 + \ln \sigma_j^2 - \mu_j^2 - \sigma_j^2) .$$

With $\beta = 1$ this is a bound on the likelihood of the data: the model can make new items by
decoding points drawn from $p(z)$. The clusters are those of k-means on the means $\mu$.

## What to watch

- **Samples** are decoded from pure noise, always the same: from grey blots to digits.
- **Active units** have means that differ between items. A dimension whose means do not vary costs
  nothing and says nothing; the model has dropped it.
- The **traversal** moves one dimension at a time: one may be slant, another roundness.
- **KL** rises while **reconstruction** falls: each nat spent on the code must save more than one.

## Where it fails

- Everything is pulled towards one round cloud, so gaps between classes close. That k-means does
  worse than on a plain autoencoder is normal; VaDE replaces the one cloud by several.
- If $\beta$ is large, or the error is averaged over the pixels instead of summed, the code is
  not worth its price: KL falls to 0, no unit is active, and all reconstructions are one image.
  Small images, with fewer pixels to explain, come closer to this.

## Source

Kingma and Welling (2014), *Auto-Encoding Variational Bayes*, ICLR, eq. 10 and appendix B; the
factor $\beta$ from Higgins et al. (2017), *beta-VAE*, ICLR; active units from Burda et al.
(2016), *Importance Weighted Autoencoders*, ICLR.

Deviations: Adam instead of Adagrad, layers of DEC with ReLU, a weight on KL that grows over the
first epochs; coordinates of points are normal with variance 0.05.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Adam

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import Clustering
from clustlab.parts.networks.passes import embed, evaluating
from clustlab.parts.networks.variational import VariationalAutoencoder
from clustlab.parts.stages.autoencoding import AutoencoderTraining, to_images
from clustlab.parts.stages.code_kmeans import CodeKMeans
from clustlab.training_step import TrainingStep
from clustlab.types import Array, Artefact, MethodFamily, Paper, Snapshot

POINT_VARIANCE = 0.05  # of a decoded coordinate, for points at unit scale
ACTIVE = 0.01  # variance of the means above which a dimension is used: Burda et al., section 5
SAMPLE_ROWS, SAMPLE_COLUMNS = 3, 12
TRAVERSED, STEPS, WIDEST = 8, 11, 3.0  # dimensions, images of each, and deviations to either side


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of each entry in nats, of the same shape.

    Kingma and Welling 2014, appendix B, before the sum over the dimensions.
    """
    return (mean.square() + log_variance.exp() - log_variance - 1) / 2


def negative_elbo(reconstruction: Tensor, kl: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """Mean over the items of reconstruction (b,) plus beta times KL (b, d) summed, a scalar."""
    return (reconstruction + beta * kl.sum(1)).mean()


class NormalPriorAutoencoder(VariationalAutoencoder):
    """Autoencoder whose posteriors are at first as wide as the normal prior they shall fill."""

    point_variance: ClassVar[float] = POINT_VARIANCE

    def __init__(self, shape: tuple[int, ...], widths: tuple[int, ...], code: int) -> None:
        super().__init__(shape, widths, code)
        self.log_variance = self.new_variance_layer(1.0)

    @property
    def variance_layer(self) -> nn.Linear:
        """Layer from the last hidden values to the logarithms of variances."""
        return self.log_variance


@dataclass(frozen=True)
class VAEKMeans(CodeKMeans):
    """k-means on the means of a variational autoencoder."""

    name: ClassVar[str] = "vae-kmeans"
    title: ClassVar[str] = "Variational autoencoder + k-means"
    idea: ClassVar[str] = "Encode items as small clouds within one normal cloud, then cluster them."
    paper: ClassVar[Paper] = Paper(
        "Kingma and Welling", 2014, "Auto-Encoding Variational Bayes", "ICLR"
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "code"
    loop: ClassVar[tuple[str, ...]] = ("train", "encode", "cluster")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "hidden_widths": "250-250-1000",
            "batch_size": 64,
            "epochs": 12,
            "warmup_epochs": 4,
        },
        "standard": {"augmented": True, "epochs": 30},
        "paper": {"epochs": 500, "batch_size": 100, "warmup_epochs": 1},
    }

    beta: float = params.param(
        1.0,
        low=0.0,
        high=20.0,
        help="Weight of the divergence from the shared normal prior. 0 lets codes scatter "
        "freely; large values empty the code.",
    )
    warmup_epochs: int = params.epochs(
        10, "Passes over which the weight grows from near 0 to beta, so that codes form first."
    )

    def network(self, shape: tuple[int, ...]) -> NormalPriorAutoencoder:
        """Untrained network for items of a shape (c, h, w) or (d,)."""
        return NormalPriorAutoencoder(shape, self.widths, self.code_size)

    def training(self, items: Array, ctx: Context) -> AutoencoderTraining:
        """Autoencoder in training on the items, before its first step."""
        return _Training(self, items, ctx)


class _Training(AutoencoderTraining):
    """Training on the evidence bound; the code is the means."""

    network: NormalPriorAutoencoder

    def __init__(self, settings: VAEKMeans, items: Array, ctx: Context) -> None:
        super().__init__(settings, items, ctx)
        self.variational = settings
        noise = torch.randn(SAMPLE_ROWS * SAMPLE_COLUMNS, self.network.code).to(ctx.device)
        self._noise: Tensor = ctx.keep("noise of the samples", Cell(noise)).value
        # on the device, where a step that is replayed finds what it is now
        self._beta = torch.tensor(float(settings.beta), device=ctx.device)

    @property
    def beta(self) -> float:
        """Weight of the divergence in the present epoch."""
        settings, done = self.variational, self.ctx.done
        if self.ctx.phase_name != "pre-train" or self.ctx.is_warm:
            return settings.beta
        return settings.beta * min(1.0, (done + 1) / settings.warmup_epochs)

    def _epoch(self, optimiser: Adam, step: TrainingStep, names: list[str]) -> dict[str, float]:
        self._beta.fill_(self.beta)
        return super()._epoch(optimiser, step, names)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Negative evidence bound of a batch, and its parts, in nats per item."""
        mean, log_variance = (half.float() for half in self.network.posterior(x))
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        reconstruction = self.network.surprise(x, z)
        kl = kl_to_prior(mean, log_variance)
        return {
            "loss": negative_elbo(reconstruction, kl, self._beta),
            "reconstruction": reconstruction.mean(),
            "kl_divergence": kl.sum(1).mean(),
        }

    def snapshot(self, z: Tensor, clustering: Clustering, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of the means and their clusters, with the number of active units."""
        active = float((z.var(0, correction=0) > ACTIVE).sum())
        return super().snapshot(
            z, clustering, {**scalars, "active_units": active, "beta": self.beta}
        )

    def extras(self, z: Tensor) -> dict[str, Artefact]:
        """What the dimensions are used for, and what the model makes of noise."""
        network = self.network
        log_variance = embed(
            network, self.inputs, self.ctx, forward=lambda x: network.posterior(x)[1]
        )
        variance = z.var(0, correction=0)
        kl = kl_to_prior(z, log_variance).mean(0)
        names = tuple(str(j + 1) for j in range(z.shape[1]))
        artefacts = {
            "active units": Artefact(
                "bars",
                torch.stack((variance, log_variance.exp().mean(0))).cpu().numpy(),
                "Active units",
                reading="A unit whose means vary, with narrow posteriors, tells items apart; one "
                "whose means do not vary is not used.",
                rows=("variance of the means", "mean variance of the posteriors"),
                columns=names,
            ),
            "divergence": Artefact(
                "bars",
                kl[None].cpu().numpy(),
                "KL of each dimension",
                reading="Nats that each dimension of the code carries on average; 0 if dropped.",
                rows=("KL",),
                columns=names,
            ),
        }
        return {**artefacts, **self._made(z, variance)} if self.inputs.is_image else artefacts

    def _made(self, z: Tensor, variance: Tensor) -> dict[str, Artefact]:
        network = self.network
        order = variance.argsort(descending=True, stable=True)[:TRAVERSED]
        offsets = torch.linspace(-WIDEST, WIDEST, STEPS, device=z.device)
        paths = z[int(self._shown[0])].repeat(len(order), STEPS, 1)
        for row, dimension in enumerate(order.tolist()):
            paths[row, :, dimension] = offsets
        with evaluating(network):
            samples = to_images(network.decode(self._noise))
            travelled = to_images(network.decode(paths.flatten(0, 1)))
        shape = samples.shape[1:]
        return {
            "samples": Artefact(
                "images",
                samples.reshape(SAMPLE_ROWS, SAMPLE_COLUMNS, *shape),
                "Samples from the prior",
                reading="Decoded noise: what the model takes for a likely item.",
            ),
            "traversal": Artefact(
                "images",
                travelled.reshape(len(order), STEPS, *shape),
                "Latent traversal",
                reading="One item whose code is changed in one dimension at a time, the most "
                "active first.",
                rows=tuple(f"dimension {j + 1}" for j in order.tolist()),
                columns=tuple(f"{value:+.1f}" for value in offsets.tolist()),
            ),
        }
