r"""Clusters that an image and a changed copy of it agree on.

## Idea

Show the network an image and a changed copy of it: turned, cropped, lighter or darker. Both must
land in the same cluster, and knowing the cluster of one must tell as much as possible about the
cluster of the other. That is the mutual information of the two answers $z$ and $z'$,

$$I(z; z') = \sum_{ij} P_{ij} \ln \frac{P_{ij}}{P_i P_j},
\qquad P = \frac1n \sum_x \Phi(x)\,\Phi(gx)^\top .$$

It is largest, $\ln K$, when every image is sure of its cluster, both copies agree, and all $K$
clusters are equally full. So one term rules out both ways of cheating: putting everything into
one cluster, and never deciding.

Several heads share one network and start from different random weights. The head with the lowest
loss over the whole set is the answer; no label is needed to pick it.

## What to watch

- The **joint matrix** starts flat and turns into a strong diagonal. Strong cells off it: two
  clusters that the changes mix up.
- **Mutual information** climbs towards $\ln K$ (2.303 for ten clusters) and stops on plateaus. A
  head that puts two digits together gets no further than 2.23.
- **Loss per head**: heads settle into different divisions of the same features. Gaps below 0.01
  mean nothing; a gap of 0.07 or more is a merged or split class.
- **Head agreement**: the mean NMI of all pairs of heads over all items. At 1 all heads divide them
  alike; far below, the answer depends on which head happens to have the lowest loss.

## Where it fails

- Where the changes are wrong about what stays the same: a mirrored 2 is no 2, and a digit cropped
  too hard may be another digit. Changes that are too weak give clusters by slant and thickness.
- Where classes are far from equally large: equally full clusters are rewarded.
- Two classes share a cluster and a third is cut in half; training longer rarely undoes it. Take
  another seed and compare the losses, more heads, or the auxiliary head.

## Source

Ji, Henriques and Vedaldi (2019), *Invariant Information Clustering for Unsupervised Image
Classification and Segmentation*, ICCV; the loss is eq. 3, the heads are section 4.

Deviations: three strided convolutions instead of four pooled ones, the full image beside one
changed copy, both kinds of head trained in one step, large mixed batches for results, fewer passes.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.hooks.interventions import ALL, Offer, Wanted
from clustlab.parts.hooks.output_units import Learner
from clustlab.parts.hooks.scoring import head_scorer, restored
from clustlab.parts.inputs.augmentation import Augmentation, side_by_side
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.inputs.sampling import fixed_order
from clustlab.parts.losses.information import joint_artefacts, overlap
from clustlab.parts.losses.simplex import joint_probabilities
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import ChangedCopies, even_batch
from clustlab.parts.networks.heads import Heads, head_agreement, loss_bars
from clustlab.parts.networks.passes import embed, pass_size
from clustlab.types import Array, Artefact, MethodFamily, Paper, PlannedPhase, Reported, Snapshot

EMBEDDING_WIDTH = 32  # principal components of the features that a snapshot keeps
PAIRS = 10  # images shown beside a changed copy
LOGGED = "train + test, head of lowest loss, one run, checkpoint by labels"
VIEWS = Augmentation(
    crop=0.15,
    rotation=25,
    shift=0.1,
    scale=0.15,
    shear=0.3,
    brightness=0.4,
    contrast=0.4,
    noise=0.1,
)


def iic_loss(p: Tensor, p_prime: Tensor, lam: float = 1.0) -> Tensor:
    """Negative mutual information of two sets of cluster probabilities in nats, (...), or a scalar.

    With `lam` 1 it lies in [-ln k, 0]: 0 for answers that tell nothing about each other, -ln k
    for sure, equal and equally frequent ones. Larger values reward equal frequency more. Ji et
    al. 2019, eq. 3 and 5.

    Parameters
    ----------
    p, p_prime : Tensor
        Cluster probabilities (..., n, k) of the items and of their changed copies, in the same
        order; axes in front, such as heads, have a loss each.
    lam : float
        Weight of the entropy of the marginals.
    """
    joint = joint_probabilities(p, p_prime)
    marginal = joint.sum(-1)
    tiny = torch.finfo(joint.dtype).tiny  # keeps the gradient of 0 ln 0 finite
    # both marginals are equal, so their two terms are one
    balance = 2 * lam * (marginal * marginal.clamp_min(tiny).log()).sum(-1)
    return balance - (joint * joint.clamp_min(tiny).log()).sum((-2, -1))


class Network(nn.Module):
    """An encoder with one or two groups of heads; BatchNorm uses the batch at hand as a rule."""

    def __init__(self, shape: tuple[int, ...], settings: "IIC") -> None:
        super().__init__()
        kept = settings.running_statistics
        # its name in stored checkpoints
        self.trunk = settings.build_network(shape, track_running_stats=kept)
        sizes = [k for k in (settings.n_clusters, settings.n_clusters_over) if k is not None]
        groups = [Heads(self.trunk.width, settings.n_heads, k) for k in sizes]
        self.groups = nn.ModuleList(groups)  # main heads, then auxiliary ones if any

    @property
    def main(self) -> Heads:
        """Heads of which one is the answer."""
        return cast("Heads", self.groups[0])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Probabilities (heads, b, k) of each group for a batch of items."""
        return self.answers(self.trunk(x))

    def answers(self, features: Tensor) -> list[Tensor]:
        """The same from the features (b, width)."""
        return [heads(features) for heads in self.groups]


class _Pass(NamedTuple):
    """Answers to the whole set and to one fixed changed copy of it."""

    features: Tensor  # (n, width)
    p: Tensor  # (heads, n, k)
    p_prime: Tensor  # (heads, n, k), of the changed copies
    over: Tensor  # (n, k_over) of the first auxiliary head, or (n, 0)


@dataclass(frozen=True)
class IIC(ChangedCopies):
    """Clusters that an image and its changed copy agree on."""

    name: ClassVar[str] = "iic"
    title: ClassVar[str] = "IIC"
    idea: ClassVar[str] = "Make the cluster of an image predict that of its changed copy."
    paper: ClassVar[Paper] = Paper(
        authors="Ji, Henriques, Vedaldi",
        year=2019,
        title="Invariant Information Clustering for Unsupervised Image Classification and "
        "Segmentation",
        venue="ICCV",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported("mnist", 0.992, LOGGED, "Ji et al. 2019"),
        Reported("mnist", 0.984, "all 70,000, mean of heads, quoted by a reader", "Ji et al. 2019"),
        Reported("cifar10", 0.617, LOGGED, "log of its authors"),
        Reported("stl10", 0.596, LOGGED, "log of its authors"),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "classifier"
    loop: ClassVar[tuple[str, ...]] = ("change", "encode", "compare", "choose head")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    views: ClassVar[Augmentation] = VIEWS
    interventions: ClassVar[Offer] = {"train": ALL}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "epochs": 20,
            "batch_size": 128,
            "width": 16,
            "learning_rate": 2e-3,
            "strength": 0.7,
        },
        "standard": {},
        "paper": {
            "epochs": 3200,
            "learning_rate": 1e-4,
            "batch_size": 140,
            "repeats": 5,
            "width": 64,
            "depth": 4,
            "n_clusters_over": 50,
        },
    }

    epochs: int = params.epochs(
        40,
        "How often training passes over all items. Here a pass trains both kinds of head; each of "
        "the 3,200 published epochs is one pass for the fine heads and two for the others.",
    )
    n_heads: int = params.param(
        5,
        low=1,
        high=20,
        help="Heads that share the network. Each finds its own division; the one with the lowest "
        "loss is kept.",
    )
    n_clusters_over: int | None = params.param(
        30,
        low=2,
        high=500,
        none_word="off",
        help="Clusters of the auxiliary heads, which divide more finely and help the shared "
        "network. 'off' trains without them.",
    )
    strength: float = params.param(
        1.0,
        low=0.0,
        high=2.0,
        help="How much the copies are changed. 0 changes nothing, so that any division is "
        "invariant; 2 doubles angles, crops and light.",
    )
    balance_weight: float = params.param(
        1.0,
        low=0.5,
        high=3.0,
        advanced=True,
        help="Weight of equally full clusters (lambda in the paper). 1 is mutual information.",
    )
    repeats: int = params.param(
        1,
        low=1,
        high=10,
        advanced=True,
        help="Changed copies of each image in a batch. More copies estimate the loss better.",
    )
    running_statistics: bool = params.param(
        False,
        advanced=True,
        help="Compute the result with BatchNorm in evaluation mode, from averages over past "
        "batches. If off, it comes from the statistics of large mixed batches, as in "
        "training.",
    )
    batch_size: int = params.batch_size(256)
    learning_rate: float = params.learning_rate(1e-3)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        forward = forward_cost(partial(Network, settings=self), shape)
        evaluation = forward * (2 * n)
        training = forward * (3 * n * (1 + self.repeats))  # backward costs about two forwards
        return [
            PlannedPhase("start", 1, evaluation, "initialise"),
            PlannedPhase("train", self.epochs, training + evaluation, "train", n),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the untrained network, then one per epoch."""
        check_enough_items(len(items), self.n_clusters)
        run = _Run(self, items, ctx)
        for _ in ctx.phase("start", 1):
            yield run.snapshot({})
        for _ in ctx.phase("train", self.epochs):
            if wanted := ctx.interventions():
                run.intervene(wanted)
            yield run.snapshot(run.epoch())

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log-probabilities of the head that was chosen at the step; see `registry.Scoring`."""
        network = restored(lambda: Network(inputs.shape, self), state, "network", inputs.device)
        chosen = int(last.scalars["chosen_head"]) - 1
        return head_scorer(network.trunk, network.groups[0], chosen, inputs)


class _Run:
    """What one run of IIC keeps: the network, and which head is shown."""

    def __init__(self, settings: IIC, items: Array, ctx: Context) -> None:
        self.settings, self.ctx = settings, ctx
        self.inputs = Inputs(items, ctx.device)
        self.network = ctx.keep("network", Network(self.inputs.shape, settings))
        adam = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        self.optimiser = ctx.keep("optimiser", adam)
        self.step = ctx.step(self._step, self.optimiser)
        self.views = ctx.keep("views", Cell(int(ctx.rng.integers(2**31))))
        self.chosen = ctx.keep("chosen head", Cell(0))
        self.changed = ctx.keep("changed by hand", Cell(False), across_runs=False)

    def intervene(self, wanted: Wanted) -> None:
        """Change the learning rate, or the clusters of the head that is shown, from then on."""
        network, size = self.network, self.settings.batch_size
        units = network.main.units(self.chosen.value, network.trunk, lambda: self._pass().features)
        learner = Learner(network, self.optimiser, self.inputs, size)
        # another head may have the lower loss now, which would hide what was changed
        self.changed.value |= learner.intervene(units, wanted, self.ctx)

    def epoch(self) -> dict[str, float]:
        """Mean losses of one pass over all items, by name."""
        self.network.train()
        total: Tensor | None = None
        n = len(self.inputs)
        for index in self.ctx.batches(n, even_batch(n, self.settings.batch_size)):
            part = self.step(index) * (len(index) / n)
            total = part if total is None else total + part
        means = [] if total is None else total.tolist()
        return dict(zip(("loss", "auxiliary_loss"), means, strict=False))

    def _step(self, index: Tensor) -> Tensor:
        """Losses (1,) or (2,) of one step on the items of a batch (b,)."""
        s, ctx, network = self.settings, self.ctx, self.network
        ctx.at("change")
        x = self.inputs[index]
        copies = torch.cat([s.augmentation(x) for _ in range(s.repeats)])
        ctx.at("encode")
        clean = [p.repeat(1, s.repeats, 1) for p in network(x)]
        changed = network(copies)
        ctx.at("compare")
        losses = self._losses(clean, changed)
        self.optimiser.zero_grad()
        torch.autograd.backward(losses.sum())
        self.optimiser.step()
        return losses.detach()

    def _losses(self, clean: list[Tensor], changed: list[Tensor]) -> Tensor:
        """Mean loss over the heads of each group, (1,) or (2,)."""
        weight = self.settings.balance_weight
        groups = zip(clean, changed, strict=True)
        return torch.stack([iic_loss(p, p_prime, weight).mean() for p, p_prime in groups])

    def _pass(self) -> _Pass:
        s, ctx, inputs, network = self.settings, self.ctx, self.inputs, self.network
        generator = torch.Generator(ctx.device).manual_seed(self.views.value)  # always the same

        def everything(x: Tensor) -> Tensor:
            features = network.trunk(x)
            p, *over = network.answers(features)
            p_prime, *_ = network(s.augmentation(x, generator))
            heads = torch.cat([*p, *p_prime, *(group[0] for group in over)], 1)
            return torch.cat((features.float(), heads.float()), 1)

        n, k, heads = len(inputs), s.n_clusters, s.n_heads
        # every batch must be large and mixed, since BatchNorm uses its statistics
        size = even_batch(n, pass_size(inputs.shape))
        out = embed(network, inputs, ctx, forward=everything, size=size, order=fixed_order(n))
        widths = [network.trunk.width, heads * k, heads * k]
        features, p, p_prime, over = torch.split(out, [*widths, out.shape[1] - sum(widths)], 1)
        p, p_prime = (each.reshape(n, heads, k).transpose(0, 1) for each in (p, p_prime))
        return _Pass(features, p, p_prime, over)

    def snapshot(self, losses: Mapping[str, float]) -> Snapshot:
        """Snapshot of the head of lowest loss, or of the one that was changed by hand."""
        s, ctx, inputs = self.settings, self.ctx, self.inputs
        ctx.at("choose head")
        now = self._pass()
        by_head = iic_loss(now.p, now.p_prime, s.balance_weight).tolist()
        if not self.changed.value:
            self.chosen.value = int(np.argmin(by_head))
        chosen = self.chosen.value
        p = now.p[chosen]
        scalars = {
            **losses,
            "mutual_information": -float(iic_loss(p, now.p_prime[chosen])),
            "mutual_information_ceiling": math.log(s.n_clusters),
            "chosen_head": chosen + 1,
            **head_agreement(now.p),
            **{f"loss_head_{i + 1}": loss for i, loss in enumerate(by_head)},
        }
        artefacts = {
            **joint_artefacts(p, now.p_prime[chosen]),
            "heads": loss_bars(by_head, chosen),
            **overlap(now.over, p),
        }
        if inputs.is_image:
            first = inputs[fixed_order(len(inputs))[:PAIRS]]
            others = self.views.value + ctx.done  # in each epoch
            copies = torch.Generator(ctx.device).manual_seed(others)
            artefacts["pairs"] = Artefact(
                "images",
                side_by_side(first, s.augmentation(first, copies)),
                "Images and changed copies",
                "The network must give both images of a column to the same cluster.",
                rows=("image", "transformed"),
            )
        return Snapshot(
            embedding=principal(now.features, EMBEDDING_WIDTH).cpu().numpy(),
            assignments=p.argmax(1).cpu().numpy(),
            scalars=scalars,
            probabilities=p.cpu().numpy(),
            artefacts=artefacts,
        )
