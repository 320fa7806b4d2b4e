"""Addresses that nobody would write: a page may say what is wrong with them, and must not fail.

Many more are tried by `python -m tests.robust.addresses`.
"""

import ast
import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clustlab.course import catalogue
from clustlab.errors import ParameterError
from clustlab.ui import session
from tests.robust import addresses
from tests.support import number_rule

NUMBERS = some.sampled_from((*addresses.NUMBERS, *addresses.WORDS)) | some.text(max_size=6)
CONTROLS = [
    control
    for name in catalogue.lessons()
    for step in catalogue.lesson(name).steps
    for control in step.controls
]


PAGES = Path(session.__file__).parent
PARAMETERS = number_rule.parameters(ast.parse((PAGES / "state.py").read_text()))


def test_no_page_reads_a_number_of_the_address_itself():
    assert {"SAID", "STEP_IN_ADDRESS", "TERM"} <= PARAMETERS
    places = [
        place
        for file in sorted(PAGES.rglob("*.py"))
        for place in number_rule.problems(file, PARAMETERS)
    ]
    assert places == [], "let session.number_in read it"


@pytest.mark.parametrize(
    ("code", "is_broken"),
    [
        ("said = state.SAID.get()\n    return int(said)", True),
        ("said = state.SAID.get() or '1'\n    return said.isdecimal()", True),
        ("return float(state.SAID.get())", True),
        ("return int(QueryValue(key).get())", True),
        ("try:\n        return float(state.SAID.get())\n    except ValueError: return 0", False),
        ("return session.number_in(state.SAID.get())", False),
        ("return int(state.PICKED.get())", False),  # of the session: a number already
    ],
)
def test_the_rule_sees_who_reads_a_number(code, is_broken):
    tree = ast.parse(f"def page(key):\n    {code}")
    assert bool(number_rule.problems_in(tree, {"SAID"})) == is_broken


@given(NUMBERS)
def test_a_number_of_the_address_is_small_and_not_negative_or_none(text):
    number = session.number_in(text)
    assert number is None or 0 <= number < 10**8


@given(some.sampled_from(CONTROLS), some.lists(NUMBERS, min_size=1, max_size=4))
def test_a_control_of_a_lesson_takes_what_it_can_hold_or_says_what_it_takes(control, texts):
    for text in (*texts, ",".join(texts), ";".join(texts)):
        with contextlib.suppress(ParameterError):
            assert not {"nan", "inf"} & set(re.findall(r"[a-z]+", repr(control.read(text))))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Ids of two small runs that pages look at."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTLAB_RUNS", str(folder))
        yield addresses.made(folder)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("train", {"form": "next", "seed": "inf", "dec.learning_rate": "1e400"}),
        ("train", {"form": "next", "seed": "9" * 4301, "dec.n_clusters": ["2", "-inf"]}),
        ("learn", {"lesson": "dec", "step": "9" * 4301}),
        ("embedding", {"step": "9" * 4301, "item": "-1", "since": "²"}),
    ],
)
def test_a_number_that_is_none_does_no_harm(runs, page, query):
    assert addresses.visited(page, {"run": runs[0], **query}).exception == []


@pytest.mark.slow
def test_addresses_that_nobody_would_write_do_no_harm(runs):
    assert list(addresses.failures(48, 0, runs)) == []
