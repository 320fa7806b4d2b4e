"""Folders, archives and uploads hand out the same entries, and refuse what is dangerous."""

import gzip
import io
import os
import tarfile
import tracemalloc
import zipfile

import pytest

from clustlab.data.checked_json import Unreadable
from clustlab.errors import DataError
from clustlab.importing.image_sources import opened
from clustlab.importing.plan import Limits, Refused
from clustlab.importing.source_entries import Entry
from tests.support.made_images import foldered, tarred, zipped

FILES = [("b.png", b"1"), ("a/x.png", b"22"), ("a-b.png", b""), ("a/sub/y.png", bytes(3_000_000))]
LEFT_BEHIND = [
    *(("__MACOSX/b.png", b""), (".DS_Store", b""), ("a/Thumbs.db", b""), (".git/config", b"")),
    *(("a/._x.png", b""), ("desktop.ini", b"")),
]


def content(given, limits=None, most=2**23):
    """Content or reason of refusal by the name of each entry, in their order."""
    with opened(given, limits or Limits()) as source:
        return [
            (each.name, each.reason if isinstance(each, Refused) else whole(each, most))
            for each in source.entries()
        ]


def whole(entry, most):
    try:
        return entry.read(most)
    except Unreadable as error:
        return str(error)


def in_each_form(folder, entries):
    uploads = [(name, io.BytesIO(data)) for name, data in entries]
    yield foldered(folder / "files", entries)
    yield uploads
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        yield zipped(folder / f"{kind}.zip", entries, kind)
    for end in ("", ":gz", ":bz2", ":xz"):
        yield tarred(folder / f"files.tar{end.replace(':', '.')}", entries, f"w{end}")


def test_all_forms_hand_out_the_same_and_pass_over_what_systems_leave(tmp_path):
    for given in in_each_form(tmp_path, [*LEFT_BEHIND, *FILES]):
        found = content(given)
        assert dict(found) == dict(FILES), given
        if ".tar" not in str(given):  # which are read in their own order
            assert [name for name, _ in found] == sorted(name for name, _ in FILES)
        assert content(given) == found  # again


def test_an_uploaded_archive_is_opened(tmp_path):
    with zipped(tmp_path / "a.zip", FILES).open("rb") as file:
        assert dict(content([("a.zip", file)])) == dict(FILES)
    with tarred(tmp_path / "a.tgz", FILES, "w:gz").open("rb") as file:
        assert dict(content([("a.tgz", file)])) == dict(FILES)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.png", "leads out"),
        ("a/../../b.png", "leads out"),
        ("/abs.png", "root of a disk"),
        ("C:\\abs.png", "root of a disk"),
        ("..\\evil.png", "leads out"),
        ("inner.zip", "archive within"),
        ("a/inner.tar.gz", "archive within"),
    ],
)
def test_names_that_lead_elsewhere_and_archives_within_are_refused(tmp_path, name, reason):
    entries = [(name, b"x"), ("ok.png", b"1")]
    for given in (
        zipped(tmp_path / "a.zip", entries),
        tarred(tmp_path / "a.tar", entries),
        [(each, io.BytesIO(data)) for each, data in entries],
    ):
        found = dict(content(given))
        assert found.pop("ok.png") == b"1"
        assert [reason in told for told in found.values()] == [True]


def test_names_are_kept_as_they_are_but_can_be_shown(tmp_path):
    names = ["a" * 300 + ".png", "<img src=x onerror=alert(1)>.png", "ünïcödé.png", "./c//d.png"]
    for given in (
        zipped(tmp_path / "a.zip", [(name, b"") for name in names]),
        tarred(tmp_path / "a.tar", [(name, b"") for name in names]),
    ):
        assert {name for name, _ in content(given)} == {*names[:3], "c/d.png"}
    odd = [("line\nbreak\u202e.png", io.BytesIO(b"")), ("b.png", io.BytesIO(b""))]
    assert [name for name, _ in content(odd)] == ["b.png", "line�break�.png"]


def test_names_in_utf8_without_its_mark_are_read(tmp_path):
    path = zipped(tmp_path / "a.zip", [("ünïcödé.png", b"1")])
    data = path.read_bytes()
    flags = (0x800).to_bytes(2, "little")
    assert data.count(flags) >= 2
    path.write_bytes(data.replace(flags, bytes(2)))
    assert content(path) == [("ünïcödé.png", b"1")]


def test_a_name_without_letters_takes_no_other_down(tmp_path):
    path = zipped(
        tmp_path / "a.zip", [("Z.png", b"1"), ("ok.png", b"2"), ("empty/", b""), ("odd\\", b"")]
    )
    path.write_bytes(path.read_bytes().replace(b"Z.png", b"\0.png"))  # zipfile reads no further
    assert content(path)[-1] == ("ok.png", b"2")
    found = content([("", io.BytesIO(b"1")), ("ok.png", io.BytesIO(b"2"))])
    assert found == [("(no name)", "has no name"), ("ok.png", b"2")]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_comes_twice_is_refused_the_second_time(tmp_path):
    entries = [("a.png", b"1"), ("a.png", b"2"), ("./a.png", b"3")]
    for given in (zipped(tmp_path / "a.zip", entries), tarred(tmp_path / "a.tar", entries)):
        found = content(given)
        assert sorted(str(told) for _, told in found)[0].startswith("b'")
        assert ["second time" in str(told) for _, told in found].count(True) == 2


def test_links_and_devices_are_refused(tmp_path):
    def special(kind, name):
        about = tarfile.TarInfo(name)
        about.type, about.linkname = kind, "/etc/hostname"
        return about, b""

    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
    entries = [special(kind, f"{i}.png") for i, kind in enumerate(kinds)]
    found = dict(content(tarred(tmp_path / "a.tar", [*entries, ("ok.png", b"1")])))
    assert [each.split()[1] + each.split()[2] for each in list(found.values())[:4]] == [
        *("alink", "alink", "adevice,", "adevice,")
    ]
    assert found["ok.png"] == b"1"

    about = zipfile.ZipInfo("link.png")
    about.external_attr = 0o120777 << 16
    found = dict(content(zipped(tmp_path / "a.zip", [(about, "/etc/hostname"), ("ok.png", b"1")])))
    assert found == {"link.png": "is a link", "ok.png": b"1"}

    folder = foldered(tmp_path / "folder", [("ok.png", b"1")])
    (folder / "link.png").symlink_to("/etc/hostname")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.png")
    found = dict(content(folder))
    assert found.pop("ok.png") == b"1"
    assert found.pop("pipe.png").startswith("is a device")
    assert found == {"link.png": "is a link", "up": "is a link"}


def test_encrypted_and_strangely_packed_entries_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a.png", b"1"), ("b.png", b"2")])
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\1\2", 0, data.rfind(b"PK\1\2"))
    data[at + 8] |= 1
    at = data.rfind(b"PK\1\2")
    data[at + 10] = 99
    path.write_bytes(data)
    assert [told for _, told in content(path)] == [
        "is encrypted",
        "is packed in a way that cannot be read here",
    ]


def test_entries_are_too_large_by_what_they_declare_and_by_what_they_are(tmp_path):
    large = [("large.png", bytes(2**21)), ("ok.png", b"1")]
    for given in in_each_form(tmp_path, large):
        found = dict(content(given, most=2**20))
        assert found == {"large.png": "has 2 MB, more than 1 MB", "ok.png": b"1"}, given
    grown = Entry("grown.png", 5, lambda: io.BytesIO(bytes(2**21)))
    with pytest.raises(Unreadable, match="has more than 1 MB, whatever it declares"):
        grown.read(2**20)


def test_what_an_archive_holds_may_not_exceed_the_limit(tmp_path):
    limits = Limits(bytes_in_all=2**22)
    for end in ("", ":gz", ":xz"):
        given = tarred(
            tmp_path / "a.tar", [(f"{i}.png", bytes(2**20)) for i in range(9)], f"w{end}"
        )
        with pytest.raises(DataError, match="holds more than 4 MB"):
            content(given, limits)


def test_a_head_of_any_length_is_not_read_into_memory(tmp_path):
    """A name of 100 MB of zeros, which is packed into a few hundred KB."""
    about = tarfile.TarInfo("././@LongLink")
    about.type, size = tarfile.GNUTYPE_LONGNAME, 100 * 2**20
    about.size = size
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(about.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(DataError, match="no archive, or is damaged"):
        content(path)
    assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("end", ["", ":gz", ":bz2", ":xz"])
def test_the_good_part_of_an_archive_that_is_cut_off_comes_in(tmp_path, end):
    files = [(f"{i}.png", os.urandom(5_000)) for i in range(20)]
    path = tarred(tmp_path / "a.tar", files, f"w{end}")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    if end == ":bz2":  # of which not even the first block is whole
        with pytest.raises(DataError, match=r"a\.tar is no archive, or is damaged"):
            content(path)
        return
    found = content(path)
    assert found[:5] == files[:5]
    assert found[-1][0] == "a.tar"
    assert found[-1][1].startswith("is cut off or damaged after ")


def test_archives_that_cannot_be_opened_are_told_with_a_remedy(tmp_path):
    good = zipped(tmp_path / "good.zip", FILES).read_bytes()
    for name, data in {
        "cut.zip": good[: len(good) // 2],
        "seven.7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
        "r.rar": b"Rar!" + bytes(100),
        "one.gz": gzip.compress(b"no archive at all" * 100),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=name) as told:
            content(tmp_path / name)
        assert told.value.hint
    with pytest.raises(DataError, match="no file or folder"):
        content(tmp_path / "nowhere")
    with pytest.raises(DataError, match="Nothing was given"):
        content([])


def test_a_zip_that_lists_too_much_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("clustlab.importing.image_sources.LONGEST_LIST", 2000)
    path = zipped(tmp_path / "a.zip", [(f"{i}.png", b"") for i in range(50)])
    with pytest.raises(DataError, match="lists more files"):
        content(path)


def test_very_deep_folders_are_walked(tmp_path):
    place, deep, here = tmp_path / "deep", 1100, os.getcwd()
    place.mkdir()
    (place / "ok.png").write_bytes(b"1")
    try:
        os.chdir(place)
        for _ in range(deep):
            os.mkdir("d")
            os.chdir("d")
        assert content(place) == [("ok.png", b"1")]
        for _ in range(deep):  # which those who clean up after tests cannot
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.chdir(here)
