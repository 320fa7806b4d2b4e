"""Pictures of maps and drawings of trees."""

import itertools

import numpy as np

from clustlab.analysis.surrogate_tree import DEPTHS, surrogate
from clustlab.views import maps, theme, trees

BLUE, ORANGE = theme.rgb([theme.RIGHT, theme.WRONG])


def rows(chart):
    return list(itertools.chain.from_iterable(chart.to_dict()["datasets"].values()))


def test_a_signed_map_is_blue_white_and_orange_on_its_own_scale():
    found = maps.heat(np.array([[2.0, 0.0, -2.0]]), signed=True)
    assert found.dtype == np.uint8
    assert found[0, 0].tolist() == BLUE.tolist()
    assert found[0, 1].tolist() == [maps.WHITE] * 3
    assert found[0, 2].tolist() == ORANGE.tolist()
    np.testing.assert_array_equal(maps.heat(np.array([[9.0, 0.0, -9.0]]), signed=True), found)


def test_a_map_of_sizes_goes_from_white_to_the_end_of_one_hue():
    found = maps.heat(np.array([[0.0, 5.0]]), signed=False)
    assert found[0, 0].tolist() == [maps.WHITE] * 3
    assert found[0, 1].tolist() == theme.rgb(theme.RAMP[-1:])[0].tolist()


def test_a_flat_map_is_white():
    assert (maps.heat(np.zeros((3, 3)), signed=True) == maps.WHITE).all()


def test_maps_stand_above_those_of_random_weights():
    image = np.full((4, 4, 1), 200, dtype=np.uint8)
    one, other = np.eye(4), -np.eye(4)
    picture = maps.saliency(image, [("gradient", one, other, True)], tile=40)
    # two columns, one of which has nothing below the image
    assert picture.shape[0] == maps.HEAD + 2 * 42
    top, below = picture[maps.HEAD + 2, -maps.MARGIN - 40], picture[maps.HEAD + 44, -48]
    assert top.tolist() == BLUE.tolist()
    assert below.tolist() == ORANGE.tolist()
    assert (picture[maps.HEAD + 60, -maps.MARGIN - 60] == theme.GROUND).all()


def test_a_change_is_shown_beside_before_and_after():
    before = np.zeros((4, 4, 3))
    after = before.copy()
    after[0, 0] = 1.0
    picture = maps.change(before, after, tile=40)
    left = [1 + j * 42 + 2 for j in range(3)]
    assert [picture[maps.HEAD + 2, x].tolist() for x in left] == [[0] * 3, [255] * 3, BLUE.tolist()]


# -- trees ---------------------------------------------------------------------------------------
def grown(k=6, n=600):
    points = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    return surrogate(points, (k * (np.arctan2(*points.T) / 6.3 + 0.5)).astype(int) % k)


def test_a_yes_is_drawn_to_the_left_and_ends_do_not_overlap():
    found = grown()
    for depth in DEPTHS:
        chart = trees.tree(found.tree(depth))
        assert chart.to_dict()["layer"]
        table = {row["id"]: row for row in rows(chart)}
        ends = sorted(row["x"] for row in table.values() if row["is_leaf"])
        assert min(np.diff(ends)) > 0.9 / len(ends)
        for node in found.tree(depth):
            if node.parent >= 0:
                assert (table[node.id]["x"] < table[node.parent]["x"]) == node.is_yes
                assert table[node.id]["depth"] == table[node.parent]["depth"] + 1


def test_a_tree_of_one_end_is_drawn_too():
    found = surrogate(np.zeros((9, 2), dtype=np.float32), np.full(9, 3))
    (only,) = rows(trees.tree(found.tree(2)))
    assert (only["cluster"], only["x"], only["says"]) == (3, 0.5, "cluster 3")


def test_fidelity_has_a_dot_for_each_depth_and_a_baseline():
    found = grown()
    table = rows(trees.fidelity(found.fidelity, found.baseline, 3))
    drawn = [row["fidelity"] for row in table if "depth" in row and "fidelity" in row]
    assert drawn == list(found.fidelity)
    assert {"fidelity": found.baseline} in table
    assert {"depth": 3} in table
