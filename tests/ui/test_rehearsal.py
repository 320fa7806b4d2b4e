"""What the page Train shows before a run starts: copies and layers."""

from itertools import pairwise

import numpy as np
import pytest

from clustlab import registry
from clustlab.parts.networks.cost import blank
from clustlab.ui.train import preview
from tests.ui.test_pages import visit, words

IMAGES = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 1), dtype=np.uint8)

CLASSICAL = {"kmeans", "pca-kmeans", "gmm", "spectral", "agglomerative", "hdbscan"}


def test_the_first_row_is_untouched_and_copies_depend_on_the_draw():
    method = registry.method("iic")()
    first, again, other = (preview.changed_copies(method, IMAGES, draw) for draw in (0, 0, 1))
    assert first.shape == (1 + preview.ROWS, 6, 8, 8, 1)
    assert (first[0] == IMAGES).all()
    assert (first == again).all()
    assert (first != other).any()
    assert all((row != IMAGES).any() for row in first[1:])


def test_without_changes_there_is_nothing_to_show():
    assert preview.changed_copies(registry.method("iic")(strength=0.0), IMAGES, 0) is None
    assert preview.changed_copies(registry.method("dec")(), IMAGES, 0) is None
    assert preview.changed_copies(registry.method("dec")(augmented=True), IMAGES, 0) is not None


def test_layers_of_dec_add_up_by_hand():
    table = preview.layers(registry.method("dec")(), (28, 28, 1))
    sizes = (784, 500, 500, 2000, 10, 2000, 500, 500, 784)
    assert table["weights"].sum() == sum(a * b + b for a, b in pairwise(sizes))
    assert table["layer"].eq("linear").all()


@pytest.mark.parametrize("name", sorted(set(registry.methods()) - CLASSICAL))
@pytest.mark.parametrize("shape", [(28, 28, 1), (16, 16, 3), (2,)])
def test_every_method_that_trains_a_network_shows_its_layers(name, shape):
    cls = registry.method(name)
    if len(shape) == 1 and "points" not in cls.accepts:
        pytest.skip("takes images only")
    table = preview.layers(cls(), shape)
    network, _ = blank(cls().build_network, shape)
    assert table["weights"].sum() == sum(p.numel() for p in network.parameters()) > 0
    assert (table["weights"] > 0).all()


@pytest.mark.parametrize("name", sorted(CLASSICAL))
def test_methods_without_a_network_promise_none(name):
    assert not hasattr(registry.method(name), "build_network")


def test_layers_of_a_game_add_up_by_hand():
    """The discriminator sees both kinds of pairs, but its weights are there once."""
    table = preview.layers(registry.method("bigan-kmeans")(hidden_units=20, code_size=3), (4, 4, 1))
    encoder = 16 * 20 + 20 * 20 + 20 * 3
    generator = 3 * 20 + 20 * 20 + 3 * 20 + 20 * 16
    discriminator = 16 * 20 + 20 * 20 + 3 * 20 + 20 * 1
    assert table.groupby("part")["weights"].sum().to_dict() == {
        "encoder": encoder,
        "generator": generator,
        "discriminator": discriminator,
    }


def test_a_network_of_one_part_has_no_column_for_it():
    assert list(preview.layers(registry.method("dac")(), (28, 28, 1))) == [
        "layer",
        "output",
        "weights",
    ]


def test_the_page_opens_both(runs):
    app = visit("train", method="iic", dataset="digits")
    app.session_state["fold-texture"] = True
    app.session_state["fold-lan"] = True
    app.run()
    assert not app.exception
    assert "First row: items as they are" in words(app)
    assert "without the heads on top" in words(app)


def test_a_classifier_is_shown_with_its_last_layer(runs):
    app = visit("train", method="rim", dataset="digits")
    app.session_state["fold-lan"] = True
    app.run()
    assert not app.exception
    assert f"{64 * 10 + 10} weights** in 1 linear layer." in words(app)
