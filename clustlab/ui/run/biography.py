"""The biography of one item: what it is now, where it was, and what went with it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from clustlab.analysis import biography
from clustlab.analysis.shares import figure, percent
from clustlab.data.item_names import shortened
from clustlab.runs.store import Run
from clustlab.types import Array, Dataset, cluster_name
from clustlab.ui import nav, session
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.run import explanation, item_sheet
from clustlab.ui.run.view import View
from clustlab.ui.widgets import panels
from clustlab.views import bars, life, sheets
from clustlab.views.theme import reading

PICTURE, SMALL = 140, 72  # pixels
SHOWN = 36  # images of what flipped with it


def biography_card(view: View, index: int, *, is_chosen: bool = True) -> None:
    """Card of one item: picture, facts and its clusters over time at once, the rest in tabs.

    What nobody has chosen cannot be closed.
    """
    with st.container(border=True):
        picture, facts = st.columns([1, 2], vertical_alignment="top")
        with picture:
            image = sheets.png(sheets.tile(view.dataset.pictures, index, size=PICTURE))
            st.image(image, alt=item_sheet.item_line(view, index), width="stretch")
        with facts:
            _heading(view.dataset, index)
            _facts(view, index)
            if is_chosen:
                st.button("Close", icon=":material/close:", type="tertiary", on_click=session.close)
        _strip(view, index)
        panels.tabs(
            {
                "Now": lambda: _now(view, index),
                "Over time": lambda: _over_time(view, index),
                "Changes": lambda: _flips(view, index),
                "Neighbours": lambda: _neighbours(view, index),
            }
        )
        explanation.explanation_of_item(view, index)


def _heading(data: Dataset, index: int) -> None:
    name = data.name_of(index)
    if short := shortened(name):
        st.markdown(
            f"**{plain(short)}** · item {index}", help=plain(name) if short != name else None
        )
    else:
        st.markdown(f"**Item {index}**")


def _facts(view: View, index: int) -> None:
    sure = float(view.confidence[index])
    clustered = bool(view.is_clustered[index])
    lines = [
        f"Cluster **{plain(view.clusters[index])}** (confidence {figure(sure, 2)})"
        if clustered
        else "**Noise**: it belongs to no cluster"
    ]
    if view.labels is not None and view.labels[index] >= 0:
        known = view.class_name(int(view.labels[index]))
        verdict = (
            "not what its cluster stands for"
            if view.wrong[index]
            else "what its cluster stands for"
        )
        lines.append(f"True class **{plain(known)}**" + (f": {verdict}" if clustered else ""))
    flips = int(view.timeline.flips(view.step)[index])
    lines.append(f"Changed cluster {flips} time{'s' * (flips != 1)} up to this step")
    st.markdown("\n\n".join(lines))


def _strip(view: View, index: int) -> None:
    history, missing = view.timeline.history(index), view.timeline.missing()
    if len(history) > 1:
        st.markdown("**Its cluster at each step**", help=plain(reading(bars.history)))
        panels.chart(
            bars.history,
            history,
            view.step,
            missing,
            key=f"history-{view.run.id}",
            height=54,
            with_guide=False,
            alt=f"Cluster of item {index} at each step: {_in_words(history, missing)}",
        )


def _in_words(history: Array, missing: Sequence[int]) -> str:
    """The clusters of an item as a list of stretches, for those who do not see the strip."""
    starts = bars.stretches(history)
    parts = [f"{cluster_name(history[i])} from step {i}" for i in starts[:12].tolist()]
    told = ", ".join(parts) + (" and so on" if len(starts) > 12 else "")
    return f"{told}; steps that cannot be read: {', '.join(map(str, missing))}" if missing else told


# -- tabs ------------------------------------------------------------------------------------------
def _now(view: View, index: int) -> None:
    snapshot = view.snapshot
    if snapshot.probabilities is not None:
        mapping = view.timeline.mapping(view.step)
        row = snapshot.probabilities[index]
        _small(bars.probabilities, row, mapping, title="Its probabilities", key="row", height=150)
    _near(view, index, view.step, key="neighbours")
    _restored(view, index)


def _near(view: View, index: int, step: int, *, key: str) -> list[int]:
    """Sheet of the nearest items at a step; returns them."""
    neighbours = biography.near(view.run, view.timeline, index, step, biography.NEIGHBOURS)
    when = "" if step == view.step else f" of step {step}"
    share = neighbours["same_cluster"]
    if share is None:
        st.caption("There are no other items.")
        return []
    is_noise = view.timeline.stable(step)[index] < 0
    says = (
        "it is noise and shares no cluster"
        if is_noise
        else f"{percent(share, 0)} share its cluster"
    )
    st.caption(
        f"Nearest in the embedding{when}: {says}",
        help=nav.with_terms("Items whose embeddings are most alike.", "Embedding"),
    )
    alt = f"Nearest neighbours of item {index} at step {step}"
    items = np.array(neighbours["items"])
    clusters = np.array(neighbours["clusters"])  # as they were then
    sheet = sheets.atlas(
        view.dataset.pictures,
        items,
        tile=item_sheet.TILE,
        columns=item_sheet.COLUMNS,
        clusters=clusters,
    )
    item_sheet.show_sheet(view, sheet, key=key, alt=alt, of=sheets.atlas, fit="wrap")
    return list(neighbours["items"])


def _restored(view: View, index: int) -> None:
    """What the decoder of a method with one makes of the item."""
    restored = biography.restored(view.snapshot, index)
    if not restored:
        return
    words = {
        "reconstruction": "Its reconstruction: what the code has kept of it",
        "center": f"Decoded centre of cluster {view.clusters[index]}",
    }
    for name in (name for name in words if name in restored):
        with st.container(horizontal=True, vertical_alignment="center"):
            image = sheets.png(sheets.tile(restored[name][None], 0, size=SMALL))
            st.image(image, alt=f"{words[name]}, item {index}", width=SMALL)
            st.caption(plain(words[name]), width="content")
    if "reconstruction" not in restored:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                "The run keeps reconstructions of a few items only, and this is not one of them."
            )
            nav.link("inside", "See them", "settings_input_component")


def _over_time(view: View, index: int) -> None:
    steps = len(view.timeline)
    if steps < 2:
        st.caption("There is only one step so far.")
        return
    sure = view.timeline.certainty(index)
    _small(life.certainty, sure, view.step, title="How sure the method was", key="certainty")
    rows = _probability_rows(view.run, index)
    if not np.isnan(rows).all():
        _small(life.spread, rows, view.step, title="Its probabilities", key="spread")
    _small(
        life.path,
        view.timeline.path(index),
        view.timeline.history(index),
        view.timeline.points(view.step),
        view.step,
        extent=view.timeline.extent(),
        title="Its path in the embedding",
        key="path",
        terms=("Embedding", "Projection"),
    )


def _small(
    chart: Callable[..., Any],
    *args: Any,
    title: Markdown,
    key: str,
    terms: Sequence[str] = (),
    **options: Any,
) -> None:
    """A chart of the card: title above, the way to read it and terms to look up on hover."""
    st.markdown(f"**{title}**", help=nav.with_terms(plain(reading(chart)), *terms))
    panels.chart(chart, *args, key=f"life-{key}", with_guide=False, **options)


@session.kept_per_run(maxsize=32, anew=session.n_followed)
def _probability_rows(run: Run, index: int) -> Array:
    return biography.probability_rows(run, session.timeline(run), index)


def _flips(view: View, index: int) -> None:
    flips = biography.flips(view.timeline, index)
    if not flips:
        st.caption("It never changed cluster.")
        return
    passed = [i for i, flip in enumerate(flips) if flip["step"] <= view.step]
    key = f"flip-{view.run.id}-{index}"
    place = st.selectbox(
        f"{len(flips)} change{'s' * (len(flips) != 1)} of cluster",
        range(len(flips)),
        index=passed[-1] if passed else 0,
        format_func=lambda i: _move(flips[i]),
        key=key,
    )
    flip = flips[place]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Go to step {plain(flip['step'])}",
            icon=":material/timeline:",
            type="tertiary",
            key="flip-step",
            on_click=session.set_step,
            args=(flip["step"],),
        )
        together = [index, *flip["together"]]
        st.button(
            f"Select all {len(together)}",
            type="tertiary",
            key="flip-select",
            disabled=not flip["together"],
            on_click=_select,
            args=(together, f"{_move(flip, short=True)} with item {index}", index),
        )
    if not flip["together"]:
        st.caption("No other item made this move at this step.")
        return
    rows = np.array(flip["together"][:SHOWN])
    more = f", {SHOWN} shown" if flip["n_together"] > SHOWN else ""
    st.caption(f"Moved with it: {flip['n_together']:,} items{more}")
    item_sheet.image_sheet(view, rows, key="together", alt=f"Items that moved with item {index}")


def _move(flip: dict[str, Any], *, short: bool = False) -> str:
    source, target = cluster_name(flip["from"]), cluster_name(flip["to"])
    words = f"Step {flip['step']}: {source} → {target}"
    others = flip["n_together"]
    if short:
        return words
    return (
        f"{words}, alone" if not others else f"{words}, with {others:,} other{'s' * (others > 1)}"
    )


def _select(items: list[int], title: str, index: int) -> None:
    """Select items and leave the biography open."""
    session.select(items, title)
    session.pick(index)


def _neighbours(view: View, index: int) -> None:
    then = _near(view, index, 0, key="neighbours-then")
    if view.step == 0:
        return
    now = _near(view, index, view.step, key="neighbours-now")
    kept = len(set(then) & set(now))
    st.markdown(f"**{kept} of {len(now)}** were already its neighbours at the first step.")
