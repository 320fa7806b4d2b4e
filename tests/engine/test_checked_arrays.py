"""Arrays are judged by what they declare: nothing is read, or made, for those that are refused."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from clustlab.data.checked_arrays import Arrays, declared, mapped
from clustlab.data.checked_json import Unreadable
from tests.robust.hostile import head, saved

ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)


def anything(name, about):
    """Refuse nothing."""


def archive(members, kind=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return file


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i4", "u1"])
def test_what_savez_writes_comes_back(order, dtype):
    array = np.asarray(ARRAY, dtype, order=order)
    file = io.BytesIO()
    np.savez(file, a=array, none=array[:0])
    arrays = Arrays(file, anything)
    assert list(arrays) == ["a", "none"]
    assert len(arrays) == 2
    assert arrays["a"].dtype == array.dtype
    np.testing.assert_array_equal(arrays["a"], array)
    assert arrays["none"].shape == (0, 4)
    assert arrays.get("b") is None
    member = arrays.member("a")
    assert file.getvalue()[member.start :][: member.size] == saved(array)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (head("|O", (3,)) + b"\x80\x04N.", "holds object"),
        (saved(ARRAY.astype("U4")), "holds <U4"),
        (saved(ARRAY.astype(complex)), "holds complex128"),
        (head("<f4", (-1, 4)), r"shape \(-1, 4\)"),
        (head("(" * 500, (1,)), "cut off or damaged"),
        (head("<f4", (3,))[:-5], "cut off or damaged"),
        (b"nonsense", "cut off or damaged"),
        (b"", "cut off or damaged"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(content, words, tmp_path):
    with pytest.raises(Unreadable, match=words):
        declared(io.BytesIO(content))
    with pytest.raises(Unreadable, match=f"a: .*{words}"):
        Arrays(archive({"a": content}), anything)["a"]
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(Unreadable, match=rf"a\.npy: .*{words}"):
        mapped(tmp_path, "a.npy", anything)


@pytest.mark.parametrize("shape", [(10**9, 10), (10**30, 10**30), (4, 4), (3, 3)])
def test_numbers_that_are_not_there_are_not_asked_for(shape, tmp_path):
    content = head("<f4", shape) + ARRAY.tobytes()
    tracemalloc.start()
    with pytest.raises(Unreadable, match="bytes"):
        Arrays(archive({"a": content}), anything)["a"]
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(Unreadable, match="of numbers"):
        mapped(tmp_path, "a.npy", anything)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_a_shape_is_judged_before_the_numbers_are_read():
    def judge(name, about):
        raise Unreadable(f"{name} has the shape {about.shape}")

    content = head("<f4", (10**9, 10)) + b"too few"
    with pytest.raises(Unreadable, match=r"a has the shape \(1000000000, 10\)"):
        Arrays(archive({"a": content}), judge)["a"]


def test_zeros_that_were_packed_are_not_unpacked():
    packed = archive({"a": head("<f4", (10**6, 10)) + bytes(4 * 10**7)}, zipfile.ZIP_DEFLATED)
    assert len(packed.getvalue()) < 10**5
    with pytest.raises(Unreadable, match="is compressed"):
        Arrays(packed, anything)


def test_members_that_lie_over_each_other_are_refused():
    file = archive({"a": saved(np.zeros(1000)), "b": b"x"})
    content = file.getvalue()
    at = content.rindex(b"PK\1\2")  # what the list says of b
    size = struct.pack("<LL", 7000, 7000)
    forged = content[: at + 20] + size + content[at + 28 :]
    with pytest.raises(Unreadable, match="more than it holds"):
        Arrays(io.BytesIO(forged), anything)


def test_a_long_list_is_not_read():
    file = archive({f"a long name for a small thing {i}": b"" for i in range(14_000)})
    tracemalloc.start()
    with pytest.raises(Unreadable, match="lists too many files"):
        Arrays(file, anything)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_a_byte_that_was_turned_is_noticed():
    content = bytearray(archive({"a": saved(ARRAY)}).getvalue())
    content[content.index(ARRAY.tobytes()) + 3] ^= 1
    with pytest.raises(Unreadable, match="cut off or damaged"):
        Arrays(io.BytesIO(content), anything)["a"]


@pytest.mark.parametrize("n", [0, 10, 30, 100])
def test_an_archive_that_is_cut_off_is_refused(n):
    content = archive({"a": saved(ARRAY)}).getvalue()
    with pytest.raises(Unreadable, match="cut off or damaged"):
        Arrays(io.BytesIO(content[:n]), anything)
