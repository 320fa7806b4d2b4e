"""What was made elsewhere for a data set that is there: further classes, or a clustering."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import streamlit as st

from clustlab.data import own_sets
from clustlab.errors import ParameterError, storage_errors
from clustlab.importing import clustering_files, clusterings, entries, labels, sources
from clustlab.importing.entries import Guess
from clustlab.importing.labels import FoundLabels
from clustlab.importing.name_index import NameIndex
from clustlab.importing.plan import Choices
from clustlab.registry import DatasetSpec
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.shared import Shared

_KINDS = {"classes": "Classes", "clustering": "A clustering"}
_ORDER = ""  # stands for no column
_guesses: Shared[Guess | None] = Shared(8)
_found: Shared[FoundLabels] = Shared(4)


@dataclass(frozen=True)
class Draw:
    """Items that a file may be about."""

    params: Mapping[str, Any]  # settings of the data set
    seed: int
    words: str

    @property
    def key(self) -> Hashable:
        """What tells it from other draws: titles of runs may be equal, and may change."""
        return tuple(sorted(self.params.items())), self.seed


USUAL = Draw({}, 0, "the items as usually drawn (seed 0)")


def attach(spec: type[DatasetSpec]) -> None:
    """Upload of a file about the items of a data set, folded away."""
    box = st.expander(
        "Add classes or a clustering made elsewhere",
        icon=":material/add_link:",
        key="attach",
        on_change="rerun",
    )
    if box.open:
        with box:
            session.guarded(_attach)(spec)


def _attach(spec: type[DatasetSpec]) -> None:
    kind = st.segmented_control(
        "What the file holds",
        list(_KINDS),
        default="clustering",
        required=True,
        format_func=_KINDS.__getitem__,
        key="attach-kind",
    )
    st.caption(
        "A table (CSV, TSV, Parquet, Feather) or arrays (.npz, .npy) with an entry for each item: "
        "by its name, by its number in a column **item** or **row**, or in the order of the items."
        + (
            " Clusters may be given for several steps, a column or row each."
            if kind == "clustering"
            else ""
        )
    )
    upload: Any = st.file_uploader(
        "File about these items",
        key=f"attach-{kind}-{spec.name}-{state.ATTACH_TURN.get()}",
    )
    if upload is None:
        return
    if kind == "classes":
        _classes(spec, upload)
    else:
        _clustering(spec, upload)


# -- classes -------------------------------------------------------------------------------------
def _classes(spec: type[DatasetSpec], upload: Any) -> None:
    draw = _draw(spec)
    columns = _columns(spec, upload, labels.guess, (), "Columns of classes")
    choices = Choices(
        labels=columns.said[0] if columns.said else None,
        others=columns.said[1:],
        names=columns.key,
    )

    def look() -> FoundLabels:
        with sources.as_file((upload.name, upload)) as path:
            return labels.preview(path, spec.name, choices, session.store(), draw.params, draw.seed)

    found = _found.get((upload.file_id, spec.name, draw.key, choices), look)
    st.markdown("\n".join(f"- {plain(fact)}" for fact in found.facts))
    replaced = [title for title in found.labellings if title in found.titles]
    if replaced:
        named = ", ".join(map(repr, replaced))
        st.warning(
            f"There are classes called {plain(named)} already: they are replaced.",
            icon=":material/warning:",
        )
    if found.own is None:
        st.caption(
            f"{plain(spec.title)} keeps the labels of its authors. A copy of these items becomes "
            "a data set of your own, with both."
        )
    if st.button("Add these classes", type="primary", icon=":material/add:"):
        with storage_errors():
            own = labels.bring_in(found, session.store())
        state.ATTACH_TURN.set(state.ATTACH_TURN.get() + 1)
        state.ABOUT_DATASET_IN_ADDRESS.set(own.name)  # which the choice above follows
        st.rerun()


# -- a clustering --------------------------------------------------------------------------------
def _clustering(spec: type[DatasetSpec], upload: Any) -> None:
    draw = _draw(spec)
    stem = PurePosixPath(upload.name).name.partition(".")[0]
    title = st.text_input(
        "Name of the run", stem, max_chars=100, key=f"attach-title-{upload.file_id}"
    )
    columns = _columns(
        spec,
        upload,
        clustering_files.guess,
        clustering_files.STEPS,
        "Columns of clusters, one for a step",
    )
    if not st.button("Import as a run", type="primary", icon=":material/add:"):
        return
    choice = clusterings.Choice(
        spec.name, draw.params, draw.seed, columns.key, columns.said, title.strip() or stem
    )
    bar = st.progress(0.0, "Reading it")

    def report(words: str, share: float) -> None:
        bar.progress(min(max(share, 0.0), 1.0), plain(words))

    try:
        with storage_errors(), sources.as_file((upload.name, upload)) as path:
            brought = clusterings.bring_in(session.store(), path, choice, report)
    finally:
        bar.empty()
    if brought.is_new:
        st.success(f"It is there as the run {plain(brought.run.title)}.")
    else:
        st.info(f"The same clustering is there already: {plain(brought.run.title)}.")
    st.markdown("\n".join(f"- {plain(fact)}" for fact in brought.facts))
    with st.container(horizontal=True):
        nav.link("clusters", "Look at it", "visibility", run=brought.run.id)
        nav.link("evaluate", "Evaluate it", "grid_on", run=brought.run.id)
        for other in session.store().runs():
            if other.id != brought.run.id and _is_on(other.manifest, brought.run.manifest):
                runs = f"{other.id},{brought.run.id}"
                words = f"Compare it with {plain(other.title)}"
                nav.link("compare", words, "compare_arrows", runs=runs)
                break


def _is_on(manifest: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(manifest["data_key"] == other["data_key"])


# -- what is in the file -------------------------------------------------------------------------
@dataclass(frozen=True)
class Columns:
    """Columns that somebody has chosen; where nothing was changed, they are left to be guessed."""

    said: tuple[str, ...] = ()  # of classes or clusters
    key: str | None = None  # by which entries are joined; empty for their order


def _columns(
    spec: type[DatasetSpec],
    upload: Any,
    guess_arrays: Callable[[Path], Guess | None],
    preferred: Sequence[Sequence[str]],
    label: Markdown,
) -> Columns:
    """Fields for columns or arrays, filled in with what they are taken for."""

    def look() -> Guess | None:
        own = own_sets.own_sets().get(spec.name)
        known = NameIndex(list(own.item_names()) if own else ())
        with sources.as_file((upload.name, upload)) as path:
            if not entries.is_table(path):
                return guess_arrays(path)
            return entries.guess(path, known, preferred)

    guess = _guesses.get((upload.file_id, spec.name, preferred), look)
    if guess is None:  # there is one array
        return Columns()
    left, right = st.columns(2)
    with left:
        said = st.multiselect(
            label, guess.columns, guess.said, key=f"attach-said-{label}-{upload.file_id}"
        )
    with right:
        options = [_ORDER, *guess.keys]
        key = st.selectbox(
            "Joined by",
            options,
            options.index(guess.key),
            format_func=lambda name: name or "the order of the items",
            key=f"attach-key-{label}-{upload.file_id}",
            help="The column that says which item each row is about.",
        )
    if not said and guess.said:
        raise ParameterError(
            "No column is chosen.", "Choose at least one column of classes or clusters."
        )
    is_changed = tuple(said) != guess.said
    return Columns(tuple(said) if is_changed else (), None if key == guess.key else str(key))


# -- which items it is about ---------------------------------------------------------------------
def _draw(spec: type[DatasetSpec]) -> Draw:
    """The draw that a file is about, which is asked if there are several."""
    draws = draws_of(spec)
    if len(draws) == 1:
        return draws[0]
    place = st.selectbox(
        "It is of",
        range(len(draws)),
        format_func=lambda i: draws[i].words,
        key=f"attach-draw-{spec.name}",
        help="Runs draw some of the items, or in another order: a clustering can be compared "
        "with those on the same draw.",
    )
    return draws[place]


def draws_of(spec: type[DatasetSpec]) -> list[Draw]:
    """Draws that a clustering may be of: the usual one, and those of runs."""
    draws = [USUAL]
    for run in session.store().runs():
        params, seed = run.spec.dataset_params, run.spec.seed
        is_new = all((params, seed) != (draw.params, draw.seed) for draw in draws)
        if run.spec.dataset == spec.name and not run.spec.excluded and is_new:
            draws.append(Draw(params, seed, f"the items of {run.title}"))
    return draws
