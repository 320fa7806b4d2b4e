"""A plane of points that can be dragged, by pointer or by arrow keys."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict

import streamlit as st

from clustlab.course.figure import Plane
from clustlab.ui import state
from clustlab.views.sheets import png
from clustlab.views.theme import ink

_HTML = """<svg id="plane" role="application" viewBox="0 0 640 420"></svg>"""

_CSS = """
#plane { width: 100%; max-width: 600px; aspect-ratio: 640 / 420; display: block; touch-action: none;
  border: 1px solid color-mix(in srgb, var(--st-text-color) 25%, transparent); border-radius: 6px; }
#plane .point { cursor: grab; stroke: var(--st-background-color); stroke-width: 1.5; }
#plane .point:focus { outline: none; stroke: var(--st-primary-color); stroke-width: 4; }
#plane .cross { stroke-width: 4; fill: none; pointer-events: none; }
#plane .link { stroke-linecap: round; opacity: 0.5; pointer-events: none; }
#plane .words { fill: var(--st-text-color); stroke: var(--st-background-color); stroke-width: 4;
  paint-order: stroke; font: 600 16px var(--st-font); pointer-events: none; }
#plane .number { font: 700 14px var(--st-font); pointer-events: none; }
#plane .halo { stroke: var(--st-background-color); stroke-width: 8; pointer-events: none; }
"""

_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const svg = parentElement.querySelector("#plane"), W = 640, H = 420;
  const [x0, x1, y0, y1] = data.extent;
  const right = (x) => (x - x0) / (x1 - x0) * W, down = (y) => (y1 - y) / (y1 - y0) * H;
  const make = (tag, values) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(values)) made.setAttribute(k, v);
    return svg.appendChild(made);
  };
  const focused = svg.getRootNode().activeElement?.dataset?.i;
  svg.replaceChildren();
  const how = data.locked ? "" : ". Tab to a point, arrow keys move it.";
  svg.setAttribute("aria-label", data.alt + how);
  if (data.ground) make("image", { href: data.ground, width: W, height: H,
    preserveAspectRatio: "none", opacity: 0.35 });
  const points = data.points.map((p) => [...p]);
  const links = data.links.map((link) => [link.point, make("line", { class: "link",
    x2: right(link.x), y2: down(link.y), stroke: link.colour,
    "stroke-width": 2 + 28 * link.share })]);
  const send = () => setTriggerValue("moved", points);
  const inside = (v, a, b) => Math.min(Math.max(v, a), b);
  points.forEach((p, i) => {
    const dot = make("circle", { r: data.numbered ? 11 : 9, class: "point",
      fill: data.colours[i], role: data.locked ? "img" : "button", "data-i": i });
    const number = data.numbered ? make("text", { class: "number", fill: data.inks[i],
      "text-anchor": "middle", "aria-hidden": true }) : null;
    if (number) number.textContent = i + 1;
    const place = (x, y) => {
      p[0] = inside(x, x0, x1); p[1] = inside(y, y0, y1);
      dot.setAttribute("cx", right(p[0])); dot.setAttribute("cy", down(p[1]));
      number?.setAttribute("x", right(p[0])); number?.setAttribute("y", down(p[1]) + 5);
      links.filter(([from]) => from === i).forEach(([, line]) => {
        line.setAttribute("x1", right(p[0])); line.setAttribute("y1", down(p[1]));
      });
      dot.setAttribute("aria-label", `Point ${i + 1} at ${p[0].toFixed(2)}, ${p[1].toFixed(2)}`);
    };
    place(...p);
    if (data.locked) { dot.style.cursor = "default"; return; }
    dot.setAttribute("tabindex", 0);
    dot.onpointerdown = (e) => {
      dot.setPointerCapture(e.pointerId); dot.focus();
      dot.onpointermove = (f) => {
        const r = svg.getBoundingClientRect();
        place(x0 + (f.clientX - r.left) / r.width * (x1 - x0),
              y1 - (f.clientY - r.top) / r.height * (y1 - y0));
      };
    };
    dot.onpointerup = () => { if (dot.onpointermove) { dot.onpointermove = null; send(); } };
    dot.onkeydown = (e) => {
      const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (!(e.key in ways)) return;
      const [dx, dy] = ways[e.key];
      place(p[0] + dx * (x1 - x0) / 40, p[1] + dy * (y1 - y0) / 40);
      e.preventDefault(); send();
    };
    if (focused === String(i)) dot.focus();
  });
  data.crosses.forEach(([x, y, colour]) => {
    const a = right(x), b = down(y), s = 9;
    const d = `M${a - s} ${b - s}L${a + s} ${b + s}M${a - s} ${b + s}L${a + s} ${b - s}`;
    make("path", { d, class: "cross halo" });
    make("path", { d, class: "cross", stroke: colour });
  });
  data.links.forEach((link) => {  // words on the side of the place that the line does not take
    const y = down(link.y), above = down(points[link.point][1]) > y ? y > 40 : y > H - 40;
    make("text", { class: "words", x: right(link.x), y: y + (above ? -18 : 30),
      "text-anchor": "middle" }).textContent = link.words;
  });
}
"""

_component = st.components.v2.component("clustlab_plane", html=_HTML, css=_CSS, js=_JS)


def movable_points(
    plane: Plane,
    points: Sequence[Sequence[float]],
    *,
    key: str,
    on_move: Callable[[tuple[tuple[float, float], ...]], None] | None,
) -> None:
    """Show the points; `on_move` is called with all of them after one was moved.

    Without it they cannot be moved.
    """

    def moved() -> None:
        value = state.widget(key).get().moved
        if value and on_move:
            on_move(tuple((float(x), float(y)) for x, y in value))

    ground = None
    if plane.ground is not None:
        ground = "data:image/png;base64," + base64.b64encode(png(plane.ground)).decode()
    _component(
        key=key,
        data={
            "points": [list(point) for point in points],
            "colours": list(plane.colours),
            "crosses": [list(cross) for cross in plane.crosses],
            "numbered": plane.numbered,
            "inks": [ink(colour) for colour in plane.colours],
            "links": [asdict(link) for link in plane.links],
            "extent": list(plane.extent),
            "ground": ground,
            "alt": plane.alt,
            "locked": on_move is None,
        },
        on_moved_change=moved,
    )
