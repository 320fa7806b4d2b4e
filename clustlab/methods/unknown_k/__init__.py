r"""# Unknown K: split and merge, as in DeepDPM

## Idea

Nearly all other methods here are told how many clusters there are. This one is not: it starts with
any number and changes it on the way. The items are first laid out as in N2D, by an autoencoder and
by neighbours, so that what belongs together lies in islands. Then a mixture of Gaussians is fitted
again and again, with two kinds of proposal in turn.

- **Split**: every cluster has two halves ready. Are they two clusters rather than one?
- **Merge**: are two clusters one rather than two?

Both are the same question, and Bayes answers it. With $f(X)$ the density of a set of items if
they came from one Gaussian, whatever its mean and shape, the odds of two against one are

$$H = \frac{\alpha \, \Gamma(N_1) f(X_1) \, \Gamma(N_2) f(X_2)}{\Gamma(N) f(X)} .$$

A split is carried out if $H > 1$, or else with probability $H$, a merge with $1/H$. More clusters
always fit better, yet $f$ does not reward that: it is an average over all Gaussians that seem
plausible beforehand, and each new cluster has to pay for what must be learned about it. How round
and how wide clusters are expected to be (the prior) decides how many there are.

## What to watch

- **Clusters** over the steps: start once with 3 and once with 30. If both end near the same number,
  the data have spoken; if not, it was the start.
- **Odds of a split** for each cluster, with the mean images of its **halves**: above 0 it will be
  split at the next turn. Halves that look alike, with odds near 0, are a matter of taste.
- **Odds of a merge** for each pair: where a cell is above 0 the two become one.
- **Sizes**: a Dirichlet process likes a few large clusters and some small ones.

## Where it fails

- The number depends on the prior. Narrow clusters, or a prior worth few items, and every bend of
  an island becomes a cluster; a prior worth many items, and islands that touch are joined.
- An island that is bent or has a tail is not one Gaussian, so a class may end up as two.
- What the layout has joined, such as 4 and 9, no proposal can part.
- A split is only tried along one line, so three clusters in one may go undetected.

## Source

Ronen, Finder and Freifeld (2022), *DeepDPM: Deep Clustering With an Unknown Number of Clusters*,
CVPR; odds in eq. 9, after Chang and Fisher (2013), *Parallel Sampling of DP Mixture Models using
Sub-Clusters Splits*, NIPS.

Deviations: the mixture itself, not networks trained towards it, gives responsibilities and halves,
splits and merges take turns every round, and the prior is worth a share of the items.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.methods.unknown_k import split_merge
from clustlab.parts.clustering import umap_layout
from clustlab.parts.clustering.kmeans import follow, kmeans
from clustlab.parts.clustering.umap_layout import (
    Layout,
    first_points,
    layout_of,
    usual_epochs,
)
from clustlab.parts.hooks.interventions import Offer, Wanted, relabelled
from clustlab.parts.networks.autoencoder import Autoencoder
from clustlab.parts.networks.cost import macs
from clustlab.parts.stages.autoencoding import WIDTHS_HELP, AutoencoderTraining, CodeSettings
from clustlab.types import Array, Artefact, Cost, MethodFamily, Paper, PlannedPhase, Snapshot

SHOWN_ROUNDS = 20  # snapshots of the layout at most
EPOCH_WORK = 150_000.0  # multiply-accumulates that take as long as an item in a layout epoch
FITS = 5  # rounds of the mixture between two proposals
STARTS = 3  # of k-means before the first proposal
QUIET = 3  # steps without a change of the number after which it is final


@dataclass(frozen=True)
class UnknownK:
    """A mixture that finds its number of clusters, on the layout of a code."""

    name: ClassVar[str] = "unknown-k"
    title: ClassVar[str] = "Unknown K"
    idea: ClassVar[str] = "Split or merge clusters, as the odds say, until nothing changes."
    paper: ClassVar[Paper] = Paper(
        "Ronen, Finder and Freifeld",
        2022,
        "DeepDPM: Deep Clustering With an Unknown Number of Clusters",
        "CVPR",
    )
    step_unit: ClassVar[str] = "epoch or round"
    family: ClassVar[MethodFamily] = "mixture"
    why_no_scorer: ClassVar[str] = "a new one has no place in its layout"
    loop: ClassVar[tuple[str, ...]] = (
        "train",
        "encode",
        "cluster",
        "lay out",
        "fit mixture",
        "split or merge",
    )
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    interventions: ClassVar[Offer] = {
        **CodeSettings.interventions,
        "split and merge": ("merge", "split", "scramble"),
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "hidden_widths": "250-250-1000",
            "batch_size": 64,
            "epochs": 12,
            "layout_epochs": 100,
        },
        "standard": {"augmented": True, "batch_size": 64, "epochs": 45},
        "paper": {"epochs": 1000, "layout_epochs": None, "n_start": 1, "max_iter": 200},
    }

    n_start: int = params.param(
        3,
        low=1,
        high=100,
        help="Clusters at the start. Where it ends should hardly depend on it.",
    )
    alpha: float = params.param(
        10.0,
        low=1e-6,
        high=1e6,
        log=True,
        help="How likely a new cluster is taken to be before looking at the items.",
    )
    variance: float = params.param(
        0.005,
        low=1e-5,
        high=1.0,
        log=True,
        help="Variance a cluster is believed to have, as a share of that of all items.",
    )
    belief: float = params.param(
        0.01,
        low=0.0,
        high=1.0,
        help="How many items that belief is worth, as a share of all. Larger values make fewer "
        "clusters. In the paper it is worth two items more than there are columns, however "
        "many items there are.",
    )
    least: int = params.param(
        5,
        low=1,
        high=1000,
        log=True,
        help="Items that each half of a split must hold.",
        of_items=params.OfItems(0.5, "no two halves are that large, so no cluster is ever split"),
    )
    max_iter: int = params.param(
        40, low=1, high=1000, log=True, help="Upper limit on rounds of fitting and proposing."
    )
    n_neighbors: int = umap_layout.neighborhood()
    layout_epochs: int | None = umap_layout.layout_epochs()
    epochs: int = params.epochs(30, "How often pre-training passes over all items.")
    augmented: bool = params.param(
        False, help="Train the autoencoder on turned and shifted copies of the items."
    )
    hidden_widths: Literal["500-500-2000", "250-250-1000", "100-100-400", "none"] = params.param(
        "500-500-2000", advanced=True, help=WIDTHS_HELP
    )
    code_size: int = params.param(
        10, low=1, high=64, advanced=True, help="Width of the code, and of the layout."
    )
    batch_size: int = params.batch_size()
    learning_rate: float = params.learning_rate()

    def build_network(self, shape: tuple[int, ...]) -> Autoencoder:
        """Untrained autoencoder for items of a shape, (c, h, w) or (d,)."""
        return self.autoencoder(self.n_start).build_network(shape)

    def autoencoder(self, n: int) -> CodeSettings:
        """Settings of the autoencoder for n items, with clusters as many as at the start."""
        return CodeSettings(
            n_clusters=min(self.n_start, n),
            epochs=self.epochs,
            augmented=self.augmented,
            hidden_widths=self.hidden_widths,
            code_size=self.code_size,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
        )

    def passes(self, n: int) -> int:
        """Epochs of the layout of n items."""
        return self.layout_epochs or usual_epochs(n)

    def rounds(self, n: int) -> int:
        """Number of snapshots of the layout of n items."""
        return min(self.passes(n), SHOWN_ROUNDS)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        settings = self.autoencoder(n)
        network = settings.blank(shape)
        d, rounds = network.code, self.rounds(n)
        graph = Cost(linear=float(n * n * d)) + macs(network, network.shape, network.encode) * n
        layout = Cost(linear=n * EPOCH_WORK * self.passes(n) / rounds) + graph * (1 / rounds)
        k = max(self.n_start, 10)  # of which nobody knows how many there will be
        proposing = split_merge.REFINED + split_merge.KMEANS_STEPS
        fit = Cost(linear=float(2 * n * d * (d + 1) * (k * (FITS + 2) + proposing)))
        return [
            *settings.pretraining_plan(n, shape),
            PlannedPhase("lay out", rounds, layout, "pretrain"),
            PlannedPhase("split and merge", self.max_iter, fit, "train"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """Snapshots of pre-training, of the layout, and of every round of proposals."""
        training = AutoencoderTraining(self.autoencoder(len(items)), items, ctx)
        stage = _Stage(self, training, ctx)
        yield from training.start()
        yield from training.pretrain(0 if ctx.is_warm else self.epochs)
        for done in ctx.phase("lay out", self.rounds(len(items))):
            yield stage.lay_out(done)
        for done in ctx.phase("split and merge", self.max_iter):
            wanted = ctx.interventions()
            if stage.quiet.value >= QUIET and not wanted:
                return
            yield stage.propose(done, wanted)


class _Stage:
    """The second half: positions in the layout, and clusters whose number changes."""

    def __init__(self, settings: UnknownK, training: AutoencoderTraining, ctx: Context) -> None:
        self.settings, self.training, self.ctx = settings, training, ctx
        n, size = len(training.inputs), training.network.code
        self.points = ctx.keep("points", Cell(torch.zeros(n, size, device=ctx.device)))
        none = torch.zeros(n, dtype=torch.long)
        self.assignments = ctx.keep("assignments", Cell(none), across_runs=False)
        self.side = ctx.keep("sides", Cell(none), across_runs=False)
        self.quiet = ctx.keep("quiet steps", Cell(0), across_runs=False)
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """Ties between the codes of the trained network; made again when a run is resumed."""
        if self._layout is None:
            z, s = self.training.code(), self.settings
            self._layout = layout_of(z, s.n_neighbors, 0.0, s.passes(len(z)), self.ctx)
        return self._layout

    def lay_out(self, done: int) -> Snapshot:
        """Snapshot after some epochs of the layout, with as many clusters as at the start."""
        s, ctx, k = self.settings, self.ctx, self.training.settings.n_clusters
        n = len(self.training.inputs)
        layout, epochs, rounds = self.layout, s.passes(n), s.rounds(n)
        ctx.at("lay out")
        if done == 0:
            points = first_points(self.training.code(), self.points.value.shape[1], ctx)
        else:
            points = self.points.value.clone()
        for epoch in range(done * epochs // rounds, (done + 1) * epochs // rounds):
            layout.epoch(points, epoch, 1 - epoch / epochs, ctx)
        self.points.value = points
        ctx.at("cluster")
        if done in (0, rounds - 1):
            clustering = kmeans(points, k, ctx, n_init=STARTS)
        else:
            clustering = follow(points, k, self.assignments.value.to(points.device), ctx)
        self.assignments.value = clustering.assignments.cpu()
        return Snapshot(
            points.cpu().numpy(),
            clustering.assignments.cpu().numpy(),
            {"clusters": float(k), "inertia": clustering.inertia},
            centers=clustering.centers.cpu().numpy(),
        )

    def propose(self, done: int, wanted: Wanted) -> Snapshot:
        """Snapshot after a round of proposals, and of fitting what came out of them.

        What a user wants is carried out in the place of the proposals of its round.
        """
        s, ctx = self.settings, self.ctx
        x, shift, scale = self._scaled()
        belief = split_merge.roundness(x.shape[1], s.variance, s.belief * len(x))
        z, before = split_merge.numbered(self.assignments.value)
        ctx.at("split or merge")
        after, n_splits, n_merges = z, 0, 0
        if wanted:
            after = self._changed_by_hand(z, before, wanted)
        elif done:
            after, n_splits, n_merges = self._changed(x, z, before, belief, done)
        ctx.at("fit mixture")
        after, k = split_merge.numbered(after)
        mixture, p, reached = split_merge.refined(x, after, k, belief, s.alpha, FITS)
        z, k = split_merge.numbered(p.argmax(1))
        if k < p.shape[1]:  # a cluster that lost its last item is no more
            ctx.poll()
            mixture, p, reached = split_merge.refined(x, z, k, belief, s.alpha, 1)
        ctx.at("split or merge")
        self.side.value = split_merge.halves(x, z, k, belief, ctx)
        splits, merges = self._odds(x, z, k, belief)
        self.assignments.value = z
        moving = k != before or not done or bool(wanted)
        self.quiet.value = 0 if moving else self.quiet.value + 1
        scalars = {
            "clusters": float(k),
            "splits": float(n_splits),
            "merges": float(n_merges),
            "log_likelihood": reached,
        }
        return Snapshot(
            self.points.value.cpu().numpy(),
            z.numpy(),
            scalars,
            probabilities=p.numpy(),
            centers=(mixture.means * scale + shift).numpy(),
            artefacts=self._artefacts(z, k, splits, merges),
        )

    def _changed_by_hand(self, z: Tensor, k: int, wanted: Wanted) -> Tensor:
        """Assignments (n,) after what is wanted; the second half of a split is a new cluster."""
        for intervention in wanted:
            if intervention.kind == "split":
                k += 1  # an empty one, which takes it
            z = relabelled(self.points.value.cpu(), z, k, [intervention], self.ctx)
        return z

    def _scaled(self) -> tuple[Tensor, Tensor, Tensor]:
        """Positions (n, d) centred and of variance 1 on average, their mean, and their scale."""
        x = self.points.value.cpu().double()
        shift = x.mean(0)
        x = x - shift
        scale = x.square().mean().sqrt().clamp_min(1e-12)
        return x / scale, shift, scale

    def _odds(
        self, x: Tensor, z: Tensor, k: int, belief: split_merge.Belief
    ) -> tuple[Tensor, Tensor]:
        """Log odds of splitting each cluster, (k,), and of merging each pair, (k, k)."""
        s = self.settings
        splits = split_merge.split_odds(x, z, self.side.value, k, belief, s.alpha, s.least)
        return splits, split_merge.merge_odds(x, z, k, belief, s.alpha)

    def _changed(
        self, x: Tensor, z: Tensor, k: int, belief: split_merge.Belief, done: int
    ) -> tuple[Tensor, int, int]:
        """Assignments after splits in odd steps or merges in even ones, and how many of each."""
        splits, merges = self._odds(x, z, k, belief)
        rng = self.ctx.rng
        if done % 2:
            chosen = [i for i in range(k) if split_merge.accepted(float(splits[i]), rng)]
            return split_merge.split(z, self.side.value, np.array(chosen, np.int64)), len(chosen), 0
        pairs = split_merge.accepted_pairs(merges, rng)
        return split_merge.merge(z, pairs), 0, len(pairs)

    def _artefacts(self, z: Tensor, k: int, splits: Tensor, merges: Tensor) -> dict[str, Artefact]:
        sizes = torch.bincount(z, minlength=k)
        pairs = sizes[:, None] + sizes[None, :]
        artefacts = {
            "sizes": Artefact(
                "bars",
                sizes[None].numpy(),
                "Sizes",
                "Items in each cluster.",
                rows=("items",),
                cluster_axes=(1,),
            ),
            "split odds": Artefact(
                "bars",
                (splits / sizes).nan_to_num(neginf=0.0)[None].numpy(),
                "Odds of a split",
                "Logarithm of the odds that a cluster is two, per item in it. Above 0 it is split "
                "at the next turn; 0 also stands for halves that hold too few items.",
                rows=("log odds per item",),
                cluster_axes=(1,),
            ),
            "merge odds": Artefact(
                "matrix",
                (merges / pairs).nan_to_num(neginf=0.0).numpy(),
                "Odds of a merge",
                "Logarithm of the odds that two clusters are one, per item in them. Cells above 0 "
                "are merged at the next turn; those near 0 nearly are.",
                cluster_axes=(0, 1),
                axis_titles=("one cluster", "the other"),
            ),
        }
        if self.training.inputs.is_image:
            artefacts["halves"] = self._halves(z, k)
        return artefacts

    def _halves(self, z: Tensor, k: int) -> Artefact:
        """Mean images of the two sides of each cluster; black if a side is empty."""
        inputs, place = self.training.inputs, 2 * z + self.side.value
        c, h, w = inputs.shape
        sums, start = torch.zeros(2 * k, c * h * w), 0
        for x in inputs.all():
            sums.index_add_(0, place[start : start + len(x)], x.flatten(1).cpu())
            start += len(x)
            self.ctx.poll()
        means = sums / torch.bincount(place, minlength=2 * k).clamp_min(1)[:, None]
        pixels = (means.view(k, 2, c, h, w) * 255).round().clamp(0, 255).byte()
        return Artefact(
            "images",
            pixels.permute(1, 0, 3, 4, 2).numpy(),
            "Halves",
            "Mean images of the two halves of each cluster, into which it would be split.",
            rows=("one half", "other half"),
            cluster_axes=(1,),
        )
