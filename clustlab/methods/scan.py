r"""First learn what resembles what, then cluster so that neighbours stay together.

## Idea

Learning features and clusters at the same time tempts the network to cluster by whatever is easy.
SCAN does one after the other.

1. **Pretext** (SimCLR): learn to find the changed copy of an image among all others. No cluster
   is involved, and the features become blind to the changes.
2. **Mine**: for each image, the 20 others with the largest cosine. They mostly show the same thing.
3. **Cluster**: an image and a random neighbour must get the same cluster, and the mean of all
   answers must stay even:

$$-\frac1n \sum_x \ln \langle \Phi(x), \Phi(x') \rangle \;-\; \lambda\, H(\bar p) .$$

   The product is 1 only if both answers are sure and equal.
4. **Self-label**: where an answer is surer than a threshold, it serves as the label for a changed
   copy of the image. This repairs what wrong neighbours have spoiled.

Several heads share the features; the one with the lowest loss over the whole set is the answer.

## What to watch

- The **neighbours** of some images. Where they show something else, the result will be wrong: no
  clustering that follows can be much better than its neighbours.
- **Entropy** should stay near its ceiling $\ln K$: far below it, clusters are missing.
- **Neighbours agreeing**: the share that ends up in the same cluster as the image.
- **Head agreement**: mean NMI of all pairs of heads. Far below 1, the answer depends on chance.
- **Share of confident items**: small at first, it grows during self-labelling. A cluster with few
  confident items is a doubtful one.
- The pretext shows the clusters of k-means, for comparison.

## Where it fails

- Where the pretext finds neighbours by colour, frame or slant, all later steps do the same.
- Where classes are far from equally large: the entropy splits large ones and merges small ones.
- Self-labelling copies the errors of its start: with `quick` on the digits it made all of three
  seeds worse (0.82 to 0.46 on average), and clusters died out.
- If no answer is above the threshold, there is nothing to label: the last phase is left out.
- BatchNorm in self-labelling and the passes of `quick` were changed after an accuracy was read: the
  figures of `quick` are not label-free.

## Source

Van Gansbeke, Vandenhende, Georgoulis, Proesmans and Van Gool (2020), *SCAN: Learning to Classify
Images without Labels*, ECCV, eq. 2 and section 2.3; the pretext is Chen et al. (2020), *A Simple
Framework for Contrastive Learning of Visual Representations*, ICML, eq. 1.

Deviations: a small network instead of ResNet-18, affine changes and light instead of RandAugment
and cutout, Adam, larger steps, far fewer passes, confident answers collected once an epoch.
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
from clustlab.context import Cell, Context, batch_slices
from clustlab.parts.clustering.balance import inverse_size_weights
from clustlab.parts.clustering.code_clusters import (
    COMPONENTS,
    KMEANS_STEPS,
    STARTS,
    FeatureClusters,
)
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.clustering.neighbours import nearest, neighbour_sheet, shown_items
from clustlab.parts.hooks.interventions import (
    ALL,
    RATE,
    Offer,
    Wanted,
    change_rate,
    changed_answers,
)
from clustlab.parts.hooks.output_units import Learner
from clustlab.parts.hooks.scoring import head_scorer, nearest_center, phase_of, projected, restored
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.losses.information import marginal_entropy
from clustlab.parts.losses.nt_xent import VIEWS, Projection, nt_xent
from clustlab.parts.losses.simplex import consistency
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import ChangedCopies, even_batch
from clustlab.parts.networks.heads import (
    Heads,
    confidence_artefacts,
    head_agreement,
    loss_bars,
    self_label_loss,
)
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

HIDDEN, PROJECTED, SHOWN = 256, 64, 8  # widths of the projection, items on the sheet


def scan_loss(p: Tensor, p_prime: Tensor, entropy_weight: float = 5.0) -> Tensor:
    """Consistency minus weighted entropy, a scalar in nats. Van Gansbeke et al. 2020, eq. 2.

    Of several heads, their mean.

    Parameters
    ----------
    p, p_prime : Tensor
        Cluster probabilities (n, k) of items and of a neighbour of each, or (heads, n, k). The
        entropy is that of `p` alone.
    entropy_weight : float
        Lambda in the paper.
    """
    return consistency(p, p_prime) - entropy_weight * marginal_entropy(p).mean()


class Network(nn.Module):
    """An encoder with a projection for the pretext and heads for the clusters."""

    def __init__(self, shape: tuple[int, ...], settings: "SCAN") -> None:
        super().__init__()
        self.trunk = settings.build_network(shape)  # its name in stored checkpoints
        self.projection = Projection(self.trunk.width, HIDDEN, PROJECTED)
        self.heads = Heads(self.trunk.width, settings.n_heads, settings.n_clusters)

    def forward(self, x: Tensor) -> Tensor:
        """Cluster probabilities (heads, b, k) of a batch of items."""
        return self.heads(self.trunk(x))

    def project(self, x: Tensor) -> Tensor:
        """Rows (b, 64) in which items are compared."""
        return self.projection(self.trunk(x))


@dataclass(frozen=True)
class SCAN(ChangedCopies):
    """Semantic clustering by adopting nearest neighbours."""

    name: ClassVar[str] = "scan"
    title: ClassVar[str] = "SCAN"
    idea: ClassVar[str] = "Learn what resembles what, then keep neighbours in one cluster."
    paper: ClassVar[Paper] = Paper(
        authors="Van Gansbeke, Vandenhende, Georgoulis, Proesmans, Van Gool",
        year=2020,
        title="SCAN: Learning to Classify Images without Labels",
        venue="ECCV",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported("cifar10", 0.883, "held-out test, best model", "code of its authors"),
        Reported("cifar10", 0.876, "held-out test, mean of 10 runs", "Van Gansbeke et al. 2020"),
        Reported("stl10", 0.809, "held-out test, best model", "code of its authors"),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "classifier"
    loop: ClassVar[tuple[str, ...]] = ("contrast", "mine", "agree", "self-label", "encode")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    views: ClassVar[Augmentation] = VIEWS
    interventions: ClassVar[Offer] = {"pretext": RATE, "cluster": ALL, "self-label": ALL}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 10, "cluster_epochs": 8, "label_epochs": 5}
        | {"batch_size": 128, "width": 16},
        "standard": {},
        "paper": {
            "epochs": 500,
            "cluster_epochs": 50,
            "label_epochs": 200,
            "batch_size": 512,
            "cluster_batch_size": 128,
            "label_batch_size": 1000,
            "n_heads": 1,
            "temperature": 0.1,
            "width": 64,
            "depth": 4,
            "cluster_learning_rate": 1e-4,
            "weight_decay": 1e-4,
        },
    }

    epochs: int = params.epochs(25, "How often the pretext passes over all items.")
    cluster_epochs: int = params.epochs(12, "Passes that bring neighbours together.")
    label_epochs: int = params.epochs(10, "Passes over the confident items at most.")
    n_neighbors: int = params.param(
        20,
        low=1,
        high=200,
        help="Neighbours mined per item. More of them know more of a class, and err more often.",
        of_items=params.ALL_NEIGHBOURS,
    )
    entropy_weight: float = params.param(
        5.0,
        low=0.0,
        high=20.0,
        help="Weight of equally full clusters. At 0 everything ends in one cluster.",
    )
    threshold: float = params.param(
        0.99,
        low=0.1,
        high=1.0,
        help="Largest probability above which an answer counts as confident.",
    )
    n_heads: int = params.param(
        5,
        low=1,
        high=20,
        help="Heads that share the network. Each finds its own division; the lowest loss counts.",
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
    cluster_batch_size: int | None = params.later_batch_size(
        "Items per update when neighbours are brought together. Use many, so that their mean "
        "answer tells how full the clusters are."
    )
    label_batch_size: int | None = params.later_batch_size(
        "Items per update on confident items, of which a batch should hold some of each cluster."
    )
    learning_rate: float = params.learning_rate(1e-3)
    cluster_learning_rate: float = params.learning_rate(5e-4)
    weight_decay: float = params.weight_decay()

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        forward = forward_cost(partial(Network, settings=self), shape)  # backward costs two
        look, pairs = forward * n, forward * (6 * n) + forward * n
        kmeans_cost = Cost(linear=float(2 * KMEANS_STEPS * n * self.n_clusters * COMPONENTS))
        compare = Cost(linear=float(n * n * PROJECTED))
        return [
            PlannedPhase("start", 1, look + kmeans_cost * STARTS, "initialise"),
            PlannedPhase("pretext", self.epochs, pairs + kmeans_cost, "pretrain", n),
            PlannedPhase(
                "mine neighbours", 1, look * 2 + kmeans_cost * STARTS + compare, "read_off"
            ),
            # each item is drawn, and a neighbour of it
            PlannedPhase("cluster", self.cluster_epochs, pairs, "train", 2 * n),
            PlannedPhase("self-label", self.label_epochs, forward * (3 * n) + look, "train", n),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """Snapshots of k-means in the pretext and of the chosen head after it, one per epoch."""
        check_enough_items(len(items), self.n_clusters)
        run = _Run(self, items, ctx)
        for _ in ctx.phase("start", 1):
            yield run.clusters.snapshot({}, {}, fresh=True)
        for _ in ctx.phase("pretext", 0 if ctx.is_warm else self.epochs):
            change_rate(run.pretext, ctx.interventions())
            yield run.clusters.snapshot({"pretext_loss": run.contrast()}, {})
        for _ in ctx.phase("mine neighbours", 1):
            run.mine()
            yield run.clusters.snapshot({}, run.sheet(), fresh=True)
        for done in ctx.phase("cluster", self.cluster_epochs):
            # before the first round the clusters shown are those of k-means, not of a head
            if done:
                run.intervene(ctx.interventions(), run.clustering)
            run.agree()
            yield run.by_head({}, choose=True)
        for _ in ctx.phase("self-label", self.label_epochs):
            if not bool(run.confident().any()):
                return
            run.intervene(ctx.interventions(), run.labelling)
            yield run.by_head({"self_label_loss": run.label()}, choose=False)

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log-probabilities of the chosen head, before it closeness; see `registry.Scoring`."""
        network = restored(lambda: Network(inputs.shape, self), state, "network", inputs.device)
        if phase_of(state) in ("cluster", "self-label"):
            chosen = int(last.scalars["chosen_head"]) - 1
            return head_scorer(network.trunk, network.heads, chosen, inputs)
        encoder = projected(nn.Sequential(network.trunk), inputs, COMPONENTS)
        return nearest_center(encoder, np.asarray(last.centers))


class _Run:
    """What one run of SCAN keeps, and its four ways to go on."""

    def __init__(self, settings: SCAN, items: Array, ctx: Context) -> None:
        self.settings, self.ctx = settings, ctx
        self.inputs, self.views = Inputs(items, ctx.device), settings.augmentation
        n, k = len(items), settings.n_clusters
        self.network = ctx.keep("network", Network(self.inputs.shape, settings))
        self.pretext = self._adam("pretext optimiser", settings.learning_rate)
        self.clustering = self._adam("cluster optimiser", settings.cluster_learning_rate)
        self.labelling = self._adam("label optimiser", settings.cluster_learning_rate)
        self.contrast_step = ctx.step(self._contrast, self.pretext)
        self.agree_step = ctx.step(self._agree, self.clustering)
        self.label_step = ctx.step(self._label, self.labelling)
        none = torch.zeros(n, 0, dtype=torch.long, device=ctx.device)
        self.neighbours = ctx.keep("neighbours", Cell(none), across_runs=False)
        self.clusters = FeatureClusters(self.network.trunk, self.inputs, k, ctx)
        empty = torch.zeros(n, k, device=ctx.device)
        self.p = ctx.keep("probabilities", Cell(empty), across_runs=False)
        self.chosen = ctx.keep("chosen head", Cell(0))
        self.changed = ctx.keep("changed by hand", Cell(False), across_runs=False)
        self.shown = ctx.keep("shown items", Cell(shown_items(n, SHOWN, ctx.rng)))

    def _adam(self, name: str, rate: float) -> torch.optim.Adam:
        weights, decay = self.network.parameters(), self.settings.weight_decay
        adam = torch.optim.Adam(weights, lr=rate, weight_decay=decay, fused=True)
        return self.ctx.keep(name, adam, across_runs=False)

    def contrast(self) -> float:
        """Mean loss of one epoch of the pretext."""
        s, ctx = self.settings, self.ctx
        ctx.at("contrast")
        self.network.train()
        n, total = len(self.inputs), torch.zeros((), device=ctx.device)
        for index in ctx.batches(n, even_batch(n, s.batch_size)):
            total += self.contrast_step(index) * len(index)
        return float(total) / n

    def _contrast(self, index: Tensor) -> Tensor:
        """Loss of one step of the pretext on a batch (b,)."""
        x = self.inputs[index]
        one, other = (self.network.project(self.views(x)) for _ in range(2))
        loss = nt_xent(one, other, self.settings.temperature)
        descend(self.pretext, loss)
        return loss.detach()

    def mine(self) -> None:
        """Find the neighbours of every unchanged item, once for the rest of the run."""
        self.ctx.at("mine")
        rows = embed(self.network, self.inputs, self.ctx, forward=self.network.project)
        self.neighbours.value = nearest(rows, self.settings.n_neighbors, self.ctx)

    def agree(self) -> None:
        """One epoch that brings each item and a random neighbour together."""
        s, ctx, table = self.settings, self.ctx, self.neighbours.value.cpu().numpy()
        ctx.at("agree")
        self.network.train()
        n, size = len(self.inputs), s.cluster_batch_size or s.batch_size
        order = ctx.rng.permutation(n)
        drawn = table[order, ctx.rng.integers(0, table.shape[1], n)]
        for pair in ctx.slices(np.stack((order, drawn), 1), even_batch(n, size)):
            self.agree_step(pair)

    def _agree(self, pair: Tensor) -> Tensor:
        """Loss of one step on items and neighbours (b, 2)."""
        # drawn apart, or the network could go by what the two changes have in common
        both = torch.cat([self.views(self.inputs[index]) for index in pair.T])
        p, p_prime = self.network(both).split(len(pair), 1)  # (heads, b, k) each
        loss = scan_loss(p, p_prime, self.settings.entropy_weight)
        descend(self.clustering, loss)
        return loss.detach()

    def intervene(self, wanted: Wanted, optimiser: torch.optim.Optimizer) -> None:
        """Change the learning rate, or clusters of the chosen head, which stays chosen."""
        heads, chosen, encoder = self.network.heads, self.chosen.value, self.network.trunk
        labelled = self.ctx.phase_name == "self-label"
        # once items are labelled by themselves, scrambled ones are by random clusters
        mixed = [each for each in wanted if labelled and each.kind == "scramble"]
        learner = Learner(self.network, optimiser, self.inputs, self.settings.batch_size)
        units = heads.units(chosen, encoder, self.clusters.features)
        others = [each for each in wanted if each not in mixed]
        touched = learner.intervene(units, others, self.ctx) or bool(mixed)
        self.changed.value |= touched
        if labelled and touched:
            features = self.clusters.features()
            p = heads(features).detach()[chosen]
            self.p.value = changed_answers(features, p, mixed, self.ctx)

    def confident(self) -> Tensor:
        """Which items (n,) have an answer above the threshold in the last snapshot."""
        return self.p.value.amax(1) > self.settings.threshold

    def label(self) -> float:
        """Mean loss of one epoch on changed copies of the confident items."""
        s, ctx, n = self.settings, self.ctx, len(self.inputs)
        ctx.at("self-label")
        self.network.train()
        confident, pseudo_labels = self.confident(), self.p.value.argmax(1)
        weights = inverse_size_weights(pseudo_labels[confident].cpu().numpy(), s.n_clusters)
        weight = torch.from_numpy(weights).to(ctx.device)
        chosen = torch.tensor([self.chosen.value], device=ctx.device)
        total, size = torch.zeros((), device=ctx.device), s.label_batch_size or s.batch_size
        size = even_batch(n, size)
        order, is_sure = ctx.rng.permutation(n), confident.cpu().numpy()
        teaches = [is_sure[order[part]].any() for part in batch_slices(n, size)]
        for places in ctx.slices(order, size):
            if not teaches[ctx.batch]:  # a step without a loss would still move by its momentum
                continue
            sure = confident[places]
            loss = self.label_step(places, pseudo_labels[places], sure, weight, chosen)
            total += loss * sure.sum()
        return float(total) / max(int(confident.sum()), 1)

    def _label(
        self, places: Tensor, pseudo_labels: Tensor, sure: Tensor, weight: Tensor, chosen: Tensor
    ) -> Tensor:
        """Loss of one step on a batch (b,) of which some are sure, by the chosen head (1,)."""
        # all items pass, since batches of the confident alone would mislead BatchNorm
        p = self.network(self.views(self.inputs[places])).index_select(0, chosen)[0]
        loss = self_label_loss(p, pseudo_labels, sure, weight)
        descend(self.labelling, loss)
        return loss.detach()

    def by_head(self, scalars: Mapping[str, float], *, choose: bool) -> Snapshot:
        """Snapshot of the answers of one head: that of lowest loss, or the one chosen before."""
        s, ctx, k = self.settings, self.ctx, self.settings.n_clusters
        ctx.at("encode")

        def everything(x: Tensor) -> Tensor:
            features = self.network.trunk(x)
            return torch.cat((features.float(), *self.network.heads(features)), 1)

        out = embed(self.network, self.inputs, ctx, forward=everything)
        features, answers = torch.split(out, [self.network.trunk.width, s.n_heads * k], 1)
        heads = answers.reshape(-1, s.n_heads, k).transpose(0, 1)
        # one neighbour a round, since all of them at once would not fit into memory
        pairs = [[consistency(p, p[column]) for column in self.neighbours.value.T] for p in heads]
        apart = [float(torch.stack(column).mean()) for column in pairs]
        # heads are compared with weight 1 on the entropy, whatever it is in training
        losses = [c - float(marginal_entropy(p)) for c, p in zip(apart, heads, strict=True)]
        if choose and not self.changed.value:
            self.chosen.value = int(np.argmin(losses))
        p = self.p.value = heads[chosen := self.chosen.value].contiguous()
        assignments = p.argmax(1)
        same = assignments[self.neighbours.value] == assignments[:, None]  # (n, neighbours)
        return Snapshot(
            principal(features, COMPONENTS).cpu().numpy(),
            assignments.cpu().numpy(),
            {
                **scalars,
                "consistency": apart[chosen],
                "entropy": float(marginal_entropy(p)),
                "entropy_ceiling": math.log(k),
                "share_of_neighbours_agreeing": float(same.float().mean()),
                "share_confident": float(self.confident().float().mean()),
                "chosen_head": chosen + 1,
                **head_agreement(heads),
            },
            probabilities=p.cpu().numpy(),
            artefacts={
                **self.sheet(),
                **confidence_artefacts(p, self.confident()),
                "heads": loss_bars(losses, chosen),
            },
        )

    def sheet(self) -> dict[str, Artefact]:
        """Images with their neighbours; nothing for points or before they are mined."""
        if not (self.inputs.is_image and self.neighbours.value.shape[1]):
            return {}
        return {"neighbours": neighbour_sheet(self.inputs, self.shown.value, self.neighbours.value)}
