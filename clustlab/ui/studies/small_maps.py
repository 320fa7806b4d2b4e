"""The maps at the end of the runs of a study, small and beside each other."""

import contextlib
from collections.abc import Sequence

import streamlit as st

from clustlab.analysis.shared_items import same_draw
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run
from clustlab.studies.description import Study
from clustlab.studies.state import Place
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain
from clustlab.views import thumbnail

SHOWN, COLUMNS = 12, 4


def small_maps(study: Study, done: Sequence[Place]) -> None:
    """A small map for each run that is done, of which the first few until all are asked for."""
    st.subheader("Maps at the end", anchor=False)
    shown = done[:SHOWN]
    if len(done) > SHOWN and st.toggle(f"Show all {len(done)}", key="study-all-maps"):
        shown = done
    firsts: dict[int, Run] = {}
    for i in range(0, len(shown), COLUMNS):
        for column, place in zip(st.columns(COLUMNS), shown[i : i + COLUMNS], strict=False):
            if place.run is not None:
                with column:
                    _map(study, place, firsts.setdefault(place.seed, place.run))
    st.caption(
        "Each map shows the two leading principal components. Maps over the same items are turned "
        "alike, and clusters that hold the same items have the colour of the first of them."
    )


def _map(study: Study, place: Place, first: Run) -> None:
    run = place.run
    assert run is not None
    cell = study.words(place.cell)
    words = ", ".join(filter(None, (cell, f"seed {place.seed}")))
    try:
        png = _picture(session.open_run(run.id), first.id)
    except ClustlabError:
        st.caption("Its last step cannot be read.")
    else:
        st.image(png, width="stretch", alt=f"Map at the end of {words}")
    if cell:  # a link would cut off what has no room on one line
        st.caption(plain(cell[:1].upper() + cell[1:]))
    nav.link("embedding", plain(f"Seed {place.seed}"), run=run.id)


@session.kept_per_run(maxsize=256)
def _picture(run: Run, first_id: str) -> bytes:
    """PNG of the last step, drawn like the first run if that has the same items."""
    last = run[-1]
    with contextlib.suppress(ClustlabError):  # the first can be read no more
        first = session.open_run(first_id)
        if run.id != first.id and same_draw(session.store(), run, first):
            known = first[-1].embedding, first[-1].assignments
            if len(known[1]) == len(last.assignments):
                return thumbnail.beside(last.embedding, last.assignments, last.n_clusters, known)
    return thumbnail.embedding(last.embedding, last.assignments)
