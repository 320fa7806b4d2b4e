"""The model of a run for code without clustlab: its weights, its network as plain calls, a loader.

model.safetensors   weights and all else that the network holds
network.py          the network as `torch.export` has traced it, one call a line
load.py             reads these two, with torch alone
model.pt2           the same once more, for `torch.export.load`
model.json          what items it takes, and what its clusters are called

Or, as ONNX: model.onnx, from items to scores, with the same model.json.
"""

import json
import runpy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind

import clustlab
from clustlab.data.new_files import TELLS, new_folder
from clustlab.errors import ClustlabError, ParameterError
from clustlab.explaining.scorers import Scorer, load_scorer, scores_of_new
from clustlab.parts.inputs.network_input import point_scale
from clustlab.scripting.exporting import load_model, onnx_model
from clustlab.scripting.runs import OpenRun
from clustlab.types import Array

To = Literal["torch", "onnx"]
TRACED = 8  # items with which the network is traced; any number can be given to it afterwards
COMPARED = 200  # items on which what was written is compared with the run
TOLERANCE = 1e-5  # by which scores may differ, in the size of the greatest
ON_TORCH = "Nothing was written. This is a bug: please report the method and its settings."
ON_ONNX = "Nothing was written. Export it without --to onnx, which writes it for torch."
HEAD = (
    '"""The network of a run, as it was traced: `load.py` calls `forward` with its weights."""\n\n'
)


class _FromItems(nn.Module):
    """A scorer that takes items as they are stored, not as its network wants them."""

    items_mean: Tensor  # such names as no step of a network gets: ONNX has one list for both
    items_scale: Tensor

    def __init__(self, scorer: nn.Module, items: Array) -> None:
        super().__init__()
        self.scorer, self.is_image = scorer, items.ndim == 4
        if not self.is_image:
            mean, scale = point_scale(items)
            self.register_buffer("items_mean", torch.from_numpy(np.asarray(mean, np.float64)))
            self.register_buffer("items_scale", torch.tensor(scale, dtype=torch.float64))

    def forward(self, items: Tensor) -> Tensor:
        """Scores (b, k) of images (b, h, w, c) uint8 or points (b, d) float32."""
        if self.is_image:
            x = items.permute(0, 3, 1, 2).float() / 255.0
        else:
            x = ((items.double() - self.items_mean) / self.items_scale).float()
        return self.scorer(x).float()


@dataclass(frozen=True, slots=True)
class ModelExport:
    """What was exported."""

    path: Path
    step: int  # the step of the run whose clusters it knows
    agreement: float  # share in [0, 1] of the items of the run that get their cluster of that step
    difference: float  # greatest between its scores and those of the run, in the size of these


def export_model(
    run: OpenRun, path: str | Path | None = None, *, to: To = "torch", force: bool = False
) -> ModelExport:
    """Write the model of a run into a folder, and compare what it answers with the run.

    Parameters
    ----------
    path : str or Path, optional
        The folder; by default named by the run, in the working folder.
    to : str
        `torch`, or `onnx` for programs without torch, which needs the extra `onnx`.
    force : bool
        Whether it may replace a folder that an export has made.

    Raises
    ------
    ClustlabError
        If the method has no scorer, the run has kept nothing to make it of, what was written would
        not answer as the run does, or packages are missing.
    """
    if to not in get_args(To):
        raise ParameterError(
            f"to must be one of {', '.join(get_args(To))}, got {to!r}.", "Choose one of them."
        )
    if to == "onnx":
        onnx_model.check_installed()
    stored = run.stored
    scorer = load_scorer(run.store, stored, check=None)
    items = run.dataset.items
    module = _FromItems(scorer.module.cpu(), items).eval()
    traced = _traced(module, items)
    place = Path(path) if path is not None else Path(f"{run.id}-model")
    with new_folder(place, force=force) as folder:
        _write(folder, traced, _about(run, scorer, items), to, _example(items))
        difference = _difference(folder, scorer, items, to)
        if not difference <= TOLERANCE:
            raise ClustlabError(
                f"The exported model would differ from the run by {difference:.2g}.",
                ON_ONNX if to == "onnx" else ON_TORCH,
            )
    return ModelExport(place, scorer.step, scorer.agreement, difference)


def _traced(module: nn.Module, items: Array) -> ExportedProgram:
    any_number = {0: Dim("n", min=1)}
    traced = torch.export.export(
        module, (_example(items),), dynamic_shapes=(any_number,), strict=False
    )
    for tensor in (*traced.state_dict.values(), *traced.constants.values()):
        tensor.data = tensor.data.clone().contiguous()  # whole, not a part of a larger one
    return traced


def _example(items: Array) -> Tensor:
    """Some items, with which the network is traced."""
    rows = np.arange(TRACED) % len(items)
    return torch.from_numpy(np.ascontiguousarray(items[rows]))


def _about(run: OpenRun, scorer: Scorer, items: Array) -> dict[str, Any]:
    """What whoever loads it has to know."""
    view = run.view(scorer.step)
    mapping = view.timeline.mapping(scorer.step).tolist()
    stands_for = None
    if view.labels is not None:
        stands_for = {
            str(cluster): view.class_name(int(label))
            for cluster, label in enumerate(view.class_of)
            if label >= 0
        }
    return {
        "run": run.id,
        "title": run.title,
        "step": scorer.step,
        "agreement": scorer.agreement,
        "clustlab": clustlab.__version__,
        "torch": torch.__version__,
        "items": {
            "dtype": str(items.dtype),
            "shape": ["any number", *items.shape[1:]],
            "dataset": run.dataset.name,
        },
        "clusters": mapping,  # as the run numbers them, in the order of the scores
        "stands_for": stands_for,
    }


def _write(
    folder: Path, traced: ExportedProgram, about: Mapping[str, Any], to: To, example: Tensor
) -> None:
    more: dict[str, Any] = {}
    if to == "onnx":
        onnx_model.write(folder, traced, example)
    else:
        more["weights"] = list(_write_for_torch(folder, traced))
    (folder / "model.json").write_text(json.dumps({**about, **more}, indent=1), encoding="utf-8")
    (folder / TELLS).write_text(json.dumps({"run": about["run"], "to": "model"}), encoding="utf-8")


def _write_for_torch(folder: Path, traced: ExportedProgram) -> dict[str, Tensor]:
    """Write weights and network; returns the weights."""
    from safetensors.torch import save_file

    weights = _weights(traced)
    save_file(weights, folder / "model.safetensors")
    (folder / "network.py").write_text(_source(traced), encoding="utf-8")
    shutil.copyfile(load_model.__file__, folder / "load.py")
    torch.export.save(traced, folder / "model.pt2")
    return weights


def _weights(traced: ExportedProgram) -> dict[str, Tensor]:
    """All that the network holds, by the names of its arguments and in their order."""
    kept = {**traced.state_dict, **traced.constants}
    return {
        spec.arg.name: kept[str(spec.target)]
        for spec in traced.graph_signature.input_specs
        if spec.kind is not InputKind.USER_INPUT
    }


def _source(traced: ExportedProgram) -> str:
    """The network as a Python file, with the imports that its calls need."""
    made = traced.graph.python_code("self")
    imports = ["import torch"]
    if "device" in made.globals:
        imports.append("from torch import device")
    imports += [f"from math import {name}" for name in ("inf", "nan") if name in made.globals]
    return HEAD + "\n".join(imports) + "\n\n\n" + made.src.strip() + "\n"


def _difference(folder: Path, scorer: Scorer, items: Array, to: To) -> float:
    """Greatest difference between what was written and the run, on items from all over it."""
    rows = np.linspace(0, len(items) - 1, min(COMPARED, len(items))).round().astype(np.int64)
    some = np.ascontiguousarray(items[rows])
    wanted = scores_of_new(scorer.module, items, some, torch.device("cpu"))
    if to == "onnx":
        found = [onnx_model.scores(folder, some)]
    else:
        given = torch.from_numpy(some)
        loaded = runpy.run_path(str(folder / "load.py"))["Model"](folder).scores(given)
        traced = torch.export.load(folder / "model.pt2").module()(given)
        found = [loaded.numpy(), traced.detach().numpy()]
    size = max(1.0, float(np.abs(wanted).max()))
    return max(float(np.abs(each - wanted).max()) for each in found) / size
