r"""# CoHiClust: contrastive hierarchical clustering

## Idea

Let every image run down a tree. At each fork a network gives the probability $p_u(x)$ that the
image goes left; the probability of being at a node is the product of the choices on the way there,
and the leaves at the bottom are the clusters. Nobody says what the forks should ask. The network
only learns that two changed copies of one image go the same way and that two different images part.
At each level $t$ the similarity of two images is how much their places overlap,

$$s_t(x, x') = \sum_{u \in \text{level } t} \sqrt{P_u(x) \, P_u(x')} ,$$

and what is lowered is $\sum_t$ (mean $s_t$ of strangers $-$ mean $s_t$ of copies). A small term
keeps both sides of a fork in use, $-2^{-t} \cdot \frac12 (\ln m + \ln m')$ for siblings that hold
the shares $m$ and $m'$ of a batch. SimCLR first teaches the network what an image is, and goes on
beside the tree.

There are more leaves than clusters. Once the tree stands, the leaf that holds least is cut off
after each epoch, until as many are left as you asked for; its images have to find another way.

## What to watch

- **Tree**: the share of the images that takes each edge. The first forks ask the coarse
  questions: round or straight, one loop or two.
- **Nodes**: the mean image of every node, level by level. A blur that becomes two clear digits
  one level below is a good fork.
- **Leaf masses** while leaves are cut: a leaf near 0 costs nothing. If one with many images has
  to go, they move to the leaf beside it, and two digits may become one.
- **Sureness by level**: how clear the choices of an image were. Those torn at the root are torn
  between two quite different things.

## Where it fails

- A fork that sends all to one side asks nothing, and everything below its other side is lost.
- Leaves are cut, never added: two digits in one leaf stay together, and a digit that fills two
  leaves keeps both if each holds enough.
- Without SimCLR at the start, the forks ask about brightness and slant.
- The tree has two branches at every fork, whether the classes do or not; its upper levels need not
  mean anything.

## Source

Znaleźniak, Rola, Kaszuba, Tabor and Śmieja (2023), *Contrastive Hierarchical Clustering*, ECML
PKDD; objective in section 3, pruning in section 3.4.

Deviations: three strided convolutions instead of a ResNet-50 and far fewer passes; an item and
itself do not count as strangers; the mass of a leaf is measured over all items after an epoch.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.methods.cohiclust.soft_tree import (
    Answers,
    drawn_tree,
    evenness,
    level_scores,
    node_images,
    paths,
    pruned,
    tree_contrast,
)
from clustlab.parts.clustering.code_clusters import (
    COMPONENTS,
    KMEANS_STEPS,
    STARTS,
    FeatureClusters,
)
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.hooks.interventions import RATE, Offer, Wanted, change_rate
from clustlab.parts.hooks.output_units import Learner
from clustlab.parts.hooks.scoring import (
    ScoringChain,
    kept,
    nearest_center,
    phase_of,
    projected,
    restored,
)
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.losses.nt_xent import VIEWS, Projection, nt_xent
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import ChangedCopies, even_batch
from clustlab.parts.networks.passes import descend, embed
from clustlab.types import (
    Array,
    Artefact,
    Cost,
    MethodFamily,
    Paper,
    PlannedPhase,
    Reported,
    Snapshot,
)

HIDDEN, PROJECTED = 256, 64  # widths of the projection
BARS = 64  # leaves whose masses are drawn
TREE_PHASES = ("grow tree", "prune", "settle")


class Network(nn.Module):
    """An encoder with a projection for the pretext and the forks of a tree."""

    def __init__(self, shape: tuple[int, ...], settings: "CoHiClust") -> None:
        super().__init__()
        self.trunk = settings.build_network(shape)  # its name in stored checkpoints
        self.projection = Projection(self.trunk.width, HIDDEN, PROJECTED)
        self.forks = nn.Linear(self.trunk.width, settings.n_leaves - 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (b, 64) in which items are compared, and scores (b, leaves - 1) of the forks."""
        features = self.trunk(x)
        return self.projection(features), self.forks(features).float()


@dataclass(frozen=True)
class CoHiClust(ChangedCopies):
    """A tree of choices that copies of an item share and other items do not."""

    name: ClassVar[str] = "cohiclust"
    title: ClassVar[str] = "CoHiClust"
    idea: ClassVar[str] = "Send every image down a tree in which copies go the same way."
    paper: ClassVar[Paper] = Paper(
        authors="Znaleźniak, Rola, Kaszuba, Tabor, Śmieja",
        year=2023,
        title="Contrastive Hierarchical Clustering",
        venue="ECML PKDD",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist",
            0.99,
            "trained on train by its code, scored images not stated",
            "Znaleźniak et al. 2023",
        ),
        Reported(
            "fashion-mnist",
            0.65,
            "trained on train by its code, scored images not stated",
            "Znaleźniak et al. 2023",
        ),
        Reported(
            "cifar10",
            0.839,
            "trained on train, scored on train + test, last epoch, by its code",
            "Znaleźniak et al. 2023",
        ),
        Reported(
            "stl10",
            0.613,
            "trained on unlabelled, scored on train + test, by its code",
            "Znaleźniak et al. 2023",
        ),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "classifier"
    loop: ClassVar[tuple[str, ...]] = ("contrast", "send down", "prune", "encode")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    views: ClassVar[Augmentation] = VIEWS
    interventions: ClassVar[Offer] = {
        "pretext": RATE,
        **dict.fromkeys(TREE_PHASES, (*RATE, "scramble")),
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 8, "tree_epochs": 10, "settle_epochs": 3}
        | {"batch_size": 128, "width": 16},
        "standard": {},
        "paper": {
            "epochs": 1000,
            "tree_epochs": 50,
            "settle_epochs": 444,
            "batch_size": 512,
            "weight_decay": 1e-6,
            "width": 64,
            "depth": 4,
        },
    }

    epochs: int = params.epochs(20, "How often the pretext passes over all items.")
    tree_epochs: int = params.epochs(15, "Passes that grow the tree before a leaf is cut off.")
    settle_epochs: int = params.epochs(5, "Passes after the last leaf was cut off.")
    tree_depth: int = params.param(
        4,
        low=1,
        high=8,
        help="Choices from the root to a leaf: 4 make 16 leaves. The tree is at least as deep as "
        "the number of clusters needs.",
    )
    evenness_weight: float = params.param(
        1.0,
        low=0.0,
        high=100.0,
        help="Weight of using both sides of every fork; the paper uses 1.",
    )
    temperature: float = params.param(
        0.5,
        low=0.05,
        high=5.0,
        log=True,
        help="Temperature of the pretext. Small values push the most similar images apart.",
    )
    strength: float = params.param(
        1.0, low=0.0, high=2.0, help="How much the copies are changed. 0 changes nothing."
    )
    batch_size: int = params.batch_size(256)
    learning_rate: float = params.learning_rate(1e-3)
    weight_decay: float = params.weight_decay()

    @property
    def n_leaves(self) -> int:
        """Leaves of the tree before any is cut off, a power of 2."""
        return int(2 ** max(self.tree_depth, math.ceil(math.log2(self.n_clusters))))

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        forward = forward_cost(partial(Network, settings=self), shape)
        look, train = forward * n, forward * (6 * n)  # two copies, and backwards twice as much
        kmeans_cost = Cost(linear=float(2 * KMEANS_STEPS * n * self.n_clusters * COMPONENTS))
        pictures = Cost(linear=float(n * self.n_leaves * math.prod(shape)))
        epoch = train + look + pictures
        return [
            PlannedPhase("start", 1, look + kmeans_cost * STARTS, "initialise"),
            PlannedPhase("pretext", self.epochs, train + look + kmeans_cost, "pretrain", n),
            PlannedPhase("grow tree", self.tree_epochs, epoch, "train", n),
            PlannedPhase("prune", self.n_leaves - self.n_clusters, epoch, "train", n),
            PlannedPhase("settle", self.settle_epochs, epoch, "train", n),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """Snapshots of k-means in the pretext and of the leaves after it, one per epoch."""
        check_enough_items(len(items), self.n_clusters)
        run = _Run(self, items, ctx)
        for _ in ctx.phase("start", 1):
            yield run.clusters.snapshot({}, {}, fresh=True)
        for _ in ctx.phase("pretext", 0 if ctx.is_warm else self.epochs):
            run.intervene(ctx.interventions())
            yield run.clusters.snapshot(run.epoch(tree=False), {})
        for _ in ctx.phase("grow tree", self.tree_epochs):
            run.intervene(ctx.interventions())
            yield run.by_tree(run.epoch(tree=True))
        for _ in ctx.phase("prune", self.n_leaves - self.n_clusters):
            run.intervene(ctx.interventions())
            run.prune()
            yield run.by_tree(run.epoch(tree=True))
        for _ in ctx.phase("settle", self.settle_epochs):
            run.intervene(ctx.interventions())
            yield run.by_tree(run.epoch(tree=True))

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log-probabilities of the leaves, before them closeness; see `registry.Scoring`."""
        network = restored(lambda: Network(inputs.shape, self), state, "network", inputs.device)
        if phase_of(state) in TREE_PHASES:
            alive = kept(state, "living leaves")["tensor"].to(inputs.device)
            judging = (network.forks, Answers(alive))
            return ScoringChain([network.trunk], judging, gives_log_probabilities=True).eval()
        encoder = projected(nn.Sequential(network.trunk), inputs, COMPONENTS)
        return nearest_center(encoder, np.asarray(last.centers))


class _Run:
    """What one run of CoHiClust keeps, and its ways to go on."""

    def __init__(self, settings: CoHiClust, items: Array, ctx: Context) -> None:
        self.settings, self.ctx = settings, ctx
        self.inputs = Inputs(items, ctx.device)
        self.views = settings.augmentation
        self.network = ctx.keep("network", Network(self.inputs.shape, settings))
        weights, rate = self.network.parameters(), settings.learning_rate
        adam = torch.optim.Adam(weights, rate, weight_decay=settings.weight_decay, fused=True)
        self.optimiser = ctx.keep("optimiser", adam, across_runs=False)
        self.step = ctx.step(self._step, self.optimiser)
        self.clusters = FeatureClusters(self.network.trunk, self.inputs, settings.n_clusters, ctx)
        # which leaves are left belongs to the network: without it a resumed run would revive them
        leaves = torch.ones(settings.n_leaves, dtype=torch.bool, device=ctx.device)
        self.alive = ctx.keep("living leaves", Cell(leaves), across_runs=False)
        even = torch.full((settings.n_leaves,), 1 / settings.n_leaves, device=ctx.device)
        self.masses = ctx.keep("leaf masses", Cell(even), across_runs=False)

    def epoch(self, *, tree: bool) -> dict[str, float]:
        """Mean losses of one pass over all items, of the pretext alone or of the tree too."""
        s, ctx = self.settings, self.ctx
        self.network.train()
        n, total = len(self.inputs), torch.zeros(3, device=ctx.device)
        leaves = [self.alive.value] if tree else []
        ctx.at("contrast")
        for index in ctx.batches(n, even_batch(n, s.batch_size)):
            total += self.step(index, *leaves) * len(index)
        names = ("pretext_loss", "tree_loss", "evenness_loss")[: 3 if tree else 1]
        return dict(zip(names, (total / n).tolist(), strict=False))

    def _step(self, index: Tensor, alive: Tensor | None = None) -> Tensor:
        """Losses (3,) of one step on a batch (b,); of the pretext alone if no leaves are given."""
        x = self.inputs[index]
        (rows, forks), (rows_prime, forks_prime) = (self.network(self.views(x)) for _ in range(2))
        pretext = nt_xent(rows, rows_prime, self.settings.temperature)
        likeness, uneven = (pretext.new_zeros(()) for _ in range(2))
        if alive is not None:
            self.ctx.at("send down")
            likeness, uneven = self._tree_losses(forks, forks_prime, alive)
            self.ctx.at("contrast")
        descend(self.optimiser, pretext + likeness + uneven)
        return torch.stack((pretext, likeness, uneven)).detach()

    def _tree_losses(
        self, forks: Tensor, forks_prime: Tensor, alive: Tensor
    ) -> tuple[Tensor, Tensor]:
        s = self.settings
        levels, levels_prime = level_scores(forks), level_scores(forks_prime)
        likeness = tree_contrast(pruned(levels, alive), pruned(levels_prime, alive))
        uneven = (evenness(levels, alive) + evenness(levels_prime, alive)) / 2
        return likeness, uneven * (s.evenness_weight / s.n_leaves)

    def intervene(self, wanted: Wanted) -> None:
        """Change the learning rate, or teach the items of a cluster leaves drawn at random."""
        change_rate(self.optimiser, wanted)
        answers, network = Answers(self.alive.value), self.network
        learner = Learner(network, self.optimiser, self.inputs, self.settings.batch_size)
        way = nn.Sequential(network.trunk, network.forks, answers)
        learner.scramble(way, self.clusters.assignments.value, wanted, self.ctx)

    def prune(self) -> None:
        """Cut off the living leaf that held least at the last look."""
        self.ctx.at("prune")
        alive = self.alive.value.clone()
        alive[self.masses.value.masked_fill(~alive, math.inf).argmin()] = False
        self.alive.value = alive

    def by_tree(self, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of where every item ends in the tree as it is."""
        ctx, width = self.ctx, self.network.trunk.width
        ctx.at("encode")

        def everything(x: Tensor) -> Tensor:
            features = self.network.trunk(x)
            return torch.cat((features.float(), self.network.forks(features).float()), 1)

        out = embed(self.network, self.inputs, ctx, forward=everything)
        features, forks = torch.split(out, [width, self.settings.n_leaves - 1], 1)
        alive = self.alive.value
        levels = [level.exp() for level in level_scores(forks)]
        self.masses.value = levels[-1].mean(0)
        p = Answers(alive)(forks).exp()
        assignments = self.clusters.assignments.value = p.argmax(1)
        living = self.masses.value[alive]
        measured = {
            "leaves": float(alive.sum()),
            "least_leaf_mass": float(living.min()),
            "mass_in_living_leaves": float(living.sum()),
            "confidence": float(p.amax(1).mean()),
        }
        return Snapshot(
            principal(features, COMPONENTS).cpu().numpy(),
            assignments.cpu().numpy(),
            {**scalars, **measured},
            probabilities=p.cpu().numpy(),
            artefacts=self._artefacts(levels, p),
        )

    def _artefacts(self, levels: list[Tensor], p: Tensor) -> dict[str, Artefact]:
        alive = self.alive.value.cpu().numpy()
        counts = np.zeros(len(alive))
        counts[alive] = np.bincount(p.argmax(1).cpu().numpy(), minlength=int(alive.sum()))
        names = [path for path, lives in zip(paths(len(alive)), alive, strict=True) if lives]
        artefacts = {
            "tree": Artefact(
                "tree",
                drawn_tree(counts, alive),
                "Tree of choices",
                "Read it from above: at each fork the images part, and an edge shows the share "
                "of all images that takes it. Discs at the bottom are the clusters.",
                columns=("parent", "choices left", "items", "cluster"),
            ),
            "masses": Artefact(
                "bars",
                np.stack((self.masses.value.cpu().numpy()[alive], counts[alive] / len(p))),
                "Leaf masses",
                "What the living leaves hold, and under which choices, left or right. The lowest "
                "bar is the next to be cut off.",
                rows=("mass", "share of items"),
                columns=tuple(names),
                cluster_axes=(1,),
            ),
            "sureness": Artefact(
                "per_item",
                torch.stack([level.amax(1) for level in levels], 1).cpu().numpy(),
                "Sureness by level",
                "Largest probability of an image at each level of the tree; it falls from level "
                "to level, and most where the image is torn.",
                columns=tuple(f"level {t + 1}" for t in range(len(levels))),
            ),
        }
        if self.inputs.is_image:
            artefacts["nodes"] = node_images(self.inputs, levels, self.alive.value, self.ctx)
        return artefacts
