"""Images from a folder, an archive or uploaded files: looked at beforehand, and brought in."""

import math
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from clustlab.data.checked_json import Unreadable
from clustlab.data.own_about import Treatment
from clustlab.data.own_sets import SetWriter, name_from
from clustlab.errors import DataError, ParameterError
from clustlab.importing import image_labels, intake
from clustlab.importing.cells import told
from clustlab.importing.classes import Classes
from clustlab.importing.decoders import FEW, PROCESSES, answer, pictures
from clustlab.importing.image_facts import Tally, counted
from clustlab.importing.image_files import (
    DEEP,
    USUAL_SIZE,
    Channels,
    Extent,
    Picture,
    Recipe,
    Trait,
    as_stored,
    check_kind,
    extent_of,
    extents_chosen,
    extents_with,
    quiet,
    ranges_of,
    usual_size,
)
from clustlab.importing.image_labels import FOLDER, Known, SideTable
from clustlab.importing.image_listing import Listing, listed, looked_at, table_beside
from clustlab.importing.image_sources import opened
from clustlab.importing.plan import (
    REFUSED_SHOWN,
    SHOWN,
    Choices,
    Outcome,
    Preview,
    Refusals,
    Refused,
    Source,
    Watch,
    check_whole,
    class_counts,
    told_name,
)
from clustlab.importing.source_entries import Opened
from clustlab.types import Array, Labelling

LISTING_SECONDS = 8.0  # after which a preview knows enough of an archive that has no list
LARGEST_SIZE = 1024  # pixels a side that may be stored
FEW_BYTES = 2**25  # that FEW files may have to be decoded here
BATCH_BYTES = 2**24  # of pixels that are written at a time
START_SECONDS = 1.0  # until processes run
LISTING, MEASURING = 0.05, 0.5  # shares of an import until lists are read, and ranges are known
HINT = "Choose a folder or an archive with PNG, JPEG, TIFF, GIF, BMP, WebP or AVIF files."


def preview(source: Source, choices: Choices) -> Preview:
    """What would come in.

    Raises
    ------
    DataError
        If there is no image in it, or it cannot be read at all.
    ParameterError
        If a choice is impossible.
    """
    quiet()
    with opened(source, choices.limits) as files:
        listing = listed(files, choices.limits, lambda share: None, LISTING_SECONDS)
        plan = _planned(files, listing, choices, lambda: None)
    recipe, tally, known = plan.recipe, plan.tally, plan.known
    refused = [*listing.refused, *plan.refused]
    n_items = round((len(listing.names) - plan.n_likely_refused) / listing.share) + plan.n_others
    names = [plan.name(name) for name, _ in plan.sample]
    classes = Classes(known.labels)
    if first := known.classes.get(known.labels):
        classes.add(np.array([first(plan.name(name)) for name in listing.names], object))
    labelling = classes.labelling()
    letters = sum(map(len, names)) / len(names) + 8
    nbytes = int(n_items * (math.prod(recipe.shape) + letters))
    n_processes = _n_processes(listing)
    return Preview(
        "images",
        max(n_items, 1),
        recipe.shape,
        (*_about_files(plan), *plan.sentences(), *_about_classes(plan, labelling)),
        (*_warnings(plan, n_items), *classes.remarks(), *intake.remarks_on_room(nbytes)),
        tuple(refused[:REFUSED_SHOWN]),
        len(refused),
        class_counts(labelling.labels, labelling.class_names),
        np.stack([as_stored(each, recipe, tally.extents) for _, each in plan.sample]),
        tuple(known.name_of(name) for name in names),
        columns=known.columns,
        chosen=plan.chosen,
        nbytes=nbytes,
        memory=intake.memory_for(
            n_items,
            len(known.classes),
            letters,
            max(height * width for height, width in tally.sizes),
        ),
        seconds=START_SECONDS * bool(n_processes)
        + n_items * plan.seconds_each / (n_processes or 1),
    )


def bring_in(source: Source, title: str, choices: Choices, watch: Watch) -> Outcome:
    """Import images; whatever stops it leaves nothing behind.

    Raises
    ------
    DataError
        If there is no image in it, or it cannot be read at all.
    ParameterError
        If a choice is impossible, or the title that of another set.
    """
    quiet()
    name_from(title)
    with opened(source, choices.limits) as files:
        listing = listed(
            files,
            choices.limits,
            lambda share: watch("Reading the list of files", LISTING * share),
        )
        plan = _planned(files, listing, choices, lambda: watch("Looking at some images", LISTING))
        intake.check_room(len(listing.names) * math.prod(plan.recipe.shape))
        extents: dict[Trait, Extent] = {}
        if plan.tally.extents:
            extents = _extents(files, plan, watch)
        try:
            return _written(files, title, plan, extents, watch)
        except _RangeMissing:  # no such image was among those that were looked at
            return _written(files, title, plan, _extents(files, plan, watch), watch)


@dataclass(frozen=True, slots=True)
class Read:
    """Images that are read without being kept."""

    shape: tuple[int, int, int]  # of one
    origin: str
    facts: tuple[str, ...]
    batches: Generator[tuple[Array, list[str]]]  # images (m, h, w, c) uint8, and their names


def read(source: Opened, choices: Choices, refused: Refusals, watch: Watch) -> Read:
    """Images as an import would store them, some at a time; raises like `bring_in`.

    Parameters
    ----------
    refused : Refusals
        Gets what does not come in, while batches are asked for.
    """
    quiet()
    listing = listed(
        source, choices.limits, lambda share: watch("Reading the list of files", LISTING * share)
    )
    plan = _planned(source, listing, choices, lambda: watch("Looking at some images", LISTING))
    extents = extents_chosen(choices)
    if plan.tally.extents.keys() - extents.keys():
        extents = {**_extents(source, plan, watch), **extents}

    def stored(picture: Picture) -> Array:
        return as_stored(picture, plan.recipe, extents_with(picture, extents))

    def batches() -> Generator[tuple[Array, list[str]]]:
        tick = _telling(plan, LISTING, watch)
        with closing(_batches(source, plan, refused, stored, tick)) as found:
            for pixels, names in found:
                yield pixels, [plan.known.name_of(name) for name in names]

    facts = tuple(plan.tally.sentences(plan.recipe, {**plan.tally.extents, **extents}))
    return Read(plan.recipe.shape, listing.origin, facts, batches())


# -- what it is taken for ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Plan:
    """What was given is taken for this, and becomes that."""

    listing: Listing
    folder: str  # that all images lie in; no part of their names
    known: Known
    table: SideTable | None
    recipe: Recipe
    chosen: Choices  # with guesses filled in
    is_size_guessed: bool
    tally: Tally  # of those that were looked at
    sample: tuple[tuple[str, Picture], ...]
    refused: tuple[Refused, ...]  # among tables and what was looked at
    n_likely_refused: int
    n_others: int
    n_others_left: int
    seconds_each: float  # to decode one

    def name(self, file: str) -> str:
        """Name of an image from that of its file."""
        return file.removeprefix(self.folder)

    def sentences(self) -> list[str]:
        """What becomes of those that were looked at."""
        return self.tally.sentences(self.recipe, self.tally.extents)


def _planned(source: Opened, listing: Listing, choices: Choices, tick: Callable[[], None]) -> _Plan:
    folder = image_labels.common_folder(listing.names)
    names = [name.removeprefix(folder) for name in listing.names]
    table, tables_refused = table_beside(listing, folder)
    known = image_labels.known(image_labels.folder_classes(names), names, table, choices)
    first = known.classes.get(known.labels)

    def class_of(file: str) -> str:
        return first(file.removeprefix(folder)) if first else ""

    looked = looked_at(source, listing, class_of, choices.limits, tick)
    size = choices.size or usual_size([each.header.size for each in looked.seen])
    if not all(1 <= side <= LARGEST_SIZE for side in size):
        raise ParameterError(
            f"Images cannot be stored with {size[1]:,} x {size[0]:,} pixels.",
            f"Choose a width and a height from 1 to {LARGEST_SIZE:,}.",
        )
    recipe = Recipe(size, choices.fit, "colour", choices.ground, choices.limits.pixels_of_one)
    tally, refused = Tally(), list(looked.refused)
    sample: list[tuple[str, Picture]] = []
    start = time.perf_counter()
    for each in looked.seen:
        tick()
        found = answer(each.data, recipe, beside_others=False)
        if isinstance(found, str):
            refused.append(Refused(each.name, found))
            continue
        tally.add(found)
        if len(sample) < SHOWN:
            sample.append((each.name, found))
    if not sample:
        of_all = Refusals()
        of_all.add(*listing.refused, *refused)
        raise _nothing(listing.origin, of_all)
    if choices.colour != "as they are":
        channels: Channels = choices.colour
    else:
        channels = "colour" if tally.traits[Trait.COLOUR] else "grey"
    return _Plan(
        listing=listing,
        folder=folder,
        known=known,
        table=table,
        recipe=replace(recipe, channels=channels),
        chosen=replace(choices, size=size, colour=channels, labels=known.labels, names=known.names),
        is_size_guessed=choices.size is None,
        tally=tally,
        sample=tuple(sample),
        refused=(*tables_refused, *refused),
        n_likely_refused=looked.n_likely_refused + len(refused) - len(looked.refused),
        n_others=looked.n_others,
        n_others_left=looked.n_others_left,
        seconds_each=(time.perf_counter() - start) / len(looked.seen),
    )


def _nothing(origin: str, refused: Refusals) -> DataError:
    if not refused.n:
        return DataError(f"{origin} holds no files.", HINT)
    n, first = refused.n, refused.first[0]
    of = f", the first of {n:,} files," if n > 1 else ""
    return DataError(f"There is no image in {origin}: {first.name}{of} {first.reason}.", HINT)


# -- what is told of it --------------------------------------------------------------------------
def _about_files(plan: _Plan) -> Iterator[str]:
    listing, n = plan.listing, plan.tally.n
    files = f"{counted(len(listing), 'file', 'files')} in {listing.origin}"
    if listing.share < 1:
        yield (
            f"The first {files} were counted; such an archive has no list, so there may be about "
            f"{len(listing) / listing.share:,.0f}."
        )
    else:
        yield f"{files}."
    if n + len(plan.refused) < len(listing):
        yield (
            f"{n:,} of them were looked at, evenly over all; what follows holds for these. What "
            "cannot be read among the others is left out and listed after the import."
        )
    if plan.is_size_guessed and set(plan.tally.sizes) != {plan.recipe.size}:
        height, width = plan.recipe.size
        short = statistics.median(min(each) for each in plan.tally.sizes.elements())
        why = (
            "as more takes long to train on"
            if short > USUAL_SIZE
            else "near the median of short sides"
        )
        yield f"{width} x {height} is chosen, {why}; another size can be chosen."


def _about_classes(plan: _Plan, labelling: Labelling) -> Iterator[str]:
    known, table = plan.known, plan.table
    if table:
        yield f"{told_name(table.file)} says more of {counted(len(table.rows), 'image', 'images')}."
    if not labelling.class_names:
        yield "They come without classes."
        return
    n = len(labelling.class_names)
    place = (
        "the folders that they lie in" if known.labels == FOLDER else f"column {told(known.labels)}"
    )
    yield f"Their {n:,} classes come from {place}."
    unknown = int((labelling.labels < 0).sum())
    if unknown:
        yield f"{counted(unknown, 'image has', 'images have')} no class."


def _warnings(plan: _Plan, n_items: int) -> Iterator[str]:
    if n_items == 1:
        yield "There is only one image; methods need at least as many as there are clusters."
    if plan.n_others_left:
        yield (
            f"{counted(plan.n_others_left, 'file is', 'files are')} not called like an image and "
            "were not looked at; those that are none will be listed."
        )
    table = plan.table
    if table and table.n_strange:
        yield (
            f"{counted(table.n_strange, 'row', 'rows')} of {told_name(table.file)} "
            f"{'names' if table.n_strange == 1 else 'name'} no image here, such as "
            f"{told(table.strange)}; correct the names, or leave them out."
        )
    if table and table.n_several:
        yield (
            f"{counted(table.n_several, 'image has', 'images have')} several rows in "
            f"{told_name(table.file)} that say different things, such as {told(table.several)}; "
            "the first row of each counts."
        )
    if table and len(table.rows) < len(plan.listing.names):
        missing = len(plan.listing.names) - len(table.rows)
        yield (
            f"{counted(missing, 'image has', 'images have')} no row in {told_name(table.file)}; "
            "add rows if they should have classes."
        )


# -- bringing it in ------------------------------------------------------------------------------
class _RangeMissing(Exception):
    """A deep image has come up before the range of its kind is known."""


def _n_processes(listing: Listing) -> int:
    few = len(listing) <= FEW and listing.nbytes <= FEW_BYTES
    return 0 if few else PROCESSES


def _decoded(
    source: Opened,
    plan: _Plan,
    refused: Refusals,
    tick: Callable[[int], None],
) -> Generator[tuple[str, Picture]]:
    """Every image with the name of its file; what is none goes to `refused`."""
    limits, listing = plan.chosen.limits, plan.listing
    tables = {plan.table.file} if plan.table else set()
    n_read = 0
    source.tick = lambda: tick(n_read)

    def files() -> Iterator[tuple[str, bytes]]:
        nonlocal n_read
        for entry in source.entries():
            if isinstance(entry, Refused):
                refused.add(entry)
                continue
            if entry.name in tables:
                continue
            n_read += 1
            try:
                data = entry.read(limits.bytes_of_one, check_kind)
            except Unreadable as error:
                refused.add(Refused(entry.name, str(error)))
                if n_read % 64 == 0:
                    tick(n_read)
                continue
            yield entry.name, data

    found = pictures(files(), plan.recipe, lambda: tick(n_read), _n_processes(listing))
    with closing(found):
        for name, picture in found:
            if isinstance(picture, str):
                refused.add(Refused(name, picture))
            else:
                yield name, picture


def _extents(source: Opened, plan: _Plan, watch: Watch) -> dict[Trait, Extent]:
    """Least and greatest value of all deep images of a kind, once they have their size."""
    tally = Tally()
    n = max(len(plan.listing), 1)

    def tick(done: int) -> None:
        share = min(done / n, 1.0)
        watch("Measuring the range of values", LISTING + (MEASURING - LISTING) * share)

    with closing(_decoded(source, plan, Refusals(), tick)) as images:
        for _, picture in images:
            if extent_of(picture):
                tally.add(picture)
    return tally.extents


def _telling(plan: _Plan, begin: float, watch: Watch) -> Callable[[int], None]:
    """Tells how many images are decoded, from a share of the work on."""
    n = max(len(plan.listing), 1)

    def tick(done: int) -> None:
        watch("Decoding images", begin + (0.98 - begin) * min(done / n, 1.0))

    return tick


def _batches(
    source: Opened,
    plan: _Plan,
    refused: Refusals,
    stored: Callable[[Picture], Array],
    tick: Callable[[int], None],
) -> Generator[tuple[Array, list[str]]]:
    """Some images (m, h, w, c) uint8 at a time, with their names among what was given."""
    size = max(1, min(1024, BATCH_BYTES // math.prod(plan.recipe.shape)))
    pixels: list[Array] = []
    names: list[str] = []
    with closing(_decoded(source, plan, refused, tick)) as images:
        for file, picture in images:
            pixels.append(stored(picture))
            names.append(plan.name(file))
            if len(pixels) == size:
                yield np.stack(pixels), names
                pixels, names = [], []
    if pixels:
        yield np.stack(pixels), names


def _written(
    source: Opened, title: str, plan: _Plan, extents: Mapping[Trait, Extent], watch: Watch
) -> Outcome:
    recipe, known = plan.recipe, plan.known
    refused = Refusals()
    tally = Tally()
    classes = {title: Classes(title) for title in known.classes}
    tick = _telling(plan, MEASURING if extents else LISTING, watch)

    def stored(picture: Picture) -> Array:
        if any(kind in picture.traits and kind not in extents for kind in DEEP):
            raise _RangeMissing
        tally.add(picture)
        return as_stored(picture, recipe, extents)

    with SetWriter("images", recipe.shape) as writer:
        with closing(_batches(source, plan, refused, stored, tick)) as batches:
            for pixels, names in batches:
                writer.append(pixels, [known.name_of(name) for name in names])
                for each, class_of in known.classes.items():
                    classes[each].add(np.array([class_of(name) for name in names], object))
        if not writer.n_items:
            raise _nothing(plan.listing.origin, refused)
        check_whole(refused, plan.chosen)
        watch("Storing", 0.98)
        labellings = {title: each.labelling() for title, each in classes.items()}
        own, is_new = writer.finish(
            title,
            origin=plan.listing.origin,
            conversion=" ".join(tally.sentences(recipe, extents)),
            labellings={title: each for title, each in labellings.items() if each.class_names},
            refused=refused.as_stored(),
            n_refused=refused.n,
            treatment=Treatment(recipe.fit, recipe.ground, ranges_of(extents)),
        )
    watch("Storing", 1.0)
    return Outcome(own, is_new, tuple(refused.first), refused.n)
