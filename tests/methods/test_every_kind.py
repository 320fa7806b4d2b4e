"""Whatever data set is chosen for a method, it can be planned, shown and started, or is refused.

The shapes are those that data sets have, and odd ones that a data set of one's own may have.
"""

import contextlib

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from clustlab import registry
from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.runs.store import RunSpec
from clustlab.training.worker import new_run
from clustlab.ui.train import preview
from tests.methods.test_methods import METHODS, tiny

SHAPES = ((2,), (64,), (8, 8, 1), (28, 28, 1), (32, 32, 3), (7, 5, 1), (1, 9, 1), (5, 3, 3))
N = 40


def items_of(shape, n=N):
    rng = np.random.default_rng(0)
    if len(shape) == 1:
        groups = 5 * rng.integers(0, 3, (n, 1))
        return (rng.normal(size=(n, *shape)) + groups).astype(np.float32)
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8)


def pairs(shapes):
    """Every method with every shape of a kind that it works on."""
    for name in METHODS:
        for shape in shapes:
            if ("images" if len(shape) == 3 else "points") in registry.method(name).accepts:
                yield pytest.param(name, shape, id=f"{name}-{'x'.join(map(str, shape))}")


@pytest.mark.parametrize(("name", "shape"), list(pairs(SHAPES)))
def test_what_the_form_shows_before_the_start_can_be_computed(name, shape):
    method, built = registry.method(name), tiny(name)
    assert built.plan(N, shape)
    if registry.NETWORKED.is_offered_by(method):
        assert len(preview.layers(built, shape)) > 0
    if registry.AUGMENTING.is_offered_by(method) and len(shape) == 3:
        preview.changed_copies(built, items_of(shape, 4), 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), list(pairs(SHAPES)))
def test_a_method_starts_on_every_shape_or_refuses_it(name, shape):
    ctx = Context(0, torch.device("cpu"))
    with contextlib.suppress(ParameterError):
        snapshots = tiny(name).iterate(items_of(shape), ctx)
        for _ in range(2):
            if next(snapshots, None) is None:
                break


UNFIT = [
    (name, dataset)
    for name in METHODS
    for dataset in ("toy", "digits")
    if registry.dataset(dataset).kind not in registry.method(name).accepts
]


@pytest.mark.parametrize(("name", "dataset"), UNFIT)
def test_a_method_is_refused_for_a_kind_that_it_does_not_work_on(store, name, dataset):
    with pytest.raises(ParameterError, match=r"works on images, but .* holds points") as refused:
        new_run(store, RunSpec(dataset, name, {}, {}))
    assert refused.value.hint == "Choose a data set of images, or a method that works on points."


@pytest.mark.parametrize(("name", "dataset"), UNFIT)
def test_the_form_says_so_before_the_start(tmp_path, monkeypatch, name, dataset):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path))
    app = _form(name, dataset)
    (refusal,) = [error.value for error in app.error]
    assert "works on images, but" in refusal
    (start,) = [button for button in app.button if button.label == "Start"]
    assert start.disabled


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["toy", "digits"])
@pytest.mark.parametrize("name", METHODS)
def test_the_form_of_every_method_and_kind_of_data_set_can_be_drawn(
    tmp_path, monkeypatch, name, dataset
):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path))
    app = _form(name, dataset)
    (start,) = [button for button in app.button if button.label == "Start"]
    assert start.disabled == ((name, dataset) in UNFIT)


def _form(name, dataset):
    app = AppTest.from_file("../../clustlab/ui/shell.py", default_timeout=300)
    app.switch_page("../../pages/train.py")
    app.query_params.update({"form": "next", "method": name, "dataset": dataset})
    app.run()
    assert not app.exception, app.exception
    return app
