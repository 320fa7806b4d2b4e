"""What runs are called: what they are, and what sets them apart from the plain run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clustlab.params import UNBALANCE, label_of_setting
from clustlab.runs.identity import RunRecord, carried_out, changed_data, changed_settings
from clustlab.runs.labels import label_of

COUNTS = ("n_samples", "n")  # settings of data sets that say how many items are drawn
COUNTED = {
    "n_clusters": "cluster",
    "n_clusters_over": "finer cluster",
    "epochs": "epoch",
    "n_init": "start",
}  # settings that say how many of these
SETTING = "setting."  # begins the names of parts that are changed settings
TOLD = 3  # changed settings that are spelled out
SHARES_TOLD = 10  # values of one that has many


def title(run: RunRecord) -> str:
    """What a run is called: the name that a user gave it, else its description."""
    return label_of(run).name or description(run)


def description(run: RunRecord) -> str:
    """What a run is, such as 'DEC on digits, seed 0, 600 items, target hard, 7 clusters'.

    What is said beyond the seed is what differs from the plain run of the preset.
    """
    return _told(run, _parts(run))


def what_differs(run: RunRecord) -> str:
    """What sets a run apart from the plain one of its method, data set and preset, in words."""
    return ", ".join(_parts(run).values())


def titles(runs: Sequence[RunRecord]) -> list[str]:
    """Titles of runs that stand side by side: what all of them share is said by none.

    A name that a user gave stands alone. Runs that would be called the same but have other presets
    are told apart by these.
    """
    parts = [_parts(run) for run in runs]
    if len(runs) > 1:
        same = set.intersection(*(set(each.items()) for each in parts))
        parts = [{k: v for k, v in each.items() if (k, v) not in same} for each in parts]
    told = [label_of(run).name or _told(run, each) for run, each in zip(runs, parts, strict=True)]
    presets = {
        words: {r.spec.preset for r, w in zip(runs, told, strict=True) if w == words}
        for words, count in Counter(told).items()
        if count > 1
    }
    return [
        f"{words}, {run.spec.preset}" if len(presets.get(words, ())) > 1 else words
        for run, words in zip(runs, told, strict=True)
    ]


def _told(run: RunRecord, parts: Mapping[str, str]) -> str:
    """Title from the parts that are to be told, of the changed settings the first few."""
    settings = [name for name in parts if name.startswith(SETTING)]
    untold = settings[TOLD:] if len(settings) > TOLD + 1 else []
    words = [text for name, text in parts.items() if name not in untold]
    if untold:
        words.append(f"{len(untold)} more settings")
    return ", ".join([_plain(run), *words])


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
    changed = changed_settings(run)
    # what is switched or chosen sets a run apart more than how much of something there is
    by_weight = sorted(changed, key=lambda name: _is_amount(changed[name]))
    parts |= {f"{SETTING}{name}": _setting(name, changed[name]) for name in by_weight}
    if spec.mixed_precision:
        parts["precision"] = "mixed precision"
    if spec.continues:
        before = run.manifest.get("steps_before", 0)
        parts["continues"] = "trained longer" + (f" after {before:,} steps" if before else "")
    if carried_out(run):
        parts["interventions"] = "changed by hand"
    return parts


def setting_words(name: str, value: Any) -> str:
    """A setting of a method or a data set in words, such as "10,000 items" or "epochs 50"."""
    return _data(name, value)


def _data(name: str, value: Any) -> str:
    if name in COUNTS:
        return "all items" if value is None else f"{value:,} items"
    return _setting(name, value)


def _setting(name: str, value: Any) -> str:
    """A setting and its value in words, such as 'target hard' or '7 clusters'."""
    if name in COUNTED and _is_amount(value):
        return f"{value:,} {COUNTED[name]}{'s' * (value != 1)}"
    down = "down to " if name == UNBALANCE and _is_amount(value) else ""
    return f"{_small(label_of_setting(name))} {down}{_word(value)}"


def _small(words: str) -> str:
    """Words with a small first letter, unless they begin with an acronym."""
    return words if words[:2].isupper() else words[0].lower() + words[1:]


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):  # commas stand between settings
        more = f" : ... ({len(value)})" if len(value) > SHARES_TOLD else ""
        return " : ".join(map(_word, value[:SHARES_TOLD])) + more
    return f"{value:g}" if isinstance(value, float) else str(value)
