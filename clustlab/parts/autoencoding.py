"""What methods on an autoencoder share: settings, pre-training, and pictures of the code."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.augment import Augmentation
from clustlab.parts.inputs import Inputs
from clustlab.parts.kmeans import Clustering, check_enough_items, kmeans, means
from clustlab.parts.networks import Autoencoder, embed, evaluating, macs
from clustlab.parts.scoring import kept, nearest_center, restored
from clustlab.types import Array, Artefact, Cost, PlannedPhase, Snapshot

VIEWS = Augmentation(rotation=10, shift=0.1, noise=0.05)  # Guo et al. 2018, DEC-DA, section 4.2
SHOWN = 12  # items whose reconstruction is shown
ROUNDS = 10  # of k-means per epoch of pre-training, from the centres of the epoch before
USUAL_ROUNDS = 40  # of k-means until it settles, for the estimate of time
MEASURED = 2000  # items that measure the reconstruction of the untrained network
TRAINING = 3  # a training step costs about three forward passes


@dataclass(frozen=True)
class AutoencoderSettings:
    """Hyperparameters of the autoencoder and of k-means on its code."""

    n_clusters: int = params.n_clusters()
    epochs: int = params.epochs(40, "How often pre-training passes over all items.")
    pretraining: Literal["end-to-end", "layer-wise"] = params.param(
        "end-to-end",
        help="Train all layers at once, or first one pair of layers after the other as a "
        "denoising autoencoder and then all of them.",
    )
    layer_epochs: int = params.epochs(5, "Passes per pair of layers, if layer-wise.")
    corruption: float = params.param(
        0.2,
        low=0.0,
        high=0.9,
        advanced=True,
        help="Share of hidden values blanked in layer-wise pre-training.",
    )
    augmented: bool = params.param(
        False,
        help="Train on turned and shifted copies of the items; what they are trained towards "
        "comes from the originals.",
    )
    hidden_widths: Literal["500-500-2000", "250-250-1000", "100-100-400"] = params.param(
        "500-500-2000",
        advanced=True,
        help="Widths of the hidden layers between image and code. Points use 64-64.",
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
        widths = [int(width) for width in self.hidden_widths.split("-")]
        return Autoencoder(shape, widths, self.code_size)

    def pretraining_plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases up to the end of pre-training, for n items of a shape (h, w, c) or (d,)."""
        network = self.blank(shape)
        epoch, look = self.costs(n, shape)
        plan = [PlannedPhase("start", 1, look)]
        if self.pretraining == "layer-wise":  # one pair is trained, those before it run forwards
            total = self.layer_epochs * len(network.pairs)
            plan.append(PlannedPhase("pre-train layers", total, epoch * 0.5 + look))
        return [*plan, PlannedPhase("pre-train", self.epochs, epoch + look)]

    def initialisation_plan(self, name: str, n: int, shape: tuple[int, ...]) -> PlannedPhase:
        """Phase of one pass over the whole set and the best of several runs of k-means."""
        network = self.blank(shape)
        encoding = macs(network, network.shape, network.encode) * n
        one_pass = Cost(linear=float(n * self.n_clusters * network.code))
        return PlannedPhase(name, 1, encoding + one_pass * (2 * USUAL_ROUNDS * self.n_init))

    def costs(self, n: int, shape: tuple[int, ...]) -> tuple[Cost, Cost]:
        """Cost of one epoch of training, and of encoding and clustering the whole set once."""
        network = self.blank(shape)
        epoch = macs(network, network.shape) * (TRAINING * n)
        k_means = Cost(linear=float(2 * ROUNDS * n * self.n_clusters * network.code))
        return epoch, macs(network, network.shape, network.encode) * n + k_means

    def blank(self, shape: tuple[int, ...]) -> Autoencoder:
        """Network without memory, to be counted, for a shape (h, w, c) or (d,)."""
        with torch.device("meta"):
            return self.network((shape[2], *shape[:2]) if len(shape) == 3 else shape)

    def code_encoder(self, inputs: Inputs, state: Mapping[str, Any]) -> nn.Sequential:
        """Encoder from items to the code, from the kept parts of a run."""
        network = restored(lambda: self.network(inputs.shape), state, "network", inputs.device)
        return nn.Sequential(nn.Flatten(), *network.encoder)

    def code_scorer(self, inputs: Inputs, state: Mapping[str, Any]) -> nn.Module:
        """Closeness of the code to the centres of k-means on it."""
        centers = kept(state, "code centers")["tensor"].to(inputs.device)
        return nearest_center(self.code_encoder(inputs, state), centers)


class AutoencoderTraining:
    """An autoencoder in training and the clusters of its code, for one run of a method.

    Keeps the network, its optimisers, the clusters and the items shown. A finished run that is
    continued starts from all of them.
    """

    def __init__(self, settings: AutoencoderSettings, items: Array, ctx: Context) -> None:
        n, k = len(items), settings.n_clusters
        check_enough_items(n, k)
        self.settings, self.ctx = settings, ctx
        self.inputs = Inputs(items, ctx.device)
        self.network = ctx.keep("network", settings.network(self.inputs.shape))
        self.optimiser = self._adam("optimiser", list(self.network.parameters()))
        shown = np.sort(ctx.rng.choice(n, min(n, SHOWN), replace=False))
        self._shown: Array = ctx.keep("shown items", Cell(shown)).value
        centers = torch.zeros(k, self.network.code, device=ctx.device)
        assignments = torch.zeros(n, dtype=torch.long, device=ctx.device)
        self._centers = ctx.keep("code centers", Cell(centers))
        self._assignments = ctx.keep("code assignments", Cell(assignments))

    def _adam(self, name: str, weights: list[torch.nn.Parameter]) -> Adam:
        rate = self.settings.learning_rate
        optimiser = self.ctx.keep(name, Adam(weights, rate, fused=True))
        for group in optimiser.param_groups:  # a continued run may ask for another rate
            group["lr"] = rate
        return optimiser

    def start(self) -> Iterator[Snapshot]:
        """One snapshot before anything is trained."""
        for _ in self.ctx.phase("start", 1):
            self.ctx.at("encode")
            with evaluating(self.network):
                x = self.inputs[np.arange(min(MEASURED, len(self.inputs)))]
                error = float(functional.mse_loss(self.network(x), x))
            z = self.code()
            found = kmeans(z, self.settings.n_clusters, self.ctx, max_iter=ROUNDS)
            yield self.snapshot(z, found, {"reconstruction": error})

    def pretrain(self, epochs: int) -> Iterator[Snapshot]:
        """One snapshot per epoch of pre-training; none if there are no epochs."""
        layers = self.settings.layer_epochs * (epochs > 0 and not self.ctx.is_warm)
        if self.settings.pretraining == "layer-wise":
            yield from self._pretrain_layers(layers)
        for _ in self.ctx.phase("pre-train", epochs):
            error = self._epoch(self.optimiser, self._reconstruction_error)
            yield self._follow({"reconstruction": error})

    def _pretrain_layers(self, epochs: int) -> Iterator[Snapshot]:
        pairs = self.network.pairs
        optimisers = [
            self._adam(f"optimiser of layer {i + 1}", [*inner.parameters(), *outer.parameters()])
            for i, (inner, outer) in enumerate(pairs)
        ]
        for i in self.ctx.phase("pre-train layers", epochs * len(pairs)):
            layer = i // epochs
            error = self._epoch(optimisers[layer], partial(self._denoising_error, layer))
            yield self._follow({"layer reconstruction": error})

    def _epoch(self, optimiser: Adam, loss_of: Callable[[Tensor], Tensor]) -> float:
        """Mean loss over one pass of training."""
        self.ctx.at("train")
        self.network.train()
        n = len(self.inputs)
        total = torch.zeros((), device=self.ctx.device)
        for index in self.ctx.batches(n, self.settings.batch_size):
            loss = loss_of(self.inputs[index])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.detach() * len(index)
        return float(total) / n

    def _reconstruction_error(self, x: Tensor) -> Tensor:
        # as in DEC-DA, a changed copy is both what goes in and what shall come out
        x = VIEWS(x) if self.settings.augmented else x
        return functional.mse_loss(self.network(x).float(), x)

    def _denoising_error(self, layer: int, x: Tensor) -> Tensor:
        """Error of one pair of layers that repairs blanked values (Xie et al. 2016, eq. 4 to 7).

        Pixels are not blanked, as in the code of the authors, and the code stays linear.
        """
        pairs, drop = self.network.pairs, partial(functional.dropout, p=self.settings.corruption)
        clean = (VIEWS(x) if self.settings.augmented else x).flatten(1)
        with torch.no_grad():
            for inner, _ in pairs[:layer]:
                clean = torch.relu(inner(clean))
        inner, outer = pairs[layer]
        hidden = inner(clean if layer == 0 else drop(clean))
        hidden = drop(hidden if layer == len(pairs) - 1 else torch.relu(hidden))
        restored = outer(hidden)
        restored = restored if layer == 0 else torch.relu(restored)
        return functional.mse_loss(restored.float(), clean.float())

    def code(self) -> Tensor:
        """Code (n, code) of all items."""
        self.ctx.at("encode")
        return embed(self.network, self.inputs, self.ctx, forward=self.network.encode)

    def clusters(self, z: Tensor) -> Clustering:
        """Best of several runs of k-means on the code (n, code)."""
        self.ctx.at("cluster")
        return kmeans(z, self.settings.n_clusters, self.ctx, n_init=self.settings.n_init)

    def _follow(self, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of the code as it is now, with clusters that go on from the ones before."""
        z = self.code()
        self.ctx.at("cluster")
        k = self.settings.n_clusters
        # the code has moved, so the old centres are where nothing is: take the old members' means
        centers = means(z, self._assignments.value, self._centers.value, self.ctx)
        found = kmeans(z, k, self.ctx, centers=centers, max_iter=ROUNDS, repair=True)
        return self.snapshot(z, found, scalars)

    def snapshot(self, z: Tensor, found: Clustering, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of a code and its clusters, with their inertia; they are kept for the next."""
        self._centers.value, self._assignments.value = found.centers, found.assignments
        return Snapshot(
            z.cpu().numpy(),
            found.assignments.cpu().numpy(),
            {**scalars, "inertia": found.inertia},
            centers=found.centers.cpu().numpy(),
            artefacts=self.pictures(found.centers),
        )

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
                reading="What the code remembers of an image: blur is what it has dropped.",
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


def rescale_code(network: Autoencoder, scale: float) -> None:
    """Multiply every code of a network by a factor, in its weights; its reconstructions stay."""
    inner, outer = network.pairs[-1]
    with torch.no_grad():
        inner.weight.mul_(scale)
        inner.bias.mul_(scale)
        outer.weight.div_(scale)
