"""The arrays of a step, checked against what the log and the items of the run say of them."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from clustlab.data.checked_arrays import Arrays, Declared, declared
from clustlab.data.checked_json import Unreadable
from clustlab.runs.encodings import MARK, PARTS, Encoding, array_name, encoding_of, part_name
from clustlab.types import NOISE, Array

FEW = 1000  # clusters that a step may have whatever its number of items
N_AXES = {"matrix": 2, "images": 5, "bars": 2, "per_item": 2, "tree": 2}  # of artefacts
TREE = 4  # columns of a tree
PLANE = "plane"  # how an embedding becomes the points of a map, see `analysis.aligned_points`
MEAN_CONFIDENCE = "mean_confidence"  # array that only a thinned step has, in place of the others


class StepArrays(Arrays):
    """Arrays by name in the file of a step, each checked, read and decoded when it is asked for.

    Parameters
    ----------
    record : mapping
        Line of the step in the log.
    n_items : int or None
        Number of items of the run; None if they are not there.

    Raises
    ------
    Unreadable
        If an array is not what the line says; for some only when it is read.
    """

    def __init__(self, file: BinaryIO, record: Mapping[str, Any], n_items: int | None) -> None:
        self._promises = _Promises(record, n_items)
        super().__init__(file, self._promises.check)
        self._n_clusters = int(record["n_clusters"])

    def __getitem__(self, name: str) -> Array:
        encoding = self._encoding(name)
        if encoding is not None:
            return self._decoded(name, encoding, self._part(name, encoding.by_item))
        array = super().__getitem__(name)
        if name != "assignments":
            return array
        if not NOISE <= array.min(initial=NOISE) <= array.max(initial=NOISE) < self._n_clusters:
            raise Unreadable(f"assignments lie outside the {self._n_clusters:,} clusters")
        return array.astype(np.int32, copy=False)

    def row(self, name: str, item: int) -> Array:
        """Row (m,) of one item, read without those of the others.

        Raises
        ------
        KeyError
            If there is no such array.
        IndexError
            If there is no such item.
        """
        encoding = self._encoding(name)
        stored = name if encoding is None else part_name(name, encoding.by_item)
        row = self._mapped_row(stored, item)
        return row if encoding is None else self._decoded(name, encoding, row[None])[0]

    def _mapped_row(self, stored: str, item: int) -> Array:
        member = self.member(stored)
        self._file.seek(member.start)
        about = declared(self._file)
        start = self._file.tell()
        if start + about.nbytes != member.start + member.size:
            raise Unreadable(f"{stored} is cut off")
        self._promises.check(stored, about)
        if len(about.shape) != 2 or not 0 <= item < about.shape[0]:
            raise IndexError(f"item {item} of an array of shape {about.shape}")
        mapped = np.memmap(self._file, about.dtype, "r", start, about.shape, about.order)
        return np.array(mapped[item])  # reads what is touched

    def _encoding(self, name: str) -> Encoding | None:
        """How an array is encoded; None if it is stored as it is, or not at all."""
        return None if self.is_stored(name) else encoding_of(name, self.is_stored)

    def _part(self, name: str, part: str) -> Array:
        return super().__getitem__(part_name(name, part))

    def _decoded(self, name: str, encoding: Encoding, rows: Array) -> Array:
        """Rows of an array that is encoded."""
        whole = self.declared(part_name(name, encoding.by_item)).shape[0]
        width = self.declared(part_name(name, encoding.width_of)).shape[-1]
        self._promises.check(name, Declared((whole, width), np.dtype(np.float32), "C"))
        others = {part: self._part(name, part) for part in encoding.others}
        try:
            return encoding.decoded({encoding.by_item: rows, **others})
        except ValueError as error:
            raise Unreadable(f"{name} cannot be decoded: {error}") from error

    def is_stored(self, name: object) -> bool:
        """Whether something is stored under a name as it is: an array or a part of one."""
        return super().__contains__(name)

    def __contains__(self, name: object) -> bool:
        return self.is_stored(name) or self._encoding(str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(map(array_name, super().__iter__())))

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Promises:
    """What the arrays of a step have to be."""

    def __init__(self, record: Mapping[str, Any], n_items: int | None) -> None:
        self._record, self._n, self._k = record, n_items, int(record["n_clusters"])

    def check(self, name: str, about: Declared) -> None:
        """Raise `Unreadable` if an array, or a part of one, is not what it has to be."""
        if (whole := array_name(name)) != name:
            self._check_part(name.removeprefix(whole), about)
            return
        kind, _, artefact = name.partition(":")
        if kind == "artefact":
            self._check_artefact(artefact, about)
            return
        n, k = self._n, self._k
        wanted = {
            "assignments": ("iu", (n,)),
            "embedding": ("f", (n, None)),
            "probabilities": ("f", (n, k)),
            "centers": ("f", (k, None)),
            PLANE: ("f", (None, 2)),
            MEAN_CONFIDENCE: ("f", (1,)),
        }.get(name)
        if wanted is None or about.dtype.kind not in wanted[0] or not _fits(about, wanted[1]):
            raise Unreadable(f"{name} has the shape {about.shape} of {about.dtype}")
        if name == "assignments":
            n = about.shape[0]
            self._n = n  # where nobody else says it, all others must agree with this one
            if self._k > max(n, FEW):
                raise Unreadable(f"it has {n:,} items but claims {self._k:,} clusters")

    def _check_part(self, part: str, about: Declared) -> None:
        kinds, n_axes = PARTS[part.removeprefix(MARK)]
        if about.dtype.name not in kinds or len(about.shape) != n_axes:
            raise Unreadable(f"what is stored{part} has the shape {about.shape} of {about.dtype}")

    def _check_artefact(self, name: str, about: Declared) -> None:
        said = self._record["artefacts"].get(name)
        if said is None:
            raise Unreadable(f"nothing is said of the artefact {name!r}")
        if len(about.shape) != N_AXES[said["kind"]]:
            raise Unreadable(f"the artefact {name!r} has the shape {about.shape}")
        if said["kind"] == "per_item" and self._n not in (None, about.shape[0]):
            raise Unreadable(f"the artefact {name!r} has {about.shape[0]:,} rows for {self._n:,}")
        axes, names = said.get("cluster_axes", ()), (said.get("rows", ()), said.get("columns", ()))
        fit = [axis < 2 and len(names[axis]) in (0, about.shape[axis]) for axis in axes]
        if said["kind"] == "tree":
            fit.append(about.shape[1] == TREE == (len(names[1]) or TREE))
        if not all(fit) or any(place >= about.shape[1] for place in said.get("marked", ())):
            raise Unreadable(f"the names and marks of the artefact {name!r} do not fit its shape")


def _fits(about: Declared, wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape is the wanted one; None stands for any length from 1 up."""
    return len(about.shape) == len(wanted) and all(
        size > 0 if other is None else size == other
        for size, other in zip(about.shape, wanted, strict=True)
    )
