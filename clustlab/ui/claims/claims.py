"""Body of the page Claims: all of them with what was measured, or one in full."""

from functools import partial

import streamlit as st

from clustlab.errors import ParameterError
from clustlab.evidence import catalogue, record, words
from clustlab.evidence.claim import Claim
from clustlab.ui import session, state
from clustlab.ui.claims import one_claim
from clustlab.ui.claims.badges import verdict_badge
from clustlab.ui.markdown import authored, plain

WIDTHS = [5, 6, 1]


def claims_page() -> None:
    """The claim that the address asks for, or the list of all."""
    name = state.CLAIM.get()
    if not name:
        _overview()
        return
    st.button("All claims", icon=":material/apps:", type="tertiary", on_click=state.CLAIM.drop)
    try:
        claim = catalogue.claim(name)
    except ParameterError as error:  # of the address: say so, and lead on
        session.show_error(error)
        return
    one_claim.show(claim)


def _overview() -> None:
    st.title("Claims", anchor=False)
    st.markdown(
        "You need not believe the texts. Each line is something that a source says, with what came "
        "out when it was tried, and a verdict by a rule that was written down before. Open one to "
        "see every seed, and to run it on this machine."
    )
    for claim in catalogue.claims().values():
        with st.container(border=True):
            _card(claim)


def _card(claim: Claim) -> None:
    said, outcome, way = st.columns(WIDTHS, vertical_alignment="center")
    with said:
        st.markdown(f"**{claim.number}. {authored(claim.title)}**")
        st.caption(f"Claimed: {authored(claim.claimed)}. {authored(claim.source.document)}")
    with outcome:
        found = record.to_show(session.store(), claim)
        if not found:
            st.caption("Not run yet.")
        for each in found:
            _outcome(claim, each)
    with way:
        st.button("Open", key=f"open-{claim.name}", on_click=partial(state.CLAIM.set, claim.name))


def _outcome(claim: Claim, found: record.Record) -> None:
    measured, verdict = st.columns([4, 2], vertical_alignment="center")
    with measured:
        st.caption(plain("\n".join(words.measured(claim, found))))
    with verdict:
        verdict_badge(found.verdict(claim))
        by = "by the makers" if found.is_shipped else "here"
        st.caption(plain(f"{found.scale} scale, {by}, {found.date}"))
