"""ZIP archives that hold their files as they are, which anybody may have written.

What an archive lists is judged before anything of it is read: it can hold no more than its own
size, so that nobody has to believe what it declares.
"""

import contextlib
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from clustlab.data.checked_json import Unreadable

LONGEST_LIST = 2**20  # bytes in which an archive lists what it holds
END = 22  # bytes of the last record of an archive
END_64 = 56 + 20  # bytes of the two records before it, in a large archive


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Turn all that `zipfile` raises over a damaged archive into `Unreadable`."""
    try:
        yield
    except Unreadable:
        raise
    except (
        *(zipfile.BadZipFile, struct.error, EOFError, ValueError, OverflowError),
        *(NotImplementedError, RuntimeError),  # of a kind that nobody writes, such as encrypted
    ) as error:
        raise Unreadable("its archive is cut off or damaged") from error


def opened(file: BinaryIO, longest_list: int = LONGEST_LIST) -> zipfile.ZipFile:
    """Archive in a file, none of whose members is compressed or lies over another.

    Raises
    ------
    Unreadable
        If it is no such archive, or lists its members in more bytes than `longest_list`.
    """
    with readable():
        size = file.seek(0, 2)
        check_list(file, longest_list)
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        if any(each.compress_type != zipfile.ZIP_STORED for each in members):
            raise Unreadable("its archive is compressed")
        if sum(each.file_size for each in members) > size:
            raise Unreadable("its archive claims more than it holds")
        return archive


def check_list(file: BinaryIO, longest_list: int = LONGEST_LIST) -> None:
    """Nothing, if the list of what an archive holds is short and at its end; else `Unreadable`."""
    size = file.seek(0, 2)
    file.seek(max(0, size - END - END_64))
    tail = file.read()
    last, before = tail[-END:], tail[:-END]
    if last[:4] != b"PK\5\6" or len(last) < END:
        raise Unreadable("its archive is cut off or damaged")
    length = struct.unpack_from("<L", last, 12)[0]
    if len(before) == END_64 and before[:4] == b"PK\6\6":
        length = max(length * (length < 2**32 - 1), struct.unpack_from("<Q", before, 40)[0])
    if length > longest_list:
        raise Unreadable("its archive lists too many files")
