"""The quick presets find most digits; floors are well below what seeds 0 to 2 reach."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clustlab import registry
from clustlab.analysis.metrics import clustering_accuracy
from clustlab.context import Context
from clustlab.params import build

FLOORS = {"kmeans": 0.65, "ae-kmeans": 0.65, "dec": 0.75, "dac": 0.7}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOORS)
def test_the_quick_preset_finds_most_digits(name):
    data = load_digits()
    items = (data.images * 255 / 16).round().astype(np.uint8)[..., None]
    cls = registry.method(name)
    *_, last = build(cls, cls.presets["quick"]).iterate(items, Context())
    assert clustering_accuracy(data.target, last.assignments) >= FLOORS[name]
