"""A stored run, applied to new images or vectors: their clusters, and which of them are strange."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clustlab import registry
from clustlab.analysis import matching
from clustlab.analysis.lasting_clusters import followed_clusters
from clustlab.data import feature_scales, library
from clustlab.data.feature_scales import Change
from clustlab.data.own_sets import OwnSet
from clustlab.data.scratch import scratch
from clustlab.errors import DataError, ParameterError
from clustlab.explaining.able import why_not
from clustlab.explaining.new_items import Judge
from clustlab.explaining.scorers import load_scorer
from clustlab.importing import new_items
from clustlab.importing.new_items import Batch, Reading
from clustlab.importing.plan import Choices, Source, Watch
from clustlab.params import STANDARDISE, UNIT_LENGTH, WHITEN, build
from clustlab.runs.source import why_not_drawn
from clustlab.runs.store import Run, RunStore, step_missing
from clustlab.types import Array, Dataset

UNSURE = (
    "How the images of the training set were brought to their size, and what became black and "
    "white in them, is not known (any more): these are treated as an import does by itself."
)
TOGETHER = 16 * 2**20  # bytes of vectors that are judged at once


@dataclass(frozen=True, slots=True)
class Judged:
    """Some new items, and what the run says of them.

    The table has the columns `item` (its number among those that were read), `name` (where items
    have names), `cluster` (lasting, -1 where the run has no answer) and `raw_cluster`,
    `stands_for` (the class of the cluster, where the run has labels), `probability` (of the
    cluster) and, if they are asked for, `p_0`, `p_1`, ... of each lasting cluster, where the method
    has any, `distance` and `is_strange`, see `Judge`.
    """

    table: pd.DataFrame  # a row for each item
    items: Array  # (m, ...) as they were read


@dataclass(frozen=True, slots=True)
class Applied:
    """New items on their way through a run."""

    reading: Reading
    pieces: Iterator[Judged]  # some thousands of items at a time; to be gone through once


class Application:
    """A run that new items can be given to.

    Raises
    ------
    ClustlabError
        If the run cannot judge new items, or its data set cannot be treated alike; with the
        reason.
    ParameterError
        If `step` is not the one that the run has kept its trained parts of.
    """

    def __init__(self, store: RunStore, run: Run, step: int | None = None) -> None:
        self.run = run
        if refused := why_not(run):
            raise refused
        self.dataset = store.dataset(run)
        self.scorer = load_scorer(store, run)
        self.step = self.scorer.step
        if step is not None and step not in (self.step, self.step - len(run)):
            raise ParameterError(
                f"Only step {self.step} of this run can judge new items, not step {step}: what was "
                "trained is kept for the last step only.",
                "Leave the step out, or train for fewer steps.",
            )
        self._like = _like_training(run, self.dataset)
        self._names = _ClusterNames(run, self.dataset, self.step, self.scorer.n_clusters)

    @cached_property
    def judge(self) -> Judge:
        """The run as it can be asked; made when the first item is there, since it looks at all."""
        return Judge(self.scorer, self.dataset.items)

    @contextmanager
    def to(
        self,
        source: Source,
        choices: Choices | None = None,
        watch: Watch = library.silent,
        *,
        all_probabilities: bool = False,
    ) -> Iterator[Applied]:
        """Apply the run to a file, a folder or uploads, while the context lasts.

        Parameters
        ----------
        choices : Choices, optional
            Which columns or arrays to read; sizes and colours are those of the training set.
        watch : callable
            Told how far it is; may raise `Cancelled` to stop.
        all_probabilities : bool
            Also that of every cluster, not only of the most probable one.

        Raises
        ------
        ClustlabError
            If it cannot be read, or holds items of another kind.
        """
        chosen = self._like.choices(choices or Choices())
        with new_items.opened(source, chosen, self._like.columns, watch) as reading:
            self._like.check(reading)
            told = replace(reading, facts=(*self._like.unsure, *reading.facts))
            yield Applied(told, self._pieces(told, all_probabilities))

    def judged(self, items: Array) -> Judged:
        """What the run says of items (m, ...) in the form of its own, which are not changed."""
        batch = Batch(np.arange(len(items)), (), items)
        return Judged(self._table(batch, items, all_probabilities=False), items)

    def _pieces(self, reading: Reading, all_probabilities: bool) -> Iterator[Judged]:
        for batch in reading.batches:
            size = max(1, TOGETHER // max(1, batch.items[:1].nbytes))
            for start in range(0, len(batch.items), size):
                part = slice(start, start + size)
                some = Batch(batch.rows[part], batch.names[part], batch.items[part])
                treated = self._like.treated(some.items)
                yield Judged(self._table(some, treated, all_probabilities), some.items)

    def _table(self, batch: Batch, treated: Array, all_probabilities: bool) -> pd.DataFrame:
        found = self.judge.judge(treated)
        columns: dict[str, Any] = {"item": batch.rows}
        if len(batch.names):
            columns["name"] = pd.array(list(batch.names), dtype="string")
        columns |= self._names.columns(found.clusters)
        if found.probabilities is not None:
            sure = found.probabilities.max(1)
            columns["probability"] = np.where(found.clusters >= 0, sure, np.nan)
            if all_probabilities:
                columns |= self._names.probabilities(found.probabilities)
        if found.distances is not None:
            columns |= {"distance": found.distances, "is_strange": found.is_strange}
        return pd.DataFrame(columns)


def apply_run(
    store: RunStore,
    run: Run,
    items: str | Path | Array | pd.DataFrame,
    choices: Choices,
    *,
    step: int | None = None,
    all_probabilities: bool = False,
) -> pd.DataFrame:
    """All new items in one table; see `OpenRun.apply`."""
    application = Application(store, run, step)
    with (
        _as_path(items) as path,
        application.to(path, choices, all_probabilities=all_probabilities) as applied,
    ):
        tables = [piece.table for piece in applied.pieces]
        check_any(applied.reading, len(tables))
    return pd.concat(tables, ignore_index=True)


def check_any(reading: Reading, n_tables: int) -> None:
    """Nothing, if anything has come in; else `DataError` with the reason of the first item."""
    if not n_tables:
        first = reading.refusals.first
        why = f": {first[0].name} {first[0].reason}" if first else ""
        raise DataError(
            f"Nothing of {reading.origin} can be judged{why}.", "Choose what holds items."
        )


@contextmanager
def _as_path(items: str | Path | Array | pd.DataFrame) -> Iterator[Path]:
    """Items in memory as a file, so that they are read like those of a file."""
    if isinstance(items, str | Path):
        yield Path(items)
        return
    with scratch() as folder:
        if isinstance(items, pd.DataFrame):
            path = folder / "table.parquet"
            try:
                items.set_axis([str(name) for name in items.columns], axis=1).to_parquet(path)
            except (ValueError, TypeError) as error:  # what pyarrow cannot store
                raise ParameterError(
                    f"The table cannot be read: {error}.",
                    "Give columns of numbers or text, each with a name of its own.",
                ) from error
        else:
            path = folder / "array.npy"
            array = np.asarray(items)
            if array.dtype.kind not in "biuf":
                raise ParameterError(
                    f"An array of {array.dtype} holds neither images nor vectors.",
                    "Give numbers, a table or a path.",
                )
            np.save(path, array)
        yield path


# -- as the items of the run were treated --------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Like:
    """What was done to the items of a run before it saw them."""

    dataset: Dataset
    own: OwnSet | None  # that they come from, if it was imported and is still there
    columns: tuple[str, ...]  # of vectors, before they were changed
    width: int  # of vectors, before they were changed
    changes: tuple[Change, ...]
    unsure: tuple[str, ...] = ()  # what is not known of the treatment, a sentence each

    def choices(self, choices: Choices) -> Choices:
        """Choices that give items the form of those of the run."""
        if not self.dataset.is_image:
            return choices
        _, h, w, c = self.dataset.items.shape
        like = replace(choices, size=(h, w), colour="grey" if c == 1 else "colour", labels="")
        like = replace(like, features=choices.features or ())
        treatment = self.own and self.own.treatment
        if not treatment:
            return like
        return replace(like, fit=treatment.fit, ground=treatment.ground, ranges=treatment.ranges)

    def check(self, reading: Reading) -> None:
        """Nothing, if items are of the kind and size of those of the run; else `DataError`."""
        if self.dataset.is_image:
            if reading.kind != "images":
                raise DataError(
                    f"{reading.origin} holds vectors of {reading.shape[0]:,} numbers, but the run "
                    "was trained on images.",
                    "Give images. In a table or an archive, say which column holds them.",
                )
            return
        if reading.kind == "images":
            made = f" ({self.own.features})" if self.own and self.own.features else ""
            raise DataError(
                f"{reading.origin} holds images, but the run was trained on vectors{made}.",
                f"Give vectors of {self.width:,} numbers, made in the same way.",
            )
        if reading.shape != (self.width,):
            raise DataError(
                f"{reading.origin} holds vectors of {reading.shape[0]:,} numbers, but the run was "
                f"trained on {self.width:,}.",
                "Give the same columns as in training, in their order or by their names.",
            )

    def treated(self, items: Array) -> Array:
        """Items (m, ...) as the run would have got them."""
        for change in self.changes:
            with np.errstate(over="ignore", invalid="ignore"):
                items = change(items)
        return items


def _like_training(run: Run, dataset: Dataset) -> _Like:
    missing = why_not_drawn(run.spec, run.manifest)
    own = None
    if missing is None:
        kind = registry.dataset(run.spec.dataset)
        own = getattr(kind, "own", None) if registry.is_imported(kind) else None
    if dataset.is_image:
        installed = run.spec.dataset in registry.installed_datasets()
        is_known = installed or (own is not None and own.treatment is not None)
        return _Like(dataset, own, (), 0, (), () if is_known else (UNSURE,))
    settings = run.spec.dataset_params
    if not any(settings.get(name) for name in (STANDARDISE, WHITEN, UNIT_LENGTH)):
        return _Like(dataset, own, dataset.columns, dataset.items.shape[1], ())
    if missing is not None:
        raise DataError(
            "The vectors of this run were put on a scale that was measured on its data set, which "
            f"is needed for that of new ones. {missing.message}",
            missing.hint,
        )
    spec = build(registry.dataset(run.spec.dataset), settings)
    before = library.before_changes(spec, run.spec.seed)
    _, changes = feature_scales.with_changes(before, spec)
    return _Like(dataset, own, before.columns, before.items.shape[1], changes)


# -- what clusters are called --------------------------------------------------------------------
class _ClusterNames:
    """Lasting numbers of the clusters of a step, and the classes that they stand for."""

    def __init__(self, run: Run, dataset: Dataset, step: int, n_clusters: int) -> None:
        last = next((each for each in followed_clusters(run) if each.step == step), None)
        if last is None:
            raise step_missing(run, step)
        # a step without centres says nothing of clusters that none of its items is in
        more = last.n_ids + np.arange(max(0, n_clusters - len(last.mapping)))
        self._lasting = np.concatenate([last.mapping, more, [-1]])  # the last stands for no answer
        self._classes: Array | None = None
        labels = dataset.labels
        if labels is not None:
            names = dataset.class_names
            n_classes = max(len(names), int(labels.max(initial=-1)) + 1)
            of = matching.classes_of(labels, last.lasting, last.n_ids, n_classes)
            called = [names[c] if 0 <= c < len(names) else f"class {c}" for c in of.tolist()]
            called = [name if c >= 0 else None for name, c in zip(called, of, strict=True)]
            self._classes = np.array([*called, *[None] * (len(more) + 1)], object)

    def columns(self, raw: Array) -> dict[str, Any]:
        """Columns on clusters (m,) int, raw, -1 for none."""
        lasting = self._lasting[raw]
        columns: dict[str, Any] = {"cluster": lasting, "raw_cluster": raw}
        if self._classes is not None:
            columns["stands_for"] = pd.array(self._classes[lasting].tolist(), dtype="string")
        return columns

    def probabilities(self, p: Array) -> dict[str, Array]:
        """A column for each lasting cluster, by rising number, of probabilities (m, k)."""
        lasting = self._lasting[:-1]
        return {f"p_{lasting[raw]}": p[:, raw] for raw in np.argsort(lasting).tolist()}
