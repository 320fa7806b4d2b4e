"""What runs are called: what they are, and what sets them apart from the plain run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from clustlab.runs.identity import RunRecord, carried_out, changed_data, changed_settings
from clustlab.runs.labels import label_of

COUNTS = ("n_samples", "n")  # settings of data sets that say how many items are drawn
TOLD = 2  # changed settings that are spelled out


def title(run: RunRecord) -> str:
    """What a run is called: the name that a user gave it, else its description."""
    return label_of(run).name or description(run)


def description(run: RunRecord) -> str:
    """What a run is, such as 'DEC on digits, seed 0, 600 items, n_clusters 7'.

    What is said beyond the seed is what differs from the plain run of the preset.
    """
    return ", ".join([_plain(run), *_parts(run).values()])


def titles(runs: Sequence[RunRecord]) -> list[str]:
    """Titles of runs that stand side by side: what all of them share is said by none.

    A name that a user gave stands alone. Runs that would be called the same but have other presets
    are told apart by these.
    """
    parts = [_parts(run) for run in runs]
    if len(runs) > 1:
        same = set.intersection(*(set(each.items()) for each in parts))
        parts = [{k: v for k, v in each.items() if (k, v) not in same} for each in parts]
    told = [
        label_of(run).name or ", ".join([_plain(run), *each.values()])
        for run, each in zip(runs, parts, strict=True)
    ]
    presets = {
        words: {r.spec.preset for r, w in zip(runs, told, strict=True) if w == words}
        for words, count in Counter(told).items()
        if count > 1
    }
    return [
        f"{words}, {run.spec.preset}" if len(presets.get(words, ())) > 1 else words
        for run, words in zip(runs, told, strict=True)
    ]


def _plain(run: RunRecord) -> str:
    m = run.manifest
    return f"{m['method_title']} on {m['dataset_title']}, seed {run.spec.seed}"


def _parts(run: RunRecord) -> dict[str, str]:
    """What sets a run apart from the plain one, by what it concerns, in words."""
    spec = run.spec
    parts = {f"data.{name}": _data(name, value) for name, value in changed_data(spec).items()}
    if spec.excluded:
        left_out = len(set(spec.excluded))
        parts["excluded"] = f"without {left_out:,} item{'s' * (left_out > 1)}"
    changed = [f"{name} {_word(value)}" for name, value in changed_settings(run).items()]
    if changed:
        more = len(changed) - TOLD
        also = [f"{more} more setting{'s' * (more > 1)}"] if more > 0 else []
        parts["settings"] = ", ".join([*changed[:TOLD], *also])
    if spec.mixed_precision:
        parts["precision"] = "mixed precision"
    if spec.continues:
        parts["continues"] = "trained longer"
    if carried_out(run):
        parts["interventions"] = "changed by hand"
    return parts


def _data(name: str, value: Any) -> str:
    if name in COUNTS:
        return "all items" if value is None else f"{value:,} items"
    return f"{name} {_word(value)}"


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
