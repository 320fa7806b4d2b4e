"""Charts and sheets as pictures for papers and slides: PNG, SVG and PDF, on a light ground.

A chart is laid out anew for the width of a column or a page. Its title stands above it and its
caption below, both within the picture, in lines that fit, with their fonts.
"""

import base64
import html
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from clustlab.errors import ParameterError
from clustlab.types import Array
from clustlab.views.sheets import png

Kind = Literal["png", "svg", "pdf"]
Size = Literal["column", "page"]
MIME: Mapping[str, str] = MappingProxyType(
    {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
)
FONT = "DejaVu Sans"  # which Matplotlib brings along, with its files
FILES = {"normal": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}
DPI = 300  # dots an inch of a PNG, as journals ask for
POINTS = 72 / 25.4  # of print in a millimetre
SEPARATE = ("hconcat", "vconcat", "concat", "facet")  # charts of several, each with its own size
TITLE, SUBTITLE, CAPTION = 12.0, 9.5, 9.0  # pixels of letters
LINE = 1.35  # height of a line, in that of its letters
MARGIN = 6.0  # pixels around all
CLAUSE = re.compile(r"(?<=[.;]) ")
POINTER = re.compile(r"(?:click|hover|drag)\b", re.IGNORECASE)
LIGHT_OR_DARK = re.compile(r"light-dark\(([^,()]+),[^()]*\)")  # as browsers choose by the theme


@dataclass(frozen=True, slots=True)
class Width:
    """Width of a picture: on paper, and in the pixels in which it is laid out."""

    millimetres: float
    pixels: int


WIDTHS: Mapping[str, Width] = MappingProxyType({"column": Width(86, 340), "page": Width(178, 640)})


def picture(
    drawn: Mapping[str, Any] | Array,
    kind: Kind,
    *,
    size: Size = "page",
    title: str | None = None,
    caption: str = "",
) -> bytes:
    """A chart or a sheet of images as a file.

    Parameters
    ----------
    drawn : mapping or array
        Specification in Vega-Lite, whose tables are rows, data frames or Arrow tables; or the
        pixels (h, w, 3) uint8 of a sheet, which are made smaller to fit, but not larger.
    title : str, optional
        What stands above it; by default the title that it has.

    Raises
    ------
    ParameterError
        If there is no such kind or size.
    """
    for name, value, known in (("kind", kind, MIME), ("size", size, WIDTHS)):
        if value not in known:
            raise ParameterError(
                f"{name} must be one of {', '.join(known)}, got {value!r}.", "Choose one of them."
            )
    import vl_convert

    svg = (
        _framed(_embedded(drawn, WIDTHS[size]), WIDTHS[size], title or "", [], caption)
        if isinstance(drawn, np.ndarray)
        else _svg(drawn, WIDTHS[size], title, caption)
    )
    if kind == "svg":
        return _with_fonts(svg).encode()
    convert = vl_convert.svg_to_pdf if kind == "pdf" else partial(vl_convert.svg_to_png, ppi=DPI)
    return bytes(convert(_in_points(svg)))


def file_name(*parts: object) -> str:
    """Name of a file, without its ending, from what it shows: `run-step-3-confusion`."""
    return "-".join(filter(None, (re.sub(r"[^\w.]+", "-", str(p)).strip("-") for p in parts)))


def on_paper(reading: str) -> str:
    """How to read a chart, without what one can do with a pointer."""
    clauses = [each for each in CLAUSE.split(reading) if each and not POINTER.match(each)]
    text = " ".join(clauses).strip()
    return f"{text[:-1]}." if text.endswith(";") else text


def title_of(spec: Mapping[str, Any]) -> str:
    """Title that a chart has; empty if it has none."""
    return _titles(spec)[0]


# -- the chart -------------------------------------------------------------------------------------
def _svg(spec: Mapping[str, Any], width: Width, title: str | None, caption: str) -> str:
    import vl_convert

    vl_convert.register_font_directory(str(_fonts()))
    own_title, notes = _titles(spec)
    drawn = vl_convert.vegalite_to_svg(
        _laid_out(spec, width),
        config={"font": FONT, "background": "white"},
        allowed_base_urls=[],  # a chart is made of what it holds, and fetches nothing
    )
    drawn = LIGHT_OR_DARK.sub(r"\1", drawn)
    return _framed(drawn, width, title if title is not None else own_title, notes, caption)


def _titles(spec: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Title of a chart and the notes below it."""
    told = spec.get("title") or ""
    if not isinstance(told, dict):
        return _line(told), []
    if told.get("fontWeight") == "normal":  # notes without a title, see `charts.finish`
        return "", [_line(told["text"])]
    subtitle = told.get("subtitle") or []
    return _line(told["text"]), [subtitle] if isinstance(subtitle, str) else list(subtitle)


def _line(text: Any) -> str:
    return text if isinstance(text, str) else " ".join(map(str, text))


def _laid_out(spec: Mapping[str, Any], width: Width) -> dict[str, Any]:
    """The chart in this width, without its title, and with plain rows."""
    chart = {name: value for name, value in spec.items() if name != "title"}
    chart["datasets"] = {n: _rows(table) for n, table in spec.get("datasets", {}).items()}
    if not any(name in spec for name in SEPARATE):
        before, height = spec.get("width"), spec.get("height")
        if isinstance(before, int | float) and isinstance(height, int | float):
            chart["height"] = height * width.pixels / before
        chart["width"] = width.pixels - 2 * MARGIN
        chart["autosize"] = {"type": "fit-x", "contains": "padding"}
    return chart


def _rows(table: Any) -> Any:
    """Rows of a table as JSON has them: what is not finite becomes nothing."""
    frame = table.to_pandas() if isinstance(table, pa.Table) else table
    if not isinstance(frame, pd.DataFrame):
        return frame
    return msgspec.json.decode(frame.to_json(orient="records", double_precision=12))


# -- a sheet ---------------------------------------------------------------------------------------
def _embedded(pixels: Array, width: Width) -> str:
    """Pixels as an SVG that holds them, in squares of whole dots, so that they stay sharp."""
    h, w = pixels.shape[:2]
    scale = min(1.0, (width.pixels - 2 * MARGIN) / w)
    dots = DPI * width.millimetres / 25.4 / width.pixels * scale  # of a side of a pixel
    k = max(1, round(dots))
    data = base64.b64encode(png(pixels.repeat(k, axis=0).repeat(k, axis=1))).decode()
    return (
        f'<svg width="{w * scale:.2f}" height="{h * scale:.2f}" viewBox="0 0 {w} {h}">'
        f'<image width="{w}" height="{h}" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{data}"/></svg>'
    )


# -- what stands around it -------------------------------------------------------------------------
def _framed(drawn: str, width: Width, title: str, notes: Sequence[str], caption: str) -> str:
    """The chart below its title and above its caption, as wide as the paper asks for."""
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', drawn)
    assert size is not None, "an SVG says how large it is"
    inner = float(size[1]), float(size[2])
    full = max(inner[0] + 2 * MARGIN, float(width.pixels))
    above = list(_lines(title, TITLE, "bold", full))
    for note in notes:
        above += _lines(note, SUBTITLE, "normal", full)
    below = list(_lines(caption, CAPTION, "normal", full))
    text, y = [], MARGIN
    for line in above:
        y += line.height
        text.append(line.at(y))
    y += MARGIN if above else 0
    chart = drawn.replace("<svg ", f'<svg x="{MARGIN}" y="{y:.2f}" ', 1)
    y += inner[1] + (MARGIN if below else 0)
    for line in below:
        y += line.height
        text.append(line.at(y))
    height = y + MARGIN + 2  # room for what letters have below their line
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width.millimetres:g}mm" '
        f'height="{width.millimetres * height / full:.2f}mm" viewBox="0 0 {full:.2f} {height:.2f}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(text)}{chart}</svg>'
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text."""

    text: str
    size: float
    weight: str

    @property
    def height(self) -> float:
        return self.size * LINE

    def at(self, y: float) -> str:
        return (
            f'<text x="{MARGIN}" y="{y:.2f}" font-family="{FONT}" font-size="{self.size}px" '
            f'font-weight="{self.weight}" fill="black">{html.escape(self.text)}</text>'
        )


def _lines(text: str, size: float, weight: str, room: float) -> Iterator[_Line]:
    """Text in lines that fit between the margins; a word that does not is cut."""
    measure = _measure(weight)
    most = (room - 2 * MARGIN) / size
    line = ""
    for word in _cut(text.split(), measure, most):
        longer = f"{line} {word}".strip()
        if measure(longer) > most:
            yield _Line(line, size, weight)
            longer = word
        line = longer
    if line:
        yield _Line(line, size, weight)


def _cut(words: Sequence[str], measure: Callable[[str], float], most: float) -> Iterator[str]:
    """Words, those that are too wide for a line in pieces."""
    for word in words:
        while len(word) > 1 and measure(word) > most:
            fits = [n for n in range(1, len(word)) if measure(word[:n]) <= most]
            n = max(fits, default=1)
            yield word[:n]
            word = word[n:]
        yield word


def _in_points(svg: str) -> str:
    """The same with its size in points, which is what a pixel becomes in a PNG or PDF."""
    return re.sub(
        r'width="([\d.]+)mm" height="([\d.]+)mm"',
        lambda m: f'width="{float(m[1]) * POINTS:.2f}" height="{float(m[2]) * POINTS:.2f}"',
        svg,
        count=1,
    )


# -- fonts -----------------------------------------------------------------------------------------
@cache
def _fonts() -> Path:
    """Folder of the fonts."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@cache
def _measure(weight: str) -> Callable[[str], float]:
    """Function that says how wide a text is, in the size of its letters."""
    from fontTools.ttLib import TTFont

    with TTFont(_fonts() / FILES[weight], lazy=True) as font:
        names, widths = font.getBestCmap(), font["hmtx"].metrics
        units = font["head"].unitsPerEm
        known = {code: widths[name][0] / units for code, name in names.items()}
    return lambda text: sum(known.get(ord(letter), 1.0) for letter in text)


def _with_fonts(svg: str) -> str:
    """An SVG that carries those letters of its fonts that it uses."""
    letters = "".join(html.unescape(each) for each in re.findall(r">([^<>]+)<", svg))
    faces = "".join(
        f"@font-face{{font-family:'{FONT}';font-weight:{weight};"
        f"src:url(data:font/woff;base64,{_letters_of(file, letters)})}}"
        for weight, file in FILES.items()
    )
    return svg.replace("<rect ", f"<style>{faces}</style><rect ", 1)


def _letters_of(file: str, letters: str) -> str:
    """A font with these letters only, in base64."""
    from fontTools import subset

    options = subset.Options(flavor="woff", layout_features=["kern"], notdef_outline=True)
    options.drop_tables += ["FFTM"]  # dates of its makers
    out = io.BytesIO()
    with subset.load_font(str(_fonts() / file), options) as font:
        chosen = subset.Subsetter(options)
        chosen.populate(text=letters)
        chosen.subset(font)
        subset.save_font(font, out, options)
    return base64.b64encode(out.getvalue()).decode()
