r"""# BiGAN + k-means

## Idea

Three networks play a game. The **generator** $G$ turns noise $z$ into images. The **encoder** $E$
turns images into codes as long as the noise. The **discriminator** $D$ sees an image and a code
together and has to say which of the two came first: is it a real image with the code found for it,
$(x, E(x))$, or noise with the image made from it, $(G(z), z)$?

$$L_D = \mathbb{E}_x\, \mathrm{sp}(-D(x, E(x))) + \mathbb{E}_z\, \mathrm{sp}(D(G(z), z)),
\qquad \mathrm{sp}(u) = \ln(1 + e^u) .$$

Encoder and generator try the opposite, the same loss with both signs reversed. They can win only if
the two kinds of pairs look the same, and that is so only if $E$ undoes what $G$ does. Nobody ever
compares an image with its reconstruction: the code learns what an image *is of*, not its pixels.

k-means clusters the last hidden layer of the encoder, or the code itself.

## What to watch

- **Samples** go from blots to digits. If they all become alike, the generator has dropped modes.
- **Reconstructions** $G(E(x))$ show the same digit in another hand. An autoencoder keeps the
  strokes and blurs them; this one keeps the digit and invents the strokes.
- **Judgement**: if both kinds of pairs get the same scores, the discriminator guesses and the game
  is even. A **discriminator loss** of 1.39 is guessing; near 0 the game is lost.
- **Code values** of images should be spread like noise, evenly between -1 and 1. If they pile up at
  the ends, they lie where the generator has hardly ever been.

## Where it fails

- A game has no valley to roll into. Losses go up and down, and longer training can lose what was
  gained. No figure tells the best epoch without labels.
- It needs many steps. In the first few thousand the features get worse than those of the untrained
  network, and k-means on them is poor; the authors took two hundred thousand.

## Source

Donahue, Krähenbühl and Darrell (2017), *Adversarial Feature Learning*, ICLR, eq. 2 and 3, with
nets and settings of section 4.1; no clustering figure was published for it.

Deviations: half the units, fewer passes, and k-means on at most 32 principal components.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.code_clusters import CodeClusters, best_cost, following_cost
from clustlab.parts.clustering.kmeans import Clustering, check_enough_items
from clustlab.parts.hooks.interventions import RATE, LearningRateFactor, Offer
from clustlab.parts.hooks.scoring import kept, nearest_center, projected, restored
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.inputs.sampling import fixed_order
from clustlab.parts.networks.cost import blank, macs
from clustlab.parts.networks.encoder import even_batch
from clustlab.parts.networks.passes import embed, evaluating
from clustlab.parts.stages.autoencoding import TRAINING, VIEWS, to_images
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

SLOPE = 0.2  # of leaky ReLUs below 0
FIRST_WEIGHTS = 0.02  # standard deviation of untrained weights
BETAS, WEIGHT_DECAY = (0.5, 0.999), 2.5e-5  # of Adam, as in the authors' code
LAST_RATE = 0.01  # share of the learning rate that is left at the end of the second half
EMBEDDING_WIDTH = 32  # principal components that are clustered and kept
SHOWN, SAMPLE_ROWS = 12, 3
JUDGED, BINS = 500, 20  # items whose pairs are judged for the picture, and its bars


def discriminator_loss(encoded: Tensor, generated: Tensor) -> Tensor:
    """Cross-entropy of telling pairs apart, summed over both kinds, a scalar: 2 ln 2 is guessing.

    Donahue et al. 2017, eq. 2.

    Parameters
    ----------
    encoded : Tensor
        Scores (b, 1) of pairs of an image and the code found for it, high if taken for such.
    generated : Tensor
        Scores (b, 1) of pairs of noise and the image made from it.
    """
    return functional.softplus(-encoded).mean() + functional.softplus(generated).mean()


def deceiving_loss(encoded: Tensor, generated: Tensor) -> Tensor:
    """Its loss with the kinds swapped, which has a slope where the discriminator is sure."""
    return discriminator_loss(generated, encoded)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Layer without bias whose weights start small, as in the authors' code."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=FIRST_WEIGHTS)
    return layer


def norm(units: int) -> nn.BatchNorm1d:
    """BatchNorm without a scale and a shift of its own."""
    return nn.BatchNorm1d(units, affine=False)


class Encoder(nn.Module):
    """From images (b, c, h, w) to features (b, units), and to codes (b, code) in (-1, 1)."""

    def __init__(self, size: int, units: int, code: int) -> None:
        super().__init__()
        first, second, leaky = linear(size, units), linear(units, units), nn.LeakyReLU(SLOPE)
        self.hidden = nn.Sequential(first, leaky, second, norm(units), leaky)
        # codes must lie where noise does: else they grow until nothing is seen of the images
        self.last = nn.Sequential(linear(units, code), nn.Tanh())

    def features(self, x: Tensor) -> Tensor:
        """Last hidden layer (b, units)."""
        return self.hidden(x.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Codes (b, code)."""
        return self.last(self.features(x))


class Generator(nn.Module):
    """From noise (b, code), which both hidden layers see, to images (b, *shape) in [0, 1]."""

    def __init__(self, shape: tuple[int, ...], units: int, code: int) -> None:
        super().__init__()
        self.shape = shape
        self.first = nn.Sequential(linear(code, units), norm(units), nn.ReLU())
        self.second, self.again, self.norm = linear(units, units), linear(code, units), norm(units)
        self.last = linear(units, math.prod(shape))

    def forward(self, z: Tensor) -> Tensor:
        """Images (b, *shape)."""
        hidden = self.norm(self.second(self.first(z)) + self.again(z)).relu()
        return self.last(hidden).sigmoid().unflatten(1, self.shape)


class Discriminator(nn.Module):
    """Scores (b, 1) of pairs, high if the image was there first; codes join at the second layer."""

    def __init__(self, size: int, units: int, code: int) -> None:
        super().__init__()
        self.first = nn.Sequential(linear(size, units), nn.LeakyReLU(SLOPE))
        self.second, self.of_code = linear(units, units), linear(code, units)
        self.last = nn.Sequential(norm(units), nn.LeakyReLU(SLOPE), linear(units, 1))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Scores (b, 1)."""
        return self.last(self.second(self.first(x.flatten(1))) + self.of_code(z))


class Players(nn.Module):
    """Encoder and generator, which play together, and the discriminator."""

    def __init__(self, shape: tuple[int, ...], units: int, code: int) -> None:
        super().__init__()
        size = math.prod(shape)
        self.code = code
        self.encoder = Encoder(size, units, code)
        self.generator = Generator(shape, units, code)
        self.discriminator = Discriminator(size, units, code)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scores (b, 1) of pairs found for images, and of those made from noise (new by default).

        In two passes, since in one BatchNorm would mix the two kinds.
        """
        noise = noise_like(len(x), self.code, x.device) if noise is None else noise
        encoded = self.discriminator(x, self.encoder(x))
        return encoded, self.discriminator(self.generator(noise), noise)

    def sides(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Weights of encoder and generator, and of the discriminator."""
        deceivers = [*self.encoder.parameters(), *self.generator.parameters()]
        return deceivers, list(self.discriminator.parameters())


def noise_like(n: int, code: int, device: torch.device) -> Tensor:
    """Noise (n, code), even in [-1, 1)."""
    return 2 * torch.rand(n, code, device=device) - 1


@dataclass(frozen=True)
class BiGANKMeans:
    """k-means on the features of the encoder of a bidirectional GAN."""

    name: ClassVar[str] = "bigan-kmeans"
    title: ClassVar[str] = "BiGAN + k-means"
    idea: ClassVar[str] = "Play a game in which an encoder learns to undo a generator of images."
    paper: ClassVar[Paper] = Paper("Donahue et al.", 2017, "Adversarial Feature Learning", "ICLR")
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "code"
    loop: ClassVar[tuple[str, ...]] = ("encode and make", "tell apart", "encode", "cluster")
    accepts: ClassVar[tuple[str, ...]] = ("images",)
    interventions: ClassVar[Offer] = {"train": RATE}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 40, "hidden_units": 256, "batch_size": 64},
        "standard": {},
        "paper": {"epochs": 400, "hidden_units": 1024},
    }

    n_clusters: int = params.n_clusters()
    epochs: int = params.epochs(100)
    features: Literal["hidden layer", "code"] = params.param(
        "hidden layer",
        help="What is clustered: the last hidden layer of the encoder, or the code it gives. The "
        "layer separates classes better.",
    )
    augmented: bool = params.param(
        False, help="Train on turned and shifted copies too, so that a few images go further."
    )
    code_size: int = params.param(50, low=2, high=512, help="Width of the noise and of the code.")
    hidden_units: int = params.param(
        512,
        low=16,
        high=4096,
        advanced=True,
        help="Units of the two hidden layers of each network.",
    )
    n_init: int = params.param(
        20, low=1, high=100, advanced=True, help="Starts of k-means; the best is kept."
    )
    batch_size: int = params.batch_size(128)
    learning_rate: float = params.learning_rate(2e-4)

    def build_network(self, shape: tuple[int, ...]) -> Players:
        """All three untrained networks for images of a shape (c, h, w)."""
        return Players(shape, self.hidden_units, self.code_size)

    @property
    def width(self) -> int:
        """Columns of what is clustered."""
        of_code = self.features == "code"
        return min(EMBEDDING_WIDTH, self.code_size if of_code else self.hidden_units)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c)."""
        players, seen = blank(self.build_network, shape)
        encoding = macs(players.encoder, seen)
        # the three nets are nearly of one size, and the discriminator sees both kinds of pairs
        training = encoding * (4 * TRAINING * n)
        reduction = Cost(linear=float(n * self.hidden_units * (self.hidden_units + self.width)))
        look = encoding * n + reduction + following_cost(n, self.width, self.n_clusters)
        best = best_cost(n, self.width, self.n_clusters, self.n_init)
        return [
            PlannedPhase("start", 1, look, "initialise"),
            PlannedPhase("train", self.epochs, training + look, "pretrain", n),
            PlannedPhase("cluster", 1, look + best, "read_off"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the untrained network, one per epoch, one of the best k-means."""
        run = _Run(self, items, ctx)
        for _ in ctx.phase("start", 1):
            z = run.embedding()
            yield run.snapshot(z, run.clusters.first(z), {})
        for done in ctx.phase("train", self.epochs):
            run.rate_factor.take(ctx.interventions())
            scalars = run.epoch(self.rate(done))
            z = run.embedding()
            yield run.snapshot(z, run.clusters.next(z), scalars)
        for _ in ctx.phase("cluster", 1):
            z = run.embedding()
            yield run.snapshot(z, run.clusters.best(z), {})

    def rate(self, done: int) -> float:
        """Learning rate after so many epochs: constant, then falling to 1 % in the second half."""
        late = max(0.0, 2 * done / self.epochs - 1)
        return float(self.learning_rate * LAST_RATE**late)

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness to the centres in the space of the embedding; see `registry.Scoring`."""
        untrained = lambda: self.build_network(inputs.shape)  # noqa: E731
        players = restored(untrained, state, "players", inputs.device)
        end = [players.encoder.last] if self.features == "code" else []
        features = nn.Sequential(nn.Flatten(), *players.encoder.hidden, *end).eval()
        space = projected(features, inputs, EMBEDDING_WIDTH)
        return nearest_center(space, kept(state, "code centers")["tensor"])


class _Run:
    """One run: the players in training, the clusters, and what is shown."""

    def __init__(self, settings: BiGANKMeans, items: Array, ctx: Context) -> None:
        n = len(items)
        check_enough_items(n, settings.n_clusters)
        self.settings, self.ctx, self.inputs = settings, ctx, Inputs(items, ctx.device)
        self.players = ctx.keep("players", settings.build_network(self.inputs.shape))
        own, judge = (
            Adam(side, settings.learning_rate, BETAS, weight_decay=WEIGHT_DECAY, fused=True)
            for side in self.players.sides()
        )
        self.optimiser = ctx.keep("optimiser", own)
        self.judge_optimiser = ctx.keep("discriminator optimiser", judge)
        self.step = ctx.step(self._step, self.optimiser, self.judge_optimiser)
        self.rate_factor = LearningRateFactor("pace", ctx)
        shown = np.sort(ctx.rng.choice(n, min(n, SHOWN), replace=False))
        self._shown: Array = ctx.keep("shown items", Cell(shown)).value
        noise = noise_like(JUDGED, settings.code_size, torch.device("cpu")).to(ctx.device)
        self._noise: Tensor = ctx.keep("noise of the samples", Cell(noise)).value
        width, k = min(settings.width, n), settings.n_clusters  # no more components than items
        self.clusters = CodeClusters(n, width, k, settings.n_init, ctx)
        self._codes = torch.zeros(0)  # of the last call of `embedding`

    def epoch(self, rate: float) -> dict[str, float]:
        """Mean losses over one pass of training at a learning rate, by name."""
        rate = self.rate_factor.set(rate, self.optimiser, self.judge_optimiser)
        n, total = len(self.inputs), torch.zeros(2, device=self.ctx.device)
        self.players.train()
        for index in self.ctx.batches(n, even_batch(n, self.settings.batch_size)):
            total += self.step(index) * len(index)
        told, deceived = (total / n).tolist()
        return {"discriminator_loss": told, "deceiving_loss": deceived, "learning_rate": rate}

    def _step(self, index: Tensor) -> Tensor:
        """Losses (2,) of one step of all players, who move at the same time."""
        players, x = self.players, self.inputs[index]
        x = VIEWS(x) if self.settings.augmented else x
        self.ctx.at("encode and make")
        encoded, generated = (scores.float() for scores in players(x))
        told, deceived = discriminator_loss(encoded, generated), deceiving_loss(encoded, generated)
        self.ctx.at("tell apart")
        for loss, weights in zip((deceived, told), players.sides(), strict=True):
            torch.autograd.backward(loss, inputs=weights, retain_graph=True)  # through shared pairs
        for optimiser in (self.optimiser, self.judge_optimiser):
            optimiser.step()
            optimiser.zero_grad()
        return torch.stack((told, deceived)).detach()

    def embedding(self) -> Tensor:
        """Leading components (n, at most 32) of what is clustered, for all items."""
        self.ctx.at("encode")
        encoder = self.players.encoder

        def both(x: Tensor) -> Tensor:
            features = encoder.features(x)
            return torch.cat((encoder.last(features), features), 1)

        out = embed(encoder, self.inputs, self.ctx, forward=both)
        code = self.settings.code_size
        self._codes, hidden = out[:, :code], out[:, code:]
        self.ctx.at("cluster")
        of_code = self.settings.features == "code"
        return principal(self._codes if of_code else hidden, EMBEDDING_WIDTH)

    def snapshot(self, z: Tensor, clustering: Clustering, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of the embedding and its clusters."""
        return self.clusters.snapshot(z, clustering, scalars, self._artefacts())

    def _artefacts(self) -> dict[str, Artefact]:
        x = self.inputs[self._shown]
        rows = fixed_order(len(self.inputs))[:JUDGED]
        with evaluating(self.players):
            restored = self.players.generator(self.players.encoder(x))
            samples = to_images(self.players.generator(self._noise[: SAMPLE_ROWS * SHOWN]))
            scores = self.players(self.inputs[rows], self._noise)
        judged = [torch.histc(s.float().sigmoid(), BINS, 0, 1) / len(s) for s in scores]
        return {
            "samples": Artefact(
                "images",
                samples.reshape(SAMPLE_ROWS, SHOWN, *samples.shape[1:]),
                "Samples",
                reading="Images that the generator makes from noise, always from the same noise.",
            ),
            "reconstructions": Artefact(
                "images",
                np.stack((to_images(x), to_images(restored))),
                "Reconstructions",
                reading="What the generator makes of the code of an image: the digit should "
                "stay, the strokes may change.",
                rows=("original", "made from its code"),
                columns=tuple(str(i) for i in self._shown),
            ),
            "judgement": Artefact(
                "bars",
                torch.stack(judged).cpu().numpy(),
                "Judgement of the discriminator",
                reading="How likely it thinks it is that the image came first. Two curves apart: "
                "it wins. One on top of the other: it guesses.",
                rows=("image and its code", "noise and its image"),
                columns=tuple(f"{i / BINS:.2f}" for i in range(BINS)),
            ),
            "code values": self._support(),
        }

    def _support(self) -> Artefact:
        """Where the codes of all items lie, beside where noise comes from."""
        shares = torch.histc(self._codes, BINS, -1, 1) / self._codes.numel()
        noise = torch.full_like(shares, 1 / BINS)
        return Artefact(
            "bars",
            torch.stack((shares, noise)).cpu().numpy(),
            "Values of the codes",
            reading="Codes of images beside noise, which is even between -1 and 1. What piles up "
            "at the ends lies where the generator has hardly been.",
            rows=("codes", "noise"),
            columns=tuple(f"{(2 * i + 1) / BINS - 1:+.2f}" for i in range(BINS)),
        )
