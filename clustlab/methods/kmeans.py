r"""# k-means

## Idea

Put $K$ centres among the items. Give each item to its nearest centre, move each centre to the
mean of its items, and repeat. Every round lowers the **inertia**, the sum of squared distances of
the items to their centres,

$$J = \sum_i \lVert x_i - \mu_{c(i)} \rVert^2 ,$$

until no item changes cluster. Here an image is nothing but its row of pixels: the score it reaches
is what deep clustering has to beat.

The first centres are drawn from the items, far from each other (k-means++). The end depends on
them, so several starts are tried and the one with the lowest inertia is shown.

## What to watch

- The first rounds move most items; then only those near a border between two clusters change
  sides. **Joined and left** says which borders.
- The **centroids** are mean images. A sharp one stands for one class, a blurred one for several: 4,
  7 and 9 tend to share a ghost.
- **Inertia** never rises. Different starts end at different values; lower is better for k-means,
  though not always for you.

## Where it fails

k-means cuts space into cells around its centres, with straight borders halfway. So it fails where
groups are long, bent or nested (`toy`: moons, circles, anisotropic), where one is much wider or
much larger than its neighbours, and where there are none: uniform noise is divided all the same. On
pixels, a digit moved two pixels to the side is often farther from itself than from another digit.

## Source

Lloyd (1982), *Least squares quantization in PCM*, IEEE Transactions on Information Theory 28(2),
section II; start by Arthur and Vassilvitskii (2007), *k-means++*, SODA.

Deviations: each centre of the start is the best of a few draws, as in scikit-learn; distances use
all pixels, but the embedding that is kept is their leading principal components.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from clustlab.context import Context
from clustlab.parts.clustering.kmeans import Clustering
from clustlab.parts.clustering.kmeans_steps import TRY_STARTS, KMeansSettings, KMeansSteps, changes
from clustlab.parts.hooks.scoring import AsRows, in_order, kept, nearest_center, not_kept, phase_of
from clustlab.parts.inputs.components import shown_width
from clustlab.parts.inputs.network_input import Inputs, features
from clustlab.parts.inputs.pca import principal
from clustlab.types import Array, Artefact, MethodFamily, Paper, PlannedPhase, Reported, Snapshot


@dataclass(frozen=True)
class KMeans(KMeansSettings):
    """k-means on pixels or coordinates."""

    name: ClassVar[str] = "kmeans"
    title: ClassVar[str] = "k-means"
    idea: ClassVar[str] = "Assign items to the nearest centre, move centres to their means, repeat."
    paper: ClassVar[Paper] = Paper(
        "Lloyd", 1982, "Least squares quantization in PCM", "IEEE Trans. Inf. Theory 28(2)"
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist", 0.535, "second-hand; others print 0.53 for all 70,000", "Xie et al. 2016"
        ),
        Reported("mnist", 0.53, "all 70,000, mean of 10 runs", "a public Keras version of DEC"),
        Reported(
            "fashion-mnist", 0.47, "all 70,000, mean of 10 runs", "a public Keras version of DEC"
        ),
        Reported("usps", 0.67, "train + test, mean of 10 runs", "a public Keras version of DEC"),
        Reported("cifar10", 0.229, "copied in a later table without protocol", "Chang et al. 2017"),
        Reported("stl10", 0.192, "copied in a later table without protocol", "Chang et al. 2017"),
    )
    step_unit: ClassVar[str] = "round"
    family: ClassVar[MethodFamily] = "centres"
    loop: ClassVar[tuple[str, ...]] = ("place centres", "assign items", "move centres")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"n_init": 1, "max_iter": 30},
        "standard": {},
        "paper": {"n_init": 20, "max_iter": 300},
    }

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        return self.kmeans_plan(n, math.prod(shape))

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per start tried, then one per round."""
        data = _Rows(items, ctx)
        yield from KMeansSteps(self, data.x, ctx, data.snapshot).snapshots()

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness of the pixels or coordinates to the centres; see `registry.Scoring`."""
        if phase_of(state) == TRY_STARTS:
            raise not_kept("it was trying starts, and keeps only the best of them")
        centers = kept(state, "centers")["tensor"].to(inputs.device)
        rows = AsRows()
        shares = [rows(b).mean(0) * (len(b) / len(inputs)) for b in in_order(inputs)]
        return nearest_center(rows, centers + torch.stack(shares).sum(0))


class _Rows:
    """Items as centred rows, and what a snapshot shows of them."""

    def __init__(self, items: Array, ctx: Context) -> None:
        x = torch.from_numpy(features(items)).to(ctx.device)
        self.shape = items.shape[1:]
        self.mean = x.mean(0)
        self.x = x - self.mean  # (n, d)
        if items.ndim == 2:
            self.embedding, self.basis = self.x, torch.eye(x.shape[1], device=x.device)
            return
        z = principal(self.x, shown_width(len(x)))
        self.embedding = z
        # z = x V with orthogonal columns, so x.T z = V diag(|z_j|^2)
        tiny = torch.finfo(z.dtype).tiny
        self.basis = self.x.T @ z / z.square().sum(0).clamp_min(tiny)  # (d, size)

    def snapshot(self, now: Clustering, before: Tensor, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of a division, with what has changed since the assignments before."""
        artefacts = {"changes": changes(now.assignments, before, len(now.centers))}
        if len(self.shape) == 3:
            artefacts["centroids"] = self._centroids(now.centers)
        return Snapshot(
            self.embedding.cpu().numpy(),
            now.assignments.cpu().numpy(),
            scalars,
            centers=(now.centers @ self.basis).cpu().numpy(),
            artefacts=artefacts,
        )

    def _centroids(self, centers: Tensor) -> Artefact:
        pixels = ((centers + self.mean) * 255).round().clamp(0, 255)
        return Artefact(
            "images",
            pixels.cpu().numpy().astype(np.uint8).reshape(1, len(centers), *self.shape),
            "Centroids",
            reading="The mean image of each cluster. A blurred one averages over items that "
            "differ.",
            cluster_axes=(1,),
        )
