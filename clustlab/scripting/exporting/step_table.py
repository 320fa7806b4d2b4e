"""What is exported of a step: a table of its items, their embedding, and their images as PNG."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

import clustlab
from clustlab.data.item_names import IN_WHOLE_DRAW
from clustlab.errors import ParameterError
from clustlab.runs.exports import png
from clustlab.scripting.runs import OpenRun
from clustlab.types import Array

LONGEST_NAME = 60  # letters of an item's name in that of a file
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, eq=False)
class ExportedRun:
    """A run and those of its steps that are exported."""

    run: OpenRun
    steps: Sequence[int]  # by rising number
    with_images: bool = True

    @property
    def about(self) -> dict[str, Any]:
        """What it is, for whoever finds it later."""
        return {
            "run": self.run.id,
            "title": self.run.title,
            "dataset": self.run.dataset.name,
            "settings": self.run.settings,
            "steps": list(self.steps),
            "clustlab": clustlab.__version__,
        }

    @cached_property
    def images(self) -> Array | None:
        """Images (n, h, w, c) uint8 of the items; None if there are none, or none are wanted."""
        return self.run.dataset.images if self.with_images else None

    @property
    def needed_images(self) -> Array:
        """The same; raises `ParameterError` if there are none."""
        if self.run.dataset.images is None:
            raise ParameterError(
                f"There are no images of the items of {self.run.title}.",
                "Export it to parquet, csv, npy, projector or atlas.",
            )
        return self.run.dataset.images

    def table(self, step: int) -> pd.DataFrame:
        """A row for each item at a step: see `OpenRun.frame`, and `step` before all.

        Of items that were drawn without some, `row_in_whole_draw` says which they are.
        """
        frame = self.run.frame(step)
        original = self.run.dataset.original
        if original is not None:
            frame.insert(1, IN_WHOLE_DRAW[1], original)
        frame.insert(0, "step", step)
        return frame

    def pngs(self) -> Iterator[bytes]:
        """Image of each item in turn, with the pixels as they are kept."""
        for image in self.needed_images:
            yield png(image)


def with_embedding(frame: pd.DataFrame, embedding: Array) -> pd.DataFrame:
    """Table with a column for each dimension of the embedding (n, d): `embedding_0` and so on."""
    names = [f"embedding_{i}" for i in range(embedding.shape[1])]
    return pd.concat([frame, pd.DataFrame(embedding, columns=names)], axis=1)


def file_name(item: int, name: str = "") -> str:
    """Name of the image of an item, which every system allows: `000017-cat.png`."""
    last = name.replace("\\", "/").rpartition("/")[2]
    stem = UNSAFE.sub("_", last.rpartition(".")[0] or last).strip("._-")
    stem = stem[:LONGEST_NAME]
    return f"{item:06d}-{stem}.png" if stem else f"{item:06d}.png"
