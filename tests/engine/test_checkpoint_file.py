"""A checkpoint from anybody is read only if it is one, and grows no larger than it is."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from clustlab.data.checked_json import Unreadable
from clustlab.errors import ClustlabError
from clustlab.training.checkpoint_file import state_in
from clustlab.training.writer import load_checkpoint

STORED = Path(__file__).parents[1] / "support" / "stored_runs"
GOOD = sorted(STORED.glob("2*/checkpoint.pt"))


@pytest.fixture
def file(tmp_path):
    return Path(shutil.copy(GOOD[0], tmp_path / "checkpoint.pt"))


class Grows:
    """Becomes something large when it is read."""

    def __init__(self, make, *what):
        self.make, self.what = make, what

    def __reduce__(self):
        return self.make, self.what


def changed(file, **values):
    torch.save({**torch.load(file), **values}, file)


def packed(file):
    with zipfile.ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)


def linked(file):
    file.rename(file.with_name("other"))
    file.symlink_to("other")


def without_step(file):
    torch.save({k: v for k, v in torch.load(file).items() if k != "step"}, file)


BAD = {
    "cut": lambda file: os.truncate(file, 500),
    "empty": lambda file: os.truncate(file, 0),
    "list": lambda file: torch.save([1, 2], file),
    "packed": packed,
    "linked": linked,
    "device": lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    "pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "no step": without_step,
    "step of text": lambda file: changed(file, step="3"),
    "seconds": lambda file: changed(file, seconds=float("nan")),
    "random": lambda file: changed(file, random={"numpy": {}, "torch": torch.zeros(3)}),
    "code": lambda file: changed(file, later=Grows(os.getcwd)),
    "bytes": lambda file: changed(file, later=Grows(bytearray, 10**12)),
    "tensor": lambda file: changed(file, later=Grows(torch.Tensor, 10**12)),
}


@pytest.mark.parametrize("good", GOOD, ids=lambda file: file.parent.name)
def test_a_checkpoint_is_read(good):
    state = state_in(good)
    assert state.keys() == torch.load(good).keys()
    assert state["step"] > 0


@pytest.mark.parametrize("name", BAD)
def test_what_is_none_is_refused_with_a_remedy(file, name):
    BAD[name](file)
    with pytest.raises(Unreadable):
        state_in(file)
    with pytest.raises(ClustlabError, match=r"The saved state checkpoint\.pt .* cannot be read"):
        load_checkpoint(file)


def test_none_is_none(tmp_path):
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


def test_what_torch_writes_of_any_kind_is_read(file):
    value = [torch.zeros(3, dtype=kind) for kind in (torch.bfloat16, torch.int8, torch.bool)]
    changed(
        file, later={"set": {1}, "size": torch.Size([2]), "value": value, "kind": torch.float32}
    )
    assert state_in(file)["later"]["size"] == (2,)
