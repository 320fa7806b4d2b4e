"""How many runs the process runner carries out at a time, and each on which device.

`CLUSTLAB_SLOTS` says it: a number, or devices with commas between them, such as `cuda:0,cuda:1`.
Without it there is a slot for each graphics card if there are several, and else one.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clustlab.device import OF_THIS_WORKER
from clustlab.errors import ParameterError

VARIABLE = "CLUSTLAB_SLOTS"
MOST = 64
DEVICE = re.compile(r"cpu|mps|cuda|cuda:\d{1,2}")
CARD = re.compile(r"nvidia\d+")  # a device file of a graphics card
REMEDY = (
    f"Set it to a number from 1 to {MOST}, or to devices such as cuda:0,cuda:1 or cpu,cpu, "
    "or unset it."
)


@dataclass(frozen=True, slots=True)
class Slot:
    """Room for one run at a time."""

    device: str = ""  # such as `cuda:1`; empty for what the run itself chooses

    @property
    def kind(self) -> str:
        """Kind of the device, such as `cuda`."""
        return self.device.partition(":")[0]

    def suits(self, wanted: str) -> bool:
        """Whether a run that asks for a device (`auto`, `cuda`, `mps` or `cpu`) can have this."""
        return not self.device or wanted in ("auto", self.kind, self.device)

    def environment(self, n_slots: int, environ: Mapping[str, str]) -> dict[str, str]:
        """Environment of a worker that fills this slot beside others.

        It sees no other card than its own, and `auto` stands for its device. The processor is
        shared out among the slots unless somebody has done so.
        """
        mine = dict(environ)
        if n_slots > 1:
            mine.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // n_slots)))
        if not self.device:
            return mine
        mine[OF_THIS_WORKER] = self.kind
        if ":" in self.device:
            number = int(self.device.partition(":")[2])
            seen = _visible(environ)
            mine["CUDA_VISIBLE_DEVICES"] = (
                str(number) if seen is None else seen[number] if number < len(seen) else "-1"
            )
        return mine


def slots(environ: Mapping[str, str]) -> list[Slot]:
    """Slots that an environment asks for, at least one.

    Raises
    ------
    ParameterError
        If it asks for what is none.
    """
    text = environ.get(VARIABLE, "").strip()
    if not text:
        n_cards = _n_cards(environ)
        return [Slot(f"cuda:{i}") for i in range(n_cards)] if n_cards > 1 else [Slot()]
    if text.isdecimal() and text.isascii():
        number = int(text)
        if not 1 <= number <= MOST:
            raise ParameterError(f"{VARIABLE} is {text!r}.", REMEDY)
        return [Slot()] * number
    devices = [device.strip() for device in text.split(",")]
    for device in devices:
        if not DEVICE.fullmatch(device):
            raise ParameterError(f"{VARIABLE} is {text!r}: {device!r} is no device.", REMEDY)
    if len(devices) > MOST:
        raise ParameterError(f"{VARIABLE} has {len(devices)} devices.", REMEDY)
    return [Slot(device) for device in devices]


def suiting(every: Sequence[Slot], wanted: str) -> list[Slot]:
    """Slots for a run that asks for a device; all if none is of its kind.

    The processor is everywhere, so a run that asks for it waits for no slot of its own. Where the
    device is missing, the run says so.
    """
    return [slot for slot in every if slot.suits(wanted)] or list(every)


def _visible(environ: Mapping[str, str]) -> list[str] | None:
    """Cards that programs are to see; None if nobody says so."""
    text = environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return None
    known = [card.strip() for card in text.split(",")]
    return known[: next((i for i, card in enumerate(known) if card in ("", "-1")), len(known))]


def _n_cards(environ: Mapping[str, str]) -> int:
    """Number of graphics cards, found without loading what computes on them."""
    seen = _visible(environ)
    if seen is not None:
        return len(seen)
    try:
        return sum(bool(CARD.fullmatch(file)) for file in os.listdir(Path("/dev")))
    except OSError:  # there is no such folder on Windows
        return 0
