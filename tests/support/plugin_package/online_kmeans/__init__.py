r"""# Online k-means

## Idea

Centres move a little towards the items of each batch. A centre that has seen $n_j$ items moves by

$$\mu_j \leftarrow \mu_j + \frac{1}{n_j} \sum_{i \in B_j} (x_i - \mu_j) .$$

## What to watch

- **Inertia** falls fast and then hardly: late batches move centres less and less.

## Where it fails

Where k-means fails, and where the first batches are unlike the rest.

## Source

Sculley (2010), *Web-scale k-means clustering*, WWW.

Deviations: batches are a shuffled pass over the items, and a batch moves each centre once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.inputs.network_input import Inputs
from clustlab.types import Array, Cost, MethodFamily, Paper, PlannedPhase, Snapshot


@dataclass(frozen=True)
class OnlineKMeans:
    """k-means that sees a batch at a time."""

    name: ClassVar[str] = "online-kmeans"
    title: ClassVar[str] = "Online k-means"
    idea: ClassVar[str] = "Move centres a little towards the items of each batch."
    paper: ClassVar[Paper] = Paper("Sculley", 2010, "Web-scale k-means clustering", "WWW")
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "centres"
    loop: ClassVar[tuple[str, ...]] = ("move centers", "assign items")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 3},
        "standard": {},
        "paper": {"epochs": 50},
    }

    n_clusters: int = params.n_clusters()
    epochs: int = params.epochs(10)
    batch_size: int = params.batch_size()

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        look = Cost(linear=float(n * self.n_clusters * prod(shape)))
        return [PlannedPhase("train", self.epochs, look * 2, "train", n)]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        check_enough_items(len(items), self.n_clusters)
        inputs = Inputs(items, ctx.device)
        with torch.no_grad():
            x = inputs[np.arange(len(items))].flatten(1)  # (n, d)
        first = torch.from_numpy(ctx.rng.choice(len(x), self.n_clusters, replace=False))
        centers = ctx.keep("centers", nn.ParameterList([x[first.to(ctx.device)]]))
        seen = ctx.keep("items seen", Cell(torch.zeros(self.n_clusters, 1, device=ctx.device)))
        (center,) = centers
        optimiser = torch.optim.SGD([center], lr=1.0)  # has no state to keep
        for _ in ctx.phase("train", self.epochs):
            ctx.at("move centers")
            for index in ctx.batches(len(x), self.batch_size):
                batch = inputs[index].flatten(1)
                with torch.no_grad():
                    nearest = torch.cdist(batch, center).argmin(1)
                    member = nn.functional.one_hot(nearest, self.n_clusters).to(batch)  # (b, k)
                    count = member.sum(0)[:, None]
                    seen.value = seen.value + count
                    center.grad = (count * center - member.T @ batch) / seen.value.clamp_min(1)
                optimiser.step()
            ctx.at("assign items")
            distance = torch.cdist(x, center.detach()).square()
            yield Snapshot(
                x.cpu().numpy(),
                distance.argmin(1).int().cpu().numpy(),
                {"inertia": float(distance.amin(1).sum())},
                centers=center.detach().cpu().numpy(),
            )
