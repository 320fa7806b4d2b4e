"""What happened at one step of a run: what the inspector tells while nothing is selected.

All cluster numbers are stable ids. Noise (-1) is no cluster, but items move into it and out of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clustlab.analysis import transitions
from clustlab.analysis.matching import n_classes_present, sizes_of
from clustlab.analysis.score_catalogue import SCORES, labelled_scores
from clustlab.analysis.shares import percent
from clustlab.analysis.step_view import StepView
from clustlab.types import Array, cluster_words

MOVES = 3  # largest moves whose items are named
UNSURE = 12  # items named of which the method is least sure

Beginning = Literal["first", "read anew", "unknown", "carried on"]
"""How the clusters of a step came about: nothing was before them, they are read off what was
trained, or they carry on from those one step before."""

LeadKind = Literal["next step", "busiest step", "moves", "wrong", "unsure", "whole run"]
"""What is worth looking at next; the page decides which link leads there."""


@dataclass(frozen=True, slots=True)
class Move:
    """Items that went from one cluster to another at a step."""

    source: int  # -1 for noise
    target: int
    items: Array  # (m,) int64, those the method is surest of first

    @property
    def words(self) -> str:
        """The move in words, such as "cluster 3 to cluster 5"."""
        return f"{cluster_words(self.source)} to {cluster_words(self.target)}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """How many items one cluster lost to others and got from them at a step."""

    cluster: int  # -1 for noise
    gave: int
    took: int


@dataclass(frozen=True, slots=True)
class Lead:
    """Something to look at next."""

    kind: LeadKind
    words: str
    step: int | None = None  # to go to, for those that lead to another step


@dataclass(frozen=True, slots=True)
class StepStory:
    """One step in words and figures; see `step_story`."""

    step: int
    beginning: Beginning
    sentences: tuple[str, str]
    n_moved: int = 0  # items in another cluster than one step before
    moves: tuple[Move, ...] = ()  # the largest, largest first
    n_moves: int = 0  # pairs of clusters between which any item moved
    exchanges: tuple[Exchange, ...] = ()  # of all clusters that gave or took, busiest first
    unsure: Array | None = None  # (m,) int64, least sure first; None where no item is clustered
    leads: tuple[Lead, ...] = ()


def step_story(view: StepView) -> StepStory:
    """What changed at a step since the one before, and what is worth looking at next.

    Where clusters are read anew, or nothing was before, nothing counts as moved. Scores are told
    only for items with known classes: the one that leads for the run.
    """
    before, step = view.timeline.stable_before(view.step), view.step
    if before is None:
        beginning, tell = _without_past(view)
        return StepStory(
            step, beginning, tell(view), unsure=_least_sure(view), leads=_leads(view, 0, 0)
        )
    flows = transitions.table(before, view.clusters)
    np.fill_diagonal(flows, 0)
    n_moved = int(flows.sum())
    happened = transitions.events(before, view.clusters)
    return StepStory(
        step,
        "carried on",
        _carried_on(view, n_moved, happened, flows),
        n_moved,
        _moves(view, before, flows),
        int((flows > 0).sum()),
        _exchanges(flows),
        _least_sure(view),
        _leads(view, n_moved, len(happened.changes)),
    )


# -- sentences ---------------------------------------------------------------------------------
def _without_past(view: StepView) -> tuple[Beginning, Callable[[StepView], tuple[str, str]]]:
    """Why nothing counts as moved at a step, and who tells of it."""
    if view.step == 0:
        return "first", _first
    if view.step in view.timeline.read_anew():
        return "read anew", _read_anew
    return "unknown", _after_missing


def _after_missing(view: StepView) -> tuple[str, str]:
    head = f"Step {view.step - 1} is missing, so nobody can say which {_noun(view)}s moved since"
    return f"{head}{_score_now(view)}.", _first(view)[1]


def _first(view: StepView) -> tuple[str, str]:
    sizes = sizes_of(view.clusters)
    n, in_use = len(view.clusters), int((sizes > 0).sum())
    head = f"Step {view.step} is the first, so nothing has moved yet{_score_now(view)}."
    if not in_use:
        return head, f"All {_items(view, n)} are noise: there is no cluster."
    of_all = f"holds {percent(sizes.max() / n)} of the {_noun(view)}s"
    noise = 1 - sizes.sum() / n
    rest = f"; {percent(noise)} are noise" if noise > 0 else ""
    clusters = f"{in_use} cluster{'s' * (in_use != 1)}"
    in_words = f"There {'is' if in_use == 1 else 'are'} {clusters} in use"
    largest = f"the largest, cluster {int(sizes.argmax())}, {of_all}"
    return head, f"{in_words}; {largest if in_use > 1 else f'it {of_all}'}{rest}."


def _read_anew(view: StepView) -> tuple[str, str]:
    before, after = (len(view.timeline.mapping(s)) for s in (view.step - 1, view.step))
    head = "At this step the clusters are recomputed from what was trained"
    return (
        f"{head}: {after} instead of {before}{_score_change(view)}.",
        f"They do not continue the earlier ones, so no {_noun(view)} counts as moved.",
    )


def _carried_on(
    view: StepView, n_moved: int, happened: transitions.Events, flows: Array
) -> tuple[str, str]:
    since = f"since step {view.step - 1}{_score_change(view)}."
    if not n_moved:
        return f"No {_noun(view)} changed cluster {since}", _when_last(view)
    n = len(view.clusters)
    many = f"{n_moved:,} of {_items(view, n)} ({percent(n_moved / n)})"
    head = f"{many} changed cluster {since}"
    pairs = _largest_first(flows)
    source, target = pairs[0]
    told = [c for c in happened.changes if _is_news(c, flows, int(flows[source, target]))]
    if told:
        return head, max(told, key=lambda change: change.items).in_words(_noun(view))
    what = "only" if len(pairs) == 1 else "largest"
    move = (
        f"he {what} move is {_items(view, int(flows[source, target]))} from "
        f"{_name(flows, source)} to {_name(flows, target)}."
    )
    if happened.changes:
        return head, f"T{move}"
    return head, f"No cluster split, merged or dissolved; t{move}"


def _is_news(change: transitions.Change, flows: Array, largest: int) -> bool:
    """Whether a change says more than the largest move (items): small clusters regroup easily."""
    if change.kind not in ("regrouping", "loss"):
        return True
    moved = flows[np.ix_(change.before, change.after)].sum() if change.flows else change.items
    return bool(moved >= largest)


def _when_last(view: StepView) -> str:
    """When any item moved last before a step at which none did."""
    for step in reversed(range(view.step)):
        changed = view.timeline.row(step)["changed"]
        if changed > 0:
            return f"The last {_noun(view)} moved at step {step}."
    return f"No {_noun(view)} has moved since the first step."


def _leading_score(view: StepView, step: int) -> tuple[str, str, float] | None:
    """Title, written value and value of the score that leads; None where it is not defined."""
    if view.labels is None:
        return None
    keys = labelled_scores(is_over_clustered=view.timeline.is_over_clustered())
    score, value = SCORES[keys[0]], view.timeline.row(step)[keys[0]]
    if value != value:
        return None
    title = score.title if score.title.isupper() else score.title.lower()
    if view.timeline.row(step)["share_clustered"] < 1:
        title = f"{title} over the clustered {_noun(view)}s"
    return title, score.written(value), value


def _score_now(view: StepView) -> str:
    score = _leading_score(view, view.step)
    return "" if score is None else f"; {score[0]} is {score[1]}"


def _score_change(view: StepView) -> str:
    """What became of the leading score, as the end of a sentence; empty without one."""
    before, now = (_leading_score(view, step) for step in (view.step - 1, view.step))
    if before is None or now is None:
        return _score_now(view)
    if before[1] == now[1]:
        return f"; {now[0]} stays at {now[1]}"
    verb = "rose" if now[2] > before[2] else "fell"
    return f"; {now[0]} {verb} from {before[1]} to {now[1]}"


def _noun(view: StepView) -> str:
    return view.dataset.noun


def _items(view: StepView, count: int) -> str:
    return f"{count:,} {_noun(view)}{'s' * (count != 1)}"


# -- who moved ---------------------------------------------------------------------------------
def _largest_first(flows: Array) -> list[tuple[int, int]]:
    """Rows and columns of the moves in a table without its diagonal, by falling number of items."""
    sources, targets = np.nonzero(flows)
    order = np.argsort(-flows[sources, targets], kind="stable")
    return list(zip(sources[order].tolist(), targets[order].tolist(), strict=True))


def _number(flows: Array, row: int) -> int:
    """Cluster of a row; the last is noise."""
    return row if row < len(flows) - 1 else -1


def _name(flows: Array, row: int) -> str:
    return cluster_words(_number(flows, row))


def _moves(view: StepView, before: Array, flows: Array) -> tuple[Move, ...]:
    moves = []
    for pair in _largest_first(flows)[:MOVES]:
        source, target = (_number(flows, row) for row in pair)
        items = np.flatnonzero((before == source) & (view.clusters == target))
        order = np.argsort(-view.confidence[items], kind="stable")
        moves.append(Move(source, target, items[order]))
    return tuple(moves)


def _exchanges(flows: Array) -> tuple[Exchange, ...]:
    gave, took = flows.sum(1).tolist(), flows.sum(0).tolist()
    busy = [
        Exchange(_number(flows, row), gave[row], took[row])
        for row in range(len(flows))
        if gave[row] or took[row]
    ]
    return tuple(sorted(busy, key=lambda exchange: -(exchange.gave + exchange.took)))


def _least_sure(view: StepView) -> Array | None:
    items = np.flatnonzero(view.is_clustered)
    if not len(items):
        return None
    return np.asarray(items[np.argsort(view.confidence[items], kind="stable")][:UNSURE])


# -- what next ---------------------------------------------------------------------------------
def _leads(view: StepView, n_moved: int, n_changes: int) -> tuple[Lead, ...]:
    leads: list[Lead] = []
    steps, nouns = len(view.timeline), f"{_noun(view)}s"
    changed = [view.timeline.row(step)["changed"] for step in range(steps)]
    if view.step + 1 < steps and view.step == 0:
        share = changed[1]
        moved = f": {percent(share)} of the {nouns} move" if share > 0 else ""
        leads.append(Lead("next step", f"Step 1{moved}", 1))
    if n_moved:
        many = f"All {n_changes} changes to clusters" if n_changes > 1 else "Every move"
        leads.append(Lead("moves", f"{many} at this step"))
    busiest = _busiest(changed)
    if busiest not in (None, view.step, 1 if view.step == 0 else None):
        assert busiest is not None
        words = f"Step {busiest}: {percent(changed[busiest])} moved, the most"
        leads.append(Lead("busiest step", words, busiest))
    enough = int((sizes_of(view.clusters) > 0).sum()) >= n_classes_present(view.labels)
    if view.wrong.any() and enough:  # else most classes have no cluster to be in
        leads.append(Lead("wrong", f"{nouns.capitalize()} in the wrong cluster"))
    elif view.is_clustered.any() and len(view.ids) > 1:
        leads.append(Lead("unsure", f"{nouns.capitalize()} between two clusters"))
    if steps > 1:
        leads.append(Lead("whole run", "The whole run at a glance"))
    return tuple(leads)


def _busiest(changed: Sequence[float]) -> int | None:
    """Step at which most items moved; None if none ever did."""
    shares = np.nan_to_num(np.asarray(changed, dtype=np.float64))
    return int(shares.argmax()) if shares.any() else None
