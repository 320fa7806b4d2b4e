"""A verdict as pages show it."""

from typing import Literal

import streamlit as st

from clustlab.evidence import words
from clustlab.evidence.rules import Verdict
from clustlab.ui.markdown import plain

COLOURS: dict[Verdict, Literal["green", "red", "orange"]] = {
    "seen": "green",
    "not seen": "red",
    "undecided": "orange",
}
ICONS: dict[Verdict, str] = {
    "seen": ":material/check:",
    "not seen": ":material/close:",
    "undecided": ":material/question_mark:",
}


def verdict_badge(verdict: Verdict) -> None:
    """A verdict on a claim in words, with a colour and a sign."""
    _badge(verdict, words.VERDICTS[verdict])


def answer_badge(verdict: Verdict) -> None:
    """The same as the answer to something that is asked besides."""
    _badge(verdict, words.ANSWERS[verdict])


def _badge(verdict: Verdict, text: str) -> None:
    st.badge(plain(text.capitalize()), icon=ICONS[verdict], color=COLOURS[verdict])
