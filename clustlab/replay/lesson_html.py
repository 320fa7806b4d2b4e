"""Parts of a lesson as HTML that stands still: sentences, formulas, charts, tables, pictures."""

import io
import re
from html import escape
from typing import Any

import numpy as np

from clustlab.course.controls import Choice, Control, Grid, Places, Slider, Switch, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Plane, Words
from clustlab.replay.html import data_address
from clustlab.views.sheets import png

LINES = re.compile(r"^\\begin\{(?:gathered|aligned)\}(.*)\\end\{(?:gathered|aligned)\}$", re.DOTALL)
PARTS = re.compile(r"\$([^$]+)\$|\*\*(.+?)\*\*")
ROOM = (640, 420)  # of a plane in pixels


# -- text --------------------------------------------------------------------------------------
def text(words: str) -> str:
    """A sentence of a lesson, with formulas between $ and what is **strong**."""
    parts, end = [], 0
    for found in PARTS.finditer(words):
        parts.append(escape(words[end : found.start()]))
        tex, strong = found.groups()
        parts.append(math(tex) if tex else f"<b>{escape(strong)}</b>")
        end = found.end()
    return "".join([*parts, escape(words[end:])])


def math(tex: str, *, is_block: bool = False) -> str:
    """A formula as MathML, which browsers draw themselves; its lines below each other."""
    from latex2mathml.converter import convert

    tex = re.sub(r"\\arg(?![a-z])", r"\\mathrm{arg}\\,", tex.strip())
    lines = LINES.match(tex)
    if lines is None:
        return str(convert(tex, display="block" if is_block else "inline"))
    rows = (row.replace("&", " ").strip() for row in re.split(r"\\\\(?![a-zA-Z]*\{)", lines[1]))
    return "".join(math(row, is_block=is_block) for row in rows if row)


# -- figures -----------------------------------------------------------------------------------
def element(part: Element, values: Values) -> str:
    """A part of a figure, for these values of the controls."""
    if isinstance(part, Words):
        return f"<p>{text(part.text)}</p>"
    if isinstance(part, Chart):
        return _image(data_address("image/svg+xml", _svg(part)), part.alt, "chart")
    if isinstance(part, Picture):
        return _image(data_address("image/png", png(part.pixels)), part.alt, "pixels", part.width)
    if isinstance(part, Numbers):
        return _numbers(part)
    return _image(data_address("image/svg+xml", _plane(part, values)), part.alt, "chart")


def _image(address: str, alt: str, kind: str, width: int | None = None) -> str:
    size = f' width="{width}"' if width else ""
    return f'<img class="{kind}" src="{address}" alt="{escape(alt)}"{size}>'


def _svg(part: Chart) -> bytes:
    from clustlab.views import pictures
    from clustlab.views.specification import vega_lite_spec

    spec = vega_lite_spec(part.chart)
    if part.height:
        spec["height"] = part.height
    return pictures.picture(spec, "svg")


def _numbers(part: Numbers) -> str:
    """A table; a click on a number shows its arithmetic, which stands below."""
    columns = [str(column) for column in part.table.columns]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    rows, told = [], []
    cells_of = part.table.astype(object).to_numpy()  # whole numbers stay whole
    for row, (index, values) in enumerate(zip(part.table.index, cells_of, strict=True)):
        cells = []
        for column, value in zip(columns, values, strict=True):
            is_start = part.start == (row, column)
            pressed = ' aria-pressed="true"' if is_start else ""
            written = f"{value:.{part.digits}f}" if isinstance(value, float) else str(value)
            cells.append(f'<td><button type="button"{pressed}>{escape(written)}</button></td>')
            hidden = "" if is_start else " hidden"
            told.append(f"<p{hidden}>{text(part.arithmetic(row, column))}</p>")
        rows.append(f'<tr><th scope="row">{escape(str(index))}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="numbers"><table><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
        f'<div class="told" aria-live="polite">{"".join(told)}</div>'
        f"<small>{escape(part.label)}. Click a number to see how it came about.</small></div>"
    )


def _plane(part: Plane, values: Values) -> bytes:
    """Points and centers in the plane as SVG."""
    wide, high = ROOM
    x0, x1, y0, y1 = part.extent

    def place(x: float, y: float) -> tuple[float, float]:
        return (x - x0) / (x1 - x0) * wide, (y1 - y) / (y1 - y0) * high

    file = io.StringIO()
    file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}">')
    if part.ground is not None:
        ground = data_address("image/png", png(np.asarray(part.ground)))
        file.write(
            f'<image href="{ground}" width="{wide}" height="{high}" '
            'preserveAspectRatio="none" opacity="0.35"/>'
        )
    for x, y, colour in part.crosses:
        cx, cy = place(x, y)
        lines = f"M{cx - 8:.1f} {cy - 8:.1f}l16 16m0 -16l-16 16"
        file.write(f'<path d="{lines}" stroke="{colour}" stroke-width="4" fill="none"/>')
    for (x, y), colour in zip(values[part.control], part.colours, strict=True):
        cx, cy = place(x, y)
        file.write(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="9" fill="{colour}" stroke="white"/>')
    file.write("</svg>")
    return file.getvalue().encode()


# -- controls ----------------------------------------------------------------------------------
def setting(control: Control, value: Any) -> str:
    """A control and its value in words; empty for points and tables, which the figure shows."""
    if isinstance(control, Slider):
        return f"{control.label}: {value:g}"
    if isinstance(control, Switch):
        return f"{control.label}: {'on' if value else 'off'}"
    if isinstance(control, Choice):
        return f"{control.label}: {value}"
    assert isinstance(control, Places | Grid)
    return ""
