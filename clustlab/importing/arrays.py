"""Arrays as data sets: images or vectors in `.npy`, `.npz` and idx, with classes and names.

In an archive, arrays are taken for what they are by their names and shapes, and `Choices` says
otherwise where that is wrong.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clustlab.errors import DataError, ParameterError
from clustlab.importing import intake, number_files, pixels
from clustlab.importing.cells import told_near, told_some
from clustlab.importing.intake import Piece, Understood, not_finite
from clustlab.importing.number_files import Numbers, rows_together
from clustlab.importing.plan import Choices, Column, Outcome, Preview, Watch
from clustlab.types import Array

ITEMS = (
    *("x", "data", "features", "feature", "embeddings", "embedding", "vectors", "codes", "z"),
    *("images", "image", "imgs", "pixels"),
)
IMAGES = ("images", "image", "imgs", "pixels")
CLASSES = ("y", "labels", "label", "targets", "target", "classes", "class")
NAMES = ("names", "name", "ids", "id", "paths", "path", "filenames", "filename", "files", "file")
HELD_OUT = {"val", "test"}  # parts that are not taken first
PARTS = {  # words in names that tell which items of an experiment an array is of
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
WIDEST = 100_000  # features whose names are kept

Role = Literal["feature", "labels", "names", "image", "vectors"]


def preview(path: Path, choices: Choices) -> Preview:
    """What would come in of an array file.

    Raises
    ------
    ClustlabError
        If the file cannot be read, or a choice names what it does not hold.
    """
    return intake.preview(understood(path, choices))


def bring_in(path: Path, title: str, choices: Choices, watch: Watch) -> Outcome:
    """Write the items of an array file into a new data set; raises as `preview` and on a name."""
    return intake.bring_in(understood(path, choices), title, watch)


def understood(path: Path, choices: Choices) -> Understood:
    """What an array file is taken for; raises as `preview`."""
    arrays = dict(number_files.arrays_in(path, choices.limits))
    if "x" in arrays and len(arrays) == 1:
        arrays |= _labels_beside(path, choices)
    chosen = _chosen(path, arrays, choices)
    main = arrays[_main(chosen)]
    n = len(main)
    labels = [each for each in (chosen.labels, *chosen.others) if each]
    for name in (*labels, chosen.names, chosen.image):
        if name and len(arrays[name]) != n:
            raise DataError(
                f"{name!r} holds {len(arrays[name]):,} entries for {n:,} items.",
                "Give one for each item, or choose another array.",
            )
    unused = sorted(set(arrays) - {_main(chosen), *labels, chosen.names or "", chosen.image or ""})
    facts = [f"Not used: {told_some(unused)}."] if unused else []
    if left := number_files.left_in(path):
        facts.append(f"Not read, since they are no arrays: {told_some(left)}.")
    return (
        _of_images(path, arrays, chosen, facts, labels)
        if not chosen.features
        else _of_vectors(path, arrays, chosen, facts, labels)
    )


def _main(chosen: Choices) -> str:
    """Array of the items."""
    return chosen.features[0] if chosen.features else str(chosen.image)


def _of_images(
    path: Path,
    arrays: Mapping[str, Numbers],
    chosen: Choices,
    facts: Sequence[str],
    labels: Sequence[str],
) -> Understood:
    numbers = arrays[_main(chosen)]
    lay, scale = _seen(_main(chosen), numbers, chosen)
    size = chosen.size or (lay.height, lay.width)
    shape = (*size, pixels.n_channels(lay, chosen))
    conversion = " ".join(_conversion(lay, scale, chosen))
    said = f"{len(numbers):,} images of {lay.height} x {lay.width}, "
    said += {1: "grey", 2: "grey with alpha", 3: "in colour", 4: "in colour with alpha"}[
        lay.channels
    ]
    classes, names = _classes(arrays, labels), _names(arrays, chosen)

    def pieces() -> Iterator[Piece]:
        rows = rows_together(max(numbers.row_bytes, 4 * int(np.prod(shape))))
        first = 0
        for values in numbers.pieces(rows):
            images, refused = pixels.as_images(values, lay, scale, chosen)
            part = slice(first, first + len(images))
            yield Piece(first, images, refused, names[part], _parts(classes, part))
            first += len(images)

    return Understood(
        "images",
        len(numbers),
        shape,
        pieces,
        path.name,
        (f"{said}.", *_conversion(lay, scale, chosen), *facts),
        chosen,
        _columns(arrays),
        classes=dict.fromkeys(labels, ()),
        conversion=conversion,
        held=_held(arrays, chosen, labels),
        ranges=(("array", scale.low, scale.high),),
    )


def _seen(name: str, numbers: Numbers, choices: Choices) -> tuple[pixels.Layout, pixels.Range]:
    """How images lie in an array, and the range of their values, for which all are looked at."""
    lay = pixels.layout(name, numbers.shape)
    if not lay.height * lay.width:
        raise DataError(f"{name} holds images of {lay.height} x {lay.width}.", "Choose others.")
    looked = numbers.pieces(rows_together(numbers.row_bytes))
    found = pixels.value_range(numbers.dtype, looked)
    return lay, pixels.as_before(found, numbers.dtype, choices)


def _conversion(lay: pixels.Layout, scale: pixels.Range, chosen: Choices) -> list[str]:
    """How images are changed, a sentence each."""
    said = [lay.words, scale.words]
    if lay.channels in (2, 4):
        said.append(f"What is transparent is laid over {chosen.ground}.")
    if chosen.size and chosen.size != (lay.height, lay.width):
        how = {"crop": "their middle is cut out", "pad": f"laid on {chosen.ground}"}
        said.append(
            f"Brought from {lay.height} x {lay.width} to {chosen.size[0]} x {chosen.size[1]} "
            f"({how.get(chosen.fit, 'distorted')})."
        )
    if chosen.colour == "grey" and lay.channels > 2:
        said.append("Colours become grey.")
    return [each for each in said if each]


def _of_vectors(
    path: Path,
    arrays: Mapping[str, Numbers],
    chosen: Choices,
    facts: Sequence[str],
    labels: Sequence[str],
) -> Understood:
    numbers = arrays[_main(chosen)]
    n, width = numbers.shape
    conversion = [] if numbers.dtype == np.float32 else [f"Stored as 32 bit, from {numbers.dtype}."]
    shown = arrays[chosen.image] if chosen.image else None
    image_shape = None
    looks: tuple[pixels.Layout, pixels.Range] | None = None
    if shown is not None:
        looks = _seen(str(chosen.image), shown, chosen)
        size = chosen.size or (looks[0].height, looks[0].width)
        image_shape = (*size, pixels.n_channels(looks[0], chosen))
        conversion += _conversion(*looks, chosen)
    said = f"{n:,} vectors of {width:,} feature{'s' * (width != 1)}"
    said += f", shown as the images {chosen.image!r}." if shown is not None else "."
    classes, names = _classes(arrays, labels), _names(arrays, chosen)

    def pieces() -> Iterator[Piece]:
        per_row = numbers.row_bytes + 4 * width + (4 * shown.row_bytes if shown is not None else 0)
        rows = rows_together(per_row)
        beside = shown.pieces(rows) if shown is not None else None
        first = 0
        for values in numbers.pieces(rows):
            with np.errstate(over="ignore"):  # what is too large for 32 bit is refused
                items = values.astype(np.float32)
            refused = not_finite(items, lambda column: f"column {column}")
            images = None
            if beside is not None and looks is not None:
                images, wrong = pixels.as_images(next(beside), *looks, chosen)
                refused = {**wrong, **refused}
            part = slice(first, first + len(items))
            yield Piece(first, items, refused, names[part], _parts(classes, part), images)
            first += len(items)

    return Understood(
        "vectors",
        n,
        (width,),
        pieces,
        path.name,
        (said, *conversion, *facts),
        chosen,
        _columns(arrays),
        classes=dict.fromkeys(labels, ()),
        image_shape=image_shape,
        conversion=" ".join(conversion),
        held=_held(arrays, chosen, labels),
    )


def _held(arrays: Mapping[str, Numbers], chosen: Choices, labels: Sequence[str]) -> int:
    """Bytes of the arrays that are read as a whole."""
    whole = [arrays[name] for name in (*labels, chosen.names) if name]
    return sum(len(each) * each.row_bytes for each in whole)


def _parts(classes: Mapping[str, Array], part: slice) -> dict[str, Array]:
    return {title: values[part] for title, values in classes.items()}


def _classes(arrays: Mapping[str, Numbers], labels: Sequence[str]) -> dict[str, Array]:
    return {name: arrays[name].all().reshape(len(arrays[name])) for name in labels}


def _names(arrays: Mapping[str, Numbers], chosen: Choices) -> list[str]:
    if not chosen.names:
        return []
    names = arrays[chosen.names].all().ravel()
    return list(as_text(names))


def as_text(values: Array) -> list[str]:
    """Names of items from text or numbers."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return [str(each) for each in values.tolist()]


# -- what an array may be --------------------------------------------------------------------------
def roles_of(numbers: Numbers) -> tuple[Role, ...]:
    """What an array may be taken for, by its shape and type."""
    is_text = numbers.dtype.kind in "US"
    ndim = len(numbers.shape)
    if ndim == 1 or numbers.shape[1:] == (1,):
        of_one: tuple[Role, ...] = ("labels", "names")
        return of_one if is_text or ndim == 1 else (*of_one, "vectors")
    if is_text:
        return ()
    if ndim == 2 and numbers.shape[1]:
        return ("vectors",)
    try:
        pixels.layout("", numbers.shape)
    except DataError:
        return ()
    return ("image",)


def _columns(arrays: Mapping[str, Numbers]) -> tuple[Column, ...]:
    return tuple(
        Column(
            name,
            f"{' x '.join(map(str, each.shape))}, "
            + ("text" if each.dtype.kind in "US" else str(each.dtype)),
            roles_of(each),
        )
        for name, each in arrays.items()
    )


def is_called(name: str, words: Sequence[str]) -> bool:
    """Whether one of some words is among the parts of a name, such as `y` of `y_train`."""
    return any(part in words for part in _words(name))


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z]+", name.lower())


def _parts_in(name: str) -> set[str]:
    """Parts of an experiment that are in a name, such as `test` in `y_test`."""
    return {PARTS[word] for word in _words(name) if word in PARTS}


def _chosen(path: Path, arrays: Mapping[str, Numbers], choices: Choices) -> Choices:
    """Choices with guesses filled in: either `features` or else `image` holds the items."""
    for name in (choices.labels, choices.names, choices.image, *choices.others):
        _check_there(path, arrays, name)
    for name in choices.features or ():
        _check_there(path, arrays, name)
    if choices.features and len(choices.features) > 1:
        raise ParameterError(
            f"The vectors must be one array, got {', '.join(choices.features)}.", "Choose one."
        )
    main = choices.features[0] if choices.features else _items(path, arrays, choices)
    possible = roles_of(arrays[main])
    if "vectors" not in possible and "image" not in possible:
        _refuse_items(path, main, arrays[main])
    limit = choices.limits.bytes_of_one
    if arrays[main].row_bytes > limit:
        raise DataError(
            f"One item of {main!r} has {arrays[main].row_bytes / 1e6:,.0f} MB, more than the limit "
            f"of {limit / 1e6:,.0f} MB.",
            "Raise the limit, or make the items smaller.",
        )
    n, part = len(arrays[main]), _parts_in(main)
    of_these = [  # not of other items that are as many, such as `y_test` beside `x_train`
        name
        for name, each in arrays.items()
        if name != main and len(each) == n and not (part and _parts_in(name) - part)
    ]
    of_these.sort(key=lambda name: _parts_in(name) != part)

    def guessed(given: str | None, words: Sequence[str], role: Role) -> str:
        if given is not None:
            return given
        fit = [name for name in of_these if role in roles_of(arrays[name])]
        return next((name for name in fit if is_called(name, words)), "")

    if "image" in possible:
        image, features = main, None
    else:
        image, features = guessed(choices.image, IMAGES, "image"), (main,)
    labels = guessed(choices.labels, CLASSES, "labels")
    names = guessed(choices.names, NAMES, "names")
    names = "" if names == labels else names
    others = choices.others
    if choices.labels is None and not others:  # such as coarse classes beside fine ones
        taken = {main, labels, names, image}
        others = tuple(
            name
            for name in of_these
            if name not in taken
            and "labels" in roles_of(arrays[name])
            and is_called(name, CLASSES)
            and _parts_in(name) <= part
        )
    return replace(
        choices, image=image, features=features, labels=labels, names=names, others=others
    )


def _check_there(path: Path, arrays: Mapping[str, Any], name: str | None) -> None:
    if name and name not in arrays:
        raise ParameterError(
            f"There is no array {name!r} in {path.name}.",
            f"Choose one of: {told_near(name, arrays)}.",
        )


def _items(path: Path, arrays: Mapping[str, Numbers], choices: Choices) -> str:
    """The array that holds the items: by its name, else the largest that can."""
    taken = {choices.labels, choices.names, *choices.others}
    possible = [
        name
        for name, each in arrays.items()
        if name not in taken and {"vectors", "image"} & set(roles_of(each))
    ]
    if choices.features == ():  # no vectors are wanted
        possible = [name for name in possible if "image" in roles_of(arrays[name])] or possible
    if not possible:
        name = max(arrays, key=lambda each: arrays[each].row_bytes * len(arrays[each]))
        _refuse_items(path, name, arrays[name])
    vectors_first = sorted(possible, key=lambda name: "vectors" not in roles_of(arrays[name]))
    named = [name for name in vectors_first if is_called(name, ITEMS)]
    if choices.image and not named:
        return choices.image
    first = [name for name in named if not _parts_in(name) & HELD_OUT]
    if first or named:
        return (first or named)[0]
    return max(possible, key=lambda name: arrays[name].row_bytes * len(arrays[name]))


def _refuse_items(path: Path, name: str, numbers: Numbers) -> None:
    shape = " x ".join(map(str, numbers.shape))
    if len(numbers.shape) == 1:
        raise DataError(
            f"{path.name} holds one value for each item only ({shape}), which may be their labels.",
            "Choose the file that holds the items; labels are added with import-labels.",
        )
    raise DataError(
        f"{name!r} in {path.name} has the shape {shape} of {numbers.dtype}: these are no items.",
        "Items are vectors (items x features) or images (items x height x width, with channels).",
    )


def _labels_beside(path: Path, choices: Choices) -> dict[str, Numbers]:
    """Labels in the file that MNIST and its like have beside their images, if it is there."""
    if "images" not in path.name or path.suffix in (".npy", ".npz"):
        return {}
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if choices.labels == "" or not beside.is_file():
        return {}
    return {"labels": number_files.arrays_in(beside, choices.limits)["x"]}
