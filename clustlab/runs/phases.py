"""What the steps of a run were for and how many items they drew, whatever its phases are called.

The log says it. Logs written before it did are read together with the plan of their method, which
knows the phases by name; this is the only place that does so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from clustlab import registry
from clustlab.errors import ParameterError
from clustlab.params import build
from clustlab.runs.store import Run, each_assignment
from clustlab.types import PlannedPhase, Role

# neither role nor samples depend on the shape of an item, and the items may be gone by now
SHAPES = {"images": (8, 8, 1), "points": (2,)}


@dataclass(frozen=True, slots=True)
class StepPhase:
    """The phase that made a step; role and samples are None where nobody knows them any more."""

    name: str
    role: Role | None
    samples: int | None  # items drawn in batches of training, see `PlannedPhase`


def place_in_run(record: Mapping[str, Any]) -> str:
    """Where in a run the step of a record of the log lies, such as `pre-train, round 3`.

    Without the word, the third round of a phase named `cluster` would read like a cluster's number.
    """
    return f"{record['phase']}, round {record['done']}"


def step_phases(run: Run) -> list[StepPhase]:
    """Phase of each committed step."""
    log = list(run.log)
    plan = {} if all("role" in record for record in log) else _plan_of(run)
    phases = []
    for record in log:
        name = str(record.get("phase", ""))
        if "role" in record:
            phases.append(StepPhase(name, record["role"], int(record["samples"])))
        elif name in plan:
            phases.append(StepPhase(name, plan[name].role, plan[name].samples))
        else:
            phases.append(StepPhase(name, None, None))
    return phases


def steps_with_role(run: Run, *roles: Role) -> list[int]:
    """Steps whose phase has one of these roles, in order."""
    return [step for step, phase in enumerate(step_phases(run)) if phase.role in roles]


def steps_read_anew(run: Run) -> list[int]:
    """Steps whose clusters are read anew rather than carried on from the step before, in order.

    That is the first step of each phase that reads clusters off what other phases have trained,
    such as DeepCluster's merge, and of one that trains after it, such as the heads of SCAN, which
    know nothing of the clusters of k-means before them, or the phase to which a run returns that is
    trained longer. Such clusters continue none of the step before, so an item in another one has
    not moved. Cuts through a tree, which is fitted to all items at once and draws no batches, carry
    on from each other. Where nobody knows the roles, nothing is read anew.
    """
    phases = step_phases(run)
    anew, known = [], set()
    for step, (before, phase) in enumerate(pairwise(phases), 1):
        known.add(before.name)
        if phase.name == before.name:
            continue
        is_read_off = phase.role == "read_off" and (before.role != "train" or before.samples)
        goes_on = phase.role == "train" or phase.name in known
        if is_read_off or (before.role == "read_off" and goes_on):
            anew.append(step)
    return anew


def first_step_refined(run: Run) -> int | None:
    """Step of the first clusters that the method refines after a stage of its own.

    That is the first step that puts clusters in place after another phase has prepared the space;
    None for methods that begin with their clusters, or never refine any.
    """
    phases = step_phases(run)
    later = (
        step
        for step, phase in enumerate(phases)
        if phase.role == "initialise" and phase.name != phases[0].name
    )
    return next(later, None)


def _plan_of(run: Run) -> dict[str, PlannedPhase]:
    """Phases of the run's method by name; none if it is not installed or knows other settings."""
    try:
        method = registry.method(run.spec.method)
        built = build(method, run.spec.method_params)
    except ParameterError:
        return {}
    known = next((step for step in each_assignment(run) if step is not None), None)
    if known is None:
        return {}
    assignments, _ = known
    shape = SHAPES["images" if "images" in method.accepts else "points"]
    return {phase.name: phase for phase in built.plan(len(assignments), shape)}
