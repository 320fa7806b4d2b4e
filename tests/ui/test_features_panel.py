"""Features of a network, asked for on the page Data sets and computed in the background."""

import io

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torchvision import models

from clustlab.data import own_sets
from clustlab.importing import job
from clustlab.ui.data import features
from tests.support import own_data
from tests.ui.test_pages import visit


@pytest.fixture(autouse=True)
def data_folder(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def panel():
    from clustlab import registry
    from clustlab.ui.data import features

    features._panel(registry.dataset("my-cells"))


def weights():
    out = io.BytesIO()
    torch.save(models.resnet18(num_classes=2).state_dict(), out)
    return out.getvalue()


def begun(content):
    """The panel with a file of weights, and its button pressed."""
    app = AppTest.from_function(panel, default_timeout=120).run()
    app.segmented_control[0].set_value("file").run()
    (button,) = app.button
    assert button.disabled
    app.file_uploader[0].set_value([("weights.pt", content, "application/zip")]).run()
    app.selectbox(key="features-device").set_value("cpu").run()
    app.button[0].click().run()
    assert not app.exception, app.exception


@pytest.mark.slow
def test_features_become_a_data_set_beside_its_images(wait_for):
    own = own_data.image_set(n=12)
    begun(weights())
    wait_for(lambda: job.current().status != "running")
    now = job.current()
    assert now.status == "done", now.error
    made = own_sets.own_set(now.name)
    assert (made.shape, made.parent) == ((12, 512), own.name)
    assert list(made.item_names()) == list(own.item_names())  # and in the same order
    assert (made.images() == own.items()).all()


def test_weights_that_cannot_be_used_are_told_without_the_place_of_the_file(wait_for):
    own_data.image_set(n=12)
    begun(b"nonsense")
    wait_for(lambda: job.current().status != "running")
    now = job.current()
    assert now.status == "failed"
    assert now.error.startswith("weights.pt cannot be read as weights")
    assert list(own_sets.own_sets()) == ["my-cells"]


def test_only_sets_of_images_offer_it(monkeypatch):
    offered = []
    monkeypatch.setattr(features, "features_panel", lambda spec: offered.append(spec.name))
    own_data.image_set(n=12)
    own_data.vector_set(n=12)
    for name in ("my-cells", "my-features", "toy", "digits"):
        visit("data", **{"about-data": name})
    assert offered == ["my-cells", "digits"]
