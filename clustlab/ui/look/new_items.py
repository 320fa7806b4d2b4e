"""Body of the page New items: what a run says of items that it was not trained on."""

import base64
import io
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.analysis.shares import percent
from clustlab.errors import ClustlabError, storage_errors
from clustlab.explaining.able import why_not
from clustlab.importing.plan import Choices, Refused, Source
from clustlab.runs import exports
from clustlab.runs.store import Run, RunStore
from clustlab.types import Array
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View
from clustlab.ui.shared import Shared
from clustlab.ui.widgets.refusals import refused_box
from clustlab.views import tiles
from clustlab.views.sheets import png

if TYPE_CHECKING:
    from clustlab.scripting.applying import Application

SHOWN = 300  # rows of the table, the strangest first
KEPT_BYTES = 2**26  # of items that are kept to be drawn
TILE = 56
EXAMPLE = 40, 10  # items of the run, and some of noise
COLUMNS: dict[str, Any] = {
    "picture": st.column_config.ImageColumn("Item", width="small"),
    "item": st.column_config.NumberColumn("Number", width="small", help="Among those given."),
    "name": st.column_config.TextColumn("Name"),
    "cluster": st.column_config.NumberColumn("Cluster", width="small"),
    "stands_for": st.column_config.TextColumn(
        "Stands for", help="The class that the cluster stands for among the items of the run."
    ),
    "probability": st.column_config.NumberColumn(
        "Probability", format="%.3f", width="small", help="Of this cluster, as the method sees it."
    ),
    "distance": st.column_config.NumberColumn("Distance", format="%.3g", width="small"),
    "is_strange": st.column_config.CheckboxColumn("Strange", width="small"),
}


@dataclass(frozen=True)
class _Answer:
    """What a run says of all items that were given."""

    table: pd.DataFrame
    pictures: tuple[str, ...]  # of the rows that are shown, as addresses; none of vectors
    facts: tuple[str, ...]
    refused: tuple[Refused, ...]
    n_refused: int


@dataclass(frozen=True)
class _Given:
    """What somebody wants to know about."""

    key: Hashable  # of its content
    source: Source | None  # None for the example


_answers: Shared[_Answer] = Shared(4)


def new_items_page(view: View) -> None:
    """Choose files, and see where the run puts them."""
    st.subheader("New items", anchor=False)
    run = view.run
    if refused := why_not(run):
        st.info(plain(refused.message), icon=":material/block:")
        st.caption(plain(refused.hint))
        nav.link("methods", "Which methods can")
        return
    if run.is_active:
        st.info("New items can be judged when the run has ended.", icon=":material/hourglass_top:")
        return
    st.caption(
        f"Give {plain(_what(view))} that this run was not trained on. They are treated as its own "
        "were, get the cluster that its last step would give them, and are marked as strange if "
        "they are farther from all that it knows than nearly all of its own. Nothing is kept."
    )
    try:
        with storage_errors("choose the files again"):
            given = _given(run)
            if given is not None:
                _answered(view, given)
    except ClustlabError as error:
        session.show_error(error)


def _what(view: View) -> str:
    """What can be given, in words."""
    if view.dataset.is_image:
        return "images, as files, an archive, an array or a table with a column of images,"
    n = view.dataset.items.shape[1]
    form = "the columns that it was trained on" if view.dataset.columns else f"{n:,} numbers each"
    return f"vectors, as an array (.npy, .npz) or a table (CSV, Parquet), with {form},"


def _given(run: Run) -> _Given | None:
    uploads: Any = st.file_uploader(
        "Files to judge", accept_multiple_files=True, key=f"new-items-{run.id}"
    )
    if uploads:
        files = [(str(each.name), io.BytesIO(each.getvalue())) for each in uploads]
        return _Given(tuple(each.file_id for each in uploads), files)
    own, noise = EXAMPLE
    if st.toggle(
        plain(f"Show an example: {own} items of the run, and {noise} of noise"),
        key="new-items-example",
    ):
        return _Given("example", None)
    return None


# -- asking --------------------------------------------------------------------------------------
def _kept_at(run: Run) -> int:
    """When the trained parts of a run were kept last, in nanoseconds; 0 if they never were."""
    file = run.path / "checkpoint.pt"
    return file.stat().st_mtime_ns if file.is_file() else 0


@session.kept_per_run(maxsize=2, anew=_kept_at)
def _application(run: Run) -> "Application":
    from clustlab.scripting.applying import Application

    return Application(RunStore(run.path.parent), run)


def _answered(view: View, given: _Given) -> None:
    run = view.run
    with st.spinner("Rebuilding what the method has learned ..."):
        application = _application(run)
    key = run.path, _kept_at(run), given.key
    bar = st.progress(0.0, "Judging ...")

    def watch(words: str, share: float) -> None:
        bar.progress(min(max(share, 0.0), 1.0), plain(words))

    answer = _answers.get(
        key,
        partial(_example, application)
        if given.source is None
        else partial(_all, application, given.source, watch),
    )
    bar.empty()
    _show(run, application, answer)


def _all(application: "Application", source: Source, watch: Any) -> _Answer:
    from clustlab.scripting.applying import check_any

    tables: list[pd.DataFrame] = []
    kept: list[Array] = []
    n_bytes = 0
    with application.to(source, Choices(), watch) as applied:
        for piece in applied.pieces:
            tables.append(piece.table)
            if n_bytes < KEPT_BYTES:
                kept.append(piece.items)
                n_bytes += piece.items.nbytes
        reading = applied.reading
        check_any(reading, len(tables))
    table = pd.concat(tables, ignore_index=True)
    refusals = reading.refusals
    first = tuple(refusals.first)
    return _Answer(table, _pictures(table, np.concatenate(kept)), reading.facts, first, refusals.n)


def _example(application: "Application") -> _Answer:
    """Items of the run itself, and noise of their shape."""
    own, noise = EXAMPLE
    items = application.dataset.items
    rng = np.random.default_rng(0)
    chosen = np.asarray(items[np.sort(rng.permutation(len(items))[:own])])
    if application.dataset.is_image:
        drawn = rng.integers(0, 256, (noise, *items.shape[1:]), dtype=np.uint8)
    else:
        spread = chosen.std(0) + chosen.std()
        drawn = chosen.mean(0) + rng.normal(0, 5, (noise, *items.shape[1:])) * spread
    judged = application.judged(np.concatenate([chosen, drawn.astype(chosen.dtype)]))
    table = judged.table
    table.insert(
        1, "name", [f"item {i}" for i in range(len(chosen))] + [f"noise {i}" for i in range(noise)]
    )
    return _Answer(table, _pictures(table, judged.items), (), (), 0)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Strange items first, and the farthest first among them."""
    if "distance" not in table:
        return table
    return table.sort_values("distance", ascending=False, kind="stable")


def _pictures(table: pd.DataFrame, items: Array) -> tuple[str, ...]:
    """An address for the picture of each row that is shown, empty where it is not kept."""
    if items.ndim != 4:
        return ()
    rows = _in_order(table).index[:SHOWN].to_numpy()
    there = rows[rows < len(items)]
    drawn = tiles.pictures_of_items(items, there, TILE)
    at = {
        int(row): "data:image/png;base64," + base64.b64encode(png(np.asarray(each))).decode()
        for row, each in zip(there, drawn, strict=True)
    }
    return tuple(at.get(int(row), "") for row in rows)


# -- showing -------------------------------------------------------------------------------------
def _show(run: Run, application: "Application", answer: _Answer) -> None:
    table = answer.table
    st.markdown(f"**{len(table):,} items**, {plain(_summary(table))}")
    ordered = _in_order(table).drop(columns="raw_cluster")
    shown = ordered[:SHOWN].copy()
    height = TILE if answer.pictures else 36
    if answer.pictures:
        shown.insert(0, "picture", list(answer.pictures))
    st.dataframe(
        shown,
        hide_index=True,
        column_config=COLUMNS,
        row_height=height,
        height=min(640, 60 + height * len(shown)),
        placeholder="",
        key="new-items-table",
        alt="New items with their clusters, the strangest first",
    )
    if len(ordered) > SHOWN:
        st.caption(f"Showing {SHOWN:,} of {len(ordered):,}; the files have all.")
    st.caption(plain(_rule(application)))
    _downloads(run, _in_order(table))
    for fact in answer.facts:
        st.caption(plain(fact))
    if answer.n_refused:
        n = answer.n_refused
        refused_box(answer.refused, n, f"{n:,} {'is' if n == 1 else 'are'} left out")


def _summary(table: pd.DataFrame) -> str:
    counts = table.loc[table["cluster"] >= 0, "cluster"].value_counts()
    told = [f"{n:,} in cluster {cluster}" for cluster, n in list(counts.items())[:5]]
    more = f" and {len(counts) - 5:,} more clusters" if len(counts) > 5 else ""
    strange = int(table["is_strange"].sum()) if "is_strange" in table else 0
    odd = f"; {strange:,} {'is' if strange == 1 else 'are'} strange" if strange else ""
    return f"{', '.join(told)}{more}{odd}."


def _rule(application: "Application") -> str:
    judge = application.judge
    said = f"Judged by step {application.step}."
    if judge.usual_distance is not None:
        said += (
            f" The distance of an item is that within which {judge.neighbour} items of the run "
            "lie, in the features by which the method decides. Beyond "
            f"{judge.usual_distance:.3g} an item is strange: "
            "99 of 100 items of the run are nearer to the others."
        )
    if application.scorer.agreement < 1:
        said += (
            f" What the run has kept gives {percent(application.scorer.agreement)} of its own "
            "items their cluster."
        )
    return said


def _downloads(run: Run, table: pd.DataFrame) -> None:
    with st.container(horizontal=True):
        for ending, write in (("csv", exports.csv), ("parquet", exports.parquet)):
            st.download_button(
                plain(f"All as {ending}"),
                partial(write, table),
                file_name=f"{run.id}-new-items.{ending}",
                icon=":material/download:",
                key=f"new-items-{ending}",
                on_click="ignore",
            )
