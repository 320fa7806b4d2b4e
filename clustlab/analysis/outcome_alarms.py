"""What is odd about the outcome of a run, told from its log and its last step alone.

So lists of many runs can say it. What needs the items of every step, such as labels that keep
changing, is left to `alarms.alarms_of_run`.
"""

import numpy as np

from clustlab.analysis import metrics, score_catalogue
from clustlab.analysis.alarm_catalogue import ENTRIES
from clustlab.analysis.alarms import (
    Alarm,
    AlarmKind,
    alarms_at_step,
    alarms_of_course,
    course_of_log,
    with_method,
)
from clustlab.analysis.matching import sizes_of
from clustlab.analysis.scalar_catalogue import own_scalars
from clustlab.analysis.score_catalogue import Division
from clustlab.errors import RunNotFound
from clustlab.runs.store import Run


def alarms_of_outcome(run: Run) -> list[Alarm]:
    """Alarms that hold at the last step of a run that is done; none of any other run.

    The step at which they begin is not known: each says it is the last. There are none if the last
    step cannot be read.
    """
    if run.status != "done" or not len(run):
        return []
    last = len(run) - 1
    try:
        snapshot = run[last]
    except RunNotFound:
        return []
    known = course_of_log(run, own_scalars(run))
    sizes = sizes_of(snapshot.assignments, snapshot.n_clusters)
    division = Division(sizes, snapshot.assignments)
    row = score_catalogue.values(division, ("n_occupied", "evenness"))
    known.n_clusters[last] = snapshot.n_clusters
    known.n_occupied[last], known.evenness[last] = row["n_occupied"], row["evenness"]
    if snapshot.probabilities is not None:
        known.confidence[last] = np.mean(metrics.confidence(snapshot))
    alarms = alarms_at_step(alarms_of_course(known), last)
    return alarms_at_step(with_method(run, known, alarms), last)


def kinds_of_outcome(run: Run) -> list[AlarmKind]:
    """Kinds of these alarms, each once, in the order of the catalogue."""
    kinds = {alarm.kind for alarm in alarms_of_outcome(run)}
    return [kind for kind in ENTRIES if kind in kinds]


def titles_of_outcome(run: Run) -> list[str]:
    """What these alarms are called, each once, in the order of the catalogue."""
    return [ENTRIES[kind].title for kind in kinds_of_outcome(run)]
