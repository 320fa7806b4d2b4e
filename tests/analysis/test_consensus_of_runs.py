import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import consensus as module
from clustlab.analysis.consensus import consensus, numbered_like
from clustlab.analysis.metrics import n_occupied

A = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
B = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2])  # item 3 has moved


@st.composite
def runs(draw):
    """Two to four clusterings of the same items, some of which are noise, in any numbering."""
    n, r = draw(st.integers(1, 25)), draw(st.integers(2, 4))
    numbers = st.lists(st.integers(-1, 4), min_size=n, max_size=n)
    return [np.array(draw(numbers)) for _ in range(r)]


def turned(parts, seed):
    """The same runs in another order, under other numbers."""
    rng = np.random.default_rng(seed)
    numbers = [np.append(rng.permutation(9), -1) for _ in parts]  # the last one stands for noise
    renumbered = [n[c] for n, c in zip(numbers, parts, strict=True)]
    return [renumbered[i] for i in rng.permutation(len(parts))]


@given(runs(), st.integers(0, 99))
def test_neither_the_order_of_runs_nor_their_numbers_matter(parts, seed):
    one, other = consensus(parts), consensus(turned(parts, seed))
    assert one.clusters.tolist() == other.clusters.tolist()
    assert one.share == pytest.approx(other.share)


@given(runs(), st.integers(0, 99))
def test_nor_do_they_where_only_the_most_common_company_is_merged(parts, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_MERGED", 1)
        one, other = consensus(parts), consensus(turned(parts, seed))
    assert one.clusters.tolist() == other.clusters.tolist()


@given(runs())
def test_what_all_runs_agree_on_is_kept(parts):
    found = consensus(parts)
    assert ((found.share >= 0) & (found.share <= 1)).all()
    left_out = np.array([c < 0 for c in parts]).mean(0) > 0.5
    assert ((found.clusters < 0) == left_out).all()
    together = np.all([(c[:, None] == c) & (c >= 0) for c in parts], axis=0)
    same = found.clusters[:, None] == found.clusters
    assert same[together].all()  # whom no run parts, the consensus does not part


@given(runs())
def test_runs_that_are_alike_are_the_consensus(parts):
    found = consensus([parts[0]] * 3)
    same = (parts[0][:, None] == parts[0]) & (parts[0] >= 0)[:, None]
    kept = found.clusters >= 0
    assert (kept == (parts[0] >= 0)).all()
    assert ((found.clusters[:, None] == found.clusters) & kept[:, None] == same).all()
    assert (found.share == 1).all()


def test_two_of_three_runs_decide():
    found = consensus([A, B, B])
    assert found.clusters.tolist() == B.tolist()
    assert found.share == pytest.approx([1, 1, 1, 2 / 3, 1, 1, 1, 1, 1, 1])


def test_of_two_runs_neither_decides_by_its_place():
    one, other = consensus([A, B]), consensus([B, A])
    assert one.clusters.tolist() == other.clusters.tolist()
    # item 3 is with three others in either run: it is joined to the larger of the equal choices
    assert one.clusters.tolist() == B.tolist()
    assert one.share.tolist() == [1, 1, 1, 0.5, 1, 1, 1, 1, 1, 1]


def test_there_are_as_many_clusters_as_the_runs_have_in_the_middle():
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, k, 300) for k in (3, 7, 5)]
    assert n_occupied(consensus(parts).clusters) == 5


def test_many_kinds_of_company_do_not_take_long():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 5_000)
    parts = [np.where(rng.random(5_000) < 0.7, truth, rng.integers(0, 10, 5_000)) for _ in range(4)]
    assert len(np.unique(parts, axis=1).T) > 1_000
    found = numbered_like(consensus(parts).clusters, parts)
    own = [(part == truth).mean() for part in parts]
    assert (found == truth).mean() > max(own) + 0.05


def test_numbers_are_those_of_the_runs():
    wanted = numbered_like(consensus([A + 3, A + 3]).clusters, [A + 3, A + 3])
    assert wanted.tolist() == (A + 3).tolist()
    fine = np.arange(4)
    assert numbered_like(fine, [np.zeros(4, int)]).tolist() == [0, 1, 2, 3]
    assert numbered_like(np.array([-1, 0]), [np.array([-1, 6])]).tolist() == [-1, 6]


def test_nothing_but_noise_has_no_consensus():
    nothing = np.full(3, -1)
    found = consensus([nothing, nothing])
    assert found.clusters.tolist() == [-1, -1, -1]
    assert found.share.tolist() == [1, 1, 1]
