"""Clusters of new items by the model that lies beside this file; needs nothing but torch.

model = Model()
model.scores(items)    # (n, k), the greatest wins
model.clusters(items)  # (n,), numbered as in the run; `model.about` says what they stand for

Items are a tensor as `model.about["items"]` says: images uint8 (n, height, width, channels), or
points float32 (n, d) in the units of the data set.
"""

import json
import runpy
import struct
from pathlib import Path
from typing import Any

import torch

TYPES = {"F64": torch.float64, "F32": torch.float32, "I64": torch.int64, "BOOL": torch.bool}


class Model:
    """A network with its weights."""

    def __init__(self, folder: Path | str = Path(__file__).parent) -> None:
        place = Path(folder)
        self.about: dict[str, Any] = json.loads((place / "model.json").read_text("utf-8"))
        self._forward = runpy.run_path(str(place / "network.py"))["forward"]
        data = (place / "model.safetensors").read_bytes()
        start = 8 + struct.unpack("<Q", data[:8])[0]
        told = json.loads(data[8:start])
        self._weights = [_tensor(data[start:], told[name]) for name in self.about["weights"]]

    @torch.no_grad()
    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """Score (n, k) of each raw cluster of the run for each item."""
        return self._forward(None, *self._weights, items)[0]

    def clusters(self, items: torch.Tensor) -> torch.Tensor:
        """Cluster (n,) of each item, numbered as in the run."""
        return torch.tensor(self.about["clusters"])[self.scores(items).argmax(1)]


def _tensor(data: bytes, told: dict[str, Any]) -> torch.Tensor:
    first, last = told["data_offsets"]
    numbers = torch.frombuffer(bytearray(data[first:last]), dtype=TYPES[told["dtype"]])
    return numbers.reshape(told["shape"])
