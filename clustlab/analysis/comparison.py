"""Whether runs can be compared, in which settings they differ, and how far they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.analysis import agreement, matching, run_scores, shared_items
from clustlab.analysis.consensus import consensus
from clustlab.analysis.lasting_clusters import last_clusters
from clustlab.analysis.outcome_alarms import kinds_of_outcome
from clustlab.analysis.repetition import machine_of
from clustlab.analysis.shared_items import SharedItems
from clustlab.errors import ParameterError, RunNotFound
from clustlab.params import in_words
from clustlab.runs import identity, titles
from clustlab.runs.identity import Identity
from clustlab.runs.store import Run, RunSpec, RunStore
from clustlab.types import Array

FEWEST, MOST = 2, 4
THREE = ("dec", "iic", "deepcluster")
FEW = 20  # items listed on which runs differ most
ROWS_NAMED = 5  # of items left out, in the table of settings


# -- which runs --------------------------------------------------------------------------------
def check(store: RunStore, runs: Sequence[Run]) -> None:
    """Refuse runs that cannot be compared item by item.

    Raises
    ------
    ParameterError
        If they are not two to four different runs over items of one draw.
    """
    ids = [run.id for run in runs]
    if not FEWEST <= len(set(ids)) == len(ids) <= MOST:
        raise ParameterError(
            f"A comparison takes {FEWEST} to {MOST} different runs, got {len(ids)}: "
            f"{', '.join(ids) or 'none'}.",
            "The page Runs and 'python -m clustlab list' show those there are.",
        )
    for other in shared_items.strangers(store, runs):
        again = (
            "Bring the clustering in again"
            if other.spec.is_outside
            else f"Train {other.manifest['method_title']} again"
        )
        raise ParameterError(
            f"{other.id!r} is about other items than {runs[0].id!r} "
            f"({_items(other)} against {_items(runs[0])}), so no image of one is in the other.",
            f"{again} with the data settings and the seed of {runs[0].id!r}.",
        )


def _items(run: Run) -> str:
    spec = run.spec
    chosen = "".join(f", {name}={in_words(value)}" for name, value in spec.dataset_params.items())
    return f"{run.manifest['dataset_title']}{chosen}, seed {spec.seed}"


def rerun_spec(run: Run, like: Run) -> RunSpec:
    """What to run to see the method and settings of a run on the items and seed of another."""
    return replace(
        run.spec,
        dataset=like.spec.dataset,
        dataset_params=dict(like.spec.dataset_params),
        seed=like.spec.seed,
        continues=None,
        excluded=list(like.spec.excluded),
    )


def three_methods(like: RunSpec, preset: str) -> list[RunSpec]:
    """DEC, IIC and DeepCluster on the same items, seed, device and preset.

    Raises
    ------
    ParameterError
        If there is no such preset.
    """
    specs = []
    for name in THREE:
        presets = registry.method(name).presets
        if preset not in presets:
            raise ParameterError(
                f"There is no preset {preset!r}.", f"Choose one of: {', '.join(presets)}."
            )
        specs.append(
            replace(
                like,
                method=name,
                method_params=dict(presets[preset]),
                preset=preset,
                continues=None,
            )
        )
    return specs


def two_moons() -> list[RunSpec]:
    """k-means and spectral clustering with two clusters on the same two half moons."""
    data = {"shape": "moons"}
    return [
        RunSpec(
            "toy",
            name,
            data,
            {**registry.method(name).presets["quick"], "n_clusters": 2},
            preset="quick",
        )
        for name in ("kmeans", "spectral")
    ]


# -- settings ----------------------------------------------------------------------------------
def differing(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Settings in which runs differ: `name`, and `values` by run id without those that have none.

    Those that all runs have come first. Preset and device are told, too, although runs that differ
    in nothing else are the same.
    """
    return _differing({run.id: _facts(run) for run in runs})


def differing_machines(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Versions, devices and the like in which runs were carried out otherwise, as `differing`.

    The last digits of their figures may differ for these alone. Runs that have noted nothing of
    it, such as clusterings made elsewhere, do not count.
    """
    noted = {run.id: machine_of(run) for run in runs}
    for facts in noted.values():
        facts.pop("clustlab")  # its version is among the settings
    return _differing({run_id: facts for run_id, facts in noted.items() if facts})


def _differing(chosen: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Facts that are not the same in all runs, each with its values by run id."""
    names = list(dict.fromkeys(name for one in chosen.values() for name in one))
    rows = []
    for name in names:
        values = {run: one[name] for run, one in chosen.items() if name in one}
        first = next(iter(values.values()))
        same = len(values) == len(chosen) and all(v == first for v in values.values())
        if not same:
            told = {run: _told(name, value) for run, value in values.items()}
            rows.append({"name": name, "values": told})
    return sorted(rows, key=lambda row: len(row["values"]) < len(chosen))


def _facts(run: Run) -> dict[str, Any]:
    facts = identity.identity_of(run).facts
    return {
        "method": facts["method"],
        "preset": run.spec.preset,
        **facts,
        "device": run.spec.device,
    }


def _told(name: str, value: Any) -> Any:
    """Value of a fact in plain JSON; lists in words."""
    if name == "excluded":
        few = ", ".join(map(str, value[:ROWS_NAMED]))
        more = f" and {len(value) - ROWS_NAMED:,} more" if len(value) > ROWS_NAMED else ""
        return f"{len(value):,} items: rows {few}{more}" if value else "none"
    if name == "interventions":
        return "; ".join(map(str, value)) or "none"
    return in_words(value) if isinstance(value, tuple) else value


def seeds(runs: Sequence[Run], others: Sequence[Run] = ()) -> list[list[Run]]:
    """Groups of runs that differ in their seed only, in the order of their first run.

    Finished runs out of `others` join the groups; items drawn by another seed may differ.
    """
    groups: list[tuple[Identity, list[Run]]] = []
    known = {run.id for run in runs}
    for run in [*runs, *(r for r in others if r.id not in known)]:
        mine = identity.identity_of(run)
        mates = next((m for other, m in groups if identity.same_settings(mine, other)), None)
        if run.id in known:
            if mates is None:
                groups.append((mine, [run]))
            else:
                mates.append(run)
        elif mates is not None and run.status == "done":
            mates.append(run)
    return [members for _, members in groups]


# -- in numbers --------------------------------------------------------------------------------
def report(store: RunStore, run_ids: Sequence[str]) -> dict[str, Any]:
    """Comparison of two to four runs at the last step of each, in plain JSON types.

    Everything is over the items that all runs have: `compared_over` says how many of the draw these
    are. Keys: `runs` (id, title, status, step, seconds, kinds of `alarms_at_end` and scores of
    each, and where it has other items as well, its scores `over_its_own_items`), `n_items`,
    `n_labelled`, `ari` and `nmi` (matrices in the order of the runs), `pairs` (for each pair the
    contingency of clusters under common ids, and with labels how many items both, one or neither
    gets right, and how many either calls noise), `right_in` (with labels: how many items all runs
    get right, only one of them by its id, several or none), `consensus` (whatever the order of the
    runs: `unanimous` items are those where all follow it, `mean_share` of the runs do so),
    `most_disputed` (items on which they differ most, by their row in the first run and their `rows`
    in each), `differing_settings`, `differing_machines`.

    Raises
    ------
    RunNotFound
        If a run is not there or cannot be read.
    ParameterError
        If there are not two to four runs over the same items, or one has no step yet.
    """
    runs = [store.run(run_id) for run_id in run_ids]
    check(store, runs)
    for run in runs:
        if not len(run):
            raise ParameterError(
                f"The run {run.id!r} has no step yet (it is {run.status}).",
                "Wait for its first step, or resume it.",
            )
    shared = shared_items.shared_items(store, runs)
    datasets = [store.dataset(run) for run in runs]
    last = [_last_clusters(run) for run in runs]
    sizes = [k for _, k in last]
    own = [clusters[rows] for (clusters, _), rows in zip(last, shared.rows, strict=True)]
    maps = agreement.alignments(own, sizes)
    aligned = [matching.looked_up(c, mapping) for mapping, c in zip(maps, own, strict=True)]
    labels = datasets[0].labels
    if labels is not None:
        labels = labels[shared.rows[0]] if (labels[shared.rows[0]] >= 0).any() else None
    ari, nmi = agreement.scores(own)
    called = titles.titles(runs)
    about = [
        _about(run, title, dataset.labels, rows)
        for run, title, dataset, rows in zip(runs, called, datasets, shared.rows, strict=True)
    ]
    for i, (clusters, _) in enumerate(last):
        if not shared.has_all(i):
            whole = run_scores.of_run(runs[i], datasets[i])
            about[i]["over_its_own_items"] = {"n_items": len(clusters), **whole}
    return {
        "compared_over": shared.in_words,
        "runs": about,
        "n_items": len(shared),
        "n_labelled": 0 if labels is None else int((labels >= 0).sum()),
        "ari": _plain(ari),
        "nmi": _plain(nmi),
        "pairs": _pairs(runs, aligned, labels, len(datasets[0].class_names)),
        **_right_in(runs, aligned, labels, len(datasets[0].class_names)),
        "consensus": _consensus(own, labels),
        "most_disputed": _disputed(own, aligned, shared),
        "differing_settings": differing(runs),
        "differing_machines": differing_machines(runs),
    }


def _plain(scores: Array) -> list[list[float | None]]:
    """Scores for JSON; None where two runs have no clustered item in common."""
    return [[None if x != x else round(x, 5) for x in row] for row in scores.tolist()]


def _last_clusters(run: Run) -> tuple[Array, int]:
    """Lasting cluster ids (n,) of the last step, as the pages show them, and their number."""
    last = last_clusters(run)
    if last is None:
        raise RunNotFound(
            f"No step of the run {run.id!r} can be read.", "Resume it: it is computed again."
        )
    return last.lasting, last.n_ids


def _about(run: Run, title: str, labels: Array | None, rows: Array) -> dict[str, Any]:
    """What a run is, and the scores of its last step over the rows that are compared."""
    log = run.log
    return {
        "id": run.id,
        "title": title,
        "status": run.status,
        "step": len(log) - 1,
        "seconds": log[-1].get("seconds"),
        "alarms_at_end": kinds_of_outcome(run),
        **run_scores.of_snapshot(run[-1], labels, rows),
    }


def _pairs(
    runs: Sequence[Run], aligned: Sequence[Array], labels: Array | None, n_classes: int
) -> list[dict[str, Any]]:
    pairs = []
    ids = int(max(clusters.max(initial=-1) for clusters in aligned)) + 1
    for i, j in combinations(range(len(runs)), 2):
        a, b = aligned[i], aligned[j]
        counts = matching.contingency(a, b, ids, ids)
        rows, columns = np.flatnonzero(counts.sum(1)), np.flatnonzero(counts.sum(0))
        pair: dict[str, Any] = {
            "a": runs[i].id,
            "b": runs[j].id,
            "clusters_a": rows.tolist(),
            "clusters_b": columns.tolist(),
            "contingency": counts[np.ix_(rows, columns)].tolist(),
            "same_cluster": agreement.n_in_matched(a, b),
        }
        if labels is not None:
            right_a, right_b = _rights((a, b), labels, n_classes)
            verdicts = agreement.who_is_right(labels, right_a, right_b, (a < 0) | (b < 0))
            pair["right"] = {name: len(items) for name, items in asdict(verdicts).items()}
        pairs.append(pair)
    return pairs


def _rights(clusterings: Sequence[Array], labels: Array, n_classes: int) -> list[Array]:
    """Whether each run gets each item (n,) right."""
    classes = max(n_classes, int(labels.max()) + 1)
    sizes = [int(clusters.max(initial=-1)) + 1 for clusters in clusterings]
    return [
        agreement.right(labels, clusters, k, classes)
        for clusters, k in zip(clusterings, sizes, strict=True)
    ]


def _right_in(
    runs: Sequence[Run], clusterings: Sequence[Array], labels: Array | None, n_classes: int
) -> dict[str, Any]:
    if labels is None:
        return {}
    tally = agreement.how_many_are_right(labels, _rights(clusterings, labels, n_classes))
    only = {run.id: len(items) for run, items in zip(runs, tally.only, strict=True)}
    counts = {"all": len(tally.every), "several": len(tally.several), "none": len(tally.none)}
    return {"right_in": {**counts, "only": only}}


def _consensus(clusterings: Sequence[Array], labels: Array | None) -> dict[str, Any]:
    agreed = consensus(clusterings)
    return {
        "unanimous": int(((agreed.share == 1) & (agreed.clusters >= 0)).sum()),
        "mean_share": round(float(agreed.share.mean()), 5) if len(agreed.share) else None,
        **run_scores.scores(agreed.clusters, labels),
    }


def _disputed(
    own: Sequence[Array], aligned: Sequence[Array], shared: SharedItems
) -> list[dict[str, Any]]:
    apart = agreement.disagreement(own)
    most = np.argsort(-apart, kind="stable")[:FEW]
    return [
        {
            "index": int(shared.rows[0][i]),
            "rows": [int(rows[i]) for rows in shared.rows],
            "disagreement": round(float(apart[i]), 5),
            "clusters": [int(clusters[i]) for clusters in aligned],
        }
        for i in most
        if apart[i] > 0
    ]
