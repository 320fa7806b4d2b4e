"""A clustering made elsewhere as a run of one or more steps, for all pages that look at runs.

What it says of items is joined to them by name where there are names. Its clusters, and if given
its embeddings and probabilities, are written as the steps of a run of the method `outside`, which
trains nothing and has no figures that nobody measured.
"""

import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.data import library, own_sets
from clustlab.data.atomic import flush, write_atomically
from clustlab.data.library import silent
from clustlab.importing.clustering_files import Clustering, read
from clustlab.importing.joining import Items
from clustlab.importing.name_index import NameIndex
from clustlab.params import UNBALANCE, build
from clustlab.parts.inputs.sampling import drawn_rows
from clustlab.registry import DatasetSpec
from clustlab.runs.labels import LONGEST_NAME, Label, set_label
from clustlab.runs.step_files import append_line, arrays_of, log_line, write_arrays
from clustlab.runs.store import Run, RunSpec, RunStore, write_status
from clustlab.types import Array, Dataset, Report, Snapshot

PHASE = "made elsewhere"
FITTED = 5_000  # items by which principal components are found
WIDEST = 50  # columns of an embedding that is made here
TOGETHER = 5_000  # items that are projected together
N_SAMPLES = "n_samples"  # setting of data sets that draw some of their items
CONTENT, EMBEDDING = "content", "embedding"  # settings of a run of the method `outside`
GIVEN, MADE_HERE = "given", "principal components of the items"  # where its embedding is from


@dataclass(frozen=True, slots=True)
class Choice:
    """What a clustering is of, and where it says what.

    Parameters
    ----------
    dataset, dataset_params, seed
        The draw of items, as for a run.
    names : str, optional
        Column or array by which entries are joined; an empty string for their order.
    steps : sequence of str
        Columns or the array of clusters; all that may be clusters unless they are given.
    title : str
        What to call the run; the name of the file unless it is given.
    """

    dataset: str
    dataset_params: Mapping[str, Any]
    seed: int = 0
    names: str | None = None
    steps: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """The run that a clustering became."""

    run: Run
    is_new: bool  # else the same clustering was there already
    facts: tuple[str, ...]


def bring_in(store: RunStore, path: Path, choice: Choice, report: Report = silent) -> Brought:
    """Make a finished run of a clustering in a file.

    Raises
    ------
    ClustlabError
        If the data set is not there, the file cannot be read, or it does not fit the items.
    Cancelled
        If `report` raises it; nothing is left then.
    """
    spec_of_data = build(registry.dataset(choice.dataset), choice.dataset_params)
    params = {name: getattr(spec_of_data, name) for name in choice.dataset_params}
    source = (choice.dataset, params, choice.seed)
    dataset = library.load(store.root, *source, report)
    items = items_of(store, dataset, *source)
    found = read(path, items, choice.names, choice.steps)
    embedding = GIVEN if found.embeddings else MADE_HERE
    title = choice.title or path.stem
    spec = RunSpec(
        dataset=choice.dataset,
        method=registry.OUTSIDE,
        dataset_params=params,
        method_params={
            "clustering": title[:200],
            CONTENT: found.content,
            EMBEDDING: embedding,
        },
        preset="",
        seed=choice.seed,
    )
    key = library.key(*source)
    for run in store.runs():
        same = run.spec.method == registry.OUTSIDE and run.manifest["data_key"] == key
        if same and run.spec.method_params.get(CONTENT) == found.content:
            return Brought(run, False, found.facts)
    run = _written(store, spec, key, title, dataset, found, report)
    return Brought(run, True, found.facts)


# -- what it is about ------------------------------------------------------------------------------
def items_of(
    store: RunStore, dataset: Dataset, name: str, params: Mapping[str, Any], seed: int
) -> Items:
    """What entries of a file may be about: the items of a draw, or all that it was drawn from."""
    spec = registry.dataset(name)
    n = len(dataset.items)
    total = _n_of_all(store, name, params, seed)
    rows = None if total is None else source_rows(spec, params, seed, total, n)
    own = own_sets.own_sets().get(name)
    names = list(dataset.item_names)
    known = NameIndex(list(own.item_names()) if own and len(own) != n else names)
    refused = own.n_refused if own else 0
    return Items(str(spec.title), n, names, known, rows, total or 0, np.arange(n), refused)


def source_rows(
    cls: type[DatasetSpec], params: Mapping[str, Any], seed: int, total: int, n: int
) -> Array | None:
    """Row (n,) int64 of each of n items in the total that their data set was made from.

    For imported sets these are the rows of the file, for ours those of the published order. None
    if nobody knows: where classes were made rarer, and of data sets that packages bring.
    """
    spec = build(cls, params)
    is_known = registry.is_own(cls) or registry.is_imported(cls)
    if not is_known or getattr(spec, UNBALANCE, 1.0) != 1:
        return None
    if not hasattr(spec, N_SAMPLES):
        return np.arange(n)  # generated, and in the order of their generation
    rows = drawn_rows(total, getattr(spec, N_SAMPLES), seed)
    return rows if len(rows) == n else None


def _n_of_all(store: RunStore, name: str, params: Mapping[str, Any], seed: int) -> int | None:
    """Items of a data set of which a draw may be a part; None if nobody knows."""
    if own := own_sets.own_sets().get(name):
        return len(own)
    cls = registry.dataset(name)
    if not registry.is_own(cls):
        return None
    whole = {**params, N_SAMPLES: None} if hasattr(build(cls, params), N_SAMPLES) else params
    return len(library.load(store.root, name, whole, seed).items)


# -- writing ---------------------------------------------------------------------------------------
def principal_components(items: Array) -> Array:
    """Leading principal components (n, at most 50) float32 of images or vectors.

    They are found on at most 5,000 items, evenly drawn; narrow vectors are returned as they are.
    """
    import torch

    from clustlab.parts.inputs.components import shown_width
    from clustlab.parts.inputs.network_input import features
    from clustlab.parts.inputs.pca import principal_map

    width = min(WIDEST, shown_width(len(items)))
    if items.ndim == 2 and items.shape[1] <= width:
        return np.asarray(items)
    some = np.unique(np.linspace(0, len(items) - 1, min(FITTED, len(items))).astype(np.int64))
    mean, basis = principal_map(torch.from_numpy(features(items[some])), width)
    parts = [
        (torch.from_numpy(features(items[start : start + TOGETHER])) - mean) @ basis
        for start in range(0, len(items), TOGETHER)
    ]
    return torch.cat(parts).numpy()


def _snapshots(dataset: Dataset, found: Clustering) -> Iterator[Snapshot]:
    usual = None if found.embeddings else principal_components(dataset.items)
    for step, assignments in enumerate(found.assignments):
        probabilities = found.probabilities(step) if found.probabilities else None
        embedding = found.embeddings(step) if found.embeddings else usual
        assert embedding is not None
        yield Snapshot(embedding, assignments, {}, probabilities)


def _written(
    store: RunStore,
    spec: RunSpec,
    data_key: str,
    title: str,
    dataset: Dataset,
    found: Clustering,
    report: Report,
) -> Run:
    """Write a run aside, and move it to its place when it is whole."""
    _clear_left_over(store)
    aside = RunStore(store.root / f"{ASIDE}{secrets.token_hex(4)}")
    n_steps = len(found.assignments)
    try:
        run = aside.create(
            spec,
            method_title=registry.OUTSIDE_TITLE,
            dataset_title=registry.dataset(spec.dataset).title,
            data_key=data_key,
            changed={},
        )
        for step, snapshot in enumerate(_snapshots(dataset, found)):
            record = {
                "phase": PHASE,
                "role": "read_off",
                "samples": 0,
                "done": step + 1,
                "total": n_steps,
            }
            write_arrays(run.path, step, arrays_of(snapshot))  # as they were given
            append_line(run.path, log_line(step, snapshot, record), is_first=step == 0)
            report(f"Writing step {step + 1} of {n_steps}", (step + 1) / n_steps)
        fingerprint = library.fingerprint_in(library.folder_of(store.root, data_key))
        environment = {"fingerprint": fingerprint}
        write_atomically(run.path / "environment.json", json.dumps(environment))
        set_label(run, Label(_name(title, spec), note=_note(found)))
        write_status(
            run.path,
            {"status": "done", "step": n_steps, "fraction": 1.0, "finished": time.time()},
        )
        flush(*(run.path / "snapshots").iterdir(), run.path / "snapshots")
        flush(*(each for each in run.path.iterdir() if each.is_file()), run.path)
        run.path.rename(store.root / run.id)
        flush(store.root)
    finally:
        shutil.rmtree(aside.root, ignore_errors=True)
    return store.run(run.id)


ASIDE = "_brought-in-"  # begins the name of a folder in which a run is written
LEFT_OVER = 3600.0  # seconds after which nobody is still writing there


def _clear_left_over(store: RunStore) -> None:
    """Remove what imports that were killed have left behind."""
    for folder in store.root.glob(f"{ASIDE}*"):
        if time.time() - folder.lstat().st_mtime > LEFT_OVER:
            library.remove_folder(folder)


def _name(title: str, spec: RunSpec) -> str:
    on = f" on {registry.dataset(spec.dataset).title}"
    plain = "".join(each for each in title if each.isprintable()).strip() or "Clustering"
    room = LONGEST_NAME - len(on)
    return f"{plain[:room].strip()}{on}" if room > 9 else plain[:LONGEST_NAME]


def _note(found: Clustering) -> str:
    """How the clusters and steps were called in the file, for people."""
    told = [fact for fact in found.facts if "numbered" in fact]
    if found.step_names:
        told.append(f"Steps: {', '.join(found.step_names)}.")
    return " ".join(told)[:1000]
