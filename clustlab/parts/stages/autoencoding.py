"""What methods on an autoencoder share: settings, pre-training, and pictures of the code."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
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
from clustlab.parts.hooks.scoring import kept, nearest_center, restored
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.autoencoder import Autoencoder
from clustlab.parts.networks.cost import blank, macs
from clustlab.parts.networks.passes import embed, evaluating
from clustlab.training_step import TrainingStep
from clustlab.types import Array, Artefact, Cost, PlannedPhase, Role, Snapshot

VIEWS = Augmentation(rotation=10, shift=0.1, noise=0.05)  # Guo et al. 2018, DEC-DA, section 4.2
SHOWN = 12  # items whose reconstruction is shown
MEASURED = 2000  # items that measure the reconstruction of the untrained network
TRAINING = 3  # a training step costs about three forward passes

WIDTHS_HELP = (
    "Widths of the hidden layers between image and code; with none the code is one layer away. "
    "Points use 64-64."
)

Losses = Callable[[Tensor], dict[str, Tensor]]
"""Losses of a batch by name, of which the first is minimised."""


@dataclass(frozen=True)
class CodeSettings:
    """Hyperparameters of an autoencoder that is trained end to end, and of k-means on its code."""

    # the clusters of a code that is only redrawn are a reading of it: nothing trains on them
    interventions: ClassVar[Offer] = {"pre-train": RATE}

    n_clusters: int = params.n_clusters()
    epochs: int = params.epochs(40, "How often pre-training passes over all items.")
    augmented: bool = params.param(
        False,
        help="Train on turned and shifted copies of the items; the targets come from the "
        "originals.",
    )
    hidden_widths: Literal["500-500-2000", "250-250-1000", "100-100-400", "none"] = params.param(
        "500-500-2000", advanced=True, help=WIDTHS_HELP
    )
    code_size: int = params.param(
        10, low=1, high=256, help="Width of the code, the space in which clusters are formed."
    )
    n_init: int = params.param(
        20, low=1, high=100, advanced=True, help="Starts of k-means on the code; the best is kept."
    )
    batch_size: int = params.batch_size()
    learning_rate: float = params.learning_rate()

    def network(self, shape: tuple[int, ...]) -> Autoencoder:
        """Untrained autoencoder for items of a shape (c, h, w) or (d,)."""
        return Autoencoder(shape, self.widths, self.code_size)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the hidden layers of the encoder, from the input inwards."""
        none = self.hidden_widths == "none"
        return () if none else tuple(int(width) for width in self.hidden_widths.split("-"))

    def build_network(self, shape: tuple[int, ...]) -> Autoencoder:
        """Untrained network for items of a shape, (c, h, w) or (d,)."""
        return self.network(shape)

    @property
    def augmentation(self) -> Augmentation:
        """Changes that copies go through."""
        return VIEWS if self.augmented else Augmentation()

    def pretraining_plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases up to the end of pre-training, for n items of a shape (h, w, c) or (d,)."""
        epoch, look = self.costs(n, shape)
        train = PlannedPhase("pre-train", self.epochs, epoch + look, "pretrain", n)
        return [PlannedPhase("start", 1, look, "initialise"), train]

    def clustering_plan(
        self, name: str, role: Role, n: int, shape: tuple[int, ...]
    ) -> PlannedPhase:
        """Phase of one pass over the whole set and the best of several runs of k-means."""
        network = self.blank(shape)
        encoding = macs(network, network.shape, network.encode) * n
        clustering = best_cost(n, network.code, self.n_clusters, self.n_init)
        return PlannedPhase(name, 1, encoding + clustering, role)

    def costs(self, n: int, shape: tuple[int, ...]) -> tuple[Cost, Cost]:
        """Cost of one epoch of training, and of encoding and clustering the whole set once."""
        network = self.blank(shape)
        epoch = macs(network, network.shape) * (TRAINING * n)
        clustering = following_cost(n, network.code, self.n_clusters)
        return epoch, macs(network, network.shape, network.encode) * n + clustering

    def blank(self, shape: tuple[int, ...]) -> Autoencoder:
        """Network without memory, to be counted, for a shape (h, w, c) or (d,)."""
        return blank(self.network, shape)[0]

    def code_encoder(self, inputs: Inputs, state: Mapping[str, Any]) -> nn.Sequential:
        """Encoder from items to the code, from the kept parts of a run."""
        network = restored(lambda: self.network(inputs.shape), state, "network", inputs.device)
        return nn.Sequential(nn.Flatten(), *network.encoder)

    def code_scorer(self, inputs: Inputs, state: Mapping[str, Any]) -> nn.Module:
        """Closeness of the code to the centres of k-means on it."""
        centers = kept(state, "code centers")["tensor"].to(inputs.device)
        return nearest_center(self.code_encoder(inputs, state), centers)


@dataclass(frozen=True)
class AutoencoderSettings(CodeSettings):
    """Hyperparameters of an autoencoder that may be trained layer by layer first."""

    interventions: ClassVar[Offer] = {"pre-train layers": RATE, "pre-train": RATE}

    pretraining: Literal["end-to-end", "layer-wise", "none"] = params.param(
        "end-to-end",
        help="Train all layers at once, or first each pair of layers in turn as a denoising "
        "autoencoder and then all of them. With 'none' the clusters are those of a random "
        "code.",
    )
    layer_epochs: int = params.epochs(5, "Passes per pair of layers, if layer-wise.")
    corruption: float = params.param(
        0.2,
        low=0.0,
        high=0.9,
        advanced=True,
        help="Share of hidden values blanked in layer-wise pre-training.",
    )

    def pretraining_plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases up to the end of pre-training, for n items of a shape (h, w, c) or (d,)."""
        start, train = super().pretraining_plan(n, shape)
        if self.pretraining == "none":
            return [start]
        if self.pretraining == "end-to-end":
            return [start, train]
        epoch, look = self.costs(n, shape)
        total = self.layer_epochs * len(self.blank(shape).pairs)
        # one pair is trained, those before it run forwards
        cost = epoch * 0.5 + look
        return [start, PlannedPhase("pre-train layers", total, cost, "pretrain", n), train]


class AutoencoderTraining:
    """An autoencoder in training and the clusters of its code, for one run of a method.

    Keeps the network, its optimisers, the clusters and the items shown. A finished run that is
    continued starts from all of them. What is minimised, and what a snapshot shows besides, may
    be overridden: `losses` and `extras`.
    """

    def __init__(self, settings: CodeSettings, items: Array, ctx: Context) -> None:
        n = len(items)
        check_enough_items(n, settings.n_clusters)
        self.settings, self.ctx = settings, ctx
        self.inputs = Inputs(items, ctx.device)
        self.network = ctx.keep("network", settings.network(self.inputs.shape))
        self.rate_factor = LearningRateFactor("pace of pre-training", ctx)
        self.optimiser = self._adam("optimiser", list(self.network.parameters()))
        shown = np.sort(ctx.rng.choice(n, min(n, SHOWN), replace=False))
        self._shown: Array = ctx.keep("shown items", Cell(shown)).value
        width = self.network.code
        self._clusters = CodeClusters(n, width, settings.n_clusters, settings.n_init, ctx)

    def _adam(self, name: str, weights: list[torch.nn.Parameter]) -> Adam:
        return self.ctx.keep(name, Adam(weights, self.settings.learning_rate, fused=True))

    def start(self) -> Iterator[Snapshot]:
        """One snapshot before anything is trained."""
        for _ in self.ctx.phase("start", 1):
            self.ctx.at("encode")
            with evaluating(self.network):
                x = self.inputs[np.arange(min(MEASURED, len(self.inputs)))]
                losses = {name: float(loss) for name, loss in self.losses(x).items()}
            z = self.code()
            yield self.snapshot(z, self._clusters.first(z), losses)

    def pretrain(self, epochs: int) -> Iterator[Snapshot]:
        """One snapshot per epoch of pre-training; none if there are no epochs."""
        settings = self.settings
        if isinstance(settings, AutoencoderSettings):
            if settings.pretraining == "none":
                return
            if settings.pretraining == "layer-wise":
                layers = settings.layer_epochs * (epochs > 0 and not self.ctx.is_warm)
                yield from self._pretrain_layers(layers, settings.corruption)
        step = self._step(self.optimiser, self._training_losses)
        for _ in self.ctx.phase("pre-train", epochs):
            yield self._follow(self._epoch(self.optimiser, *step))

    def _pretrain_layers(self, epochs: int, corruption: float) -> Iterator[Snapshot]:
        pairs = self.network.pairs
        optimisers = [
            self._adam(f"optimiser of layer {i + 1}", [*inner.parameters(), *outer.parameters()])
            for i, (inner, outer) in enumerate(pairs)
        ]
        steps = [
            self._step(optimiser, partial(self._denoising_losses, layer, corruption))
            for layer, optimiser in enumerate(optimisers)
        ]
        for i in self.ctx.phase("pre-train layers", epochs * len(pairs)):
            yield self._follow(self._epoch(optimisers[i // epochs], *steps[i // epochs]))

    def _step(self, optimiser: Adam, losses_of: Losses) -> tuple[TrainingStep, list[str]]:
        """What takes a step on the items of a batch, and the names of the losses it returns."""
        names: list[str] = []  # known once it was taken

        def take(index: Tensor) -> Tensor:
            losses = losses_of(self.inputs[index])
            names[:] = losses
            values = torch.stack(list(losses.values()))
            optimiser.zero_grad()
            values[0].backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            return values.detach()

        return self.ctx.step(take, optimiser), names

    def _epoch(self, optimiser: Adam, step: TrainingStep, names: list[str]) -> dict[str, float]:
        """Mean losses over one pass of training."""
        self.rate_factor.take(self.ctx.interventions())
        self.ctx.at("train")
        # here, since a continued run may ask for another rate than its optimiser remembers
        self.rate_factor.set(self.settings.learning_rate, optimiser)
        self.network.train()
        n = len(self.inputs)
        total = torch.zeros((), device=self.ctx.device)
        for index in self.ctx.batches(n, self.settings.batch_size):
            total = total + step(index) * len(index)
        return dict(zip(names, (total / n).tolist(), strict=True))

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Losses of a batch by name: the first is minimised, the others are only reported."""
        return {"reconstruction": functional.mse_loss(self.network(x).float(), x)}

    def extras(self, z: Tensor) -> dict[str, Artefact]:
        """Artefacts of the code (n, code) that only this method has."""
        return {}

    def _training_losses(self, x: Tensor) -> dict[str, Tensor]:
        # as in DEC-DA, a changed copy is both what goes in and what shall come out
        return self.losses(VIEWS(x) if self.settings.augmented else x)

    def _denoising_losses(self, layer: int, corruption: float, x: Tensor) -> dict[str, Tensor]:
        """Error of one pair of layers that repairs blanked values (Xie et al. 2016, eq. 4 to 7).

        Pixels are not blanked, as in the code of the authors, and the code stays linear.
        """
        pairs, drop = self.network.pairs, partial(functional.dropout, p=corruption)
        clean = (VIEWS(x) if self.settings.augmented else x).flatten(1)
        with torch.no_grad():
            for inner, _ in pairs[:layer]:
                clean = torch.relu(inner(clean))
        inner, outer = pairs[layer]
        hidden = inner(clean if layer == 0 else drop(clean))
        hidden = drop(hidden if layer == len(pairs) - 1 else torch.relu(hidden))
        restored = outer(hidden)
        restored = restored if layer == 0 else torch.relu(restored)
        return {"layer_reconstruction": functional.mse_loss(restored.float(), clean.float())}

    def code(self) -> Tensor:
        """Code (n, code) of all items."""
        self.ctx.at("encode")
        return embed(self.network, self.inputs, self.ctx, forward=self.network.encode)

    def clusters(self, z: Tensor) -> Clustering:
        """Best of several runs of k-means on the code (n, code)."""
        self.ctx.at("cluster")
        return self._clusters.best(z)

    def _follow(self, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of the code as it is now, with clusters that go on from the ones before."""
        z = self.code()
        self.ctx.at("cluster")
        return self.snapshot(z, self._clusters.next(z), scalars)

    def snapshot(self, z: Tensor, clustering: Clustering, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of a code and its clusters, with their inertia; they are kept for the next."""
        artefacts = {**self.pictures(clustering.centers), **self.extras(z)}
        return self._clusters.snapshot(z, clustering, scalars, artefacts)

    def pictures(self, centers: Tensor) -> dict[str, Artefact]:
        """Reconstructions of a few items, and decoded centres; nothing for points."""
        if not self.inputs.is_image:
            return {}
        with evaluating(self.network):
            x = self.inputs[self._shown]
            restored = to_images(self.network(x))
            decoded = to_images(self.network.decode(centers))
        return {
            "reconstructions": Artefact(
                "images",
                np.stack((to_images(x), restored)),
                "Reconstructions",
                reading="What the code remembers of an image: what is blurred, it has dropped.",
                rows=("original", "reconstruction"),
                columns=tuple(str(i) for i in self._shown),
            ),
            "decoded centers": Artefact(
                "images",
                decoded[None],
                "Decoded centres",
                reading="The image that each centre stands for, as far as the decoder knows.",
                cluster_axes=(1,),
            ),
        }


def to_images(x: Tensor) -> Array:
    """Images (b, h, w, c) uint8 from a batch (b, c, h, w) in [0, 1]; what lies outside is cut."""
    pixels = (x.detach().float() * 255).round().clamp(0, 255)
    array: Array = pixels.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8)
    return array


def heat_maps(scores: Tensor, x: Tensor) -> Array:
    """Scores (b, rows, columns) as images (b, h, w, c) uint8 of the size of x (b, c, h, w).

    Each image has its own range.
    """
    scores = scores - scores.amin((1, 2), keepdim=True)
    scaled = scores / scores.amax((1, 2), keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)
    return to_images(functional.interpolate(scaled[:, None], x.shape[2:]).expand_as(x))


def rescale_code(network: Autoencoder, scale: float) -> None:
    """Multiply every code of a network by a factor, in its weights; its reconstructions stay."""
    inner, outer = network.pairs[-1]
    with torch.no_grad():
        inner.weight.mul_(scale)
        inner.bias.mul_(scale)
        outer.weight.div_(scale)
