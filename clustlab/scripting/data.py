"""One's own data for scripts and notebooks."""

from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from clustlab.data.own_about import Treatment
from clustlab.data.own_sets import SetWriter
from clustlab.errors import ParameterError
from clustlab.types import Array, Labelling

AS_IT_IS = Treatment("crop", "black", (("array", 0.0, 255.0),))  # of an array of pixels


def import_data(
    source: str | Path | Array,
    title: str,
    *,
    labels: Array | str | None = None,
    progress: bool = True,
    **choices: Any,
) -> str:
    """Make a data set of a file, a folder, an archive or an array; returns its name for `train`.

    The same content is brought in once: a second time, the name of the first is returned.

    Parameters
    ----------
    source : str, Path or array
        A path to what the command `import` reads; or vectors (n, d), or images (n, h, w[, c]) as
        uint8.
    labels : array or str, optional
        (n,) classes of an array; of a path the column or array that holds them.
    choices
        Of a path, as `clustlab.importing.plan.Choices` has them, such as `size=(32, 32)`.

    Raises
    ------
    ClustlabError
        If it cannot be read, or another set has this name; with the reason and a remedy.
    """
    if isinstance(source, np.ndarray):
        if choices:
            raise ParameterError(
                f"An array is taken as it is, without {', '.join(choices)}.",
                "Change the array, or import a file.",
            )
        return _of_array(source, title, labels)
    from clustlab.importing import sources
    from clustlab.importing.plan import Choices

    if labels is not None and not isinstance(labels, str):
        raise ParameterError(
            "The labels of a path are the name of a column or array.", "Import an array instead."
        )
    with tqdm(
        total=1.0, bar_format="{desc} {percentage:3.0f}%|{bar}|", disable=not progress
    ) as bar:

        def watch(words: str, share: float) -> None:
            bar.n = share
            bar.set_description_str(words)

        outcome = sources.bring_in(Path(source), title, Choices(labels=labels, **choices), watch)
    return outcome.own.name


def _of_array(items: Array, title: str, labels: Array | str | None) -> str:
    is_image = items.ndim in (3, 4) and items.dtype == np.uint8
    if not is_image and items.ndim != 2:
        raise ParameterError(
            f"An array of shape {items.shape} and type {items.dtype} holds neither vectors nor "
            "images.",
            "Give vectors as (n, d), or images as (n, h, w) or (n, h, w, c) of uint8.",
        )
    items = items[..., None] if items.ndim == 3 else items
    if not is_image and not np.isfinite(items).all():
        row = int(np.flatnonzero(~np.isfinite(items).all(1))[0])
        raise ParameterError(
            f"Row {row} of the vectors holds a value that is not finite.",
            "Remove it, or fill it in.",
        )
    labellings = {}
    if labels is not None:
        if len(labels) != len(items):
            raise ParameterError(
                f"There are {len(labels):,} labels for {len(items):,} items.",
                "Give one for each item.",
            )
        names, codes = np.unique(np.asarray(labels), return_inverse=True)
        codes = codes.astype(np.int32)
        labellings["class"] = Labelling(codes, tuple(str(name) for name in names))
    kind: Any = "images" if is_image else "vectors"
    with SetWriter(kind, items.shape[1:]) as writer:
        writer.append(items if is_image else items.astype(np.float32))
        own, _ = writer.finish(
            title,
            origin="an array",
            labellings=labellings,
            treatment=AS_IT_IS if is_image else None,
        )
    return own.name
