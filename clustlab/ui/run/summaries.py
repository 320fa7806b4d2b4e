"""Short descriptions of runs, kept so that lists of runs stay quick."""

from collections.abc import Mapping
from typing import Any

from clustlab.analysis import run_scores
from clustlab.analysis.lasting_clusters import last_clusters
from clustlab.analysis.outcome_alarms import titles_of_outcome
from clustlab.analysis.score_catalogue import MERGED, SCORES, Score, labelled_scores
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run, Status
from clustlab.ui import session
from clustlab.views import thumbnail as thumbnails

NOISE_HELP = "Scores are those of the clustered items; the rest is noise, which is no cluster."
MOST_NAMED = 3  # steps that are named when they are missing
STATUS_COLORS: dict[Status, Any] = {
    "queued": "gray",
    "running": "blue",
    "paused": "orange",
    "done": "green",
    "cancelled": "gray",
    "set aside": "gray",
    "failed": "red",
    "lost": "red",
}


def status_words(run: Run) -> str:
    """State of a run, or what it is about to do, such as 'pausing …'."""
    intention = run.intention
    return f"{intention} …" if intention else run.status


@session.kept_per_run(maxsize=128, anew=len)
def thumbnail(run: Run) -> bytes | None:
    """PNG of the newest embedding that can be read; None if there is none."""
    last = last_clusters(run)
    return None if last is None else thumbnails.embedding(run[last.step].embedding, last.lasting)


@session.kept_per_run(maxsize=512, anew=len)
def _scores(run: Run) -> dict[str, Any]:
    return run_scores.of_run(run, session.dataset(run))


def scores(run: Run) -> dict[str, Any]:
    """Scores of the newest step; empty before the first."""
    try:
        return _scores(run) if len(run) else {}
    except ClustlabError:  # its items are gone for now
        return {}


def leading_scores(scores: Mapping[str, Any]) -> list[tuple[Score, float]]:
    """The two scores that say most of a step, with their values; none without labels."""
    keys = labelled_scores(is_over_clustered=any(key in scores for key in MERGED))[:2]
    return [(SCORES[key], scores[key]) for key in keys if scores.get(key) is not None]


def clustered(scores: Mapping[str, Any]) -> list[str]:
    """Words that belong beside scores: how much is clustered, unless everything is."""
    share = scores.get("share_clustered")
    return [run_scores.clustered_words(share)] if share is not None and share < 1 else []


@session.kept_per_run(maxsize=512, anew=lambda run: (len(run), run.status))
def alarms_at_end(run: Run) -> tuple[str, ...]:
    """Titles of the alarms that hold at the last step of a run that is done."""
    return tuple(titles_of_outcome(run))


def outcome_words(run: Run) -> str:
    """State of a run, and what is odd about what came out: `done, but collapse`."""
    odd = ", ".join(title.lower() for title in alarms_at_end(run))
    return f"{status_words(run)}, but {odd}" if odd else status_words(run)


def missing(run: Run) -> str:
    """Which steps of a run cannot be read, in words; empty if all can."""
    steps = run.missing_steps
    if not steps:
        return ""
    named = ", ".join(str(step) for step in steps[:MOST_NAMED])
    more = f" and {len(steps) - MOST_NAMED} more" if len(steps) > MOST_NAMED else ""
    return f"step{'s' * (len(steps) > 1)} {named}{more} missing"


def status_and_scores(run: Run) -> str:
    """Status and scores in one line."""
    parts = [outcome_words(run), f"{len(run)} steps"]
    last_scores = scores(run)
    leading = leading_scores(last_scores)
    if leading:
        score, value = leading[0]
        parts.append(f"last step: {score.short} {score.written(value)}")
    elif last_scores:
        parts.append(f"last step: {last_scores['n_occupied']} clusters")
    parts += clustered(last_scores)
    parts += filter(None, [missing(run)])
    return " · ".join(parts)
