r"""# N2D: an autoencoder, its neighbourhoods, a mixture

## Idea

"Not too deep": nothing is trained towards clusters. Three known tools are used in a row.

1. An **autoencoder** turns items into codes of ten numbers.
2. **UMAP** lays the codes out anew by who is whose neighbour. Each item is tied to its nearest
   ones with a strength $v_{ij}$ between 0 and 1; in the layout $y$, ties pull and strangers push,
   until
   $$w_{ij} = \frac{1}{1 + a \lVert y_i - y_j \rVert^{2b}}$$
   is close to $v_{ij}$. What hangs together by chains of neighbours is drawn to one clump, what
   does not drifts apart: the bent lobes of the code become islands.
3. A **Gaussian mixture** finds the islands, by expectation and maximisation.

It beats many methods that train encoder and clusters together for hours.

## What to watch

- **Lay out**, round by round: a cloud tears into islands within the first rounds; later ones
  only tidy up.
- **Ties between clusters** shows how much of the strength of each cluster's ties leads to another
  one. Those between 4, 7 and 9 last longest.
- Two islands in one colour, or one in two, are what the mixture got wrong: sizes differ, and its
  first division comes from k-means. Of several starts the one is kept whose mixture makes the
  items likeliest, not the one that k-means likes best.
- Before and after the layout the network is the same: all that is gained, neighbours give.

## Where it fails

- Distances between islands mean little, and any gap looks clean: scores such as the silhouette
  are high in this space whether or not the clusters are right.
- A bridge of a few doubtful items joins two islands. Fewer neighbours cut it, but may cut a class
  in two.
- A new item has no place in a layout, so clusters cannot be explained by their pixels.
- It is only as good as the code: where neighbours there belong to other classes, nothing repairs
  that.

## Source

McConville, Santos-Rodriguez, Piechocki and Craddock (2020), *N2D: (Not Too) Deep Clustering via
Clustering the Local Manifold of an Autoencoded Embedding*, ICPR; UMAP by McInnes, Healy and
Melville (2018), arXiv 1802.03426.

Deviations: UMAP with exact neighbours, edges drawn in batches, a start from the code instead of its
spectral layout and no more dimensions than the code; far fewer passes of the autoencoder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from clustlab import params
from clustlab.context import Cell, Context
from clustlab.parts.clustering import umap_layout
from clustlab.parts.clustering.gaussian_mixture import Mixture, expect, maximise
from clustlab.parts.clustering.kmeans import Clustering, kmeans
from clustlab.parts.clustering.mixture_start import (
    USUAL_ROUNDS,
    Limits,
    answers_of,
    likeliest_start,
)
from clustlab.parts.clustering.umap_layout import Layout, first_points, layout_of, usual_epochs
from clustlab.parts.hooks.interventions import OF_CENTERS, Offer, Wanted, changed_answers
from clustlab.parts.networks.cost import macs
from clustlab.parts.stages.autoencoding import AutoencoderSettings, AutoencoderTraining
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

SHOWN_ROUNDS = 20  # snapshots of the layout at most
FITS = 3  # rounds of expectation and maximisation per snapshot of the layout
VARIANCE = 1e-3  # added to every variance of the mixture; islands are about 1 wide
EPOCH_WORK = 150_000.0  # multiply-accumulates that take as long as an item in a layout epoch
TYPICAL = 5  # images nearest to a mean


@dataclass(frozen=True)
class N2D(AutoencoderSettings):
    """A Gaussian mixture on the UMAP layout of the code of an autoencoder."""

    name: ClassVar[str] = "n2d"
    title: ClassVar[str] = "N2D"
    idea: ClassVar[str] = "Lay out the code of an autoencoder by neighbours, then fit a mixture."
    paper: ClassVar[Paper] = Paper(
        "McConville, Santos-Rodriguez, Piechocki and Craddock",
        2020,
        "N2D: (Not Too) Deep Clustering via Clustering the Local Manifold of an Autoencoded "
        "Embedding",
        "ICPR",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist",
            0.979,
            "all 70,000, one run by its code; a leaderboard prints 0.987",
            "McConville et al. 2020",
        ),
        Reported(
            "fashion-mnist",
            0.672,
            "all 70,000, one run by its code; figure from a leaderboard",
            "McConville et al. 2020",
        ),
    )
    step_unit: ClassVar[str] = "epoch or round"
    family: ClassVar[MethodFamily] = "mixture"
    why_no_scorer: ClassVar[str] = "a new one has no place in its layout"
    loop: ClassVar[tuple[str, ...]] = ("train", "encode", "cluster", "lay out", "fit mixture")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    interventions: ClassVar[Offer] = {
        **AutoencoderSettings.interventions,
        "fit mixture": OF_CENTERS,
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "hidden_widths": "250-250-1000",
            "batch_size": 64,
            "epochs": 12,
            "layout_epochs": 100,
        },
        "standard": {"augmented": True, "batch_size": 64, "epochs": 45, "layout_epochs": None},
        "paper": {"epochs": 1000, "layout_epochs": None, "n_init": 1, "max_iter": 100},
    }

    n_neighbors: int = umap_layout.neighborhood()
    min_dist: float = params.param(
        0.0,
        low=0.0,
        high=1.0,
        help="How close neighbours may get in the layout. 0 packs islands most tightly.",
    )
    n_init: int = params.param(
        20,
        low=1,
        high=100,
        advanced=True,
        help="Starts of k-means. The mixture is fitted from each, and the likeliest is kept; the "
        "authors' code has a single start.",
    )
    layout_epochs: int | None = umap_layout.layout_epochs()
    layout_size: int | None = params.param(
        None,
        low=1,
        high=256,
        none_word="as many as clusters",
        advanced=True,
        help="Dimensions of the layout, no more than the code has.",
    )
    max_iter: int = params.param(
        50, low=1, high=1000, log=True, advanced=True, help="Upper limit on rounds of the mixture."
    )
    tolerance: float = params.param(
        1e-3,
        low=0.0,
        high=1.0,
        advanced=True,
        ends_training=True,
        help="Stop when a round gains less than this in the mean log likelihood of an item.",
    )

    def passes(self, n: int) -> int:
        """Epochs of the layout of n items."""
        return self.layout_epochs or usual_epochs(n)

    def rounds(self, n: int) -> int:
        """Number of snapshots of the layout of n items."""
        return min(self.passes(n), SHOWN_ROUNDS)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases in order, for n items of a shape (h, w, c) or (d,)."""
        network = self.blank(shape)
        encoding = macs(network, network.shape, network.encode) * n
        d, rounds = network.code, self.rounds(n)
        fit = Cost(linear=float(2 * n * self.n_clusters * d * (d + 1)))
        graph = Cost(linear=float(n * n * d)) + encoding
        layout = Cost(linear=n * EPOCH_WORK * self.passes(n) / rounds) + graph * (1 / rounds)
        starts = (fit * USUAL_ROUNDS) * ((self.n_init if self.n_init > 1 else 0) / self.max_iter)
        return [
            *self.pretraining_plan(n, shape),
            PlannedPhase("lay out", rounds, layout + fit * FITS, "pretrain"),
            PlannedPhase("fit mixture", self.max_iter, fit + starts, "train"),
        ]

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """Snapshots of the epochs of pre-training, of the layout, and of the mixture."""
        training = AutoencoderTraining(self, items, ctx)
        stage = _Manifold(self, training, ctx)
        yield from training.start()
        yield from training.pretrain(0 if ctx.is_warm else self.epochs)
        for done in ctx.phase("lay out", self.rounds(len(items))):
            yield stage.lay_out(done)
        for done in ctx.phase("fit mixture", self.max_iter):
            # at first the clusters are divided anew, so those shown are not those to change
            if wanted := ctx.interventions() if done else ():
                stage.intervene(wanted)
            elif stage.settled.value:
                return
            yield stage.fit(done)


class _Manifold:
    """The second half: positions in the layout, and who answers for which item."""

    def __init__(self, settings: N2D, training: AutoencoderTraining, ctx: Context) -> None:
        self.settings, self.training, self.ctx = settings, training, ctx
        n, k = len(training.inputs), settings.n_clusters
        size = min(settings.layout_size or k, training.network.code)
        self.points = ctx.keep("points", Cell(torch.zeros(n, size, device=ctx.device)))
        answers = torch.zeros(n, k, dtype=torch.float64)
        self.answers = ctx.keep("responsibilities", Cell(answers), across_runs=False)
        self.reached = ctx.keep("log likelihood", Cell(-np.inf), across_runs=False)
        self.settled = ctx.keep("settled", Cell(False), across_runs=False)
        self._layout: Layout | None = None

    def lay_out(self, done: int) -> Snapshot:
        """Snapshot after some epochs of the layout."""
        settings, ctx = self.settings, self.ctx
        n = len(self.training.inputs)
        layout, epochs, rounds = self.layout, settings.passes(n), settings.rounds(n)
        ctx.at("lay out")
        if done == 0:
            self._place()
        points = self.points.value.clone()
        for epoch in range(done * epochs // rounds, (done + 1) * epochs // rounds):
            layout.epoch(points, epoch, 1 - epoch / epochs, ctx)
        self.points.value = points
        ctx.at("fit mixture")
        mixture, reached = self._fit()
        for _ in range(FITS - 1):
            mixture, reached = self._fit()
        return self._snapshot(mixture, {"log_likelihood": reached})

    def fit(self, done: int) -> Snapshot:
        """Snapshot after one more round of the mixture, the first from the likeliest start."""
        self.ctx.at("fit mixture")
        if done == 0:
            s = self.settings
            limits = Limits(s.max_iter, s.tolerance)
            x, k = self.points.value, s.n_clusters
            self._divide(likeliest_start(x, k, self.ctx, "full", VARIANCE, s.n_init, limits))
        mixture, reached = self._fit()
        gain = reached - self.reached.value
        self.settled.value = gain < self.settings.tolerance
        self.reached.value = reached
        return self._snapshot(mixture, {"log_likelihood": reached})

    def intervene(self, wanted: Wanted) -> None:
        """Change who answers for which item, which the next mixture is fitted to."""
        z = self.points.value.cpu()
        self.answers.value = changed_answers(z, self.answers.value, wanted, self.ctx)

    @property
    def layout(self) -> Layout:
        """Ties between the codes of the trained network; made again when a run is resumed."""
        if self._layout is None:
            z, settings = self.training.code(), self.settings
            self._layout = layout_of(
                z, settings.n_neighbors, settings.min_dist, settings.passes(len(z)), self.ctx
            )
        return self._layout

    def _place(self) -> None:
        """Positions before the layout, and the clusters that are found there."""
        self.points.value = first_points(self.training.code(), self.points.value.shape[1], self.ctx)
        self._divide(kmeans(self.points.value, self.settings.n_clusters, self.ctx))

    def _divide(self, clustering: Clustering) -> None:
        self.answers.value = answers_of(clustering)

    def _fit(self) -> tuple[Mixture, float]:
        """Mixture after one round, and the mean log likelihood of the items."""
        self.ctx.poll()
        x, answers = self.points.value.cpu().double(), self.answers.value
        means = x.mean(0).expand(answers.shape[1], -1)
        mixture = maximise(x, answers, means, "full", VARIANCE)
        self.ctx.poll()
        self.answers.value, reached = expect(x, mixture)
        return mixture, reached

    def _snapshot(self, mixture: Mixture, scalars: Mapping[str, float]) -> Snapshot:
        answers = self.answers.value
        assignments = answers.argmax(1)
        return Snapshot(
            self.points.value.cpu().numpy(),
            assignments.numpy(),
            {**scalars, "confidence": float(answers.amax(1).mean())},
            probabilities=answers.numpy(),
            centers=mixture.means.numpy(),
            artefacts=self._artefacts(mixture, assignments),
        )

    def _artefacts(self, mixture: Mixture, assignments: Tensor) -> dict[str, Artefact]:
        ties = ties_between(self.layout, assignments, self.settings.n_clusters)
        artefacts = {
            "ties": Artefact(
                "matrix",
                ties.numpy(),
                "Ties between clusters",
                reading="Share of the strength of a row's ties that leads to the column. Bright "
                "beside the diagonal: two clusters that hang together.",
                cluster_axes=(0, 1),
                axis_titles=("ties of cluster", "with cluster"),
            ),
            "weights": Artefact(
                "bars",
                mixture.weights[None].numpy(),
                "Mixing weights",
                reading="The share of all items that each component answers for.",
                rows=("share",),
                cluster_axes=(1,),
            ),
        }
        if self.training.inputs.is_image:
            artefacts["typical"] = self._typical(mixture)
        return artefacts

    def _typical(self, mixture: Mixture) -> Artefact:
        """Images whose places are nearest to each mean."""
        x = self.points.value.cpu().double()
        nearest = torch.cdist(mixture.means, x).argsort(dim=1, stable=True)[:, :TYPICAL].T
        images = self.training.inputs[nearest.flatten().numpy()]
        pixels = (images.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()
        return Artefact(
            "images",
            pixels.reshape(*nearest.shape, *pixels.shape[1:]),
            "Typical images",
            reading="The images nearest to the middle of each cluster in the layout.",
            cluster_axes=(1,),
        )


def ties_between(layout: Layout, assignments: Tensor, n_clusters: int) -> Tensor:
    """Share (k, k) of the strength of each cluster's ties that leads to each; rows sum to 1 or 0.

    Parameters
    ----------
    assignments : Tensor
        (n,) int64.
    """
    ends = assignments[layout.head.cpu()] * n_clusters + assignments[layout.tail.cpu()]
    total = torch.bincount(ends, layout.rate.cpu(), minlength=n_clusters**2)
    table = total.view(n_clusters, n_clusters)
    return table / table.sum(1, keepdim=True).clamp_min(torch.finfo(table.dtype).tiny)
