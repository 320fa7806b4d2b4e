"""What DEC and its relatives share: centres in the code that are trained towards a target."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.hooks.interventions import (
    ALL,
    Offer,
    change_rate,
    moved_centers,
    scrambled_rows,
)
from clustlab.parts.hooks.scoring import Closeness, ScoringChain, StudentT, kept, phase_of
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.losses.soft_assignment import (
    kl_divergence,
    soft_assignment,
    soft_assignment_of_all,
    sure_scale,
    target_distribution,
)
from clustlab.parts.losses.targets import hard_target, power_target, sinkhorn
from clustlab.parts.networks.autoencoder import Autoencoder
from clustlab.parts.networks.cost import macs
from clustlab.parts.stages.autoencoding import (
    TRAINING,
    VIEWS,
    AutoencoderSettings,
    AutoencoderTraining,
    rescale_code,
)
from clustlab.types import Array, Artefact, Cost, Intervention, PlannedPhase, Scalar, Snapshot

SINKHORN_ROUNDS = 50  # until columns are equal within a thousandth


class Clusters(nn.Module):
    """The centres (k, d), as weights that are trained."""

    def __init__(self, k: int, d: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(k, d))


@dataclass(frozen=True)
class EmbeddedSettings(AutoencoderSettings):
    """Hyperparameters and loop of a method that trains a code and its centres together."""

    interventions: ClassVar[Offer] = {**AutoencoderSettings.interventions, "cluster": ALL}
    scalars: ClassVar[tuple[Scalar, ...]] = (
        # the target sharpens with the answers, so the divergence from it grows
        Scalar("loss", "Loss", better="lower", is_training_loss=True, course="rises"),
    )

    target: Literal["dec", "power", "hard", "sinkhorn"] = params.param(
        "dec",
        help="What the clusters are trained towards: sharpened and balanced (dec), the same with "
        "chosen exponents (power), the nearest centre alone (hard), or equal sizes (sinkhorn).",
    )
    gamma: float = params.param(
        2.0, low=1.0, high=20.0, advanced=True, help="Sharpening of the power target; DEC uses 2."
    )
    delta: float = params.param(
        1.0, low=0.0, high=4.0, advanced=True, help="Balancing of the power target; DEC uses 1."
    )
    alpha: float = params.param(
        1.0, low=0.1, high=100.0, log=True, advanced=True, help="Degrees of freedom of Student's t."
    )
    code_scale: float | None = params.param(
        None,
        low=1e-4,
        high=1e4,
        log=True,
        none_word="auto",
        advanced=True,
        help="Factor on the code when the clusters are initialised. 'auto' enlarges a code whose "
        "first answers are too unsure; in a small code all answers are alike.",
    )
    target_scope: Literal["all items", "batch"] = params.param(
        "all items",
        advanced=True,
        help="Whose answers the target is computed from. A batch alone does not show how large "
        "the clusters are, so its target hardly sharpens anything.",
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
        ends_training=True,
        help="Stop when no more than this share of the items changes its cluster in an update.",
    )
    cluster_learning_rate: float = params.learning_rate(1e-4)

    def trained(self, network: Autoencoder) -> list[nn.Parameter]:
        """Weights of the network that follow the target besides the centres: the encoder's."""
        return list(network.encoder.parameters())

    def forward_cost(self, network: Autoencoder) -> Cost:
        """Cost of what one training step computes for one item, forwards."""
        return macs(network, network.shape, network.encode)

    def losses(
        self, network: Autoencoder, x: Tensor, z: Tensor, divergence: Tensor
    ) -> list[Tensor]:
        """What a step lowers, then its parts, scalars named by `loss_names`.

        Parameters
        ----------
        x : Tensor
            Items (b, *shape) that went in.
        z : Tensor
            Their codes (b, d).
        divergence : Tensor
            KL(p || q) of their targets and soft assignments, a scalar.
        """
        return [divergence]

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the scalars that `losses` gives."""
        return ("loss",)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        network = self.blank(shape)
        samples = min(self.batch_size, n) * self.update_interval
        update = self.forward_cost(network) * (TRAINING * samples)
        look = macs(network, network.shape, network.encode) * n
        before = [
            *self.pretraining_plan(n, shape),
            self.clustering_plan("initialise clusters", "initialise", n, shape),
        ]
        return [
            *(replace(phase, is_in_loop=False) for phase in before),
            PlannedPhase("cluster", self.max_updates, update + look, "train", samples),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot per epoch of pre-training, then one per update of the target."""
        training = AutoencoderTraining(self, items, ctx)
        stage = EmbeddedClustering(self, training, ctx)
        yield from training.start()
        yield from training.pretrain(0 if ctx.is_warm else self.epochs)
        for _ in ctx.phase("initialise clusters", 1):
            yield stage.initialise()
        for _ in ctx.phase("cluster", self.max_updates):
            if wanted := ctx.interventions():
                stage.intervene(wanted)
            elif stage.changed.value <= self.tolerance:
                return
            yield stage.update()

    def scorer(self, inputs: Inputs, state: Mapping[str, Any], last: Snapshot) -> nn.Module:
        """Log of the soft assignment; closeness to the centres before; see `registry.Scoring`."""
        if phase_of(state) not in ("initialise clusters", "cluster"):
            return self.code_scorer(inputs, state)
        centers = kept(state, "clusters")["centers"].to(inputs.device)
        judging = (Closeness(centers), StudentT(self.alpha))
        encoder = self.code_encoder(inputs, state)
        return ScoringChain(encoder, judging, gives_log_probabilities=True).eval()

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


class EmbeddedClustering:
    """The second stage: network and centres follow the target, for one run of a method."""

    def __init__(
        self, settings: EmbeddedSettings, training: AutoencoderTraining, ctx: Context
    ) -> None:
        self.settings, self.training, self.ctx = settings, training, ctx
        network, n, k = training.network, len(training.inputs), settings.n_clusters
        self.clusters = ctx.keep("clusters", Clusters(k, network.code))
        weights = [*settings.trained(network), *self.clusters.parameters()]
        self.optimiser = ctx.keep(
            "cluster optimiser",
            Adam(weights, settings.cluster_learning_rate, fused=True),
            across_runs=False,  # the centres are drawn anew, so their momentum has no meaning
        )
        self.step = ctx.step(self._step, self.optimiser)
        self.target = ctx.keep("target", Cell(torch.zeros(n, k, device=ctx.device)))
        before = torch.zeros(n, dtype=torch.long, device=ctx.device)
        self.assignments = ctx.keep("assignments", Cell(before))
        self.changed = ctx.keep("share changed", Cell(1.0), across_runs=False)

    def initialise(self) -> Snapshot:
        """Snapshot with centres from k-means, in a code of suitable scale."""
        z = self.training.code()
        clustering = self.training.clusters(z)
        scale = self.settings.code_scale
        if scale is None:
            scale = sure_scale(z, clustering.centers, self.settings.alpha)
        rescale_code(self.training.network, scale)
        with torch.no_grad():
            self.clusters.centers.copy_(clustering.centers * scale)
        scalars = {"inertia": clustering.inertia * scale**2, "code_scale": scale}
        return self._snapshot(z * scale, scalars)

    def update(self) -> Snapshot:
        """Snapshot after some steps towards the target, with the next target."""
        losses = self._train()
        return self._snapshot(self.training.code(), losses)

    def intervene(self, wanted: Sequence[Intervention]) -> None:
        """Change learning rate, centres and target as a user wants it."""
        change_rate(self.optimiser, wanted)
        if all(intervention.kind == "learning rate" for intervention in wanted):
            return
        z, before = self.training.code(), self.assignments.value
        moves = [intervention for intervention in wanted if intervention.kind != "scramble"]
        _, centers = moved_centers(z, before, self.clusters.centers.detach(), moves, self.ctx)
        with torch.no_grad():
            self.clusters.centers.copy_(centers)
        q = soft_assignment_of_all(z, centers, self.settings.alpha)
        p = self.settings.target_of(q)
        self.target.value = scrambled_rows(p, before, wanted, self.ctx)

    def _train(self) -> dict[str, float]:
        """Mean losses over the steps between two updates, by name."""
        settings, inputs = self.settings, self.training.inputs
        self.ctx.at("train")
        self.training.network.train()
        size = min(settings.batch_size, len(inputs))
        total = torch.zeros(len(settings.loss_names), device=self.ctx.device)
        for index in self.ctx.slices(self._order(size * settings.update_interval), size):
            if settings.target_scope == "batch":
                total += self.step(index)
            else:
                total += self.step(index, self.target.value[index])
        means = (total / settings.update_interval).tolist()
        return dict(zip(settings.loss_names, means, strict=True))

    def _step(self, index: Tensor, p: Tensor | None = None) -> Tensor:
        """Losses of one step on a batch (b,), towards a target (b, k) or that of its own."""
        settings, network = self.settings, self.training.network
        x = self.training.inputs[index]
        x = VIEWS(x) if settings.augmented else x
        z = network.encode(x).float()
        q = soft_assignment(z, self.clusters.centers, settings.alpha)
        divergence = kl_divergence(settings.target_of(q.detach()) if p is None else p, q)
        losses = settings.losses(network, x, z, divergence)
        self.optimiser.zero_grad()
        losses[0].backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return torch.stack(losses).detach()

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
            measured["share_changed"] = self.changed.value
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
                reading="What the probabilities are trained towards: surer where they are "
                "already sure.",
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
