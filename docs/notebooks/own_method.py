# %% [markdown]
# # A method of one's own
#
# A method is a class: what it is called, its settings, the phases it plans, and a loop that yields
# a snapshot after each step. This one moves each centre towards the median of its items, which
# outliers do not pull away.

# %%
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import clustlab as cl
from clustlab import params
from clustlab.context import Context
from clustlab.parts.inputs.network_input import features
from clustlab.types import Array, Cost, Paper, PlannedPhase, Snapshot


@dataclass(frozen=True)
class KMedians:
    """Clusters around medians."""

    name: ClassVar[str] = "k-medians"
    title: ClassVar[str] = "k-medians"
    idea: ClassVar[str] = "Move each centre to the median of the items that are nearest to it."
    paper: ClassVar[Paper] = Paper(
        "Bradley et al.", 1996, "Clustering via concave minimization", "NIPS"
    )
    step_unit: ClassVar[str] = "round"
    family: ClassVar[str] = "centres"
    loop: ClassVar[tuple[str, ...]] = ("assign items", "move centres")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"rounds": 5}, "standard": {}}

    n_clusters: int = params.n_clusters()
    rounds: int = params.param(20, help="How often centres are moved.", low=1, high=500)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        return [PlannedPhase("train", self.rounds, Cost(linear=float(n)), "train", n)]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        x = features(items)
        centres = x[ctx.rng.choice(len(x), self.n_clusters, replace=False)]
        for _ in ctx.phase("train", self.rounds):
            ctx.at("assign items")
            distance = np.abs(x[:, None] - centres[None]).sum(2)  # (n, k)
            nearest = distance.argmin(1).astype(np.int32)
            ctx.at("move centres")
            for j in set(nearest.tolist()):
                centres[j] = np.median(x[nearest == j], axis=0)
            yield Snapshot(x, nearest, {"spread": float(distance.min(1).mean())})


cl.add_method(KMedians)

# %%
run = cl.train("digits", "k-medians", preset="quick", data={"n_samples": 600})
run.scores()

# %%
cl.plot.clusters(run)

# %% [markdown]
# `python -m clustlab new method k-medians` writes such a file where the app finds it, too.
