"""The frozen records that travel through the house: data sets, snapshots, artefacts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clustlab.errors import Diverged

Array = NDArray[Any]  # dtype and shape are stated per field and checked once

ArtefactKind = Literal["matrix", "images", "bars", "per_item"]

Report = Callable[[str, float], None]
"""Progress of a long task: what is done now, and the share in [0, 1]. May raise Cancelled."""


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a method comes from."""

    authors: str
    year: int
    title: str
    venue: str


@dataclass(frozen=True, slots=True)
class Labelling:
    """A second set of true classes for the same items, such as the coarse classes of CIFAR-100."""

    labels: Array  # (n,) int32, -1 where unknown
    class_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Items in a fixed order: row i is item i in every array, file, table and chart.

    Labels are for readers (metrics, views); a method only ever receives `items`.
    """

    name: str
    items: Array  # images (n, h, w, c) uint8, or points (n, d) float32
    labels: Array | None = None  # (n,) int32, -1 where unknown
    class_names: tuple[str, ...] = ()
    protocol: str = ""  # which part was drawn, such as "train + test, 10,000 of 70,000, seed 0"
    other_labels: Mapping[str, Labelling] = field(default_factory=dict)

    def __post_init__(self) -> None:
        images = self.items.ndim == 4 and self.items.dtype == np.uint8
        points = self.items.ndim == 2 and self.items.dtype == np.float32
        if not (images or points):
            raise ValueError(
                "items must be images (n, h, w, c) uint8 or points (n, d) float32, "
                f"got {self.items.shape} {self.items.dtype}"
            )
        if self.labels is not None and self.labels.shape != (len(self.items),):
            raise ValueError(f"{len(self.items)} items but labels of shape {self.labels.shape}")

    @property
    def is_image(self) -> bool:
        """Whether the items are images rather than points."""
        return self.items.ndim == 4


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something only this method has, shown by its kind without new page code.

    | kind | data |
    |---|---|
    | matrix | (a, b) float32 |
    | images | (rows, columns, h, w, c) uint8 |
    | bars | (series, bars) float32 |
    | per_item | (n, m) float32, one row per item |
    """

    kind: ArtefactKind
    data: Array
    title: str
    reading: str = ""  # one sentence: how to read it
    rows: tuple[str, ...] = ()  # names along axis 0 (not for per_item)
    columns: tuple[str, ...] = ()  # names along axis 1
    cluster_axes: tuple[int, ...] = ()  # axes that count clusters, so that readers renumber them
    marked: tuple[int, ...] = ()  # positions along axis 1 to point out, such as the chosen head


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One iteration of a method, checked and frozen at construction.

    Raises
    ------
    Diverged
        If a scalar, the embedding, the probabilities or the centers are not finite.
    ValueError
        If shapes disagree (a bug in the method).
    """

    embedding: Array  # (n, d) float32
    assignments: Array  # (n,) int32 in [0, k)
    scalars: Mapping[str, float]  # losses and schedules by name, finite
    probabilities: Array | None = None  # (n, k) float32, rows sum to 1; None for hard methods
    centers: Array | None = None  # (k, d) float32, in the space of the embedding
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        def freeze(name: str, dtype: Any, ndim: int) -> None:
            value = getattr(self, name)
            if value is None:
                return
            array = np.array(value, dtype=dtype)
            if array.ndim != ndim:
                raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
            if not np.isfinite(array).all():
                raise Diverged(
                    f"{name} holds a value that is not finite.",
                    "Lower the learning rate, or check the scale of the input.",
                )
            array.flags.writeable = False
            object.__setattr__(self, name, array)

        freeze("embedding", np.float32, 2)
        freeze("assignments", np.int32, 1)
        freeze("probabilities", np.float32, 2)
        freeze("centers", np.float32, 2)
        for name, value in self.scalars.items():
            if not np.isfinite(value):
                raise Diverged(
                    f"{name} became {value}.",
                    "Lower the learning rate, or check the scale of the input.",
                )
        object.__setattr__(self, "scalars", {k: float(v) for k, v in self.scalars.items()})
        n = len(self.embedding)
        if len(self.assignments) != n:
            raise ValueError(f"{n} rows of embedding, {len(self.assignments)} assignments")
        if n and self.assignments.min() < 0:
            raise ValueError("assignments must not be negative")
        if self.probabilities is not None:
            if len(self.probabilities) != n:
                raise ValueError(f"{n} rows of embedding, {len(self.probabilities)} probabilities")
            if n and abs(self.probabilities.sum(1) - 1).max() > 1e-3:
                raise ValueError("rows of probabilities must sum to 1")

    @property
    def n_clusters(self) -> int:
        """Number of clusters k, occupied or not."""
        if self.probabilities is not None:
            return int(self.probabilities.shape[1])
        if self.centers is not None:
            return len(self.centers)
        return int(self.assignments.max()) + 1 if len(self.assignments) else 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Work in multiply-accumulates, by kind of layer, for time estimates only."""

    linear: float = 0.0
    conv: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: float) -> "Cost":
        return Cost(*(getattr(self, f.name) * times for f in fields(self)))


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """One named loop of a method: how many iterations at most, and what one of them costs."""

    name: str
    iterations: int
    cost: Cost  # of one iteration
