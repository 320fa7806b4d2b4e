import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clustlab.analysis import projection
from clustlab.analysis.nearest_neighbours import k_nearest
from clustlab.analysis.projection import (
    carry,
    pca_2d,
    procrustes,
    tsne_2d,
    umap_2d,
)
from clustlab.errors import Cancelled
from clustlab.parts.inputs.pca import principal

RNG = np.random.default_rng(3)
CLOUD = RNG.normal(size=(40, 2)).astype(np.float32) * [3, 1]


def by_svd(x):
    x = x - x.mean(0)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return u[:, :2] * s[:2]


@pytest.mark.parametrize("shape", [(200, 10), (30, 100), (600, 700)])
def test_pca_agrees_with_the_singular_value_decomposition(shape):
    x = RNG.normal(size=shape).astype(np.float32)
    x[:, 0] *= 20
    x[:, 1] *= 10
    points, expected = pca_2d(x), by_svd(x.astype(np.float64))
    assert points.dtype == np.float32
    assert np.allclose(np.abs(points), np.abs(expected), atol=0.02)


@pytest.mark.parametrize("shape", [(200, 10), (30, 100), (600, 700)])
def test_pca_of_readers_is_that_of_methods(shape):
    x = RNG.normal(size=shape).astype(np.float32)
    x[:, 0] *= 20
    x[:, 1] *= 10
    ours, theirs = np.abs(pca_2d(x)), principal(torch.from_numpy(x), 2).abs().numpy()
    assert np.allclose(ours, theirs, atol=0.02)  # the search in wide rows ends with a small error


def test_pca_does_not_depend_on_the_sign_of_its_axes():
    x = RNG.normal(size=(50, 5)).astype(np.float32)
    assert (pca_2d(x) == pca_2d(x.copy())).all()
    assert np.allclose(pca_2d(-x), -pca_2d(x), atol=1e-4)


def test_pca_of_too_little_is_filled_with_zeros():
    assert pca_2d(np.zeros((0, 3), np.float32)).shape == (0, 2)
    assert pca_2d(np.ones((1, 3), np.float32)).tolist() == [[0, 0]]
    line = pca_2d(np.array([[0.0], [2.0]], np.float32))
    assert np.abs(line).tolist() == [[1, 0], [1, 0]]


@given(
    st.floats(0, 2 * math.pi),
    st.booleans(),
    st.floats(-100, 100),
    st.floats(0.1, 10),
)
def test_procrustes_undoes_turn_mirror_shift_and_scale(angle, mirrored, shift, scale):
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if mirrored:
        turn = turn @ np.diag([1, -1])
    moved = CLOUD @ turn * scale + shift
    assert np.allclose(procrustes(moved, CLOUD), CLOUD, atol=1e-3)


def test_procrustes_does_not_shrink_a_cloud_that_changed():
    other = RNG.normal(size=CLOUD.shape)
    aligned = procrustes(other, CLOUD)
    spread = np.linalg.norm(CLOUD - CLOUD.mean(0))
    assert np.linalg.norm(aligned - aligned.mean(0)) == pytest.approx(spread, rel=1e-4)


def test_procrustes_copes_with_nothing_and_with_one_dot():
    assert procrustes(np.zeros((0, 2)), np.zeros((0, 2))).shape == (0, 2)
    assert procrustes(np.ones((3, 2)), CLOUD[:3]).shape == (3, 2)
    assert np.isfinite(procrustes(CLOUD[:3], np.zeros((3, 2)))).all()


def test_further_points_are_carried_along_by_a_projection():
    x = RNG.normal(size=(80, 6)).astype(np.float32) * [5, 3, 1, 1, 1, 1]
    points = procrustes(pca_2d(x) * 3 + 7, by_svd(x)[:, ::-1] - 2)
    assert np.allclose(carry(x, points, x[:5]), points[:5], atol=1e-2)
    assert np.allclose(carry(x, points, x.mean(0)[None]), points.mean(0), atol=1e-2)
    assert np.isfinite(carry(np.ones((4, 3)), np.zeros((4, 2)), np.ones((2, 3)))).all()


def test_umap_is_given_each_item_before_its_neighbours():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    indices, distances = projection._with_oneself(k_nearest(line, 2))
    assert indices.tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 2, 1]]
    assert distances[0].tolist() == [0, 1, 3]


def two_groups(n=60):
    x = RNG.normal(size=(n, 5)).astype(np.float32)
    x[: n // 2] += 12
    return x


@pytest.mark.parametrize("given", [False, True])
def test_tsne_keeps_groups_apart_and_near_their_start(given):
    x, told = two_groups(), []
    start = pca_2d(x)
    points = tsne_2d(
        x, init=start if given else None, epochs=120, report=lambda text, share: told.append(share)
    )
    left, right = points[:30].mean(0), points[30:].mean(0)
    assert np.linalg.norm(left - right) > 2 * points[:30].std(0).max()
    assert np.linalg.norm(left - start[:30].mean(0)) < np.linalg.norm(left - start[30:].mean(0))
    assert told == sorted(told)
    assert max(np.diff(told)) < 0.3  # never long without a word, so that it can be stopped
    assert told[-1] == 1


def divergence(x, y, perplexity=29.0):
    """Of Kullback and Leibler, between how near items are and how near their places: t-SNE's aim.

    Written out over all pairs, after van der Maaten & Hinton 2008, eq. 1 to 5.
    """
    squares = ((x[:, None] - x[None]).astype(np.float64) ** 2).sum(2)
    p = np.zeros_like(squares)
    for i, row in enumerate(squares):
        others = np.delete(row, i)
        low, high = 1e-6, 1e6
        for _ in range(100):
            beta = np.sqrt(low * high)
            q = np.exp(-beta * (others - others.min()))
            q /= q.sum()
            entropy = -(q * np.log(np.maximum(q, 1e-300))).sum()
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        p[i, np.arange(len(x)) != i] = q
    p = (p + p.T) / p.sum() / 2
    q = 1 / (1 + ((y[:, None] - y[None]).astype(np.float64) ** 2).sum(2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    return float((p * np.log(np.maximum(p, 1e-300) / np.maximum(q, 1e-300))).sum())


def test_tsne_reaches_the_divergence_of_scikit_learn():
    from sklearn.manifold import TSNE

    x = two_groups(90)
    ours = tsne_2d(x, epochs=400)
    theirs = TSNE(init="pca", perplexity=29, random_state=0).fit_transform(x)
    assert divergence(x, ours) < divergence(x, theirs) * 1.1


def test_tsne_repeats_itself():
    x = two_groups()
    assert (tsne_2d(x, epochs=60) == tsne_2d(x, epochs=60)).all()


LAYOUTS = pytest.mark.parametrize(
    "layout", [tsne_2d, pytest.param(umap_2d, marks=pytest.mark.slow)], ids=["t-SNE", "UMAP"]
)


@LAYOUTS
@given(st.integers(0, 99), st.integers(10, 60), st.booleans())
@settings(max_examples=5)
def test_coinciding_items_part_but_stay_near(layout, seed, n, from_one_place):
    half = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    x = np.concatenate((half, half))
    start = np.concatenate([pca_2d(half)] * 2) if from_one_place else None
    points = layout(x, init=start, epochs=300 if layout is tsne_2d else 60)
    gaps = np.linalg.norm(points[:n] - points[n:], axis=1)
    everyone = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert gaps.min() > 0
    assert np.median(gaps) < np.median(everyone) / 2


def test_tsne_stops_when_its_report_raises():
    def stop(_text, share):
        if share > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        tsne_2d(two_groups(), report=stop)


def test_procrustes_can_leave_the_size_alone():
    moved = CLOUD[:, ::-1] * 4 + 3
    assert np.allclose(
        procrustes(moved, CLOUD, scale=False),
        (CLOUD - CLOUD.mean(0)) * 4 + CLOUD.mean(0),
        atol=1e-3,
    )


@pytest.mark.slow
def test_umap_repeats_itself_tells_progress_and_keeps_places():
    x, told = two_groups(), []
    points = umap_2d(x, epochs=20, report=lambda text, share: told.append(share))
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)
    assert (umap_2d(x, epochs=20) == points).all()
    again = umap_2d(x, init=points, epochs=20)
    assert np.linalg.norm(again - points, axis=1).mean() < points.std()


@pytest.mark.slow
def test_umap_stops_when_its_report_raises():
    def stop(_text, share):
        if share > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        umap_2d(two_groups(), epochs=500, report=stop)


def test_layouts_of_three_points_are_their_principal_components():
    x = np.eye(3, dtype=np.float32)
    assert (umap_2d(x) == pca_2d(x)).all()
    assert (tsne_2d(x) == pca_2d(x)).all()
