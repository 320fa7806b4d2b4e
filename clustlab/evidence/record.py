"""Figures that were measured for a claim: kept beside the runs, and those that come along.

<runs>/_claims/<name>-<scale>.json

Figures only: the verdict is what the rule makes of them whenever they are read.
"""

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, TypedDict

from msgspec import Meta

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Name, Seconds, Text, Unreadable, parsed
from clustlab.evidence.claim import SCALES, Claim, Scale
from clustlab.evidence.rules import Verdict
from clustlab.runs.store import RunStore

SHIPPED = Path(__file__).with_name("measured.json")  # measured by the makers
DIGITS = 5  # of figures in files and JSON


Figure = Annotated[float, Meta(ge=-1e9, le=1e9)]


class RecordLine(TypedDict):
    """A record as it stands in a file."""

    claim: Name
    scale: Scale
    protocol: Name
    figures: dict[Name, dict[int, Figure]]
    seconds: Seconds
    machine: Text
    date: Name


@dataclass(frozen=True, slots=True)
class Record:
    """Figures of a claim at a scale, by series and seed."""

    claim: str
    scale: Scale
    protocol: str  # see `Claim.print_of`
    figures: Mapping[str, Mapping[int, float]]
    seconds: float  # that all of its runs took together
    machine: str
    date: str  # year-month-day
    is_shipped: bool = False  # measured by the makers, not here

    @property
    def seeds(self) -> list[int]:
        """Seeds with which any figure was measured."""
        return sorted({seed for by_seed in self.figures.values() for seed in by_seed})

    @property
    def medians(self) -> dict[str, float]:
        """Median of each series that was measured."""
        return {
            key: round(statistics.median(by_seed.values()), DIGITS)
            for key, by_seed in self.figures.items()
            if by_seed
        }

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Least and greatest figure of each series that was measured."""
        return {
            key: (min(by_seed.values()), max(by_seed.values()))
            for key, by_seed in self.figures.items()
            if by_seed
        }

    def verdict(self, claim: Claim) -> Verdict:
        """What the rule makes of the figures."""
        return claim.rule.judge(self.figures)


def keep(store: RunStore, record: Record) -> None:
    """Write a record beside the runs, in the place of an older one."""
    folder = store.root / "_claims"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _file(record.claim, record.scale), json.dumps(_line(record)))


def kept(store: RunStore, claim: Claim, scale: Scale) -> Record | None:
    """The record beside the runs, if there is one that can be read and is of the claim as it is."""
    try:
        text = plain_files.content(store.root / "_claims", _file(claim.name, scale))
        found = _record(parsed(text, RecordLine))
    except (OSError, Unreadable):
        return None
    return found if _is_of(found, claim, scale) else None


def shipped(claim: Claim, scale: Scale) -> Record | None:
    """The record that comes along, if the makers have measured the claim as it is."""
    return next((each for each in all_shipped() if _is_of(each, claim, scale)), None)


def newest(store: RunStore, claim: Claim, scale: Scale) -> Record | None:
    """What was measured here, or else by the makers."""
    return kept(store, claim, scale) or shipped(claim, scale)


def to_show(store: RunStore, claim: Claim) -> list[Record]:
    """The newest record of each scale at which a claim was tried, small before full."""
    found = (newest(store, claim, scale) for scale in SCALES)
    return [record for record in found if record is not None]


@cache
def all_shipped() -> tuple[Record, ...]:
    """Every record that comes along, also those of claims that have changed since."""
    text = plain_files.content(SHIPPED.parent, SHIPPED.name)
    return tuple(_record(line, is_shipped=True) for line in parsed(text, list[RecordLine]))


def write_shipped(records: Iterable[Record], file: Path = SHIPPED) -> None:
    """Write the file that comes along, a line for each record."""
    lines = ",\n".join(json.dumps(_line(record)) for record in records)
    write_atomically(file, f"[\n{lines}\n]\n")


def _file(claim: str, scale: Scale) -> str:
    return f"{claim}-{scale}.json"


def _is_of(record: Record, claim: Claim, scale: Scale) -> bool:
    mine = (claim.name, scale, claim.print_of(scale))
    return (record.claim, record.scale, record.protocol) == mine


def _record(line: RecordLine, *, is_shipped: bool = False) -> Record:
    return Record(**line, is_shipped=is_shipped)


def _line(record: Record) -> RecordLine:
    return {
        "claim": record.claim,
        "scale": record.scale,
        "protocol": record.protocol,
        "figures": {key: dict(by_seed) for key, by_seed in record.figures.items()},
        "seconds": record.seconds,
        "machine": record.machine,
        "date": record.date,
    }
