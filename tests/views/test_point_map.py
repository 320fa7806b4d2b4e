"""What a map of all items is to the browser: places, colours, words, and what was drawn around."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from clustlab.views import point_map, scatter, theme
from clustlab.views.quantised import FULL, levels, shares

N = 60
LABELS = np.repeat([0, 1, 2], 20)
POINTS = np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)
SQUARE = (0.0, 0.0, 1.15)
WIDE = [[0, 0], [FULL, FULL]]  # a rim beyond all places


def table(clusters=LABELS, labels=LABELS, **known):
    return scatter.dots(POINTS, clusters, labels=labels, class_names=("ant", "bee", "cat"), **known)


# -- whole numbers ---------------------------------------------------------------------------------
numbers = some.floats(-1e6, 1e6, width=32)
pairs = some.lists(some.tuples(numbers, numbers), max_size=20)


@settings(max_examples=100)
@given(pairs, numbers, numbers, some.floats(1e-3, 1e6))
def test_a_place_is_off_by_at_most_a_65535th_of_the_square(points, x, y, half):
    points = np.array(points, np.float32).reshape(-1, 2)
    told = point_map.places(points, (x, y, half))
    assert told.shape == (2, len(points))
    assert told.dtype == np.uint16
    reach = 2 * half
    back = (told / FULL * 2 - 1).T * reach + [x, y]
    nearest = np.clip(points, [x - reach, y - reach], [x + reach, y + reach])
    slack = 1e-9 * (abs(x) + abs(y) + half)
    assert (np.abs(back - nearest) <= 2 * half / FULL + slack).all()


def test_the_ends_and_what_lies_beyond_them_or_nowhere():
    told = levels(np.array([-1, 1, -9, 9, np.inf, -np.inf, 0, np.nan]), -1, 1)
    assert told.tolist() == [0, FULL, 0, FULL, FULL, 0, 32768, 32768]
    assert levels(np.zeros(0), 0, 1).tolist() == []


def test_only_what_is_all_is_told_as_all_and_only_nothing_as_nothing():
    told = shares(np.array([0, 1e-9, 0.5, 1 - 1e-9, 1]))
    assert told.tolist() == [0, 1, 32768, FULL - 1, FULL]


# -- colours -----------------------------------------------------------------------------------
def meant(colours):
    """Name and colour of each dot."""
    return [(colours.names[code], colours.palette[code]) for code in colours.codes]


def test_each_dot_has_the_colour_of_its_cluster_and_noise_comes_last():
    clusters = np.where(np.arange(N) % 10 == 0, -1, LABELS * 7)
    colours = point_map.colours(table(clusters), "cluster")
    assert colours.names == ("0", "7", "14", "noise")
    assert meant(colours) == [
        ("noise" if c < 0 else str(c), theme.colour(int(c))) for c in clusters
    ]
    assert colours.counts == (18, 18, 18, 6)
    assert sum(colours.counts) == N


def test_classes_have_their_names_and_those_unknown_come_last():
    labels = np.where(np.arange(N) < 5, -1, LABELS)
    colours = point_map.colours(table(labels=labels), "class")
    assert colours.names == ("ant", "bee", "cat", "unknown")
    assert meant(colours)[0] == ("unknown", theme.GREY)
    assert meant(colours)[30] == ("bee", theme.class_colour(1))


def test_right_and_wrong_have_theirs():
    clusters = np.where(np.arange(N) < 5, -1, np.roll(LABELS, 3))
    colours = point_map.colours(table(clusters, classes=np.arange(3)), "correct")
    said = [name for name, _ in meant(colours)]
    assert said[:5] == ["noise"] * 5
    assert [said[i] for i in (20, 25)] == ["wrong", "right"]


def test_numbers_become_a_ramp_from_nothing_to_the_greatest():
    sure = np.linspace(0, 1, N)
    colours = point_map.colours(table(confidence=sure), "confidence")
    assert colours.palette[0] == theme.RAMP[0]
    assert colours.palette[-1] == theme.RAMP[-1]
    assert colours.codes[0] == 0
    assert colours.codes[-1] == len(colours.palette) - 1
    assert (np.diff(colours.codes.astype(int)) >= 0).all()
    assert colours.highest == 1
    assert colours.names == ()
    changes = point_map.colours(table(changes=np.arange(N)), "changes")
    assert changes.highest == N - 1


def test_many_colours_need_two_bytes_a_dot():
    many = scatter.dots(np.zeros((300, 2)), np.arange(300))
    assert point_map.colours(table(), "cluster").codes.dtype == np.uint8
    colours = point_map.colours(many, "cluster")
    assert colours.codes.dtype == np.uint16
    assert meant(colours)[299] == ("299", theme.colour(299))


def test_no_items_have_no_colours():
    nothing = scatter.dots(np.zeros((0, 2)), np.zeros(0, int), labels=np.zeros(0, int))
    for by in ("cluster", "class"):
        assert point_map.colours(nothing, by).palette == ()
    assert point_map.marks(nothing, "cluster", None, SQUARE) == []
    assert point_map.within(point_map.places(np.zeros((0, 2)), SQUARE), area([])).tolist() == []


# -- words -------------------------------------------------------------------------------------
def test_what_is_said_of_a_dot_is_what_the_table_knows():
    full = table(classes=np.arange(3), confidence=np.full(N, 0.5), changes=np.full(N, 70_000))
    cluster, true, sure, changes = point_map.columns(full)
    assert cluster.words[cluster.numbers[25]] == "1"
    assert (true.title, true.words[true.numbers[45]]) == ("true class", "cat")
    assert sure.is_share
    assert sure.numbers[0] / FULL == pytest.approx(0.5, abs=1e-4)
    assert changes.numbers[0] == FULL  # as many as there is room for
    assert {column.numbers.dtype for column in (cluster, true, sure, changes)} == {np.dtype("u2")}
    assert [c.title for c in point_map.columns(scatter.dots(POINTS, LABELS))] == ["cluster"]


def test_marks_stand_where_centers_are_or_else_in_the_middle_of_their_dots():
    centers = np.array([[0, 0], [np.nan, np.nan], [1.15, -1.15]])
    first, last = point_map.marks(table(), "cluster", centers, SQUARE)
    assert first == {"x": 32768, "y": 32768, "text": "0", "colour": theme.colour(0)}
    assert (last["text"], last["x"], last["y"]) == ("2", round(0.75 * FULL), round(0.25 * FULL))
    clusters = np.where(LABELS == 0, -1, LABELS)
    told = point_map.marks(table(clusters), "cluster", None, SQUARE)
    assert [mark["text"] for mark in told] == ["1", "2"]  # noise has no middle
    x, y = point_map.places(POINTS[LABELS == 1].mean(0)[None], SQUARE)[:, 0]
    assert abs(told[0]["x"] - int(x)) <= 1
    assert abs(told[0]["y"] - int(y)) <= 1
    named = point_map.marks(table(), "class", centers, SQUARE)
    assert [(mark["text"], mark.get("colour")) for mark in named] == [
        ("ant", None),
        ("bee", None),
        ("cat", None),
    ]
    json.dumps([first, *named])


def test_wakes_are_lines_of_an_item_each_in_the_order_of_the_steps():
    trails = scatter.trails([3, 4], [POINTS, POINTS * 0], [LABELS, LABELS], [7, 5])
    told = point_map.wakes(trails, SQUARE)
    x, y = point_map.places(POINTS[[5, 7]], SQUARE).tolist()
    middle = {"x": 32768, "y": 32768}
    assert told == [[{"x": x[0], "y": y[0]}, middle], [{"x": x[1], "y": y[1]}, middle]]
    assert point_map.wakes(None, SQUARE) == []
    assert point_map.wakes(pd.DataFrame(columns=scatter.TRAIL_COLUMNS), SQUARE) == []


# -- what was drawn around -----------------------------------------------------------------------
def area(corners, rim=WIDE):
    return {"corners": corners, "rim": rim}


def test_a_lasso_finds_what_lies_inside_a_concave_polygon():
    told = np.array([[1, 5, 3, 9], [1, 1, 3, 9]], np.uint16)
    notched = [[0, 0], [6, 0], [6, 6], [3, 2], [0, 6]]
    assert point_map.within(told, area(notched)).tolist() == [0, 1]
    assert point_map.within(told, area([])).tolist() == []


def test_a_rectangle_finds_every_dot_in_it():
    told = point_map.places(POINTS, SQUARE)
    (a, b), (c, d) = point_map.places(np.array([[-0.5, -1.0], [0.5, 1.0]]), SQUARE).T.tolist()
    found = point_map.within(told, area([[a, b], [c, b], [c, d], [a, d]]))
    inside = (np.abs(POINTS[:, 0]) <= 0.5) & (np.abs(POINTS[:, 1]) <= 1)
    assert found.tolist() == np.flatnonzero(inside).tolist()


def test_dots_beyond_the_rim_are_found_at_it():
    told = np.array([[100, 60000], [30000, 30000]], np.uint16)
    rim = [[10000, 10000], [50000, 50000]]
    around_its_edge = [[9000, 29000], [11000, 29000], [11000, 31000], [9000, 31000]]
    assert point_map.within(told, area(around_its_edge, rim)).tolist() == [0]
    assert point_map.within(told, area(around_its_edge)).tolist() == []
