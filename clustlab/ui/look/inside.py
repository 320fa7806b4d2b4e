"""Body of the page Inside: losses and artefacts of the method at one step."""

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from clustlab import registry
from clustlab.analysis.alarm_catalogue import about_rising_losses
from clustlab.analysis.scalar_catalogue import own_scalars, scalar_of
from clustlab.types import Array, Artefact
from clustlab.ui import nav, session
from clustlab.ui.look import pair_precision
from clustlab.ui.markdown import plain
from clustlab.ui.run import surrogate_tree
from clustlab.ui.run.view import View
from clustlab.ui.widgets import available_width, panels
from clustlab.ui.widgets.picture_menu import picture_menu
from clustlab.views import artefacts, curves, specification


def inside_page(view: View) -> None:
    """Artefacts above, then what labels say about them, a rule for the clusters, and losses."""
    artefacts_of(view)
    pair_precision.pairs_of(view)
    surrogate_tree.rule_for_clusters(view)
    losses(view)


def losses(view: View) -> None:
    """Every figure that the method reports, over the steps."""
    own = own_scalars(view.run)
    frame = curves.scalar_frame(view.run.log, own)
    if curves.curves_of(frame):
        room = available_width.width("losses-room", curves.ENOUGH)
        panels.chart(
            curves.scalars, frame, step=view.step, room=room, key="losses", width="content"
        )
    for words, value in curves.single_values(frame):
        st.markdown(f"{plain(words)}: **{plain(value)}**")
    method = registry.methods().get(view.run.spec.method)
    if method is not None and (words := about_rising_losses(method)):
        st.caption(plain(words))
    known = [scalar_of(key, own) for key in frame["key"].unique()]
    told = {s.lesson: s.words for s in reversed(known) if s.lesson is not None}
    with st.container(horizontal=True):
        for lesson, words in reversed(told.items()):
            nav.lesson_link(lesson, f"Lesson: {plain(words)}")


def artefacts_of(view: View) -> None:
    """What only this method has at this step, one tab each."""
    artefacts_by_name = view.snapshot.artefacts
    if not artefacts_by_name:
        st.caption("At this step the method has nothing to show beyond the other pages.")
        return
    mapping = view.timeline.mapping(view.step)
    panels.tabs(
        {
            plain(a.title): partial(_artefact, a, name, mapping)
            for name, a in artefacts_by_name.items()
        },
    )


def _artefact(artefact: Artefact, name: str, mapping: Array) -> None:
    """One artefact, and how to read it."""
    _place(artefacts.artefact_chart(artefact, mapping, item=session.picked()), name, artefact.title)
    if artefact.reading:
        st.caption(f":material/visibility: {plain(artefact.reading)}")


def _place(shown: Any, name: str, title: str) -> None:
    """A picture or a chart, whichever the artefact became."""
    if isinstance(shown, np.ndarray):
        st.image(shown, output_format="PNG", alt=title)
        picture_menu(lambda size: shown, name=name, key=f"artefact-{name}", title=title)
    else:
        spec = specification.vega_lite_spec(shown)
        st.vega_lite_chart(spec, width="stretch", key=f"artefact-{name}", alt=title)
        picture_menu(spec, name=name, key=f"artefact-{name}")
