"""What the runs of a claim measure, seed by seed."""

import math
import os
import time
from collections.abc import Sequence

from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.evidence.claim import Claim, Done, Scale
from clustlab.evidence.record import DIGITS, Record
from clustlab.evidence.state import Needed, by_seed
from clustlab.runs import reading
from clustlab.runs.store import Run, RunStore

Figures = dict[str, dict[int, float]]


def figures(claim: Claim, store: RunStore, every: Sequence[Needed]) -> Figures:
    """Figures by series and seed, of the seeds all of whose runs are done."""
    found: Figures = {series.key: {} for series in claim.series}
    for seed, mine in by_seed(every).items():
        done = {
            each.arm.key: Done(store, each.place.run)
            for each in mine
            if each.place.run is not None and each.place.status == "done"
        }
        if len(done) < len(mine):
            continue
        for key, value in claim.measure(done).items():
            if math.isfinite(value):  # a score that is not defined decides nothing
                found[key][seed] = round(float(value), DIGITS)
    return found


def record(claim: Claim, scale: Scale, store: RunStore, every: Sequence[Needed]) -> Record:
    """What is kept of the figures: with the time that the runs took, and where."""
    runs = [each.place.run for each in every if each.place.run is not None]
    seconds = sum(float(run.progress.get("seconds") or 0.0) for run in runs)
    return Record(
        claim.name,
        scale,
        claim.print_of(scale),
        figures(claim, store, every),
        round(seconds, 1),
        _machine(runs[-1]) if runs else "",
        time.strftime("%Y-%m-%d"),
    )


def _machine(run: Run) -> str:
    """Where a run was made, in words: "2 cores, no GPU"."""
    try:
        said = reading.machine(plain_files.content(run.path, "environment.json"))
    except (OSError, Unreadable):
        return ""
    device = said.get("device", "cpu")
    return f"{os.cpu_count()} cores, no GPU" if device == "cpu" else device
