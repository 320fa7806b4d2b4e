"""Each rule comes out each way, and says beforehand when."""

import pytest

from clustlab.evidence.rules import (
    AtLeast,
    Beyond,
    BeyondSpread,
    Every,
    Exceeds,
    Near,
    NoWorse,
    Rises,
    seeds_of,
)


def figures(**series):
    return {key: dict(enumerate(values)) for key, values in series.items()}


@pytest.mark.parametrize(
    ("rule", "seen", "not_seen", "undecided"),
    [
        (
            Near("a", 0.5, 0.1),
            figures(a=(0.45, 0.5, 0.6)),
            figures(a=(0.3, 0.7, 0.9)),
            figures(a=(0.45, 0.5, 0.7)),
        ),
        (
            Beyond("a", "above", 0.9),
            figures(a=(0.91, 0.95, 0.99)),
            figures(a=(0.9, 0.5, 0.1)),
            figures(a=(0.91, 0.95, 0.89)),
        ),
        (
            Beyond("a", "below", 0.9),
            figures(a=(0.89, 0.5, 0.1)),
            figures(a=(0.9, 0.95, 0.99)),
            figures(a=(0.89, 0.95, 0.99)),
        ),
        (
            NoWorse("a", "b", 0.1),
            figures(a=(0.5, 0.5, 0.5), b=(0.55, 0.2, 0.5)),
            figures(a=(0.5, 0.5, 0.5), b=(0.7, 0.8, 0.9)),
            figures(a=(0.5, 0.5, 0.5), b=(0.55, 0.8, 0.9)),
        ),
        (
            Exceeds("a", "b", 0.1),
            figures(a=(0.5, 0.7, 0.8), b=(0.45, 0.5, 0.5)),
            figures(a=(0.5, 0.5, 0.5), b=(0.5, 0.6, 0.7)),
            figures(a=(0.5, 0.7, 0.8), b=(0.55, 0.5, 0.5)),
        ),
        (
            Exceeds("a", "b", 0.1),  # with every seed, but by too little
            figures(a=(0.9, 0.9, 0.9), b=(0.1, 0.1, 0.1)),
            figures(a=(0.1, 0.1, 0.1), b=(0.9, 0.9, 0.9)),
            figures(a=(0.5, 0.5, 0.5), b=(0.45, 0.45, 0.45)),
        ),
        (
            Rises(("a", "b", "c")),
            figures(a=(0.1, 0.2, 0.3), b=(0.2, 0.3, 0.4), c=(0.3, 0.4, 0.5)),
            figures(a=(0.1, 0.2, 0.3), b=(0.1, 0.1, 0.9), c=(0.3, 0.4, 0.5)),
            figures(a=(0.1, 0.2, 0.3), b=(0.2, 0.3, 0.4), c=(0.3, 0.4, 0.3)),
        ),
        (
            BeyondSpread("a", "b"),
            figures(a=(0.8, 0.8, 0.9), b=(0.5, 0.5, 0.6)),
            figures(a=(0.6, 0.6, 0.6), b=(0.3, 0.5, 0.6)),
            figures(a=(0.9, 0.6, 0.7), b=(0.5, 0.5, 0.6)),
        ),
        (
            Every((Beyond("a", "above", 0.5), Beyond("b", "above", 0.5))),
            figures(a=(0.6, 0.6, 0.6), b=(0.6, 0.6, 0.6)),
            figures(a=(0.6, 0.6, 0.6), b=(0.4, 0.4, 0.4)),
            figures(a=(0.6, 0.6, 0.6), b=(0.4, 0.6, 0.6)),
        ),
        (
            AtLeast(1, (Beyond("a", "above", 0.5), Beyond("b", "above", 0.5))),
            figures(a=(0.1, 0.1, 0.1), b=(0.6, 0.6, 0.6)),
            figures(a=(0.1, 0.1, 0.1), b=(0.4, 0.4, 0.4)),
            figures(a=(0.1, 0.1, 0.1), b=(0.4, 0.6, 0.6)),
        ),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "judge") else "",
)
def test_a_rule_comes_out_each_way(rule, seen, not_seen, undecided):
    assert rule.judge(seen) == "seen"
    assert rule.judge(not_seen) == "not seen"
    assert rule.judge(undecided) == "undecided"
    two_seeds = {key: {s: v for s, v in each.items() if s < 2} for key, each in seen.items()}
    assert rule.judge(two_seeds) == "undecided"
    assert rule.judge({}) == "undecided"
    words = rule.words(lambda key: f"'{key}'")
    assert all(f"'{key}'" in words for key in rule.series if not isinstance(rule, Rises))


def test_only_seeds_that_all_series_have_are_compared():
    measured = {"a": {0: 0.9, 1: 0.9, 2: 0.9, 3: 0.9}, "b": {1: 0.1, 2: 0.1, 3: 0.1, 4: 1.0}}
    assert seeds_of(measured, ("a", "b")) == [1, 2, 3]
    assert Exceeds("a", "b", 0.5).judge(measured) == "seen"


def test_a_rule_that_needs_two_of_three_waits_for_the_undecided_one():
    rules = tuple(Beyond(key, "above", 0.5) for key in "abc")
    measured = figures(a=(0.6, 0.6, 0.6), b=(0.1, 0.1, 0.1), c=(0.4, 0.6, 0.6))
    assert AtLeast(2, rules).judge(measured) == "undecided"
    assert AtLeast(1, rules).judge(measured) == "seen"
    assert AtLeast(3, rules).judge(measured) == "not seen"
