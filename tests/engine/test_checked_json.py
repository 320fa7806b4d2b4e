"""JSON of strangers: what is wrong with it is said, also in parts that nobody asked for."""

from typing import TypedDict

import pytest

from clustlab.data.checked_json import Count, Unreadable, parsed, parsed_with_all


class Small(TypedDict):
    step: Count


@pytest.mark.parametrize("text", [b'{"step": 1, "\xff": 2}', b'{"step": 1, "x": "\xff\xfe"}'])
def test_what_is_no_text_in_an_undeclared_part_is_refused_where_it_is_kept(text):
    assert parsed(text, Small)["step"] == 1  # which passes over the rest
    with pytest.raises(Unreadable, match="not whole, or no JSON"):
        parsed_with_all(text, Small)


def test_undeclared_parts_are_kept_as_they_are():
    assert parsed_with_all(b'{"step": 1, "new": [2, {"a": null}]}', Small) == {
        "step": 1,
        "new": [2, {"a": None}],
    }
