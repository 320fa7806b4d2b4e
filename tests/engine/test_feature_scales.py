"""Points whose values would spoil a run: refused, put on one scale, or remarked upon."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab import registry
from clustlab.__main__ import main
from clustlab.data import library
from clustlab.data.feature_scales import check_finite, remarks, standardised
from clustlab.datasets.toy import Toy
from clustlab.errors import DataError
from clustlab.parts.inputs.network_input import features, point_scale
from clustlab.types import Dataset


def cloud(n=50, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


# -- one scale for the whole cloud -----------------------------------------------------------------
@given(
    st.floats(-25, 25).map(lambda e: 10.0**e),
    st.sampled_from([0.0, 1.0, -300.0]),
    st.integers(0, 9),
)
def test_what_methods_see_does_not_depend_on_the_unit(factor, offset, seed):
    points = cloud(seed=seed) + np.float32(offset)
    scaled = (points.astype(np.float64) * factor).astype(np.float32)
    np.testing.assert_allclose(features(scaled), features(points), atol=3e-7 * (1 + abs(offset)))
    assert features(points).std() == pytest.approx(1, abs=1e-3)
    mean, scale = point_scale(scaled)
    back = features(scaled).astype(np.float64) * scale + mean
    np.testing.assert_allclose(back, scaled, atol=1e-6 * factor * (1 + abs(offset)))


@given(st.integers(-100, 100), st.integers(0, 9))
def test_a_unit_that_is_a_power_of_two_changes_no_bit(exponent, seed):
    points = cloud(seed=seed)
    assert features(np.ldexp(points, exponent)).tobytes() == features(points).tobytes()


def test_points_near_one_are_what_they_were_before_other_units_were_thought_of():
    points = cloud() + np.float32(3)
    mean = points.mean(0, keepdims=True)
    before = ((points - mean) / float((points - mean).std())).astype(np.float32)
    assert features(points).tobytes() == before.tobytes()


def test_a_cloud_far_from_zero_is_centred_and_at_unit_scale():
    points = (1_700_000_000 + 1000 * cloud(5_000, 2).astype(np.float64)).astype(np.float32)
    found = features(points)
    assert abs(found.mean(0)).max() < 1e-3
    assert found.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30, -1e-30])
def test_equal_points_come_to_lie_at_zero(value):
    found = features(np.full((40, 3), value, np.float32))
    assert abs(found).max() < 1e-6


# -- refused ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_by_row_and_column(value):
    points = cloud()
    points[7, 3] = value
    with pytest.raises(DataError, match=rf"One feature .* {value} in row 7, column 3.* Fill in"):
        check_finite(points)
    points[[20, 9], [0, 4]] = np.nan
    with pytest.raises(DataError, match=r"3 features are .* row 7, column 3"):
        check_finite(points)


def test_finite_points_and_images_are_not_refused():
    check_finite(cloud())
    check_finite(np.zeros((2, 8, 8, 1), np.uint8))


@dataclass(frozen=True)
class Spoilt(Toy):
    """Toy points of which one is not finite."""

    def load(self, seed, report):
        data = super().load(seed, report)
        data.items[3, 1] = np.inf
        return data


def test_a_run_is_refused_before_it_trains(store, fake, monkeypatch, capsys):
    fake()
    monkeypatch.setattr(registry, "dataset", {"toy": Spoilt}.__getitem__)
    words = ["train", "--dataset", "toy", "--method", "fake", "--runs", str(store.root)]
    assert main(words) == 1
    (run,) = store.runs()
    assert (run.status, len(run)) == ("failed", 0)
    assert run.progress["error_type"] == "DataError"
    assert "inf in row 3, column 1" in capsys.readouterr().err


# -- remarked upon ---------------------------------------------------------------------------------
def test_a_column_that_swamps_the_others_is_named():
    points = cloud(d=17)
    assert remarks(points) == []
    points[:, 2] *= 1e6
    (remark,) = remarks(points)
    assert "Column 2 (counted from 0) varies" in remark
    assert "standardise" in remark
    points[:, [5, 7, 8]] *= 1e7
    assert "Columns 2, 5, 7 and 1 more (counted from 0) vary" in remarks(points)[0]


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
def test_remarks_do_not_depend_on_the_unit_of_all_columns(unit):
    points = cloud(d=2) * np.float32(unit)
    assert remarks(points) == []
    points[:, 0] *= np.float32(1e4)
    assert "Column 0" in remarks(points)[0]


def test_constant_columns_swamp_nothing_and_are_not_swamped():
    points = cloud(d=4)
    points[:, 1:] = (0.0, 0.1, 1e20)
    assert remarks(points) == []
    assert np.isfinite(standardised(Dataset("a", points)).items).all()


def test_equal_items_are_remarked_upon():
    for items in (np.ones((500, 5), np.float32), np.full((9, 8, 8, 1), 7, np.uint8)):
        assert remarks(items) == [f"All {len(items)} items are equal: there is nothing to divide."]
    assert remarks(np.ones((1, 5), np.float32)) == []


@pytest.mark.parametrize("spec", [s for s in registry.datasets().values() if s.offline])
def test_nothing_is_to_be_said_of_the_sets_that_come_along(spec):
    assert remarks(spec().load(0, library.silent).items) == []


# -- one scale for each column ---------------------------------------------------------------------
@given(st.floats(-20, 20).map(lambda e: 10.0**e), st.integers(0, 9))
def test_standardised_columns_do_not_depend_on_their_unit(factor, seed):
    points = cloud(seed=seed)
    other = points.copy()
    other[:, 2] *= np.float32(factor)
    one, two = (standardised(Dataset("a", p, protocol="50 points")) for p in (points, other))
    np.testing.assert_allclose(one.items, two.items, atol=1e-5)
    np.testing.assert_allclose(one.items.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(one.items.std(0), 1, atol=1e-5)
    assert one.protocol == "50 points, columns standardised"
    assert remarks(two.items) == []


def test_a_loaded_set_is_standardised_where_that_is_wanted(tmp_path):
    plain = library.load(tmp_path, "toy", {"n": 50}, 0)
    wanted = library.load(tmp_path, "toy", {"n": 50, "standardise": True}, 0)
    assert (wanted.items == standardised(plain).items).all()
    assert wanted.protocol.endswith("columns standardised")
    assert (wanted.labels == plain.labels).all()


def test_points_as_they_are_keep_the_key_of_earlier_runs():
    assert library.key("toy", {"n": 50}, 0) == library.key(
        "toy", {"n": 50, "standardise": False}, 0
    )
    assert library.key("toy", {}, 0) == "toy-e8859340008c"


@dataclass(frozen=True)
class Swamped(Toy):
    """Toy points in two units."""

    def load(self, seed, report):
        data = super().load(seed, report)
        data.items[:, 1] *= 1e6
        return data


def test_the_command_line_remarks_before_it_trains(store, fake, monkeypatch, capsys):
    fake()
    monkeypatch.setattr(registry, "dataset", {"toy": Swamped}.__getitem__)
    words = ["train", "--dataset", "toy", "--method", "fake", "--runs", str(store.root)]
    assert main(words) == 0
    assert "clustlab: Column 1 (counted from 0) varies" in capsys.readouterr().err
    assert main([*words, "--data", "standardise=true"]) == 0
    assert capsys.readouterr().err == ""


def test_the_command_line_says_before_it_trains_that_a_setting_asks_for_too_many(store, capsys):
    words = ["train", "--dataset", "toy", "--method", "kmeans", "--runs", str(store.root)]
    assert main([*words, "--set", "n_clusters=21", "--data", "n=20"]) == 1
    said = capsys.readouterr().err
    assert "Number of clusters (n_clusters) is 21, more than the 20 items" in said
