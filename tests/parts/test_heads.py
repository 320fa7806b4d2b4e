"""How far several heads of one network agree."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score

from clustlab.context import Context
from clustlab.methods.iic import IIC
from clustlab.methods.scan import SCAN
from clustlab.parts.networks.heads import head_agreement
from tests.support.fakes import blocks

HALVES, QUARTER, CROSSED = [0, 0, 1, 1], [0, 0, 0, 1], [0, 1, 0, 1]


def sure(*heads, k=2):
    """Probabilities (heads, n, k) of heads that are sure of these clusters."""
    return torch.nn.functional.one_hot(torch.tensor(heads), k).float()


def agree(*heads, k=2):
    return head_agreement(sure(*heads, k=k))["head_agreement"]


def test_heads_that_divide_alike_agree_whatever_their_numbers():
    assert agree(HALVES, [1, 1, 0, 0]) == pytest.approx(1)
    assert agree(HALVES, CROSSED) == pytest.approx(0, abs=1e-12)


def test_two_heads_by_hand():
    # H(A) = ln 2 = 0.6931, H(B) = 0.5623 for 3/4 and 1/4, jointly 1/2, 1/4, 1/4: 1.0397 nats,
    # so they share 0.2158, and 2 * 0.2158 / (0.6931 + 0.5623) = 0.3437
    first, second, both = math.log(2), 2 * math.log(2) - 0.75 * math.log(3), 1.5 * math.log(2)
    wanted = 2 * (first + second - both) / (first + second)
    assert wanted == pytest.approx(0.3437, abs=1e-4)
    assert agree(HALVES, QUARTER) == pytest.approx(wanted)


def test_three_heads_are_the_mean_of_three_pairs():
    # the first two agree in full, neither tells anything of the third: (1 + 0 + 0) / 3
    assert agree(HALVES, [1, 1, 0, 0], CROSSED) == pytest.approx(1 / 3)


def test_a_head_alone_has_nobody_to_agree_with():
    assert head_agreement(sure(HALVES)) == {}


def test_heads_that_put_all_into_one_cluster_agree():
    assert agree([0] * 4, [1] * 4) == 1
    assert agree([0] * 4, HALVES) == pytest.approx(0, abs=1e-12)


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=40))
def test_it_is_the_mean_of_the_usual_scores(rows):
    heads = [list(column) for column in zip(*rows, strict=True)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    wanted = [normalized_mutual_info_score(heads[a], heads[b]) for a, b in pairs]
    assert agree(*heads, k=4) == pytest.approx(sum(wanted) / 3, abs=1e-6)


@pytest.mark.parametrize(
    "method",
    [
        IIC(n_clusters=3, epochs=2, width=4, batch_size=30, n_heads=3),
        SCAN(
            n_clusters=3,
            epochs=1,
            n_neighbors=5,
            cluster_epochs=2,
            label_epochs=1,
            width=4,
            n_heads=3,
        ),
    ],
)
def test_a_run_reports_it_at_every_step_with_heads(method):
    steps = list(method.iterate(blocks(60), Context(0)))
    with_heads = [s.scalars for s in steps if "chosen_head" in s.scalars]
    assert len(with_heads) >= 2
    assert all(0 <= scalars["head_agreement"] <= 1 for scalars in with_heads)
    assert all("head_agreement" in s.scalars for s in steps) == (method.name == "iic")
