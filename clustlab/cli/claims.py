"""The command `claims`: what sources say, and what was measured here beside it."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from clustlab.cli.command import Command, whole_number
from clustlab.cli.output import add_json_argument, print_answer, print_rows
from clustlab.errors import ParameterError
from clustlab.runs.store import RunStore

if TYPE_CHECKING:
    from clustlab.evidence.claim import Claim
    from clustlab.evidence.record import Record

OF_A_RECORD = ("measured", "spread", "by_seed", "verdict", "parts", "also", "seconds")
SEEDS = "For example: --seeds 0..4, or --seeds 0 1 2."


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", nargs="?", choices=("list", "run"), default="list")
    parser.add_argument("name", nargs="?", help="of the claim that is to be run")
    parser.add_argument(
        "--scale",
        choices=("small", "full"),
        default="small",
        help="minutes on a laptop, or the setting of the source, which wants a GPU",
    )
    parser.add_argument(
        "--seeds", nargs="+", default=[], metavar="SEED", help="0..4, or 0 1 2 (default: its own)"
    )
    add_json_argument(parser)


def _claims(args: argparse.Namespace) -> int:
    store = RunStore(args.runs)
    return _run(args, store) if args.verb == "run" else _list(args, store)


def _list(args: argparse.Namespace, store: RunStore) -> int:
    from clustlab.evidence import record
    from clustlab.evidence.catalogue import claims

    rows = [
        _row(claim, found)
        for claim in claims().values()
        for found in (*record.to_show(store, claim),) or (None,)
    ]
    return print_rows(args, rows, ("number", "claim", "scale", "verdict", "title"))


def _row(claim: "Claim", found: "Record | None") -> dict[str, Any]:
    """A claim at a scale at which it was tried, or at none."""
    return {
        "number": claim.number,
        "claim": claim.name,
        "title": claim.title,
        "source": claim.source.document,
        "paper": claim.source.paper,
        **_answer(claim, found),
        "scale": found.scale if found else None,
        "machine": found.machine if found else None,
        "date": found.date if found else None,
        "by": None if found is None else "the makers" if found.is_shipped else "you",
        "scales": list(claim.protocols),
    }


def _run(args: argparse.Namespace, store: RunStore) -> int:
    from clustlab.evidence.carry_out import carry_out
    from clustlab.evidence.catalogue import claim

    if not args.name:
        raise ParameterError("The claim lacks its name.", "'claims' lists all of them.")
    asked = claim(args.name)
    seeds = _seeds(args.seeds)
    found, not_done = carry_out(
        asked, args.scale, seeds, store, lambda line: print(line, file=sys.stderr, flush=True)
    )
    protocol = asked.protocols[found.scale]
    about = {"scale": found.scale, "differs": protocol.differs, "not_done": not_done}
    print_answer({"claim": asked.name, **_answer(asked, found), **about})
    return 1 if not_done else 0


def _seeds(words: list[str]) -> tuple[int, ...]:
    """Seeds of words such as `0..4` and `7`; raises `ParameterError`."""
    found: list[int] = []
    for word in words:
        first, dots, last = word.partition("..")
        low = whole_number("seed", first, "0..4")
        high = whole_number("seed", last, "0..4") if dots else low
        if low < 0 or high < low or high - low > 99:
            raise ParameterError(f"{word!r} names no seeds, or more than 100.", SEEDS)
        found += range(low, high + 1)
    return tuple(dict.fromkeys(found))


def _answer(claim: "Claim", found: "Record | None") -> dict[str, Any]:
    """What a claim claims, and what a record holds against it; None where nothing was measured."""
    from clustlab.evidence.rules import parts

    answer: dict[str, Any] = {"claimed": claim.claimed, "rule": claim.rule_in_words()}
    if found is None:
        nothing = dict.fromkeys(OF_A_RECORD)
        return {**answer, **nothing, "seeds": []}
    return {
        **answer,
        "measured": found.medians,
        "spread": {key: list(ends) for key, ends in found.ranges.items()},
        "by_seed": {key: dict(by_seed) for key, by_seed in found.figures.items()},
        "seeds": found.seeds,
        "verdict": found.verdict(claim),
        "parts": {claim.in_words(part): part.judge(found.figures) for part in parts(claim.rule)},
        "also": {each.text: each.rule.judge(found.figures) for each in claim.also},
        "seconds": found.seconds,
    }


CLAIMS = Command(
    "claims",
    "List what sources claim with what was measured, or try one: claims run NAME --scale small.",
    _claims,
    _add_arguments,
)
