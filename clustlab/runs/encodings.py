"""How each array of a step lies on disk, declared in one place.

| array | newest step | steps before it |
|---|---|---|
| assignments | whole numbers of 1, 2 or 4 bytes | the same |
| embedding | columns of at most 12 bits (16 if there are 3) | what 37 bytes an item leave |
| rows that sum to 1 | ratios in two bytes | ratios in a byte |
| other artefacts per item | columns of 16 bits | columns of 8 bits |
| matrices of 1,000 cells or more | float16 | the same |
| all else | as it is | the same |

What an encoding cannot hold (an outlier beside which all else is one place, rows that do not sum
to 1) stays float32. An array says by the names of its parts how it is encoded, so that steps of
earlier versions, whose arrays are all as they are, read as before.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from clustlab.runs import packed_columns, ratios
from clustlab.types import Array, ArtefactKind

ROW_BYTES = 37.0  # of an item in a step that is not the newest
SMALL = 2**16  # bytes of a step up to which there is nothing to gain
HEAD = 260  # bytes that the archive takes for a part beside its numbers
DRAWN = 3  # columns up to which an embedding is drawn as it is
LARGE_MATRIX = 1000  # cells
MARK = " as "  # between the name of an array and its part
RATIOS = "ratios"  # part
PARTS: Mapping[str, tuple[tuple[str, ...], int]] = MappingProxyType(  # kinds of numbers, axes
    {
        RATIOS: (("uint8", "uint16"), 2),
        packed_columns.ROWS: (("uint8",), 2),
        packed_columns.SCALES: (("float64",), 2),
        packed_columns.AXES: (("float16",), 2),
        packed_columns.MEANS: (("float32",), 1),
    }
)


@dataclass(frozen=True, slots=True)
class Precision:
    """How much of the numbers of a step is kept."""

    of_column: int  # bits of a column of an embedding, at most
    of_artefact: int  # bits of a column of an artefact per item
    of_ratio: type[np.uint8] | type[np.uint16]
    row_bytes: float = math.inf  # of all arrays of an item, as far as the embedding can give way


FINE = Precision(12, 16, np.uint16)
COARSE = Precision(12, 8, np.uint8, ROW_BYTES)


def encoded(
    arrays: Mapping[str, Array], kinds: Mapping[str, ArtefactKind], precision: Precision
) -> dict[str, Array]:
    """Parts by name, to be stored, of the arrays of a step.

    Parameters
    ----------
    arrays : mapping of str to array
        As a snapshot has them; artefacts as `artefact:` and their names.
    kinds : mapping of str to str
        Kind of each artefact by its name.
    """
    if sum(array.nbytes for array in arrays.values()) <= SMALL:
        return dict(arrays)
    parts: dict[str, Array] = {}
    for name, array in arrays.items():
        if name != "embedding":
            parts |= _named(name, _encoded(name, array, kinds, precision))
    if "embedding" in arrays:
        taken = sum(part.nbytes + HEAD for part in parts.values())
        parts |= _named("embedding", _embedding(arrays["embedding"], taken, precision))
    return parts


def _named(name: str, parts: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{name}{MARK}{part}" if part else name: array for part, array in parts.items()}


def _encoded(
    name: str, array: Array, kinds: Mapping[str, ArtefactKind], precision: Precision
) -> dict[str, Array]:
    kind = kinds.get(name.removeprefix("artefact:"))
    if name == "assignments":
        return {"": narrow(array)}
    if kind == "matrix" and array.size >= LARGE_MATRIX:
        return {"": _halves(array)}
    if name != "probabilities" and kind != "per_item":
        return {"": array}
    found = ratios.coded(array, precision.of_ratio)
    if found is None and precision.of_ratio is np.uint8:
        found = ratios.coded(array, np.uint16)
    if found is not None:
        return {RATIOS: found}
    if name == "probabilities":
        return {"": array}
    bits = precision.of_artefact
    packed = packed_columns.packed(array, bits * array.shape[1], most=bits)
    return packed or {"": array}


def _embedding(array: Array, taken: int, precision: Precision) -> dict[str, Array]:
    n, d = array.shape
    most = packed_columns.MOST_BITS if d <= DRAWN else precision.of_column
    bits = float(most * d)
    left = 8 * (precision.row_bytes - (taken + 2 * HEAD) / max(n, 1))
    gives_way = bits > left
    if gives_way:
        bits = max(left, 1.0)
    return packed_columns.packed(array, bits, most=most, turned=gives_way) or {"": array}


def narrow(array: Array) -> Array:
    """Whole numbers in the smallest kind of signed ones that holds them."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for dtype in (np.int8, np.int16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    return array


def _halves(array: Array) -> Array:
    """Numbers as float16 if none is too large for it."""
    fits = np.abs(array).max(initial=0) <= np.finfo(np.float16).max
    return array.astype(np.float16) if fits else array


# -- reading -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Encoding:
    """Which parts an array is stored in, and how it is made of them."""

    by_item: str  # part with a row for each item
    others: tuple[str, ...]
    width_of: str  # part with as many columns as the array
    decoded: Callable[[Mapping[str, Array]], Array]

    @property
    def parts(self) -> tuple[str, ...]:
        """All of them."""
        return (self.by_item, *self.others)


_ROWS, _SCALES = packed_columns.ROWS, packed_columns.SCALES
_AXES, _MEANS = packed_columns.AXES, packed_columns.MEANS
ENCODINGS = (  # the one with more parts before the one with fewer
    Encoding(_ROWS, (_SCALES, _AXES, _MEANS), _MEANS, packed_columns.unpacked),
    Encoding(_ROWS, (_SCALES,), _SCALES, packed_columns.unpacked),
    Encoding(RATIOS, (), RATIOS, lambda parts: ratios.decoded(parts[RATIOS])),
)


def part_name(name: str, part: str) -> str:
    """What a part of an array is stored as."""
    return f"{name}{MARK}{part}"


def array_name(stored: str) -> str:
    """Name of the array that something stored is, or is a part of."""
    name, mark, part = stored.rpartition(MARK)
    return name if mark and part in PARTS else stored


def encoding_of(name: str, has: Callable[[str], bool]) -> Encoding | None:
    """How an array is encoded; None if it is stored as it is, or not at all."""
    for encoding in ENCODINGS:
        if all(has(part_name(name, part)) for part in encoding.parts):
            return encoding
    return None
