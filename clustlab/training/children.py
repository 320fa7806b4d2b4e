"""Child processes of the server that are told of runs on standard input, and answer by lines."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import clustlab


def started(
    command: Sequence[str], root: Path, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    """A child that a command starts, which finds this code and is told of the folder of runs."""
    home = str(Path(clustlab.__file__).parents[1])  # the server may run in another folder
    path = os.pathsep.join(p for p in (home, environment.get("PYTHONPATH")) if p)
    return subprocess.Popen(
        [*command, "--runs", str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": path},
    )


def answers_of_child() -> TextIO:
    """Standard output, kept for the answers: whatever a run prints goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers
