r"""Images move towards their close neighbours and away from the others nearby.

## Idea

Every image is a direction $v$ on a sphere, and a **memory bank** holds the last known direction of
each. Around an image there are two sets. Its **background** neighbours $B$ are the most similar
ones in the bank, whatever they show. Its **close** neighbours $C$ are those that share a cluster
with it in at least one of several fine k-means clusterings of the bank. Training raises the share
of the background's weight that lies on close ones:

$$\ell = -\ln \frac{\sum_{j \in C \cap B} \exp(\bar v_j^\top v / \tau)}
                  {\sum_{j \in B} \exp(\bar v_j^\top v / \tau)} .$$

Close neighbours attract, other background neighbours repel, and whatever is far away is left alone:
clusters form where images already are, not around a few centres. Several clusterings are used
because the borders of any single one depend on chance.

Clusters mean nothing at random weights, so there is a warm-up by **instance discrimination**: pick
out one's own row of the bank among all others. The method learns features; the clusters asked for
come from k-means on them after each epoch.

## What to watch

- The **neighbours** of some images, close ones in the upper row, other background in the lower. The
  upper rows should show one class; where a lower row shows it too, images are pushed apart for
  nothing.
- **Close neighbours per image**: 1 means that an image is close only to itself, and all that is
  learned is to tell images apart; the whole background means that nothing is learned at all.
- **Agreement of clusterings** from one epoch to the next: it rises, but if it stays at 1 they are
  stale.
- **Similarity**: close neighbours move to the right, other background to the left of them.
- The **kNN probe** on the page Evaluate tells more about the features than ten clusters can.

## Where it fails

- Without a warm-up, close sets are drawn by chance and everything drifts into a few lumps.
- The warm-up collapses, all directions alike, if the bank starts at random: a loss that stays
  above $\ln n$ and an inertia near 0 tell.
- Fine clusters far too small: every image for itself. Far too large: all background is close.
- As a clusterer of ten clusters: a class stays an archipelago of small clusters, and k-means cuts
  across it. The features are better than those clusters look.
- Where background and class have the same size, background that is not close is of its own class.
- The longer the warm-up, the more evenly it spreads the images over the sphere, each for itself.
  On 4,000 digits the NMI of ten clusters was 0.67 after 6 passes and 0.48 after 28, while the kNN
  probe stayed at 0.95. Aggregation ended at 0.71 after 5 passes and at 0.62 after 28.
- Fine clusters that are a small part of a class hold little of it together: with 2 items in each
  instead of 16 the NMI ended at 0.66 instead of 0.71. In the paper a class is 30 of them.
- With fixed sizes and passes both depend on the number of items. 8 passes are 600 updates of 10,000
  digits and 4,400 of 70,000, and 40 items are 1 in 25 of a class or 1 in 175; the accuracy was 0.53
  and 0.23. With `auto` the sizes grow with the items, and the passes of the warm-up become fewer.
  20 passes of aggregation over 70,000 then ended at 0.41, and 3, which are as many updates as 20
  over 10,000, at 0.56; `epochs` stays as it is set.

## Source

Zhuang, Zhai and Yamins (2019), *Local Aggregation for Unsupervised Learning of Visual Embeddings*,
ICCV, section 3; the warm-up is Wu, Xiong, Yu and Lin (2018), *Unsupervised Feature
Learning via Non-Parametric Instance Discrimination*, CVPR, eq. 2.

Deviations: a small network with BatchNorm at its end, affine changes instead of crops and tint, all
rows of the bank in the warm-up, fresh clusterings every epoch, and a last k-means.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.methods.local_aggregation.memory_bank import (
    Close,
    instance_loss,
    local_aggregation_loss,
    neighbourhood,
    remember,
    similarities,
)
from clustlab.parts.clustering.agreement import agreement
from clustlab.parts.clustering.code_clusters import KMEANS_STEPS, STARTS, clustered
from clustlab.parts.clustering.kmeans import check_enough_items, kmeans
from clustlab.parts.clustering.neighbours import chosen_first, sheet, shown_items
from clustlab.parts.hooks.interventions import RATE, LearningRateFactor, Offer, Wanted, of_clusters
from clustlab.parts.hooks.scoring import UnitLength, nearest_center, restored
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.sampling import fixed_order
from clustlab.parts.losses.nt_xent import VIEWS
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import ChangedCopies, even_batch
from clustlab.parts.networks.passes import descend, embed, settle
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4  # as in the paper
LOWER_AT = (0.8, 0.95)  # of all passes the rate falls to a tenth, as in the authors' code
FINE_KMEANS_STEPS = 15  # of each fine clustering
# What is chosen for up to so many items, and in proportion for more.
ITEMS_PER_CLUSTER, N_BACKGROUND, FEW_ITEMS = 40, 400, 10_000
PASSES = 8  # of the warm-up over up to so many items; over more of them as many images in all
SHOWN, COLUMNS = 5, 12  # items on the sheet, neighbours of each
PROFILED = 1000  # items whose neighbours are counted after each epoch


class Network(nn.Module):
    """Encoder and a linear layer to directions of length 1."""

    def __init__(self, shape: tuple[int, ...], settings: "LocalAggregation") -> None:
        super().__init__()
        self.trunk = settings.build_network(shape)  # its name in stored checkpoints
        # ReLUs leave all directions in one narrow cone, where none differs from the others
        # enough to be found: centred columns spread them over the sphere
        self.linear = nn.Sequential(
            nn.Linear(self.trunk.width, settings.n_features, bias=False),
            nn.BatchNorm1d(settings.n_features, affine=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Directions (b, n_features) of a batch of items, rows of length 1."""
        return functional.normalize(self.linear(self.trunk(x)).float(), dim=1)


@dataclass(frozen=True)
class LocalAggregation(ChangedCopies):
    """Pull close neighbours nearer, push other neighbours away."""

    name: ClassVar[str] = "local-aggregation"
    title: ClassVar[str] = "Local Aggregation"
    idea: ClassVar[str] = "Pull items towards neighbours in their cluster, push the others away."
    paper: ClassVar[Paper] = Paper(
        authors="Zhuang, Zhai, Yamins",
        year=2019,
        title="Local Aggregation for Unsupervised Learning of Visual Embeddings",
        venue="ICCV",
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "code"
    loop: ClassVar[tuple[str, ...]] = ("fine clusters", "encode", "aggregate", "remember", "look")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    views: ClassVar[Augmentation] = VIEWS
    interventions: ClassVar[Offer] = {"warm up": RATE, "aggregate": (*RATE, "scramble")}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "warm_up_epochs": 5,
            "epochs": 8,
            "items_per_cluster": None,
            "n_background": None,
            "width": 16,
        },
        "standard": {"warm_up_epochs": None, "items_per_cluster": None, "n_background": None},
        "paper": {
            "warm_up_epochs": 10,
            "epochs": 200,
            "n_clusterings": 10,
            "items_per_cluster": 43,  # 30,000 clusters of 1.28 million images
            "n_background": 4096,
            "width": 64,
            "depth": 4,
            "n_features": 128,
        },
    }

    warm_up_epochs: int | None = params.param(
        8,
        low=1,
        high=5000,
        log=True,
        none_word="auto",
        help="Passes of instance discrimination before the rest. Too many leave every image on "
        "its own. 'auto' is 8, or fewer for more than 10,000 items, so that 80,000 images "
        "are seen in all.",
    )
    epochs: int = params.epochs(20, "Passes that pull close neighbours nearer.")
    n_clusterings: int = params.param(
        3,
        low=1,
        high=20,
        help="Fine clusterings whose answers are joined. More of them find more close neighbours.",
    )
    items_per_cluster: int | None = params.param(
        40,
        low=2,
        high=2000,
        log=True,
        none_word="auto",
        help="Mean size of a fine cluster. Small ones give each item few close neighbours. 'auto' "
        "is 40, or 1 in 250 items if there are more than 10,000.",
        of_items=params.OfItems(0.5, "two fine clusters of that size do not fit in"),
    )
    n_background: int | None = params.param(
        400,
        low=2,
        high=20_000,
        log=True,
        none_word="auto",
        help="Background neighbours of each item, best several times its close ones. 'auto' is "
        "400, or 4% of the items if there are more than 10,000, since fine clusters grow as "
        "well.",
    )
    temperature: float = params.param(
        0.07,
        low=0.01,
        high=1.0,
        log=True,
        advanced=True,
        help="Small values look at the most similar neighbours only.",
    )
    memory: float = params.param(
        0.5,
        low=0.0,
        high=0.99,
        advanced=True,
        help="How much of its old direction an item keeps in the bank when it is seen again.",
    )
    shown_item: int | None = params.param(
        None,
        low=0,
        high=10_000_000,
        none_word="drawn",
        help="Number, counted from 0, of an item whose neighbours are shown first.",
    )
    strength: float = params.param(
        1.0, low=0.0, high=2.0, help="How much the images are changed in training."
    )
    n_features: int = params.param(
        64,
        low=2,
        high=512,
        advanced=True,
        help="Width of the features, of which only the direction counts.",
    )
    batch_size: int = params.batch_size(128)
    learning_rate: float = params.learning_rate(0.03)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        forward = forward_cost(partial(Network, settings=self), shape)
        d = self.n_features
        coarse = Cost(linear=float(2 * KMEANS_STEPS * n * self.n_clusters * d))
        look = forward * n + coarse
        against_memory_bank = Cost(linear=float(2 * n * n * d))  # forward and backward
        fine = 2 * (FINE_KMEANS_STEPS + 1) * n * self.n_fine(n) * d * self.n_clusterings
        step = forward * (3 * n) + against_memory_bank + look
        return [
            PlannedPhase("start", 1, look + coarse * (STARTS - 1), "initialise"),
            PlannedPhase("warm up", self.warm_up(n), step, "pretrain", n),
            PlannedPhase("aggregate", self.epochs, step + Cost(linear=float(fine)), "train", n),
        ]

    def n_fine(self, n: int) -> int:
        """Number of fine clusters for n items, at least two."""
        size = self.items_per_cluster or max(ITEMS_PER_CLUSTER, n * ITEMS_PER_CLUSTER // FEW_ITEMS)
        return min(n, max(2, round(n / size)))

    def warm_up(self, n: int) -> int:
        """Number of passes of the warm-up over n items."""
        return self.warm_up_epochs or max(1, round(PASSES * min(1.0, FEW_ITEMS / n)))

    def background(self, n: int) -> int:
        """Number of background neighbours for n items."""
        return self.n_background or max(N_BACKGROUND, n * N_BACKGROUND // FEW_ITEMS)

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot before training, then one per epoch of warm-up and of aggregation."""
        check_enough_items(len(items), self.n_clusters)
        run = _Run(self, items, ctx)
        for _ in ctx.phase("start", 1):
            if not ctx.is_warm:
                run.fill()
            yield run.look({}, fresh=True)
        for _ in ctx.phase("warm up", 0 if ctx.is_warm else self.warm_up(len(items))):
            run.intervene(ctx.interventions())
            yield run.look({"instance_loss": run.epoch(self.learning_rate, aggregate=False)[0]})
        for done in ctx.phase("aggregate", self.epochs):
            wanted, scalars = ctx.interventions(), run.divide()
            run.intervene(wanted)
            loss, rate = run.epoch(self.rate(done), aggregate=True)
            yield run.look({**scalars, "loss": loss, "learning_rate": rate})

    def rate(self, done: int) -> float:
        """Learning rate after so many passes of aggregation: a tenth twice, near the end."""
        return self.learning_rate * 0.1 ** sum(done >= share * self.epochs for share in LOWER_AT)

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness of the direction to the centres of k-means; see `registry.Scoring`."""
        network = restored(lambda: Network(inputs.shape, self), state, "network", inputs.device)
        encoder = nn.Sequential(network.trunk, *network.linear, UnitLength())
        return nearest_center(encoder, np.asarray(last.centers))


class _Run:
    """What one run keeps: network, bank, fine clusterings and the clusters shown."""

    def __init__(self, settings: LocalAggregation, items: Array, ctx: Context) -> None:
        self.settings, self.ctx, n = settings, ctx, len(items)
        self.inputs = Inputs(items, ctx.device)
        self.views = settings.augmentation
        self.network = ctx.keep("network", Network(self.inputs.shape, settings))
        weights = list(self.network.parameters())
        groups = [  # biases and BatchNorm do not decay
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [w for w in weights if w.ndim == 1], "weight_decay": 0.0},
        ]
        descent = SGD(groups, settings.learning_rate, momentum=MOMENTUM)
        self.optimiser = ctx.keep("optimiser", descent, across_runs=False)
        self.step = ctx.step(self._step, self.optimiser)
        self.rate_factor = LearningRateFactor("pace", ctx)
        memory_bank = torch.zeros(n, settings.n_features, device=ctx.device)
        self.memory_bank = ctx.keep("bank", Cell(memory_bank))
        # before any clustering an item is close to itself alone
        alone = torch.arange(n, device=ctx.device).repeat(settings.n_clusterings, 1)
        self.tables = ctx.keep("fine clusters", Cell(alone), across_runs=False)
        self.taught = self.tables.value  # the same, with scrambled items in other clusters
        first = torch.zeros(n, dtype=torch.long, device=ctx.device)
        self.assignments = ctx.keep("assignments", Cell(first))
        drawn = ctx.keep("shown items", Cell(shown_items(n, SHOWN, ctx.rng))).value
        self.shown = chosen_first(settings.shown_item, drawn, n)

    def fill(self) -> None:
        """Put the directions of all items into the bank, as the untrained network has them.

        From rows at random the network could only learn to be equally far from all of them.
        """
        self.ctx.at("remember")
        size = even_batch(len(self.inputs), self.settings.batch_size)
        settle(self.network, self.inputs, self.ctx, size)
        self.memory_bank.value = embed(self.network, self.inputs, self.ctx)

    def divide(self) -> dict[str, float]:
        """Cluster the bank anew, several times; how far the clusterings agree with the last."""
        s, ctx, memory_bank = self.settings, self.ctx, self.memory_bank.value
        ctx.at("fine clusters")
        k, before = s.n_fine(len(memory_bank)), self.tables.value.cpu().numpy()
        assignments = [
            kmeans(memory_bank, k, ctx, init="random", max_iter=FINE_KMEANS_STEPS).assignments
            for _ in range(s.n_clusterings)
        ]
        self.tables.value = torch.stack(assignments)
        now = self.tables.value.cpu().numpy()
        agreements = [agreement(a, b) for a, b in zip(before, now, strict=True)]
        return {"agreement_of_clusterings": float(np.mean(agreements))}

    def intervene(self, wanted: Wanted) -> None:
        """Change the rate, or put the items of a cluster into fine ones drawn at random, once."""
        self.rate_factor.take(wanted)
        self.taught, k = self.tables.value.clone(), self.settings.n_fine(len(self.inputs))
        for intervention in of_clusters(wanted):
            members = (self.assignments.value == intervention.clusters[0]).nonzero()[:, 0]
            drawn = self.ctx.rng.integers(k, size=(len(self.taught), len(members)))
            self.taught[:, members] = torch.from_numpy(drawn).to(self.taught)

    def epoch(self, rate: float, *, aggregate: bool) -> tuple[float, float]:
        """Mean loss of one pass over all items, which also renews the bank, and its true rate."""
        s, ctx, n = self.settings, self.ctx, len(self.inputs)
        rate = self.rate_factor.set(rate, self.optimiser)
        self.network.train()
        taught = [self.taught] if aggregate else []
        total = torch.zeros((), device=ctx.device)
        for rows in ctx.batches(n, even_batch(n, s.batch_size)):
            total += self.step(rows, *taught) * len(rows)
        return float(total) / n, rate

    def _step(self, rows: Tensor, taught: Tensor | None = None) -> Tensor:
        """Loss of one step on a batch (b,); towards its copies alone if no clusterings are given.

        Renews the rows of the bank.
        """
        s, ctx, bank = self.settings, self.ctx, self.memory_bank.value
        ctx.at("encode")
        v = self.network(self.views(self.inputs[rows]))
        if taught is None:
            loss = instance_loss(v, rows, bank, s.temperature)
        else:
            ctx.at("aggregate")
            neighbours = neighbourhood(v, rows, bank, taught, s.background(len(self.inputs)))
            loss = local_aggregation_loss(neighbours, s.temperature)
        descend(self.optimiser, loss)
        ctx.at("remember")
        remember(bank, rows, v, s.memory)
        return loss.detach()

    def look(self, scalars: Mapping[str, float], *, fresh: bool = False) -> Snapshot:
        """Snapshot of the directions of the unchanged items, divided by k-means."""
        ctx, k = self.ctx, self.settings.n_clusters
        ctx.at("look")
        z = embed(self.network, self.inputs, ctx)
        clustering = clustered(z, k, None if fresh else self.assignments.value, ctx)
        self.assignments.value = clustering.assignments
        some = fixed_order(len(z))[:PROFILED]
        profile = self._around(z, some)
        measured = {
            "inertia": clustering.inertia,
            "close_neighbours": float(profile.close.sum(1).float().mean()),
            "close_share_of_background": float(profile.close.float().mean()),
        }
        return Snapshot(
            z.cpu().numpy(),
            clustering.assignments.cpu().numpy(),
            {**scalars, **measured},
            centers=clustering.centers.cpu().numpy(),
            artefacts={
                "similarities": similarities(
                    z[torch.from_numpy(some)], self.memory_bank.value, profile
                ),
                **self._artefacts(z),
            },
        )

    def _around(self, z: Tensor, items: Array) -> Close:
        rows = torch.from_numpy(items).to(z.device)
        n_background = self.settings.background(len(z))
        return neighbourhood(z[rows], rows, self.memory_bank.value, self.tables.value, n_background)

    def _artefacts(self, z: Tensor) -> dict[str, Artefact]:
        """Close and other background neighbours of some items, and the votes for them."""
        shown = self.shown
        around = self._around(z, shown)
        names = tuple(f"item {i}" for i in shown)
        votes = Artefact(
            "matrix",
            around.votes[:, : 3 * COLUMNS].float().cpu().numpy(),
            "Clusterings that put a neighbour into the cluster of the item",
            "Columns are background neighbours, most similar first; those with a vote are close.",
            rows=names,
            axis_titles=("", "background neighbour"),
        )
        if not self.inputs.is_image:
            return {"votes": votes}
        table, marks = [], []
        for i, (items, close) in enumerate(zip(around.background, around.close, strict=True)):
            for word, members in (("close", close), ("background", ~close)):
                others = items[members]
                others = others[others != int(shown[i])][:COLUMNS]
                table.append([int(shown[i]), *others.tolist()])
                marks.append(f"{names[i]}: {word}")
        grid = sheet(self.inputs, table)
        images = Artefact(
            "images",
            grid,
            "Close and other background neighbours of some items",
            "The upper row of an item attracts it, the lower repels it, most similar first.",
            rows=tuple(marks),
            columns=("item", *map(str, range(1, grid.shape[1]))),
            marked=(0,),
        )
        return {"neighbours": images, "votes": votes}
