r"""# Spectral clustering

## Idea

Forget the coordinates and keep only who is near whom: every item is joined by edges to its nearest
neighbours. In this graph $W$ a group is a set of items with many edges inside and few to the
outside, whatever its shape. To cut few edges, look for functions on the graph that hardly change
along any edge. They are the eigenvectors with the smallest eigenvalues of the **normalised
Laplacian**

$$L = I - D^{-1/2} W D^{-1/2} , \qquad D_{ii} = \sum_j W_{ij} .$$

In the first $K$ of them, with each row scaled to length 1, every item gets $K$ numbers, and a group
that hangs together shrinks to nearly one point, be it a ball, a moon or a ring. There k-means has
an easy job.

## What to watch

- On `toy` moons and circles, compare with k-means: the plane is the same, the **embedding** is not.
  What was bent has become a dot.
- **Eigenvalues** near 0 count the groups that hardly touch. The first large step suggests a
  number of clusters: does it agree with yours?
- The rounds are those of k-means and soon over; the real work was done before the first.
- Change the **number of neighbours**. Too few, and the graph falls apart into islands; too many,
  and edges run across the gaps.

## Where it fails

A few stray items between two groups are a bridge, and one good bridge merges them (`toy`: moons
with noise 0.2). Groups of very different density share one number of neighbours, which suits
neither. On images the graph is only as good as the distances of their pixels. And the graph knows
the items it was made of: a new item has no place in it except beside its neighbours.

## Source

Ng, Jordan and Weiss (2001), *On Spectral Clustering: Analysis and an algorithm*, NIPS 14, section
2; weights by local scale from Zelnik-Manor and Perona (2004), NIPS 17, eq. 1;
nearest neighbours as von Luxburg (2007), *A Tutorial on Spectral Clustering*, advises.

Deviations: a graph of nearest neighbours joined by weak edges instead of all pairs; images as
principal components; beyond a limit a sample, and for other items the mean of their neighbours.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering import neighbour_graph
from clustlab.parts.clustering.kmeans import Clustering
from clustlab.parts.clustering.kmeans_steps import KMeansSettings, KMeansSteps, changes
from clustlab.parts.inputs.components import (
    Components,
    mean_images,
    n_components,
    pca_cost,
    shown_width,
)
from clustlab.parts.inputs.subsets import check_enough_compared, max_items, sample
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

FEWEST_VALUES, BEYOND = 12, 5  # eigenvalues shown: at least so many, and so many beyond K
USUAL_PRODUCTS = 40  # of the graph with a vector, for each eigenvector


@dataclass(frozen=True)
class Spectral(KMeansSettings):
    """k-means on the smooth functions of a neighbour graph."""

    name: ClassVar[str] = "spectral"
    title: ClassVar[str] = "Spectral clustering"
    idea: ClassVar[str] = "Join items to their neighbours, then cut as few edges as possible."
    paper: ClassVar[Paper] = Paper(
        "Ng, Jordan and Weiss",
        2001,
        "On Spectral Clustering: Analysis and an algorithm",
        "NIPS 14",
    )
    step_unit: ClassVar[str] = "round"
    family: ClassVar[MethodFamily] = "centres"
    why_no_scorer: ClassVar[str] = "its graph holds only the items that it was made of"
    loop: ClassVar[tuple[str, ...]] = (
        "join neighbours",
        "find smooth functions",
        "place centres",
        "assign items",
        "move centres",
    )
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"n_init": 5, "max_iter": 30},
        "standard": {},
        "paper": {"n_init": 20, "max_iter": 300},
    }

    n_neighbors: int = params.param(
        10,
        low=1,
        high=200,
        help="How many nearest items each item is joined to.",
        of_items=params.ALL_NEIGHBOURS,
    )
    weights: Literal["equal", "local scale"] = params.param(
        "equal",
        help="Whether all edges count the same, or longer ones count less, compared with the "
        "distances between neighbours nearby.",
    )
    n_components: int = n_components()
    max_items: int = max_items()

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        width = math.prod(shape)
        d, m = min(self.n_components, n, width), min(n, self.max_items)
        compared = Cost(linear=float(n * m * d))
        ties = m * self.n_neighbors
        solved = Cost(linear=float(USUAL_PRODUCTS * self.n_clusters * (ties + m * self.n_clusters)))
        return self.kmeans_plan(n, self.n_clusters, pca_cost(n, width, d) + compared + solved)

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per start of k-means tried, then one per round."""
        check_enough_compared(len(items), self.max_items, self.n_clusters)
        rows = ctx.keep("rows", Cell(torch.zeros(0)), across_runs=False)
        values = ctx.keep("eigenvalues", Cell(np.zeros(0)), across_runs=False)
        pieces = ctx.keep("pieces", Cell(0), across_runs=False)
        if not len(rows.value):
            rows.value, values.value, pieces.value = self._embedded(items, ctx)
        width, eigenvalues = shown_width(len(items)), _eigenvalues(values.value, self.n_clusters)
        steps = np.diff(values.value)
        of_graph = {
            "pieces": pieces.value,
            "eigenvalue_step": _value_or_zero(steps, self.n_clusters - 1),
        }

        def show(now: Clustering, before: Tensor, scalars: Mapping[str, float]) -> Snapshot:
            assignments = now.assignments.cpu().numpy()
            artefacts = {
                "eigenvalues": eigenvalues,
                "changes": changes(now.assignments, before, self.n_clusters),
            }
            if items.ndim == 4:
                artefacts["centroids"] = mean_images(items, assignments, self.n_clusters)
            return Snapshot(
                rows.value[:, :width].cpu().numpy(),
                assignments,
                {**scalars, **of_graph},
                centers=now.centers[:, :width].cpu().numpy(),
                artefacts=artefacts,
            )

        yield from KMeansSteps(self, rows.value, ctx, show).snapshots()

    def _embedded(self, items: Array, ctx: Context) -> tuple[Tensor, Array, int]:
        """Rows (n, n_clusters) of length 1, the smallest eigenvalues, and the graph's pieces."""
        ctx.at("join neighbours")
        z = Components(items, self.n_components, ctx).z
        inside, outside = sample(len(z), self.max_items, ctx)
        known = z[inside]
        neighbours, distances = neighbour_graph.nearest(
            known, known, self.n_neighbors, ctx, same=True
        )
        ties, gaps = neighbours.cpu().numpy(), distances.cpu().numpy()
        is_local = self.weights == "local scale"
        weights = neighbour_graph.local_weights(ties, gaps) if is_local else np.ones_like(gaps)
        whole, pieces = neighbour_graph.joined(
            neighbour_graph.neighbour_graph(ties, weights), known, ctx
        )
        ctx.at("find smooth functions")
        size = max(FEWEST_VALUES, self.n_clusters + BEYOND)
        values, vectors = neighbour_graph.smooth_functions(whole, size, ctx)
        leading = torch.from_numpy(vectors[:, : self.n_clusters]).to(z)
        rows = z.new_zeros(len(z), self.n_clusters)
        rows[inside] = functional.normalize(leading, dim=1)
        if len(outside):
            close, _ = neighbour_graph.nearest(z[outside], known, self.n_neighbors, ctx)
            rows[outside] = functional.normalize(rows[inside][close].mean(1), dim=1)
        return rows, values, pieces


def _value_or_zero(values: Array, place: int) -> float:
    return float(values[place]) if place < len(values) else 0.0


def _eigenvalues(values: Array, n_clusters: int) -> Artefact:
    """Bars of the eigenvalues and the step from each to the next; the last one used is marked."""
    steps = np.diff(values, append=values[-1:])
    return Artefact(
        "bars",
        np.stack((values, steps)),
        "Eigenvalues",
        reading="Values near 0 count groups that hardly touch. The outlined pair is the last one "
        "used; a large step there speaks for this number of clusters.",
        rows=("eigenvalue", "step to the next"),
        columns=tuple(str(i + 1) for i in range(len(values))),
        marked=(min(n_clusters, len(values)) - 1,),
    )
