"""Which start of a mixture is kept: cases solved by hand, and what must hold of all."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clustlab.context import Context
from clustlab.parts.clustering import mixture_start
from clustlab.parts.clustering.kmeans import kmeans
from clustlab.parts.clustering.mixture_start import Limits, answers_of, fitted, likeliest_start

# two rows of five: k-means cuts across both, a mixture follows each
ROWS = torch.tensor([[float(x), y] for y in (-1.0, 1.0) for x in (-4, -2, 0, 2, 4)])
ALONG, ACROSS = torch.tensor([[0.0, -1], [0, 1]]), torch.tensor([[-3.0, 0], [3, 0]])
LIMITS = Limits(50, 1e-3)


def starts_from(monkeypatch, *centers):
    """The divisions that k-means reaches from some centres, handed out one after the other."""
    found = [kmeans(ROWS, 2, Context(), centers=c) for c in centers]
    following = iter(found)
    monkeypatch.setattr(mixture_start, "kmeans", lambda *_: next(following))
    return found


@pytest.mark.parametrize("first", [ALONG, ACROSS])
def test_the_likeliest_start_is_kept_though_another_has_less_inertia(monkeypatch, first):
    second = ACROSS if first is ALONG else ALONG
    found = starts_from(monkeypatch, first, second)
    along, across = found if first is ALONG else found[::-1]
    assert along.inertia == 80  # 2 x (16 + 4 + 0 + 4 + 16)
    assert across.inertia < along.inertia  # what k-means would have kept
    kept = likeliest_start(ROWS, 2, Context(), "full", 0.01, 2, LIMITS)
    assert kept is along


def test_a_fit_of_two_rows_by_hand():
    along = kmeans(ROWS, 2, Context(), centers=ALONG)
    # far apart for their width, so no item is shared: two lines of variances 8 and 0, and 0.01 more
    x = ROWS.double()
    mixture, reached = fitted(x, answers_of(along), "full", 0.01, LIMITS, Context())
    assert mixture.weights.tolist() == pytest.approx([0.5, 0.5])
    assert mixture.covariances[0].flatten().tolist() == pytest.approx([8.01, 0, 0, 0.01])
    by_hand = math.log(0.5) - math.log(2 * math.pi) - 0.5 * math.log(8.01 * 0.01) - 0.5 * 8 / 8.01
    assert reached == pytest.approx(by_hand)


@pytest.mark.slow
@given(seed=st.integers(0, 999), kind=st.sampled_from(["full", "tied", "diag", "spherical"]))
@settings(max_examples=40)
def test_no_single_start_leads_to_a_likelier_mixture(seed, kind):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(40, 2, generator=generator) * torch.tensor([3.0, 0.4])
    x = z.double()
    kept = likeliest_start(z, 3, Context(seed), kind, 1e-3, 4, LIMITS)
    same = Context(seed)
    alone = [kmeans(z, 3, same) for _ in range(4)]
    reached = [fitted(x, answers_of(c), kind, 1e-3, LIMITS, same)[1] for c in (kept, *alone)]
    assert reached[0] == max(reached[1:])


def test_a_single_start_is_not_fitted_and_limits_are_kept(monkeypatch):
    rounds = []
    real = mixture_start.maximise
    monkeypatch.setattr(mixture_start, "maximise", lambda *a: rounds.append(1) or real(*a))
    one = likeliest_start(ROWS, 2, Context(3), "full", 0.01, 1, LIMITS)
    assert torch.equal(one.assignments, kmeans(ROWS, 2, Context(3)).assignments)
    assert not rounds
    fitted(ROWS.double(), answers_of(one), "full", 0.01, Limits(3, 0.0), Context())
    assert len(rounds) == 3
