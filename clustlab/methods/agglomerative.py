r"""# Agglomerative clustering

## Idea

Begin with every item as a group of its own. Merge the two groups that are nearest to each other;
repeat until one group is left. What remains is a **tree**: it says at which distance which groups
came together. Cut it at any height, and the branches below the cut are clusters; the number of
clusters can be chosen after the fact.

Everything depends on the **linkage**, which says what the distance between two groups $A$ and $B$
is:

- *single*: between their nearest items; groups grow along chains.
- *complete*: between their farthest items; groups stay compact.
- *average*: the mean over all pairs.
- *ward*: how much the merge raises the inertia of k-means, $\frac{|A|\,|B|}{|A| + |B|} \lVert \mu_A
  - \mu_B \rVert^2$; groups stay round and of similar size.

## What to watch

- Each step is one merge. Walk down from many clusters to the number you asked for and see in
  **Last merge** which two became one: first two ways to write the same digit, later two digits.
- In the **tree**, long branches above the cut mean that the clusters are far apart for their width;
  if the cut crosses short ones, a few clusters more or fewer would do as well.
- Nothing is drawn at random: another seed gives the same result (unless there are so many items
  that a sample of them is drawn).
- On `toy` moons and circles *single* is right and *ward* is wrong; on touching blobs it is the
  other way round.

## Where it fails

A merge is never undone. *Single* hangs everything on one chain as soon as a few items lie between
two groups, and leaves stray items as clusters of their own. *Ward* and *complete* break long groups
into round pieces, as k-means does. And every pair of items has to be compared: time and memory grow
with the square of their number.

## Source

Ward (1963), *Hierarchical Grouping to Optimize an Objective Function*, Journal of the American
Statistical Association 58, with the update of distances by Lance and Williams (1967), and the
order of merges found by nearest-neighbour chains (Murtagh 1983).

Deviations: images enter as principal components; beyond a limit the tree is grown over a sample,
and every other item joins the cluster of its nearest neighbour in it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.linkage import (
    check_pairs_fit,
    cut,
    merge_tree,
    square_distances,
    top_nodes,
)
from clustlab.parts.inputs.components import (
    Components,
    mean_images,
    means_of,
    n_components,
    pca_cost,
)
from clustlab.parts.inputs.subsets import check_enough_compared, max_items, owners, sample
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

FEWEST_LEAVES, MOST_LEAVES = 30, 60  # of the tree that is shown
WORK = 60  # multiply-accumulates that take as long as what is done to a pair while merging


@dataclass(frozen=True)
class Agglomerative:
    """Merging the nearest groups, from all items down to a few clusters."""

    name: ClassVar[str] = "agglomerative"
    title: ClassVar[str] = "Agglomerative clustering"
    idea: ClassVar[str] = "Merge the two nearest groups, again and again, and cut the tree."
    paper: ClassVar[Paper] = Paper(
        "Ward",
        1963,
        "Hierarchical Grouping to Optimize an Objective Function",
        "J. Am. Stat. Assoc. 58",
    )
    step_unit: ClassVar[str] = "merge"
    family: ClassVar[MethodFamily] = "linkage"
    why_no_scorer: ClassVar[str] = (
        "it joins the items that it is given two by two, and keeps no rule for others"
    )
    loop: ClassVar[tuple[str, ...]] = ("compare all pairs", "merge nearest", "cut the tree")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"first_cut": 25, "max_items": 5_000},
        "standard": {},
        "paper": {"first_cut": 100},
    }

    n_clusters: int = params.n_clusters()
    linkage: Literal["ward", "average", "complete", "single"] = params.param(
        "ward",
        help="What the distance between two groups is: the rise in inertia when they merge, or "
        "the mean, the largest or the smallest distance between their items.",
    )
    first_cut: int = params.param(
        40,
        low=2,
        high=500,
        log=True,
        help="How many clusters the first step shows. From there, one merge a step leads down to "
        "the number of clusters.",
    )
    n_components: int = n_components()
    max_items: int = max_items()

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        width = math.prod(shape)
        d, m = min(self.n_components, n, width), min(n, self.max_items)
        merging = Cost(linear=float(m * m * (d + WORK) + n * m * d))
        growing = pca_cost(n, width, d) + merging
        looking = Cost(linear=float(n * (d + width)))
        return [
            PlannedPhase("grow the tree", 1, growing + looking, "train"),
            PlannedPhase("cut lower", self._first(m) - self.n_clusters, looking, "read_off"),
        ]

    def _first(self, m: int) -> int:
        """Clusters at the first step, with a tree over m items."""
        return max(self.n_clusters, min(self.first_cut, m))

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the cut into many clusters, then one per merge."""
        check_enough_compared(len(items), self.max_items, self.n_clusters)
        check_pairs_fit(min(len(items), self.max_items))
        run = _Run(self, items, ctx)
        first = self._first(len(run.tree) + 1)
        for _ in ctx.phase("grow the tree", 1):
            yield run.snapshot(first, first)
        for i in ctx.phase("cut lower", first - self.n_clusters):
            yield run.snapshot(first - i - 1, first)


class _Run:
    """The tree of one run and what its cuts look like."""

    def __init__(self, settings: Agglomerative, items: Array, ctx: Context) -> None:
        self.items, self.ctx = items, ctx
        ctx.at("compare all pairs")
        self.data = Components(items, settings.n_components, ctx)
        self._tree = ctx.keep("tree", Cell(np.zeros((0, 4))), across_runs=False)
        self._owner = ctx.keep("owner", Cell(np.zeros(0, np.int64)), across_runs=False)
        if len(self._owner.value):
            return
        inside, outside = sample(len(items), settings.max_items, ctx)
        self._owner.value = owners(self.data.z, inside, outside, ctx)
        distances = square_distances(self.data.z[inside], ctx)
        if settings.linkage != "ward":
            np.sqrt(distances, out=distances)
        ctx.at("merge nearest")
        self._tree.value = merge_tree(distances, settings.linkage, ctx)

    @property
    def tree(self) -> Array:
        """Merges (m - 1, 4) of the items in the sample."""
        merges: Array = self._tree.value
        return merges

    def snapshot(self, k: int, first: int) -> Snapshot:
        """Snapshot of the cut into k clusters, `first` at the first step."""
        self.ctx.at("cut the tree")
        clusters, nodes = cut(self.tree, k)
        assignments = clusters[self._owner.value]
        shown = self.data.shown
        centers = means_of(shown, assignments, k)
        leaves = min(max(FEWEST_LEAVES, first), MOST_LEAVES)
        artefacts = {
            "tree": Artefact(
                "tree",
                top_nodes(self.tree, leaves, nodes),
                "Tree",
                reading="Where two branches meet, two groups became one; the dashed line is the "
                "cut, and the branches it crosses are the clusters.",
                columns=("parent", "height", "items", "cluster"),
            )
        }
        if self.data.is_image:
            artefacts["centroids"] = mean_images(self.items, assignments, k)
            if k <= len(self.tree):
                artefacts["merged"] = self._merged(k)
        return Snapshot(shown, assignments, self._scalars(k), centers=centers, artefacts=artefacts)

    def _scalars(self, k: int) -> dict[str, float]:
        """Distances of the merge that led to k clusters and of the one that would come next."""
        heights, m = self.tree[:, 2], len(self.tree) + 1
        return {
            "clusters": float(k),
            "distance_of_last_merge": float(heights[m - k - 1]) if k < m else 0.0,
            "distance_of_next_merge": float(heights[m - k]) if k > 1 else 0.0,
        }

    def _merged(self, k: int) -> Artefact:
        """Mean images of the two groups whose merge led to k clusters, and of both together."""
        m = len(self.tree) + 1
        clusters, nodes = cut(self.tree, k + 1)
        before, pair = clusters[self._owner.value], self.tree[m - k - 1, :2].astype(np.int64)
        one, other = (before == int(np.flatnonzero(nodes == node)[0]) for node in pair)
        means = [self.items[rows].mean(0) for rows in (one, other, one | other)]
        return Artefact(
            "images",
            np.stack(means)[None].round().astype(np.uint8),
            "Last merge",
            reading="The mean images of the two groups that became one at this step, and of both "
            "together.",
            columns=("one", "other", "together"),
        )
