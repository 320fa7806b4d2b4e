r"""# Skeleton title

## Idea

An **autoencoder** squeezes each item into a code of ten numbers and draws it again from these,

$$L = \frac{1}{n} \sum_i \lVert x_i - d(e(x_i)) \rVert^2 ,$$

and k-means divides the codes after every pass. Say here what your method does instead, in words
and with its loss.

## What to watch

- **Reconstruction** falls, quickly at first.
- Say which panels and curves show that it works.

## Where it fails

A code that draws well need not lie in groups. Say for which items your method cannot work.

## Source

Hinton and Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks*,
Science 313. Name the paper that you follow, with section and equation numbers.

Deviations: all layers are trained at once instead of layer by layer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from clustlab import params
from clustlab.context import Context
from clustlab.parts.clustering.code_clusters import CodeClusters, following_cost
from clustlab.parts.hooks.interventions import RATE, Offer, change_rate
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.autoencoder import Autoencoder
from clustlab.parts.networks.cost import blank, macs
from clustlab.parts.networks.passes import descend, embed
from clustlab.training_step import TrainingStep
from clustlab.types import Array, MethodFamily, Paper, PlannedPhase, Snapshot

TRAINING = 3  # a step backwards costs about twice a pass forwards


@dataclass(frozen=True)
class SkeletonClass:
    """One sentence on the method, for readers of the code."""

    name: ClassVar[str] = "skeleton-name"
    title: ClassVar[str] = "Skeleton title"
    idea: ClassVar[str] = "Squeeze items into ten numbers, then cluster these by k-means."
    paper: ClassVar[Paper] = Paper(
        "Hinton and Salakhutdinov",
        2006,
        "Reducing the dimensionality of data with neural networks",
        "Science 313",
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "code"  # what its clusters are; alarms speak of it so
    loop: ClassVar[tuple[str, ...]] = ("train", "encode", "cluster")  # what `ctx.at` may name
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # each takes longer than the one before
        "quick": {"epochs": 5},
        "standard": {},
        "paper": {"epochs": 100},
    }
    # By phase, what its iterations carry out when a user changes the run; leave it out for nothing.
    interventions: ClassVar[Offer] = {"train": RATE}

    # Settings. The form, the check, the URL and the tables are made from these fields; the number
    # of clusters comes first.
    n_clusters: int = params.n_clusters()
    epochs: int = params.epochs(20)
    batch_size: int = params.batch_size()
    learning_rate: float = params.learning_rate()

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,): those that `iterate` runs."""
        network, seen = blank(self.build_network, shape)  # counted without memory or random draws
        epoch = macs(network, seen) * (TRAINING * n)
        look = macs(network, seen, network.encode) * n
        look += following_cost(n, network.code, self.n_clusters)
        return [
            PlannedPhase("start", 1, look, "initialise"),
            PlannedPhase("train", self.epochs, epoch + look, "train", n),  # n items drawn an epoch
        ]

    def build_network(self, shape: tuple[int, ...]) -> Autoencoder:
        """Untrained network for items of a shape (c, h, w) or (d,)."""
        return Autoencoder(shape, (256, 64), 10)

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the untrained network, then one per epoch."""
        # A run may be stopped after any snapshot and must go on as if it had not been. So whatever
        # lives longer than one iteration is kept by a name: parts with a `state_dict`, and anything
        # else in a `Cell`. Random numbers come from `ctx.rng`, or from torch, which ctx seeds.
        inputs = Inputs(items, ctx.device)  # batches on the device, pixels in [0, 1]
        network = ctx.keep("network", self.build_network(inputs.shape))
        optimiser = ctx.keep(
            "optimiser", torch.optim.Adam(network.parameters(), self.learning_rate, fused=True)
        )

        def compute(index: Tensor) -> Tensor:  # a step, told to a device that may replay it
            x = inputs[index]
            loss = functional.mse_loss(network(x).float(), x)
            descend(optimiser, loss)
            return loss.detach()  # without its graph

        step = ctx.step(compute, optimiser)
        clusters = CodeClusters(len(items), network.code, self.n_clusters, 1, ctx)  # keeps itself

        def code() -> Tensor:
            ctx.at("encode")  # lights up its box in the diagram
            z = embed(network, inputs, ctx, forward=network.encode)
            ctx.at("cluster")
            return z

        # A phase skips the iterations that a checkpoint has done. It yields once an iteration, and
        # yields last: what came after the yield would be lost when the run is stopped there.
        for _ in ctx.phase("start", 1):
            z = code()
            yield clusters.snapshot(z, clusters.first(z), {}, {})
        for _ in ctx.phase("train", self.epochs):
            change_rate(optimiser, ctx.interventions())  # what users asked for, once an iteration
            network.train()
            reconstruction = self._epoch(step, len(inputs), ctx)
            z = code()
            yield clusters.snapshot(z, clusters.next(z), {"reconstruction": reconstruction}, {})

    def _epoch(self, step: TrainingStep, n: int, ctx: Context) -> float:
        """Mean loss over one pass of training."""
        ctx.at("train")
        total = torch.zeros((), device=ctx.device)
        for index in ctx.batches(n, self.batch_size):  # each batch is a point of pause
            total += step(index) * len(index)  # still on the device
        # Scalars leave as floats, once an epoch: asking for each would wait for the device. A name
        # that `analysis/scalar_catalogue.py` does not have is declared in `scalars`.
        return float(total / n)
