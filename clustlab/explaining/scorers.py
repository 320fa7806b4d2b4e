"""The scorer of a run: what its method answers for any input, and how well it was rebuilt."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from clustlab import registry
from clustlab.context import MISFITS
from clustlab.device import choose_device
from clustlab.errors import ClustlabError, DeviceUnavailable
from clustlab.explaining.able import can_score as can_score
from clustlab.explaining.able import why_not
from clustlab.params import build
from clustlab.parts.inputs.network_input import Inputs, point_scale
from clustlab.parts.networks.passes import pass_size
from clustlab.registry import Scoring
from clustlab.runs.store import Run, RunStore
from clustlab.training.writer import load_checkpoint
from clustlab.types import Array, Snapshot

CHECKED = 2000  # items on which a rebuilt scorer is compared with the step it belongs to


@dataclass(frozen=True)
class Scorer:
    """Scores of raw clusters as a differentiable module, and the step they belong to."""

    module: nn.Module  # items (b, *shape) to scores (b, n_clusters)
    inputs: Inputs  # of the run, which hand out items as the module takes them
    step: int  # the step of the run whose clusters are scored
    agreement: float  # share in [0, 1] of the items checked whose best score is their cluster
    n_checked: int

    @property
    def n_clusters(self) -> int:
        """How many clusters are scored."""
        with torch.no_grad():
            return int(self.module(self.item(0)).shape[1])

    def item(self, index: int) -> Tensor:
        """One item of the run as a batch of one."""
        return self.inputs[np.array([index])]


def load_scorer(store: RunStore, run: Run, *, check: int | None = CHECKED) -> Scorer:
    """Scorer of the last step that a run has kept its trained parts of, checked against it.

    On the device of the run, or on the CPU if this machine has not got it.

    Parameters
    ----------
    check : int, optional
        How many items to compare with the clusters of the step, evenly drawn; None for all.

    Raises
    ------
    ClustlabError
        If the method has no scorer, or the run has kept nothing to make it of.
    """
    if refused := why_not(run):
        raise refused
    state = load_checkpoint(run.path / "checkpoint.pt")
    if state is None or not 0 < state["step"] <= len(run):
        raise ClustlabError(
            f"The run {run.id!r} has kept no trained parts.",
            "It was stopped before its first checkpoint; resume it, or run it again.",
        )
    step = int(state["step"]) - 1
    last = run[step]
    inputs = Inputs(store.dataset(run).items, _device(run))
    method = cast(Scoring, build(registry.method(run.spec.method), run.spec.method_params))
    rows = np.arange(len(inputs))
    if check is not None and check < len(rows):
        rows = np.linspace(0, len(rows) - 1, check).round().astype(np.int64)
    try:
        module: nn.Module = method.scorer(inputs, state, last).eval()
        agreement = _agreement(module, inputs, last, rows)  # sizes within it may not fit, either
    except MISFITS as error:
        raise ClustlabError(
            f"What the run {run.id!r} has kept does not fit its method.",
            "Run it again: it may come from another version, or be damaged.",
        ) from error
    return Scorer(module, inputs, step, agreement, len(rows))


def _device(run: Run) -> torch.device:
    try:
        return choose_device(run.spec.device)[0]
    except DeviceUnavailable:  # the run comes from another machine
        return torch.device("cpu")


def assigned(module: nn.Module, inputs: Inputs, rows: Array) -> Array:
    """Cluster (m,) int64 of the highest score of each of some items."""
    size = pass_size(inputs.shape)
    with torch.no_grad():
        parts = [module(inputs[rows[i : i + size]]).argmax(1) for i in range(0, len(rows), size)]
    clusters: Array = torch.cat(parts).cpu().numpy()
    return clusters


def answered(scorer: Scorer, items: Array, points: Array) -> Array:
    """Cluster (m,) int64 of the highest score of new points (m, d), in the units of the items."""
    return scores_of_new(scorer.module, items, points, scorer.inputs.device).argmax(1)


def scores_of_new(module: nn.Module, known: Array, new: Array, device: torch.device) -> Array:
    """Scores (m, n_clusters) float32 of items that a method was not trained on.

    Parameters
    ----------
    module : Module
        Its scorer, on `device`.
    known, new : array
        Items that it was trained on, and others of the same kind and units.
    """
    as_module_takes_them = as_input(known, device)
    size = pass_size(new.shape[1:])
    with torch.no_grad():
        parts = [
            module(as_module_takes_them(new[i : i + size])).float().cpu()
            for i in range(0, len(new), size)
        ]
    scores: Array = torch.cat(parts).numpy()
    return scores


def as_input(known: Array, device: torch.device) -> Callable[[Array], Tensor]:
    """What makes new items (m, ...) the input of a method that was trained on known ones.

    As `Inputs` hands out those: images as (m, c, h, w) in [0, 1], points on their scale.
    """
    if known.ndim == 4:

        def of_images(some: Array) -> Tensor:
            rows = torch.from_numpy(np.require(some, requirements=["C", "W"])).to(device)
            return rows.permute(0, 3, 1, 2).float().div_(255.0)

        return of_images
    mean, scale = point_scale(known)
    return lambda some: torch.from_numpy(((some - mean) / scale).astype(np.float32)).to(device)


def _agreement(module: nn.Module, inputs: Inputs, last: Snapshot, rows: Array) -> float:
    return float((assigned(module, inputs, rows) == last.assignments[rows]).mean())
