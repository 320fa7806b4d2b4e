"""What the page Train shows before a run starts: copies and layers."""

from itertools import pairwise

import numpy as np
import pytest

from clustlab import registry
from clustlab.store import RunStore
from clustlab.ui import rehearsal
from tests.test_pages import visit, words

IMAGES = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 1), dtype=np.uint8)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))
    return RunStore()


def test_the_first_row_is_untouched_and_copies_depend_on_the_draw():
    method = registry.method("iic")()
    first, again, other = (rehearsal.changed_copies(method, IMAGES, draw) for draw in (0, 0, 1))
    assert first.shape == (1 + rehearsal.ROWS, 6, 8, 8, 1)
    assert (first[0] == IMAGES).all()
    assert (first == again).all()
    assert (first != other).any()
    assert all((row != IMAGES).any() for row in first[1:])


def test_without_changes_there_is_nothing_to_show():
    assert rehearsal.changed_copies(registry.method("iic")(strength=0.0), IMAGES, 0) is None
    assert rehearsal.changed_copies(registry.method("dec")(), IMAGES, 0) is None
    assert rehearsal.changed_copies(registry.method("dec")(augmented=True), IMAGES, 0) is not None


def test_layers_of_dec_add_up_by_hand():
    table = rehearsal.layers(registry.method("dec")(), (28, 28, 1))
    sizes = (784, 500, 500, 2000, 10, 2000, 500, 500, 784)
    assert table["weights"].sum() == sum(a * b + b for a, b in pairwise(sizes))
    assert table["layer"].eq("linear").all()


def test_the_page_opens_both(runs):
    app = visit("train", method="iic", dataset="digits")
    app.session_state["fold-texture"] = True
    app.session_state["fold-lan"] = True
    app.run()
    assert not app.exception
    assert "First row: items as they are" in words(app)
    assert "without the heads on top" in words(app)
