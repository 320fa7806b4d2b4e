"""Figures of studies, as they are drawn."""

import re

import pandas as pd
import pytest

from clustlab.views import studies
from clustlab.views.pictures import picture


@pytest.mark.parametrize("values", [(5, 15, 60), (0.001, 0.015, 0.2), (1000, 15000, 70000)])
def test_values_of_a_setting_are_written_out_on_its_axis(values):
    rows = pd.DataFrame({"value": values, "seed": 0, "figure": [0.1, 0.2, 0.3], "group": ""})
    words = [f"{value:g}" for value in values]
    chart = studies.over_setting(rows, "size", "ACC", values=words, is_number=True)
    drawn = picture(chart.to_dict(), "svg", size="page", title="").decode()
    assert set(words) <= set(re.findall(r">([^<>]+)</text>", drawn))
