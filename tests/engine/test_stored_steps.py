"""What a writer stores of a run step by step: less of each when it is not the newest any more."""

import numpy as np
import pytest

from clustlab.errors import StepMissing
from clustlab.runs import item_series
from clustlab.runs.encodings import MARK
from clustlab.runs.step_arrays import PLANE
from clustlab.runs.store import RunStore, snapshot_path
from clustlab.training.writer import RunWriter
from clustlab.types import Artefact, Snapshot
from tests.support import made_runs

N, WIDTH, K = 2000, 32, 10


def snapshot(seed, *, embedding=None):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(K, 0.2), N).astype(np.float32)
    if embedding is None:
        embedding = rng.normal(size=(N, WIDTH)) / (1 + np.arange(WIDTH))
    target = Artefact("per_item", rng.dirichlet(np.ones(K), N), "Target", cluster_axes=(1,))
    return Snapshot(embedding, p.argmax(1), {"loss": 1.0}, p, artefacts={"target": target})


@pytest.fixture
def run(store):
    key = made_runs.data(store, n=N)
    return made_runs.run(store, [], key)


def append(run, *snapshots, start=0):
    with RunWriter(run) as writer:
        for step, each in enumerate(snapshots, start):
            writer.append(step, each, {"phase": "train", "done": step + 1, "total": 9})


def size(run, step):
    return snapshot_path(run.path, step).stat().st_size


def stored(run, step):
    with np.load(snapshot_path(run.path, step)) as arrays:
        return set(arrays.files)


def assert_same_files(one, other):
    """Two files of a step hold the same, but for the last digits of where the map is turned."""
    with np.load(one) as mine, np.load(other) as its:
        assert mine.files == its.files
        for name in mine.files:
            if name == PLANE:
                np.testing.assert_allclose(mine[name], its[name], atol=2e-3)
            else:
                assert (mine[name] == its[name]).all(), name


def test_the_newest_step_is_fine_and_those_before_it_take_40_bytes_an_item(run):
    made = [snapshot(i) for i in range(3)]
    append(run, *made)
    assert size(run, 0) <= 40 * N
    assert size(run, 1) <= 40 * N
    assert size(run, 2) > 60 * N
    for step, (found, whole) in enumerate(zip(run, made, strict=True)):
        extent = np.ptp(whole.embedding)
        off = 0.0002 if step == 2 else 0.015
        assert np.abs(found.embedding - whole.embedding).max() <= off * extent
        assert (found.assignments == whole.assignments).all()
        assert (found.probabilities.argmax(1) == whole.assignments).all()
        assert np.abs(found.probabilities.max(1) - whole.probabilities.max(1)).max() < 0.005
        for array in (found.embedding, found.probabilities, found.artefacts["target"].data):
            assert array.dtype == np.float32
        assert found.assignments.dtype == np.int32


def test_a_run_that_was_interrupted_is_stored_as_if_it_had_not_been(store, run):
    made = [snapshot(i) for i in range(4)]
    append(run, *made)
    other = made_runs.run(store, [], run.manifest["data_key"])
    append(other, *made[:2])
    append(other, *made[2:], start=2)
    for step in range(4):
        assert_same_files(*(snapshot_path(r.path, step) for r in (run, other)))


def test_an_embedding_that_stays_is_stored_once_and_stays_fine(run):
    kept = np.random.default_rng(5).normal(size=(N, WIDTH)).astype(np.float32)
    append(run, *(snapshot(i, embedding=kept) for i in range(4)), snapshot(9))
    assert [record.get("embedding_of") for record in run.log] == [None, 0, 0, 0, None]
    assert any(name.startswith("embedding") for name in stored(run, 0))
    assert not any(name.startswith("embedding") for name in stored(run, 2))
    for step in range(4):
        assert np.abs(run[step].embedding - kept).max() < 0.0002 * np.ptp(kept)
        assert (run[step].embedding == run[0].embedding).all()
    assert item_series.of_item(run, "embedding", 7)[2].tolist() == run[2].embedding[7].tolist()


def test_a_step_that_borrows_from_one_that_is_gone_is_missing_too(run):
    kept = np.ones((N, WIDTH)) * np.arange(N)[:, None]
    append(run, *(snapshot(i, embedding=kept) for i in range(2)), snapshot(9))
    snapshot_path(run.path, 0).unlink()
    reader = RunStore(run.path.parent).run(run.id)
    with pytest.raises(StepMissing):
        reader[1]
    assert reader[2].n_clusters == K
    assert reader.damaged_steps() == [0]  # the only one that has to be computed again
    with RunWriter(reader) as writer:
        writer.missing.add(0)
        writer.append(0, snapshot(0, embedding=kept), {"phase": "train", "done": 1, "total": 9})
    assert reader[1].embedding[5] == pytest.approx(kept[5], abs=0.3)
    assert reader.damaged_steps() == []


def test_a_row_of_what_is_encoded_is_that_of_the_whole(run):
    append(run, *(snapshot(i) for i in range(3)))
    for name in ("probabilities", "embedding", "artefact:target"):
        for step, row in enumerate(item_series.of_item(run, name, 1234)):
            found = run[step]
            whole = {
                "probabilities": found.probabilities,
                "embedding": found.embedding,
                "artefact:target": found.artefacts["target"].data,
            }[name]
            assert row.dtype == np.float32
            assert row == pytest.approx(whole[1234], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("embedding as rows", lambda rows: rows[:-1]),
        ("embedding as rows", lambda rows: rows.astype(np.int32)),
        ("embedding as scales", lambda scales: scales[:, :-1] * 99),
        ("embedding as scales", lambda scales: scales * np.nan),
        ("probabilities as ratios", lambda codes: codes[:, 1:]),
        ("probabilities as ratios", lambda codes: codes.astype(np.float32)),
        ("artefact:target as ratios", lambda codes: codes[1:]),
    ],
)
def test_a_part_that_is_not_what_it_should_be_makes_the_step_missing(run, name, damage):
    append(run, *(snapshot(i) for i in range(2)))
    place = snapshot_path(run.path, 0)
    with np.load(place) as arrays:
        parts = dict(arrays)
    assert name in parts
    np.savez(place, **{**parts, name: damage(parts[name])})
    assert run.damaged_steps() == [0]
    with pytest.raises(StepMissing):
        run[0]


@pytest.mark.parametrize("lender", [2, 5])
def test_a_step_that_says_it_borrows_from_a_later_one_is_missing(run, lender):
    append(run, snapshot(0), snapshot(1), snapshot(2))
    log = run.path / "log.jsonl"
    lines = log.read_text().splitlines()
    lines[1] = lines[1].replace('"step": 1,', f'"step": 1, "embedding_of": {lender},')
    log.write_text("\n".join(lines) + "\n")
    reader = RunStore(run.path.parent).run(run.id)
    with pytest.raises(StepMissing, match=f"cannot be that of step {lender}"):
        reader[1]


def test_a_small_step_is_stored_as_it_is(store):
    run = made_runs.run(store, [[0, 1, 2, 0], [0, 1, 2, 1], [0, 1, 2, 1]], k=3)
    for step in range(3):
        assert not any(MARK in name for name in stored(run, step))
