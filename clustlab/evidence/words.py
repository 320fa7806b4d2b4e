"""What was measured for a claim, in words, for tables and pages."""

from clustlab.evidence.claim import Claim
from clustlab.evidence.record import Record
from clustlab.evidence.rules import Verdict

MOST = 8  # series up to which all are told
VERDICTS: dict[Verdict, str] = {
    "seen": "seen here",
    "not seen": "not seen here",
    "undecided": "undecided",
}
ANSWERS: dict[Verdict, str] = {"seen": "yes", "not seen": "no", "undecided": "undecided"}
"""The same as the answer to something that is asked besides."""
NOT_RUN = "not run yet"


def told_series(claim: Claim) -> list[str]:
    """Keys of the series that are told in a line: all of them, or those that the rule looks at."""
    keys = [each.key for each in claim.series]
    return keys if len(keys) <= MOST else [key for key in keys if key in claim.rule.series]


def measured(claim: Claim, found: Record) -> list[str]:
    """Median, least and greatest figure of each series, a line each."""
    medians, ranges = found.medians, found.ranges
    return [
        f"{claim.series_title(key)} {medians[key]:.3f} ({low:.3f} to {high:.3f})"
        for key in told_series(claim)
        if key in medians
        for low, high in (ranges[key],)
    ]


def medians(claim: Claim, found: Record) -> list[str]:
    """Median of each series, such as "k-means on pixels 0.499"."""
    return [
        f"{claim.series_title(key)} {found.medians[key]:.3f}"
        for key in told_series(claim)
        if key in found.medians
    ]


def conditions(found: Record) -> str:
    """Under which conditions figures were measured, such as "small scale, 5 seeds, 79 s"."""
    n = len(found.seeds)
    seeds = f"{n} seeds" if n != 1 else "1 seed"
    where = ", ".join(filter(None, (found.machine, found.date)))
    return f"{found.scale} scale, {seeds}, {_duration(found.seconds)}; {where}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
