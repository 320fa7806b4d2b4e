"""Short descriptions of runs, kept so that lists of runs stay quick."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from clustlab.analysis import matching, run_scores
from clustlab.analysis.score_catalogue import LABELLED, SCORES
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run, Status, each_assignment
from clustlab.ui import session
from clustlab.views import thumbnail as draw

STATUS_COLORS: dict[Status, Any] = {
    "queued": "gray",
    "running": "blue",
    "paused": "orange",
    "done": "green",
    "cancelled": "gray",
    "failed": "red",
    "lost": "red",
}


@lru_cache(maxsize=128)
def _thumbnail(folder: Path, run_id: str, steps: int) -> bytes | None:
    run = session.open_run(run_id)
    stable, mapping = None, None
    for assignments, k in each_assignment(run):
        stable, mapping = matching.follow(assignments, k, stable, mapping)
    if stable is None:
        return None
    return draw.embedding(run[steps - 1].embedding, stable)


def thumbnail(run: Run) -> bytes | None:
    """PNG of the newest embedding; None before the first step."""
    steps = len(run)
    return _thumbnail(run.path.parent, run.id, steps) if steps else None


@lru_cache(maxsize=512)
def _scores(folder: Path, run_id: str, steps: int) -> dict[str, Any]:
    run = session.open_run(run_id)
    return run_scores.of_run(run, session.dataset(run))


def scores(run: Run) -> dict[str, Any]:
    """Scores of the newest step; empty before the first."""
    steps = len(run)
    try:
        return _scores(run.path.parent, run.id, steps) if steps else {}
    except ClustlabError:  # its items are gone for now
        return {}


def line(run: Run) -> str:
    """Status and scores in one line."""
    parts = [f"{run.status}, {len(run)} steps"]
    found = scores(run)
    leading = SCORES[LABELLED[0]]
    if found.get(leading.key) is not None:
        parts.append(f"{leading.short} {leading.written(found[leading.key])}")
    elif found:
        parts.append(f"{found['n_occupied']} clusters")
    return " · ".join(parts)
