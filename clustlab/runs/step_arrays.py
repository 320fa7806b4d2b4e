"""The arrays of a step, checked against what the log and the items of the run say of them."""

from collections.abc import Mapping
from typing import Any, BinaryIO

from clustlab.data.checked_arrays import Arrays, Declared
from clustlab.data.checked_json import Unreadable
from clustlab.types import NOISE, Array

FEW = 1000  # clusters that a step may have whatever its number of items
N_AXES = {"matrix": 2, "images": 5, "bars": 2, "per_item": 2, "tree": 2}  # of artefacts
TREE = 4  # columns of a tree


class StepArrays(Arrays):
    """Arrays by name in the file of a step, each checked and read when it is asked for.

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
        super().__init__(file, _Promises(record, n_items).check)
        self._n_clusters = int(record["n_clusters"])

    def __getitem__(self, name: str) -> Array:
        array = super().__getitem__(name)
        if name == "assignments" and not (
            NOISE <= array.min(initial=NOISE) <= array.max(initial=NOISE) < self._n_clusters
        ):
            raise Unreadable(f"assignments lie outside the {self._n_clusters:,} clusters")
        return array


class _Promises:
    """What the arrays of a step have to be."""

    def __init__(self, record: Mapping[str, Any], n_items: int | None) -> None:
        self._record, self._n, self._k = record, n_items, int(record["n_clusters"])

    def check(self, name: str, about: Declared) -> None:
        """Raise `Unreadable` if an array is not what it has to be."""
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
        }.get(name)
        if wanted is None or about.dtype.kind not in wanted[0] or not _fits(about, wanted[1]):
            raise Unreadable(f"{name} has the shape {about.shape} of {about.dtype}")
        if name == "assignments":
            n = about.shape[0]
            self._n = n  # where nobody else says it, all others must agree with this one
            if self._k > max(n, FEW):
                raise Unreadable(f"it has {n:,} items but claims {self._k:,} clusters")

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
