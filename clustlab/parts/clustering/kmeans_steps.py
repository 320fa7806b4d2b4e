"""k-means as a run to be watched: starts to choose from, then rounds, one snapshot each."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import (
    Clustering,
    assign,
    check_enough_items,
    lloyd,
    means,
    plus_plus,
)
from clustlab.parts.hooks.interventions import OF_CENTERS, Offer, moved_centers
from clustlab.types import Artefact, Cost, PlannedPhase, Snapshot

USUAL_STEPS = 25  # until a start has settled, for the estimate of time
TRY_STARTS, ASSIGN_AND_MOVE = "try starts", "assign and move"  # the two phases

Show = Callable[[Clustering, Tensor, Mapping[str, float]], Snapshot]
"""Snapshot of a division, given the assignments (n,) before it and the scalars."""


@dataclass(frozen=True)
class KMeansSettings:
    """Hyperparameters of k-means whose every round is shown."""

    interventions: ClassVar[Offer] = {ASSIGN_AND_MOVE: OF_CENTERS}

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
        ends_training=True,
        help="Stop when no more than this share of the items changes its cluster in a round.",
    )

    def kmeans_plan(self, n: int, width: int, before: Cost | None = None) -> list[PlannedPhase]:
        """Phases in order for n rows of a width, with the cost of all that comes before them."""
        one_pass = Cost(linear=float(n * self.n_clusters * width))
        passes = 2 + 2 * USUAL_STEPS * (self.n_init > 1)
        share = (before or Cost()) * (1 / self.n_init)
        return [
            PlannedPhase(TRY_STARTS, self.n_init, one_pass * passes + share, "initialise"),
            PlannedPhase(ASSIGN_AND_MOVE, self.max_iter, one_pass * 2, "train"),
        ]


class KMeansSteps:
    """One run of k-means on rows (n, d) that are roughly centred, with what it keeps.

    The boxes of the loop are "place centres", "assign items" and "move centres".

    Raises
    ------
    ParameterError
        If there are fewer rows than clusters.
    """

    def __init__(self, settings: KMeansSettings, x: Tensor, ctx: Context, show: Show) -> None:
        check_enough_items(len(x), settings.n_clusters)
        self.settings, self.ctx, self.show = settings, ctx, show
        self.x, self.norms = x, x.square().sum(1)
        self.centers = ctx.keep("centers", Cell(x[: settings.n_clusters]))
        self.assignments = ctx.keep("assignments", Cell(x.new_zeros(len(x)).long()))
        self._best = ctx.keep("lowest inertia", Cell(math.inf), across_runs=False)
        self._settled = ctx.keep("settled", Cell(False), across_runs=False)

    def snapshots(self) -> Iterator[Snapshot]:
        """One snapshot per start tried, then one per round."""
        yield from self._starts()
        yield from self._steps()

    def _starts(self) -> Iterator[Snapshot]:
        x, ctx = self.x, self.ctx
        for _ in ctx.phase(TRY_STARTS, 0 if ctx.is_warm else self.settings.n_init):
            ctx.at("place centres")
            start = plus_plus(x, self.settings.n_clusters, ctx, norms=self.norms)
            ctx.at("assign items")
            now = assign(x, start, ctx, norms=self.norms)
            reached = self._settle(now)
            if reached < self._best.value:
                self._best.value = reached
                self.centers.value, self.assignments.value = start, now.assignments
            scalars = {"inertia": now.inertia, "inertia_reached": reached}
            yield self.show(now, now.assignments, scalars)

    def _steps(self) -> Iterator[Snapshot]:
        x, ctx = self.x, self.ctx
        for _ in ctx.phase(ASSIGN_AND_MOVE, self.settings.max_iter):
            if wanted := ctx.interventions():
                self.assignments.value, self.centers.value = moved_centers(
                    x, self.assignments.value, self.centers.value, wanted, ctx
                )
            elif self._settled.value:
                return
            before = self.assignments.value
            ctx.at("move centres")
            moved = means(x, before, self.centers.value, ctx)
            ctx.at("assign items")
            now = assign(x, moved, ctx, norms=self.norms)
            self.centers.value, self.assignments.value = moved, now.assignments
            changed = float((now.assignments != before).float().mean())
            self._settled.value = changed <= self.settings.tolerance
            scalars = {"inertia": now.inertia, "share_changed": changed}
            yield self.show(now, before, scalars)

    def _settle(self, start: Clustering) -> float:
        """Inertia at the end of Lloyd's rounds from a start; that of the start if it is alone."""
        if self.settings.n_init == 1:
            return start.inertia
        end = lloyd(
            self.x,
            start.centers,
            self.ctx,
            max_iter=self.settings.max_iter,
            tol=self.settings.tolerance,
            norms=self.norms,
        )
        return end.inertia


def changes(now: Tensor, before: Tensor, n_clusters: int) -> Artefact:
    """Bars (2, n_clusters): items that joined and that left each cluster between two divisions."""
    changed = now != before
    counts = [torch.bincount(a[changed], minlength=n_clusters) for a in (now, before)]
    return Artefact(
        "bars",
        torch.stack(counts).cpu().numpy().astype(np.float32),
        "Items that changed cluster",
        reading="Two clusters with tall bars exchange items across the border they share.",
        rows=("joined", "left"),
        cluster_axes=(1,),
    )
