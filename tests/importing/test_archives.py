"""Archives that are made to take long or much: names of any length, and files to pass over."""

import io
import tarfile
import tracemalloc
import zipfile

import pytest

from clustlab.data import own_sets
from clustlab.errors import Cancelled, DataError
from clustlab.importing import images
from clustlab.importing.image_listing import listed
from clustlab.importing.image_sources import opened
from clustlab.importing.plan import LONGEST_TOLD, Choices, Limits, Refused
from tests.support.made_images import foldered, png, tarred, zipped

LONG = "deep/" * 100_000 + "a.png"


def every(given):
    with opened(given, Limits()) as source:
        return list(source.entries())


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_of_any_length_are_refused_and_take_little(tmp_path, form):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=form) as archive:
        for i in range(8):
            archive.addfile(tarfile.TarInfo(f"{i}{LONG}"), io.BytesIO())
        archive.addfile(tarfile.TarInfo("b.png"), io.BytesIO())
    tracemalloc.start()
    try:
        found = every(path)
        assert tracemalloc.get_traced_memory()[0] < 2**19  # of 4 MB of names
    finally:
        tracemalloc.stop()
    assert [isinstance(each, Refused) for each in found] == [True] * 8 + [False]
    assert {each.reason for each in found[:8]} == {
        "has a name of 500,006 bytes, more than 4,000",
    }
    assert all(len(each.name) <= LONGEST_TOLD for each in found)


def test_names_are_cut_wherever_they_are_told(tmp_path):
    name = f"{'x' * 2000}/{'y' * 1500}.png"
    path = zipped(tmp_path / "a.zip", [(name, b"no image")])
    with pytest.raises(DataError, match="There is no image") as told:
        images.preview(path, Choices())
    assert len(str(told.value)) < 500
    assert "yyy.png is not an image" in str(told.value)
    bytes_in_a_letter = "\u96ea" * 1334 + ".png"  # 4,006 bytes
    (refused,) = every(zipped(tmp_path / "b.zip", [(bytes_in_a_letter, png())]))
    assert refused.reason.startswith("has a name of 4,006 bytes")
    uploads = [("z" * 50_000 + ".png", io.BytesIO(b"no image"))]
    with pytest.raises(DataError) as told:
        images.preview(uploads, Choices())
    assert len(str(told.value)) < 700
    rows = "file,label\n" + "q" * 100_000 + ",1\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(6))
    files = [(f"{i}.png", png()) for i in range(6)]
    table = (f"{'t' * 3000}.csv", rows.encode())
    seen = images.preview(zipped(tmp_path / "c.zip", [*files, table]), Choices())
    assert any("names no image here, such as 'qqq" in each for each in seen.warnings)
    assert all(len(each) < 600 for each in (*seen.facts, *seen.warnings))


@pytest.fixture
def packed(tmp_path):
    """An archive whose first file is large, and not wanted."""
    files = [("large.bin", bytes(30 * 2**20)), *((f"{i}.png", png()) for i in range(3))]
    return tarred(tmp_path / "a.tar", files, "w:gz")


def test_passing_over_a_large_file_is_followed_and_can_be_stopped(packed):
    told = []

    def tick():
        told.append(source.progress)
        if len(told) == 5:
            raise Cancelled

    with opened(packed, Limits()) as source:
        source.tick = tick
        entries = source.entries()
        assert next(entries).name == "large.bin"
        with pytest.raises(Cancelled):
            next(entries)
    assert len(told) == 5


def test_the_time_for_a_list_holds_within_a_large_file(packed):
    with opened(packed, Limits()) as source:
        listing = listed(source, Limits(), lambda share: None, seconds=0.0)
    assert len(listing) <= 1
    assert listing.share < 1
    with opened(packed, Limits()) as source:
        assert len(listed(source, Limits(), lambda share: None)) == 4


@pytest.mark.parametrize("at", range(1, 60, 6))
def test_an_import_stops_wherever_it_is_asked_to(packed, at, monkeypatch):
    """At each of many moments, within the list, a look, a range and the decoding."""
    monkeypatch.setattr("clustlab.importing.image_listing.TOLD_EVERY", 0.0)
    told = []

    def watch(message, share):
        told.append(message)
        if len(told) == at:
            raise Cancelled

    with pytest.raises(Cancelled):
        images.bring_in(packed, "Mine", Choices(), watch)
    assert len(told) == at
    assert own_sets.own_sets() == {}


# -- the order of items ----------------------------------------------------------------------------
def test_items_come_in_in_the_order_of_what_holds_them(tmp_path):
    """Folders and ZIPs by their names, archives without a list as they are packed."""
    levels = {f"{'ab'[i % 2]}/{i}.png": 100 + 10 * i for i in (7, 3, 9, 0, 4, 8)}
    files = [(name, png(level)) for name, level in levels.items()]
    given = {
        "folder": foldered(tmp_path / "files", files),
        "zip": zipped(tmp_path / "a.zip", files, zipfile.ZIP_DEFLATED),
        "tar": tarred(tmp_path / "a.tar", files, "w"),
    }
    for form, source in given.items():
        own = images.bring_in(source, form, Choices(), lambda text, share: None).own
        names = [*own.item_names()]
        assert names == ([*levels] if form == "tar" else sorted(levels))
        assert own.items()[:, 2, 2, 0].tolist() == [levels[name] for name in names]
