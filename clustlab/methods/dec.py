r"""# DEC: deep embedded clustering

## Idea

Start from an autoencoder and k-means on its code. Then let clusters and code shape each other:

1. **Soft assignment.** How near is item $i$ to centre $j$, compared with the other centres? A
   Student-t kernel answers:
   $$q_{ij} = \frac{(1 + \lVert z_i - \mu_j \rVert^2 / \alpha)^{-(\alpha + 1) / 2}}
   {\sum_{j'} (1 + \lVert z_i - \mu_{j'} \rVert^2 / \alpha)^{-(\alpha + 1) / 2}} .$$
2. **Target.** Square the answers, divide by the size of each cluster, and normalise:
   $$p_{ij} = \frac{q_{ij}^2 / f_j}{\sum_{j'} q_{ij'}^2 / f_{j'}}, \qquad f_j = \sum_i q_{ij} .$$
   Where the network is sure, $p$ is surer still; large clusters are held back.
3. **Train** encoder and centres to make $q$ more like $p$, by the loss
   $\mathrm{KL}(p \Vert q)$, while $p$ stays fixed. After some steps compute $p$ anew from all
   items.

No label is used: the network learns from its own confident answers.

## What to watch

- **Share changed** falls below 1 %, and training stops when it is below the tolerance.
- Dots are pulled to their centres: lobes shrink to tight balls with bridges between them. Images
  on the bridges are the doubtful ones.
- **Target** beside **probabilities**: doubtful rows stay doubtful, sure ones become sure.
- **Decoded centres** are digits at first. The decoder is not trained any more while the code
  moves, so they turn to noise; that is no failure.
- What counts is the gain over the step *initialise clusters*, a few points.

## Where it fails

- DEC sharpens what it starts from. Two digits in one cluster stay together, and a cluster
  without items is never refilled. Train again from the finished state: fresh centres may help.
- If all codes are close together, all $q$ are equal, $p = q$, and nothing is learnt. The code is
  therefore scaled once if the first answers are too unsure.
- After many updates every answer is sure, the wrong ones too.
- On photographs an autoencoder of pixels finds colours and backgrounds, and so does DEC.

## Source

Xie, Girshick and Farhadi (2016), *Unsupervised Deep Embedding for Clustering Analysis*, ICML,
eq. 1 to 3; copies of the items as in Guo et al. (2018), *Deep Embedded Clustering with Data
Augmentation*, ACML.

Deviations: end-to-end pre-training by default (layer-wise is a choice), Adam instead of gradient
descent with momentum, pixels in [0, 1], fewer passes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.autoencoding import TRAINING, VIEWS, AutoencoderSettings, AutoencoderTraining
from clustlab.parts.inputs import Inputs
from clustlab.parts.networks import Autoencoder, macs
from clustlab.parts.scoring import StudentT, kept, nearest_center, phase_of
from clustlab.parts.targets import hard_target, power_target, sinkhorn
from clustlab.types import Array, Artefact, Paper, PlannedPhase, Reported, Snapshot

UNSURE, SURE = 0.3, 0.6  # mean of max q below which the code is scaled, and what it is scaled to
NEARLY, LARGEST_EXPONENT, BISECTIONS = 0.9, 16.0, 16
SINKHORN_ROUNDS = 50  # until columns are equal within a thousandth
CHUNK_VALUES = 8_000_000  # differences of codes and centres held at once: 32 MB


def soft_assignment(z: Tensor, centers: Tensor, alpha: float = 1.0) -> Tensor:
    """Student-t similarity of codes to centres, (n, k), rows sum to 1. Xie et al. 2016, eq. 1.

    Parameters
    ----------
    z : Tensor
        Codes (n, d).
    centers : Tensor
        Centres (k, d).
    alpha : float
        Degrees of freedom: small values have heavy tails, large ones are close to a Gaussian.
    """
    distances = (z[:, None] - centers).square().sum(-1)  # (n, k)
    weights = (1 + distances / alpha) ** (-(alpha + 1) / 2)
    return weights / weights.sum(1, keepdim=True)


def target_distribution(q: Tensor) -> Tensor:
    """Sharpened and balanced soft assignment, (n, k), rows sum to 1. Xie et al. 2016, eq. 3.

    To be called with the rows of all items: cluster sizes of one batch say nothing about the set,
    and for a single row nothing is sharpened at all.

    Parameters
    ----------
    q : Tensor
        Soft assignment (n, k).
    """
    return power_target(q)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Mean over the rows of KL(p || q) in nats, a scalar. Xie et al. 2016, eq. 2, per item.

    Parameters
    ----------
    p : Tensor
        Target (n, k), a constant.
    q : Tensor
        Soft assignment (n, k).
    """
    log_q = q.clamp_min(torch.finfo(q.dtype).tiny).log()
    return functional.kl_div(log_q, p, reduction="batchmean")


def sure_scale(z: Tensor, centers: Tensor, alpha: float = 1.0) -> float:
    """Factor for codes and centres: 1, or above if the soft assignment is too close to uniform.

    The mean of the largest entry of each row grows with the factor, from 1/k up to a limit that
    the shape of the clusters sets. If it is below 0.3, the factor is found by bisection that lifts
    it to 0.6, or to nine tenths of that limit if this is less.
    """

    def sureness(exponent: float) -> float:
        scale = 2.0**exponent
        return float(soft_assignment_of_all(z * scale, centers * scale, alpha).amax(1).mean())

    if sureness(0.0) >= UNSURE:
        return 1.0
    low, high = 0.0, LARGEST_EXPONENT
    goal = min(SURE, NEARLY * sureness(high))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if sureness(middle) < goal else (low, middle)
    return float(2.0**low)


def soft_assignment_of_all(z: Tensor, centers: Tensor, alpha: float = 1.0) -> Tensor:
    """Soft assignment (n, k) of any number of codes, without gradients, in limited memory."""
    size = max(1, CHUNK_VALUES // max(1, centers.numel()))
    with torch.no_grad():
        return torch.cat([soft_assignment(part, centers, alpha) for part in torch.split(z, size)])


class Clusters(nn.Module):
    """The centres (k, d), as weights that are trained."""

    def __init__(self, k: int, d: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(k, d))


@dataclass(frozen=True)
class DEC(AutoencoderSettings):
    """Deep embedded clustering."""

    name: ClassVar[str] = "dec"
    title: ClassVar[str] = "DEC"
    idea: ClassVar[str] = "Sharpen the clusters of a code by learning from its confident answers."
    paper: ClassVar[Paper] = Paper(
        "Xie, Girshick and Farhadi",
        2016,
        "Unsupervised Deep Embedding for Clustering Analysis",
        "ICML",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported("mnist", 0.843, "all 70,000, best of several", "Xie et al. 2016"),
        Reported("mnist", 0.912, "all 70,000, mean of 10 runs", "a public Keras version of DEC"),
        Reported("mnist", 0.985, "all 70,000, with augmentation", "Guo et al. 2018"),
    )
    step_unit: ClassVar[str] = "target update"
    loop: ClassVar[tuple[str, ...]] = ("encode", "cluster", "target", "train")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "hidden_widths": "250-250-1000",
            "batch_size": 64,
            "epochs": 12,
            "update_interval": 30,
            "max_updates": 25,
            "cluster_learning_rate": 3e-4,
        },
        "standard": {"augmented": True, "epochs": 20, "max_updates": 30},
        "paper": {
            "pretraining": "layer-wise",
            "layer_epochs": 200,
            "epochs": 400,
            "update_interval": 160,
            "max_updates": 125,
        },
    }

    target: Literal["dec", "power", "hard", "sinkhorn"] = params.param(
        "dec",
        help="What the clusters are trained towards: sharpened and balanced (dec), the same with "
        "chosen exponents (power), the nearest centre alone (hard), or equal sizes (sinkhorn).",
    )
    gamma: float = params.param(
        2.0, low=1.0, high=20.0, advanced=True, help="Sharpening of the power target; DEC has 2."
    )
    delta: float = params.param(
        1.0, low=0.0, high=4.0, advanced=True, help="Balancing of the power target; DEC has 1."
    )
    alpha: float = params.param(
        1.0, low=0.1, high=100.0, log=True, advanced=True, help="Degrees of freedom of Student's t."
    )
    update_interval: int = params.param(
        140, low=1, high=10_000, log=True, help="Optimiser steps between updates of the target."
    )
    max_updates: int = params.param(
        40, low=1, high=2000, log=True, help="Upper limit on updates of the target."
    )
    tolerance: float = params.param(
        0.001,
        low=0.0,
        high=0.5,
        help="Stop when no more than this share of the items changes its cluster in an update.",
    )
    cluster_learning_rate: float = params.learning_rate(1e-4)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        network = self.blank(shape)
        encoding = macs(network, network.shape, network.encode)
        step = encoding * (TRAINING * min(self.batch_size, n))
        update = step * self.update_interval + encoding * n
        return [
            *self.pretraining_plan(n, shape),
            self.initialisation_plan("initialise clusters", n, shape),
            PlannedPhase("cluster", self.max_updates, update),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per epoch of pre-training, then one per update of the target."""
        training = AutoencoderTraining(self, items, ctx)
        stage = _Clustering(self, training, ctx)
        yield from training.start()
        yield from training.pretrain(0 if ctx.is_warm else self.epochs)
        for _ in ctx.phase("initialise clusters", 1):
            yield stage.initialise()
        for _ in ctx.phase("cluster", self.max_updates):
            if stage.changed.value <= self.tolerance:
                return
            yield stage.update()

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log of the soft assignment; closeness to the centres before; see `registry.Scoring`."""
        if phase_of(state) not in ("initialise clusters", "cluster"):
            return self.code_scorer(inputs, state)
        centers = kept(state, "clusters")["centers"].to(inputs.device)
        distances = nearest_center(self.code_encoder(inputs, state), centers)
        return nn.Sequential(*distances, StudentT(self.alpha))

    def target_of(self, q: Tensor) -> Tensor:
        """Target (n, k) of the soft assignment (n, k) of all items, by the chosen rule."""
        if self.target == "power":
            return power_target(q, self.gamma, self.delta)
        if self.target == "hard":
            return hard_target(q)
        if self.target == "sinkhorn":
            tiny = torch.finfo(q.dtype).tiny
            return sinkhorn(q.clamp_min(tiny).log(), rounds=SINKHORN_ROUNDS)
        return target_distribution(q)


class _Clustering:
    """The second stage of DEC: encoder and centres follow the target."""

    def __init__(self, settings: DEC, training: AutoencoderTraining, ctx: Context) -> None:
        self.settings, self.training, self.ctx = settings, training, ctx
        network, n, k = training.network, len(training.inputs), settings.n_clusters
        self.clusters = ctx.keep("clusters", Clusters(k, network.code))
        weights = [*network.encoder.parameters(), *self.clusters.parameters()]
        self.optimiser = ctx.keep(
            "cluster optimiser",
            Adam(weights, settings.cluster_learning_rate, fused=True),
            across_runs=False,  # the centres are drawn anew, so their momentum has no meaning
        )
        self.target = ctx.keep("target", Cell(torch.zeros(n, k, device=ctx.device)))
        before = torch.zeros(n, dtype=torch.long, device=ctx.device)
        self.assignments = ctx.keep("assignments", Cell(before))
        self.changed = ctx.keep("share changed", Cell(1.0), across_runs=False)

    def initialise(self) -> Snapshot:
        """Snapshot with centres from k-means, in a code of suitable scale."""
        z = self.training.code()
        found = self.training.clusters(z)
        scale = sure_scale(z, found.centers, self.settings.alpha)
        rescale_code(self.training.network, scale)
        with torch.no_grad():
            self.clusters.centers.copy_(found.centers * scale)
        scalars = {"inertia": found.inertia * scale**2, "code scale": scale}
        return self._snapshot(z * scale, scalars)

    def update(self) -> Snapshot:
        """Snapshot after some steps towards the target, with the next target."""
        loss = self._train()
        return self._snapshot(self.training.code(), {"loss": loss})

    def _train(self) -> float:
        """Mean KL(p || q) over the steps between two updates."""
        settings, inputs, network = self.settings, self.training.inputs, self.training.network
        self.ctx.at("train")
        network.train()
        size = min(settings.batch_size, len(inputs))
        total = torch.zeros((), device=self.ctx.device)
        for index in self.ctx.slices(self._order(size * settings.update_interval), size):
            x = inputs[index]
            z = network.encode(VIEWS(x) if settings.augmented else x).float()
            p = self.target.value[torch.from_numpy(index).to(z.device)]
            loss = kl_divergence(p, soft_assignment(z, self.clusters.centers, settings.alpha))
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += loss.detach()
        return float(total) / settings.update_interval

    def _order(self, length: int) -> Array:
        """Item numbers for so many places: one random order of all items after the other."""
        n = len(self.training.inputs)
        orders = [self.ctx.rng.permutation(n) for _ in range(-(-length // n))]
        return np.concatenate(orders)[:length]

    def _snapshot(self, z: Tensor, scalars: Mapping[str, float]) -> Snapshot:
        self.ctx.at("cluster")
        centers = self.clusters.centers.detach()
        q = soft_assignment_of_all(z, centers, self.settings.alpha)
        assignments = q.argmax(1)
        self.ctx.at("target")
        self.target.value = self.settings.target_of(q)
        measured = {"confidence": float(q.amax(1).mean())}
        if self.ctx.phase_name == "cluster":
            self.changed.value = float((assignments != self.assignments.value).float().mean())
            measured["share changed"] = self.changed.value
        self.assignments.value = assignments
        return Snapshot(
            z.cpu().numpy(),
            assignments.cpu().numpy(),
            {**scalars, **measured},
            probabilities=q.cpu().numpy(),
            centers=centers.cpu().numpy(),
            artefacts={**self._artefacts(q), **self.training.pictures(centers)},
        )

    def _artefacts(self, q: Tensor) -> dict[str, Artefact]:
        p = self.target.value
        masses = torch.stack((q.sum(0), p.sum(0)))
        return {
            "target": Artefact(
                "per_item",
                p.cpu().numpy(),
                "Target p",
                reading="What the probabilities are trained towards: surer where they are sure.",
                cluster_axes=(1,),
            ),
            "sizes": Artefact(
                "bars",
                masses.cpu().numpy(),
                "Soft cluster sizes",
                reading="Sums over all items. Where the target is lower, the cluster is held back.",
                rows=("f: sum of q", "sum of p"),
                cluster_axes=(1,),
            ),
        }


def rescale_code(network: Autoencoder, scale: float) -> None:
    """Multiply every code of a network by a factor, in its weights; its reconstructions stay."""
    inner, outer = network.pairs[-1]
    with torch.no_grad():
        inner.weight.mul_(scale)
        inner.bias.mul_(scale)
        outer.weight.div_(scale)
