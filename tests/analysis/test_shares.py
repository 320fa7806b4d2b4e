import math

import pytest

from clustlab.analysis.shares import percent


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
    ("share", "written"), [(0.996, ">99%"), (0.004, "<1%"), (0.1, "10%"), (0.0, "0%"), (1, "100%")]
)
def test_without_decimals(share, written):
    assert percent(share, 0) == written
