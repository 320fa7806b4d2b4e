"""Exports that are plain tables and arrays: Parquet, CSV and `.npy`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clustlab.runs.exports import safe_cells
from clustlab.scripting.exporting.step_table import ExportedRun, file_name, with_embedding
from clustlab.types import Array

PER_ITEM = ("cluster", "raw_cluster", "confidence", "margin", "changes")
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An image within a table, as Hugging Face has it, which most programs know."""


def write_parquet(exported: ExportedRun, file: Path) -> None:
    """One table: a row for each item at each step; of one step also the images."""
    with_images = exported.images is not None and len(exported.steps) == 1
    writer: pq.ParquetWriter | None = None
    try:
        for step in exported.steps:
            table = step_table(exported, step, with_images=with_images)
            if writer is None:
                writer = pq.ParquetWriter(file, table.schema)
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def step_table(exported: ExportedRun, step: int, *, with_images: bool) -> pa.Table:
    """Table of a step, with a list for the embedding and a picture for the image of an item."""
    frame = exported.table(step)
    if "name" in frame:
        frame["name"] = frame["name"].astype("str")  # so that all steps agree
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.append_column("embedding", lists(exported.run.embedding(step)))
    if with_images:
        table = table.append_column("image", pictures(exported))
    about = json.dumps(exported.about).encode()
    return table.replace_schema_metadata({**(table.schema.metadata or {}), b"clustlab": about})


def lists(rows: Array) -> pa.ListArray:
    """Rows (n, d) as a column of lists."""
    ends = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    values = np.ascontiguousarray(rows, dtype=np.float32).ravel()
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))


def pictures(exported: ExportedRun) -> pa.Array:
    """Images of all items as a column."""
    names = exported.run.dataset.item_names
    rows: list[Mapping[str, Any]] = [
        {"bytes": content, "path": file_name(item, names[item] if len(names) else "")}
        for item, content in enumerate(exported.pngs())
    ]
    return pa.array(rows, PICTURE)


def write_csv(exported: ExportedRun, file: Path) -> None:
    """One table in UTF-8, with a column for each dimension of the embedding."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        for place, step in enumerate(exported.steps):
            frame = with_embedding(exported.table(step), exported.run.embedding(step))
            safe_cells(frame).to_csv(stream, index=False, header=place == 0)


def write_npy(exported: ExportedRun, folder: Path) -> None:
    """A folder for each step with an array for each thing, and beside them what all steps share."""
    data = exported.run.dataset
    if data.labels is not None:
        np.save(folder / "labels.npy", data.labels)
    if exported.images is not None:
        np.save(folder / "images.npy", exported.images)
    if not data.is_image:
        np.save(folder / "items.npy", data.items)
    shared = {"names": list(data.item_names), "class_names": list(data.class_names)}
    (folder / "names.json").write_text(json.dumps(shared), encoding="utf-8")
    for step in exported.steps:
        place = folder / f"step-{step:05d}"
        place.mkdir()
        frame = exported.table(step)
        for name in PER_ITEM:
            np.save(place / f"{name}.npy", frame[name].to_numpy())
        np.save(place / "coordinates.npy", frame[["x", "y"]].to_numpy(np.float32))
        np.save(place / "embedding.npy", exported.run.embedding(step))
        probabilities = exported.run.probabilities(step)
        if probabilities is not None:
            np.save(place / "probabilities.npy", probabilities)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Table whose text holds no tab and no line break, for files in which these part cells."""
    texts = frame.select_dtypes(["object", "string"]).columns
    clean = {n: frame[n].map(lambda cell: " ".join(str(cell).split()), "ignore") for n in texts}
    return frame.assign(**clean)
