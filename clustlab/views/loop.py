"""The loop of a method as a picture: what it does over and over, and where it is now."""

from collections.abc import Sequence
from html import escape
from textwrap import wrap

from clustlab.views import theme

HEIGHT, MARGIN = 40, 4
ACROSS, DOWN = 22, 24  # between two boxes in a row, and between the rows
LINE, BRIEF = 15, 9  # height of a line; letters that need no second one
LETTER, SIZE = 7.4, 13  # average width and size of letters, in pixels
APART = 12  # of the ways down and up from their middle, where there is one column only


def svg(boxes: Sequence[str], *, active: str = "") -> str:
    """SVG of boxes in a ring, joined by arrows: there and back in two rows.

    Reading: the method does these things one after the other and then starts again; the filled
    box is at work now.

    Two rows take half the width of one, so that letters need not shrink beside other things.

    Parameters
    ----------
    boxes : sequence of str
        Names of the steps, as in `Method.loop`.
    active : str
        Name of the box that is at work; none if it is not among them.
    """
    n = (len(boxes) + 1) // 2  # in the upper row, from left to right
    columns = [*range(n), *reversed(range(2 * n - len(boxes), n))][: len(boxes)]
    lines = [_lines(box) for box in boxes]
    widths = [0.0] * n
    for column, words in zip(columns, lines, strict=True):
        widths[column] = max(widths[column], max(map(len, words)) * LETTER + 16, 56)
    lefts = [MARGIN + sum(widths[:i]) + i * ACROSS for i in range(n)]
    total = max(MARGIN + sum(widths) + max(n - 1, 0) * ACROSS + MARGIN, 1.0)
    tops = [MARGIN if i < n else MARGIN + HEIGHT + DOWN for i in range(len(boxes))]
    parts = [
        _box(words, lefts[column], top, widths[column], lit=box == active)
        for box, words, column, top in zip(boxes, lines, columns, tops, strict=True)
    ]
    if len(boxes) > 1:
        parts += _ways(lefts, widths, columns[-1])
    height = 2 * MARGIN + HEIGHT + (HEIGHT + DOWN if len(boxes) > 1 else 0)
    said = ", then ".join(boxes) or "nothing"
    label = escape(f"Loop of the method: {said}" + (f"; now: {active}" if active else ""))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {height}" '
        f'width="{total:.0f}" height="{height}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )


def _lines(name: str) -> list[str]:
    """A name in at most two lines, as short as they can be."""
    return next(
        lines
        for width in range(BRIEF, BRIEF + len(name) + 1)
        if len(lines := wrap(name, width, break_long_words=False)) <= 2
    ) or [name]


def _box(lines: Sequence[str], left: float, top: float, width: float, *, lit: bool) -> str:
    fill, ink, line = (
        (theme.ACCENT, "white", theme.ACCENT) if lit else ("none", theme.GREY, theme.GREY)
    )
    weight = "600" if lit else "400"
    first = top + HEIGHT / 2 + 4.5 - LINE * (len(lines) - 1) / 2
    words = "".join(_line(line, left + width / 2, first + LINE * i) for i, line in enumerate(lines))
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{HEIGHT}" rx="8" '
        f'fill="{fill}" stroke="{line}" stroke-width="1.5"/>'
        f'<text text-anchor="middle" font-family="Source Sans, sans-serif" '
        f'font-size="{SIZE}" font-weight="{weight}" fill="{ink}">{words}</text>'
    )


def _line(words: str, x: float, y: float) -> str:
    return f'<tspan x="{x:.1f}" y="{y:.1f}">{escape(words)}</tspan>'


def _ways(lefts: Sequence[float], widths: Sequence[float], last: int) -> list[str]:
    """Arrows around the ring, whose last box is below the column `last`."""
    upper, lower = MARGIN + HEIGHT / 2, MARGIN + HEIGHT * 1.5 + DOWN
    middles = [left + width / 2 for left, width in zip(lefts, widths, strict=True)]
    apart = APART if len(lefts) == 1 else 0
    ways = [
        _way(f"M{left - ACROSS + 3:.1f} {upper}", left - 3, upper, "right") for left in lefts[1:]
    ]
    down, end = middles[-1] + apart, MARGIN + HEIGHT + DOWN - 3
    ways.append(_way(f"M{down:.1f} {MARGIN + HEIGHT + 3}", down, end, "down"))
    ways += [
        _way(f"M{lefts[i + 1] - 3:.1f} {lower}", lefts[i + 1] - ACROSS + 3, lower, "left")
        for i in range(last, len(lefts) - 1)
    ]
    up, below = middles[0] - apart, MARGIN + HEIGHT + DOWN - 3
    start = f"M{up:.1f} {below}" if last == 0 else f"M{lefts[last] - 3:.1f} {lower} H{up:.1f}"
    return [*ways, _way(start, up, MARGIN + HEIGHT + 3, "up")]


def _way(start: str, x: float, y: float, towards: str) -> str:
    """Line from a start to a point, with a tip that points there."""
    back, across = {"right": (-8, 0), "left": (8, 0), "down": (0, -8), "up": (0, 8)}[towards], 4
    dx, dy = back
    line = f"{start} L{x + dx:.1f} {y + dy:.1f}" if "H" not in start else f"{start} V{y + dy:.1f}"
    side = (0, across) if dx else (across, 0)
    corners = [(0, 0), (dx + side[0], dy + side[1]), (dx - side[0], dy - side[1])]
    points = " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in corners)
    return (
        f'<path d="{line}" stroke="{theme.GREY}" stroke-width="1.5" fill="none" '
        f'stroke-linejoin="round"/><polygon points="{points}" fill="{theme.GREY}"/>'
    )
