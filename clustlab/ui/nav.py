"""Ways from page to page."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote

import streamlit as st

import clustlab
from clustlab.ui import state
from clustlab.ui.markdown import Markdown, authored, plain

PAGES = clustlab.app_folder() / "pages"


def path(name: str) -> str:
    """File of a page, as Streamlit's links want it."""
    return str(PAGES / f"{name}.py")


def side_bar(pages: Mapping[str, Sequence[Any]]) -> None:
    """Links to all pages under the titles of their sections; the chosen run goes along.

    Streamlit's own list puts section titles where screen readers expect links.
    """
    query = _chosen_run()
    with st.sidebar, st.container(key="side-bar"):
        for section, members in pages.items():
            if section:
                st.caption(plain(section))
            for page in members:
                st.page_link(page, query_params=query)


def go(name: str, **query: str) -> NoReturn:
    """Switch to a page; the chosen run goes along."""
    st.switch_page(path(name), query_params=_chosen_run() | query)


def go_next(name: str) -> None:
    """Switch to a page at the next rerun: for callbacks, which run before pages are known."""
    state.NEXT_PAGE.set(name)


def follow() -> None:
    """Carry out what `go_next` asked for."""
    name = state.NEXT_PAGE.take()
    if name:
        go(name)


def is_open(name: str) -> bool:
    """Whether this page is the one in the address."""
    address = (st.context.url or "").partition("?")[0]
    return address.rstrip("/").rpartition("/")[2] == name


def lesson_url(name: str, step: int = 1) -> str:
    """Address of a step of a lesson."""
    return f"/learn?lesson={name}&step={step}"


def term_link(term: str, words: Markdown = "") -> Markdown:
    """Link in Markdown to a term of the glossary, which must be there; shows the term or words."""
    from clustlab.course import catalogue

    assert term in catalogue.glossary(), f"{term!r} is no term of the glossary"
    query = authored(f"{state.TERM.key}={quote(term)}")
    return f"[{words or plain(term)}](/learn?lesson=glossary&{query})"


def with_terms(text: Markdown, *terms: str) -> Markdown:
    """A help text that ends with links to terms of the glossary."""
    links = ", ".join(map(term_link, terms))
    return f"{text}\n\nGlossary: {links}" if terms else text


def lesson_link(where: tuple[str, int], label: Markdown) -> None:
    """Link to a step of a lesson."""
    link("learn", label, "school", lesson=where[0], step=str(where[1]))


def link(
    name: str, label: Markdown, icon: str | None = None, *, help: Markdown = "", **query: str
) -> None:
    """Link to a page; the chosen run goes along."""
    st.page_link(
        path(name),
        label=label,
        icon=f":material/{icon}:" if icon else None,
        help=help or None,
        query_params=_chosen_run() | query,
    )


def _chosen_run() -> dict[str, str]:
    run = state.RUN.get()
    return {} if run is None else {state.RUN_IN_ADDRESS.key: run}
