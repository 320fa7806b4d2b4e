"""Training a finished run longer: what of it goes on, for how long, and whether it had converged.

The longer run is a run of its own that begins with all steps of the other one, and goes on from its
state as if it had been asked for more from the beginning. So its steps, its clusters and their
numbers carry on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clustlab import registry
from clustlab.errors import ParameterError
from clustlab.params import Param, build, schema
from clustlab.registry import Method
from clustlab.runs.identity import method_settings
from clustlab.runs.store import Run, RunSpec
from clustlab.types import PlannedPhase, Role

TRAINED: tuple[Role, ...] = ("pretrain", "train")
FEWEST = 5  # more iterations that are proposed at least
STILL = 0.001  # share of labels changed that is as good as none
LAST = 3  # steps that must be still


@dataclass(frozen=True, slots=True)
class Longer:
    """How a finished run can be trained longer."""

    setting: Param  # says how many iterations the phase has at most
    phase: PlannedPhase  # the last one that trains, as it was planned
    done: int  # iterations of it that took place
    total: int  # of those that were asked for
    unit: str  # an iteration in words, such as "epoch"
    stopping_rule: Param | None  # setting by which the method ends by itself; None if it does not
    can_go_beyond: bool  # whether that can be lowered, so that it goes on

    @property
    def stopped_itself(self) -> bool:
        """Whether the method ended the phase before it had all its iterations."""
        return self.done < self.total

    @property
    def most(self) -> int:
        """More iterations that are possible, 0 or more."""
        high = self.setting.high
        return 10_000 if high is None else max(0, int(high) - self.done)

    @property
    def proposed(self) -> int:
        """More iterations that are proposed: half of what there was."""
        return min(max(FEWEST, round(self.done / 2)), self.most)

    def units(self, number: int) -> str:
        """A number of iterations in words, such as '20 epochs'."""
        return f"{number:,} {self.unit}{'s' * (number != 1)}"


def how_to_train_longer(run: Run, n: int, shape: tuple[int, ...]) -> Longer | None:
    """How a run over n items of a shape goes on; None if no setting of its method says how long.

    Raises
    ------
    ParameterError
        If the method is not there any more, or does not know the settings of the run.
    """
    method = registry.method(run.spec.method)
    settings = method_settings(run.spec)
    plan = build(method, settings).plan(n, shape)
    last = {record["phase"]: record for record in run.log}  # of each phase
    trained = [phase for phase in plan if phase.role in TRAINED and phase.name in last]
    if not trained:
        return None
    record = last[trained[-1].name]
    setting = _setting_of_length(method, settings, trained[-1].name, n, shape)
    if setting is None:
        return None
    rule = next((p for p in schema(method) if p.ends_training), None)
    return Longer(
        setting,
        trained[-1],
        int(record["done"]),
        int(record["total"]),
        "step" if " or " in method.step_unit else method.step_unit,
        rule,
        rule is not None and rule.low is not None and settings[rule.name] > rule.low,
    )


def _setting_of_length(
    method: type[Method],
    settings: Mapping[str, Any],
    phase: str,
    n: int,
    shape: tuple[int, ...],
) -> Param | None:
    """The setting that, raised by one, gives the phase one iteration more and changes no other."""

    def iterations(values: Mapping[str, Any]) -> dict[str, int]:
        return {p.name: p.iterations for p in build(method, values).plan(n, shape)}

    now = iterations(settings)
    wanted = {**now, phase: now[phase] + 1}
    for p in _whole_numbers(method, settings):
        try:
            if iterations({**settings, p.name: settings[p.name] + 1}) == wanted:
                return p
        except ParameterError:  # that would be too many
            continue
    return None


def _whole_numbers(method: type[Method], settings: Mapping[str, Any]) -> Iterator[Param]:
    return (p for p in schema(method) if p.kind == "int" and settings[p.name] is not None)


def longer_spec(run: Run, longer: Longer, more: int, *, beyond: bool = False) -> RunSpec:
    """What to run so that a run goes on for `more` iterations.

    `beyond` goes on although the method has ended by itself: until nothing changes at all.

    Raises
    ------
    ParameterError
        If it cannot.
    """
    if longer.stopped_itself and not longer.can_go_beyond:
        raise ParameterError(
            f"{run.title} stopped by itself, and no setting of it would make it go on.",
            "Change its settings and run it again.",
        )
    if longer.stopped_itself and not beyond:
        raise ParameterError(
            f"{run.title} stopped by its own rule, so it would take no more steps.",
            "Go on beyond the rule (--beyond), or change its settings and run it again.",
        )
    if not 1 <= more <= longer.most:
        raise ParameterError(
            f"The number of more steps must lie in [1, {longer.most}], got {more}.",
            "Choose another number.",
        )
    changed: dict[str, Any] = {longer.setting.name: longer.done + more}
    if beyond and longer.stopping_rule is not None:
        changed[longer.stopping_rule.name] = longer.stopping_rule.low
    params = {**run.spec.method_params, **changed}
    return replace(run.spec, method_params=params, continues=run.id)


def checkpoint_to_go_on(
    final: Mapping[str, Any], longer: Longer, *, beyond: bool = False
) -> dict[str, Any]:
    """Checkpoint in the middle of the phase, from the one that the run has ended with.

    Raises
    ------
    ParameterError
        If the run has not come to its end.
    """
    finished = list(final["finished"])
    if final["phase"] or longer.phase.name not in finished:
        raise ParameterError(
            "The run has not come to its end, so it cannot be trained longer.", "Resume it first."
        )
    anew = set(final.get("not_across_runs", ())) if beyond else set()
    return {
        **final,
        "phase": longer.phase.name,
        "done": longer.done,
        "finished": finished[: finished.index(longer.phase.name)],
        "parts": {name: part for name, part in final["parts"].items() if name not in anew},
    }


def still_steps(changed: Sequence[float]) -> int:
    """Number of steps at the end in which hardly any label changed; 0 if fewer than `LAST`."""
    count = 0
    for share in reversed(changed):
        if not share <= STILL:  # nan is not still
            break
        count += 1
    return count if count >= LAST else 0
