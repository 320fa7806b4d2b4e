"""A recorder that works on any device: what a CUDA graph does, told operation by operation.

Operations are noted with the tensors that they got and gave. A replay carries them out again on the
same tensors, without any Python of the step: what the step read from elsewhere stays as it was.
"""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only


class Recorded:
    """See `clustlab.training_step.Recorder`."""

    def __init__(self):
        self.replays = 0

    def warm_up(self, compute):
        return compute()

    def record(self, compute):
        with _Tape() as tape:
            out = compute()
        is_first = True

        def replay():
            nonlocal is_first
            self.replays += 1
            if not is_first:  # recording has carried it out already
                tape.play()
            is_first = False
            return out

        return replay


class _Tape(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.told = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = func(*args, **(kwargs or {}))
        noted = (args, kwargs or {}, given)
        self.told.append((func, *tree_map_only(Tensor, Tensor.detach, noted)))
        return given

    @torch.no_grad()
    def play(self):
        for func, args, kwargs, given in self.told:
            _put(func(*args, **kwargs), given)


def _put(now, before):
    """Put what an operation gives now where it was when it was recorded."""
    for new, old in zip(tree_leaves(now), tree_leaves(before), strict=True):
        if isinstance(new, Tensor) and new.data_ptr() != old.data_ptr():
            old.copy_(new)
