"""Packs of runs: what is packed here opens elsewhere as it was, and a bad one leaves nothing."""

import errno
import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from clustlab.__main__ import main
from clustlab.data import own_sets
from clustlab.errors import Cancelled, DataError, ParameterError, StorageError
from clustlab.runs import unpack as unpacking
from clustlab.runs.baskets import Baskets
from clustlab.runs.left_overs import clear_left_overs
from clustlab.runs.pack import ABOUT, write_pack
from clustlab.runs.store import RunSpec, RunStore, write_status
from clustlab.runs.unpack import unpack
from clustlab.training.longer import how_to_train_longer
from clustlab.training.worker import execute, lengthen, new_run, requeue
from clustlab.training.writer import RunWriter
from tests.robust import hostile_packs
from tests.support import made_runs
from tests.support.own_data import vector_set

CLUSTERS = [0, 1, 2] * 4


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))


@pytest.fixture
def run(store):
    """A finished run of two steps."""
    made_runs.data(store, labels=CLUSTERS)
    return made_runs.run(store, [CLUSTERS[::-1], CLUSTERS])


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another machine: its folder of runs, in which data folder and all else are its own."""
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "elsewhere" / "data"))
    return RunStore(tmp_path / "elsewhere" / "runs")


def packed(store, *runs):
    file = io.BytesIO()
    write_pack(store, runs, file)
    return file


def contents(folder):
    """All files below a folder by their place, with what is in them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def same_as_packed(folder):
    """What of the files of a folder belongs into a pack."""
    return {name: text for name, text in contents(folder).items() if name != "lock"}


# What comes in -----------------------------------------------------------------------------------


def test_a_run_is_the_same_elsewhere_byte_for_byte(store, run, elsewhere, tmp_path, capsys):
    file = tmp_path / "runs.zip"
    assert main(["pack", run.id, "-o", str(file), "--runs", str(store.root)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["bytes"] == file.stat().st_size
    assert answer["runs"] == [run.id]
    assert main(["unpack", str(file), "--runs", str(elsewhere.root)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "runs": [{"run": run.id, "title": run.title, "new": True}],
        "imported": [],
        "baskets": [],
    }
    other = elsewhere.run(run.id)
    assert contents(other.path) == same_as_packed(run.path)
    assert contents(elsewhere.data_folder(other)) == contents(store.data_folder(run))
    assert (elsewhere.dataset(other).items == store.dataset(run).items).all()
    figures = []
    for each in (store, elsewhere):
        assert main(["show", run.id, "--runs", str(each.root)]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert figures[0] == figures[1]
    assert sorted(path.name for path in elsewhere.root.iterdir()) == [run.id, "_data"]


def test_a_deleted_run_comes_back_beside_the_same_one_from_a_pack(store, run):
    pack = packed(store, run)
    before = contents(run.path)
    store.delete(run.id)
    unpack(store, pack, "runs.zip")
    with pytest.raises(ParameterError, match=r"another run .* by now.* come back beside it"):
        store.restore(run.id)
    assert [each.id for each in store.deleted()] == [run.id]
    back = store.restore(run.id, beside=True)
    assert back.id == f"{run.id}-2"
    assert contents(back.path) == before
    assert {each.id for each in store.runs()} == {run.id, back.id}
    assert store.deleted() == []


def baskets(store, run):
    return Baskets(store.root, run.manifest["data_key"], len(CLUSTERS))


def test_baskets_of_the_items_come_along(store, run, elsewhere):
    odd = baskets(store, run).save("Odd ones", [1, 5], "look again")
    Baskets(store.root, "other-key", 12).save("Others", [1])
    unpacked = unpack(elsewhere, packed(store, run), "runs.zip")
    assert unpacked.baskets == ("Odd ones",)
    other = elsewhere.run(run.id)
    assert baskets(elsewhere, other).all() == [odd]
    assert contents(elsewhere.root / "_baskets") == {
        f"{run.manifest['data_key']}/odd-ones.json": (
            baskets(store, run).folder / "odd-ones.json"
        ).read_bytes()
    }
    again = unpack(elsewhere, packed(store, run), "runs.zip")
    assert (again.baskets, again.remarks) == ((), ())


def test_no_basket_is_written_over(store, run, elsewhere):
    long = "a very long name of a basket that leaves no room for numbers"
    for name in ("Odd ones", long):
        baskets(store, run).save(name, [1, 5])
        baskets(elsewhere, run).save(name, [2])
    baskets(elsewhere, run).save("Odd ones 2", [3])
    before = contents(elsewhere.root)
    unpacked = unpack(elsewhere, packed(store, run), "runs.zip")
    found = {each.name: each.indices for each in baskets(elsewhere, run).all()}
    assert found == {
        "Odd ones": (2,),
        "Odd ones 2": (3,),
        "Odd ones 3": (1, 5),
        long: (2,),
        f"{long[:58]} 2": (1, 5),
    }
    assert set(unpacked.baskets) == {"Odd ones 3", f"{long[:58]} 2"}
    assert len(unpacked.remarks) == 2
    after = contents(elsewhere.root)
    assert before.items() <= after.items()
    again = unpack(elsewhere, packed(store, run), "runs.zip")
    assert (again.baskets, contents(elsewhere.root)) == ((), after)


@pytest.mark.parametrize(
    "change",
    [
        {"indices": [99]},
        {"indices": []},
        {"name": "Another"},
        {"name": "   "},
        {"note": 3},
    ],
)
def test_what_is_no_basket_of_its_items_is_refused_with_the_pack(store, run, elsewhere, change):
    basket = baskets(store, run).save("Odd ones", [1, 5])
    file = baskets(store, run).folder / f"{basket.slug}.json"
    pack = packed(store, run)
    said = json.dumps({**json.loads(file.read_bytes()), **change}).encode()
    name = f"_baskets/{run.manifest['data_key']}/odd-ones.json"
    listed = {"size": len(said), "sha256": hashlib.sha256(said).hexdigest()}
    changed = rewritten(
        pack,
        lambda n, data: said if n == name else data,
        lambda about: {**about, "files": {**about["files"], name: listed}},
    )
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(elsewhere, changed, "runs.zip")
    assert not contents(elsewhere.root)


def test_equal_runs_make_equal_packs(store, run):
    assert packed(store, run).getvalue() == packed(store, run).getvalue()


def test_what_belongs_to_a_worker_stays_behind(store, run):
    for name in ("lock", "request", "status.json.0123abcd.tmp"):
        (run.path / name).write_text("run")
    (run.path / "wishes").mkdir(exist_ok=True)
    (run.path / "wishes" / "1.json").write_text("{}")
    (run.path / "projections").mkdir()
    (run.path / "projections" / "umap-00001.npy").write_bytes(b"kept")
    names = {name.split("/", 1)[1] for name in zipfile.ZipFile(packed(store, run)).namelist()[:-1]}
    assert {"manifest.json", "snapshots/00001.npz", "projections/umap-00001.npy"} <= names
    assert not any(name.startswith(("lock", "request", "wishes")) for name in names)
    assert not any(name.endswith(".tmp") for name in names)


def test_a_run_that_is_there_already_is_kept(store, run, elsewhere, tmp_path, capsys):
    file = tmp_path / "runs.zip"
    file.write_bytes(packed(store, run).getvalue())
    words = ["unpack", str(file), "--runs", str(elsewhere.root)]
    assert main(words) == 0
    (elsewhere.root / run.id / "about.json").write_text('{"name": "Mine"}')
    before = contents(elsewhere.root)
    capsys.readouterr()
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert [each["new"] for each in json.loads(out)["runs"]] == [False]
    assert "is there already, and is kept as it is" in err
    assert contents(elsewhere.root) == before


def test_a_run_that_was_stopped_goes_on_elsewhere_to_the_same_figures(
    store, fake, elsewhere, monkeypatch
):
    whole, stopped = (new_run(store, fake(by_hand=True)) for _ in range(2))
    execute(store.root, whole.id)
    append = RunWriter.append

    def stops(self, step, *others):
        if step == 3:
            raise Cancelled
        append(self, step, *others)

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "append", stops)
        patch.setattr(RunWriter, "checkpoint_due", lambda self: True)
        execute(store.root, stopped.id)
    assert (stopped.status, len(stopped)) == ("cancelled", 3)
    assert (stopped.path / "checkpoint.pt").is_file()
    other = unpack(elsewhere, packed(store, stopped), "runs.zip").runs[0].run
    requeue(other)
    execute(elsewhere.root, other.id)
    assert (other.status, len(other)) == ("done", len(whole))
    for step in range(len(whole)):
        assert (other[step].embedding == whole[step].embedding).all()


def test_a_run_whose_worker_has_died_is_lost_elsewhere_too(store, run, elsewhere):
    write_status(run.path, {"status": "running", "host": "another", "step": 2})
    with pytest.raises(ParameterError, match="is running, so half of it would be packed"):
        packed(store, run)
    os.utime(run.path / "status.json", (0, 0))
    assert run.status == "lost"
    assert unpack(elsewhere, packed(store, run), "runs.zip").runs[0].run.status == "lost"


def test_an_imported_set_comes_along_and_its_run_can_be_trained_longer(store, elsewhere):
    own_sets_here = own_sets.folder_of_all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTLAB_DATA", str(store.root.parent / "data"))
        own = vector_set("Mine")
        run = new_run(store, RunSpec("mine", "kmeans", method_params={"n_clusters": 3}))
        execute(store.root, run.id)
        assert run.status == "done"
        file = packed(store, run)
        theirs = contents(own.folder)
    unpacked = unpack(elsewhere, file, "runs.zip")
    assert unpacked.sets == ("mine",)
    assert contents(own_sets_here / "mine") == theirs
    other = unpacked.runs[0].run
    data = elsewhere.dataset(other)
    how = how_to_train_longer(other, len(data.items), data.items.shape[1:])
    longer = lengthen(elsewhere, other, how, 1, beyond=True)
    execute(elsewhere.root, longer.id)
    assert longer.status == "done"
    again = unpack(elsewhere, file, "runs.zip")
    assert (again.sets, again.remarks) == ((), ())
    assert [path.name for path in own_sets_here.iterdir()] == ["mine"]


def test_another_set_of_the_same_name_stays_and_the_run_has_its_items(store, elsewhere):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTLAB_DATA", str(store.root.parent / "data"))
        vector_set("Mine")
        run = new_run(store, RunSpec("mine", "kmeans", method_params={"n_clusters": 3}))
        execute(store.root, run.id)
        file, n = packed(store, run), len(store.dataset(run).items)
    vector_set("Mine", n=50)
    unpacked = unpack(elsewhere, file, "runs.zip")
    assert unpacked.sets == ()
    (remark,) = unpacked.remarks
    assert "There is another data set 'mine' here" in remark
    assert len(own_sets.own_set("mine")) == 50
    assert len(elsewhere.dataset(unpacked.runs[0].run).items) == n


# What does not ----------------------------------------------------------------------------------


def rewritten(pack, change=lambda name, data: data, about=lambda said: said, more=()):
    """The pack with other contents; checksums and sizes in its list are as before."""
    out = io.BytesIO()
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename == ABOUT:
                data = json.dumps(about(json.loads(data))).encode()
            else:
                data = change(info.filename, data)
            if data is not None:
                new.writestr(info.filename, data)
        for info, data in more:
            new.writestr(info, data)
    return out


def listing(name, said):
    """The list of a pack with one more file that holds nothing."""
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    return {**said, "files": {**said["files"], name: {"size": 0, "sha256": nothing}}}


def with_file(pack, name):
    """A pack with one more file, which it lists."""
    return rewritten(pack, about=lambda said: listing(name, said), more=[(name, b"")])


def as_link(pack):
    name = json.loads(zipfile.ZipFile(pack).read(ABOUT))["runs"][0] + "/link"
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return rewritten(pack, about=lambda said: listing(name, said), more=[(info, b"")])


def twice(pack):
    first = zipfile.ZipFile(pack).namelist()[0]
    more = [(first, zipfile.ZipFile(pack).read(first))]
    with pytest.warns(UserWarning, match="Duplicate name"):
        return rewritten(pack, more=more)


def declaring(pack, nbytes):
    """A pack whose first file and whose list say that it is so long."""
    first = zipfile.ZipFile(pack).namelist()[0]

    def about(said):
        said["files"][first]["size"] = nbytes
        return said

    out = rewritten(pack, about=about)
    with zipfile.ZipFile(out, "a") as archive:
        archive.getinfo(first).file_size = nbytes
        archive.comment = b"x"  # so that the list is written anew
        archive.comment = b""
    return out


def compressed(pack):
    out = io.BytesIO()
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    return out


def flipped(name, data):
    return data[:-1] + bytes([data[-1] ^ 1]) if name.endswith("00001.npz") else data


def newer_run(pack):
    """A pack of a run that a newer version has made, with its right checksum."""
    changed = {}

    def change(name, data):
        if name.endswith("/manifest.json"):
            data = json.dumps({**json.loads(data), "schema": 99}).encode()
            digest = hashlib.sha256(data).hexdigest()
            changed[name] = {"size": len(data), "sha256": digest}
        return data

    rewritten(pack, change)
    return rewritten(pack, change, lambda said: {**said, "files": {**said["files"], **changed}})


BAD = {
    "cut short": (lambda p: io.BytesIO(p.getvalue()[:-300]), "cut off or damaged"),
    "empty": (lambda p: io.BytesIO(), "cut off or damaged"),
    "no archive": (lambda p: io.BytesIO(b"hello" * 1000), "cut off or damaged"),
    "not ours": (
        lambda p: rewritten(p, about=lambda said: {**said, "format": "other"}),
        "no pack of runs",
    ),
    "without a list": (
        lambda p: rewritten(io.BytesIO(_zip_of("a.txt"))),
        "no pack of runs",
    ),
    "newer": (
        lambda p: rewritten(p, about=lambda said: {**said, "schema": 3, "version": "9.1"}),
        r"newer version of clustlab \(9\.1\)",
    ),
    "newer run": (newer_run, "made by a newer version.*Update clustlab"),
    "upwards": (lambda p: with_file(p, "../evil"), "leads elsewhere"),
    "upwards within": (lambda p: with_file(p, "_data/../evil"), "leads elsewhere"),
    "absolute": (lambda p: with_file(p, "/evil"), "leads elsewhere"),
    "drive": (lambda p: with_file(p, "C:\\evil"), "leads elsewhere"),
    "hidden": (lambda p: with_file(p, "_data/.evil/x"), "leads elsewhere"),
    "unnamed run": (lambda p: with_file(p, "other/manifest.json"), "leads elsewhere"),
    "link": (as_link, "is a link"),
    "twice": (twice, "is in it twice"),
    "not listed": (
        lambda p: rewritten(p, more=[("_data/made/x.npy", b"x")]),
        "not the file that it lists",
    ),
    "missing": (
        lambda p: rewritten(p, lambda n, d: None if n.endswith("status.json") else d),
        "is missing from it",
    ),
    "100 GB": (lambda p: declaring(p, 10**11), "claims more than it holds"),
    "compressed": (compressed, "is compressed"),
    "wrong checksum": (lambda p: rewritten(p, flipped), "its checksum is another"),
    "no run": (lambda p: rewritten(p, about=lambda said: {**said, "runs": []}), "'runs'"),
    "bad list": (lambda p: rewritten(p, about=lambda said: [said]), "group of named values"),
}


def _zip_of(name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
        archive.writestr(ABOUT, "{}") if name == ABOUT else None
    return out.getvalue()


@pytest.mark.parametrize("case", BAD)
def test_a_bad_pack_gets_one_line_and_leaves_nothing(store, run, elsewhere, case, tmp_path, capsys):
    make, words = BAD[case]
    file = tmp_path / "bad.zip"
    file.write_bytes(make(packed(store, run)).getvalue())
    elsewhere.root.mkdir(parents=True)
    assert main(["unpack", str(file), "--runs", str(elsewhere.root)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    with pytest.raises(DataError, match=words):
        unpack(elsewhere, io.BytesIO(file.read_bytes()), "bad.zip")
    assert list(elsewhere.root.parent.rglob("*")) == [elsewhere.root]


def test_a_pack_that_was_changed_comes_in_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "packs"
    run, good = hostile_packs.good_pack(folder)
    wrong = [hostile_packs.tried(seed, run, good, folder) for seed in range(60)]
    assert [each for each in wrong if each] == []


def test_a_full_disk_is_told_before_anything_is_written(store, run, elsewhere, monkeypatch):
    usage = namedtuple("Usage", "total used free")(1, 1, 1000)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match=r"the disk has 0\.0 GB left"):
        unpack(elsewhere, packed(store, run), "runs.zip")
    assert not elsewhere.root.exists()


def test_a_disk_that_fills_up_leaves_nothing(store, run, elsewhere, monkeypatch):
    def full(path):
        if path.name == "00001.npz":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unpacking, "flush", full)
    with pytest.raises(StorageError, match="The disk is full"):
        unpack(elsewhere, packed(store, run), "runs.zip")
    assert list(elsewhere.root.iterdir()) == []


def test_what_cannot_be_moved_to_its_place_takes_the_rest_back(store, run, elsewhere, monkeypatch):
    other = made_runs.run(store, [CLUSTERS])
    rename = Path.rename

    def fails_late(self, target):
        if Path(target).name == other.id and "half" in str(self):
            raise PermissionError(13, "Permission denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_late)
    with pytest.raises(StorageError, match="Permission denied"):
        unpack(elsewhere, packed(store, run, other), "runs.zip")
    assert [path for path in elsewhere.root.rglob("*") if path.is_file()] == []


def test_other_items_under_the_same_key_are_not_taken_for_those_of_the_run(store, run, elsewhere):
    made_runs.data(elsewhere, labels=CLUSTERS, seed=1)
    before = contents(elsewhere.root)
    with pytest.raises(DataError, match="the items 'made' are there with other content"):
        unpack(elsewhere, packed(store, run), "runs.zip")
    assert contents(elsewhere.root) == before


def test_another_run_of_the_same_name_is_not_touched(store, run, elsewhere):
    shutil.copytree(run.path, elsewhere.root / run.id)
    manifest = elsewhere.root / run.id / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    before = contents(elsewhere.root)
    with pytest.raises(DataError, match="there is another run"):
        unpack(elsewhere, packed(store, run), "runs.zip")
    assert contents(elsewhere.root) == before


def test_a_pack_replaces_no_file_by_chance(store, run, tmp_path, capsys):
    file = tmp_path / "runs.zip"
    file.write_text("precious")
    words = ["pack", run.id, "-o", str(file), "--runs", str(store.root)]
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert file.read_text() == "precious"
    assert main([*words, "--force"]) == 0
    assert zipfile.is_zipfile(file)
    assert main(["pack", run.id, "-o", str(tmp_path / "no" / "x.zip"), *words[4:]]) == 2
    assert main(["pack", "nobody", "-o", str(tmp_path / "y.zip"), *words[4:]]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "runs.zip"]


def test_what_a_killed_process_has_half_unpacked_is_cleared_away(store):
    old, new = store.root / ".half-0123456789ab", store.root / ".half-ba9876543210"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "x").write_text("x")
    for path in (old / "x", old):
        os.utime(path, (0, 0))
    clear_left_overs(store.root)
    assert (old.exists(), new.exists()) == (False, True)
