"""What is let into Markdown as plain text is seen letter by letter."""

import json
import random

import pytest

from tests.support import browser as support

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = """
import json, pathlib
import streamlit as st
from clustlab.ui.markdown import plain
for i, text in enumerate(json.loads(pathlib.Path({file!r}).read_text("utf-8"))):
    with st.container(key=f"whole-{{i}}"):
        st.markdown(plain(text))
    with st.container(key=f"within-{{i}}"):
        st.markdown(f"**{{plain(text)}}** and {{plain(text)}}")
    st.button(plain(text), key=f"button-{{i}}")
st.text("drawn")
"""
KNOWN = (
    "![p](http://192.0.2.1/p.png)",
    "<img src=http://192.0.2.1/p.png>",
    "<b>b</b> &lt; &amp;",
    "[a](http://192.0.2.1)",
    ":red[x]",
    ":material/lock: and :streamlit: and :smile:",
    "$x^2$ and $$y$$",
    "a_b_c _d_ __e__ *f* **g** ~h~ ~~i~~",
    "`code` ``",
    "# title",
    "> quote",
    "- item",
    "1. item",
    "12) item",
    "+ plus",
    "= =",
    "--- x",
    "| a | b |",
    "a:b 10:30 a: b",
    "0.5 and -0.5",
    "-",
    "1.",
    "head\n---",
    "head\n===",
    "a | b\n--|--\n1 | 2",
    "\\ \\* \\\\",
    "[^1] [x]: y",
    "{a} {{b}}",
    "#1 of 2",
    "naïve “quotes” 数",
)
SIGNS = "\\`*_[]<>~$&#+-=|:(){}!.^ab1 "


def _hostile(number):
    draws = random.Random(0)
    made = ("".join(draws.choices(SIGNS, k=draws.randint(1, 12))) for _ in range(number))
    # arrows are written prettier by Streamlit, on purpose
    return [text for text in map(str.strip, made) if text and not {"--", "->"} & set(text.split())]


def test_what_is_plain_is_seen_as_it_is(page, tmp_path):
    texts = [*KNOWN, *_hostile(40)]
    file, script = tmp_path / "texts.json", tmp_path / "page.py"
    file.write_text(json.dumps(texts), "utf-8")
    script.write_text(PAGE.format(file=str(file)), "utf-8")
    with support.server(tmp_path, script, PYTHONPATH=str(support.ROOT)) as address:
        page.goto(address)
        page.get_by_text("drawn", exact=True).wait_for()
        for i, text in enumerate(texts):
            shown = " ".join(text.split())
            assert _seen(page, f".st-key-whole-{i}") == shown
            assert _seen(page, f".st-key-within-{i}") == f"{shown} and {shown}"
            assert _seen(page, f".st-key-button-{i} button") == shown
            assert page.locator(f".st-key-within-{i} strong").count() == 1


def _seen(page, where):
    """Letters that are shown, without those that take no room."""
    return " ".join(page.locator(where).inner_text().replace("\u2060", "").split())
