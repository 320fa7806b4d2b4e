"""What would come in, before anything is written."""

import numpy as np
import streamlit as st

from clustlab.data.item_names import shortened
from clustlab.importing.plan import Preview
from clustlab.training.estimate import duration_in_words, size_in_words
from clustlab.ui.markdown import plain
from clustlab.ui.widgets import panels
from clustlab.ui.widgets.clickable_sheet import clickable
from clustlab.ui.widgets.refusals import refused_box
from clustlab.views import bars, sheets

TILE, COLUMNS = 48, 12
CLASSES_SHOWN = 20


def facts(seen: Preview) -> None:
    """What was understood, what is odd about it, and what it takes."""
    shape = " x ".join(map(str, seen.shape))
    what = shape if seen.kind == "images" else f"{shape} features"
    st.markdown(f"**{seen.n_items:,} {plain(seen.kind)}** of {plain(what)}")
    takes = [f"{size_in_words(seen.nbytes)} on the disk"]
    takes.append(f"up to {size_in_words(seen.memory)} of memory while it comes in")
    if seen.seconds is not None:
        takes.append(duration_in_words(max(seen.seconds, 1.0)))
    st.caption(f"It takes {plain(', '.join(takes[:-1]))}, and {plain(takes[-1])}.")
    for sentence in seen.warnings:
        st.warning(plain(sentence), icon=":material/warning:")
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in seen.facts))


def sample(seen: Preview) -> None:
    """A few items as they would be stored."""
    items = seen.sample if seen.sample_images is None else seen.sample_images
    names = seen.sample_names
    sheet = sheets.atlas(items, np.arange(len(items)), tile=TILE, columns=COLUMNS)
    clickable(
        sheet,
        key="preview-sample",
        alt=f"{len(items)} items as they would be stored",
        label=lambda item: shortened(names[item]) if item < len(names) else f"item {item}",
        on_pick=lambda item: None,
        fit="wrap",
        with_menu=False,
    )
    if seen.kind == "vectors" and seen.sample_images is None and seen.shape != (2,):
        st.caption("Each small picture is one item: a bar for each of its features.")


def balance(seen: Preview) -> None:
    """How many items each class has."""
    counts = seen.class_counts
    if not counts:
        st.caption("No classes: pages show only what needs none.")
        return
    largest = sorted(counts.items(), key=lambda pair: -pair[1])[:CLASSES_SHOWN]
    st.markdown(f"**{len(counts):,} class{'es' if len(counts) != 1 else ''}**")
    panels.chart(bars.sizes, dict(largest), key="preview-balance", with_guide=False)
    if len(counts) > CLASSES_SHOWN:
        st.caption(f"Showing the {CLASSES_SHOWN} largest.")


def refusals(seen: Preview) -> None:
    """What does not come in, and why."""
    if seen.n_refused:
        refused_box(seen.refused, seen.n_refused, f"{seen.n_refused:,} would be refused")
