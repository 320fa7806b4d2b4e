"""The loop of a method as a picture: what it does over and over, and where it is now."""

from collections.abc import Sequence
from html import escape
from textwrap import wrap

from clustlab.views import theme

HEIGHT, GAP, MARGIN = 40, 34, 8
LINE, BRIEF = 15, 9  # height of a line; letters that need no second one
LETTER = 7.4  # average width of a letter at 13 px
RETURN = 26  # how far below the boxes the way back runs


def svg(boxes: Sequence[str], *, active: str = "", repeats: bool = True) -> str:
    """SVG of boxes in a row with arrows, and the way back from the last to the first.

    Reading: the method does these things one after the other and then starts again; the filled
    box is at work now.

    Parameters
    ----------
    boxes : sequence of str
        Names of the steps, as in `Method.loop`.
    active : str
        Name of the box that is at work; none if it is not among them.
    repeats : bool
        Whether to draw the way back.
    """
    left, parts, middles = float(MARGIN), [], []
    for i, box in enumerate(boxes):
        lines = _lines(box)
        width = max(max(map(len, lines)) * LETTER + 24, 64)
        if i:
            parts.append(_arrow(left - GAP + 3, left - 4))
        parts.append(_box(lines, left, width, lit=box == active))
        middles.append(left + width / 2)
        left += width + GAP
    total = max(left - GAP + MARGIN, 1.0)
    height = HEIGHT + 2 * MARGIN + (RETURN if repeats else 0)
    if repeats and len(middles) > 1:
        parts.append(_way_back(middles[-1], middles[0]))
    words = ", then ".join(boxes) or "nothing"
    label = escape(f"Loop of the method: {words}" + (f"; now: {active}" if active else ""))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {height}" '
        f'style="width:100%;max-width:{total:.0f}px;height:auto" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )


def _lines(name: str) -> list[str]:
    """A name in at most two lines, as short as they can be."""
    return next(
        lines
        for width in range(BRIEF, BRIEF + len(name) + 1)
        if len(lines := wrap(name, width, break_long_words=False)) <= 2
    ) or [name]


def _box(lines: Sequence[str], left: float, width: float, *, lit: bool) -> str:
    fill, ink, line = (
        (theme.ACCENT, "white", theme.ACCENT) if lit else ("none", theme.GREY, theme.GREY)
    )
    weight = "600" if lit else "400"
    return (
        f'<rect x="{left:.1f}" y="{MARGIN}" width="{width:.1f}" height="{HEIGHT}" rx="8" '
        f'fill="{fill}" stroke="{line}" stroke-width="1.5"/>'
        f'<text text-anchor="middle" '
        f'font-family="Source Sans, sans-serif" font-size="13" font-weight="{weight}" fill="{ink}">'
        f"{''.join(_line(line, left + width / 2, i, len(lines)) for i, line in enumerate(lines))}"
        "</text>"
    )


def _line(words: str, x: float, i: int, n_lines: int) -> str:
    y = MARGIN + HEIGHT / 2 + 4.5 + LINE * (i - (n_lines - 1) / 2)
    return f'<tspan x="{x:.1f}" y="{y:.1f}">{escape(words)}</tspan>'


def _arrow(start: float, end: float) -> str:
    y = MARGIN + HEIGHT / 2
    return (
        f'<path d="M{start:.1f} {y} H{end - 6:.1f}" stroke="{theme.GREY}" stroke-width="1.5" '
        f'fill="none"/>' + _tip(end, y, "right")
    )


def _way_back(start: float, end: float) -> str:
    top, low = MARGIN + HEIGHT, MARGIN + HEIGHT + RETURN - 6
    return (
        f'<path d="M{start:.1f} {top} V{low} H{end:.1f} V{top + 7}" stroke="{theme.GREY}" '
        f'stroke-width="1.5" fill="none" stroke-linejoin="round"/>' + _tip(end, top + 2, "up")
    )


def _tip(x: float, y: float, towards: str) -> str:
    corners = {"right": ((0, 0), (-8, -4), (-8, 4)), "up": ((0, 0), (-4, 8), (4, 8))}[towards]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{theme.GREY}"/>'
