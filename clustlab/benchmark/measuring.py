"""Filling the table of figures: its studies are carried out, and each run that is done is a row."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import clustlab
from clustlab.analysis import probes, run_scores
from clustlab.benchmark import table
from clustlab.benchmark.table import Row
from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.device import choose_device
from clustlab.errors import ClustlabError
from clustlab.runs import reading
from clustlab.runs.identity import Identity, differences, planned
from clustlab.runs.phases import first_step_refined
from clustlab.runs.store import Run, RunSpec, RunStore
from clustlab.studies.carry_out import outcome
from clustlab.studies.description import Study
from clustlab.types import Dataset

MEGABYTE = 1e6


def fill(
    file: Path,
    studies: Sequence[Study],
    store: RunStore,
    data: str,
    preset: str,
    tell: Callable[[str], None],
) -> tuple[list[Row], int]:
    """Measure what is missing in a table; return all its rows and how many runs failed.

    Runs are kept and found again like those of any study, if this version of the code made them on
    this device. A row whose preset has other values today, or that another version of the code
    measured, is measured anew and replaced. What another device measured is another row.

    Parameters
    ----------
    data, preset : str
        What rows call the settings of the data, and the preset with what is changed of it.
    """
    known = table.read(file)
    missing, replaced = [], {}
    for study in studies:
        device = device_name(study.base.device)
        for place in table.places_of(study, [r for r in store.runs() if _is_of(r, device)]):
            wanted = planned(replace(place.spec, preset=preset))
            places = [row for row in known if _place(row.identity) == _place(wanted)]
            same = [row for row in places if row.device in ("", device)]
            if any(_is_there(row, wanted) for row in same):
                tell(f"{_words_of(place.spec)}: is there")
                continue
            missing.append(place)
            replaced[wanted] = same
    failed = 0
    _reset_peak()
    for i, place in enumerate(missing):
        spec, ended = place.spec, outcome(place, store)
        words = f"{i + 1}/{len(missing)} {_words_of(spec)}"
        if ended.run is None:
            failed += 1
            tell(f"{words}: {ended.reason}")
            continue
        peak = _peak() if ended.is_new else None
        try:
            row = _row(store, ended.run, spec, data, preset, peak)
        except ClustlabError as error:  # its items or its last step are gone
            failed += 1
            tell(f"{words}: {error.message}")
            continue
        wanted = planned(replace(spec, preset=preset))
        if same := replaced[wanted]:
            tell(f"{words}: {_why_replaced(same[0], wanted)}, so it is replaced")
            table.drop(file, same)
        table.append(file, row)
        reached = row.scores.get("acc")
        tell(f"{words}: {row.seconds:.0f} s" + ("" if reached is None else f", ACC {reached:.3f}"))
        _reset_peak()
    return table.read(file), failed


def _words_of(spec: RunSpec) -> str:
    return f"{spec.method} on {spec.dataset}, seed {spec.seed}"


def _place(identity: Identity) -> tuple[Any, ...]:
    """What makes a row take the place of another."""
    return identity.method, identity.dataset, identity.data, identity.preset, identity.seed


def _is_there(row: Row, wanted: Identity) -> bool:
    """Whether a row need not be measured; one that does not tell its version is believed."""
    other = set(differences(row.identity, wanted))
    return not (other - {"version"} if not row.version else other)


def _why_replaced(row: Row, wanted: Identity) -> str:
    if differences(row.identity, wanted) == ["version"]:
        return f"it was measured by version {row.version}"
    return f"the preset has changed since {row.settings!r}"


def device_name(device: str) -> str:
    """What a row calls a device: cpu, mps, or the name of the card.

    Raises
    ------
    DeviceUnavailable
        If this machine has no such device.
    """
    import torch

    chosen = choose_device(device)[0]
    return torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type


def _settings(spec: RunSpec) -> str:
    """Values of a preset in words, never empty."""
    settings = (f"{name}={value}" for name, value in sorted(spec.method_params.items()))
    return " ".join(settings) or "defaults"


def _is_of(run: Run, device: str) -> bool:
    """Whether a run may stand in a row of today: it has our version, and our device if it began."""
    if run.manifest.get("version") != clustlab.__version__:
        return False
    try:
        about = reading.machine(plain_files.content(run.path, "environment.json"))
    except (OSError, Unreadable):
        return not len(run)
    kind = about.get("device", "").partition(":")[0]
    return device == (about.get("processor", "") if kind == "cuda" else kind)


def _row(
    store: RunStore, run: Run, spec: RunSpec, data: str, preset: str, peak: float | None
) -> Row:
    """The row of a run that is done."""
    dataset = store.dataset(run)
    return Row(
        spec.method,
        spec.dataset,
        data,
        preset,
        spec.seed,
        run_scores.scores(run[-1].assignments, dataset.labels),
        knn_probe=_probe(run, dataset),
        start_acc=_start(run, dataset),
        over_purity=_over_purity(run, dataset),
        steps=len(run),
        seconds=run.progress["seconds"],
        peak_mb=peak,
        protocol=dataset.protocol,
        settings=_settings(spec),
        version=clustlab.__version__,
        device=device_name(spec.device),
    )


def _probe(made: Run, dataset: Dataset) -> float | None:
    if dataset.labels is None:
        return None
    accuracy = probes.knn_probe(made[-1].embedding, dataset.labels)
    return None if math.isnan(accuracy) else round(accuracy, 4)


def _start(made: Run, dataset: Dataset) -> float | None:
    step = first_step_refined(made)
    if step is None:
        return None
    return run_scores.scores(made[step].assignments, dataset.labels)["acc"]


def _over_purity(made: Run, dataset: Dataset) -> float | None:
    """Purity at the last step that had more clusters than the end."""
    counts = [record["n_clusters"] for record in made.log]
    more = [i for i, count in enumerate(counts) if count > counts[-1]]
    if not more:
        return None
    return run_scores.scores(made[more[-1]].assignments, dataset.labels)["purity"]


def _reset_peak() -> None:
    """Forget how much memory the process has used at its highest (Linux, CUDA)."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float | None:
    """Memory at its highest since: of the graphics card if there is one, else of the process."""
    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / MEGABYTE, 1)
    if sys.platform != "linux":
        return None
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return round(kilobytes * 1024 / MEGABYTE, 1)
