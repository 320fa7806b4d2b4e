"""The model of a run as ONNX, for programs without torch: `model.onnx`, from items to scores.

Needs the packages of the extra `onnx`, which are imported where they are used.
"""

import importlib
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from clustlab.errors import ClustlabError, ParameterError
from clustlab.types import Array

FILE = "model.onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_installed() -> None:
    """Nothing, if all that writes and compares it is here; else `ParameterError`."""
    missing = []
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError:
            missing.append(package)
    if missing:
        raise ParameterError(
            f"To write ONNX, clustlab needs what is not installed: {', '.join(missing)}.",
            "Install it with: pip install 'clustlab[onnx]'. Without it, export the model as it is.",
        )


def write(folder: Path, traced: ExportedProgram, example: Tensor) -> None:
    """Write a network that was traced, for any number of items.

    Raises
    ------
    ClustlabError
        If it computes something that ONNX has no words for.
    """
    quiet = logging.getLogger("torch.onnx")
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):  # what its makers tell each other
            torch.onnx.export(
                traced,
                (example,),
                folder / FILE,
                input_names=["items"],
                output_names=["scores"],
                dynamo=True,
                custom_translation_table={torch.ops.aten.log_sigmoid.default: _log_sigmoid},
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # converters raise many things
        raise ClustlabError(
            f"This model cannot be written as ONNX: {_reason(error)}",
            "Export it without --to onnx, which writes it for torch.",
        ) from error
    finally:
        quiet.setLevel(before)


def _log_sigmoid(x: Any) -> Any:
    """As torch computes it: the logarithm of a sigmoid would be infinite far below 0."""
    from onnxscript import opset18 as op

    return op.Neg(op.Softplus(op.Neg(x)))


def _reason(error: BaseException) -> str:
    """First line of what went wrong at the bottom: converters say above that something did."""
    while below := error.__cause__ or error.__context__:
        error = below
    return str(error).strip().partition("\n")[0]


def scores(folder: Path, items: Array) -> Array:
    """Scores (n, k) of items by what was written, as ONNX Runtime computes them on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(
        str(folder / FILE), options, providers=["CPUExecutionProvider"]
    )
    found: Array = session.run(["scores"], {"items": items})[0]
    return found
