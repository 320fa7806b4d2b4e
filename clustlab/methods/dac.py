r"""Every pair of images is either the same or not, and the network decides which it dares to say.

## Idea

Clustering is turned into a question with two answers: do these two images belong together? Each
image gets **label features**: its cluster probabilities, scaled to length 1. The cosine $s_{ij}$ of
two images is then their product, 1 if both are sure of the same cluster and 0 if they are sure of
different ones. Nobody knows the right answers, so the network takes its own where they are clear
and leaves out the rest:

$$r_{ij} = 1 \text{ if } s_{ij} > u(\lambda), \qquad
  r_{ij} = 0 \text{ if } s_{ij} < l(\lambda), \qquad
  \text{else left out,}$$

and is trained on them by binary cross-entropy. The thresholds $u = 0.95 - \lambda$ and
$l = 0.455 + 0.1\lambda$ approach each other with every epoch, so that harder and harder pairs join
in. When they meet, every pair is decided and training ends.

It works from scratch because even an untrained network maps near-duplicates to nearly the same
place: on digits only a fifth of the first pairs above 0.95 are right, but that is twice as many as
by chance, and after four epochs two thirds or more are.

## What to watch

- **Thresholds** closing like a pair of scissors, and the shares of **similar**, **dissimilar** and
  **left-out** pairs. With ten even clusters they should end near 10%, 90% and nothing.
- The **similarity** of some images, ordered by cluster: all alike at first, strong blocks along the
  diagonal at the end. Beside it the **selection**: strong cells are similar, pale ones dissimilar,
  the rest left out.
- **Confidence** ends near 0.67, not at 1: in one of ten even clusters a sure item scores 3 there
  and 0 elsewhere, which the softmax makes 0.69.
- **Pairs taken as similar**: check whether they are. This is the only check without labels.

## Where it fails

- If many pairs are similar before any are dissimilar, all images end in one cluster. Above 50%
  similar is an alarm.
- With two or three clusters this is the rule rather than the exception: so many pairs of an
  untrained network are similar that classes merge before they have been told apart.
- Pairs chosen wrongly at the start are never questioned: two classes that start in one cluster stay
  there.
- On photographs, where near-duplicates share their colours rather than their content.
- An item may get no score at all, since every layer ends in a ReLU. It is **undecided**, and all
  such items are put into the first cluster.
- BatchNorm uses the batch at hand, so an image may change cluster in a different batch.

## Source

Chang, Wang, Meng, Xiang and Pan (2017), *Deep Adaptive Image Clustering*, ICCV; label features, the
choice of pairs and the loss are in section 3.

Deviations: three strided convolutions instead of six and two poolings, pairs chosen on unchanged
images, and thresholds and a BatchNorm without weights of its own from a public reimplementation.
"""

import math
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
from clustlab.parts.clustering.kmeans import check_enough_items
from clustlab.parts.hooks.interventions import Offer, Wanted, change_rate, of_clusters
from clustlab.parts.hooks.output_units import Learner
from clustlab.parts.inputs.augmentation import Augmentation, side_by_side
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal
from clustlab.parts.inputs.sampling import fixed_order
from clustlab.parts.networks.cost import forward_cost
from clustlab.parts.networks.encoder import ChangedCopies, even_batch
from clustlab.parts.networks.passes import descend, embed, pass_size
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

EMBEDDING_WIDTH = 32  # principal components of the features that a snapshot keeps
UPPER, LOWER, LOWER_GROWTH = 0.95, 0.455, 0.1  # u = UPPER - lam, l = LOWER + LOWER_GROWTH * lam
MEETING = (UPPER - LOWER) / (1 + LOWER_GROWTH)  # lambda at which both are 0.5
SMOOTHING, MOST_SURE = 0.9, 1e-6  # of RMSprop; a logarithm is never taken of less
SHOWN, PAIRS, SAMPLE = 32, 12, 500  # items in a matrix, pairs on the sheet, items they come from
SURE = 1.5  # least score of a sure item, so that two of unlike clusters are below the threshold
VIEWS = Augmentation(rotation=10, shift=0.1, scale=0.05, shear=0.1, noise=0.1)


def label_features(scores: Tensor) -> Tensor:
    """Softmax of the scores (n, k) with rows of length 1. Chang et al. 2017, section 3."""
    return functional.normalize(scores.softmax(1), dim=1)


def thresholds(lam: float) -> tuple[float, float]:
    """Upper and lower threshold; they meet at lambda 0.45. Chang et al. 2017, section 3."""
    return UPPER - lam, LOWER + LOWER_GROWTH * lam


Threshold = float | Tensor  # a scalar


def choose_pairs(s: Tensor, upper: Threshold, lower: Threshold) -> tuple[Tensor, Tensor]:
    """Which pairs are taken as similar and which as dissimilar, both (n, n) bool.

    No item is a pair with itself, and no gradient passes. Chang et al. 2017, section 3.

    Parameters
    ----------
    s : Tensor
        Cosines (n, n) of label features.
    upper, lower : float or scalar tensor
        Similar above the one, dissimilar below the other.
    """
    s = s.detach()
    others = ~torch.eye(len(s), dtype=torch.bool, device=s.device)
    return (s > upper) & others, (s < lower) & others


def pair_loss(s: Tensor, similar: Tensor, dissimilar: Tensor) -> Tensor:
    """Mean binary cross-entropy of the chosen pairs in nats, 0 if there are none.

    Chang et al. 2017, section 3.

    Parameters
    ----------
    s : Tensor
        Cosines (n, n) of label features, in [0, 1].
    similar, dissimilar : Tensor
        Chosen pairs (n, n), bool.
    """
    # all pairs, since picking some makes the host wait for a GPU
    costs = s.clamp_min(MOST_SURE).log() * similar
    costs = costs + (1 - s).clamp_min(MOST_SURE).log() * dissimilar
    return -costs.sum() / (similar.sum() + dissimilar.sum()).clamp_min(1)


class Network(nn.Module):
    """An encoder and three small layers; BatchNorm and ReLU keep their scores sparse and spread.

    Without those, an untrained softmax is flat, all cosines are near 1 and all pairs similar.
    BatchNorm always uses the batch at hand.
    """

    def __init__(self, shape: tuple[int, ...], settings: "DAC") -> None:
        super().__init__()
        # its name in stored checkpoints
        self.trunk = settings.build_network(shape, track_running_stats=False)
        k = settings.n_clusters
        layers: list[nn.Module] = []
        for before in (self.trunk.width, k, k):
            linear = nn.Linear(before, k, bias=False)
            if before == k:
                nn.init.eye_(linear.weight)
            # no weights of its own: else scores grow or die, and kinds merge
            norm = nn.BatchNorm1d(k, affine=False, track_running_stats=False)
            layers += [linear, norm, nn.ReLU()]
        self.head = nn.Sequential(*layers)
        self.gain = max(1.0, SURE / math.sqrt(k - 1))  # BatchNorm makes it sqrt(k - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (b, k), at least 0, of a batch of items."""
        return self.scores(self.trunk(x))

    def scores(self, features: Tensor) -> Tensor:
        """Scores (b, k) of features (b, width)."""
        return self.gain * self.head(features).float()


@dataclass(frozen=True)
class DAC(ChangedCopies):
    """Pairs above and below two thresholds train the network that chooses the pairs."""

    name: ClassVar[str] = "dac"
    title: ClassVar[str] = "DAC"
    idea: ClassVar[str] = "Ask of every pair whether both are alike, starting with the clearest."
    paper: ClassVar[Paper] = Paper(
        authors="Chang, Wang, Meng, Xiang, Pan",
        year=2017,
        title="Deep Adaptive Image Clustering",
        venue="ICCV",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported("mnist", 0.978, "all 70,000 by its code", "abstract of Chang et al. 2017"),
        Reported("mnist", 0.981, "all 70,000, one run, last of 20 epochs", "log of its authors"),
        Reported(
            "cifar10", 0.522, "train + test by a leaderboard", "abstract of Chang et al. 2017"
        ),
        Reported("stl10", 0.47, "train + test by a leaderboard", "abstract of Chang et al. 2017"),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "pairs"
    why_no_scorer: ClassVar[str] = (
        "its network sees each item together with others, and the answer depends on them"
    )
    loop: ClassVar[tuple[str, ...]] = ("compare", "choose pairs", "change", "learn", "encode")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    views: ClassVar[Augmentation] = VIEWS
    interventions: ClassVar[Offer] = {"train": ("learning rate", "scramble")}
    scalars: ClassVar[tuple[Scalar, ...]] = (
        # harder pairs are added from epoch to epoch
        Scalar("loss", "Loss", better="lower", is_training_loss=True, course="jumps"),
    )
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 20, "width": 16},
        "standard": {"passes": 2},
        "paper": {"epochs": 46, "width": 64, "depth": 4, "passes": 2},
    }

    crop: bool = params.switch("Cut away a part and enlarge the rest.", default=False)
    jitter: bool = params.switch("Change brightness and contrast of copies.", default=False)
    epochs: int = params.epochs(40, "Epochs in which the thresholds move until they meet.")
    passes: int = params.param(
        1,
        low=1,
        high=50,
        help="Passes over all items in an epoch, while the thresholds stay where they are. A "
        "public implementation draws 1,000 batches in each of 46 epochs, 84 passes over "
        "70,000 images in all; the authors' code makes 5 passes in each of 20 epochs.",
    )
    strength: float = params.param(
        1.0,
        low=0.0,
        high=3.0,
        help="How much the copies that pairs are learned from are changed. At 0 the network is "
        "trained on the very images it has chosen.",
    )
    batch_size: int = params.batch_size(128)
    learning_rate: float = params.learning_rate(1e-3)

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]:
        """Phases with their cost; `shape` is that of one item, (h, w, c) or (d,)."""
        look = forward_cost(partial(Network, settings=self), shape) * n
        pairs = Cost(linear=float(2 * n * min(n, self.batch_size) * self.n_clusters))
        # choosing takes a forward pass, learning one more and about two for its backward
        epoch = (look * 4 + pairs) * self.passes + look
        return [
            PlannedPhase("start", 1, look, "initialise"),
            PlannedPhase("train", self.epochs, epoch, "train", n * self.passes),
        ]

    def growth(self) -> float:
        """Lambda added per epoch: after the last one, and not before, the thresholds have met."""
        return MEETING / (self.epochs - 0.5)

    def iterate(self, items: Array, ctx: Context) -> Iterator[Snapshot]:
        """One snapshot of the untrained network, then one per epoch."""
        inputs = Inputs(items, ctx.device)
        check_enough_items(len(inputs), self.n_clusters)
        network = ctx.keep("network", Network(inputs.shape, self))
        rmsprop = torch.optim.RMSprop(network.parameters(), self.learning_rate, alpha=SMOOTHING)
        optimiser = ctx.keep("optimiser", rmsprop)
        step = ctx.step(partial(self._step, network, optimiser, inputs, ctx), optimiser)
        views = ctx.keep("views", Cell(int(ctx.rng.integers(2**31))))
        for _ in ctx.phase("start", 1):
            yield self._snapshot(network, inputs, {}, 0.0, views.value, ctx)
        for epoch in ctx.phase("train", self.epochs):
            if wanted := ctx.interventions():
                self._intervene(network, optimiser, inputs, wanted, ctx)
            lam = epoch * self.growth()
            network.train()
            scalars = self._epoch(step, len(inputs), lam, ctx)
            yield self._snapshot(network, inputs, scalars, lam, views.value, ctx)

    def _intervene(
        self,
        network: Network,
        optimiser: torch.optim.Optimizer,
        inputs: Inputs,
        wanted: Wanted,
        ctx: Context,
    ) -> None:
        change_rate(optimiser, wanted)
        if of_clusters(wanted):
            learner = Learner(network, optimiser, inputs, self.batch_size)
            assignments = self._look(network, inputs, ctx)[1].argmax(1)
            learner.scramble(lambda x: network(x).log_softmax(1), assignments, wanted, ctx)

    def _epoch(self, step: TrainingStep, n: int, lam: float, ctx: Context) -> dict[str, float]:
        """Mean loss and shares of pairs over the passes of one epoch, by name."""
        upper, lower = thresholds(lam)
        limits = torch.tensor((upper, lower), device=ctx.device)
        total, pairs = torch.zeros(3, dtype=torch.float64, device=ctx.device), 0
        for _ in range(self.passes):
            for index in ctx.batches(n, even_batch(n, self.batch_size)):
                total += step(index, limits)
                pairs += len(index) * (len(index) - 1)
        loss_sum, same, different = total.tolist()
        return {
            "loss": loss_sum / (n * self.passes),
            "upper_threshold": upper,
            "lower_threshold": lower,
            "n_similar_pairs": same,
            "n_dissimilar_pairs": different,
            "n_left_out_pairs": pairs - same - different,
            "share_similar": same / max(1.0, same + different),
        }

    def _step(
        self,
        network: Network,
        optimiser: torch.optim.Optimizer,
        inputs: Inputs,
        ctx: Context,
        index: Tensor,
        limits: Tensor,
    ) -> Tensor:
        """One step on a batch (b,): its summed loss, its similar and its dissimilar pairs, (3,).

        Both thresholds (2,) come as a tensor.
        """
        x = inputs[index]
        ctx.at("compare")
        with torch.no_grad():
            clean = label_features(network(x))
        ctx.at("choose pairs")
        similar, dissimilar = choose_pairs(clean @ clean.T, *limits)
        ctx.at("change")
        rows = label_features(network(self.augmentation(x)))
        ctx.at("learn")
        loss = pair_loss(rows @ rows.T, similar, dissimilar)
        descend(optimiser, loss)
        sums = (loss.detach() * len(index), similar.sum(), dissimilar.sum())
        return torch.stack([each.double() for each in sums])

    def _look(self, network: Network, inputs: Inputs, ctx: Context) -> tuple[Tensor, Tensor]:
        """Features (n, width) and scores (n, k) of all items."""
        ctx.at("encode")

        def everything(x: Tensor) -> Tensor:
            features = network.trunk(x)
            return torch.cat((features.float(), network.scores(features)), 1)

        # every batch must be large and mixed, since BatchNorm uses its statistics
        n = len(inputs)
        size, order = even_batch(n, pass_size(inputs.shape)), fixed_order(n)
        out = embed(network, inputs, ctx, forward=everything, size=size, order=order)
        features, scores = torch.split(out, [network.trunk.width, self.n_clusters], 1)
        return features, scores

    def _snapshot(
        self,
        network: Network,
        inputs: Inputs,
        scalars: Mapping[str, float],
        lam: float,
        views: int,
        ctx: Context,
    ) -> Snapshot:
        features, scores = self._look(network, inputs, ctx)
        p = scores.softmax(1)
        undecided = float((scores.amax(1) == 0).float().mean())
        sample = torch.from_numpy(fixed_order(len(inputs))[:SAMPLE]).to(scores.device)
        rows = label_features(scores[sample])
        artefacts = _artefacts(rows, thresholds(lam), sample)
        if inputs.is_image:
            similar, _ = choose_pairs(rows @ rows.T, *thresholds(lam))
            artefacts |= _pairs_sheet(inputs, sample, similar, views + ctx.done)
        return Snapshot(
            embedding=principal(features, EMBEDDING_WIDTH).cpu().numpy(),
            assignments=p.argmax(1).cpu().numpy(),
            scalars={
                **scalars,
                "confidence": float(p.amax(1).mean()),
                "share_undecided": undecided,
            },
            probabilities=p.cpu().numpy(),
            artefacts=artefacts,
        )


def _artefacts(rows: Tensor, limits: tuple[float, float], sample: Tensor) -> dict[str, Artefact]:
    """Similarity and selection of some items in the order of their clusters."""
    rows, sample = rows[:SHOWN], sample[:SHOWN]
    order = torch.argsort(rows.argmax(1), stable=True)
    rows, names = rows[order], tuple(str(int(i)) for i in sample[order])
    s = rows @ rows.T
    similar, dissimilar = choose_pairs(s, *limits)
    selection = 0.5 + 0.5 * similar.float() - 0.5 * dissimilar.float()
    return {
        "similarity": Artefact(
            "matrix",
            s.cpu().numpy(),
            "Cosine of the label features of some items",
            "Items are ordered by cluster: blocks along the diagonal grow strong, the rest pale.",
            rows=names,
            columns=names,
            axis_titles=("item", "other item"),
        ),
        "selection": Artefact(
            "matrix",
            selection.cpu().numpy(),
            "Pairs that are learned from",
            "1: taken as similar, 0: taken as dissimilar, 0.5: between the thresholds, left out.",
            rows=names,
            columns=names,
            axis_titles=("item", "other item"),
        ),
        "label features": Artefact(
            "matrix",
            rows.cpu().numpy(),
            "Label features of some items",
            "Each row has length 1; a single strong cell is an item that is sure of its cluster.",
            rows=names,
            cluster_axes=(1,),
            axis_titles=("item", "cluster"),
        ),
    }


def _pairs_sheet(inputs: Inputs, sample: Tensor, similar: Tensor, seed: int) -> dict[str, Artefact]:
    """A few of the pairs taken as similar, drawn by a seed; nothing if there are none."""
    first, second = (side.cpu().numpy() for side in similar.triu().nonzero().T)
    if not len(first):
        return {}
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(first), min(PAIRS, len(first)), replace=False)
    items = sample.cpu().numpy()
    pictures = side_by_side(inputs[items[first[drawn]]], inputs[items[second[drawn]]])
    reading = "Both images of a column count as one kind, whether they are or not."
    title = "Pairs taken as similar"
    return {"pairs": Artefact("images", pictures, title, reading, rows=("one", "other"))}
