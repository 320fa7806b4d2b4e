"""Runs for scripts and notebooks: train one, open one, and take out what is in it."""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from clustlab import registry
from clustlab.analysis import comparison, metrics, run_scores
from clustlab.analysis.alarm_catalogue import ENTRIES
from clustlab.analysis.alarms import alarms_of_run
from clustlab.analysis.run_scores import Scores
from clustlab.analysis.step_view import StepView
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ClustlabError, ParameterError, RunNotFound
from clustlab.runs.store import Run, RunSpec, RunStore
from clustlab.types import Array, Dataset

LAST = -1
PATIENCE = 10.0  # seconds for which a cancelled run may take to end

Ids = Literal["lasting", "raw"]
"""Lasting numbers follow a cluster through the steps; raw ones are those of the method."""


class OpenRun:
    """One run: its settings, and for each step its items, clusters, embedding and scores.

    Steps are numbered from 0; negative numbers count from the last one. A run that is still being
    trained grows while it is open.

    Attributes
    ----------
    id : str
        Name of its folder.
    path : Path
        The folder.
    """

    def __init__(self, store: RunStore, run: Run) -> None:
        self._store, self._run = store, run
        self.id, self.path = run.id, run.path

    def __repr__(self) -> str:
        return f"<{self.title}: {self.status}, {len(self.steps)} steps, {self.id}>"

    # -- what it is ----------------------------------------------------------------------------
    @property
    def title(self) -> str:
        """Method, data set and what differs from the usual, in words."""
        return self._run.title

    @property
    def status(self) -> str:
        """Such as `done`, `running` or `failed`."""
        return self._run.status

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the method that were given, by name."""
        return dict(self._run.spec.method_params)

    @property
    def store(self) -> RunStore:
        """The folder of runs that it lies in."""
        return self._store

    @property
    def stored(self) -> Run:
        """The run as the store has it."""
        return self._run

    @cached_property
    def dataset(self) -> Dataset:
        """Items, labels and names; row i is item i in all that is told of the run.

        Raises
        ------
        RunNotFound
            If the items are not there (any more).
        """
        return self._store.dataset(self._run)

    @property
    def steps(self) -> range:
        """Numbers of its steps."""
        return range(len(self._run))

    @property
    def kept_steps(self) -> list[int]:
        """Those of its steps that have an embedding; all but in runs that have grown very large."""
        return self._run.kept_steps

    @property
    def alarms(self) -> list[dict[str, Any]]:
        """What is odd about it, such as a collapse, with the steps that it holds for."""
        self._timeline.extend()
        alarms = alarms_of_run(self._run, self._timeline)
        return [{"title": ENTRIES[alarm.kind].title, **alarm.stored()} for alarm in alarms]

    # -- a step of it --------------------------------------------------------------------------
    def assignments(self, step: int = LAST, ids: Ids = "lasting") -> Array:
        """Cluster of each item at a step, (n,) int32, -1 for noise.

        Raises
        ------
        ParameterError
            If there is no such step.
        StepMissing
            If it cannot be read.
        """
        place = self._place(step)
        if ids == "raw":
            return self._run[place].assignments
        if ids != "lasting":
            raise ParameterError(f"ids must be 'lasting' or 'raw', got {ids!r}.")
        return self._timeline.stable(place)

    def embedding(self, step: int = LAST) -> Array:
        """Embedding of each item at a step, (n, d) float32; raises as `assignments`."""
        return self._run[self._place(step)].embedding

    def probabilities(self, step: int = LAST) -> Array | None:
        """Probability of each raw cluster for each item, (n, k) float32; None if there are none."""
        return self._run[self._place(step)].probabilities

    def scores(self, step: int = LAST) -> Scores:
        """Scores at a step by key, such as `acc` and `nmi`; None where one is not defined."""
        return run_scores.of_snapshot(self._run[self._place(step)], self.dataset.labels)

    def curves(self) -> pd.DataFrame:
        """Scores of all steps: column `step`, then one for each score, nan where not defined."""
        self._timeline.extend()
        return self._timeline.metrics()

    def frame(self, step: int = LAST) -> pd.DataFrame:
        """A row for each item at a step.

        Columns: `item`, `name` (where items have names), `cluster` (lasting), `raw_cluster`,
        `class` (where there are labels; missing where unknown), `confidence` and `margin` in
        [0, 1], `changes` so far, and `x`, `y` as the page Embedding draws it.
        """
        view = self.view(step)
        data, points = self.dataset, self._timeline.points(view.step)
        lead = metrics.margin(view.snapshot)
        columns: dict[str, Any] = {"item": range(len(data.items))}
        if len(data.item_names):
            columns["name"] = list(data.item_names)
        columns |= {"cluster": view.clusters, "raw_cluster": view.snapshot.assignments}
        if data.labels is not None:
            columns["class"] = [
                view.class_name(label) if label >= 0 else None for label in data.labels.tolist()
            ]
        columns |= {"confidence": view.confidence, "margin": lead, "changes": view.changes}
        return pd.DataFrame({**columns, "x": points[:, 0], "y": points[:, 1]})

    def apply(
        self,
        items: str | Path | Array | pd.DataFrame,
        *,
        step: int | None = None,
        all_probabilities: bool = False,
        names: str | None = None,
        image: str | None = None,
        features: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Clusters of items that the run was not trained on, treated as those it was trained on.

        Parameters
        ----------
        items : str, Path, array or DataFrame
            A path to what the command `import` reads; or vectors (m, d), images (m, h, w[, c]), or
            a table.
        step : int, optional
            The step that can judge new items: the last one, by default.
        all_probabilities : bool
            Also a column `p_0`, `p_1`, ... for each lasting cluster.
        names, image, features
            Columns or arrays that hold names, images and features, where they are not found.

        Returns
        -------
        DataFrame
            A row for each item that can be read: `item` (its number among all), `name` (where
            items have names), `cluster` (lasting) and `raw_cluster`, -1 where there is no answer,
            `stands_for` (the class of the cluster, where there are labels), `probability` of the
            cluster in [0, 1] (where the method has any), `distance` to the 10th nearest item of
            the run, 0 or more, in the features by which the method decides, and `is_strange`:
            whether that is larger than for 99 of 100 items of the run among themselves.

        Raises
        ------
        ClustlabError
            If the method cannot judge new items, they are of another kind, or nothing of them can
            be read; with the reason and a remedy.
        """
        from clustlab.importing.plan import Choices
        from clustlab.scripting.applying import apply_run

        chosen = None if features is None else tuple(features)
        choices = Choices(names=names, image=image, features=chosen)
        every = all_probabilities
        return apply_run(self._store, self._run, items, choices, step=step, all_probabilities=every)

    def view(self, step: int = LAST) -> StepView:
        """What follows from a step, as pages and questions look at it."""
        place = self._place(step)
        self._timeline.extend(place + 1)
        return StepView(self._run, place, self._timeline, self.dataset)

    @cached_property
    def _timeline(self) -> Timeline:
        data = self.dataset
        return Timeline(self._run, data.labels, n_classes=len(data.class_names))

    def _place(self, step: int) -> int:
        n = len(self._run)
        if not -n <= step < n:
            there = f"Steps are numbered 0 to {n - 1}." if n else "The run has no step yet."
            raise ParameterError(f"There is no step {step}.", there)
        return step % n


def open_run(run_id: str, runs: str | Path | None = None) -> OpenRun:
    """A run by the name of its folder.

    Parameters
    ----------
    runs : str or Path, optional
        Folder of runs; by default CLUSTLAB_RUNS, or `runs` in the working folder.

    Raises
    ------
    RunNotFound
        If there is none of this name.
    """
    store = RunStore(runs)
    return OpenRun(store, store.run(run_id))


def all_runs(runs: str | Path | None = None) -> list[OpenRun]:
    """All runs that can be read, newest first; `runs` as in `open_run`."""
    store = RunStore(runs)
    return [OpenRun(store, run) for run in store.runs()]


def compare(*runs: OpenRun | str, folder: str | Path | None = None) -> dict[str, Any]:
    """How far two to four runs over the same images agree, and which is right where; as `compare`.

    Raises
    ------
    ParameterError
        If they are not two to four different runs over shared items.
    """
    ids = [run if isinstance(run, str) else run.id for run in runs]
    opened = [run for run in runs if isinstance(run, OpenRun)]
    store = opened[0]._store if opened and folder is None else RunStore(folder)
    return comparison.report(store, ids)


# -- training ------------------------------------------------------------------------------------
def train(
    dataset: str,
    method: str,
    *,
    preset: str = "standard",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    device: str = "auto",
    mixed_precision: bool = False,
    progress: bool = True,
    runs: str | Path | None = None,
) -> OpenRun:
    """Train a method on a data set; returns when it is done.

    An interrupt stops the run after its present step and keeps what is committed.

    Parameters
    ----------
    dataset, method : str
        Their names, as `python -m clustlab datasets` and `methods` list them.
    preset : str
        Settings to begin with: `quick`, `standard` or `paper`.
    settings, data : mapping, optional
        Settings of the method, over those of the preset, and of the data set.
    device : str
        `auto`, `cuda`, `mps` or `cpu`.
    progress : bool
        Whether to show a bar.
    runs : str or Path, optional
        Folder of runs; see `open_run`.

    Raises
    ------
    ClustlabError
        If a name or a setting is not valid, or the run fails; with the reason and a remedy.
    """
    from clustlab.training.worker import new_run

    presets = registry.method(method).presets
    if preset not in presets:
        raise ParameterError(
            f"There is no preset {preset!r}.", f"Choose one of: {', '.join(presets)}."
        )
    store = RunStore(runs)
    params = {**presets[preset], **(settings or {})}
    spec = RunSpec(dataset, method, dict(data or {}), params, preset, seed, device, mixed_precision)
    run = new_run(store, spec)
    carry_out(store, run, progress=progress)
    state = run.progress
    if state["status"] == "failed":
        raise ClustlabError(f"{run.title}: {state['error']}", str(state.get("hint", "")))
    return OpenRun(store, run)


def carry_out(store: RunStore, run: Run, *, progress: bool) -> None:
    """Train a queued run to its end, with a bar or without.

    An interrupt stops it after its present step and keeps what is committed.
    """
    from clustlab.training.worker import execute

    ended = threading.Event()  # not Thread.join, which takes an interrupt for the end

    def work() -> None:
        try:
            execute(store.root, run.id)
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        _watch(run, ended, progress)
    except KeyboardInterrupt:
        with contextlib.suppress(RunNotFound):  # deleted meanwhile
            run.request("cancel")
        ended.wait(PATIENCE)


def _watch(run: Run, ended: threading.Event, progress: bool) -> None:
    from tqdm.auto import tqdm

    bar_format = "{desc} {percentage:3.0f}%|{bar}| {postfix}"
    with tqdm(total=1.0, bar_format=bar_format, disable=not progress) as bar:
        while not ended.wait(0.2):
            state = run.progress
            bar.n = float(state.get("fraction") or 0.0)
            bar.set_description_str(f"{state.get('phase', '')} {state.get('done', '')}".strip())
            if state.get("eta") is not None:
                bar.set_postfix_str(f"{state['eta']:.0f} s left")
            bar.refresh()
