"""The frozen records that travel through the house: data sets, snapshots, artefacts."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clustlab.errors import DataError, Diverged, ParameterError

Array = NDArray[Any]  # dtype and shape are stated per field and checked once

NOISE = -1  # in place of a cluster: the item belongs to none
UNLABELLED = -1  # in place of a class: nobody has said which

REMEDY = "Lower the learning rate, or check the scale of the input."

InterventionKind = Literal["learning rate", "merge", "split", "re-seed", "scramble"]
Better = Literal["higher", "lower", "neither"]  # which way a score or a scalar gets better
LossCourse = Literal["falls", "jumps", "rises"]
"""How a loss goes while training does well.

| course | what it is measured against |
|---|---|
| falls | something that stays what it is |
| jumps | an aim that is set anew now and then: it may rise there, and falls in between |
| rises | an aim that gets harder as the answers get better, such as DEC's sharpened target |
"""
DatasetKind = Literal["images", "points", "vectors"]
"""What the items of a data set are: pictures, places in the plane or in space that can be drawn as
they are, or rows of features. A method that works on points works on vectors too."""
ArtefactKind = Literal["matrix", "images", "bars", "per_item", "tree"]
Role = Literal["initialise", "pretrain", "train", "read_off"]
"""What a phase is for.

| role | what its iterations do |
|---|---|
| initialise | look at what there is before training, or put the first clusters in place |
| pretrain | train towards something else than the clusters of the method, which come later |
| train | form the clusters of the method |
| read_off | take clusters or neighbours from what was trained, and train nothing |
"""

MethodFamily = Literal[
    "centres",  # centres move over items that stay where they are
    "mixture",  # components with weights, means and variances
    "linkage",  # groups are merged two by two
    "density",  # dense places apart from each other
    "code",  # clusters are read off a code that is trained without them
    "self-training",  # trained towards a sharper version of its own answers, from centres
    "classifier",  # the outputs of the network are the clusters
    "pairs",  # trained on whether two items belong together
    "pseudo-labels",  # trained on the numbers of clusters that another step has made
]

FAMILIES: Mapping[MethodFamily, str] = MappingProxyType(
    {
        "centres": "Centres",
        "mixture": "Mixtures",
        "linkage": "Linkage",
        "density": "Density",
        "code": "Code first, clusters later",
        "self-training": "Self-training",
        "classifier": "Classifiers",
        "pairs": "Pairs",
        "pseudo-labels": "Pseudo-labels",
    }
)
"""What families are called, in the order in which lists of methods have them: simple ones first."""

ScalarUnit = Literal[
    "",
    "nats",
    "nats an item",
    "NMI",
    "share",
    "items",
    "pairs",
    "clusters",
    "divisions",
    "pieces",
    "units",
    "squared distance",
    "times",
]

Report = Callable[[str, float], None]
"""Progress of a long task: what is done now, and the share in [0, 1]. May raise Cancelled."""


def cluster_name(cluster: int) -> str:
    """Number of a cluster as it is shown, or `noise`."""
    return "noise" if cluster == NOISE else str(cluster)


ClassRule = Literal["match", "majority"]
"""Which class a cluster stands for: the one it is matched with, one cluster for each class, as
accuracy counts; or the one most of its items belong to, as purity counts. A cluster that was left
over in the matching may stand for a class that hardly occurs in it."""
CLASS_RULES: Mapping[ClassRule, str] = MappingProxyType(
    {"match": "its match, 1-to-1", "majority": "its majority"}
)


def cluster_words(cluster: int) -> str:
    """A cluster in words, such as `cluster 3`, or `noise`."""
    return "noise" if cluster == NOISE else f"cluster {cluster}"


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a method comes from."""

    authors: str
    year: int
    title: str
    venue: str


@dataclass(frozen=True, slots=True)
class Reported:
    """An accuracy that others have published, with what it was measured on."""

    dataset: str  # name of the data set
    acc: float
    protocol: str
    source: str

    @property
    def words(self) -> str:
        """The figure with its protocol and source."""
        return f"{self.acc:.3f} ({self.protocol}; {self.source})"


@dataclass(frozen=True, slots=True)
class Labelling:
    """A second set of true classes for the same items, such as the coarse classes of CIFAR-100."""

    labels: Array  # (n,) int32, -1 where unknown
    class_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Items in a fixed order: row i is item i in every array, file, table and chart.

    Labels, names and pictures are for readers (metrics, views); a method only ever receives
    `items`.

    Raises
    ------
    DataError
        If a label is a number below -1.
    ValueError
        If shapes or types disagree (a bug in the data set).
    """

    name: str
    items: Array  # images (n, h, w, c) uint8, or points (n, d) float32
    labels: Array | None = None  # (n,) int32, -1 where unknown
    class_names: tuple[str, ...] = ()
    protocol: str = ""  # which part was drawn, such as "train + test, 10,000 of 70,000, seed 0"
    other_labels: Mapping[str, Labelling] = field(default_factory=dict)
    original: Array | None = None  # (n,) int64, row in the whole draw, if items were left out
    item_names: Sequence[str] = ()  # (n,) such as names of files, or none
    columns: tuple[str, ...] = ()  # (d,) names of the features of points, or none
    images_shown: Array | None = None  # (n, h, w, c) uint8: what points are the features of

    def __post_init__(self) -> None:
        images = self.items.ndim == 4 and self.items.dtype == np.uint8
        points = self.items.ndim == 2 and self.items.dtype == np.float32
        if not (images or points):
            raise ValueError(
                "items must be images (n, h, w, c) uint8 or points (n, d) float32, "
                f"got {self.items.shape} {self.items.dtype}"
            )
        for labels in (self.labels, *(o.labels for o in self.other_labels.values())):
            if labels is not None:
                _check_labels(labels, len(self.items))
        if self.original is not None and self.original.shape != (len(self.items),):
            raise ValueError(f"{len(self.items)} items but {self.original.shape} original rows")
        if len(self.item_names) not in (0, len(self.items)):
            raise ValueError(f"{len(self.items)} items but {len(self.item_names)} names")
        if self.columns and self.items.shape[1:] != (len(self.columns),):
            raise ValueError(f"{len(self.columns)} names for columns of {self.items.shape}")
        shown = self.images_shown
        if shown is not None and (
            shown.ndim != 4 or shown.dtype != np.uint8 or len(shown) != len(self.items)
        ):
            raise ValueError(f"{len(self.items)} items but images of {shown.shape} {shown.dtype}")

    @property
    def is_image(self) -> bool:
        """Whether the items are images rather than points: what a method works on."""
        return self.items.ndim == 4

    @property
    def images(self) -> Array | None:
        """Images (n, h, w, c) uint8 to show, be they the items or what those are features of."""
        return self.items if self.is_image else self.images_shown

    @property
    def pictures(self) -> Array:
        """What is drawn for the items: their images, or themselves where there are none."""
        return self.items if self.images_shown is None else self.images_shown

    @property
    def noun(self) -> str:
        """What an item is called in a sentence: `image` where one is shown for it, else `item`."""
        return "item" if self.images is None else "image"

    def name_of(self, item: int) -> str:
        """What an item is called, such as the name of its file; empty if it has no name."""
        return self.item_names[item] if len(self.item_names) else ""


def _check_labels(labels: Array, n: int) -> None:
    """Nothing, if there is a class from 0 up, or -1, for each of n items; else an error."""
    if labels.shape != (n,):
        raise ValueError(f"{n} items but labels of shape {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers, got {labels.dtype}")
    if labels.min(initial=0) < UNLABELLED:
        rows = np.flatnonzero(labels < UNLABELLED)
        raise DataError(
            f"{len(rows):,} labels are below {UNLABELLED}: the first is {labels[rows[0]]}, "
            f"of item {rows[0]}.",
            f"Number the classes from 0 up, and write {UNLABELLED} where a label is unknown.",
        )


@dataclass(frozen=True, slots=True)
class Scalar:
    """What a figure among the scalars of snapshots is; declared once, for all who read it."""

    key: str  # as reported, in snake_case
    words: str  # for people, such as "Mean confidence"
    unit: ScalarUnit = ""
    better: Better = "neither"
    low: float = -math.inf  # the least and the greatest value possible
    high: float = math.inf
    lesson: tuple[str, int] | None = None  # lesson and step (from 1) that explain it
    is_training_loss: bool = False  # what training makes smaller
    course: LossCourse = "falls"  # of a training loss, in a run that goes well
    is_numbered: bool = False  # one of several, such as `loss_head_1`, `loss_head_2`

    @property
    def about(self) -> str:
        """Its unit and which way is better, in words; empty if neither is said."""
        way = "" if self.better == "neither" else f"{self.better} is better"
        return ", ".join(filter(None, (self.unit, way)))

    def with_number(self, number: int) -> "Scalar":
        """Declaration of one of several."""
        key, words = f"{self.key}_{number}", f"{self.words} {number}"
        return replace(self, key=key, words=words, is_numbered=False)


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something only this method has, shown by its kind without new page code.

    | kind | data |
    |---|---|
    | matrix | (a, b) float32 |
    | images | (rows, columns, h, w, c) uint8 |
    | bars | (series, bars) float32 |
    | per_item | (n, m) float32, one row per item |
    | tree | (nodes, 4) float32: parent, height, items, cluster; see `views.dendrogram.tree` |

    An axis that counts clusters may have one entry more than there are: the last one is noise.
    """

    kind: ArtefactKind
    data: Array
    title: str
    reading: str = ""  # one sentence: how to read it
    rows: tuple[str, ...] = ()  # names along axis 0 (not for per_item)
    columns: tuple[str, ...] = ()  # names along axis 1
    cluster_axes: tuple[int, ...] = ()  # axes that count clusters, so that readers renumber them
    marked: tuple[int, ...] = ()  # positions along axis 1 to point out, such as the chosen head
    axis_titles: tuple[str, ...] = ()  # of a matrix: what its rows are, and what its columns

    def __post_init__(self) -> None:
        n_axes = {"matrix": 2, "images": 5, "bars": 2, "per_item": 2, "tree": 2}
        if self.kind not in n_axes:
            raise ValueError(f"{self.kind!r} is not a kind of artefact")
        array = np.array(self.data, dtype=None if self.kind == "images" else np.float32)
        if self.kind == "images" and array.dtype != np.uint8:
            raise ValueError(f"images {self.title!r} must be uint8, got {array.dtype}")
        if array.ndim != n_axes[self.kind]:
            raise ValueError(
                f"{self.kind} {self.title!r} must have {n_axes[self.kind]} axes, "
                f"got shape {array.shape}"
            )
        if self.kind == "tree" and array.shape[1] != 4:
            raise ValueError(f"tree {self.title!r} must have 4 columns, got shape {array.shape}")
        array.flags.writeable = False
        plain: dict[str, Any] = {  # plain types, since all but the data goes into a line of JSON
            "data": array,
            "rows": tuple(map(str, self.rows)),
            "columns": tuple(map(str, self.columns)),
            "cluster_axes": tuple(map(int, self.cluster_axes)),
            "marked": tuple(map(int, self.marked)),
            "axis_titles": tuple(map(str, self.axis_titles)),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One iteration of a method, checked and frozen at construction.

    An item may be noise (-1) instead of belonging to a cluster. Noise is a state of its own: it
    counts as no cluster, has no center and no column of probabilities. Only methods that declare
    `emits_noise` may say so.

    Raises
    ------
    Diverged
        If a scalar, the embedding, the probabilities or the centers are not finite.
    ValueError
        If shapes disagree (a bug in the method).
    """

    embedding: Array  # (n, d) float32
    assignments: Array  # (n,) int32 in [0, k), or NOISE (-1)
    scalars: Mapping[str, float]  # losses and schedules by name, finite
    probabilities: Array | None = None  # (n, k) float32 or None; rows sum to 1, noise to less
    centers: Array | None = None  # (k, d) float32, in the space of the embedding
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._freeze("embedding", np.float32, 2)
        self._freeze("assignments", np.int32, 1)
        self._freeze("probabilities", np.float32, 2)
        self._freeze("centers", np.float32, 2)
        scalars = {name: float(value) for name, value in self.scalars.items()}
        object.__setattr__(self, "scalars", scalars)
        for name, value in scalars.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} became {value}.", REMEDY)
        self._check_shapes()

    def _freeze(self, name: str, dtype: Any, n_axes: int) -> None:
        """Replace a field by a checked copy that nobody can write to."""
        value = getattr(self, name)
        if value is None:
            return
        if not np.isfinite(np.asarray(value)).all():
            raise Diverged(f"{name} holds a value that is not finite.", REMEDY)
        array = np.array(value, dtype=dtype)
        if array.ndim != n_axes:
            raise ValueError(f"{name} must have {n_axes} axes, got shape {array.shape}")
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _check_shapes(self) -> None:
        n, width = self.embedding.shape
        if len(self.assignments) != n:
            raise ValueError(f"{n} rows of embedding, {len(self.assignments)} assignments")
        k = self.n_clusters
        if n and not NOISE <= self.assignments.min() <= self.assignments.max() < k:
            raise ValueError(f"assignments must lie in [0, {k}), or be {NOISE} for noise")
        if self.probabilities is not None:
            if len(self.probabilities) != n:
                raise ValueError(f"{n} rows of embedding, {len(self.probabilities)} probabilities")
            off = self.probabilities.sum(1) - 1
            off = np.where(self.is_noise, np.maximum(off, 0), abs(off))
            if off.max(initial=0) > 1e-3 or self.probabilities.min(initial=0) < 0:
                raise ValueError(
                    "rows of probabilities must be at least 0 and sum to 1 (of noise to at most 1)"
                )
        if self.centers is not None and self.centers.shape != (k, width):
            raise ValueError(
                f"centers of shape {self.centers.shape} do not fit {k} clusters "
                f"in an embedding of {width} dimensions"
            )

    @property
    def is_noise(self) -> Array:
        """Whether each item belongs to no cluster, (n,) bool."""
        return self.assignments == NOISE

    @property
    def n_clusters(self) -> int:
        """Number of clusters k, occupied or not, without noise; 0 if all items are noise."""
        if self.probabilities is not None:
            return int(self.probabilities.shape[1])
        if self.centers is not None:
            return len(self.centers)
        return int(self.assignments.max()) + 1 if len(self.assignments) else 0


@dataclass(frozen=True, slots=True)
class Intervention:
    """A change that a user makes to a run under way, at the start of an iteration.

    | kind | clusters | value |
    |---|---|---|
    | learning rate | none | factor on it |
    | merge | two: the second gives its items to the first | |
    | split | one: half of its items go to an empty cluster, or to the smallest other one | |
    | re-seed | one: it is placed on an item far from all centres, or that no other is sure of | |
    | scramble | one: its items get random labels, or are trained towards such once | |
    """

    kind: InterventionKind
    clusters: tuple[int, ...] = ()  # raw numbers of the snapshot before
    value: float = 1.0

    def __post_init__(self) -> None:
        wanted = {"learning rate": 0, "merge": 2}.get(self.kind, 1)
        if len(set(self.clusters)) != wanted or len(self.clusters) != wanted:
            raise ParameterError(
                f"'{self.kind}' takes {wanted} different clusters, got {list(self.clusters)}.",
                "Choose as many as it takes.",
            )
        if not 1e-3 <= self.value <= 1e3:  # also refuses nan
            raise ParameterError(
                f"The factor on the learning rate must lie in [0.001, 1000], got {self.value}.",
                "Choose a factor nearer to 1.",
            )


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
    """One named loop of a method: what it is for, how often it runs at most, what that takes.

    `samples` is the number of items that one iteration draws in batches of training, in
    [0, inf). An item counts each time that it is drawn: once a pass, whatever the number of changed
    copies that are made of it, and once more if it is drawn beside another item, as its neighbour.
    Items count although their loss is weighted with 0, since they pass through the network. It is
    0 where no batches are drawn: in phases that only look, and where all items are fitted at once.
    A pass that a user asks for by an intervention is not counted.
    """

    name: str
    iterations: int
    cost: Cost  # of one iteration
    role: Role
    samples: int = 0  # of one iteration
    is_in_loop: bool = True  # whether the boxes of the method's diagram are at work in it
