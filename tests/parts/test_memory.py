"""What does not fit into memory is refused before it is asked for, with how many items do fit."""

import numpy as np
import psutil
import pytest
import torch

from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.methods.agglomerative import Agglomerative
from clustlab.methods.hdbscan import Hdbscan
from clustlab.methods.spectral import Spectral
from clustlab.parts import memory
from clustlab.parts.clustering.linkage import square_distances
from clustlab.parts.inputs.network_input import Inputs, features
from clustlab.parts.inputs.pca import principal_map
from clustlab.parts.networks.passes import embed

CPU = torch.device("cpu")


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free."""

    def is_free(n_bytes):
        monkeypatch.setattr(memory, "free_bytes", lambda: n_bytes)

    return is_free


@pytest.mark.parametrize(
    ("n", "each", "power", "fits"),
    [
        (900, 1, 1, True),
        (901, 1, 1, False),
        (30, 1, 2, True),
        (31, 1, 2, False),
        (0, 8, 1, True),
        (10, 0.5, 1, True),
    ],
)
def test_nine_tenths_of_what_is_free_may_be_taken(free, n, each, power, fits):
    free(1000)
    if fits:
        memory.check_fits("This", n, each, power=power)
        return
    with pytest.raises(ParameterError):
        memory.check_fits("This", n, each, power=power)


def test_the_message_says_what_takes_how_much_and_how_many_items_fit(free):
    free(1_000_000_000)
    with pytest.raises(ParameterError) as raised:
        memory.check_fits("A pass over all items", 1_000_000, 4096)
    assert raised.value.message == (
        "A pass over all items takes 4.1 GB of memory for 1,000,000 items, and 0.9 GB can be had."
    )
    assert "210,000 items" in raised.value.hint
    memory.check_fits("A pass over all items", 210_000, 4096)
    with pytest.raises(ParameterError) as raised:
        memory.check_fits("Comparing", 50_000, 4.5, power=2)
    assert "14,000 items: lower max_items" in raised.value.hint
    memory.check_fits("Comparing", 14_000, 4.5, power=2)


def test_what_is_free_is_what_the_machine_says():
    assert 0 < memory.free_bytes() <= psutil.virtual_memory().total


@pytest.mark.parametrize("method", [Agglomerative, Hdbscan])
def test_methods_that_compare_all_pairs_ask_first(free, method):
    items = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    free(500 * 500 * 4.5 / 0.9)
    with pytest.raises(ParameterError, match="Comparing all items with each other"):
        next(method(max_items=10_000).iterate(items, Context(0, CPU)))
    next(method(max_items=400).iterate(items, Context(0, CPU)))


def test_spectral_clustering_never_holds_all_pairs(free):
    items = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    free(500 * 500 * 4)
    next(Spectral(n_clusters=3).iterate(items, Context(0, CPU)))


def test_a_pass_through_a_wide_network_asks_when_it_knows_how_wide(free):
    inputs = Inputs(np.zeros((500, 4), dtype=np.float32), CPU)
    network = torch.nn.Linear(4, 300)
    free(500 * 4 * 300)
    with pytest.raises(ParameterError, match="A pass over all items"):
        embed(network, inputs, Context(0, CPU))
    free(2 * 500 * 4 * 300)
    assert embed(network, inputs, Context(0, CPU)).shape == (500, 300)


def test_items_as_numbers_ask(free):
    images = np.zeros((500, 8, 8, 1), dtype=np.uint8)
    free(500 * 64 * 4)
    with pytest.raises(ParameterError, match="Holding all items as numbers"):
        features(images)
    free(3 * 500 * 64 * 4)
    assert features(images).shape == (500, 64)


def test_distances_are_the_same_both_ways_and_those_of_numpy():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1203, 5)).astype(np.float32))
    found = square_distances(x, Context(0, CPU))
    assert (found == found.T).all()
    exact = x.numpy().astype(np.float64)
    wanted = np.square(exact[:, None] - exact[None]).sum(2)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_components_leave_the_rows_that_they_are_given_as_they_are():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32))
    before = x.clone()
    principal_map(x, 3)
    assert (x == before).all()
