r"""# Deep InfoMax + k-means

## Idea

Nothing is redrawn. A network turns an image into a code $z$ of 64 numbers that should tell as much
as possible about it. A critic says how much: given a code and a piece of an image, it answers with
a score $u$, high if it thinks the piece is from the image that the code came from. The more the
code knows, the better pairs that belong together can be told from pairs of two images:

$$I_{JS} = \mathbb{E}_{\text{own}} \left[\ln 2 - \mathrm{sp}(-u)\right]
- \mathbb{E}_{\text{other}} \left[\mathrm{sp}(u) - \ln 2\right], \qquad
\mathrm{sp}(u) = \ln(1 + e^u) .$$

- **Global**: the piece is the whole map of features of the image.
- **Local**: the piece is one place of the map, and all places count equally. So the code keeps
  what many places of an image share, and forgets the noise of a single one.
- **Prior**: a discriminator tells codes, squashed to between 0 and 1, from uniform noise. The
  network learns to deceive it, so codes spread out evenly.

k-means on the codes, scaled to length 1, gives the clusters.

## What to watch

- **Scores**: a row is a code, a column an image. The diagonal lights up: each code knows its own.
- **Local** and **global** information rise towards $2 \ln 2 = 1.39$, where the estimate ends.
- **Which place agrees**: bright is where the image is most like its own code. It should be the
  strokes and their ends, not the background.
- Both sides of the **prior** game stay near 0.7, which is guessing; far below, the discriminator
  wins.

## Where it fails

- To know an image from all others is more than to know its class. Codes of one class need not lie
  together: on digits k-means on pixels finds more, and so do neighbours among pixels.
- The estimate cannot exceed $2 \ln 2$, so at some point it no longer tells good codes from better
  ones. Blank places, the same in all images, cannot be told apart and keep the local estimate far
  below.

## Source

Hjelm, Fedorov, Lavoie-Marchildon, Grewal, Bachman, Trischler and Bengio (2019), *Learning Deep
Representations by Mutual Information Estimation and Maximization*, ICLR, eq. 4 to 8.

Deviations: global information too, half the channels, an eighth of the units, fewer but larger
steps, BatchNorm on the code, squashed by the normal distribution, unit length for k-means.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.methods.infomax_kmeans.prior_matching import (
    deceiving_loss,
    discriminating_loss,
    squash,
)
from clustlab.parts.clustering.code_clusters import CodeClusters, best_cost, following_cost
from clustlab.parts.clustering.kmeans import Clustering, check_enough_items
from clustlab.parts.hooks.interventions import RATE, Offer, change_rate
from clustlab.parts.hooks.scoring import UnitLength, kept, nearest_center, restored
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.autoencoder import ConvEncoder, mlp
from clustlab.parts.networks.cost import blank, macs
from clustlab.parts.networks.encoder import even_batch
from clustlab.parts.networks.passes import embed, evaluating
from clustlab.parts.stages.autoencoding import TRAINING, heat_maps, to_images
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

SHOWN = 12  # images whose scores are shown
PRIOR_WIDTHS = (1000, 200)  # of the discriminator of codes, as in the authors' code


def jensen_shannon(scores: Tensor) -> Tensor:
    """Jensen-Shannon estimate of mutual information, a scalar in nats of at most 2 ln 2.

    Hjelm et al. 2019, eq. 4, shifted so that scores of 0 give 0.

    Parameters
    ----------
    scores : Tensor
        Scores (b, b, m) of each code for each place of each image. The diagonal belongs together;
        everything else does not, and every place counts equally.
    """
    n = len(scores)
    belonging = (math.log(2) - functional.softplus(-scores.diagonal())).mean()
    if n == 1:  # there is nobody else
        return belonging
    # all of them, since picking some makes the host wait for a GPU
    others = 1 - torch.eye(n, dtype=scores.dtype, device=scores.device)
    apart = (functional.softplus(scores) - math.log(2)).mean(2) * others
    return belonging - apart.sum() / (n * (n - 1))


def score_table(codes: Tensor, places: Tensor) -> Tensor:
    """Scores (b, b, m) of codes (b, d) for the places (b, d, m) of all images: inner products."""
    return torch.einsum("id,jdm->ijm", codes, places)


class Encoder(nn.Module):
    """From images to a map of features, and from the map to a code."""

    def __init__(
        self, shape: tuple[int, ...], channels: tuple[int, ...], units: int, code: int
    ) -> None:
        super().__init__()
        self.body = ConvEncoder(shape, channels)
        self.channels, self.code = channels[-1], code
        self.head = nn.Sequential(
            nn.Linear(self.body.width, units),
            nn.BatchNorm1d(units),
            nn.ReLU(),
            nn.Linear(units, code),
            nn.BatchNorm1d(code, affine=False),  # else the scale drifts, which no score feels
        )

    def maps(self, x: Tensor) -> Tensor:
        """Map of features (b, channels, rows, columns) of images (b, c, h, w)."""
        feature_maps: Tensor = self.body.layers(x)
        return feature_maps

    def forward(self, x: Tensor) -> Tensor:
        """Code (b, code)."""
        return self.of_maps(self.maps(x))

    def of_maps(self, maps: Tensor) -> Tensor:
        """Code (b, code) from the map of features."""
        return self.head(maps.flatten(1))


class Projection(nn.Module):
    """From rows (m, inner) to rows (m, units) in which a critic multiplies.

    A small network beside a straight way that copies at first, so that what is multiplied is
    close to the code itself, and clusters of the code mean something.
    """

    def __init__(self, inner: int, units: int) -> None:
        super().__init__()
        self.straight = nn.Linear(inner, units)
        with torch.no_grad():
            self.straight.weight.uniform_(-0.01, 0.01).fill_diagonal_(1.0)
        self.bent = nn.Sequential(
            nn.Linear(inner, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Linear(units, units)
        )
        self.norm = nn.LayerNorm(units)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (m, units)."""
        return self.norm(self.straight(rows) + self.bent(rows))


class Critic(nn.Module):
    """Two projections whose products are scores: one of codes, one of features."""

    def __init__(self, features: int, code: int, units: int) -> None:
        super().__init__()
        self.of_code = Projection(code, units)
        self.of_features = Projection(features, units)

    def forward(self, codes: Tensor, features: Tensor) -> Tensor:
        """Scores (b, b, m) of codes (b, code) for features (b, features, m)."""
        b, _, m = features.shape
        rows = self.of_features(features.transpose(1, 2).flatten(0, 1))
        places = rows.unflatten(0, (b, m)).transpose(1, 2)
        return score_table(self.of_code(codes), places) / math.sqrt(places.shape[1])


class Network(nn.Module):
    """Encoder with its two critics, which are trained together."""

    def __init__(self, shape: tuple[int, ...], settings: "InfoMaxKMeans") -> None:
        super().__init__()
        channels = (settings.width, 2 * settings.width)
        self.encoder = Encoder(shape, channels, settings.hidden_units, settings.code_size)
        units = settings.critic_units
        self.local = Critic(self.encoder.channels, settings.code_size, units)
        self.whole = Critic(self.encoder.body.width, settings.code_size, units)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes (b, code), local scores (b, b, places) and global scores (b, b, 1)."""
        maps = self.encoder.maps(x)
        z = self.encoder.of_maps(maps)
        return z, self.local(z, maps.flatten(2)), self.whole(z, maps.flatten(1)[:, :, None])


@dataclass(frozen=True)
class InfoMaxKMeans:
    """k-means on codes that tell much about their images."""

    name: ClassVar[str] = "infomax-kmeans"
    title: ClassVar[str] = "Deep InfoMax + k-means"
    idea: ClassVar[str] = "Learn codes that pick out their own image, then cluster them."
    paper: ClassVar[Paper] = Paper(
        "Hjelm et al.",
        2019,
        "Learning Deep Representations by Mutual Information Estimation and Maximization",
        "ICLR",
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "code"
    loop: ClassVar[tuple[str, ...]] = ("estimate information", "match prior", "encode", "cluster")
    accepts: ClassVar[tuple[str, ...]] = ("images",)
    interventions: ClassVar[Offer] = {"train": RATE}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 8, "width": 16, "learning_rate": 1e-3},
        "standard": {},
        "paper": {
            "epochs": 1000,
            "width": 64,
            "hidden_units": 1024,
            "critic_units": 2048,
            "batch_size": 64,
            "learning_rate": 1e-4,
            "global_weight": 0.0,
        },
    }

    n_clusters: int = params.n_clusters()
    epochs: int = params.epochs(20)
    local_weight: float = params.param(
        1.0, low=0.0, high=10.0, help="Weight of what the code tells about each place of an image."
    )
    global_weight: float = params.param(
        0.5, low=0.0, high=10.0, help="Weight of what the code tells about the image as a whole."
    )
    prior_weight: float = params.param(
        0.1,
        low=0.0,
        high=10.0,
        help="Weight of deceiving the discriminator that tells codes from noise.",
    )
    code_size: int = params.param(
        64, low=2, high=256, help="Width of the code, the space in which clusters are formed."
    )
    width: int = params.param(
        32,
        low=4,
        high=128,
        advanced=True,
        help="Channels of the first convolution; the second has twice as many.",
    )
    hidden_units: int = params.param(
        512, low=8, high=4096, advanced=True, help="Units between the map and the code."
    )
    critic_units: int = params.param(
        256, low=8, high=4096, help="Units of the critics.", advanced=True
    )
    n_init: int = params.param(
        20, low=1, high=100, advanced=True, help="Starts of k-means on the code; the best is kept."
    )
    batch_size: int = params.batch_size(128)
    learning_rate: float = params.learning_rate(5e-4)

    def build_network(self, shape: tuple[int, ...]) -> Network:
        """Untrained encoder with its critics, for images of a shape (c, h, w)."""
        return Network(shape, self)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c)."""
        network, seen = blank(self.build_network, shape)
        size = even_batch(n, self.batch_size)
        places = network.encoder.body.width // network.encoder.channels
        pairs = Cost(linear=float(size * (places + 1) * self.critic_units))
        prior = Cost(linear=float(3 * (self.code_size * 1000 + 1000 * 200)))
        training = (macs(network, seen) + pairs + prior) * (TRAINING * n)
        clustering = following_cost(n, self.code_size, self.n_clusters)
        look = macs(network.encoder, seen) * n + clustering
        best = best_cost(n, self.code_size, self.n_clusters, self.n_init)
        return [
            PlannedPhase("start", 1, look, "initialise"),
            PlannedPhase("train", self.epochs, training + look, "pretrain", n),
            PlannedPhase("cluster", 1, look + best, "read_off"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the untrained network, one per epoch, one of the best k-means."""
        run = _Run(self, items, ctx)
        for _ in ctx.phase("start", 1):
            z = run.code()
            yield run.snapshot(z, run.clusters.first(z), {})
        for _ in ctx.phase("train", self.epochs):
            wanted = ctx.interventions()
            change_rate(run.optimiser, wanted)
            change_rate(run.prior_optimiser, wanted)
            scalars = run.epoch()
            z = run.code()
            yield run.snapshot(z, run.clusters.next(z), scalars)
        for _ in ctx.phase("cluster", 1):
            z = run.code()
            yield run.snapshot(z, run.clusters.best(z), {})

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness of the code at unit length to the centres; see `registry.Scoring`."""
        untrained = lambda: self.build_network(inputs.shape)  # noqa: E731
        network = restored(untrained, state, "network", inputs.device)
        centers = kept(state, "code centers")["tensor"]
        layers = (*network.encoder.body.layers, nn.Flatten(), *network.encoder.head, UnitLength())
        return nearest_center(nn.Sequential(*layers), centers)


class _Run:
    """One run: networks in training, the clusters of the code, and what is shown."""

    def __init__(self, settings: InfoMaxKMeans, items: Array, ctx: Context) -> None:
        n = len(items)
        check_enough_items(n, settings.n_clusters)
        self.settings, self.ctx, self.inputs = settings, ctx, Inputs(items, ctx.device)
        self.network = ctx.keep("network", settings.build_network(self.inputs.shape))
        prior = mlp((settings.code_size, *PRIOR_WIDTHS, 1))
        self.prior = ctx.keep("prior discriminator", prior)
        rate = settings.learning_rate
        own, others = (Adam(x.parameters(), rate, fused=True) for x in (self.network, self.prior))
        self.optimiser = ctx.keep("optimiser", own)
        self.prior_optimiser = ctx.keep("prior optimiser", others)
        self.step = ctx.step(self._step, self.optimiser, self.prior_optimiser)
        shown = np.sort(ctx.rng.choice(n, min(n, SHOWN), replace=False))
        self._shown: Array = ctx.keep("shown items", Cell(shown)).value
        self.clusters = CodeClusters(
            n, settings.code_size, settings.n_clusters, settings.n_init, ctx
        )

    def epoch(self) -> dict[str, float]:
        """Mean objective and its parts over one pass of training, by name."""
        n, total = len(self.inputs), torch.zeros(4, device=self.ctx.device)
        self.network.train()
        for index in self.ctx.batches(n, even_batch(n, self.settings.batch_size)):
            total = total + self.step(index) * len(index)
        local, whole, deceived, discriminator = (total / n).tolist()
        settings = self.settings
        known = {"local_information": local, "global_information": whole}
        weights = (settings.local_weight, settings.global_weight)  # 0: its critic learns nothing
        return {
            "loss": settings.prior_weight * deceived - float(np.dot(weights, (local, whole))),
            **{name: known[name] for name, weight in zip(known, weights, strict=True) if weight},
            "prior_loss_of_encoder": deceived,
            "prior_loss_of_discriminator": discriminator,
        }

    def _step(self, index: Tensor) -> Tensor:
        """One step of encoder and critics, then one of the discriminator of codes.

        Returns local and global information, and the losses of deceiving and of discriminating.
        """
        settings, x = self.settings, self.inputs[index]
        self.ctx.at("estimate information")
        z, local_scores, whole_scores = self.network(x)
        local, whole = jensen_shannon(local_scores.float()), jensen_shannon(whole_scores.float())
        squashed = squash(z.float())
        deceived = deceiving_loss(self.prior(squashed))
        loss = settings.prior_weight * deceived - settings.local_weight * local
        self.optimiser.zero_grad()
        torch.autograd.backward(loss - settings.global_weight * whole)
        self.optimiser.step()
        self.ctx.at("match prior")
        codes, noise = self.prior(squashed.detach()), self.prior(torch.rand_like(squashed))
        told = discriminating_loss(codes, noise)
        self.prior_optimiser.zero_grad()
        torch.autograd.backward(told)
        self.prior_optimiser.step()
        return torch.stack((local, whole, deceived, told)).detach()

    def code(self) -> Tensor:
        """Codes (n, code) of all items at unit length."""
        self.ctx.at("encode")
        z = embed(self.network.encoder, self.inputs, self.ctx)
        self.ctx.at("cluster")
        return functional.normalize(z, dim=1)

    def snapshot(self, z: Tensor, clustering: Clustering, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of the codes and their clusters."""
        return self.clusters.snapshot(z, clustering, scalars, self._artefacts())

    def _artefacts(self) -> dict[str, Artefact]:
        """How well the codes of a few images know their images, and which places of them."""
        x = self.inputs[self._shown]
        with evaluating(self.network):
            _, local, _ = self.network(x)
            sides = self.network.encoder.maps(x).shape[2:]
        names = tuple(map(str, self._shown))
        own = local.float().diagonal().T.unflatten(1, sides)  # (b, rows, columns)
        pictures = np.stack((to_images(x), heat_maps(own, x)))
        return {
            "scores": Artefact(
                "matrix",
                local.mean(2).cpu().numpy(),
                "Scores of codes for images",
                reading="Row: whose code. Column: whose image, averaged over its places. A strong "
                "diagonal means that each code knows its own image.",
                rows=names,
                columns=names,
                axis_titles=("code of image", "scored on image"),
            ),
            "places": Artefact(
                "images",
                pictures,
                "Which place agrees with the code",
                reading="Below each image, bright: the places whose features fit the image's own "
                "code best.",
                rows=("image", "agreement"),
                columns=names,
            ),
        }
