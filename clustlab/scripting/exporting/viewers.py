"""Exports for programs that show data sets: each as that program documents its own format."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clustlab.runs.exports import safe_cells
from clustlab.scripting.exporting.sprite import Sprite, sprite_of
from clustlab.scripting.exporting.step_table import ExportedRun, file_name
from clustlab.scripting.exporting.tables import as_text, step_table
from clustlab.types import NOISE, cluster_words


# -- TensorBoard -----------------------------------------------------------------------------------
def write_projector(exported: ExportedRun, folder: Path) -> None:
    """Projector of TensorBoard: an embedding for each step, with its table and all images."""
    sprite = None if exported.images is None else sprite_of(exported.images)
    if sprite:
        (folder / "sprite.png").write_bytes(sprite.content)
    config = []
    for step in exported.steps:
        name = f"step-{step:05d}"
        np.savetxt(folder / f"{name}.tsv", exported.run.embedding(step), "%.7g", delimiter="\t")
        table = as_text(exported.table(step).drop(columns=["step", "x", "y"]))
        table.to_csv(folder / f"{name}-metadata.tsv", sep="\t", index=False)
        config.append(_embedding(name, sprite))
    (folder / "projector_config.pbtxt").write_text("".join(config), encoding="utf-8")


def _embedding(name: str, sprite: Sprite | None) -> str:
    """Entry of a step in the configuration."""
    lines = [
        f'tensor_name: "{name}"',
        f'tensor_path: "{name}.tsv"',
        f'metadata_path: "{name}-metadata.tsv"',
    ]
    if sprite:
        size = f"single_image_dim: {sprite.width} single_image_dim: {sprite.height}"
        lines.append(f'sprite {{ image_path: "sprite.png" {size} }}')
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


# -- FiftyOne --------------------------------------------------------------------------------------
def write_fiftyone(exported: ExportedRun, folder: Path) -> None:
    """Data set of the type `FiftyOneImageClassificationDataset`: images, and a label for each."""
    files = _write_images(exported, folder / "data")
    (step,) = exported.steps
    frame = exported.table(step)
    rows = msgspec.json.decode(
        frame.drop(columns=["cluster", "confidence"]).to_json(orient="records")
    )
    labels = {
        Path(file).stem: {
            "label": cluster_words(cluster),
            "confidence": round(float(confidence), 6),
            "attributes": {name: value for name, value in row.items() if value is not None},
        }
        for file, cluster, confidence, row in zip(
            files, frame["cluster"].tolist(), frame["confidence"].tolist(), rows, strict=True
        )
    }
    told = {"classes": None, "labels": labels}
    (folder / "labels.json").write_text(json.dumps(told), encoding="utf-8")


# -- Spotlight -------------------------------------------------------------------------------------
def write_spotlight(exported: ExportedRun, folder: Path) -> None:
    """Table for Renumics Spotlight, with paths of images that lie beside it."""
    (step,) = exported.steps
    table = step_table(exported, step, with_images=False)
    if exported.images is not None:
        files = _write_images(exported, folder / "images")
        table = table.append_column("image", pa.array([f"images/{file}" for file in files]))
    pq.write_table(table, folder / "items.parquet")


# -- Embedding Atlas -------------------------------------------------------------------------------
def write_atlas(exported: ExportedRun, file: Path) -> None:
    """Table for Embedding Atlas, with the images in it."""
    (step,) = exported.steps
    table = step_table(exported, step, with_images=exported.images is not None)
    pq.write_table(table, file)


# -- folders ---------------------------------------------------------------------------------------
def write_folders(exported: ExportedRun, folder: Path) -> None:
    """A folder for each cluster with its images, and a table that says which is which."""
    (step,) = exported.steps
    frame = exported.table(step)
    digits = len(str(frame["cluster"].max()))
    places = {
        cluster: "noise" if cluster == NOISE else f"cluster-{cluster:0{digits}d}"
        for cluster in frame["cluster"].unique().tolist()
    }
    for place in places.values():
        (folder / place).mkdir()
    files = []
    for item, (cluster, content) in enumerate(
        zip(frame["cluster"].tolist(), exported.pngs(), strict=True)
    ):
        files.append(f"{places[cluster]}/{_image_name(exported, item)}")
        (folder / files[-1]).write_bytes(content)
    table = safe_cells(frame.assign(file=files))
    table.to_csv(folder / "items.csv", index=False, encoding="utf-8")


def _write_images(exported: ExportedRun, folder: Path) -> list[str]:
    """Write all images into a new folder; return their names."""
    folder.mkdir()
    names = []
    for item, content in enumerate(exported.pngs()):
        names.append(_image_name(exported, item))
        (folder / names[-1]).write_bytes(content)
    return names


def _image_name(exported: ExportedRun, item: int) -> str:
    return file_name(item, exported.run.dataset.name_of(item))
