import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.errors import ClustlabError, DataError, Diverged
from clustlab.runs.store import RunSpec
from clustlab.types import Artefact, Cost, Dataset, Labelling, Snapshot


def snapshot(**changes):
    fields = {
        "embedding": np.zeros((3, 2)),
        "assignments": np.array([0, 1, 1]),
        "scalars": {"loss": np.float32(0.5)},
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]),
        "centers": np.ones((2, 2)),
    }
    return Snapshot(**{**fields, **changes})


# Snapshots ---------------------------------------------------------------------------------------


def test_a_snapshot_copies_casts_and_freezes():
    source = np.zeros((3, 2))
    found = snapshot(embedding=source)
    source[:] = 7
    assert found.embedding.dtype == np.float32
    assert found.assignments.dtype == np.int32
    assert (found.embedding == 0).all()
    assert type(found.scalars["loss"]) is float
    for name in ("embedding", "assignments", "probabilities", "centers"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(found, name)[:] = 1
    with pytest.raises(AttributeError):
        found.embedding = source


@pytest.mark.parametrize("name", ["embedding", "probabilities", "centers"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_has_diverged(name, value):
    array = np.full((2, 2) if name == "centers" else (3, 2), 0.5)
    array[0, 0] = value
    with pytest.raises(Diverged, match=rf"{name} holds a value that is not finite.*learning rate"):
        snapshot(**{name: array})


def test_a_loss_that_is_not_finite_has_diverged_and_is_named():
    with pytest.raises(Diverged, match="reconstruction became nan"):
        snapshot(scalars={"loss": 1.0, "reconstruction": float("nan")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding": np.zeros(3)}, "embedding must have 2 axes"),
        ({"assignments": np.array([0, 1])}, "3 rows of embedding, 2 assignments"),
        ({"assignments": np.array([0, 1, 2])}, r"assignments must lie in \[0, 2\)"),
        ({"assignments": np.array([0, 1, -2])}, r"assignments must lie in \[0, 2\)"),
        ({"probabilities": np.full((2, 2), 0.5)}, "3 rows of embedding, 2 probabilities"),
        ({"probabilities": np.full((3, 2), 0.4)}, "at least 0 and sum to 1"),
        ({"probabilities": np.array([[1.5, -0.5]] * 3)}, "at least 0 and sum to 1"),
        ({"centers": np.ones((3, 2))}, "do not fit 2 clusters in an embedding of 2 dimensions"),
        ({"centers": np.ones((2, 5))}, "do not fit 2 clusters in an embedding of 2 dimensions"),
    ],
)
def test_shapes_that_disagree_are_a_bug(changes, message):
    with pytest.raises(ValueError, match=message):
        snapshot(**changes)


def test_the_number_of_clusters_counts_empty_ones():
    assert snapshot().n_clusters == 2
    wide = np.full((3, 7), 1 / 7)
    assert snapshot(probabilities=wide, centers=np.zeros((7, 2))).n_clusters == 7
    assert snapshot(probabilities=None, centers=np.zeros((4, 2))).n_clusters == 4
    assert snapshot(probabilities=None, centers=None).n_clusters == 2
    empty = Snapshot(np.zeros((0, 2)), np.zeros(0), {})
    assert empty.n_clusters == 0


# Artefacts ---------------------------------------------------------------------------------------


def test_an_artefact_is_frozen_and_plain_enough_for_json():
    numbers = np.array([[1, 2]])
    found = Artefact("bars", numbers, "Sizes", columns=np.arange(2), marked=(np.int64(1),))
    numbers[:] = 9
    assert found.data.dtype == np.float32
    assert found.data.tolist() == [[1, 2]]
    assert not found.data.flags.writeable
    assert json.loads(json.dumps([found.columns, found.marked])) == [["0", "1"], [1]]


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("matrix", np.zeros(3), "must have 2 axes"),
        ("images", np.zeros((2, 2, 4, 4), np.uint8), "must have 5 axes"),
        ("images", np.zeros((1, 2, 4, 4, 1)), "must be uint8"),
        ("tree", np.zeros((3, 2)), "must have 4 columns"),
        ("pie", np.zeros((2, 2)), "'pie' is not a kind"),
    ],
)
def test_an_artefact_of_another_shape_is_a_bug(kind, data, message):
    with pytest.raises(ValueError, match=message):
        Artefact(kind, data, "Something")


# Data sets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_other", [False, True])
def test_labels_below_minus_one_are_refused_by_value_with_a_remedy(as_other):
    items, labels = np.zeros((4, 2), np.float32), np.array([0, -1, -3, -2], np.int32)
    first, others = (None, {"coarse": Labelling(labels, ())}) if as_other else (labels, {})
    with pytest.raises(DataError, match=r"2 labels .* -3, of item 2\. Number .* -1 where a label"):
        Dataset("a", items, first, other_labels=others)
    Dataset("a", items, np.array([0, -1, -1, 1], np.int32))


def test_labels_that_are_no_whole_numbers_are_a_bug():
    with pytest.raises(ValueError, match="labels must be whole numbers, got float32"):
        Dataset("a", np.zeros((2, 2), np.float32), np.array([0, np.nan], np.float32))


def test_a_data_set_holds_images_or_points():
    images = Dataset("a", np.zeros((2, 8, 8, 1), np.uint8))
    points = Dataset("b", np.zeros((2, 3), np.float32), np.array([0, 1], np.int32))
    assert images.is_image
    assert not points.is_image


@pytest.mark.parametrize(
    ("items", "labels", "others", "message"),
    [
        (np.zeros((2, 3)), None, {}, "got \\(2, 3\\) float64"),
        (np.zeros((2, 8, 8), np.uint8), None, {}, "items must be images"),
        (np.zeros((2, 3), np.float32), np.zeros(3, np.int32), {}, "2 items but labels"),
        (
            np.zeros((2, 3), np.float32),
            None,
            {"coarse": Labelling(np.zeros(5, np.int32), ("a",))},
            "2 items but labels",
        ),
    ],
)
def test_a_data_set_of_another_form_is_a_bug(items, labels, others, message):
    with pytest.raises(ValueError, match=message):
        Dataset("a", items, labels, other_labels=others)


# Costs, errors, specs ----------------------------------------------------------------------------

amounts = st.integers(0, 10**9).map(float)


@given(amounts, amounts, st.integers(0, 1000))
def test_costs_add_and_multiply_by_kind(linear, conv, times):
    cost = Cost(linear=linear) + Cost(conv=conv)
    assert cost == Cost(linear, conv)
    assert cost * times == Cost(linear * times, conv * times)


def test_an_error_carries_its_remedy():
    error = ClustlabError("It is wrong.", "Do this.")
    assert (error.message, error.hint, str(error)) == (
        "It is wrong.",
        "Do this.",
        "It is wrong. Do this.",
    )
    assert str(ClustlabError("It is wrong.")) == "It is wrong."


def test_a_spec_is_plain_json():
    import dataclasses

    spec = RunSpec("toy", "dec", {"n": 10}, {"epochs": 3}, seed=4, continues="other")
    assert RunSpec(**json.loads(json.dumps(dataclasses.asdict(spec)))) == spec
