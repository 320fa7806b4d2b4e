"""Choice of the device to train on."""

import os
from typing import TYPE_CHECKING

from clustlab.errors import DeviceUnavailable, ParameterError

if TYPE_CHECKING:
    import torch

    from clustlab.training_step import Recorder

GRAPHS = "CLUSTLAB_CUDA_GRAPHS"  # `yes`: steps are recorded and replayed on CUDA
NAMES = ("auto", "cuda", "mps", "cpu")
OF_THIS_WORKER = "CLUSTLAB_DEVICE"
"""Variable of the environment that names the device for which `auto` stands."""


def choose_device(name: str) -> tuple["torch.device", str]:
    """Device for a name, and the reason for it in words.

    `auto` takes the device of this worker if it has one (see `clustlab.training.slots`), else
    CUDA, then MPS, then the CPU. `cuda:1` names one of several.

    Raises
    ------
    DeviceUnavailable
        If a device is named that this machine has not; there is no quiet fallback.
    """
    import torch  # here, since the form of the page Train needs only the names

    mine = os.environ.get(OF_THIS_WORKER, "auto")
    if name == "auto" and mine not in ("", "auto"):
        return choose_device(mine)[0], f"auto: this worker has {mine}"
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda"), f"auto: CUDA is there ({torch.cuda.get_device_name()})"
        if torch.backends.mps.is_available():
            return torch.device("mps"), "auto: no CUDA, Apple's MPS is there"
        return torch.device("cpu"), "auto: neither CUDA nor MPS is there"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceUnavailable(
            f"{name!r} is not a device.", f"Choose one of {', '.join(NAMES)}."
        ) from error
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise DeviceUnavailable(
            f"The device {name!r} was asked for, but this machine has none.",
            "Choose 'auto', or run on a machine that has it.",
        )
    return device, "asked for by name"


def recorder_for(device: "torch.device") -> "Recorder | None":
    """What records steps of training on a device; None if they are to be computed one by one."""
    from clustlab.training_step import CudaGraphs

    wanted = os.environ.get(GRAPHS, "no")
    if wanted not in ("yes", "no"):
        raise ParameterError(f"{GRAPHS} is {wanted!r}.", "Set it to yes or no.")
    return CudaGraphs(device) if wanted == "yes" and device.type == "cuda" else None
