"""Tables of README.md, CONTRIBUTING.md and CLAIMS.md that follow from the code."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import clustlab
from clustlab import registry
from clustlab.registry import CAPABILITIES

ROOT = Path(clustlab.__file__).parents[1]
CLAIMED = "## What sources claim"  # heading above the table of claims in the README
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def refresh(root: Path = ROOT) -> list[str]:
    """Bring the documents of a checkout up to date; return the names of those that changed."""
    changed = []
    updates = (
        ("README.md", _readme),
        ("CONTRIBUTING.md", _contributing),
        ("CLAIMS.md", _claims),
    )
    for name, update in updates:
        file = root / name
        if file.is_file():  # not in an installed package
            before = file.read_text(encoding="utf-8")
            after = update(before)
            if after != before:
                file.write_text(after, encoding="utf-8")
                changed.append(name)
    return changed


def method_row(method: Any) -> str:
    """Row of a method in the README."""
    paper = method.paper
    cells = (f"`{method.name}`", method.title, method.step_unit, f"{paper.authors} ({paper.year})")
    return f"| {' | '.join(cells)} |"


def dataset_row(spec: Any) -> str:
    """Row of a data set in the README."""
    return f"| `{spec.name}` | {spec.title} | {'nothing' if spec.offline else 'download'} |"


def capability_tables() -> str:
    """What a method may offer besides its loop, and which method offers it, in Markdown."""
    offers = [["Offer", "Protocol", "What it brings"]]
    offers += [[f"`{c.attribute}`", f"`{c.protocol.__name__}`", c.meaning] for c in CAPABILITIES]
    names = [capability.attribute for capability in CAPABILITIES]
    methods = [["Method", *(f"`{name}`" for name in names)]]
    for method in registry.methods().values():
        if registry.is_own(method):
            offered = registry.capabilities(method)
            methods.append([f"`{method.name}`", *("yes" if n in offered else "" for n in names)])
    return f"{_table(offers)}\n{_table(methods)}"


def claims_table() -> str:
    """Every claim with what the makers have measured, in Markdown."""
    from clustlab.evidence import record, words
    from clustlab.evidence.catalogue import claims
    from clustlab.evidence.claim import SCALES

    rows = [["", "Claim", "Claimed", "Measured: median (least to greatest)", "Verdict", "How"]]
    for claim in claims().values():
        of_scale = [(scale, record.shipped(claim, scale)) for scale in SCALES]
        measured = [(scale, found) for scale, found in of_scale if found is not None]
        head = [str(claim.number), f"`{claim.name}`: {claim.title}", claim.claimed]
        if not measured:
            rows.append([*head, "", words.NOT_RUN, ""])
        for scale, found in measured:
            also = [
                f"{each.text} {words.ANSWERS[each.rule.judge(found.figures)].capitalize()}."
                for each in claim.also
            ]
            lines = [*words.measured(claim, found), *also]
            verdict = f"**{words.VERDICTS[found.verdict(claim)]}**"
            how = f"{words.conditions(found)}. {claim.protocols[scale].differs}"
            rows.append([*head, "<br>".join(lines), verdict, how])
    return _table(rows)


def claims_in_short() -> str:
    """What sources claim, medians of what was measured at small scale, and the verdict."""
    from clustlab.evidence import record, words
    from clustlab.evidence.catalogue import claims

    rows = [["", "Claim", "Claimed", "Median here", "Verdict"]]
    for claim in claims().values():
        found = record.shipped(claim, "small")
        told = [words.NOT_RUN, ""]
        if found is not None:
            verdict = words.VERDICTS[found.verdict(claim)]
            told = ["; ".join(words.medians(claim, found)), f"**{verdict}**"]
        rows.append([str(claim.number), claim.title, claim.claimed, *told])
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *body))


def _readme(text: str) -> str:
    text = _with_rows(text, "Methods", registry.methods(), method_row, is_anew=True)
    text = _with_rows(text, "Data sets", registry.datasets(), dataset_row, is_anew=False)
    table = TABLE.search(text, text.index(f"\n{CLAIMED}"))
    assert table is not None
    return text[: table.start()] + claims_in_short() + text[table.end() :]


def _with_rows(
    text: str,
    title: str,
    plugins: Mapping[str, Any],
    row_of: Callable[[Any], str],
    *,
    is_anew: bool,
) -> str:
    """Table below a heading with a row for each that there is, in the order that stands there.

    With `is_anew` the rows that stand there are written anew; else they stay, as those that hold
    several data sets.
    """
    table = TABLE.search(text, text.index(f"\n## {title}\n"))
    assert table is not None
    head, body = table[0].splitlines()[:2], table[0].splitlines()[2:]
    own = {name: plugin for name, plugin in plugins.items() if registry.is_own(plugin)}
    kept = [row for row in body if set(_names(row)) & set(own)]
    listed = [name for row in kept for name in _names(row)]
    missing = [name for name in own if name not in listed]
    rows = [row_of(own[name]) for name in listed] if is_anew else kept
    rows += [row_of(own[name]) for name in missing]
    return f"{text[: table.start()]}{chr(10).join([*head, *rows])}\n{text[table.end() :]}"


def _names(row: str) -> list[str]:
    return re.findall(r"`([^`]+)`", row.split("|")[1])


def _contributing(text: str) -> str:
    """Text in which the tables of the section on offers are those of now."""
    start = text.index("|", text.index("\n## What a method may offer besides\n"))
    return text[:start] + capability_tables() + text[text.index("\n## ", start) :]


def _claims(text: str) -> str:
    """Text whose table is that of the claims as they were measured."""
    table = TABLE.search(text)
    assert table is not None
    return text[: table.start()] + claims_table() + text[table.end() :]
