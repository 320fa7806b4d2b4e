"""The formats that a run can be exported to, and how to ask for one."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from clustlab.data.new_files import TELLS, new_file, new_folder
from clustlab.errors import ParameterError, StepMissing
from clustlab.scripting.exporting import tables, viewers
from clustlab.scripting.exporting.step_table import ExportedRun
from clustlab.scripting.runs import LAST, OpenRun


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it is, and what writes it."""

    name: str
    meaning: str
    ending: str  # of its file; empty if it is a folder
    takes_all_steps: bool
    needs_images: bool
    write: Callable[[ExportedRun, Path], None]
    look: str = ""  # how to look at it, as a command
    look_at_images: str = ""  # what the command says besides if there are images


@dataclass(frozen=True, slots=True)
class Export:
    """What was exported."""

    path: Path
    to: str
    steps: tuple[int, ...]
    missing: tuple[int, ...]  # steps that cannot be read, and were left out
    look: str  # how to look at it, as a command; empty if every program knows how


_ALL = (
    Format("parquet", "One table with images", ".parquet", True, False, tables.write_parquet),
    Format("csv", "One table as text", ".csv", True, False, tables.write_csv),
    Format("npy", "A folder of arrays", "", True, False, tables.write_npy),
    Format(
        "projector",
        "TensorBoard's projector",
        "",
        True,
        False,
        viewers.write_projector,
        "tensorboard --logdir {path}",
    ),
    Format(
        "fiftyone",
        "FiftyOne",
        "",
        False,
        True,
        viewers.write_fiftyone,
        "fiftyone app view --dataset-dir {path} --type "
        "fiftyone.types.FiftyOneImageClassificationDataset",
    ),
    Format(
        "spotlight",
        "Renumics Spotlight",
        "",
        False,
        False,
        viewers.write_spotlight,
        "cd {path} && spotlight items.parquet --dtype embedding=Embedding",
        " --dtype image=Image",
    ),
    Format(
        "atlas",
        "Embedding Atlas",
        ".parquet",
        False,
        False,
        viewers.write_atlas,
        "embedding-atlas {path} --x x --y y",
        " --image image",
    ),
    Format(
        "folders", "A folder of images for each cluster", "", False, True, viewers.write_folders
    ),
)
FORMATS: Mapping[str, Format] = MappingProxyType({each.name: each for each in _ALL})


def export(
    run: OpenRun,
    to: str,
    path: str | Path | None = None,
    *,
    step: int | None = None,
    all_steps: bool = False,
    images: bool = True,
    force: bool = False,
) -> Export:
    """Write a run for another program.

    Parameters
    ----------
    to : str
        One of `FORMATS`: parquet, csv, npy, projector, fiftyone, spotlight, atlas or folders.
    path : str or Path, optional
        File or folder; by default named by run, step and format, in the working folder.
    step : int, optional
        Counted from 0, or from the last one if it is negative; by default the last one.
    all_steps : bool
        Every step in place of one, where the format has room for that.
    images : bool
        Whether images come along, where there are any and the format does not need them.
    force : bool
        Whether it may replace what is at `path`; a folder only if an export has made it.

    Raises
    ------
    ParameterError
        If there is no such format or step, something is at `path`, or the format needs images and
        there are none.
    StorageError
        If the machine does not let it be written; nothing half-written stays.
    """
    chosen = check_format(to, all_steps=all_steps)
    if all_steps and step is not None:
        raise ParameterError("Either one step is exported or all of them.", "Leave out one.")
    steps, missing = _steps(run, step, all_steps=all_steps)
    exported = ExportedRun(run, steps, images)
    if chosen.needs_images:
        exported.needed_images  # noqa: B018 - raises before anything is written
    place = Path(path) if path is not None else default_path(run, chosen, steps)
    if chosen.ending:
        with new_file(place, force=force) as temporary:
            chosen.write(exported, temporary)
    else:
        with new_folder(place, force=force) as temporary:
            chosen.write(exported, temporary)
            about = json.dumps({**exported.about, "to": to}, indent=1)
            (temporary / TELLS).write_text(about, encoding="utf-8")
    look = chosen.look + ("" if exported.images is None else chosen.look_at_images)
    return Export(place, to, tuple(steps), missing, look.format(path=shlex.quote(str(place))))


def check_format(to: str, *, all_steps: bool) -> Format:
    """Format of a name; raises `ParameterError` if there is none, or it has room for one step."""
    if to not in FORMATS:
        raise ParameterError(f"There is no format {to!r}.", f"Choose one of: {', '.join(FORMATS)}.")
    if all_steps and not FORMATS[to].takes_all_steps:
        able = ", ".join(each.name for each in _ALL if each.takes_all_steps)
        raise ParameterError(f"{to} has room for one step.", f"Export all steps to one of: {able}.")
    return FORMATS[to]


def default_path(run: OpenRun, chosen: Format, steps: list[int]) -> Path:
    """Name by run, step and format."""
    which = f"step-{steps[0]:05d}" if len(steps) == 1 else "all-steps"
    return Path(re.sub(r"[^\w.-]", "_", f"{run.id}-{which}-{chosen.name}{chosen.ending}"))


def _steps(run: OpenRun, step: int | None, *, all_steps: bool) -> tuple[list[int], tuple[int, ...]]:
    """Steps to export, and those that cannot be."""
    if not all_steps:
        return [run.view(LAST if step is None else step).step], ()
    missing = tuple(each for each in run.steps if not _is_readable(run, each))
    steps = [each for each in run.steps if each not in missing]
    if not steps:
        run.view(LAST)  # says why
    return steps, missing


def _is_readable(run: OpenRun, step: int) -> bool:
    try:
        run.embedding(step)
    except StepMissing:
        return False
    return True
