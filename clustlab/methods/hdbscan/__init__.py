r"""# HDBSCAN

## Idea

A cluster is a place where items lie densely, surrounded by places where they do not. How dense is
dense? Instead of one answer, take all: lower a water level over the landscape of density, and watch
islands rise, grow and join. That is a tree. An island of fewer items than the **least cluster
size** does not count; of the rest, those that last longest are chosen, by their **stability**,

$$S(C) = \sum_{i \in C} \bigl( \lambda_i - \lambda_{\text{birth}}(C) \bigr) ,
\qquad \lambda = 1 / \text{distance} ,$$

where item $i$ leaves its island at density $\lambda_i$. So the method finds the number of clusters
by itself, and clusters may have any shape and each its own density. What lies on no chosen island
is **noise**: it belongs to no cluster. It is drawn grey and called noise everywhere.

## What to watch

- **Sizes and noise**: the outlined bar is noise. Look there first; a beautiful result on a tenth of
  the items is not one. Scores count the clustered items only, so the share that is **clustered**
  stands beside them.
- Each step asks for larger clusters. Small islands drown one after another: their items become
  noise, or the two sides of a split turn into one cluster. Where nothing changes over many steps,
  the clusters are robust.
- The **tree** shows all islands that count. A chosen one can lie deeper than another, so there
  need not be one cut through all.
- **Strength** says how deep in its cluster an item lies.
- On `toy` moons and circles it is right without being told that there are two groups; on uniform
  noise it does find clusters, but see how their number falls as the size rises.

## Where it fails

In many dimensions distances become alike, and hardly any place is denser than the rest: on pixels
of handwritten digits (MNIST) about four fifths of the items end up as noise. Groups that touch
without a thinner place between them are one. And its scores cannot be compared with those of
methods that must put every item somewhere: it leaves out what is hard.

## Source

Campello, Moulavi and Sander (2013), *Density-Based Clustering Based on Hierarchical Density
Estimates*, PAKDD, sections 3 to 5.

Deviations: images enter as principal components; beyond a limit the tree is grown over a sample
that other items follow; equal distances merge in another order than usual.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.errors import ParameterError
from clustlab.methods.hdbscan.density import (
    Condensed,
    condense,
    condensed_nodes,
    most_stable,
    mutual_reachability,
    numbers,
    stability,
    strengths,
)
from clustlab.parts.clustering.linkage import check_pairs_fit, merge_tree, square_distances
from clustlab.parts.inputs.components import (
    Components,
    mean_images,
    means_of,
    n_components,
    pca_cost,
)
from clustlab.parts.inputs.subsets import max_items, owners, sample
from clustlab.types import (
    NOISE,
    Array,
    Artefact,
    Cost,
    MethodFamily,
    Paper,
    PlannedPhase,
    Snapshot,
    cluster_name,
)

SMALLEST = 2  # least size of a cluster at the first step
LEAVES = 60  # of the tree that is shown
WORK = 60  # multiply-accumulates that take as long as what is done to a pair while merging


@dataclass(frozen=True)
class Hdbscan:
    """Dense places of any shape, as many as there are, and noise between them."""

    name: ClassVar[str] = "hdbscan"
    title: ClassVar[str] = "HDBSCAN"
    idea: ClassVar[str] = "Find the islands of density that last longest; all else is noise."
    paper: ClassVar[Paper] = Paper(
        "Campello, Moulavi and Sander",
        2013,
        "Density-Based Clustering Based on Hierarchical Density Estimates",
        "PAKDD",
    )
    step_unit: ClassVar[str] = "size"
    family: ClassVar[MethodFamily] = "density"
    why_no_scorer: ClassVar[str] = (
        "its clusters are dense places among the items that it is given, and it keeps no rule "
        "for others"
    )
    emits_noise: ClassVar[bool] = True
    noise_before_schema_2: ClassVar[str] = "last"  # noise was the last cluster in runs of schema 1
    loop: ClassVar[tuple[str, ...]] = (
        "compare all pairs",
        "merge nearest",
        "drop small islands",
        "choose the stable",
    )
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"n_sizes": 8, "max_items": 5_000},
        "standard": {},
        "paper": {"n_sizes": 30},
    }

    min_cluster_size: int = params.param(
        30,
        low=2,
        high=5_000,
        log=True,
        help="How many items a dense place must hold to count as a cluster, at the last step. "
        "Above half of all items there is no room for two, and every item is noise.",
        of_items=params.OfItems(
            0.5, "two clusters of that size do not fit in, so at the last step every item is noise"
        ),
    )
    min_samples: int = params.param(
        5,
        low=1,
        high=200,
        log=True,
        help="How many items, itself included, an item must have around it to lie in a dense "
        "place. Higher values smooth the landscape and leave more noise.",
        of_items=params.OfItems(
            1.0, "around every item lie all the others, so hardly any place is denser than another"
        ),
    )
    n_sizes: int = params.param(
        15,
        low=2,
        high=100,
        help="How many least sizes are shown on the way up from 2 to the one asked for.",
    )
    n_components: int = n_components()
    max_items: int = max_items()

    @property
    def sizes(self) -> list[int]:
        """Least size of a cluster at each step, rising to the one asked for."""
        steps = np.geomspace(SMALLEST, self.min_cluster_size, self.n_sizes).round()
        return sorted({int(size) for size in steps})

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        width = math.prod(shape)
        d, m = min(self.n_components, n, width), min(n, self.max_items)
        merging = Cost(linear=float(m * m * (d + WORK) + n * m * d))
        growing = pca_cost(n, width, d) + merging
        looking = Cost(linear=float(n * (d + width) * WORK))
        return [
            PlannedPhase("grow the tree", 1, growing + looking, "train"),
            PlannedPhase("ask for larger", len(self.sizes) - 1, looking, "read_off"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per least size of a cluster, from the smallest up."""
        self._check_size(len(items))
        check_pairs_fit(min(len(items), self.max_items))
        run = _Run(self, items, ctx)
        first, *larger = self.sizes
        for _ in ctx.phase("grow the tree", 1):
            yield run.snapshot(first)
        for i in ctx.phase("ask for larger", len(larger)):
            yield run.snapshot(larger[i])

    def _check_size(self, n: int) -> None:
        """Refuse a least size that no cluster can have, with which every item would be noise."""
        most = min(n, self.max_items)
        if self.min_cluster_size > most:
            limit = f" (max_items takes {most:,} of {n:,})" if most < n else ""
            raise ParameterError(
                f"min_cluster_size asks for {self.min_cluster_size:,} items in a cluster, but "
                f"there are only {most:,} items{limit}, so every item would be noise.",
                f"Set min_cluster_size well below {most // 2:,}.",
            )


class _Run:
    """The tree of one run and its clusters at any least size."""

    def __init__(self, settings: Hdbscan, items: Array, ctx: Context) -> None:
        self.items, self.ctx = items, ctx
        ctx.at("compare all pairs")
        self.data = Components(items, settings.n_components, ctx)
        self._tree = ctx.keep("tree", Cell(np.zeros((0, 4))), across_runs=False)
        self._owner = ctx.keep("owner", Cell(np.zeros(0, np.int64)), across_runs=False)
        if len(self._owner.value):
            return
        inside, outside = sample(len(items), settings.max_items, ctx)
        self._owner.value = owners(self.data.z, inside, outside, ctx)
        squares = square_distances(self.data.z[inside], ctx)
        distances = mutual_reachability(squares, settings.min_samples)
        ctx.at("merge nearest")
        self._tree.value = merge_tree(distances, "single", ctx)

    def snapshot(self, size: int) -> Snapshot:
        """Snapshot of the clusters of at least some size; the rest is noise."""
        self.ctx.at("drop small islands")
        tree = condense(self._tree.value, size)
        self.ctx.at("choose the stable")
        chosen = most_stable(tree)
        k, owner = len(chosen), self._owner.value
        assignments = numbers(tree, chosen)[tree.fell_from][owner]  # -1 for those on no island
        shown = self.data.shown
        artefacts = {"sizes": _sizes(assignments, k)}
        if k:
            artefacts["stability"] = _stability(tree, chosen)
        artefacts["tree"] = _tree(tree, chosen)
        artefacts["strength"] = _strength(strengths(tree, chosen)[owner])
        if k and self.data.is_image:
            artefacts["centroids"] = mean_images(self.items, assignments, k)
        scalars = {
            "least_size": float(size),
            "clusters_found": float(k),
            "share_of_noise": float((assignments == NOISE).mean()),
        }
        return Snapshot(
            shown,
            assignments,
            scalars,
            centers=means_of(shown, assignments, k),
            artefacts=artefacts,
        )


def _sizes(assignments: Array, k: int) -> Artefact:
    return Artefact(
        "bars",
        np.bincount(np.where(assignments == NOISE, k, assignments), minlength=k + 1)[None],
        "Sizes and noise",
        reading="Items in each cluster. The outlined bar is noise, which is no cluster.",
        columns=tuple(cluster_name(i) for i in (*range(k), NOISE)),
        cluster_axes=(1,),
        marked=(k,),
    )


def _stability(tree: Condensed, chosen: list[int]) -> Artefact:
    mass = stability(tree)[chosen]
    return Artefact(
        "bars",
        mass[None] / max(float(mass.sum()), float(np.finfo(np.float32).tiny)),
        "Stability",
        reading="How long the items of a cluster stay together as density rises, as a share of "
        "the sum; a low bar is a cluster that hardly stands out from its surroundings.",
        columns=tuple(cluster_name(i) for i in range(len(chosen))),
        cluster_axes=(1,),
    )


def _tree(tree: Condensed, chosen: list[int]) -> Artefact:
    return Artefact(
        "tree",
        condensed_nodes(tree, chosen, LEAVES),
        "Tree",
        reading="All islands of density that are large enough, and the distance at which they "
        "join; those in colour were chosen. Items that fall out on the way are not drawn.",
        columns=("parent", "height", "items", "cluster"),
    )


def _strength(strength: Array) -> Artefact:
    return Artefact(
        "per_item",
        strength[:, None],
        "Strength",
        reading="How deep in its cluster an item lies, 1 for its densest place; 0 for noise.",
        columns=("strength",),
    )
