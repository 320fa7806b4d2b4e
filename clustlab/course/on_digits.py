"""What several lessons share: the digits as they lie on this machine, and quick runs on them."""

from functools import cache
from typing import Any

import numpy as np

from clustlab.runs.store import RunSpec
from clustlab.types import Array, Dataset


@cache
def digits() -> Dataset:
    """All 1,797 digits."""
    from clustlab import registry

    return registry.dataset("digits")().load(0, lambda words, share: None)


def pixels() -> Array:
    """The digits as rows (1797, 64) float32 of pixels in [0, 1]."""
    items = digits().items
    rows: Array = items.reshape(len(items), -1).astype(np.float32) / 255
    return rows


def quick_run(method: str, **changes: Any) -> RunSpec:
    """A run of a few seconds on the digits; the same arguments give the same run again."""
    from clustlab import registry

    params = {**registry.method(method).presets["quick"], **changes}
    return RunSpec("digits", method, method_params=params, preset="quick")


def step_at(run_length: int, wanted: float) -> int:
    """Step to show of a run that may not have come as far as wanted."""
    return max(0, min(int(wanted), run_length - 1))
