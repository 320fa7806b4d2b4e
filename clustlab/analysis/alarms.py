"""Signs that a run goes wrong, found in the figures of its steps: when, what it means, what helps.

The first step is left out everywhere: it shows what an untrained network makes of the items.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import Run
from clustlab.types import REMEDY, Array

PATIENCE = 3  # steps that a state must last: nearly every network passes through bad ones
FEW = 1 / 3  # of its clusters is what a collapsed run makes use of, at most
UNDECIDED = 0.05  # lead of the greatest probability over 1/k, as a share of what is possible
STILL = 0.001  # share of labels changed at which DEC stops
CHURN = 0.2  # share of labels changed that is a lot
KEPT = 0.9  # share of the first churn at which it has not fallen
WINDOW = 5  # steps that are taken together where single ones say little
SWITCHED = 0.1  # share of labels changed by a change of head that is worth a word
AGREED = 0.6  # mean NMI of all pairs of heads below which they are said to disagree
GROWTH = 1.5  # factor from step to step at which a loss runs away
SPLIT = re.compile(r"[:.] ")  # between what happens and what it means
LOSSES = ("loss", "cross_entropy", "reconstruction", "layer reconstruction")  # the first one counts


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a reader should look at."""

    step: int  # at which it begins
    until: int  # last step at which it holds
    name: str  # short and the same wherever it happens, such as `collapse`
    title: str  # the same in words
    sentence: str  # what happens here and what it means
    remedy: str  # what guards against it

    @property
    def fact(self) -> str:
        """The beginning of the sentence: what happens, without what it means."""
        return SPLIT.split(self.sentence, maxsplit=1)[0].rstrip(".") + "."

    @property
    def meaning(self) -> str:
        """The rest of the sentence: what it means; empty if it says no more."""
        rest = SPLIT.split(self.sentence, maxsplit=1)[1:]
        return "".join(part[0].upper() + part[1:] for part in rest)

    @property
    def when(self) -> str:
        """Its steps in words."""
        return f"step {self.step}" + (f" to {self.until}" if self.until > self.step else "")


@dataclass(frozen=True, slots=True)
class Course:
    """What the alarms look at: one entry a step, nan where there is nothing."""

    phases: Sequence[str]
    n_clusters: Array  # (steps,) int
    n_occupied: Array  # (steps,)
    evenness: Array  # (steps,) entropy of the sizes over ln k
    changed: Array  # (steps,) share of labels changed
    confidence: Array  # (steps,) mean of the greatest probability
    loss: Array  # (steps,) what the method makes small by training
    scalars: Mapping[str, Array] = field(default_factory=dict)  # (steps,) whatever else it reports
    broken: str = ""  # why it ended, if a number was not finite any more

    def __len__(self) -> int:
        return len(self.phases)


def of(run: Run, timeline: Timeline) -> list[Alarm]:
    """Alarms of a run over all steps that its timeline knows."""
    progress = run.progress
    diverged = progress["status"] == "failed" and progress.get("hint") == REMEDY
    return find(course(run.log, timeline, str(progress["error"]) if diverged else ""))


def course(log: Sequence[Mapping[str, Any]], timeline: Timeline, broken: str = "") -> Course:
    """Figures of a run's steps from its log and its timeline."""
    known = timeline.metrics()
    records = list(log[: len(known)])
    table = known.iloc[: len(records)]
    soft = timeline.has_probabilities()[: len(records)]
    sure = np.where(soft, table["confidence"], np.nan)
    names = sorted({name for record in records for name in record["scalars"]})
    scalars = {
        name: np.array([r["scalars"].get(name, np.nan) for r in records], dtype=np.float64)
        for name in names
    }
    return Course(
        [str(record["phase"]) for record in records],
        np.array([len(timeline.mapping(step)) for step in range(len(records))], dtype=np.int64),
        table["n_occupied"].to_numpy(),
        table["evenness"].to_numpy(),
        table["changed"].to_numpy(),
        sure,
        np.array([_loss(record["scalars"]) for record in records], dtype=np.float64),
        scalars,
        broken,
    )


def _loss(scalars: Mapping[str, float]) -> float:
    return next((scalars[name] for name in LOSSES if name in scalars), np.nan)


def find(course: Course) -> list[Alarm]:
    """All alarms of a course, by step; each episode is told once, where it begins."""
    rules: list[Callable[[Course], Iterator[Alarm]]] = [
        _collapse,
        _empty,
        _uniform,
        _still,
        _churn,
        _heads,
        _changes_of_head,
        _divergence,
    ]
    found = [alarm for rule in rules for alarm in rule(course)]
    return sorted(found, key=lambda alarm: alarm.step)


def at(alarms: Sequence[Alarm], step: int) -> list[Alarm]:
    """Alarms that hold at a step."""
    return [alarm for alarm in alarms if alarm.step <= step <= alarm.until]


def episodes(holds: Array, patience: int = PATIENCE) -> list[tuple[int, int]]:
    """First and last step of each stretch of at least `patience` steps at which something holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(holds, dtype=np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2) if b - a >= patience]


def trained_phases(course: Course) -> list[Array]:
    """Steps of each phase at which something was trained, in order."""
    trained = np.isfinite(course.loss)
    names = dict.fromkeys(course.phases)
    steps = [np.flatnonzero(trained & (np.array(course.phases) == name)) for name in names]
    return [found for found in steps if len(found)]


def _after_first(holds: Array) -> Array:
    holds = np.array(holds, dtype=bool)
    holds[:1] = False
    return holds


# -- rules ---------------------------------------------------------------------------------------
def _collapse(course: Course) -> Iterator[Alarm]:
    k = course.n_clusters
    used = np.asarray(k, dtype=np.float64) ** course.evenness
    for step, last in episodes(_after_first((k > 1) & (used < np.maximum(k * FEW, 1.5)))):
        yield Alarm(
            step,
            last,
            "collapse",
            "Collapse",
            f"The items are spread as unevenly as if there were only {used[step]:.1f} of "
            f"{k[step]} clusters: a few swallow the rest, and what the method learns from its own "
            "labels says less and less.",
            "Targets of equal size (DEC: sinkhorn, or a larger delta), a larger balance weight "
            "(IIC), repair of empty clusters (DeepCluster), a lower learning rate.",
        )


def _empty(course: Course) -> Iterator[Alarm]:
    missing = course.n_clusters - course.n_occupied
    for step, last in episodes(_after_first(missing > 0)):
        count = int(missing[step])
        yield Alarm(
            step,
            last,
            "empty",
            "Empty clusters",
            f"{count} of {course.n_clusters[step]} clusters {'is' if count == 1 else 'are'} empty. "
            "A centre without items gets no push from any, so it rarely comes back; two classes "
            "then share a cluster.",
            "Repair of empty clusters, more starts of k-means, targets of equal size, or fewer "
            "clusters if there are no more groups than that.",
        )


def _uniform(course: Course) -> Iterator[Alarm]:
    least = 1 / np.maximum(course.n_clusters, 1)
    lead = (course.confidence - least) / np.maximum(1 - least, 1e-9)
    for step, last in episodes(_after_first((course.n_clusters > 1) & (lead < UNDECIDED))):
        yield Alarm(
            step,
            last,
            "uniform",
            "Uniform probabilities",
            f"The greatest probability of an item is {course.confidence[step]:.3f} on average, and "
            f"1/{course.n_clusters[step]} would be a blind guess: the target is as flat, so there "
            "is nothing to learn from.",
            "A code on a larger scale, or fewer degrees of freedom alpha (DEC); a longer "
            "pre-training; a higher learning rate (IIC).",
        )


def _still(course: Course) -> Iterator[Alarm]:
    for steps in trained_phases(course):
        for place, step in enumerate(steps[:2].tolist()):
            changed = float(course.changed[step])
            if step and changed <= STILL:
                yield Alarm(
                    step,
                    step,
                    "still",
                    "No change at all",
                    f"In round {place + 1} of the phase '{course.phases[step]}' {changed:.1%} of "
                    "the labels changed. By the usual rule the run has converged, before it has "
                    "learned anything: what comes out is what it started from.",
                    "A lower tolerance, more training between two updates, a higher learning "
                    "rate; or it began at its end, as a run that is trained longer does.",
                )
                break


def _churn(course: Course) -> Iterator[Alarm]:
    for steps in trained_phases(course):
        steps = steps[np.isfinite(course.changed[steps])]
        changed = course.changed[steps]
        if len(steps) < 2 * WINDOW:
            continue
        first = float(np.median(changed[:WINDOW]))
        recent = np.median(np.lib.stride_tricks.sliding_window_view(changed, WINDOW), axis=1)
        holds = (recent > CHURN) & (recent >= KEPT * first)
        holds[:WINDOW] = False
        for start, end in episodes(holds):
            step, last = (int(steps[i + WINDOW - 1]) for i in (start, end))
            yield Alarm(
                step,
                last,
                "churn",
                "Labels do not settle",
                f"{recent[start]:.0%} of the labels change at each step, and {first:.0%} did at "
                "the beginning of the phase: the network learns labels that are others by the "
                "time it has learned them.",
                "A lower learning rate, fewer clusters, less training between two assignments, "
                "or weaker changes of the images.",
            )


APART = (
    "the heads divide the same features differently, so which of them has the lowest loss decides "
    "what comes out, and a jump in the scores where that changes is no learning."
)
FEWER_DOUBTS = (
    "More epochs, a lower learning rate, the auxiliary head, or more heads; compare several seeds "
    "by their loss before trusting one."
)


def _heads(course: Course) -> Iterator[Alarm]:
    """Steps at which the heads agree less than `AGREED`, if the run has measured how far they do.

    The first five steps with heads are left out: there they come from different draws.
    """
    agreement = course.scalars.get("head_agreement")
    if agreement is None:
        return
    low = agreement < AGREED  # nan, where there are no heads yet, is not
    low[np.flatnonzero(np.isfinite(agreement))[:WINDOW]] = False
    for step, last in episodes(low):
        yield Alarm(
            step,
            last,
            "heads",
            "Heads disagree",
            f"The mean NMI of all pairs of heads is {agreement[step]:.2f}, less than {AGREED}: "
            + APART,
            FEWER_DOUBTS,
        )


def _changes_of_head(course: Course) -> Iterator[Alarm]:
    """Steps at which another head is chosen and more than a tenth of the labels change with it."""
    chosen = course.scalars.get("chosen_head")
    if chosen is None:
        return
    agreement = course.scalars.get("head_agreement", np.full(len(chosen), np.nan))
    for step in range(WINDOW, len(chosen)):
        before, after, changed = chosen[step - 1], chosen[step], float(course.changed[step])
        if np.isfinite([before, after]).all() and before != after and changed > SWITCHED:
            known = np.isfinite(agreement[step])
            mean = (
                f"at step {step} the mean NMI of all pairs of heads is {agreement[step]:.2f}, and "
            )
            yield Alarm(
                step,
                step,
                "heads",
                "Heads disagree",
                f"Head {after:.0f} took over from head {before:.0f} with the lower loss, and "
                f"{changed:.0%} of the labels changed at once: {mean if known else ''}{APART}",
                FEWER_DOUBTS,
            )


def _divergence(course: Course) -> Iterator[Alarm]:
    remedy = "A lower learning rate, larger batches, or items scaled to [0, 1]."
    for steps in trained_phases(course):
        loss = course.loss[steps]
        for start, end in episodes(running_away(loss))[:1]:
            yield Alarm(
                int(steps[start]),
                int(steps[end]),
                "divergence",
                "Loss diverges",
                f"The loss is {loss[start]:.3g} and on its way up, after {loss[:start].min():.3g}: "
                "the steps are too large, and each undoes more than it gains.",
                remedy,
            )
    if course.broken and len(course):
        last = len(course) - 1
        words = f"{course.broken} This is the last step before it; the run could not go on."
        yield Alarm(last, last, "divergence", "Loss diverged", words, remedy)


def running_away(loss: Array) -> Array:
    """At which steps (m,) bool a loss is far above where it began, or grows as if without end.

    Far above: by more than the first five values differ, or by their size if they do not. A loss
    that rises slowly, as that of DEC does while its target sharpens, is neither.
    """
    loss = np.asarray(loss, dtype=np.float64)
    away = np.zeros(len(loss), dtype=bool)
    if len(loss) > WINDOW:
        begin = loss[:WINDOW]
        spread = max(float(np.ptp(begin)), 0.5 * float(np.abs(begin).max()))
        away[WINDOW:] = loss[WINDOW:] > begin.max() + spread
    grows = np.zeros(len(loss), dtype=bool)
    grows[1:] = (loss[:-1] > 0) & (loss[1:] > GROWTH * loss[:-1])
    for start, end in episodes(grows):
        away[start : end + 1] = True
    return away
