"""Only plain files of a folder are opened: no link, pipe or device, and nothing without end."""

import os
import socket

import pytest

from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.data.plain_files import check_plain, content, opened


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "run"
    (made / "steps").mkdir(parents=True)
    (made / "text").write_bytes(b"12345")
    (made / "steps" / "0").write_bytes(b"0")
    (tmp_path / "outside").write_bytes(b"secret")
    return made


def test_plain_files_are_read(folder):
    assert content(folder, "text") == b"12345"
    assert content(folder, "text", 5) == b"12345"
    with opened(folder, "steps/0") as file:
        assert file.read() == b"0"
    check_plain(folder)
    check_plain(folder / "steps")


def test_what_is_longer_is_not_read(folder):
    with pytest.raises(Unreadable, match="text has more than 4 bytes"):
        content(folder, "text", 4)


def test_what_is_not_there_is_not_found(folder):
    for name in ("nothing", "nothing/at all", "steps/1"):
        with pytest.raises(FileNotFoundError):
            opened(folder, name)


def to_outside(path):
    path.symlink_to("../outside")


def to_a_device(path):
    path.symlink_to("/dev/zero")


def to_itself(path):
    path.symlink_to(path)


def listening(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # such names are short


@pytest.mark.parametrize(
    "make",
    [to_outside, to_a_device, to_itself, os.mkfifo, listening],
    ids=lambda make: make.__name__,
)
def test_nothing_else_is_opened(folder, make, monkeypatch):
    monkeypatch.chdir(folder)
    make(folder / "odd")
    with pytest.raises(Unreadable, match="odd is a link, or no plain file"):
        content(folder, "odd")
    with pytest.raises(Unreadable, match="odd is a link, or no plain file or folder"):
        check_plain(folder)


def test_a_folder_is_no_file_and_no_way_through_a_link(folder, tmp_path):
    with pytest.raises(Unreadable, match="steps is a link, or no plain file"):
        content(folder, "steps")
    (folder / "away").symlink_to(tmp_path)
    with pytest.raises(Unreadable, match="away is a link"):
        content(folder, "away/outside")
    with pytest.raises(Unreadable, match="text is a link, or no folder"):
        content(folder, "text/0")


def test_a_file_of_holes_is_not_opened(folder):
    os.truncate(folder / "text", plain_files.HOLLOW)
    opened(folder, "text").close()  # so much may be read
    os.truncate(folder / "text", 2**40)
    with pytest.raises(Unreadable, match="full of holes"):
        opened(folder, "text")
