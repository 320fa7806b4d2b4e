"""The border to Markdown: what pages write themselves, and what they only show.

Streamlit renders most texts that it is given as Markdown, in which an image is fetched from
wherever it says. So a text from outside (an address, a file, a name, a title, a note, an error) is
let in through `plain` only; `tests/ui/test_markdown.py` reads the code of all pages and holds that.
"""

import re
from typing import TypeAlias

Markdown: TypeAlias = str
"""Text to be rendered. Functions that make some say so by this name, and the test follows them."""

_ALWAYS = r"[\\`*\[\]<~$&]"
_UNDERSCORE = r"(?<![^\W_])_|_(?![^\W_])"  # within a word it means nothing
_COLON = r":(?=\S)"  # begins a colour, an icon or an emoji
_AT_THE_START = r"^(?:[>|#=]|[+-](?=[\s+-]|$))"  # a heading, a list, a quote, a table
_NUMBERED = "|".join(rf"(?<=^\d{{{n}}})[.)](?=\s|$)" for n in range(1, 10))
_SIGNS = (_ALWAYS, _UNDERSCORE, _COLON, _AT_THE_START, _NUMBERED)
_MEANS_SOMETHING = re.compile("|".join(_SIGNS))
_ICON = re.compile(r":(?=material/|[\w+-]+:)")  # icons and emoji are looked for after parsing, too
_WORD_JOINER = "\u2060"  # takes no room


def plain(text: object) -> Markdown:
    """Markdown that shows a text as it is; a line of the text is a line there.

    Blanks at the ends of lines and empty lines are left out. An address that begins with http or
    www still becomes a link to just what it says.
    """
    lines = filter(None, map(str.strip, str(text).splitlines()))
    return "  \n".join(map(_line, lines))


def _line(line: str) -> Markdown:
    line = _ICON.sub(f":{_WORD_JOINER}", line)
    return _MEANS_SOMETHING.sub(lambda sign: f"\\{sign[0]}", line)


def authored(text: str) -> Markdown:
    """Markdown that stands in the code of clustlab, of a method or of a data set, such as a lesson.

    Never a text that is read from a file or from an address.
    """
    return text
