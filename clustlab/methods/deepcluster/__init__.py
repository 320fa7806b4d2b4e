r"""Clusters of the features serve as labels that train the features.

## Idea

A network that has seen nothing already maps similar images to similar features, a little better
than chance. So take its features, cluster them, and pretend that the clusters are labels: train the
network to predict them from changed images. Better features give better clusters, and so on. Each
round solves two problems in turn:

$$\min_{C, y} \frac1n \sum_i \lVert f(x_i) - C y_i \rVert^2
\qquad\text{then}\qquad
\min_{\theta, W} \frac1n \sum_i \ell\bigl(W f_\theta(g x_i),\, y_i\bigr).$$

Only the labels $y$ pass from the first to the second. Many more clusters than classes are used
here; at the very end the features are clustered once more, into the number asked for.

Nothing in this forbids a trivial answer, so there are guards, and each can be switched off to see
what it prevents: **whitening** (no direction of the features outweighs the rest), **repair** of
empty clusters, a **new classifier** every round (cluster 3 of this round is not cluster 3 of the
last), **balance** (large clusters do not outvote small ones), **edges** instead of colours, and
**changed images**.

## What to watch

- **Cluster sizes** before and after repair. A few giants and many dwarfs are on the way to
  collapse.
- **NMI with the previous round**: how much of the clustering survives. It rises, and should not
  reach 1: then the features would no longer be learning.
- **Cross-entropy** against $\ln k$, the value of guessing.
- The **first filters**: noise at the start, edges and strokes later.
- The k-means objective says little from round to round, since whitening changes the scale.

## Where it fails

- With as few clusters as classes on small data: it learns features, not ten clusters. The last step
  shows what is left after merging.
- Without balance or repair, when a few clusters swallow the rest.
- When a shortcut such as tint, frame or stroke width groups better than content.

## Source

Caron, Bojanowski, Joulin and Douze (2018), *Deep Clustering for Unsupervised Learning of Visual
Features*, ECCV, sections 3.2 and 3.3; the objectives are eq. 1 and 2.

Deviations: a small network instead of AlexNet or VGG-16, PCA to 32 instead of 256 dimensions, one
hidden layer, no dropout, and a last clustering into the number of clusters asked for.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.errors import ParameterError
from clustlab.methods.deepcluster.pseudo_labels import Network, normalised_features
from clustlab.parts.clustering.agreement import agreement
from clustlab.parts.clustering.balance import inverse_size_weights, uniform_draw
from clustlab.parts.clustering.kmeans import Repair, check_enough_items, kmeans, repair_empty
from clustlab.parts.hooks.interventions import OF_LABELS, Offer, change_rate, relabelled
from clustlab.parts.hooks.scoring import (
    UnitLength,
    nearest_center,
    not_kept,
    phase_of,
    projected,
    restored,
)
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import EncoderSettings, even_batch
from clustlab.parts.networks.passes import embed
from clustlab.training_step import TrainingStep
from clustlab.types import (
    Array,
    Artefact,
    Cost,
    MethodFamily,
    Paper,
    PlannedPhase,
    Reported,
    Scalar,
    Snapshot,
)

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-5  # as in the paper's code
KMEANS_STEPS = 20  # of each clustering, as in the paper's code
FINAL_STARTS = 10  # restarts of the last clustering, of which the best counts
EMBEDDING_WIDTH = 32  # leading dimensions that a snapshot keeps
VIEWS = Augmentation(
    crop=0.15, rotation=15, shift=0.1, scale=0.1, shear=0.2, brightness=0.2, contrast=0.2, noise=0.1
)


@dataclass(frozen=True)
class DeepCluster(EncoderSettings):
    """Cluster the features, learn to predict the clusters, repeat."""

    name: ClassVar[str] = "deepcluster"
    title: ClassVar[str] = "DeepCluster"
    idea: ClassVar[str] = "Cluster the features, train on the clusters as labels, repeat."
    paper: ClassVar[Paper] = Paper(
        authors="Caron, Bojanowski, Joulin, Douze",
        year=2018,
        title="Deep Clustering for Unsupervised Learning of Visual Features",
        venue="ECCV",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist",
            0.656,
            "k = 10, matched one to one; the table itself was not read",
            "in the IIC paper, Ji et al. 2019",
        ),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "pseudo-labels"
    loop: ClassVar[tuple[str, ...]] = ("classify", "encode", "whiten", "cluster", "repair")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    interventions: ClassVar[Offer] = {"train": OF_LABELS}
    scalars: ClassVar[tuple[Scalar, ...]] = (
        # labels are made anew in every round
        Scalar(
            "cross_entropy",
            "Cross-entropy",
            "nats",
            "lower",
            low=0.0,
            is_training_loss=True,
            course="jumps",
        ),
    )
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 15, "n_clusters_over": 50, "batch_size": 64},
        "standard": {},
        "paper": {
            "epochs": 200,
            "width": 64,
            "depth": 4,
            "n_features": 1024,
            "n_components": 256,
            "sobel": True,
            "batch_size": 256,
        },
    }

    n_clusters_over: int = params.param(
        100,
        low=2,
        high=5000,
        help="Clusters that serve as labels in training, best about ten times the number of "
        "classes. The last step merges them into n_clusters.",
        of_items=params.ONE_ITEM_EACH,
    )
    epochs: int = params.epochs(20, "How often clustering and training take turns.")
    whitening: bool = params.param(
        True,
        help="Give all directions of the features the same variance. If off, a few directions "
        "decide.",
    )
    repair_empty: bool = params.param(
        True,
        help="Give an empty cluster half of the items of a random one. If off, clusters may die "
        "out.",
    )
    new_centers: bool = params.param(
        True,
        advanced=True,
        help="Draw new starting centres for k-means in every round. If off, it goes on from the "
        "centres of the round before, where there may be no features any more, so clusters "
        "run empty.",
    )
    reset_head: bool = params.param(
        True,
        help="Draw a new classifier in every round, as cluster numbers change. If off, it first "
        "has to unlearn the numbers of the round before.",
    )
    balance: Literal["uniform sampler", "inverse weights", "none"] = params.param(
        "uniform sampler",
        help="Give all clusters the same say in training: by drawing them equally often, or by "
        "weights. With 'none' the largest clusters win.",
    )
    augment: bool = params.param(
        True, help="Train on changed images. If off, any detail may serve to tell clusters apart."
    )
    augment_clustering: bool = params.param(
        False,
        advanced=True,
        help="Cluster the features of changed images, too. Then the labels of an item depend on "
        "the change it happened to get.",
    )
    n_components: int = params.param(
        32,
        low=2,
        high=512,
        advanced=True,
        help="Principal components of the features that are clustered.",
    )
    n_features: int = params.param(
        128, low=8, high=4096, advanced=True, help="Width of the features."
    )
    width: int = params.param(
        16,
        low=4,
        high=128,
        advanced=True,
        help="Channels of the first convolution; each later one has twice as many.",
    )
    batch_size: int = params.batch_size(128)
    learning_rate: float = params.learning_rate(0.05)

    def __post_init__(self) -> None:
        if self.n_clusters_over < self.n_clusters:
            raise ParameterError(
                f"n_clusters_over must be at least n_clusters, got {self.n_clusters_over} for "
                f"{self.n_clusters}.",
                "Raise n_clusters_over; ten times n_clusters is a good start.",
            )

    @property
    def augmentation(self) -> Augmentation:
        """Changes that copies go through."""
        return self.switched(VIEWS) if self.augment else Augmentation()

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        forward = forward_cost(partial(Network, settings=self), shape)
        d = min(self.n_components, self.n_features)
        reduction = self.n_features * (self.n_features + d)
        # an assignment and a mean per round; greedy k-means++ draws a few trials per centre
        passes = 2 * KMEANS_STEPS + 2 + math.log(self.n_clusters_over)
        clustering = Cost(linear=n * (reduction + passes * self.n_clusters_over * d))
        last = Cost(linear=n * (reduction + FINAL_STARTS * 2 * KMEANS_STEPS * self.n_clusters * d))
        return [
            PlannedPhase("start", 1, forward * n + clustering, "initialise"),
            PlannedPhase("train", self.epochs, forward * (4 * n) + clustering, "train", n),
            PlannedPhase("merge", 1, forward * n + last, "read_off"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """The clustered untrained features, one snapshot per epoch, and the merged clusters."""
        inputs = Inputs(items, ctx.device)
        check_enough_items(len(inputs), self.n_clusters_over, "n_clusters_over")
        network = ctx.keep("network", Network(inputs.shape, self))
        optimiser = ctx.keep("optimiser", self._descent(network.body(), MOMENTUM))
        # without momentum nothing of the last classifier survives in its optimiser
        head_optimiser = self._descent(network.head.parameters(), momentum=0.0)
        optimisers = (optimiser, head_optimiser)
        step = ctx.step(partial(self._step, network, optimisers, inputs), *optimisers)
        pseudo_labels = ctx.keep("pseudo_labels", Cell(np.zeros(len(inputs), np.int64)))
        centers = ctx.keep("centers", Cell(None), across_runs=False)
        for _ in ctx.phase("start", 1):
            z, repair = self._cluster(network, inputs, centers, ctx)
            pseudo_labels.value = repair.clustering.assignments.cpu().numpy()
            yield self._snapshot(network, z, repair, {})
        for _ in ctx.phase("train", self.epochs):
            if wanted := ctx.interventions():
                change_rate(optimiser, wanted)
                z = self._features(network, inputs, ctx)
                present = torch.from_numpy(pseudo_labels.value).to(z.device)
                present = relabelled(z, present, self.n_clusters_over, wanted, ctx)
                pseudo_labels.value = present.cpu().numpy()
            before = pseudo_labels.value
            head_optimiser.param_groups[0]["lr"] = optimiser.param_groups[0]["lr"]
            scalars = self._classify(network, step, before, ctx)
            z, repair = self._cluster(network, inputs, centers, ctx)
            pseudo_labels.value = repair.clustering.assignments.cpu().numpy()
            scalars["nmi_previous"] = agreement(before, pseudo_labels.value)
            yield self._snapshot(network, z, repair, scalars)
        for _ in ctx.phase("merge", 1):
            yield self._merged(network, inputs, ctx)

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Closeness to the centres, of which snapshots keep 32 dimensions; `registry.Scoring`."""
        merged = phase_of(state) == "merge"
        if last.centers is None or not (merged or self.n_components <= EMBEDDING_WIDTH):
            raise not_kept(f"of the {self.n_components} dimensions of a centre, 32 are kept")
        net = restored(lambda: Network(inputs.shape, self), state, "network", inputs.device)
        if merged:
            encoder = nn.Sequential(net.trunk, net.hidden, nn.ReLU(), UnitLength())
            return nearest_center(projected(encoder, inputs, EMBEDDING_WIDTH), last.centers)
        encoder = nn.Sequential(net.trunk, net.hidden)
        space = projected(encoder, inputs, self.n_components, whiten=self.whitening)
        return nearest_center(nn.Sequential(*space, UnitLength()), last.centers)

    def _descent(self, parameters: Any, momentum: float) -> torch.optim.SGD:
        return torch.optim.SGD(
            parameters, self.learning_rate, momentum=momentum, weight_decay=WEIGHT_DECAY
        )

    def _cluster(
        self, network: Network, inputs: Inputs, centers: Cell, ctx: Context
    ) -> tuple[Tensor, Repair]:
        """Features (n, n_components) and their division, with the sizes around the repair."""
        z = self._features(network, inputs, ctx)
        ctx.at("cluster")
        k = self.n_clusters_over
        clustering = kmeans(z, k, ctx, max_iter=KMEANS_STEPS, tol=0.0, centers=centers.value)
        ctx.at("repair")
        repair = Repair(clustering, clustering.sizes, clustering.sizes)
        if self.repair_empty:
            repair = repair_empty(z, clustering, ctx)
        if not self.new_centers:
            centers.value = repair.clustering.centers
        return z, repair

    def _features(self, network: Network, inputs: Inputs, ctx: Context) -> Tensor:
        """Features of the unchanged items, ready to be clustered, (n, n_components)."""
        ctx.at("encode")
        changed = lambda x: network.features(self.augmentation(x))  # noqa: E731
        forward = changed if self.augment_clustering else network.features
        features = embed(network, inputs, ctx, forward=forward)
        ctx.at("whiten")
        return normalised_features(features, self.n_components, whiten=self.whitening)

    def _classify(
        self, network: Network, step: TrainingStep, pseudo_labels: Array, ctx: Context
    ) -> dict[str, float]:
        """Losses of one epoch of training on pseudo-labels, by name."""
        ctx.at("classify")
        # drawn in any case, so that runs with and without the guard differ in nothing else
        drawn = network.drawn_head()
        is_first = not (ctx.done or ctx.is_warm)
        if self.reset_head or is_first:
            network.begin_head(drawn)
        targets = torch.from_numpy(pseudo_labels).to(ctx.device)
        weight = []  # of each pseudo-label, if they are weighed
        if self.balance == "inverse weights":
            weights = inverse_size_weights(pseudo_labels, self.n_clusters_over)
            weight = [torch.from_numpy(weights).to(ctx.device)]
        n = len(pseudo_labels)
        if self.balance == "uniform sampler":
            order = uniform_draw(pseudo_labels, ctx.rng)
        else:
            order = ctx.rng.permutation(n)
        network.train()
        total = torch.zeros((), device=ctx.device)
        for index in ctx.slices(order, even_batch(n, self.batch_size)):
            total += step(index, targets[index], *weight) * len(index)
        occupied = len(np.unique(pseudo_labels))
        return {"cross_entropy": float(total) / n, "cross_entropy_guessing": math.log(occupied)}

    def _step(
        self,
        network: Network,
        optimisers: tuple[torch.optim.Optimizer, ...],
        inputs: Inputs,
        index: Tensor,
        targets: Tensor,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Loss of one step on a batch (b,) towards its pseudo-labels (b,), weighed (k,) or not."""
        scores = network(self.augmentation(inputs[index]))
        loss = functional.cross_entropy(scores, targets, weight)
        for optimiser in optimisers:
            optimiser.zero_grad()
        torch.autograd.backward(loss)
        for optimiser in optimisers:
            optimiser.step()
        return loss.detach()

    def _snapshot(
        self, network: Network, z: Tensor, repair: Repair, scalars: Mapping[str, float]
    ) -> Snapshot:
        clustering = repair.clustering
        sizes = np.stack((repair.sizes_before, repair.sizes_after))
        artefacts = {
            "sizes": Artefact(
                "bars",
                sizes.astype(np.float32),
                "Cluster sizes",
                "A cluster of size 0 before the repair has taken half of another one after it.",
                rows=("before repair", "after repair"),
                cluster_axes=(1,),
            ),
            **network.filters(),
        }
        return Snapshot(
            embedding=z[:, :EMBEDDING_WIDTH].cpu().numpy(),
            assignments=clustering.assignments.cpu().numpy(),
            scalars={
                **scalars,
                "kmeans_objective": clustering.inertia / len(z),
                "n_empty_before_repair": float((sizes[0] == 0).sum()),
            },
            centers=clustering.centers[:, :EMBEDDING_WIDTH].cpu().numpy(),
            artefacts=artefacts,
        )

    def _merged(self, network: Network, inputs: Inputs, ctx: Context) -> Snapshot:
        """The final features in as many clusters as were asked for.

        Taken where the classifier takes them, after the ReLU: whitening, which keeps a hundred
        clusters apart, gives small details too much weight for ten.
        """
        ctx.at("encode")
        features = embed(network, inputs, ctx, forward=network.directions)
        z = principal(features, EMBEDDING_WIDTH)
        ctx.at("cluster")
        clustering = kmeans(z, self.n_clusters, ctx, n_init=FINAL_STARTS)
        return Snapshot(
            embedding=z.cpu().numpy(),
            assignments=clustering.assignments.cpu().numpy(),
            scalars={"kmeans_objective": clustering.inertia / len(z)},
            centers=clustering.centers.cpu().numpy(),
            artefacts=network.filters(),
        )
