r"""Rows of a table tell images apart, its columns tell clusters apart.

## Idea

Write the cluster probabilities of a batch as a table with a row for each image and a column for
each cluster. Do it twice, for two changed copies of each image. A row is then an image, and it
should resemble the row of its own copy more than those of other images. A column is a cluster,
described by the images it holds, and it should resemble the same column of the other table more
than any other column. Both are the same question, asked along the two axes:

$$\ell(a, b) = -\ln \frac{\exp(\cos(a, b) / \tau)}{\sum_{c \ne a} \exp(\cos(a, c) / \tau)} .$$

Two heads share one network. The instance head gives rows for the first question ($\tau_I$), the
cluster head the table for the second ($\tau_C$), and everything is trained at once from scratch. To
keep one cluster from taking all images, the distance of the mean probabilities from an even
division, $\ln K - H(\bar p)$, is added for each copy.

## What to watch

- **Columns**: the cosine of each cluster with each cluster of the other copy. At first all are
  strong, since all columns are alike; then the diagonal stays strong and the rest fades.
- **Rows**: the same for ten images and their copies. Strong cells off the diagonal are images that
  the network mistakes for each other, often with good reason.
- **Imbalance** falls to almost 0 at once. If it stays above 0.5, clusters are missing.
- **Cluster loss** ends near $\ln(1 + (2K - 2)/e)$, 2.03 for ten clusters at $\tau_C = 1$: that is
  its floor, since a cosine of cluster columns is never below 0.

## Where it fails

- Where the changes are wrong about what stays the same: changing the tint of digits or inverting
  them leads to collapse, so neither is done here.
- The instance loss pushes apart images of the same class too. The cluster head has to win against
  it; with small batches or few passes two styles of a class can become two clusters.
- With a batch that is not much larger than the number of clusters, columns are short and noisy.
- Where classes are far from equally large.

## Source

Li, Hu, Liu, Peng, Zhou and Peng (2021), *Contrastive Clustering*, AAAI; the instance loss is
eq. 1 to 3, the cluster loss eq. 4 to 6.

Deviations: three strided convolutions instead of a ResNet-34 at 224 pixels, affine changes and
light instead of crops, tint and blur, larger steps, far fewer passes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.hooks.interventions import ALL, Offer
from clustlab.parts.hooks.output_units import Learner
from clustlab.parts.hooks.scoring import ScoringChain, restored
from clustlab.parts.inputs.augmentation import Augmentation, side_by_side
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.inputs.sampling import fixed_order
from clustlab.parts.losses.nt_xent import (
    VIEWS,
    Projection,
    cluster_contrast,
    cosines,
    imbalance,
    nt_xent,
)
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import ChangedCopies, even_batch
from clustlab.parts.networks.passes import descend, embed
from clustlab.training_step import TrainingStep
from clustlab.types import Array, Artefact, MethodFamily, Paper, PlannedPhase, Reported, Snapshot

EMBEDDING_WIDTH = 32  # principal components of the features that a snapshot keeps
PAIRS = 10  # images shown beside a changed copy


class Network(nn.Module):
    """An encoder with a head that tells items apart and one that tells clusters apart."""

    def __init__(self, shape: tuple[int, ...], settings: "ContrastiveClustering") -> None:
        super().__init__()
        self.trunk = settings.build_network(shape)  # its name in stored checkpoints
        wide, hidden = self.trunk.width, settings.n_hidden
        self.instance = Projection(wide, hidden, settings.n_features)
        self.cluster = Projection(wide, hidden, settings.n_clusters)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (b, n_features) and cluster probabilities (b, k) of a batch of items."""
        return self.answers(self.trunk(x))

    def answers(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the features (b, width)."""
        return self.instance(features), self.cluster(features).float().softmax(1)


class _Pass(NamedTuple):
    """Answers to the whole set and to one fixed changed copy of it."""

    features: Tensor  # (n, width)
    rows: Tensor  # (n, n_features) of the instance head
    p: Tensor  # (n, k)
    rows_prime: Tensor  # (n, n_features) of the changed copies
    p_prime: Tensor  # (n, k) of the changed copies


@dataclass(frozen=True)
class ContrastiveClustering(ChangedCopies):
    """Instance-level and cluster-level contrast, trained together."""

    name: ClassVar[str] = "contrastive-clustering"
    title: ClassVar[str] = "Contrastive Clustering"
    idea: ClassVar[str] = "Tell images apart by rows and clusters apart by columns of one table."
    paper: ClassVar[Paper] = Paper(
        authors="Li, Hu, Liu, Peng, Zhou, Peng",
        year=2021,
        title="Contrastive Clustering",
        venue="AAAI",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "cifar10",
            0.79,
            "train + test, one model, no choice by labels in its code",
            "Li et al. 2021",
        ),
        Reported(
            "stl10",
            0.85,
            "train + test, one model, no choice by labels in its code",
            "Li et al. 2021",
        ),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "classifier"
    loop: ClassVar[tuple[str, ...]] = ("change", "encode", "compare rows", "compare columns")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    views: ClassVar[Augmentation] = VIEWS
    interventions: ClassVar[Offer] = {"train": ALL}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 20, "batch_size": 128, "width": 16},
        "standard": {},
        "paper": {
            "epochs": 1000,
            "learning_rate": 3e-4,
            "width": 64,
            "depth": 4,
            "n_hidden": 512,
            "n_features": 128,
        },
    }

    epochs: int = params.epochs(50)
    strength: float = params.param(
        1.0,
        low=0.0,
        high=2.0,
        help="How much the copies are changed. 0 changes nothing, so every image recognises its "
        "copy by its pixels.",
    )
    instance_temperature: float = params.param(
        0.5,
        low=0.05,
        high=5.0,
        log=True,
        help="Temperature between images. Small values push the most similar images apart.",
    )
    cluster_temperature: float = params.param(
        1.0,
        low=0.05,
        high=5.0,
        log=True,
        help="Temperature between clusters. Small values push the most similar clusters apart.",
    )
    instance_weight: float = params.param(
        1.0,
        low=0.0,
        high=10.0,
        advanced=True,
        help="Weight of telling images apart; 1 in the paper. 0 trains the cluster head alone.",
    )
    n_features: int = params.param(
        64, low=2, high=512, advanced=True, help="Width of the rows that tell images apart."
    )
    n_hidden: int = params.param(
        256, low=8, high=2048, advanced=True, help="Width of the hidden layer of each head."
    )
    batch_size: int = params.batch_size(256)
    learning_rate: float = params.learning_rate(1e-3)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        forward = forward_cost(partial(Network, settings=self), shape)
        evaluation = forward * (2 * n)
        return [
            PlannedPhase("start", 1, evaluation, "initialise"),
            # backward costs about two forwards, and there are two copies
            PlannedPhase("train", self.epochs, forward * (6 * n) + evaluation, "train", n),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the untrained network, then one per epoch."""
        inputs = Inputs(items, ctx.device)
        check_enough_items(len(inputs), self.n_clusters)
        network = ctx.keep("network", Network(inputs.shape, self))
        adam = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        optimiser = ctx.keep("optimiser", adam)
        step = ctx.step(partial(self._step, network, optimiser, inputs, ctx), optimiser)
        views = ctx.keep("views", Cell(int(ctx.rng.integers(2**31))))
        for _ in ctx.phase("start", 1):
            yield self._snapshot(network, inputs, views.value, {}, ctx)
        for _ in ctx.phase("train", self.epochs):
            if wanted := ctx.interventions():
                learner = Learner(network, optimiser, inputs, self.batch_size)
                learner.intervene(network.cluster.units(network.trunk, inputs, ctx), wanted, ctx)
            network.train()
            losses = self._epoch(step, len(inputs), ctx)
            yield self._snapshot(network, inputs, views.value, losses, ctx)

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log-probabilities of the cluster head; see `registry.Scoring`."""
        network = restored(lambda: Network(inputs.shape, self), state, "network", inputs.device)
        judging = (*network.cluster, nn.LogSoftmax(1))
        return ScoringChain([network.trunk], judging, gives_log_probabilities=True).eval()

    def _epoch(self, step: TrainingStep, n: int, ctx: Context) -> dict[str, float]:
        """Mean losses of one pass over all items, by name."""
        total = torch.zeros(4, device=ctx.device)
        for index in ctx.batches(n, even_batch(n, self.batch_size)):
            total += step(index) * len(index)
        names = ("loss", "instance_loss", "cluster_loss", "imbalance_in_batches")
        return dict(zip(names, (total / n).tolist(), strict=True))

    def _step(
        self,
        network: Network,
        optimiser: torch.optim.Optimizer,
        inputs: Inputs,
        ctx: Context,
        index: Tensor,
    ) -> Tensor:
        """Loss and its parts (4,) of one step on a batch (b,)."""
        ctx.at("change")
        x = inputs[index]
        one, other = self.augmentation(x), self.augmentation(x)
        ctx.at("encode")
        (rows, p), (rows_prime, p_prime) = network(one), network(other)
        ctx.at("compare rows")
        instance = nt_xent(rows, rows_prime, self.instance_temperature)
        ctx.at("compare columns")
        cluster = cluster_contrast(p, p_prime, self.cluster_temperature)
        uneven = imbalance(p) + imbalance(p_prime)
        loss = self.instance_weight * instance + cluster + uneven
        descend(optimiser, loss)
        return torch.stack((loss, instance, cluster, uneven)).detach()

    def _pass(self, network: Network, inputs: Inputs, views: int, ctx: Context) -> _Pass:
        generator = torch.Generator(ctx.device).manual_seed(views)  # the same copies every time

        def everything(x: Tensor) -> Tensor:
            features = network.trunk(x)
            answers = (*network.answers(features), *network(self.augmentation(x, generator)))
            return torch.cat([part.float() for part in (features, *answers)], 1)

        ctx.at("encode")
        out = embed(network, inputs, ctx, forward=everything)
        k, d = self.n_clusters, self.n_features
        return _Pass(*torch.split(out, [network.trunk.width, d, k, d, k], 1))

    def _snapshot(
        self,
        network: Network,
        inputs: Inputs,
        views: int,
        losses: Mapping[str, float],
        ctx: Context,
    ) -> Snapshot:
        now = self._pass(network, inputs, views, ctx)
        ctx.at("compare columns")
        scalars = {
            **losses,
            "imbalance": float(imbalance(now.p)),
            "confidence": float(now.p.amax(1).mean()),
            "share_agreeing": float((now.p.argmax(1) == now.p_prime.argmax(1)).float().mean()),
        }
        shown = fixed_order(len(inputs))[:PAIRS]
        artefacts = _tables(now, torch.from_numpy(shown).to(now.p.device))
        if inputs.is_image:
            x = inputs[shown]
            copies = torch.Generator(ctx.device).manual_seed(views + ctx.done)  # others each epoch
            artefacts["pairs"] = Artefact(
                "images",
                side_by_side(x, self.augmentation(x, copies)),
                "Images and changed copies",
                "Both images of a column belong together; all other images are to be told apart.",
                rows=("image", "changed"),
            )
        return Snapshot(
            embedding=principal(now.features, EMBEDDING_WIDTH).cpu().numpy(),
            assignments=now.p.argmax(1).cpu().numpy(),
            scalars=scalars,
            probabilities=now.p.cpu().numpy(),
            artefacts=artefacts,
        )


def _tables(now: _Pass, shown: Tensor) -> dict[str, Artefact]:
    """Cosines between the two copies along both axes, and the share of each cluster."""
    masses = torch.stack((now.p.mean(0), now.p_prime.mean(0)))
    return {
        "columns": Artefact(
            "matrix",
            cosines(now.p.T, now.p_prime.T).cpu().numpy(),
            "Clusters against clusters of the changed copies",
            "Cosine of column i with column j of the other table: only the diagonal should be "
            "strong. A strong cell elsewhere: two clusters that share images.",
            cluster_axes=(0, 1),
            axis_titles=("cluster of images", "cluster of changed copies"),
        ),
        "rows": Artefact(
            "matrix",
            cosines(now.rows[shown], now.rows_prime[shown]).cpu().numpy(),
            "Images against changed copies",
            "Cosine of the rows of ten images with those of their copies: the diagonal should be "
            "the strongest of its row.",
            rows=tuple(str(int(i)) for i in shown),
            columns=tuple(str(int(i)) for i in shown),
            axis_titles=("image", "changed copy"),
        ),
        "shares": Artefact(
            "bars",
            masses.cpu().numpy(),
            "Share of each cluster",
            "Equal bars mean equally full clusters, which the loss rewards.",
            rows=("images", "changed copies"),
            cluster_axes=(1,),
        ),
    }
