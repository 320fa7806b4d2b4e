"""Parts that several pages place: a chart with its reading guide, the download bar, a table."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from clustlab.data import background_download
from clustlab.registry import Method
from clustlab.ui import session, state
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.shared import Shared, key_of
from clustlab.ui.widgets.picture_menu import picture_menu
from clustlab.views import curves, loop, specification
from clustlab.views.theme import reading


def guide(view: Callable[..., Any], *more: Markdown) -> None:
    """One quiet line under a chart that says how to read it; `more` is said behind it."""
    text = reading(view)
    if text:
        text = " ".join(filter(None, (text[0].upper() + text[1:], *more)))
        st.caption(f":material/visibility: {plain(text)}")


def chart(view: Callable[..., Any], *args: Any, key: str, alt: str = "", **options: Any) -> Any:
    """Draw a chart from its view, with the guide below; return its selection, if it has one.

    Keep what varies with the step in the data of a chart, out of its title and its key: then
    Streamlit hands the new rows to the chart that is there, instead of building another one.
    `select` names the selections to react to, `height` fixes the height in pixels; charts that are
    several side by side have a `width` of their own ("content"). Without a guide, the menu to save
    a chart stands within it and takes no room; `with_menu` is for what is no chart to be saved.
    """
    select = options.pop("select", None)
    height, width = options.pop("height", None), options.pop("width", "stretch")
    with_guide, with_menu = options.pop("with_guide", True), options.pop("with_menu", True)
    on_select = options.pop("on_select", "rerun" if select else "ignore")
    spec, text = _specification(view, *args, **options), reading(view)
    event = st.vega_lite_chart(
        spec,
        width=width,
        height=height or "content",
        key=key,
        on_select=on_select,
        selection_mode=select,
        alt=alt or text,
    )
    with _below(key, with_guide=with_guide):
        if with_guide:
            guide(view, curves.ABOUT_READ_ANEW if options.get("read_anew") else "")
        if with_menu:
            picture_menu(spec, name=_name(view), key=key, reading=text)
    return event if on_select != "ignore" else None


def below_map(view: Callable[..., Any], *args: Any, key: str, **options: Any) -> None:
    """Guide and menu of a map, which the browser has drawn: it is saved as its view draws it.

    Parameters
    ----------
    view : callable
        The view, with `args` and `options` for it.
    key : str
        Of the map.
    with_guide : bool
        As in `chart`.
    """
    with_guide = options.pop("with_guide", True)
    with _below(key, with_guide=with_guide):
        if with_guide:
            guide(view)
        picture_menu(
            lambda _size: _specification(view, *args, **options),
            name=_name(view),
            key=key,
            reading=reading(view),
        )


def _below(key: str, *, with_guide: bool) -> Any:
    place = f"below-{key}" if with_guide else f"within-{key}"  # see style.css
    return st.container(horizontal=True, vertical_alignment="center", gap="small", key=place)


def _name(view: Callable[..., Any]) -> str:
    """What a view shows, in the name of a file."""
    return getattr(view, "__name__", "chart").strip("_").replace("_", "-")


_specifications: Shared[dict[str, Any]] = Shared(48)


def _specification(view: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any]:
    """What a chart is to the browser; that of equal arguments is made once for all sessions."""

    def made() -> dict[str, Any]:
        drawn = view(*args, **options)
        spec = drawn if isinstance(drawn, dict) else specification.vega_lite_spec(drawn)
        return specification.with_arrow_tables(spec)

    key = key_of(view, *args, **options)
    return made() if key is None else _specifications.get(key, made)


def tabs(contents: Mapping[Markdown, Callable[[], None]], *, name: str = "") -> None:
    """Tabs of which only the open one is drawn: what nobody sees costs no time.

    With a name, the open tab stands under it in the URL, so that a link can lead there.
    """
    labels = list(contents)
    if name:
        drawn = st.tabs(labels, key=name, on_change="rerun", bind="query-params")
    else:
        drawn = st.tabs(labels, key="tabs-" + "-".join(contents), on_change="rerun")
    for tab, draw in zip(drawn, contents.values(), strict=True):
        if tab.open:
            with tab:
                draw()


def loop_diagram(method: type[Method], active: str = "") -> None:
    """The loop of a method as boxes, the one at work filled."""
    says = f"The loop of {method.title}: {', '.join(method.loop)}, and again"
    st.image(loop.svg(method.loop, active=active), width="content", alt=says)


def downloading(name: str) -> None:
    """Progress of a download, while there is one."""
    download = background_download.progress(session.store().root, name)
    running = download.get("status") == "running"
    st.fragment(_download_bar, run_every=1.0 if running else None)(name)


def _download_bar(name: str) -> None:
    root = session.store().root
    download = background_download.progress(root, name)
    status = download.get("status")
    if status == "running":
        st.progress(float(download["fraction"]), plain(download["message"]))
        st.button(
            "Stop",
            icon=":material/stop:",
            on_click=session.later(partial(background_download.cancel, root, name)),
        )
        state.DOWNLOADING.set(name)
    elif status == "failed":
        session.show_error(download)
    elif status == "cancelled":
        st.caption(plain(download["message"]))
    if status != "running" and state.DOWNLOADING.take() == name:
        st.rerun()
