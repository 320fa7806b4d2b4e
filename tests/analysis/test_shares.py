import math

import numpy as np
import pytest

from clustlab.analysis.shares import figure, in_table, percent, rounded


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.8, "80%"),
        (0.125, "12.5%"),
        (0.996, "99.6%"),
        (0.9994, "99.9%"),
        (0.9996, ">99.9%"),
        (0.99999, ">99.9%"),
        (0.0004, "<0.1%"),
        (0.0006, "0.1%"),
        (1 - 1e-12, "100%"),
        (1e-12, "0%"),
        (math.nan, "–"),
    ],
)
def test_what_is_not_all_is_never_written_as_all(share, written):
    assert percent(share) == written


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.996, ">99%"),
        (0.995, ">99%"),
        (0.004, "<1%"),
        (0.005, "<1%"),
        (0.1, "10%"),
        (0.0, "0%"),
        (1, "100%"),
    ],
)
def test_without_decimals(share, written):
    assert percent(share, 0) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.9999, ">0.999"),
        (1.0, "1.000"),
        (0.0001, "<0.001"),
        (-0.0001, ">-0.001"),
        (-1e-12, "0.000"),
        (-0.25, "-0.250"),
        (math.nan, "–"),
    ],
)
def test_a_score_is_rounded_to_neither_end_and_never_to_minus_nothing(value, written):
    assert figure(value) == written


def test_an_amount_without_a_greatest_value_is_rounded_as_usual():
    assert figure(0.996, 2, high=math.inf) == "1.00"
    assert figure(0.001, 2, high=math.inf) == "<0.01"
    assert figure(0.5, 0) == "<1"


def test_shares_in_tables_are_not_rounded_to_all_or_nothing():
    near = rounded(np.array([0.0, 1e-6, 0.5004, 0.99999, 1.0], np.float32))
    assert near.tolist() == [0.0, 0.001, 0.5, 0.999, 1.0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.9996, 0.999), (1.0, 1.0), (0.0002, 0.001), (0.0, 0.0), (0.8124, 0.812), (-0.3, -0.3)],
)
def test_in_a_table_nearly_all_is_not_all(value, shown):
    assert in_table(value) == shown
    assert in_table(None) is None
    assert math.isnan(in_table(math.nan))
