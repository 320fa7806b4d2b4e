"""What the page Failures draws: pairs side by side, and counts over time."""

import altair as alt
import numpy as np
import pytest

from clustlab.views import counts, sheets, specification, theme

ITEMS = np.random.default_rng(0).integers(256, size=(20, 8, 8, 1), dtype=np.uint8)


def test_pairs_touch_and_stand_apart_from_one_another():
    sheet = sheets.pairs(ITEMS, [[0, 5], [7, 3], [2, 9]], tile=8, columns=2)
    assert sheet.ids.tolist() == [0, 5, 7, 3, 2, 9]
    pitch = 8 + sheets.GAP
    left, top = sheet.boxes[:, 0], sheet.boxes[:, 1]
    assert ((left - sheets.GAP) // pitch).tolist() == [0, 1, 3, 4, 0, 1]
    assert ((top - sheets.GAP) // pitch).tolist() == [0, 0, 0, 0, 1, 1]
    for i, (x, y, w, h) in zip(sheet.ids.tolist(), sheet.boxes.tolist(), strict=True):
        assert sheet.pixels[y : y + h, x : x + w, 0].tolist() == ITEMS[i, ..., 0].tolist()


def test_pairs_are_framed_in_the_colours_of_their_clusters():
    clusters = np.arange(20) % 3
    sheet = sheets.pairs(ITEMS, [[0, 1]], tile=8, clusters=clusters, wrong=clusters == 1)
    for i, (x, y, _, h) in zip(sheet.ids.tolist(), sheet.boxes.tolist(), strict=True):
        colour = theme.rgb([theme.colour(int(clusters[i]))])[0]
        assert sheet.pixels[y + h - 1, x].tolist() == colour.tolist()


def test_no_pairs_are_an_empty_sheet():
    assert len(sheets.pairs(ITEMS, np.zeros((0, 2), int)).ids) == 0


@pytest.mark.parametrize("n", [0, 1, 12, 3000])
def test_counts_over_time_are_a_valid_chart_with_few_marks(n):
    steps = np.arange(n)
    chart = counts.over_time(steps, steps * 2, step=3, last=max(n - 1, 0))
    assert alt.LayerChart.from_dict(chart.to_dict(validate=True))
    rows = [
        r for r in specification.vega_lite_spec(chart)["datasets"].values() if "found" in r.columns
    ]
    assert len(rows[0]) == min(n, counts.MAX_STEPS)
    if n:
        assert rows[0]["step"].iloc[[0, -1]].tolist() == [0, n - 1]
        assert (rows[0]["found"] == 2 * rows[0]["step"]).all()


def test_a_chart_of_counts_differs_between_steps_in_its_rows_only():
    def spec(step):
        found = specification.vega_lite_spec(
            counts.over_time(np.arange(9), np.ones(9), step=step, last=8)
        )
        found.pop("datasets")
        return found

    assert spec(1) == spec(5)
