"""A sheet of images that can be clicked: one picture in the page, whatever the number of tiles."""

import base64
import hashlib
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Literal

import streamlit as st

from clustlab.types import Array
from clustlab.ui import state
from clustlab.ui.shared import Shared
from clustlab.ui.widgets.picture_menu import picture_menu
from clustlab.views.sheets import Sheet, png, wrapped

if TYPE_CHECKING:
    from clustlab.views.pictures import Size

_HTML = """
<div id="frame" tabindex="0" role="application">
  <img id="sheet" alt="" draggable="false">
  <div id="cursor" aria-hidden="true"></div>
  <div id="says" aria-live="polite"></div>
</div>
"""

_CSS = """
#frame { position: relative; display: inline-block; line-height: 0; max-width: 100%; }
#frame:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
#sheet { image-rendering: pixelated; max-width: 100%; cursor: pointer; }
#cursor { position: absolute; pointer-events: none; display: none;
  outline: 2px solid var(--st-primary-color); }
#says { position: absolute; z-index: 2; pointer-events: none; display: none; line-height: 1.3;
  font: 12px var(--st-font); padding: 3px 7px; white-space: nowrap; border-radius: 4px;
  color: var(--st-background-color); background: var(--st-text-color); }
"""

_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const get = (id) => parentElement.querySelector(id);
  const frame = get("#frame"), image = get("#sheet"), cursor = get("#cursor"), says = get("#says");
  const { ids, labels, fit, group } = data;
  let boxes = data.boxes, width = data.width;  // a box is null where its tile is left out
  image.alt = data.alt;
  frame.setAttribute("aria-label", data.alt + ". Arrow keys move, Enter opens.");
  const scale = () => image.clientWidth / width;
  let at = frame.clustlabAt ?? -1;
  const raw = new Image();
  const place = () => {  // lay the tiles out for the room there is, at their own size
    const room = frame.parentElement.clientWidth;
    if (!raw.complete || !room) return;
    let source = data.src;
    if (fit !== "shrink" && ids.length) {
      const pitch = data.boxes[0][2] + 1, unit = group > 1 ? group + 1 : 1;
      const fits = Math.max(Math.floor((room - 1) / (pitch * unit)), 1);
      const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
      if (fit === "crop") {
        width = canvas.width = Math.min(data.width, fits * pitch + 1);
        canvas.height = raw.height;
        pen.drawImage(raw, 0, 0);
        boxes = data.boxes.map((box) => (box[0] + box[2] < width ? box : null));
      } else {
        const units = Math.ceil(ids.length / group), across = Math.min(fits, units);
        width = canvas.width = (across * unit - (unit > 1 ? 1 : 0)) * pitch + 1;
        canvas.height = Math.ceil(units / across) * pitch + 1;
        boxes = data.boxes.map(([x, y, w, h], i) => {
          const n = Math.floor(i / group), column = (n % across) * unit + (i % group);
          const box = [column * pitch + 1, Math.floor(n / across) * pitch + 1, w, h];
          pen.drawImage(raw, x, y, w, h, ...box);
          return box;
        });
      }
      const drawn = data.src + width;
      if (frame.clustlabDrawn === drawn) return;
      frame.clustlabDrawn = drawn;
      source = canvas.toDataURL();
    }
    image.style.width = fit === "shrink" ? "" : width + "px";
    if (image.src !== source) image.src = source;
  };
  raw.onload = place;
  raw.src = data.src;
  frame.clustlabObserver?.disconnect();
  const observer = frame.clustlabObserver = new ResizeObserver(place);
  observer.observe(frame.parentElement);
  const show = (i) => {
    const known = i >= 0 && i < ids.length && boxes[i], s = scale();
    cursor.style.display = known ? "block" : "none";
    says.style.display = known ? "block" : "none";
    says.textContent = known ? labels[i] : "";
    if (!known) return;
    const [x, y, w, h] = boxes[i].map((v) => v * s);
    const px = (v) => v + "px";
    Object.assign(cursor.style, { left: px(x), top: px(y), width: px(w), height: px(h) });
    const left = Math.max(0, Math.min(x, frame.parentElement.clientWidth - says.offsetWidth));
    Object.assign(says.style, { left: px(left), top: px(y + h + 3) });
  };
  const under = (e) => {
    const r = image.getBoundingClientRect(), s = scale();
    const px = (e.clientX - r.left) / s, py = (e.clientY - r.top) / s;
    return boxes.findIndex(
      (box) => box && px >= box[0] && px < box[0] + box[2] && py >= box[1] && py < box[1] + box[3]
    );
  };
  const move = (i) => { at = frame.clustlabAt = i; show(i); };
  const pick = (i) => { if (boxes[i]) setTriggerValue("picked", ids[i]); };
  const across = (i, dx, dy) => {  // the nearest tile in a direction
    if (!boxes[i]) return boxes.findIndex(Boolean);
    const [x, y] = boxes[i];
    let best = i, least = Infinity;
    boxes.forEach((box, j) => {
      if (!box) return;
      const [u, v] = box;
      const right = (u - x) * dx + (v - y) * dy, beside = Math.abs((u - x) * dy + (v - y) * dx);
      if (right > 0 && right + 3 * beside < least) { least = right + 3 * beside; best = j; }
    });
    return best;
  };
  image.onmousemove = (e) => move(under(e));
  image.onmouseleave = () => show(-1);
  image.onclick = (e) => pick(under(e));
  frame.onblur = () => show(-1);
  frame.onfocus = () => { if (ids.length) move(at >= 0 && at < ids.length ? at : 0); };
  frame.onkeydown = (e) => {
    const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    if (e.key in ways && at >= 0) { move(across(at, ...ways[e.key])); e.preventDefault(); }
    else if (e.key === "Enter" || e.key === " ") { pick(at); e.preventDefault(); }
  };
  return () => observer.disconnect();
}
"""

Fit = Literal["shrink", "wrap", "crop"]
"""What happens to a sheet without room: it gets smaller, its tiles take more rows, or the last
columns are left out. Those that wrap also take fewer rows where there is more room."""

ACROSS: Mapping["Size", int] = {"column": 12, "page": 24}  # tiles on paper of sheets that wrap
NAMED = 6  # words of a title in the name of a file

_component = st.components.v2.component("clustlab_sheet", html=_HTML, css=_CSS, js=_JS)


_sources: Shared[str] = Shared(64)


def _content(pixels: Array) -> Hashable:
    return pixels.shape, hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()


def _source(pixels: Array) -> str:
    """A picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def clickable(
    sheet: Sheet,
    *,
    key: str,
    alt: str,
    label: Callable[[int], str] = str,
    on_pick: Callable[[int], None],
    fit: Fit = "shrink",
    group: int = 1,
    reading: str = "",
    with_menu: bool = True,
) -> None:
    """Show a sheet; a click or Enter on a tile calls `on_pick` with the number of its item.

    `label` gives the short text shown while the pointer or the keyboard is on an item. Tiles wrap
    in groups of `group`, with room for one tile between them. Below it stands the menu to save it,
    with `reading` as its caption.
    """

    def picked() -> None:
        value = state.widget(key).get().picked
        if value is not None:
            on_pick(int(value))

    source = _sources.get(_content(sheet.pixels), lambda: _source(sheet.pixels))
    ids = [int(i) for i in sheet.ids]
    _component(
        key=key,
        data={
            "src": source,
            "alt": alt,
            "width": int(sheet.pixels.shape[1]),
            "ids": ids,
            "boxes": sheet.boxes.tolist(),
            "labels": [label(i) for i in ids],
            "fit": fit,
            "group": group,
        },
        on_picked_change=picked,
    )
    if with_menu and ids:
        with st.container(horizontal=True, key=f"under-{key}"):  # see style.css
            sheet_menu(
                lambda size: wrapped(sheet, ACROSS[size], group) if fit == "wrap" else sheet.pixels,
                key=key,
                title=alt,
                reading=reading,
            )


def sheet_menu(
    pixels: "Callable[[Size], Array]", *, key: str, title: str, reading: str = ""
) -> None:
    """Menu that saves a sheet, whose file is called by its title, as far as there is room."""
    name = "-".join(title.lower().replace(",", "").split()[:NAMED])
    picture_menu(pixels, name=name, key=key, title=title, reading=reading)
