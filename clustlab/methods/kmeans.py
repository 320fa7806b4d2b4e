r"""# k-means

## Idea

Put $K$ centres among the items. Give each item to its nearest centre, move each centre to the
mean of its items, and repeat. Every round lowers the **inertia**, the sum of squared distances of
the items to their centres,

$$J = \sum_i \lVert x_i - \mu_{c(i)} \rVert^2 ,$$

until no item changes its cluster. Here an image is nothing but its row of pixels: the figure
reached is what deep clustering has to beat.

The first centres are drawn from the items, far from each other (k-means++). The end depends on
them, so several starts are tried and the one with the lowest inertia is shown.

## What to watch

- The first rounds move most items; then only those near a border between two clusters change
  sides. **Joined and left** says which borders.
- The **centroids** are mean images. A sharp one stands for one kind of item, a blurred one for
  several: 4, 7 and 9 tend to share a ghost.
- **Inertia** never rises. Different starts end at different values; lower is better for k-means,
  though not always for you.

## Where it fails

k-means cuts space into cells around points, all of the same kind. So it fails where groups are
long, bent or nested (`toy`: moons, circles, anisotropic), where one is much wider or much larger
than its neighbours, and where there are none: uniform noise is divided all the same. On pixels,
moving a digit two pixels to the side changes its distance more than changing the digit.

## Source

Lloyd (1982), *Least squares quantization in PCM*, IEEE Transactions on Information Theory 28(2),
section II; start by Arthur and Vassilvitskii (2007), *k-means++*, SODA.

Deviations: the start takes the best of a few draws per centre, as scikit-learn does. Distances
use all pixels; the embedding that is kept is their projection on the leading principal
components, so that snapshots stay small.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.inputs import Inputs, features
from clustlab.parts.kmeans import Clustering, assign, check_enough_items, lloyd, means, plus_plus
from clustlab.parts.pca import principal
from clustlab.parts.scoring import in_order, kept, nearest_center, not_kept, phase_of
from clustlab.types import Array, Artefact, Cost, Paper, PlannedPhase, Reported, Snapshot

MOST_COMPONENTS, FEWEST_COMPONENTS = 50, 10
SNAPSHOT_VALUES = 500_000  # numbers of an embedding, 2 MB: more items keep fewer components
USUAL_ROUNDS = 25  # until a start has settled, for the estimate of time


@dataclass(frozen=True)
class KMeans:
    """k-means on pixels or coordinates."""

    name: ClassVar[str] = "kmeans"
    title: ClassVar[str] = "k-means"
    idea: ClassVar[str] = "Give items to the nearest centre, move centres to the mean, repeat."
    paper: ClassVar[Paper] = Paper(
        "Lloyd", 1982, "Least squares quantization in PCM", "IEEE Trans. Inf. Theory 28(2)"
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported("mnist", 0.532, "all 70,000", "tables of the IIC paper, Ji et al. 2019"),
    )
    step_unit: ClassVar[str] = "round"
    loop: ClassVar[tuple[str, ...]] = ("place centers", "assign items", "move centers")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"n_init": 1, "max_iter": 30},
        "standard": {},
        "paper": {"n_init": 20, "max_iter": 300},
    }

    n_clusters: int = params.n_clusters()
    n_init: int = params.param(
        10,
        low=1,
        high=100,
        help="How many starts to try. The one that ends with the lowest inertia is shown.",
    )
    max_iter: int = params.param(
        100, low=1, high=1000, log=True, help="Upper limit on rounds of assign and move."
    )
    tolerance: float = params.param(
        0.001,
        low=0.0,
        high=0.5,
        help="Stop when no more than this share of the items changes its cluster in a round.",
    )

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        one_pass = Cost(linear=float(n * self.n_clusters * math.prod(shape)))
        rounds = 2 + 2 * USUAL_ROUNDS * (self.n_init > 1)
        return [
            PlannedPhase("try starts", self.n_init, one_pass * rounds),
            PlannedPhase("assign and move", self.max_iter, one_pass * 2),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per start tried, then one per round."""
        check_enough_items(len(items), self.n_clusters)
        data = _Rows(items, ctx)
        x, norms = data.x, data.norms
        empty = Clustering(x[: self.n_clusters], x.new_zeros(len(x)).long(), norms)
        centers = ctx.keep("centers", Cell(empty.centers))
        assignments = ctx.keep("assignments", Cell(empty.assignments))
        best = ctx.keep("lowest inertia", Cell(math.inf), across_runs=False)
        settled = ctx.keep("settled", Cell(False), across_runs=False)

        for _ in ctx.phase("try starts", 0 if ctx.is_warm else self.n_init):
            ctx.at("place centers")
            start = plus_plus(x, self.n_clusters, ctx, norms=norms)
            ctx.at("assign items")
            now = assign(x, start, ctx, norms=norms)
            reached = self._settle(now, data, ctx)
            if reached < best.value:
                best.value, centers.value, assignments.value = reached, start, now.assignments
            scalars = {"inertia": now.inertia, "inertia reached": reached}
            yield data.snapshot(now, now.assignments, scalars)

        for _ in ctx.phase("assign and move", self.max_iter):
            if settled.value:
                return
            before = assignments.value
            ctx.at("move centers")
            moved = means(x, before, centers.value, ctx)
            ctx.at("assign items")
            now = assign(x, moved, ctx, norms=norms)
            centers.value, assignments.value = moved, now.assignments
            changed = float((now.assignments != before).float().mean())
            settled.value = changed <= self.tolerance
            scalars = {"inertia": now.inertia, "share changed": changed}
            yield data.snapshot(now, before, scalars)

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness of the pixels or coordinates to the centres; see `registry.Scoring`."""
        if phase_of(state) == "try starts":
            raise not_kept("it was trying starts, and keeps only the best of them")
        centers = kept(state, "centers")["tensor"].to(inputs.device)
        if inputs.is_image:  # rows of pixels were (h, w, c), the scorer gets (c, h, w)
            c, h, w = inputs.shape
            centers = centers.view(-1, h, w, c).permute(0, 3, 1, 2).flatten(1)
        shares = [b.flatten(1).mean(0) * (len(b) / len(inputs)) for b in in_order(inputs)]
        return nearest_center(nn.Flatten(), centers + torch.stack(shares).sum(0))

    def _settle(self, start: Clustering, data: "_Rows", ctx: Context) -> float:
        """Inertia at the end of Lloyd's rounds from a start; that of the start if it is alone."""
        if self.n_init == 1:
            return start.inertia
        end = lloyd(
            data.x,
            start.centers,
            ctx,
            max_iter=self.max_iter,
            tol=self.tolerance,
            norms=data.norms,
        )
        return end.inertia


class _Rows:
    """Items as centred rows, and what a snapshot shows of them."""

    def __init__(self, items: Array, ctx: Context) -> None:
        x = torch.from_numpy(features(items)).to(ctx.device)
        self.shape = items.shape[1:]
        self.mean = x.mean(0)
        self.x = x - self.mean  # (n, d)
        self.norms = self.x.square().sum(1)
        if items.ndim == 2:
            self.embedding, self.basis = self.x, torch.eye(x.shape[1], device=x.device)
            return
        size = int(np.clip(SNAPSHOT_VALUES // len(x), FEWEST_COMPONENTS, MOST_COMPONENTS))
        z = principal(self.x, size)
        self.embedding = z
        # z = x V with orthogonal columns, so x.T z = V diag(|z_j|^2)
        tiny = torch.finfo(z.dtype).tiny
        self.basis = self.x.T @ z / z.square().sum(0).clamp_min(tiny)  # (d, size)

    def snapshot(self, now: Clustering, before: Tensor, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of a division, with what has changed since the assignments before."""
        artefacts = {"changes": self._changes(now, before)}
        if len(self.shape) == 3:
            artefacts["centroids"] = self._centroids(now.centers)
        return Snapshot(
            self.embedding.cpu().numpy(),
            now.assignments.cpu().numpy(),
            scalars,
            centers=(now.centers @ self.basis).cpu().numpy(),
            artefacts=artefacts,
        )

    def _changes(self, now: Clustering, before: Tensor) -> Artefact:
        changed = now.assignments != before
        k = len(now.centers)
        counts = [torch.bincount(a[changed], minlength=k) for a in (now.assignments, before)]
        return Artefact(
            "bars",
            torch.stack(counts).cpu().numpy().astype(np.float32),
            "Items that changed their cluster",
            reading="Two clusters with tall bars exchange items across their common border.",
            rows=("joined", "left"),
            cluster_axes=(1,),
        )

    def _centroids(self, centers: Tensor) -> Artefact:
        pixels = ((centers + self.mean) * 255).round().clamp(0, 255)
        return Artefact(
            "images",
            pixels.cpu().numpy().astype(np.uint8).reshape(1, len(centers), *self.shape),
            "Centroids",
            reading="The mean image of each cluster. A blurred one averages over unlike items.",
            cluster_axes=(1,),
        )
