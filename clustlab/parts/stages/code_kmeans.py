"""What methods share that train an autoencoder and then cluster its code by k-means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from clustlab.context import Context
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.stages.autoencoding import AutoencoderTraining, CodeSettings
from clustlab.types import Array, PlannedPhase, Snapshot


@dataclass(frozen=True)
class CodeKMeans(CodeSettings):
    """k-means on the code of an autoencoder: the code is trained first, the clusters read off."""

    def training(self, items: Array, ctx: Context) -> AutoencoderTraining:
        """Autoencoder in training on the items, before its first step."""
        return AutoencoderTraining(self, items, ctx)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        last = self.clustering_plan("cluster", "read_off", n, shape)
        return [*self.pretraining_plan(n, shape), last]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per epoch, and a last one with the best of several runs of k-means."""
        training = self.training(items, ctx)
        yield from training.start()
        yield from training.pretrain(self.epochs)
        for _ in ctx.phase("cluster", 1):
            z = training.code()
            yield training.snapshot(z, training.clusters(z), {})

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness of the code to the centres; see `registry.Scoring`."""
        return self.code_scorer(inputs, state)
