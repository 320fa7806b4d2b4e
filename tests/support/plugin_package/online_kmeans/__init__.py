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

import torch

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.inputs.network_input import features
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
        x = torch.from_numpy(features(items)).to(ctx.device)  # (n, d)
        first = torch.from_numpy(ctx.rng.choice(len(x), self.n_clusters, replace=False))
        centers = ctx.keep("centers", Cell(x[first.to(ctx.device)]))
        seen = ctx.keep("items seen", Cell(torch.zeros(self.n_clusters, 1, device=ctx.device)))
        for _ in ctx.phase("train", self.epochs):
            ctx.at("move centers")
            for index in ctx.batches(len(x), self.batch_size):
                batch = x[torch.from_numpy(index).to(ctx.device)]
                nearest = torch.cdist(batch, centers.value).argmin(1)
                member = torch.nn.functional.one_hot(nearest, self.n_clusters).to(batch)  # (b, k)
                count = member.sum(0)[:, None]
                seen.value = seen.value + count
                pull = member.T @ batch - count * centers.value
                centers.value = centers.value + pull / seen.value.clamp_min(1)
            ctx.at("assign items")
            distance = torch.cdist(x, centers.value).square()
            yield Snapshot(
                x.cpu().numpy(),
                distance.argmin(1).int().cpu().numpy(),
                {"inertia": float(distance.amin(1).sum())},
                centers=centers.value.cpu().numpy(),
            )
