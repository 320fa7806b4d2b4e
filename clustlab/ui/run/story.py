"""The story of a step: what the inspector shows while nothing is selected."""

import numpy as np
import streamlit as st

from clustlab.analysis.step_story import Lead, Move, StepStory, step_story
from clustlab.runs.store import Run
from clustlab.types import Array, ClassRule, cluster_words
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run import alarms, item_sheet
from clustlab.ui.run.view import View

IMAGES = 14  # of each move
EXCHANGES = 3  # clusters named that gave, and that took
PAGES = {  # where a lead that stays at the step goes
    "moves": ("shifts", "alt_route", {}),
    "wrong": ("failures", "search", {state.QUERY_IN_ADDRESS.key: "confidently-wrong"}),
    "unsure": ("failures", "search", {state.QUERY_IN_ADDRESS.key: "undecided"}),
    "whole run": ("follow", "timeline", {}),
}


def story_of_step(view: View) -> None:
    """What changed since the step before, the images that moved, alarms, and where to look next."""
    story = _story(view.run, view.step, view.asked_class_rule)
    with st.container(border=True, key="step-story", gap="small"):
        st.markdown(f"**What happened at step {view.step}**")
        st.markdown(plain(" ".join(story.sentences)))
        for move in story.moves:
            _move(view, move)
        if story.n_moves > len(story.moves):
            st.caption(plain(_gave_and_took(story)))
        if not story.moves and story.unsure is not None and view.dataset.images is not None:
            _unsure(view, story.unsure)
        alarms.alarms_in_short(view.run, view.step)
        leads = [lead for lead in story.leads if lead.step is not None or not _is_here(lead)]
        if leads:
            st.markdown("**What to look at next**")
        for lead in leads:
            _lead(lead)
    st.caption(
        f":material/touch_app: Select {plain(view.dataset.noun)}s anywhere on the page to see them "
        "here instead."
    )


@session.kept_per_run(maxsize=64, anew=session.n_followed)  # it names later steps
def _story(run: Run, step: int, class_rule: ClassRule | None) -> StepStory:
    timeline, data = session.timeline(run), session.dataset(run)
    return step_story(View(run, step, timeline, data, asked_class_rule=class_rule))


def _move(view: View, move: Move) -> None:
    words = plain(move.words[0].upper() + move.words[1:])
    name = f"{move.source}-{move.target}"
    st.button(
        f"{words}: {len(move.items):,}",
        key=f"story-move-{name}",
        type="tertiary",
        icon=":material/select_all:",
        help="Select these",
        on_click=session.select,
        args=(move.items, f"{words}, step {view.step}"),
    )
    if view.dataset.images is None:
        return
    items = move.items[:IMAGES]
    alt = f"{len(items)} {view.dataset.noun}s that went from {move.words}"
    item_sheet.image_sheet(view, items, key=f"story-sheet-{name}", alt=alt)


def _gave_and_took(story: StepStory) -> str:
    """The clusters that lost most to others and got most from them, in words."""
    parts = [f"Shown are the {len(story.moves)} largest of {story.n_moves} moves."]
    for verb, amounts in (
        ("gave", {e.cluster: e.gave for e in story.exchanges}),
        ("took", {e.cluster: e.took for e in story.exchanges}),
    ):
        most = sorted(((n, c) for c, n in amounts.items() if n), key=lambda pair: -pair[0])
        named = ", ".join(f"{cluster_words(c)} ({n:,})" for n, c in most[:EXCHANGES])
        parts.append(f"{named[0].upper()}{named[1:]} {verb} most.")
    return " ".join(parts)


def _unsure(view: View, items: Array) -> None:
    st.caption("The method is least sure of these images:")
    chosen = np.asarray(items)[:IMAGES]
    alt = f"The {len(chosen)} images the method is least sure of"
    item_sheet.image_sheet(view, chosen, key="story-unsure", alt=alt)


def _is_here(lead: Lead) -> bool:
    """Whether a lead goes to the page that is open."""
    return nav.is_open(PAGES[lead.kind][0])


def _lead(lead: Lead) -> None:
    if lead.step is not None:
        st.button(
            plain(lead.words),
            key=f"story-{lead.kind.replace(' ', '-')}",
            type="tertiary",
            icon=":material/timeline:",
            on_click=session.set_step,
            args=(lead.step,),
        )
        return
    page, icon, query = PAGES[lead.kind]
    nav.link(page, plain(lead.words), icon, **query)
