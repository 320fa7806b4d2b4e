"""Nothing from outside is rendered: the code of the pages, and what hostile names look like."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clustlab.ui.markdown import plain
from tests.support import markdown_rule

ROOT = Path(__file__).parents[2]
CODE = sorted((ROOT / "clustlab").rglob("*.py"))
PAGES = [*sorted((ROOT / "clustlab" / "ui").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py"))]
BORDER = ROOT / "clustlab" / "ui" / "markdown.py"  # may do what the others may not


def test_nothing_from_outside_reaches_markdown_unescaped():
    known = markdown_rule.knowledge(CODE)
    found = [
        problem
        for file in PAGES
        if file != BORDER
        for problem in markdown_rule.problems(file, known)
    ]
    assert found == [], "wrap what is no number and no literal in clustlab.ui.markdown.plain"


# -- the rule itself ---------------------------------------------------------------------------
BROKEN = (
    "st.markdown(run.title)",
    "st.markdown(f'**{run.title}**')",
    "st.caption('a' + name)",
    "st.error(str(error))",
    "st.button('ok', help=note)",
    "st.tabs([name])",
    "st.radio('a', names)",
    "st.radio('a', names, format_func=lambda n: n)",
    "place.markdown(words)",
    "words = 'a'\nwords += name\nst.caption(words)",
    "words = []\nwords.append(name)\nst.caption(' '.join(words))",
    "for name in names:\n    st.caption(name)",
    "st.caption('a' if is_new else name)",
    "st.caption(f'{name!r}')",
    "st.caption(f'{name:>10}')",
    "st.caption(', '.join(names))",
    "def made(name: str) -> Markdown:\n    return name",
    "def show(text: Markdown) -> None: ...\nshow(name)",
    "def show(text: str) -> None:\n    st.caption(text)",
    "st.image(png, caption=name)",
    "st.metric('a', value)",
    "st.progress(0.5, words)",
    "def show(name: str) -> None:\n    name = name or 'a'\n    st.caption(name)",
)
KEPT = (
    "st.markdown('**a**')",
    "st.markdown(f'**{plain(run.title)}** {n:,} {len(names)} {share:.1%}')",
    "words = 'a'\nwords += plain(name)\nst.caption(words)",
    "st.caption(', '.join(map(plain, names)))",
    "st.caption(', '.join(plain(name) for name in names))",
    "st.radio('a', names, format_func=plain)",
    "st.selectbox('a', names)",
    "def made(name: str) -> Markdown:\n    return plain(name)\nst.caption(made(name))",
    "def show(text: Markdown, n: int) -> None:\n    st.caption(f'{text} {n}')\nshow('*a*', 1)",
    "for title, n in (('a', 1), ('b', 2)):\n    st.caption(f'{title} {n}')",
    "file.write(text)",
)


def _judged(code):
    tree = ast.parse(code)
    known = markdown_rule.Known()
    known.read(tree)
    return markdown_rule.Reader(known, tree).problems


@pytest.mark.parametrize("code", BROKEN)
def test_the_rule_sees_what_could_be_rendered(code):
    assert len(_judged(code)) == 1


@pytest.mark.parametrize("code", KEPT)
def test_the_rule_lets_pass_what_cannot(code):
    assert _judged(code) == []


# -- escaping ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DEC on digits, seed 0 (without 41 items)", "DEC on digits, seed 0 (without 41 items)"),
        ("n_clusters is 1.5: too few", "n_clusters is 1.5: too few"),
        ("![p](http://a)", r"!\[p\](http\://a)"),
        ("# a", r"\# a"),
        ("12. a", r"12\. a"),
        ("a\n\n  - b", "a  \n\\- b"),
        ("-0.100", "-0.100"),
        ("- 0.100", r"\- 0.100"),
        ("--- |", r"\--- |"),
        ("", ""),
        (7, "7"),
    ],
)
def test_only_what_means_something_is_escaped(text, shown):
    assert plain(text) == shown


@given(some.text("ab1 \\`*[]<~$&_:#>+=|-.)\n", max_size=30))
def test_taking_the_escapes_away_gives_the_text_again(text):
    lines = filter(None, map(str.strip, text.splitlines()))
    without = re.sub(r"\\(.)", r"\1", plain(text)).replace("\u2060", "")
    assert without == "  \n".join(lines)
