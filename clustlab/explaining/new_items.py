"""What a run says of items that it was not trained on, and how far they are from all it knows."""

from dataclasses import dataclass

import numpy as np
import torch

from clustlab.analysis.nearest_neighbours import examined
from clustlab.explaining.scorers import Scorer, as_input
from clustlab.parts.hooks.scoring import ScoringChain
from clustlab.parts.inputs.pca import principal_map
from clustlab.parts.networks.passes import pass_size
from clustlab.types import NOISE, Array

NEIGHBOUR = 10  # to which of the items of the run, from the nearest on, the distance is taken
USUAL = 99  # percentile of that distance among the items of the run, beyond which one is strange
WIDEST = 256  # columns in which distances are taken; wider rows become components and a rest
FITTED_BYTES = 2**28  # of the rows from which components are computed
ROUNDING = 1e-5  # of the size of a row, by which equal items may be apart


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run says of m items."""

    clusters: Array  # (m,) int32, raw; -1 where the scores of an item are no finite numbers
    probabilities: Array | None  # (m, k) float32 of each raw cluster, if the method has them
    distances: Array | None  # (m,) float32, see `Judge`; None if the method does not show them
    is_strange: Array | None  # (m,) bool


class Judge:
    """A run that can be asked about new items.

    The distance of an item is that to its 10th nearest item of the run, in the features by which
    the method decides: the pixels of k-means, the code of an autoencoder, what goes into the last
    layer of a classifier; as they are before components are taken of them. It is strange if the
    distance is larger than that of 99 of 100 items of the run, each of which is compared with the
    others.

    Parameters
    ----------
    scorer : Scorer
        Of the run.
    items : array
        All items of the run, (n, ...).
    """

    def __init__(self, scorer: Scorer, items: Array) -> None:
        self.scorer = scorer
        self._device = scorer.inputs.device
        self._input = as_input(items, self._device)
        self.neighbour = min(NEIGHBOUR, len(items) - 1)
        self.usual_distance: float | None = None
        """Distance beyond which an item is strange; None without distances."""
        module = scorer.module
        self._chain = module if isinstance(module, ScoringChain) else None
        if self._chain is None or self.neighbour < 1:
            return
        self._space = _space(self._chain, scorer, items)
        known = np.concatenate(
            [self._space.placed(_seen(self._chain, scorer, part)) for part in _parts(items)]
        )
        self._measure(known)

    @property
    def has_probabilities(self) -> bool:
        """Whether the method gives each cluster a probability."""
        return self._chain is not None and self._chain.gives_log_probabilities

    def judge(self, items: Array) -> Judgement:
        """What the run says of items (m, ...) that are as its own are."""
        found = [self._judged(items[part]) for part in _parts(items)]
        scores = np.concatenate([scores for scores, _ in found])
        is_finite = np.isfinite(scores).all(1)
        clusters = np.where(is_finite, np.nan_to_num(scores).argmax(1), NOISE).astype(np.int32)
        probabilities = distances = is_strange = None
        if self.has_probabilities:
            probabilities = np.exp(scores)
        if self.usual_distance is not None:
            distances = np.concatenate([self._distances(rows) for _, rows in found])
            is_strange = distances > self.usual_distance + self._slack
        return Judgement(clusters, probabilities, distances, is_strange)

    def _judged(self, some: Array) -> tuple[Array, Array]:
        """Scores (m, k) and rows (m, d) of a few items."""
        with torch.no_grad(), np.errstate(over="ignore", invalid="ignore"):
            x = self._input(some)
            if self._chain is None:
                return self.scorer.module(x).float().cpu().numpy(), np.zeros((len(some), 0))
            rows = self._chain.seen(x)
            scores: Array = self._chain.judged(rows).float().cpu().numpy()
            return scores, rows.cpu().numpy()

    def _measure(self, known: Array) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._middle = known.mean(0)
        known = known - self._middle  # squares lose less to rounding
        self._known = NearestNeighbors(algorithm="brute").fit(known)
        asked = examined(len(known), known.shape[1])
        # the item itself is the nearest
        apart = self._known.kneighbors(known[asked], self.neighbour + 1)[0][:, -1]
        self.usual_distance = float(np.percentile(apart, USUAL))
        self._slack = ROUNDING * float(np.sqrt(np.square(known).sum(1).mean()))

    def _distances(self, rows: Array) -> Array:
        """Distance (m,) float32 of rows as the chain sees them; infinite where one is not."""
        with np.errstate(over="ignore", invalid="ignore"):
            placed = self._space.placed(rows) - self._middle
        is_finite = np.isfinite(placed).all(1)
        distances = np.full(len(rows), np.inf, np.float32)
        if is_finite.any():
            near = self._known.kneighbors(placed[is_finite], self.neighbour)[0]
            distances[is_finite] = near[:, -1]
        return distances


@dataclass(frozen=True, slots=True)
class _Space:
    """Where distances are taken: the rows as they are, or their leading components and the rest."""

    mean: Array | None = None  # (d,)
    basis: Array | None = None  # (d, m)

    def placed(self, rows: Array) -> Array:
        """Rows (b, m + 1), or (b, d) as they are.

        What no component shows counts as one column, or whatever lies off them would look usual.
        """
        if self.mean is None or self.basis is None:
            return rows
        centred = rows - self.mean
        shown = centred @ self.basis
        rest = np.square(centred).sum(1) - np.square(shown).sum(1)
        placed: Array = np.column_stack([shown, np.sqrt(np.maximum(rest, 0))])
        return placed


def _space(chain: ScoringChain, scorer: Scorer, items: Array) -> _Space:
    with torch.no_grad():
        width = chain.seen(scorer.item(0)).shape[1]
        if width <= WIDEST:
            return _Space()
        n = min(len(items), max(2 * WIDEST, FITTED_BYTES // (4 * width)))
        chosen = np.linspace(0, len(items) - 1, n).round().astype(np.int64)
        size = pass_size(scorer.inputs.shape)
        rows = torch.cat(
            [chain.seen(scorer.inputs[chosen[i : i + size]]).cpu() for i in range(0, n, size)]
        )
        mean, basis = principal_map(rows, WIDEST)
    return _Space(mean.numpy(), basis.numpy())


def _seen(chain: ScoringChain, scorer: Scorer, part: slice) -> Array:
    """Rows (m, d) of some items of the run."""
    n = len(scorer.inputs)
    with torch.no_grad():
        rows: Array = chain.seen(scorer.inputs[np.arange(n)[part]]).cpu().numpy()
    return rows


def _parts(items: Array) -> list[slice]:
    """Items that go through a network together."""
    size = pass_size(items.shape[1:])
    return [slice(i, i + size) for i in range(0, len(items), size)]
