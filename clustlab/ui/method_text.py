"""The text in which a method introduces itself: the docstring of its module, as Markdown."""

import inspect
import re

from clustlab.registry import Method


def text_of(method: type[Method]) -> str:
    """All of it, in Markdown."""
    module = inspect.getmodule(method)
    text = inspect.cleandoc((module and module.__doc__) or method.__doc__ or "")
    return with_formulas_apart(text)


def with_formulas_apart(text: str) -> str:
    """Markdown in which the signs of a formula stand on lines of their own, as they must.

    A formula in a list is indented as its item is: else the list would end there.
    """

    def apart(formula: re.Match[str]) -> str:
        indent = _indent_of_list(text[: formula.start()])
        lines = ["", "", "$$", *map(str.strip, formula[1].strip().splitlines()), "$$", "", ""]
        goes_on = text[formula.end() : formula.end() + 1] not in ("", "\n")
        moved = "\n".join(indent + line if line else "" for line in lines)
        return moved + indent if goes_on else moved

    return re.sub(r"\$\$(.+?)\$\$ *", apart, text, flags=re.DOTALL)


def _indent_of_list(before: str) -> str:
    """How far text is indented that continues a list item; nothing outside of lists."""
    for line in reversed(before.splitlines()):
        if marker := re.match(r"(?:\d+\.|[-*]) +", line):
            return " " * len(marker[0])
        if line and not line.startswith(" "):
            break
    return ""


def section_of(method: type[Method], heading: str) -> str:
    """What stands below one of its headings, such as `What to watch`; empty if there is none."""
    parts = re.split(r"^## +(.+?) *$", text_of(method), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(heading, "").strip()
