"""What a page says of a run besides its steps, and how to read what it draws."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from clustlab.analysis import comparison, shared_items
from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.params import in_words, label_of_setting
from clustlab.runs import identity, reading
from clustlab.runs.store import Run, RunStore
from clustlab.types import Dataset
from clustlab.views import theme

Rows = list[list[str]]
"""Names and values, in the order in which they are told."""


def readings() -> dict[str, str]:
    """How to read each part of a page, in the words of the charts that it shows."""
    from clustlab.views import curves, matrices, scatter, sheets

    return {
        "map": theme.reading(scatter.embedding),
        "sheets": theme.reading(sheets.cluster_rows),
        "confusion": theme.reading(matrices.confusion),
        "shifts": theme.reading(matrices.transition),
        "curves": theme.reading(curves.metrics),
    }


def colourings(*, with_classes: bool) -> dict[str, dict[str, str]]:
    """By what dots can be coloured: its title, and how to read it."""
    from clustlab.views import scatter

    return {
        key: {"title": title, "reading": scatter.reading("pca", key)}
        for key, title in scatter.COLOURINGS.items()
        if with_classes or key not in ("class", "correct")
    }


def about(store: RunStore, run: Run, dataset: Dataset) -> dict[str, Rows]:
    """Where a run comes from, its settings and what it was made with, in words."""
    spec, state = run.spec, run.progress
    changed = identity.changed_settings(run)
    made = datetime.fromtimestamp(run.manifest["created"], UTC)
    origin = [
        ["Method", run.manifest["method_title"]],
        ["Data set", run.manifest["dataset_title"]],
        ["Items", dataset.protocol or f"{len(dataset.items):,}"],
        ["Seed", str(spec.seed)],
        ["Preset", spec.preset],
        ["Status", str(state["status"])],
        ["Steps", f"{len(run):,}"],
        ["Started", made.strftime("%Y-%m-%d %H:%M UTC")],
        ["Run", run.id],
    ]
    if state.get("seconds") is not None:
        origin.insert(-2, ["Training", f"{state['seconds']:,.0f} s"])
    if spec.excluded:
        origin.insert(3, ["Left out", f"{len(set(spec.excluded)):,} items"])
    if spec.continues:
        origin.append(["Continues", spec.continues])
    settings = [
        [label_of_setting(name), _told(value) + (" (changed)" if name in changed else "")]
        for name, value in {**spec.dataset_params, **identity.method_settings(spec)}.items()
    ]
    by_hand = [["Intervention", str(c)] for c in identity.carried_out(run)]
    return {
        "Where it comes from": [row for row in origin if row[1]],
        "Settings": settings,
        "Changed by hand": by_hand,
        "Made with": _made_with(store, run),
    }


def differing(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Settings in which runs differ, in words: `name`, and `values` by run."""
    return [
        {
            "name": label_of_setting(row["name"]),
            "values": {run: _told(value) for run, value in row["values"].items()},
        }
        for row in comparison.differing(runs)
    ]


def _told(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    return in_words(value)


def _made_with(store: RunStore, run: Run) -> Rows:
    rows = [["clustlab", str(run.manifest.get("version", "unknown"))]]
    with contextlib.suppress(OSError, Unreadable):
        said = reading.machine(plain_files.content(run.path, "environment.json"))
        rows += [["Python", said["python"]]] if "python" in said else []
        rows += [[name, version] for name, version in said.get("packages", {}).items()]
        rows += [["Device", said["device"]]] if "device" in said else []
    digest = shared_items.fingerprint(store, run)
    return [*rows, ["Fingerprint of the items", digest]] if digest else rows
