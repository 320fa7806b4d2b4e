r"""# RIM: regularised information maximisation

## Idea

Train a classifier without labels. What can be asked of it? That it is **sure** of every item, and
that it uses **all** its answers. One number holds both: the mutual information of item $x$ and
answer $y$,

$$I(x; y) = H(y) - H(y \mid x)
= H\Bigl(\frac1n \sum_i p_i\Bigr) - \frac1n \sum_i H(p_i) .$$

It is largest, $\ln K$, when every answer is sure and all clusters are equally full. But *any* cut
of the items into $K$ equal parts reaches that, however ragged its borders. So simple classifiers
are preferred, and the loss is

$$L = H(y \mid x) - H(y) + \lambda \lVert W \rVert^2 .$$

Small weights mean wide, straight borders, and being sure of every item then forces the borders
to where few items are.

## What to watch

- The **entropy pair**: $H(y)$ stays near $\ln K$, $H(y \mid x)$ falls. The gap between the two is
  the mutual information.
- The **weights** of the linear classifier are images: bright pixels speak for a cluster, dark
  ones against it.
- **Weight decay** at 0 with the small network: mutual information reaches its ceiling within a few
  epochs, and the clusters mean little. This is the failure that IMSAT addresses.
- **Doubt** is large where a border runs through a dense group.

## Where it fails

- Small weights are not what makes two images belong to the same class. A network that bends its
  borders cheaply finds sure, equal and meaningless clusters.
- A linear border between digits hardly exists in pixels: the result is little better than k-means.
- Equal size is built in: a large class is cut, small ones are joined.
- Batches that are too small know little of $H(y)$: at least twenty items per cluster.

## Source

Krause, Perona and Gomes (2010), *Discriminative Clustering by Regularized Information
Maximization*, NIPS, section 2; the small network as in Hu et al. (2017), ICML.

Deviations: Adam on batches instead of L-BFGS on all items, no kernels, items scaled as a whole to
variance 1; by default the classifier is first fitted to k-means for a few passes.
"""

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
from clustlab.parts.clustering.kmeans import check_enough_items, kmeans
from clustlab.parts.hooks.interventions import ALL, RATE, Offer, change_rate
from clustlab.parts.hooks.output_units import Learner
from clustlab.parts.hooks.scoring import in_order, restored
from clustlab.parts.inputs.network_input import Inputs, features
from clustlab.parts.inputs.pca import principal
from clustlab.parts.losses.information import (
    conditional_entropy,
    entropy_artefacts,
    entropy_scalars,
    marginal_entropy,
)
from clustlab.parts.networks.classifier import Classifier, answers, units
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import even_batch
from clustlab.parts.networks.passes import descend
from clustlab.training_step import TrainingStep
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

EMBEDDING_WIDTH = 32  # principal components of the scores that a snapshot keeps
KMEANS_STEPS = 30
COMPONENTS = 50  # of the items, on which k-means runs
START_EPOCHS = 5  # passes that fit the classifier to k-means
TRAINING = 3  # a training step costs about three forward passes
SMALLEST_DEVIATION = 1e-6  # below it all items are equal
HIDDEN: Mapping[str, tuple[int, ...]] = {
    "linear": (),
    "small net": (400, 400),
    "deep net": (1200, 1200),
}


def rim_loss(p: Tensor, weights: list[Tensor], weight_decay: float) -> Tensor:
    """H(y|x) - H(y) + decay times the sum of squared weights, a scalar, at least -ln k.

    Krause et al. 2010, with the sign turned so that it is lowered.

    Parameters
    ----------
    p : Tensor
        Cluster probabilities (n, k).
    weights : list of Tensor
        Weights that shall be small; offsets are none of them.
    weight_decay : float
        Their price, lambda.
    """
    squares = torch.stack([weight.square().sum() for weight in weights]).sum()
    return conditional_entropy(p) - marginal_entropy(p) + weight_decay * squares


@dataclass(frozen=True)
class RIM:
    """A classifier that is sure, balanced and simple."""

    name: ClassVar[str] = "rim"
    title: ClassVar[str] = "RIM"
    idea: ClassVar[str] = "Train a simple classifier to be sure and to use all its answers."
    paper: ClassVar[Paper] = Paper(
        authors="Krause, Perona and Gomes",
        year=2010,
        title="Discriminative Clustering by Regularized Information Maximization",
        venue="NIPS",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist",
            0.596,
            "linear; second-hand, the table itself was not read",
            "in the IMSAT paper, Hu et al. 2017",
        ),
        Reported(
            "mnist",
            0.585,
            "deep; second-hand, the table itself was not read",
            "in the IMSAT paper, Hu et al. 2017",
        ),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "classifier"
    loop: ClassVar[tuple[str, ...]] = ("start", "classify", "weigh entropies", "assign")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    interventions: ClassVar[Offer] = {"fit k-means": RATE, "train": ALL}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 20},
        "standard": {},
        "paper": {"epochs": 200, "start": "random"},
    }

    n_clusters: int = params.n_clusters()
    epochs: int = params.epochs(50)
    network: Literal["linear", "small net", "deep net"] = params.param(
        "linear",
        help="A linear classifier with straight borders, as in the paper, or one with two hidden "
        "layers: of 400, or of 1,200 as in the published comparison with IMSAT.",
    )
    weight_decay: float = params.param(
        0.04,
        low=0.0,
        high=1.0,
        help="Price of large weights. 0 lets any sure and balanced answer win, a large one leaves "
        "every answer unsure. The published comparison chose it among 0.0025 times powers of 2.",
    )
    start: Literal["k-means", "random"] = params.param(
        "k-means",
        help="Fit the classifier to k-means for a few passes first, or begin with answers that "
        "are all alike, which makes seeds differ more.",
    )
    batch_size: int = params.batch_size(250)
    learning_rate: float = params.learning_rate(2e-3)

    def build_network(self, shape: tuple[int, ...]) -> Classifier:
        """Untrained classifier for items of a shape, (c, h, w) or (d,), as they are."""
        return Classifier(shape, HIDDEN[self.network], self.n_clusters)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        look = forward_cost(self.build_network, shape) * n
        size = int(np.prod(shape))
        kmeans_cost = Cost(linear=float(n * COMPONENTS * (2 * size + 2 * KMEANS_STEPS)))
        epoch = look * (TRAINING + 1)
        fitting = PlannedPhase(
            "fit k-means", START_EPOCHS, epoch + kmeans_cost * 0.2, "pretrain", n
        )
        return [
            PlannedPhase("start", 1, look, "initialise"),
            *([fitting] if self.start == "k-means" else []),
            PlannedPhase("train", self.epochs, epoch, "train", n),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the blank classifier, then one per epoch."""
        inputs = Inputs(items, ctx.device)
        check_enough_items(len(inputs), self.n_clusters)
        network = ctx.keep("network", self._network(inputs))
        adam = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        optimiser = ctx.keep("optimiser", adam)
        step = ctx.step(partial(self._step, network, optimiser, inputs, ctx), optimiser)
        nothing = torch.zeros(len(inputs), dtype=torch.long, device=ctx.device)
        pseudo_labels = ctx.keep("pseudo_labels", Cell(nothing), across_runs=False)
        fitted = self.start == "k-means" and not ctx.is_warm
        for _ in ctx.phase("start", 1):
            ctx.at("start")
            if fitted:
                x = principal(torch.from_numpy(features(items)).to(ctx.device), COMPONENTS)
                clustering = kmeans(x, self.n_clusters, ctx, max_iter=KMEANS_STEPS)
                pseudo_labels.value = clustering.assignments
            yield self._snapshot(network, inputs, {}, ctx)
        for _ in ctx.phase("fit k-means", START_EPOCHS * fitted):
            change_rate(optimiser, ctx.interventions())
            network.train()
            losses = {"cross_entropy": self._epoch(step, len(inputs), ctx, pseudo_labels.value)}
            yield self._snapshot(network, inputs, losses, ctx)
        for _ in ctx.phase("train", self.epochs):
            if wanted := ctx.interventions():
                learner = Learner(network, optimiser, inputs, self.batch_size)
                learner.intervene(units(network, inputs, ctx), wanted, ctx)
            network.train()
            losses = {"loss": self._epoch(step, len(inputs), ctx)}
            yield self._snapshot(network, inputs, losses, ctx)

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log-probabilities of the classifier; see `registry.Scoring`."""
        blank = lambda: self.build_network(inputs.shape)  # noqa: E731
        return restored(blank, state, "network", inputs.device).scorer()

    def _network(self, inputs: Inputs) -> Classifier:
        """Untrained classifier of items whose mean is taken away and whose variance is 1."""
        parts = [
            (b.mean(0).flatten(), b.square().mean(0).flatten(), len(b)) for b in in_order(inputs)
        ]
        mean = torch.stack([first * m for first, _, m in parts]).sum(0) / len(inputs)
        square = torch.stack([second * m for _, second, m in parts]).sum(0) / len(inputs)
        deviation = float((square - mean.square()).mean().clamp_min(0).sqrt())
        hidden = HIDDEN[self.network]
        factor = 1 / max(deviation, SMALLEST_DEVIATION)
        return Classifier(inputs.shape, hidden, self.n_clusters, shift=mean.cpu(), factor=factor)

    def _epoch(
        self, step: TrainingStep, n: int, ctx: Context, targets: Tensor | None = None
    ) -> float:
        """Mean loss over one pass of training towards targets (n,), or without them."""
        total = torch.zeros((), device=ctx.device)
        for index in ctx.batches(n, even_batch(n, self.batch_size)):
            given = [] if targets is None else [targets[index]]
            total += step(index, *given) * (len(index) / n)
        return float(total)

    def _step(
        self,
        network: Classifier,
        optimiser: torch.optim.Optimizer,
        inputs: Inputs,
        ctx: Context,
        index: Tensor,
        targets: Tensor | None = None,
    ) -> Tensor:
        """Loss of one step on a batch (b,): the misfit of targets, or that of RIM without them."""
        ctx.at("classify")
        scores = network(inputs[index])
        if targets is None:
            ctx.at("weigh entropies")
            loss = rim_loss(scores.softmax(1), network.weights(), self.weight_decay)
        else:
            loss = functional.cross_entropy(scores, targets)
        descend(optimiser, loss)
        return loss.detach()

    def _snapshot(
        self, network: Classifier, inputs: Inputs, losses: Mapping[str, float], ctx: Context
    ) -> Snapshot:
        ctx.at("assign")
        _, scores = answers(network, inputs, ctx)
        p = scores.softmax(1)
        with torch.no_grad():
            size = torch.stack([weight.square().sum() for weight in network.weights()]).sum()
        scalars = {**losses, **entropy_scalars(p), "squared_weights": float(size)}
        artefacts = entropy_artefacts(p, scalars)
        if inputs.is_image and self.network == "linear":
            artefacts["weights"] = Artefact(
                "images",
                weight_images(network.head.weight, inputs.shape),
                "Weights",
                "Bright pixels speak for the cluster, dark ones against it, grey ones say nothing.",
                cluster_axes=(1,),
            )
        return Snapshot(
            embedding=principal(scores, EMBEDDING_WIDTH).cpu().numpy(),
            assignments=scores.argmax(1).cpu().numpy(),
            scalars=scalars,
            probabilities=p.cpu().numpy(),
            artefacts=artefacts,
        )


def weight_images(weight: Tensor, shape: tuple[int, ...]) -> Array:
    """Rows of weights (k, c h w) as images (1, k, h, w, c) uint8, 0 as the middle grey.

    All share one scale, that of the largest weight.
    """
    w = weight.detach().float().cpu()
    largest = w.abs().max().clamp_min(torch.finfo(w.dtype).tiny)
    pixels = (127.5 + 127.5 * w / largest).round().clamp(0, 255).byte()
    images: Array = pixels.view(-1, *shape).permute(0, 2, 3, 1).numpy()
    return images[None]
