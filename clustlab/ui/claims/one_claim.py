"""One claim in full: its text, its runs, what they measured, and the verdict by its rule."""

import contextlib
from collections.abc import Sequence

import streamlit as st

from clustlab.course import catalogue as course
from clustlab.evidence import measuring, record, words
from clustlab.evidence.claim import SCALES, Claim, Scale
from clustlab.evidence.record import Record
from clustlab.evidence.rules import of_parts, parts
from clustlab.evidence.state import Needed, by_seed, needed
from clustlab.runs.status import ACTIVE
from clustlab.ui import nav, session, state
from clustlab.ui.claims import claim_figure, claim_runs
from clustlab.ui.claims.badges import answer_badge, verdict_badge
from clustlab.ui.markdown import authored, plain
from clustlab.ui.shared import Shared
from clustlab.ui.widgets import live

SCALE_WORDS = {"small": "Small: minutes", "full": "Full: as in the source, for a GPU"}
_measured: Shared[Record] = Shared(64)


def show(claim: Claim) -> None:
    """A claim, at the scale that is chosen."""
    st.markdown(f"##### Claim {claim.number}")
    st.title(authored(claim.title), anchor=False)
    text, source = st.columns([5, 3], gap="medium")
    with text:
        st.markdown(authored(claim.text))
    with source:
        st.caption(f"**Read in** {authored(claim.source.document)}")
        st.caption(f"**About** {authored(claim.source.paper)}")
        st.caption(f"**Claimed** {authored(claim.claimed)}")
        _lessons(claim)
    chosen: Scale = st.segmented_control(
        "Scale",
        SCALES,
        format_func=SCALE_WORDS.__getitem__,
        key=state.CLAIM_SCALE.key,
        default="small",
        required=True,
    )
    st.caption(f"How it differs from the source: {authored(claim.protocols[chosen].differs)}")
    active = any(each.place.status in ACTIVE for each in _needed(claim, chosen))
    part = live.part("claim", _tried, [live.QUEUE] if active else [], "progress")
    part(claim, chosen, is_followed=active)


def _lessons(claim: Claim) -> None:
    for name, step in claim.lessons:
        lesson = course.lesson(name)
        title = f"Lesson {lesson.number}.{step}: {lesson.steps[step - 1].title}"
        nav.lesson_link((name, step), authored(title))


def _needed(claim: Claim, scale: Scale) -> list[Needed]:
    return needed(claim, scale, session.store().runs())


def _tried(claim: Claim, scale: Scale, *, is_followed: bool) -> None:
    claim_runs.go_on(claim, scale, _needed(claim, scale))
    every = _needed(claim, scale)
    if not is_followed and any(each.place.status in ACTIVE for each in every):
        st.rerun()  # a button has started them, and this part alone was drawn again
    claim_runs.progress_and_buttons(claim, scale, every)
    found = _figures(claim, scale, every)
    if found is not None:
        _verdict(claim, found)
    _rule(claim, found)
    if found is None:
        st.caption("What is measured stands here as soon as all runs of one seed are done.")
    else:
        claim_figure.draw(claim, found)
        _answers(claim, found)
    claim_runs.links(every)


def _figures(claim: Claim, scale: Scale, every: Sequence[Needed]) -> Record | None:
    """What the runs here have measured, as far as they are, or else what was measured before.

    What is complete is kept, so that the list need not compute it again.
    """
    store, seeds = session.store(), by_seed(every)
    whole = [s for s, mine in seeds.items() if all(x.place.status == "done" for x in mine)]
    kept = record.kept(store, claim, scale)
    if not whole:
        return kept or record.shipped(claim, scale)
    if kept is not None and set(whole) <= set(kept.seeds):
        return kept
    runs = [each.place.run.id for seed in whole for each in seeds[seed] if each.place.run]
    key = (str(store.root), claim.name, scale, *runs)
    with st.spinner("Measuring the runs"):
        found = _measured.get(key, lambda: measuring.record(claim, scale, store, every))
    if len(whole) == len(seeds):
        with contextlib.suppress(OSError):  # it is computed again where nothing can be written
            record.keep(store, found)
    return found


def _verdict(claim: Claim, found: Record) -> None:
    where = "Measured by the makers of clustlab" if found.is_shipped else "Measured here"
    with st.container(horizontal=True, vertical_alignment="center"):
        verdict_badge(found.verdict(claim))
        st.caption(plain(f"{where}: {words.conditions(found)}."))


def _answers(claim: Claim, found: Record) -> None:
    """What is asked besides, each with its own rule."""
    for question in claim.also:
        with st.container(horizontal=True, vertical_alignment="center"):
            answer_badge(question.rule.judge(found.figures))
            st.markdown(f"**{authored(question.text)}**")
        st.caption(plain(claim.rule_in_words(question.rule)))


def _rule(claim: Claim, found: Record | None) -> None:
    """The rule, and what each of its parts comes to where there are several."""
    lead = of_parts(claim.rule)
    if not lead:
        st.markdown(f"**The rule, written down before.** {plain(claim.rule_in_words())}")
        return
    st.markdown(
        f"**The rule, written down before.** Seen if {plain(lead)}; undecided otherwise, and with "
        "fewer than 3 seeds:"
    )
    for part in parts(claim.rule):
        with st.container(horizontal=True, vertical_alignment="center"):
            if found is not None:
                verdict_badge(part.judge(found.figures))
            st.caption(plain(claim.in_words(part)))
