r"""# PCA + k-means

## Idea

Before anything is clustered, the axes are turned so that the first is the direction in which the
items differ most, the second the direction of the largest difference that is left, and so on. These
are the **principal components**: eigenvectors $v_j$ of the covariance of the items. A few dozen
coordinates

$$z_{ij} = (x_i - \bar x)^\top v_j$$

hold most of the variance of hundreds of pixels. k-means then runs on $z$ instead of the pixels.
It is the oldest form of "learn a representation, then cluster it", with the only representation
that needs no training.

**Whitening** divides every component by its standard deviation, so that all of them count the
same.

## What to watch

- **Variance kept** says how much of an item is left. On handwritten digits, 50 components out of
  784 pixels keep about four fifths.
- **Directions** are images: the first ones are broad contrasts such as "a ring or a bar in the
  middle", the later ones ripples.
- Compare the result with plain k-means: it is almost the same, in a fraction of the time. The
  directions that were dropped carry little of the distances that k-means looks at.
- Switch whitening on: now faint directions weigh as much as strong ones, and the clusters do
  change, mostly for the worse once components are kept that are hardly more than noise.

## Where it fails

Variance is not meaning. A linear map can turn and scale the cloud of items but not unroll it, so
moons and circles stay what they are, and slanted and upright ones stay far apart. Everything that
k-means cannot do on the pixels it cannot do here.

## Source

Ding and He (2004), *K-means Clustering via Principal Component Analysis*, ICML, section 2, which
also shows why the two fit: the leading components span the space of the best centres.

Deviations: more components than the $K - 1$ of the theorem, as is usual; beyond 512 pixels the
components come from a subspace iteration with a fixed start.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from clustlab import params
from clustlab.context import Context
from clustlab.parts.clustering.kmeans import Clustering, check_enough_items
from clustlab.parts.clustering.kmeans_steps import TRY_STARTS, KMeansSettings, KMeansSteps, changes
from clustlab.parts.hooks.scoring import AsRows, kept, nearest_center, not_kept, phase_of, projected
from clustlab.parts.inputs.components import Components, n_components, pca_cost
from clustlab.parts.inputs.network_input import Inputs
from clustlab.types import Array, Artefact, MethodFamily, Paper, PlannedPhase, Snapshot


@dataclass(frozen=True)
class PCAKMeans(KMeansSettings):
    """k-means on principal components."""

    name: ClassVar[str] = "pca-kmeans"
    title: ClassVar[str] = "PCA + k-means"
    idea: ClassVar[str] = "Keep the directions of largest variance, then cluster what is left."
    paper: ClassVar[Paper] = Paper(
        "Ding and He", 2004, "K-means Clustering via Principal Component Analysis", "ICML"
    )
    step_unit: ClassVar[str] = "round"
    family: ClassVar[MethodFamily] = "centres"
    loop: ClassVar[tuple[str, ...]] = ("project", "place centres", "assign items", "move centres")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"n_init": 1, "max_iter": 30},
        "standard": {},
        "paper": {"n_init": 20, "max_iter": 300},
    }

    n_components: int = n_components()
    whiten: bool = params.param(
        False, help="Scale every component to the same variance, so that all count the same."
    )

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        width = math.prod(shape)
        size = min(self.n_components, n, width)
        return self.kmeans_plan(n, size, pca_cost(n, width, size))

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per start tried, then one per round."""
        check_enough_items(len(items), self.n_clusters)
        ctx.at("project")
        data = Components(items, self.n_components, ctx, whiten=self.whiten)
        shown, common = data.shown, {"variance": data.shares()}
        if data.is_image:
            common["directions"] = data.directions()

        def show(now: Clustering, before: Tensor, scalars: Mapping[str, float]) -> Snapshot:
            own: dict[str, Artefact] = {
                "changes": changes(now.assignments, before, self.n_clusters)
            }
            if data.is_image:
                own["centroids"] = data.centroids(now.centers)
            return Snapshot(
                shown,
                now.assignments.cpu().numpy(),
                {**scalars, "variance_kept": float(data.variance.sum())},
                centers=data.leading(now.centers),
                artefacts={**own, **common},
            )

        yield from KMeansSteps(self, data.z, ctx, show).snapshots()

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness of the components to the centres; see `registry.Scoring`."""
        if phase_of(state) == TRY_STARTS:
            raise not_kept("it was trying starts, and keeps only the best of them")
        centers: Tensor = kept(state, "centers")["tensor"].to(inputs.device)
        encoder = nn.Sequential(AsRows())
        with torch.no_grad():
            encoder = projected(encoder, inputs, self.n_components, whiten=self.whiten)
        return nearest_center(encoder, centers)
