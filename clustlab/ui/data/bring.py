"""Bringing in data of one's own: what is given, what it is taken for, and what becomes of it."""

import contextlib
import io
import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import streamlit as st

from clustlab.data import own_sets
from clustlab.data.free_titles import free_title
from clustlab.data.item_names import shortened
from clustlab.errors import ClustlabError, ParameterError, storage_errors
from clustlab.importing import job, shown_images, sources
from clustlab.importing.plan import (
    Choices,
    Colour,
    Fit,
    Ground,
    Limits,
    Outcome,
    Preview,
    Source,
    Watch,
    settled,
)
from clustlab.ui import session, state
from clustlab.ui.data import preview
from clustlab.ui.markdown import plain
from clustlab.ui.shared import Shared

ROOT = "CLUSTLAB_IMPORT_ROOT"
LISTED = 30  # entries of the folder on the server that are named
LARGEST_SIDE = 1024  # pixels
FITS = {"crop": "Crop", "pad": "Pad", "stretch": "Stretch"}
COLOURS = {"as they are": "As they are", "grey": "Grey", "colour": "Colour"}
GROUNDS = {"black": "Black", "white": "White"}
NONE = ""  # stands for no column
_FROM = {"files": "Files or an archive", "folder": "A folder", "server": "This server"}

_previews: Shared[Preview] = Shared(8)


@dataclass(frozen=True)
class Given:
    """What somebody wants to bring in."""

    source: Source
    key: Hashable  # of its content
    title: str  # what the data set may be called


def bring_your_own() -> None:
    """Choose files, see what they are taken for, and start the import."""
    st.subheader("Bring your own data", anchor=False)
    st.caption(
        "Images in a folder, a ZIP or a TAR, with a folder for each class if there are classes; "
        "arrays (.npy, .npz, idx); tables (CSV, TSV, Parquet, Feather) of features, embeddings or "
        "images. Nothing is written before you press Import."
    )
    try:
        with storage_errors("choose the files again"):
            given = _given()
            limits = _limits()
            if given is not None:
                _planned(given, limits)
    except ClustlabError as error:
        session.show_error(error)


# -- what is given -------------------------------------------------------------------------------
def _given() -> Given | None:
    """What was chosen, if anything was."""
    root = os.environ.get(ROOT, "")
    ways = [way for way in _FROM if way != "server" or root]
    way = st.segmented_control(
        "Where it is",
        ways,
        default="files",
        required=True,
        format_func=_FROM.__getitem__,
        key="bring-from",
    )
    if way == "server":
        return _on_server(Path(root))
    most = int(st.get_option("server.maxUploadSize"))
    beyond = "choose This server" if root else "use the command **import** on the server"
    turn = state.BRING_TURN.get()
    uploads: Any = st.file_uploader(
        "Files to import" if way == "files" else "Folder to import",
        accept_multiple_files=True if way == "files" else "directory",
        key=f"bring-{way}-{turn}",
    )
    many = "" if way == "files" else " A folder of many thousand files is sent faster as one ZIP."
    st.caption(f"Up to {most:,} MB a file; for more, {beyond}.{many}")
    if not uploads:
        return None
    files = [(str(each.name), io.BytesIO(each.getvalue())) for each in uploads]  # no copies
    return Given(
        files, tuple(each.file_id for each in uploads), _title([name for name, _ in files])
    )


def _title(names: Sequence[str]) -> str:
    """What data may be called by the names of its files."""
    paths = [PurePosixPath(name.replace("\\", "/")) for name in names]
    folders = {path.parts[0] for path in paths if len(path.parts) > 1}
    if len(paths) > 1 and len(folders) == 1 and all(len(path.parts) > 1 for path in paths):
        return folders.pop()
    return paths[0].name.partition(".")[0] if len(paths) == 1 else "My data"


def _on_server(root: Path) -> Given | None:
    """A file or folder below the one that whoever runs the server has opened for imports."""
    try:
        entries = sorted(each.name for each in root.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise ParameterError(
            f"The folder for imports cannot be opened: {error.strerror}.",
            f"{ROOT} on the server must name a folder that may be read.",
        ) from error
    text = st.text_input(
        "File or folder on this server",
        placeholder="a path below the folder for imports",
        key=f"bring-path-{state.BRING_TURN.get()}",
    )
    more = f" and {len(entries) - LISTED:,} more" if len(entries) > LISTED else ""
    there = ", ".join(map(shortened, entries[:LISTED])) or "nothing"
    st.caption(f"There is: {plain(there)}{more}.")
    if not text:
        return None
    place = sources.beside_uploads(root, str(text))
    about = place.stat()
    title = place.name.partition(".")[0] or place.name
    return Given(place, (str(place), about.st_mtime_ns, about.st_size), title)


# -- what it is taken for ------------------------------------------------------------------------
def _previewed(given: Given, choices: Choices, images: str = NONE) -> Preview:
    """What would come in, shown as the images of a set or not; looked at once for equal choices."""

    def look() -> Preview:
        if not images:
            return sources.preview(given.source, choices)
        with _file_of(given.source) as path:
            return shown_images.preview(path, images, choices)

    with st.spinner("Looking at it ..."):
        return _previews.get((given.key, choices, images), look)


@contextlib.contextmanager
def _file_of(source: Source) -> Iterator[Path]:
    """The one file that was given."""
    if isinstance(source, Path):
        yield source
    else:
        with sources.as_file(source[0]) as path:
            yield path


def _planned(given: Given, limits: Limits) -> None:
    first = _previewed(given, Choices(limits=limits))
    left, right = st.columns([2, 3], gap="large")
    with left:
        choices = _choices(given, first)
        seen = first if choices == Choices(limits=choices.limits) else _previewed(given, choices)
        images = _images_of(given, seen)
        if images:
            seen = _previewed(given, choices, images)
        preview.balance(seen)
    with right:
        preview.sample(seen)
        preview.facts(seen)
        preview.refusals(seen)
        _start(given, choices, images, seen)


def _limits() -> Limits:
    """What is refused because it is too large, folded away."""
    usual = Limits()
    title = (
        f"Limits: {usual.items:,} items, {usual.bytes_in_all >> 30} GB unpacked, "
        f"{usual.bytes_of_one >> 20} MB and {usual.pixels_of_one // 10**6} million pixels for one"
    )
    with st.expander(title, icon=":material/speed:"):
        st.caption("Single files that are larger are left out; of the whole, nothing is taken.")
        columns = st.columns(4)
        with columns[0]:
            items = st.number_input("Items", 1, 10**9, usual.items, key="limit-items")
        with columns[1]:
            in_all = st.number_input(
                "GB in all, unpacked", 1, 10_000, usual.bytes_in_all >> 30, key="limit-in-all"
            )
        with columns[2]:
            of_one = st.number_input(
                "MB of one item", 1, 10_000, usual.bytes_of_one >> 20, key="limit-of-one"
            )
        with columns[3]:
            pixels = st.number_input(
                "Million pixels of one image",
                1,
                1000,
                usual.pixels_of_one // 10**6,
                key="limit-pixels",
            )
    return Limits(int(items), int(in_all) << 30, int(of_one) << 20, int(pixels) * 10**6)


def _choices(given: Given, first: Preview) -> Choices:
    """Fields for what can be chosen, with the guesses filled in; says what differs from them."""
    name = _Names(given)
    guessed, chosen = first.chosen, Choices(limits=first.chosen.limits)
    if first.columns:
        chosen = _columns(given, first, chosen, name)
    if first.kind == "images" or first.sample_images is not None:
        images = first.sample if first.sample_images is None else first.sample_images
        chosen = _looks(guessed, chosen, images.shape[1:3], name)
    return chosen


class _Names:
    """Keys of the fields for what is given: other files begin with their own guesses."""

    def __init__(self, given: Given) -> None:
        self._given = hash(given.key)

    def __call__(self, field: str, *depends: Any) -> str:
        return f"bring-{field}-{hash((self._given, depends))}"


def _columns(given: Given, first: Preview, chosen: Choices, key: _Names) -> Choices:
    """Which column is what."""
    about = {column.name: column.about for column in first.columns}

    def words(column: str) -> str:
        return f"{column} ({about[column]})" if column else "none"

    def one(field: str, label: str, role: Any, guess: str | None) -> str | None:
        """Column of a role that differs from the guess, else None."""
        possible = [column.name for column in first.columns if role in column.roles]
        if not possible:
            return None
        options = [NONE, *possible]
        index = options.index(guess) if guess in options else 0
        value = st.selectbox(plain(label), options, index, format_func=words, key=key(field))
        return None if value == options[index] else str(value)

    chosen = replace(
        chosen,
        labels=one("labels", "Classes", "labels", first.chosen.labels),
        names=one("names", "Names of items", "names", first.chosen.names),
        image=one("image", "Images", "image", first.chosen.image),
    )
    narrowed = first if chosen == Choices(limits=chosen.limits) else _previewed(given, chosen)
    guess = narrowed.chosen
    others = [c.name for c in first.columns if "labels" in c.roles and c.name != guess.labels]
    if others:
        more = st.multiselect(
            "More sets of classes",
            others,
            [each for each in guess.others if each in others],
            format_func=words,
            key=key("others", guess.labels),
            help="They can be chosen instead of the first on the page Train.",
        )
        if tuple(more) != guess.others:
            chosen = replace(chosen, labels=guess.labels, others=tuple(more))
    possible = [c.name for c in first.columns if {"feature", "vectors"} & set(c.roles)]
    if possible:
        features = st.multiselect(
            "Features",
            possible,
            [each for each in guess.features or () if each in possible],
            format_func=words,
            key=key("features", guess.labels, guess.names, guess.image),
            help="What methods see: columns of numbers, or one that holds vectors.",
        )
        if not features and not guess.image:
            raise ParameterError(
                "No column is chosen for the features.",
                "Choose at least one: methods see nothing else.",
            )
        if tuple(features) != (guess.features or ()):
            chosen = replace(chosen, features=tuple(features))
    return chosen


def _looks(guessed: Choices, chosen: Choices, shape: Sequence[int], key: _Names) -> Choices:
    """Size and colours of images."""
    usual = guessed.size or (int(shape[0]), int(shape[1]))
    tall, wide = st.columns(2)
    with tall:
        height = st.number_input("Height in pixels", 1, LARGEST_SIDE, usual[0], key=key("height"))
    with wide:
        width = st.number_input("Width in pixels", 1, LARGEST_SIDE, usual[1], key=key("width"))
    if (height, width) != usual:
        chosen = replace(chosen, size=(int(height), int(width)))
    with st.expander("Proportions, colours and ground"):
        return replace(chosen, **_treatment(key))


def _treatment(key: _Names) -> dict[str, Any]:
    """What becomes of images that are not as they should be."""
    fit = st.segmented_control(
        "Other proportions",
        get_args(Fit),
        default="crop",
        required=True,
        format_func=FITS.__getitem__,
        key=key("fit"),
        help="What becomes of images that are wider or higher: their middle is cut out, they are "
        "laid on a ground, or stretched.",
    )
    colour = st.segmented_control(
        "Colours",
        get_args(Colour),
        default="as they are",
        required=True,
        format_func=COLOURS.__getitem__,
        key=key("colour"),
    )
    ground = st.segmented_control(
        "Ground",
        get_args(Ground),
        default="black",
        required=True,
        format_func=GROUNDS.__getitem__,
        key=key("ground"),
        help="What shows where an image is transparent, or does not reach.",
    )
    return {"fit": fit, "colour": colour, "ground": ground}


# -- the start -----------------------------------------------------------------------------------
def _start(given: Given, choices: Choices, images: str, seen: Preview) -> None:
    """Name of the data set, and the button that imports it."""
    if not images:  # else names are looked for that are those of the images
        choices = settled(choices, seen.chosen)
    name, button = st.columns([2, 1], vertical_alignment="bottom")
    with name:
        title = st.text_input(
            "Name of the data set",
            free_title(given.title),
            max_chars=100,
            key=_Names(given)("title"),
        )
    problem: ClustlabError | None = None
    try:
        own_sets.check_new_name(title)
    except ParameterError as error:
        problem = error
    now = job.current()
    is_busy = now is not None and now.status == "running"
    words = f"Import {seen.n_items:,} items"
    if seen.n_refused:
        words += f" without the {seen.n_refused:,} refused"
    with button:
        st.button(
            words,
            type="primary",
            icon=":material/download_done:",
            width="stretch",
            disabled=problem is not None or is_busy,
            help="Another import is under way." if is_busy else None,
            on_click=session.later(partial(_import, given.source, title, choices, images)),
        )
    if problem is not None:
        session.show_error(problem)


def _images_of(given: Given, seen: Preview) -> str:
    """Set of images that vectors are of, by its name; empty for none."""
    sets = {each.name: each for each in own_sets.own_sets().values() if each.kind == "images"}
    is_file = isinstance(given.source, Path) or len(given.source) == 1
    if seen.kind != "vectors" or seen.sample_images is not None or not (sets and is_file):
        return NONE
    return str(
        st.selectbox(
            "Shown as the images of",
            [NONE, *sets],
            format_func=lambda name: (
                f"{sets[name].title} ({len(sets[name]):,})" if name else "none"
            ),
            key=_Names(given)("images-of"),
            help="Vectors are joined to these images by name, or in their order. Methods see the "
            "vectors, pages show the images, with their classes and names.",
        )
    )


def _import(source: Source, title: str, choices: Choices, images: str) -> None:
    def work(watch: Watch) -> Outcome:
        if not images:
            return sources.bring_in(source, title, choices, watch)
        with _file_of(source) as path:
            return shown_images.bring_in(path, images, title, choices, watch)

    job.start(title, work)
    state.BRING_TURN.set(state.BRING_TURN.get() + 1)  # the page lets go of the files
