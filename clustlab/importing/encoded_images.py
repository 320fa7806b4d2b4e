"""Images as files within a table: what they have in common, and their pixels chunk by chunk."""

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from clustlab.data.checked_json import Unreadable
from clustlab.importing.decoders import Answer, pictures
from clustlab.importing.image_facts import Tally
from clustlab.importing.image_files import (
    Extent,
    Header,
    Recipe,
    Trait,
    as_stored,
    extents_chosen,
    extents_with,
    header,
    quiet,
    usual_size,
)
from clustlab.importing.plan import Choices
from clustlab.types import Array

KEPT_BYTES = 2**26  # of files that are looked at, and decoded
Files = Iterable[bytes | None]


@dataclass(frozen=True, slots=True)
class Common:
    """What becomes of all images of a column."""

    recipe: Recipe
    extents: Mapping[Trait, Extent]  # of each kind of deep images, black and white
    facts: tuple[str, ...]  # what was found, and what becomes of it

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return self.recipe.shape


def common(
    first: Files,
    choices: Choices,
    every: Callable[[], Files] | None = None,
    tick: Callable[[], None] = lambda: None,
    n_processes: int = 0,
) -> Common | None:
    """What becomes of images of which some are looked at; None if none of these can be read.

    Parameters
    ----------
    every : callable, optional
        All of them, which are gone through if there are any whose range has to be known.
    tick : callable
        Called often while they are; may raise to stop.
    n_processes : int
        That decode them; none at all to do so here.
    """
    quiet()
    headers: list[Header] = []
    kept: list[bytes] = []
    size = 0
    for data in first:
        try:
            headers.append(header(data or b"", sys.maxsize))
        except Unreadable:
            continue
        size += len(data or b"")
        if size <= KEPT_BYTES or not kept:
            kept.append(data or b"")
    if not headers:
        return None
    wanted = choices.size or usual_size([each.size for each in headers])
    most = choices.limits.pixels_of_one
    recipe = Recipe(wanted, choices.fit, "colour", choices.ground, most)
    tally = _tally(kept, recipe, tick, 0)
    is_colour = bool(tally.traits[Trait.COLOUR])
    if choices.colour != "as they are":
        is_colour = choices.colour == "colour"
    recipe = replace(recipe, channels="colour" if is_colour else "grey")
    chosen = extents_chosen(choices)
    extents = tally.extents
    if extents.keys() - chosen.keys() and every is not None:
        extents = _tally(every(), recipe, tick, n_processes).extents
    extents = {**extents, **chosen}
    return Common(recipe, extents, tuple(tally.sentences(recipe, extents)) if tally.n else ())


def _tally(files: Files, recipe: Recipe, tick: Callable[[], None], n_processes: int) -> Tally:
    tally = Tally()
    named = ((None, data or b"") for data in files)
    with closing(pictures(named, recipe, tick, n_processes)) as found:
        for _, picture in found:
            if not isinstance(picture, str):
                tally.add(picture)
    return tally


def decoded(
    chunks: Iterable[list[bytes | None]], wanted: Common, choices: Choices, n_processes: int
) -> Generator[tuple[Array, dict[int, str]]]:
    """For each chunk its images (m, h, w, c) uint8, and why some of them do not come in.

    To be closed, which ends the processes that decode.
    """
    lengths: deque[int] = deque()

    def files() -> Iterator[tuple[str, bytes]]:
        for chunk in chunks:
            lengths.append(len(chunk))
            for data in chunk:
                flaw = _flaw(data, choices)
                yield flaw, b"" if flaw else data or b""

    def whole() -> tuple[Array, dict[int, str]]:
        images = np.zeros((lengths.popleft(), *wanted.shape), np.uint8)
        wrong = {}
        for row, (flaw, found) in enumerate(answers):
            if flaw or isinstance(found, str):
                wrong[row] = flaw or f"holds a file that {found}"
            else:
                extents = extents_with(found, wanted.extents)
                images[row] = as_stored(found, wanted.recipe, extents)
        answers.clear()
        return images, wrong

    answers: list[tuple[str, Answer]] = []
    with closing(pictures(files(), wanted.recipe, lambda: None, n_processes)) as found:
        for each in found:
            while lengths[0] == 0:
                yield whole()
            answers.append(each)
            if len(answers) == lengths[0]:
                yield whole()
    while lengths:
        yield whole()


def _flaw(data: bytes | None, choices: Choices) -> str:
    if not data:
        return "has no image"
    if len(data) > choices.limits.bytes_of_one:
        return f"holds an image of {len(data):,} bytes, more than the limit"
    return ""
