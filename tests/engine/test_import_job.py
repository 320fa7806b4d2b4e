"""An import in the background: seen from elsewhere, stopped, failed, and put away."""

import threading

import pytest

from clustlab.data import background_download, own_sets
from clustlab.errors import DataError, ParameterError
from clustlab.importing import job
from clustlab.importing.plan import Outcome, Refused
from tests.support import own_data


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(job, "TOLD_EVERY", 0.0)


def ended(wait_for):
    return wait_for(lambda: (now := job.current()) and now.status != "running" and now)


def test_an_import_is_followed_until_its_outcome(wait_for):
    assert job.current() is None
    go_on = threading.Event()

    def work(watch):
        watch("Reading", 0.25)
        assert go_on.wait(30)
        refused = (Refused("a.png", "is cut off"), Refused("b\udcff.png", "is cut off"))
        return Outcome(own_data.image_set(n=20), True, refused, 7)

    job.start("My cells", work)
    now = wait_for(lambda: (each := job.current()) and each.message == "Reading" and each)
    assert (now.status, now.fraction, now.title) == ("running", 0.25, "My cells")
    with pytest.raises(ParameterError, match="'My cells' is under way"):
        job.start("Others", work)
    job.put_away()  # not while it is under way
    assert job.current() is not None
    go_on.set()
    told = ended(wait_for)
    assert (told.status, told.name, told.n_items, told.is_new) == ("done", "my-cells", 20, True)
    assert (told.n_refused, told.reasons) == (7, (("is cut off", 2),))
    assert [each.name for each in told.refused] == ["a.png", "b?.png"]
    assert not own_sets.unreadable()
    job.put_away()
    assert job.current() is None


def test_one_that_is_stopped_says_so(wait_for):
    def work(watch):
        while True:
            watch("Reading", 0.5)

    job.start("My cells", work)
    job.cancel()
    told = ended(wait_for)
    assert (told.status, told.message) == ("cancelled", "Stopped; nothing of it was kept.")
    job.start("Again", lambda watch: Outcome(own_data.image_set(n=20), True, (), 0))
    assert ended(wait_for).status == "done"


def test_classes_that_a_known_set_has_got_are_told(wait_for):
    own = own_data.image_set(n=20)
    job.start("My cells", lambda watch: Outcome(own, False, (), 0, ("half",)))
    told = ended(wait_for)
    assert (told.is_new, told.added) == (False, ("half",))


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (DataError("No.", "Do this."), "No.", "Do this."),
        (PermissionError(13, "Permission denied", "x.zip"), "Permission denied", "import again"),
        (MemoryError(), "ran out of memory", "bring in a part of it"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "ran out of memory", "part"),
        (
            ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"),
            *("The package pyarrow is not installed.", "Install it, then import again."),
        ),
        (ModuleNotFoundError("No such module", name="clustlab.none"), "No such", "This is a bug"),
        (ZeroDivisionError("oh"), "ZeroDivisionError: oh", "This is a bug"),
    ],
)
def test_one_that_fails_says_why(wait_for, error, said, hint):
    def work(watch):
        raise error

    job.start("My cells", work)
    told = ended(wait_for)
    assert told.status == "failed"
    assert said in told.error
    assert hint in told.hint


def test_one_whose_process_is_gone_counts_as_stopped(monkeypatch):
    own_sets.folder_of_all().mkdir(parents=True)
    job._write({"status": "running", "title": "Lost", "message": "Reading", "fraction": 0.5})
    assert job.current().status == "running"
    monkeypatch.setattr(job, "SILENCE", -1.0)
    assert job.current().status == "cancelled"


@pytest.mark.parametrize("text", ["", "{", '{"status": "asleep", "title": "a"}', "[]"])
def test_a_file_that_somebody_has_spoilt_is_no_import(text):
    own_sets.folder_of_all().mkdir(parents=True)
    (own_sets.folder_of_all() / job.STATUS).write_text(text)
    assert job.current() is None


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (MemoryError(), "ran out of memory", "download again"),
        (ModuleNotFoundError("x", name="torchvision"), "package torchvision is not", "Install it"),
        (ZeroDivisionError("oh"), "ZeroDivisionError: oh", "This is a bug"),
    ],
)
def test_a_download_that_fails_says_why(wait_for, tmp_path, monkeypatch, error, said, hint):
    def load(*args):
        raise error

    monkeypatch.setattr(background_download.library, "load", load)
    background_download.start(tmp_path, "mnist")
    told = wait_for(
        lambda: (
            (now := background_download.progress(tmp_path, "mnist"))["status"] != "running" and now
        )
    )
    assert said in told["error"]
    assert hint in told["hint"]
