"""PCA + k-means: what is kept of the items, and what k-means makes of it."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from clustlab.context import Context
from clustlab.methods.kmeans import KMeans
from clustlab.methods.pca_kmeans import PCAKMeans
from clustlab.parts.inputs.components import Components, shown_width

DIGITS = (load_digits().images[:300] * 255 / 16).round().astype(np.uint8)[..., None]


def last(method, items, seed=0):
    *_, found = method.iterate(items, Context(seed))
    return found


def same_division(a, b):
    """Whether two assignments agree up to the numbers of the clusters."""
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist()))


def test_the_components_are_those_of_scikit_learn():
    found = Components(DIGITS, 5, Context())
    theirs = PCA(5, svd_solver="full").fit(DIGITS.reshape(300, -1) / 255)
    z = theirs.transform(DIGITS.reshape(300, -1) / 255)
    assert np.allclose(np.abs(found.z.numpy()), np.abs(z), atol=1e-4)
    assert found.variance == pytest.approx(theirs.explained_variance_ratio_, abs=1e-5)


def test_all_components_lead_back_to_the_image_itself():
    items = DIGITS[:, 2:6, 2:6]  # no pixel here is the same in all images
    for whiten in (False, True):
        found = Components(items, 16, Context(), whiten=whiten)
        assert np.array_equal(found.pictures(found.z), items)


def test_whitened_components_have_the_same_variance_and_tell_the_true_shares():
    plain = Components(DIGITS, 8, Context())
    white = Components(DIGITS, 8, Context(), whiten=True)
    assert torch.allclose(white.z.var(0, correction=0), torch.ones(8), atol=1e-3)
    assert white.variance == pytest.approx(plain.variance, rel=1e-3)


def test_one_component_of_two_that_differ_by_ten_is_solved_by_hand():
    # along (1, 1) the four points lie at -20, -10, 10, 20 over root 2; across it at +-1
    points = np.array([[-9, -11], [-6, -4], [6, 4], [9, 11]], dtype=np.float32)
    found = Components(points, 1, Context())
    scale = points.std()
    expected = np.array([-20, -10, 10, 20]) / np.sqrt(2) / scale
    assert np.allclose(np.abs(found.z[:, 0].numpy()), np.abs(expected), rtol=0.02)
    settings = PCAKMeans(n_clusters=2, n_components=1)
    assert same_division(last(settings, points).assignments, np.array([0, 0, 1, 1]))


def test_every_component_gives_what_k_means_finds_on_the_pixels():
    on_pixels = last(KMeans(n_clusters=10, n_init=1, tolerance=0.0), DIGITS)
    on_components = last(PCAKMeans(n_clusters=10, n_init=1, n_components=64, tolerance=0.0), DIGITS)
    assert same_division(on_pixels.assignments, on_components.assignments)
    assert on_components.scalars["inertia"] == pytest.approx(on_pixels.scalars["inertia"], rel=1e-4)
    assert on_components.scalars["variance_kept"] == pytest.approx(1.0, abs=1e-4)
    ours, theirs = (s.artefacts["centroids"].data.astype(int) for s in (on_components, on_pixels))
    assert np.abs(ours - theirs).max() <= 1


def test_a_snapshot_keeps_fewer_columns_of_more_items():
    assert [shown_width(n) for n in (10, 10_000, 20_000, 70_000)] == [50, 50, 25, 10]


def test_directions_use_the_full_range_of_grey_around_its_middle():
    *_, found = PCAKMeans(n_components=30, n_init=1).iterate(DIGITS, Context())
    pixels = found.artefacts["directions"].data[0].astype(int)
    assert pixels.shape == (24, 8, 8, 1)
    assert (np.abs(pixels - 127.5).max((1, 2, 3)) == 127.5).all()
    kept = found.artefacts["variance"].data
    assert np.allclose(kept[1], kept[0].cumsum(), atol=1e-6)
    assert (np.diff(kept[0]) <= 1e-6).all()
