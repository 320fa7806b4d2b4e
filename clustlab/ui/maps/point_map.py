"""A map of all items on a page: every dot is drawn, in the browser, by the code of replay pages.

The websocket carries addresses alone. What is at them, some bytes a dot, is fetched by plain HTTP
and kept by the browser (see `clustlab.ui.server.put_down`). What is drawn around dots to choose
them comes back as corners, and is found out here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.types import Array
from clustlab.ui import session, state
from clustlab.ui.server import map_scripts
from clustlab.ui.server.put_down import address_of, addresses, content_of
from clustlab.views import point_map as views
from clustlab.views import scatter

BRUSHED = {"rectangle": "Brushed", "polygon": "Lassoed"}  # what was selected, by the shape drawn
KEYS = (
    "Plus and minus zoom, arrows move a map that is zoomed in, Enter selects what is in view, "
    "Escape clears."
)
PICTURED = "Zoomed in far enough, the dots become their images."
Rectangle = tuple[float, float, float, float]  # middle (x, y), half its width, half its height

# Its script is asked for by its address, since Streamlit sends this one again with every step.
_JS = """
export default async function (component) {
  const { draw } = await import(new URL(component.data.script, window.location.origin));
  return draw(component);
}
"""
_HTML = '<div class="point-map"></div>'
_CSS = (resources.files("clustlab.ui.maps") / "point_map.css").read_text("utf-8")
_component = st.components.v2.component("clustlab_map", html=_HTML, css=_CSS, js=_JS)


@dataclass(frozen=True, kw_only=True)
class PointMap:
    """What one map shows.

    Parameters
    ----------
    table : DataFrame
        Of all items, from `scatter.dots`.
    square : three float
        What is shown: its middle (x, y) and half its side.
    label : str
        What is shown, in words, for those who do not see it.
    step : int
        Of the run.
    colour_by : str
        One of `scatter.colourings(table)`.
    centers : (ids, 2) float, optional
        As in `scatter.embedding`.
    selected : sequence of int
        Items in colour; all others are grey.
    picked : int, optional
        Item with a ring around it.
    trails : DataFrame, optional
        From `scatter.trails`.
    ground : bytes, optional
        PNG that lies in the square beneath the dots.
    image_url : str, optional
        Address of an item's image, with `{index}` in it.
    names : bytes, optional
        Names of all items as JSON.
    title : str
        Above it, if it is one of several.
    frame : four float, optional
        What is sure to be in sight, if it is less than all of the square.
    columns : sequence of Column, optional
        What is said of each dot; by default all that the table knows.
    prepared : Prepared, optional
        What is shown, if it was worked out before.
    ahead : str, optional
        Address of what the browser will need next, from `clustlab.ui.server.ahead`.
    """

    table: pd.DataFrame
    square: views.Square
    label: str
    step: int
    colour_by: str = "cluster"
    centers: Array | None = None
    selected: Sequence[int] = ()
    picked: int | None = None
    trails: pd.DataFrame | None = None
    ground: bytes | None = None
    image_url: str | None = None
    names: bytes | None = None
    title: str = ""
    frame: Rectangle | None = None
    with_legend: bool = True
    with_marks: bool = True
    columns: Sequence[views.Column] | None = None
    prepared: views.Prepared | None = None
    ahead: str | None = None

    def data(self) -> dict[str, Any]:
        """What is handed to the browser: addresses of all that is long."""
        items, put = self.table["index"].to_numpy(), addresses()
        shown = self.prepared or views.prepared(
            self.table,
            self.square,
            self.colour_by,
            self.centers,
            with_marks=self.with_marks,
            told=self.columns,
        )
        return {
            "script": map_scripts.address(),
            "dots": put(shown.dots),
            "codes": put(shown.codes),
            "scene": put(json.dumps(self._scene(items, shown, put)).encode()),
            "chosen": _flags(items, self.selected),
            "ground": None if self.ground is None else put(self.ground),
            "ahead": self.ahead,
            "image": self.image_url,
            "title": self.title,
            "ringed": _place(items, self.picked),
        }

    def _scene(
        self, items: Array, shown: views.Prepared, put: Callable[[bytes], str]
    ) -> dict[str, Any]:
        """All but the dots: colours, marks, and what is said of dots."""
        colours = shown.colours
        is_all = len(items) == 0 or (items[0] == 0 and items[-1] == len(items) - 1)
        x, y, half = self.square
        told = "" if not len(self.selected) else f" {len(self.selected):,} are selected."
        told += "" if self.image_url is None else f" {PICTURED}"
        return {
            "n": len(items),
            "step": self.step,
            "label": f"{self.label}.{told} {KEYS}",
            "square": self._told((x, y, half, half)),
            "frame": self._told(self.frame or (x, y, half, half)),
            "palette": colours.palette,
            "names": colours.names,
            "counts": colours.counts,
            "highest": colours.highest if self.with_legend else 0,
            "has_legend": self.with_legend and 0 < len(colours.names) <= scatter.MAX_LEGEND,
            "marks": shown.marks,
            "wakes": views.wakes(self.trails, self.square),
            "items": None if is_all else put(items.astype(np.uint32).tobytes()),
            "item_names": None if self.names is None else put(self.names),
            "columns": [
                {
                    "title": column.title,
                    "numbers": put(numbers),
                    "words": column.words,
                    "is_share": column.is_share,
                }
                for column, numbers in shown.columns
            ],
        }

    def _told(self, shown: Rectangle) -> dict[str, float]:
        """A rectangle by its middle and its sides, as shares of what places are told of."""
        (x, y, across, up), (middle, centre, half) = shown, self.square
        whole = 2 * half * views.BEYOND
        return {
            "x": 0.5 + (x - middle) / whole,
            "y": 0.5 + (y - centre) / whole,
            "width": 2 * across / whole,
            "height": 2 * up / whole,
        }


def point_map(
    shown: PointMap,
    *,
    key: str,
    height: str,
    place: str,
    on_select: Callable[[Array, str], None] = session.select,
    group: str = "",
) -> None:
    """Draw a map; dots that are clicked or drawn around are picked and selected.

    Parameters
    ----------
    height : str
        Of the map, as a length of CSS.
    place : str
        Name of what is looked at: zoom and place are kept for as long as it stays the same.
    on_select : callable
        Takes the items that were drawn around, and in what way.
    group : str
        Maps of one group show the same items: pointing at one shows it in all.
    """
    items = shown.table["index"].to_numpy()

    def chosen() -> None:
        told = state.widget(key).get().chosen
        if told is not None:
            _take(told, items, on_select)

    data = shown.data() | {"height": height, "name": place, "group": group}
    _component(key=key, data=data, on_chosen_change=chosen, on_lost_change=lambda: None)


def _take(told: Mapping[str, Any], items: Array, on_select: Callable[[Array, str], None]) -> None:
    """Choose what the browser tells of the dots that it shows."""
    if told.get("clear"):
        session.clear()
    elif "dot" in told:
        if 0 <= int(told["dot"]) < len(items):
            session.pick(int(items[int(told["dot"])]))
    elif (dots := chosen_dots(told, len(items))) is not None:
        found = items[dots]
        if told.get("adds"):
            found = np.union1d(session.selection()[0], found).astype(np.int64)
        on_select(found, BRUSHED[told["area"]["shape"]])


def chosen_dots(told: Mapping[str, Any], n: int) -> Array | None:
    """Dots (m,) int64 that were drawn around; None if it is not known any more where they lay.

    They are found where the browser has drawn them, whatever step the session has come to since.
    """
    content = content_of(told["dots"])
    if content is None or len(content) != 4 * n:
        return None
    dots = views.within(np.frombuffer(content, np.uint16).reshape(2, n), told["area"])
    if not told.get("only"):
        return dots
    codes = content_of(told["codes"])
    if codes is None:
        return None
    of_dots = np.frombuffer(codes, np.uint8 if len(codes) == n else np.uint16)
    return dots[np.isin(of_dots[dots], told["only"])]


def _flags(items: Array, selected: Sequence[int]) -> str | None:
    """Address of a bit for each dot: whether it is selected; None if none is."""
    flags = np.isin(items, np.asarray(selected, dtype=np.int64)) if len(selected) else None
    if flags is None or not flags.any():
        return None
    return address_of(np.packbits(flags, bitorder="little").tobytes())


def _place(items: Array, picked: int | None) -> int:
    """Place of an item among the dots; -1 if it is none of them."""
    found = [] if picked is None else np.flatnonzero(items == picked).tolist()
    return found[0] if found else -1
