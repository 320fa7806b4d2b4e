"""What the browser is sent for a chart: the same as Altair says, but for its tables."""

import numpy as np
import pandas as pd

from clustlab.views import curves, scatter, specification


def dots(seed):
    rng = np.random.default_rng(seed)
    return scatter.dots(rng.normal(size=(50, 2)), rng.permutation(np.arange(50) % 3))


def without_tables(spec):
    return {name: value for name, value in spec.items() if name != "datasets"}


def test_charts_that_differ_in_their_rows_only_differ_in_their_tables_only():
    first, second = (
        specification.vega_lite_spec(scatter.embedding(dots(seed), extent=3.0, title="PCA"))
        for seed in (0, 1)
    )
    names = list(first["datasets"])
    assert names == [f"table-{i}" for i in range(len(names))]
    assert without_tables(first)["layer"][0]["data"] == {"name": "table-0"}
    one, two = (s["datasets"]["table-0"] for s in (first, second))
    assert not one.equals(two)
    for spec in (first, second):  # views are named after their data; Streamlit evens that out
        for layer in spec["layer"]:
            layer.pop("name", None)
        for param in spec.get("params", ()):
            param.pop("views", None)
    assert without_tables(first) == without_tables(second)


def test_tables_arrive_as_they_are_and_shared_ones_once():
    table = pd.DataFrame({"step": [0, 1], "acc": [0.1, 0.2]})
    spec = specification.vega_lite_spec(curves.metrics(table, ["acc"], step=1))
    assert len(spec["datasets"]) == 2  # the curve for lines and dots, the step in view
    assert all(isinstance(t, pd.DataFrame) for t in spec["datasets"].values())
