r"""# Consensus: deep clustering by an ensemble

## Idea

One clustering is one opinion: another layer, another number of clusters or another start gives
another. So ask many. A network is trained by Contrastive Clustering, and k-means divides the output
of several of its layers again and again, each time into a number of clusters drawn at random. What
many of these divisions have in common is more likely to be true than what one of them says.

Not all clusters deserve the same trust. A cluster whose items stay together in most other divisions
does; one that the others tear apart does not. With $H_c$ the sum of the entropies of where the
items of cluster $c$ are in the other divisions, its weight among $M$ divisions is

$$w_c = \exp\left(-\frac{H_c}{\theta M}\right) .$$

Items and clusters form a graph: an edge of weight $w_c$ leads from each item to each of its
clusters. Cutting this graph into $K$ parts is a singular value problem of the size of the number of
clusters, so no item is ever compared with another.

## What to watch

- **Agreement of all pairs**: strong blocks are layers whose divisions repeat each other. Where
  everything is strong, the ensemble has nothing to add.
- **Agreement with the consensus** of each division, its number of clusters, and the mean by
  layer: a layer far below the others does harm, since each layer has the same number of votes.
- **Together** shows how often items of two groups share a cluster. Light off the diagonal:
  two groups that many divisions do not tell apart.
- **Support**: the share of the votes that an item gets for its group. The least supported items
  are those on which the divisions disagree.

## Where it fails

- When all divisions err alike, the consensus repeats the error: it removes noise, not bias.
- A bad layer counts as much as a good one. The trust in a cluster rests only on what the others
  say.
- It suggests no number of clusters: asked for $K$, it cuts into $K$.
- Divisions of fewer than $K$ clusters cannot tell all groups apart, so none is drawn.

## Source

Huang, Chen, Chen, Wang, Lai and Zhang (2023), *DeepCluE: Enhanced Deep Clustering via Multi-layer
Ensembles in Neural Networks*, IEEE TETCI; trust as in Huang, Wang and Lai (2018), *Locally
Weighted Ensemble Clustering*, eq. 4 to 6.

Deviations: k-means on principal components of each layer instead of spectral clustering with
landmarks; the cut is made with singular vectors and k-means; a small convolutional network.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.methods.consensus import ensemble
from clustlab.parts.clustering.kmeans import check_enough_items, kmeans
from clustlab.parts.hooks.interventions import ALL, Offer, Wanted
from clustlab.parts.hooks.output_units import Learner
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.losses.nt_xent import (
    VIEWS,
    Projection,
    cluster_contrast,
    imbalance,
    nt_xent,
)
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import ChangedCopies, even_batch
from clustlab.parts.networks.passes import descend, embed
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

EMBEDDING_WIDTH = 32  # principal components of a layer
HIDDEN, PROJECTED = 256, 64  # widths of the heads
INSTANCE, CLUSTER = 0.5, 1.0  # temperatures of the two losses
STARTS, KMEANS_STEPS = 10, 30  # of k-means: restarts for the cut, rounds for a division
LAYERS = ("features", "instance head", "cluster head", "answers")


class Network(nn.Module):
    """An encoder with a head that tells items apart and one that tells clusters apart."""

    def __init__(self, shape: tuple[int, ...], settings: "Consensus") -> None:
        super().__init__()
        self.trunk = settings.build_network(shape)  # its name in stored checkpoints
        self.instance = Projection(self.trunk.width, HIDDEN, PROJECTED)
        self.cluster = Projection(self.trunk.width, HIDDEN, settings.n_clusters)
        self.widths = [self.trunk.width, PROJECTED, HIDDEN, settings.n_clusters]  # of `LAYERS`

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (b, 64) and cluster probabilities (b, k) of a batch of items."""
        features = self.trunk(x)
        return self.instance(features), self.cluster(features).float().softmax(1)

    def layers(self, x: Tensor) -> list[Tensor]:
        """Output of each of `LAYERS`, (b, width) each."""
        features = self.trunk(x)
        inner, ramp, outer = self.cluster
        hidden = ramp(inner(features))
        answers = outer(hidden).float().softmax(1)
        return [features, self.instance(features), hidden, answers]


@dataclass(frozen=True)
class Consensus(ChangedCopies):
    """Many divisions of several layers of one network, cut to one."""

    name: ClassVar[str] = "consensus"
    title: ClassVar[str] = "Consensus of layers"
    idea: ClassVar[str] = "Divide several layers many times and keep what the divisions share."
    paper: ClassVar[Paper] = Paper(
        authors="Huang, Chen, Chen, Wang, Lai, Zhang",
        year=2023,
        title="DeepCluE: Enhanced Deep Clustering via Multi-layer Ensembles in Neural Networks",
        venue="IEEE TETCI",
    )
    step_unit: ClassVar[str] = "epoch or round"
    family: ClassVar[MethodFamily] = "classifier"
    why_no_scorer: ClassVar[str] = (
        "it counts how often items were together in many divisions, in which a new one had no part"
    )
    loop: ClassVar[tuple[str, ...]] = ("contrast", "encode", "divide layers", "weigh", "cut")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    views: ClassVar[Augmentation] = VIEWS
    interventions: ClassVar[Offer] = {"train": ALL}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 15, "n_rounds": 5, "batch_size": 128, "width": 16},
        "standard": {},
        "paper": {"epochs": 1000, "n_rounds": 20, "width": 64, "depth": 4, "learning_rate": 3e-4},
    }

    epochs: int = params.epochs(40)
    n_rounds: int = params.param(
        8,
        low=1,
        high=50,
        help="Divisions of each layer. Every round adds one for each layer and cuts anew.",
    )
    most_clusters: float = params.param(
        3.0,
        low=1.0,
        high=20.0,
        help="Most clusters that a division may have, as a multiple of the number to find. The "
        "number itself is drawn at random.",
    )
    theta: float = params.param(
        0.4,
        low=0.01,
        high=10.0,
        log=True,
        help="How much a cluster is forgiven when others tear it apart. Large values trust all "
        "clusters alike.",
    )
    strength: float = params.param(
        1.0, low=0.0, high=2.0, help="How much the copies are changed. 0 changes nothing."
    )
    batch_size: int = params.batch_size(256)
    learning_rate: float = params.learning_rate(1e-3)

    @property
    def n_members(self) -> int:
        """Number of divisions at the end."""
        return self.n_rounds * len(LAYERS)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        forward = forward_cost(partial(Network, settings=self), shape)
        mean = self.n_clusters * (1 + self.most_clusters) / 2
        divide = 2 * len(LAYERS) * KMEANS_STEPS * n * mean * EMBEDDING_WIDTH
        clusters = mean * self.n_members
        cut = n * (self.n_members**2 + clusters * self.n_clusters) + clusters**3
        member = Cost(linear=float(divide + cut)) + forward * (n / self.n_rounds)
        return [
            PlannedPhase("start", 1, forward * n, "initialise"),
            # backward costs about two forwards, and there are two copies
            PlannedPhase("train", self.epochs, forward * (7 * n), "train", n),
            PlannedPhase("consensus", self.n_rounds, member, "read_off"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """Snapshots of the cluster head in training, then of the consensus of ever more."""
        check_enough_items(len(items), self.n_clusters)
        run = _Run(self, items, ctx)
        for _ in ctx.phase("start", 1):
            yield run.by_head({})
        for _ in ctx.phase("train", 0 if ctx.is_warm else self.epochs):
            if wanted := ctx.interventions():
                run.intervene(wanted)
            yield run.by_head(run.epoch())
        for _ in ctx.phase("consensus", self.n_rounds):
            run.divide()
            yield run.by_consensus()


class _Run:
    """What one run keeps: the network, and the divisions made so far."""

    def __init__(self, settings: Consensus, items: Array, ctx: Context) -> None:
        self.settings, self.ctx = settings, ctx
        self.inputs = Inputs(items, ctx.device)
        self.views = settings.augmentation
        self.network = ctx.keep("network", Network(self.inputs.shape, settings))
        adam = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        self.optimiser = ctx.keep("optimiser", adam, across_runs=False)
        self.step = ctx.step(self._step, self.optimiser)
        none = np.zeros((len(items), 0), np.int64)
        self.members = ctx.keep("members", Cell(none), across_runs=False)
        self._layers: list[Tensor] | None = None

    def intervene(self, wanted: Wanted) -> None:
        """Change the learning rate, or the clusters as units of the cluster head."""
        network, size = self.network, self.settings.batch_size
        units = network.cluster.units(network.trunk, self.inputs, self.ctx)
        Learner(network, self.optimiser, self.inputs, size).intervene(units, wanted, self.ctx)

    def epoch(self) -> dict[str, float]:
        """Mean losses of one pass of Contrastive Clustering over all items, by name."""
        s, ctx = self.settings, self.ctx
        ctx.at("contrast")
        self.network.train()
        n, total = len(self.inputs), torch.zeros(3, device=ctx.device)
        for index in ctx.batches(n, even_batch(n, s.batch_size)):
            total += self.step(index) * len(index)
        names = ("instance_loss", "cluster_loss", "imbalance_in_batches")
        return dict(zip(names, (total / n).tolist(), strict=True))

    def _step(self, index: Tensor) -> Tensor:
        """Losses (3,) of one step on two changed copies of a batch (b,)."""
        x = self.inputs[index]
        (rows, p), (rows_prime, p_prime) = (self.network(self.views(x)) for _ in range(2))
        instance = nt_xent(rows, rows_prime, INSTANCE)
        cluster = cluster_contrast(p, p_prime, CLUSTER)
        uneven = imbalance(p) + imbalance(p_prime)
        descend(self.optimiser, instance + cluster + uneven)
        return torch.stack((instance, cluster, uneven)).detach()

    def _outputs(self) -> list[Tensor]:
        """Principal components of each layer, and the answers (n, k) as they are."""
        self.ctx.at("encode")

        def everything(x: Tensor) -> Tensor:
            return torch.cat([layer.float() for layer in self.network.layers(x)], 1)

        out = embed(self.network, self.inputs, self.ctx, forward=everything)
        *inner, answers = torch.split(out, self.network.widths, 1)
        return [*(principal(layer, EMBEDDING_WIDTH) for layer in inner), answers]

    @property
    def layers(self) -> list[Tensor]:
        """Outputs of the trained network; made again when a run is resumed."""
        if self._layers is None:
            self._layers = self._outputs()
        return self._layers

    def divide(self) -> None:
        """Add one division of each layer, into a random number of clusters."""
        s, ctx, n = self.settings, self.ctx, len(self.inputs)
        layers = self.layers
        ctx.at("divide layers")
        most = max(s.n_clusters, min(round(s.most_clusters * s.n_clusters), n))
        for layer in layers:
            k = int(ctx.rng.integers(s.n_clusters, most + 1))
            # of length 1, or wide layers would be divided by their few longest rows
            rows = functional.normalize(layer, dim=1)
            assignments = kmeans(rows, k, ctx, max_iter=KMEANS_STEPS).assignments.cpu().numpy()
            added = ensemble.numbered(assignments)[:, None]
            self.members.value = np.concatenate((self.members.value, added), 1)

    def by_head(self, scalars: Mapping[str, float]) -> Snapshot:
        """Snapshot of the answers of the cluster head."""
        features, *_, p = self._outputs()
        measured = {"imbalance": float(imbalance(p)), "confidence": float(p.amax(1).mean())}
        return Snapshot(
            features.cpu().numpy(),
            p.argmax(1).cpu().numpy(),
            {**scalars, **measured},
            probabilities=p.cpu().numpy(),
        )

    def by_consensus(self) -> Snapshot:
        """Snapshot of what the divisions so far have in common, cut to the number of clusters."""
        s, ctx, members = self.settings, self.ctx, self.members.value
        m, k = members.shape[1], s.n_clusters
        ctx.at("weigh")
        membership = ensemble.memberships(members)
        weights = ensemble.trust(membership, m, s.theta)
        ctx.at("cut")
        rows = torch.from_numpy(ensemble.common_rows(membership, weights, k)).float().to(ctx.device)
        ctx.poll()
        cut = kmeans(rows, k, ctx, n_init=STARTS, repair=True)
        assignments = cut.assignments.cpu().numpy()
        table = ensemble.agreements(np.column_stack((assignments, members)))
        votes = ensemble.support(membership, weights, assignments, k)
        between = table[1:, 1:][~np.eye(m, dtype=bool)]
        scalars = {
            "divisions": float(m),
            "agreement_with_consensus": float(table[0, 1:].mean()),
            "agreement_of_divisions": float(between.mean()),
            "mean_trust": float(weights.mean()),
            "support": float(votes.mean()),
        }
        shared = ensemble.together(membership, m, assignments, k)
        return Snapshot(
            self.layers[0].cpu().numpy(),
            assignments,
            scalars,
            centers=_means(self.layers[0].cpu().numpy(), assignments, k),
            artefacts=_artefacts(members, table, weights, votes, shared),
        )


def _means(rows: Array, assignments: Array, k: int) -> Array:
    """Mean (k, d) of the rows of each cluster, that of all where it is empty."""
    groups = [rows[assignments == cluster] for cluster in range(k)]
    return np.stack([group.mean(0) if len(group) else rows.mean(0) for group in groups])


def _artefacts(
    members: Array, table: Array, weights: Array, votes: Array, shared: Array
) -> dict[str, Artefact]:
    m = members.shape[1]
    names = tuple(f"{LAYERS[i % len(LAYERS)]} {i // len(LAYERS) + 1}" for i in range(m))
    order = sorted(range(m), key=lambda i: i % len(LAYERS))  # layer by layer
    places = [0, *(i + 1 for i in order)]
    ordered = tuple(names[i] for i in order)
    by_layer = [table[0, 1 + i :: len(LAYERS)].mean() for i in range(len(LAYERS))]
    shares, edges = np.histogram(weights, bins=10, range=(0, 1))
    return {
        "pairs": Artefact(
            "matrix",
            table[np.ix_(places, places)],
            "Agreement of all pairs",
            "Normalised mutual information of every pair of divisions, layer by layer; the "
            "consensus is the first row. Bright blocks are divisions that repeat each other.",
            rows=("consensus", *ordered),
            columns=("consensus", *ordered),
            axis_titles=("division", "compared with"),
        ),
        "sizes": Artefact(
            "bars",
            (members.max(0)[order] + 1)[None],
            "Clusters of each division",
            "How many clusters each division has; the number was drawn at random.",
            rows=("clusters",),
            columns=ordered,
        ),
        "members": Artefact(
            "bars",
            table[0, 1:][order][None],
            "Agreement with the consensus",
            "Normalised mutual information of each division with the consensus. No truth is used.",
            rows=("agreement",),
            columns=ordered,
        ),
        "layers": Artefact(
            "bars",
            np.array(by_layer)[None],
            "Agreement by layer",
            "Mean agreement of the divisions of a layer with the consensus; a layer far below "
            "the others pulls it off course.",
            rows=("agreement",),
            columns=LAYERS,
        ),
        "trust": Artefact(
            "bars",
            shares[None],
            "Trust in clusters",
            "How many clusters of all divisions have this weight. Those on the left are torn "
            "apart by most other divisions.",
            rows=("clusters",),
            columns=tuple(f"{edge:.1f}" for edge in edges[1:]),
        ),
        "together": Artefact(
            "matrix",
            shared,
            "Together",
            "How often an item of one group is with an item of another, over all divisions. "
            "Light off the diagonal: two groups that many divisions do not tell apart.",
            cluster_axes=(0, 1),
            axis_titles=("group of an item", "group of another item"),
        ),
        "support": Artefact(
            "per_item",
            votes[:, None],
            "Support",
            "Share of the votes that an item gets for its group; the divisions disagree on items "
            "far to the left.",
            columns=("support",),
        ),
    }
