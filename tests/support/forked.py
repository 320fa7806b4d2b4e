"""The command line in child processes forked from one that has imported it, the fake method too.

A new interpreter would take seconds to import torch, each time.
"""

import multiprocessing
import os
import sys

from clustlab.__main__ import main
from clustlab.training import worker  # noqa: F401  what a run needs is there when it is forked
from tests.support.fakes import install

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def start(*words, fake=True):
    """A process that carries out a command without a word; it has `pid`, `exitcode`, `join`."""
    process = _PROCESSES.Process(target=_carry_out, args=(words, fake), daemon=True)
    process.start()
    return process


def _carry_out(words, fake):
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if fake:
        install()
    sys.exit(main(list(words)))
