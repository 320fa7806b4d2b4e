"""What is stored of a step's arrays: how much of the numbers comes back, and that all else fits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clustlab.runs import packed_columns, ratios
from clustlab.runs.encodings import COARSE, FINE, array_name, encoded, encoding_of, narrow
from clustlab.runs.packed_columns import MEANS, ROWS, SCALES, packed, unpacked

FINITE = st.floats(-1e6, 1e6, width=32)


def matrices(rows=40, columns=8):
    shapes = st.tuples(st.integers(1, rows), st.integers(1, columns))
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=FINITE))


def probabilities(columns=30):
    def shared(weights):
        weights = weights.astype(np.float64) ** 4  # from nearly sure to undecided
        weights[:, 0] += weights.sum(1) == 0
        return (weights / weights.sum(1, keepdims=True)).astype(np.float32)

    shapes = st.tuples(st.integers(1, 30), st.integers(2, columns))
    drawn = shapes.flatmap(lambda s: arrays(np.float32, s, elements=st.floats(0, 1, width=32)))
    return drawn.map(shared)


def cloud(n, d, seed=0):
    rng = np.random.default_rng(seed)
    scale = 1 / (1 + np.arange(d))
    return (rng.normal(size=(n, d)) * scale + rng.normal(size=d)).astype(np.float32)


# -- columns -----------------------------------------------------------------------------------
@given(matrices(), st.integers(1, 16), st.floats(1, 200))
def test_a_number_comes_back_within_half_its_step(array, most, bits):
    parts = packed(array, bits, most=most)
    if parts is None:
        return
    low, steps, of_column = parts[SCALES]
    found = unpacked(parts)
    assert found.shape == array.shape
    assert found.dtype == np.float32
    rounding = np.abs(array).max(initial=0) * 2.0**-22  # of float32
    assert (np.abs(found.astype(np.float64) - array) <= steps / 2 * (1 + 1e-9) + rounding).all()
    assert 8 * parts[ROWS].shape[1] < of_column.sum() + 8
    assert (low == array.min(0)).all()


@given(matrices(rows=20, columns=3))
def test_constant_columns_come_back_as_they_are(array):
    array[:] = array[0]
    parts = packed(array, 8)
    assert parts is not None
    assert (unpacked(parts) == array).all()


def test_steps_are_about_the_same_in_all_columns_and_narrow_ones_take_fewer_bits():
    array = cloud(2000, 10)
    _, steps, bits = packed(array, 60)[SCALES]
    assert bits.sum() <= 60
    assert (np.diff(bits) <= 0).all()
    assert steps.max() < 3 * steps[bits > 1].min()


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.0], [np.nan]], dtype=np.float32),
        np.array([[1.0], [np.inf]], dtype=np.float32),
        np.zeros((0, 3), dtype=np.float32),
        np.zeros((3, 0), dtype=np.float32),
        np.array([[0.0]] * 98 + [[1.0], [1e30]], dtype=np.float32),  # all but one is one place
    ],
)
def test_what_columns_cannot_hold_is_left_alone(array):
    assert packed(array, 8) is None


def test_the_largest_numbers_that_there_are_do_no_harm():
    array = np.linspace(-3.4e38, 3.4e38, 500, dtype=np.float32)[:, None]
    found = unpacked(packed(array, 16))
    assert np.isfinite(found).all()
    assert np.abs(found.astype(np.float64) - array).max() <= 6.8e38 / (2**16 - 1)


def test_an_outlier_costs_bits_rather_than_the_places_of_all_others():
    array = cloud(2000, 2)
    array[0] = 100
    parts = packed(array, 4)
    assert parts[SCALES][2].sum() > 4
    bulk = np.ptp(np.percentile(array, (2.5, 97.5), axis=0), axis=0).max()
    assert parts[SCALES][1].max() <= bulk / packed_columns.STEPS_IN_BULK


def test_a_wide_array_is_turned_and_loses_what_hardly_varies():
    rng = np.random.default_rng(0)
    narrow = cloud(3000, 5)
    array = (narrow @ rng.normal(size=(5, 100)) + 3).astype(np.float32)
    array += rng.normal(scale=1e-4, size=array.shape).astype(np.float32)
    parts = packed(array, 60, turned=True)
    assert parts[SCALES].shape[1] == 5
    assert parts[MEANS].shape == (100,)
    found = unpacked(parts)
    off = np.linalg.norm(found - array, axis=1)
    assert off.max() < 0.02 * np.linalg.norm(array - array.mean(0), axis=1).max()
    assert unpacked({**parts, ROWS: parts[ROWS][7:8]})[0] == pytest.approx(found[7], abs=1e-5)


def broken(parts, **changes):
    return {**parts, **{name: change(parts[name]) for name, change in changes.items()}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({SCALES: lambda scales: scales * [[1], [1], [40]]}, "1 to 16 bits"),
        ({SCALES: lambda scales: scales * [[1], [1], [0.3]]}, "1 to 16 bits"),
        ({SCALES: lambda scales: scales * [[np.nan], [1], [1]]}, "do not fit"),
        ({SCALES: lambda scales: np.repeat(scales, 2, 1)}, "do not fit"),
        ({ROWS: lambda rows: rows[:, :1]}, "do not fit"),
        ({MEANS: lambda means: means[1:]}, "axes do not fit"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(changes, why):
    parts = packed(cloud(500, 40), 80, turned=True)
    with pytest.raises(ValueError, match=why):
        unpacked(broken(parts, **changes))


def test_few_bytes_are_no_wide_array():
    """Or a file of a megabyte would be an array of terabytes."""
    parts = packed(cloud(500, 40), 80, turned=True)
    width = 10**6
    axes = np.zeros((parts[SCALES].shape[1], width), dtype=np.float16)
    with pytest.raises(ValueError, match="1,000,000 columns"):
        unpacked({**parts, "axes": axes, MEANS: np.zeros(width, dtype=np.float32)})


# -- rows that sum to 1 ------------------------------------------------------------------------
@given(probabilities(), st.sampled_from([np.uint8, np.uint16]))
def test_probabilities_keep_their_order_at_the_top_and_nearly_their_size(array, dtype):
    codes = ratios.coded(array, dtype)
    if codes is None:
        assert dtype is np.uint8  # two bytes hold whatever there is
        return
    found = ratios.decoded(codes)
    assert found.dtype == np.float32
    assert np.abs(found.sum(1) - 1).max() < 1e-5
    assert (found.argmax(1) == array.argmax(1)).all()
    assert np.abs(found.max(1) - array.max(1)).max() < ratios.LOST
    rows = np.arange(len(array))
    others, others_found = array.copy(), found.copy()
    others[rows, array.argmax(1)] = others_found[rows, array.argmax(1)] = -1
    second = others.argmax(1)
    is_tied = (others == others.max(1, keepdims=True)).sum(1) > 1
    seen = others[rows, second] > 0
    assert (others_found.argmax(1) == second)[seen & ~is_tied].all()
    is_ahead = array.max(1) > others.max(1)
    assert (found.max(1) > others_found.max(1))[is_ahead].all()


@given(probabilities(columns=10))
def test_a_byte_is_enough_for_ten_clusters(array):
    assert ratios.coded(array, np.uint8) is not None


def test_nearly_sure_rows_stay_nearly_sure():
    array = np.full((1000, 10), 2e-5, dtype=np.float32)
    array[:, 3] = 1 - 9 * 2e-5
    found = ratios.decoded(ratios.coded(array, np.uint8))
    assert found[:, 3] == pytest.approx(array[:, 3], abs=1e-4)  # in even steps 1.0


@pytest.mark.parametrize(
    "array",
    [
        np.full((3, 4), 0.2, dtype=np.float32),  # noise: they sum to less
        np.array([[1.5, -0.5]], dtype=np.float32),
        np.array([[np.nan, 1.0]], dtype=np.float32),
        np.zeros((0, 4), dtype=np.float32),
        np.ones((3, 1), dtype=np.float32),
    ],
)
def test_rows_that_are_no_shares_are_left_alone(array):
    assert ratios.coded(array, np.uint16) is None


# -- steps -------------------------------------------------------------------------------------
def step(n=4000, d=32, k=10):
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(k, 0.1), n).astype(np.float32)
    return {
        "embedding": cloud(n, d),
        "assignments": p.argmax(1).astype(np.int32),
        "probabilities": p,
        "centers": cloud(k, d),
        "artefact:doubt": rng.random((n, 1), dtype=np.float32),
        "artefact:target": rng.dirichlet(np.full(k, 0.1), n).astype(np.float32),
        "artefact:pairs": rng.random((40, 40), dtype=np.float32),
        "artefact:joint": rng.random((10, 10), dtype=np.float32),
    }


KINDS = {"doubt": "per_item", "target": "per_item", "pairs": "matrix", "joint": "matrix"}


def test_a_step_takes_at_most_37_bytes_an_item():
    arrays = step()
    parts = encoded(arrays, KINDS, COARSE)
    assert sum(part.nbytes for part in parts.values()) <= 37 * 4000
    assert {array_name(name) for name in parts} == set(arrays)
    assert parts["assignments"].dtype == np.int8
    assert parts["artefact:pairs"].dtype == np.float16
    for name in ("centers", "artefact:joint"):
        assert parts[name] is arrays[name]


@pytest.mark.parametrize("precision", [COARSE, FINE])
def test_all_arrays_of_a_step_come_back(precision):
    arrays = step()
    parts = encoded(arrays, KINDS, precision)
    limits = {COARSE: (0.02, 0.005), FINE: (0.0002, 0.0002)}[precision]
    for name in ("embedding", "probabilities", "artefact:doubt", "artefact:target"):
        encoding = encoding_of(name, parts.__contains__)
        found = encoding.decoded({p: parts[f"{name} as {p}"] for p in encoding.parts})
        extent = np.ptp(arrays[name])
        assert np.abs(found - arrays[name]).max() <= limits[name != "embedding"] * extent


def test_the_second_time_loses_no_more_than_the_first():
    """A step is condensed from what was stored while it was the newest."""
    array = cloud(3000, 10)
    once = unpacked(packed(array, 80, most=12))
    again = unpacked(packed(once, 80, most=12))
    assert np.abs(again - array).max() <= np.abs(once - array).max() * 1.01


def test_a_small_step_stays_as_it_is():
    arrays = step(n=100, k=3, d=2)
    assert encoded(arrays, KINDS, COARSE) == arrays


@settings(max_examples=20)
@given(st.integers(-1, 40_000), st.integers(1, 5))
def test_assignments_take_the_fewest_bytes(highest, n):
    array = np.full(n, highest, dtype=np.int32)
    found = narrow(array)
    assert (found == array).all()
    assert found.itemsize == (1 if highest < 128 else 2 if highest < 2**15 else 4)


def test_a_name_that_only_looks_like_a_part_is_a_name():
    assert array_name("artefact:x as rows") == "artefact:x"
    assert array_name("artefact:x as you like") == "artefact:x as you like"
