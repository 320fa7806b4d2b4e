"""Signs that a run goes wrong, found in the figures of its steps: which, when, and by how much.

What a sign means and what helps is said last, by `alarm_catalogue`. The first step is left out
everywhere, since it shows what an untrained network makes of the items, and states that pass within
two steps. But what a finished run ends with always counts: it is what came out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from clustlab import registry
from clustlab.analysis.matching import sizes_of
from clustlab.analysis.scalar_catalogue import SCALARS, own_scalars, training_loss
from clustlab.errors import Diverged
from clustlab.runs.phases import step_phases
from clustlab.runs.store import Run
from clustlab.types import Array, MethodFamily, Role, Scalar

if TYPE_CHECKING:
    from clustlab.analysis.timeline import Timeline  # with pandas, which Home does without

AlarmKind = Literal[
    "collapse",
    "empty",
    "uniform",
    "still",
    "churn",
    "heads",
    "head_change",
    "divergence",
    "broke_off",
]

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
BY_FAMILY: tuple[AlarmKind, ...] = ("collapse", "divergence")  # what one family may, another not


class Seen(NamedTuple):
    """Figures of an alarm at one of its steps."""

    value: float
    n_clusters: int | None = None
    n_occupied: int | None = None
    cluster: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a reader should look at, in figures.

    | kind | value | threshold | before |
    |---|---|---|---|
    | collapse | clusters that as uneven sizes are worth | a third of all | |
    | empty | empty clusters | 0 | |
    | uniform | mean of the greatest probability | a little above 1/k | |
    | still | share of labels changed | where DEC stops | |
    | churn | share of labels changed | 0.2, or nearly as many as before | at the beginning |
    | heads | mean NMI of all pairs of heads | 0.6 | |
    | head_change | share of labels changed | 0.1 | mean NMI of the heads, if measured |
    | divergence | loss | well above its beginning | the least before |
    | broke_off | | | |
    """

    kind: AlarmKind
    step: int  # at which it begins
    until: int  # last step at which it holds
    value: float = math.nan  # at its beginning
    threshold: float = math.nan  # which the value has passed
    before: float = math.nan  # what the value is seen beside
    cluster: int | None = None  # lasting number of the largest cluster, where some swallow the rest
    n_clusters: int | None = None  # of the step
    n_occupied: int | None = None  # of these, those in use
    phase: str = ""
    round: int | None = None  # of the phase, from 1
    heads: tuple[int, int] | None = None  # the one that was chosen before, and the one since
    error: str = ""  # why a run broke off
    is_read_off: bool = False  # whether its clusters were read off what other steps have trained
    seen: tuple[Seen, ...] = ()  # at each of its steps, for states whose figures change meanwhile

    def at(self, step: int) -> "Alarm":
        """Itself with the figures of one of its steps, where those are known."""
        place = step - self.step
        return replace(self, **self.seen[place]._asdict()) if place < len(self.seen) else self

    def stored(self) -> dict[str, Any]:
        """Its fields for JSON, as they are where it begins; None for nan and for empty text."""
        return {
            name: None if value == "" or value != value else value
            for name, value in asdict(replace(self, seen=())).items()
            if name != "seen"
        }

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
    largest: Sequence[int] = ()  # lasting number of the largest cluster at each step, if known
    roles: Sequence[Role | None] = ()  # of the phase of each step, if known
    family: MethodFamily | None = None
    rising: frozenset[str] = frozenset()  # keys of losses that rise in a run that goes well
    is_done: bool = False  # whether the last step is what came out

    def __len__(self) -> int:
        return len(self.phases)


def alarms_of_run(run: Run, timeline: "Timeline") -> list[Alarm]:
    """Alarms of a run over all steps that its timeline knows."""
    progress = run.progress
    diverged = progress.get("error_type") == Diverged.__name__
    broken = str(progress["error"]) if diverged else ""
    known = replace(
        course(run.log, timeline, broken, own_scalars(run)),
        roles=[phase.role for phase in step_phases(run)],
        is_done=progress["status"] == "done" and len(timeline) == len(run),
    )
    return with_method(run, known, alarms_of_course(known))


def with_method(run: Run, known: Course, alarms: list[Alarm]) -> list[Alarm]:
    """The same alarms, but for those that mean nothing for the method of a run."""
    if not any(alarm.kind in BY_FAMILY for alarm in alarms):
        return alarms  # loading all methods, which takes seconds, could only take some away
    method = registry.methods().get(run.spec.method)
    own = registry.own_scalars(method)
    rising = frozenset(scalar.key for scalar in own if scalar.course == "rises")
    family = None if method is None else method.family
    return alarms_of_course(replace(known, family=family, rising=rising))


def course(
    log: Sequence[Mapping[str, Any]],
    timeline: "Timeline",
    broken: str = "",
    own: Sequence[Scalar] = (),
) -> Course:
    """Figures of a run's steps from its log and its timeline.

    Parameters
    ----------
    broken : str
        Why it ended, if a number was not finite any more.
    own : sequence of Scalar
        What the method declares itself: its training loss may be among them.
    """
    known = timeline.metrics()
    records = list(log[: len(known)])
    table = known.iloc[: len(records)]
    soft = timeline.has_probabilities()[: len(records)]
    sure = np.where(soft, table["confidence"], np.nan)
    sizes = [sizes_of(timeline.stable(step), 1) for step in range(len(records))]
    return Course(
        [str(record["phase"]) for record in records],
        np.array([len(timeline.mapping(step)) for step in range(len(records))], dtype=np.int64),
        table["n_occupied"].to_numpy(),
        table["evenness"].to_numpy(),
        table["changed"].to_numpy(),
        sure,
        *scalars_of(records, own),
        broken,
        [int(of_step.argmax()) for of_step in sizes],
    )


def course_of_log(run: Run, own: Sequence[Scalar] = ()) -> Course:
    """What the log of a run that is done says of its course; nan for what its snapshots say."""
    log = run.log
    phases = [str(record["phase"]) for record in log]
    n_clusters = np.array([record["n_clusters"] for record in log], dtype=np.int64)
    unknown = np.full((4, len(log)), np.nan)  # a row each: who knows one figure fills it in
    loss, scalars = scalars_of(log, own)
    return Course(
        phases,
        n_clusters,
        n_occupied=unknown[0],
        evenness=unknown[1],
        changed=unknown[2],
        confidence=unknown[3],
        loss=loss,
        scalars=scalars,
        roles=[phase.role for phase in step_phases(run)],
        is_done=True,
    )


def scalars_of(
    records: Sequence[Mapping[str, Any]], own: Sequence[Scalar]
) -> tuple[Array, dict[str, Array]]:
    """Loss (steps,) and every other scalar (steps,) by key; nan where a step has none."""
    losses = [training_loss(record["scalars"], np.nan, own) for record in records]
    names = sorted({name for record in records for name in record["scalars"]})
    scalars = {
        name: np.array([r["scalars"].get(name, np.nan) for r in records], dtype=np.float64)
        for name in names
    }
    return np.array(losses, dtype=np.float64), scalars


def alarms_of_course(course: Course) -> list[Alarm]:
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
    alarms = [alarm for rule in rules for alarm in rule(course)]
    return sorted(alarms, key=lambda alarm: alarm.step)


def alarms_at_step(alarms: Sequence[Alarm], step: int) -> list[Alarm]:
    """Alarms that hold at a step, with its figures."""
    return [alarm.at(step) for alarm in alarms if alarm.step <= step <= alarm.until]


def episodes(holds: Array, patience: int = PATIENCE) -> list[tuple[int, int]]:
    """First and last step of each stretch of at least `patience` steps at which something holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(holds, dtype=np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2) if b - a >= patience]


def trained_phases(course: Course) -> list[Array]:
    """Steps of each phase at which something was trained, in order."""
    trained = np.isfinite(course.loss)
    names = dict.fromkeys(course.phases)
    steps = [np.flatnonzero(trained & (np.array(course.phases) == name)) for name in names]
    return [of_phase for of_phase in steps if len(of_phase)]


def _state_episodes(course: Course, holds: Array) -> list[tuple[int, int]]:
    """First and last step of each stretch at which a bad state lasts, or with which a run ends.

    Steps that read clusters off what was trained are looks, such as cuts through one tree: of them
    only what came out counts.
    """
    holds = np.array(holds, dtype=bool)
    ends_so = course.is_done and bool(holds[-1:].any())
    holds[:1] = False
    if course.roles:
        holds &= np.array([role != "read_off" for role in course.roles[: len(holds)]], dtype=bool)
    holds[-1:] |= ends_so
    end = len(holds) - 1
    return [
        (first, last)
        for first, last in episodes(holds, 1)
        if last - first + 1 >= PATIENCE or (ends_so and last == end)
    ]


def _state(
    course: Course, kind: AlarmKind, value: Array, threshold: Array, holds: Array
) -> Iterator[Alarm]:
    """Alarms for a state of the clusters, with its figures at each step."""
    for first, last in _state_episodes(course, holds):
        seen = tuple(
            Seen(
                float(value[step]),
                int(course.n_clusters[step]),
                int(course.n_occupied[step]),
                course.largest[step] if kind == "collapse" and len(course.largest) else None,
            )
            for step in range(first, last + 1)
        )
        yield Alarm(
            kind,
            first,
            last,
            threshold=float(threshold[first]),
            is_read_off=bool(course.roles) and course.roles[first] == "read_off",
            seen=seen,
            **seen[0]._asdict(),
        )


# -- rules ---------------------------------------------------------------------------------------
def _collapse(course: Course) -> Iterator[Alarm]:
    k = course.n_clusters
    used = np.asarray(k, dtype=np.float64) ** course.evenness
    # dense places may be of any size: there, only one that is nearly everything is a collapse
    few = 0.0 if course.family == "density" else FEW
    least = np.maximum(k * few, 1.5)
    yield from _state(course, "collapse", used, least, (k > 1) & (used < least))


def _empty(course: Course) -> Iterator[Alarm]:
    missing = np.asarray(course.n_clusters - course.n_occupied, dtype=np.float64)
    yield from _state(course, "empty", missing, np.zeros(len(missing)), missing > 0)


def _uniform(course: Course) -> Iterator[Alarm]:
    least = 1 / np.maximum(course.n_clusters, 1)
    lead = (course.confidence - least) / np.maximum(1 - least, 1e-9)
    holds = (course.n_clusters > 1) & (lead < UNDECIDED)
    threshold = least + UNDECIDED * (1 - least)
    yield from _state(course, "uniform", course.confidence, threshold, holds)


def _still(course: Course) -> Iterator[Alarm]:
    for steps in trained_phases(course):
        for place, step in enumerate(steps[:2].tolist(), 1):
            changed = float(course.changed[step])
            if step and changed <= STILL:
                phase = course.phases[step]
                yield Alarm(
                    "still", step, step, value=changed, threshold=STILL, phase=phase, round=place
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
                "churn",
                step,
                last,
                value=float(recent[start]),
                threshold=max(CHURN, KEPT * first),
                before=first,
                phase=course.phases[step],
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
        yield Alarm("heads", step, last, value=float(agreement[step]), threshold=AGREED)


def _changes_of_head(course: Course) -> Iterator[Alarm]:
    """Steps at which another head is chosen and more than a tenth of the labels change with it."""
    chosen = course.scalars.get("chosen_head")
    if chosen is None:
        return
    agreement = course.scalars.get("head_agreement", np.full(len(chosen), np.nan))
    for step in range(WINDOW, len(chosen)):
        before, after, changed = chosen[step - 1], chosen[step], float(course.changed[step])
        if np.isfinite([before, after]).all() and before != after and changed > SWITCHED:
            yield Alarm(
                "head_change",
                step,
                step,
                value=changed,
                threshold=SWITCHED,
                before=float(agreement[step]),
                heads=(int(before), int(after)),
            )


def _loss_that_should_fall(course: Course) -> Array:
    """Loss (steps,) that has no reason to rise; nan where there is none.

    Where the loss rises by design, such as DEC's while its target sharpens, it is the part of it
    that should fall all the same, such as the reconstruction.
    """
    if not course.rising:
        return course.loss
    steps = np.full(len(course), np.nan)
    for scalar in SCALARS.values():
        if scalar.is_training_loss and scalar.key not in course.rising:
            values = course.scalars.get(scalar.key, steps)
            steps = np.where(np.isfinite(steps), steps, values)
    return steps


def _divergence(course: Course) -> Iterator[Alarm]:
    should_fall = _loss_that_should_fall(course)
    for steps in trained_phases(course):
        steps = steps[np.isfinite(should_fall[steps])]
        loss = should_fall[steps]
        for start, end in episodes(running_away(loss))[:1]:
            grown = GROWTH * float(loss[start - 1]) if loss[start - 1] > 0 else math.inf
            far = _far_above(loss) if start >= WINDOW else math.inf
            yield Alarm(
                "divergence",
                int(steps[start]),
                int(steps[end]),
                value=float(loss[start]),
                threshold=min(grown, far),
                before=float(loss[:start].min()),
                phase=course.phases[int(steps[start])],
            )
    if course.broken and len(course):
        last = len(course) - 1
        yield Alarm("broke_off", last, last, error=course.broken)


def running_away(loss: Array) -> Array:
    """At which steps (m,) bool a loss is far above where it began, or grows as if without end.

    Far above: by more than the first five values differ, or by their size if they do not. A loss
    that rises slowly, as that of DEC does while its target sharpens, is neither.
    """
    loss = np.asarray(loss, dtype=np.float64)
    away = np.zeros(len(loss), dtype=bool)
    if len(loss) > WINDOW:
        away[WINDOW:] = loss[WINDOW:] > _far_above(loss)
    grows = np.zeros(len(loss), dtype=bool)
    grows[1:] = (loss[:-1] > 0) & (loss[1:] > GROWTH * loss[:-1])
    for start, end in episodes(grows):
        away[start : end + 1] = True
    return away


def _far_above(loss: Array) -> float:
    """Value that is far above the first five of a loss."""
    begin = loss[:WINDOW]
    return float(begin.max() + max(float(np.ptp(begin)), 0.5 * float(np.abs(begin).max())))
