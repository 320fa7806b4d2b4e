"""The runs of a claim on its page: how far they are, starting and stopping them, and links."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from clustlab import registry
from clustlab.evidence import record
from clustlab.evidence.claim import Claim, Scale
from clustlab.evidence.state import Needed
from clustlab.params import build
from clustlab.runs.status import ACTIVE
from clustlab.studies.estimate import estimate_of
from clustlab.studies.state import MISSING, WORDS
from clustlab.training.estimate import duration_in_words
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain


def go_on(claim: Claim, scale: Scale, every: Sequence[Needed]) -> None:
    """Queue the runs that can go on by now from one that is done, if the claim was started here."""
    if state.CLAIM_STARTED.get() != (claim.name, scale):
        return
    later = [each for each in every if each.arm.after]
    ready = [each for each in later if each.is_startable and each.place.status == MISSING]
    if all(each.is_startable for each in later):
        state.CLAIM_STARTED.forget()  # before anything can go wrong
    _queue(ready)


def progress_and_buttons(claim: Claim, scale: Scale, every: Sequence[Needed]) -> None:
    """How far the runs are, and what can be done."""
    counts = Counter(each.place.status for each in every)
    n_open = sum(each.place.status not in ("done", *ACTIVE) for each in every)
    at_work = [each for each in every if each.place.status in ACTIVE]
    if n_open < len(every):
        told = [f"{counts[status]} {word}" for status, word in WORDS.items() if status in counts]
        parts = [each.place.run.progress.get("fraction") for each in at_work if each.place.run]
        done = counts["done"] + sum(min(1.0, float(part or 0.0)) for part in parts)
        st.progress(min(1.0, done / len(every)), plain(", ".join(told)))
    _failed(every)
    is_ready = _data_sets(claim, scale)
    with st.container(horizontal=True, vertical_alignment="center", key="claim-actions"):
        if n_open and not (at_work and state.CLAIM_STARTED.is_set()):
            verb = "Go on" if any(each.place.run is not None for each in every) else "Run it"
            st.button(
                plain(f"{verb} ({n_open} runs)" if n_open > 1 else f"{verb} (1 run)"),
                icon=":material/play_arrow:",
                type="primary",
                key="run-claim",
                on_click=session.later(lambda: _start(claim, scale, every)),
            )
        if at_work:
            st.button(
                "Stop",
                icon=":material/stop:",
                key="stop-claim",
                on_click=session.later(lambda: _stop(at_work)),
            )
        if n_open and is_ready:
            st.caption(plain(time_left(claim, scale, every)))


def _failed(every: Sequence[Needed]) -> None:
    failed = next((each.place.run for each in every if each.place.status == "failed"), None)
    if failed is not None:
        session.show_error(failed.progress)


def _data_sets(claim: Claim, scale: Scale) -> bool:
    """Say which data sets are not on the disk, and what to do; whether all are."""
    needs = {arm.base.dataset: arm.base.data for arm in claim.protocols[scale].arms}
    every = [build(registry.dataset(name), data) for name, data in needs.items()]
    absent = [spec for spec in every if not spec.is_ready()]
    for spec in absent:
        st.info(
            f"{plain(spec.title)} is not on this machine. The page Data sets downloads it, or says "
            "which files go where without internet; the first run would download it, too.",
            icon=":material/download:",
        )
        nav.link(
            "data",
            f"To the data set {plain(spec.title)}",
            "database",
            **{state.ABOUT_DATASET_IN_ADDRESS.key: spec.name},
        )
    return not absent


def time_left(claim: Claim, scale: Scale, every: Sequence[Needed]) -> str:
    """What is left will take, as far as anybody knows, in sentences."""
    store = session.store()
    guessed = estimate_of([each.place for each in every], store, store.runs())
    known = record.newest(store, claim, scale)
    if guessed.n_unknown < guessed.n_runs - guessed.n_done or known is None:
        return guessed.words
    return f"All runs took {duration_in_words(known.seconds)} on {known.machine}."


# -- what can be done ----------------------------------------------------------------------------
def _start(claim: Claim, scale: Scale, every: Sequence[Needed]) -> None:
    if any(each.arm.after for each in every):
        state.CLAIM_STARTED.set((claim.name, scale))
    _queue([each for each in every if each.is_startable])


def _queue(every: Sequence[Needed]) -> None:
    for each in every:
        if each.place.run is None:
            session.queue(each.place.spec)
        elif each.place.status not in ("done", *ACTIVE):
            session.resume(each.place.run)


def _stop(at_work: Sequence[Needed]) -> None:
    state.CLAIM_STARTED.forget()
    for each in reversed(at_work):  # those that wait first, or they would begin
        if each.place.run is not None:
            each.place.run.request("cancel")


def links(every: Sequence[Needed]) -> None:
    """Links to the runs."""
    there = [each for each in every if each.place.run is not None]
    if not there:
        return
    with st.expander(f"Runs ({len(there)})", icon=":material/list:"):
        for each in there:
            run = each.place.run
            assert run is not None
            label = f"{each.arm.key}, seed {each.place.seed}: {WORDS.get(run.status, run.status)}"
            nav.link("embedding", plain(label), "scatter_plot", run=run.id)
