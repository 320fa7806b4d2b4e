"""One bad folder never takes the rest down: what is wrong is said, and all else goes on."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest

from clustlab.data import library
from clustlab.errors import RunNotFound, RunUnreadable
from clustlab.runs import item_series
from clustlab.runs.identity import INTERVENTIONS
from clustlab.runs.reading import LAID_DOWN
from clustlab.runs.store import Run, snapshot_path
from clustlab.training.worker import execute, new_run
from tests.robust.hostile import HOSTILE, head, lay_down, saved
from tests.robust.hostile_folders import told
from tests.support import made_runs

LABELS = [0, 1, 2] * 4


@pytest.fixture
def pair(store):
    """Two runs on the same items."""
    made_runs.data(store, labels=LABELS)
    return [made_runs.run(store, [LABELS, LABELS], method=m) for m in ("kmeans", "dec")]


def change(file, **changes):
    """Replace values in a file of JSON; a name given as None is removed."""
    said = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: value for name, value in said.items() if value is not None}))


def in_manifest(run, **changes):
    change(run.path / "manifest.json", **changes)


def replace_by_link(file, target):
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)
    file.symlink_to(target)


def drop_manifest(run):
    (run.path / "manifest.json").unlink()
    os.utime(run.path, (0, 0))


BROKEN = {
    "manifest.json: 'created' is missing": lambda run: in_manifest(run, created=None),
    "manifest.json: 'created' should be a number, not text": lambda run: in_manifest(
        run, created="yesterday"
    ),
    "manifest.json: 'data_key' is missing": lambda run: in_manifest(run, data_key=None),
    "manifest.json: 'data_key' is out of range, too long, or no plain name": lambda run: (
        in_manifest(run, data_key="../../etc")
    ),
    "manifest.json: 'method_title' is missing": lambda run: in_manifest(run, method_title=None),
    "it was made by a newer version": lambda run: in_manifest(run, schema=99),
    "manifest.json is missing": drop_manifest,
    "manifest.json: it is not whole, or no JSON": lambda run: os.truncate(
        run.path / "manifest.json", 30
    ),
    "interventions.jsonl: 'clusters' is missing": lambda run: (run.path / INTERVENTIONS).write_text(
        '{"kind": "split"}\n'
    ),
}
LINKED = (
    "manifest.json",
    "status.json",
    "log.jsonl",
    "snapshots",
    "lock",
    "checkpoint.pt",
    "wishes",
)
BROKEN |= {
    f"{name} is a link, or no plain file or folder": lambda run, name=name: replace_by_link(
        run.path / name, "/dev/zero"
    )
    for name in LINKED
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_bad_run_is_listed_with_its_reason_and_can_be_deleted(store, pair, reason):
    good, bad = pair
    BROKEN[reason](bad)
    assert [run.id for run in store.runs()] == [good.id]
    (listed,) = store.unreadable()
    assert listed.id == bad.id
    assert listed.reason.startswith(reason)
    with pytest.raises(RunUnreadable) as failure:
        store.run(bad.id)
    assert failure.value.message == f"The run {bad.id!r} cannot be read: {listed.reason}."
    assert failure.value.hint.startswith(("Put back its files", "Update clustlab"))
    store.delete(bad.id)
    assert store.unreadable() == []
    assert store.restore(bad.id) is None
    assert store.unreadable() == [listed]
    store.delete(bad.id)
    store.purge()
    assert not (store.root / "_deleted" / bad.id).exists()
    assert len(good) == 2


def test_a_run_that_is_just_laid_down_is_not_called_unreadable(store, pair):
    (store.root / "new" / "snapshots").mkdir(parents=True)
    assert store.unreadable() == []
    old = (store.root / "new").stat().st_mtime - LAID_DOWN - 1
    os.utime(store.root / "new", (old, old))
    assert [each.id for each in store.unreadable()] == ["new"]


def test_data_are_kept_while_nobody_knows_who_needs_them(store, pair):
    _, bad = pair
    folder = store.root / "_data" / bad.manifest["data_key"]
    for run in pair:
        in_manifest(run, data_key=None)
    os.utime(folder, (0, 0))
    store.purge()
    assert folder.is_dir()
    for run in pair:
        store.delete(run.id)
    store.purge()
    assert not folder.is_dir()


def test_the_command_line_lists_it_and_shows_why(tmp_path, capsys):
    lay_down(tmp_path / "runs")
    good = told(tmp_path / "runs")
    bad = shutil.copytree(tmp_path / "runs" / min(good), tmp_path / "runs" / HOSTILE)
    (bad / "manifest.json").write_text("{}")
    listed = told(tmp_path / "runs")
    assert listed.pop(HOSTILE) == {
        "run": HOSTILE,
        "status": "unreadable",
        "steps": None,
        "tags": [],
        "title": "Cannot be read: manifest.json: 'schema' is missing",
        "acc": None,
        "nmi": None,
        "n_occupied": None,
    }
    assert listed == good


# Steps -------------------------------------------------------------------------------------------


def rewritten(run, step=0, kind=zipfile.ZIP_STORED, **arrays):
    """Put other bytes in the place of arrays of a step."""
    path = snapshot_path(run.path, step)
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members |= {f"{name}.npy": content for name, content in arrays.items()}
    with zipfile.ZipFile(path, "w", kind) as made:
        for name, content in members.items():
            made.writestr(name, content)


N, K = len(LABELS), 3


@pytest.mark.parametrize(
    "arrays",
    [
        {"embedding": saved(np.zeros((N + 1, 2), np.float32))},
        {"embedding": saved(np.zeros((N, 0), np.float32))},
        {"embedding": saved(np.zeros(N, np.float32))},
        {"embedding": saved(np.full((N, 2), np.nan, np.float32))},
        {"embedding": head("<f4", (10**9, 10))},
        {"assignments": saved(np.zeros(N + 1, np.int32))},
        {"assignments": saved(np.full(N, K, np.int32))},
        {"assignments": saved(np.full(N, -2, np.int32))},
        {"assignments": saved(np.zeros(N, np.float32))},
        {"probabilities": saved(np.full((N, K + 1), 1 / (K + 1), np.float32))},
        {"probabilities": saved(np.full((N + 1, K), 1 / K, np.float32))},
        {"centers": saved(np.zeros((K + 1, 2), np.float32))},
    ],
)
def test_a_step_that_is_not_what_the_run_says_is_not_shown(store, pair, arrays):
    run, other = pair
    rewritten(run, **arrays)
    with pytest.raises(RunNotFound):
        store.run(run.id)[0]
    assert len(store.run(run.id)[1].assignments) == N
    assert len(other[0].assignments) == N


def test_a_step_that_was_packed_is_not_unpacked(store, pair):
    run, _ = pair
    rewritten(run, kind=zipfile.ZIP_DEFLATED)
    with pytest.raises(RunNotFound):
        store.run(run.id)[0]
    assert item_series.of_item(store.run(run.id), "embedding", 0)[0] is None


@pytest.mark.parametrize("target", ["/dev/zero", "00001.npz"])
def test_a_step_is_not_read_through_a_link(store, pair, target):
    run, _ = pair
    replace_by_link(snapshot_path(run.path, 0), target)
    with pytest.raises(RunNotFound):
        store.run(run.id)[0]
    assert item_series.of_item(store.run(run.id), "embedding", 0)[0] is None


def test_without_items_the_arrays_of_a_step_have_to_agree(store, pair):
    run, _ = pair
    shutil.rmtree(store.root / "_data")
    assert len(store.run(run.id)[0].assignments) == N
    rewritten(run, assignments=saved(np.zeros(N - 1, np.int32)))
    with pytest.raises(RunNotFound):
        store.run(run.id)[0]


# Items -------------------------------------------------------------------------------------------


def half(file):
    os.truncate(file, file.stat().st_size // 2)


DAMAGE = {
    "items.npy holds .* of .* bytes": lambda folder: half(folder / "items.npy"),
    "items.npy: an array is cut off": lambda folder: os.truncate(folder / "items.npy", 20),
    "labels.npy has the shape": lambda folder: np.save(folder / "labels.npy", LABELS[:5]),
    "labels.npy names class 2000000000": lambda folder: np.save(
        folder / "labels.npy", np.full(12, 2 * 10**9, np.int32)
    ),
    "labels are below -1": lambda folder: np.save(folder / "labels.npy", np.full(12, -9, np.int32)),
    "items.npy is a link": lambda folder: replace_by_link(folder / "items.npy", "/dev/zero"),
    "made is a link": lambda folder: replace_by_link(folder, "/"),
    "it is not whole": lambda folder: half(folder / "about.json"),
    "'class_names' is missing": lambda folder: change(folder / "about.json", class_names=None),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_damaged_items_are_named_to_the_runs_on_them_only(store, pair, words):
    made_runs.data(store, "other", labels=LABELS)
    good = made_runs.run(store, [LABELS], "other")
    DAMAGE[words](store.root / "_data" / "made")
    for run in pair:
        with pytest.raises(
            RunNotFound, match=f"_data/made are damaged: ({words}|.* {words})"
        ) as failure:
            store.dataset(run)
        assert "Resume the run, or duplicate it, to load them again." in failure.value.hint
    assert len(store.dataset(good).items) == N
    assert {run.id for run in store.runs()} == {good.id, *(run.id for run in pair)}


def test_the_next_run_on_damaged_items_loads_them_again(store, fake):
    first = new_run(store, fake())
    execute(store.root, first.id)
    before = store.dataset(first).items.copy()
    folder = library.folder_of(store.root, first.manifest["data_key"])
    half(folder / "items.npy")
    with pytest.raises(RunNotFound, match="are damaged"):
        store.dataset(first)
    second = new_run(store, fake())
    execute(store.root, second.id)
    assert Run(second.path).status == "done"
    np.testing.assert_array_equal(store.dataset(first).items, before)
