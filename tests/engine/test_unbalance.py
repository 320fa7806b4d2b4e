"""Classes that are rarer than others: how much of each is kept, and how that is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clustlab import registry
from clustlab.__main__ import main
from clustlab.data import library, some_rows
from clustlab.errors import ParameterError
from clustlab.params import schema
from clustlab.runs.identity import differences, identity_of
from clustlab.runs.store import RunSpec
from clustlab.training.worker import new_run


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_classes_get_rarer_in_equal_ratios(share, tmp_path):
    whole = library.load(tmp_path, "digits", {}, 0)
    data = library.load(tmp_path, "digits", {"unbalance": share}, 0)
    counts, before = np.bincount(data.labels), np.bincount(whole.labels)
    wanted = before * share ** (np.arange(10) / 9)
    assert np.abs(counts - wanted).max() <= 0.5
    tight = library.load(tmp_path, "digits", {"unbalance": share / 2}, 0)
    seen = {item.tobytes() for item in data.items}
    assert {item.tobytes() for item in tight.items} <= seen  # a part of it


@settings(deadline=None, max_examples=30)
@given(
    labels=arrays(np.int32, st.integers(1, 60), elements=st.integers(-1, 4)),
    shares=st.lists(st.floats(0.01, 1), min_size=5, max_size=5).map(tuple),
)
def test_each_class_keeps_its_share_and_none_is_lost(labels, shares):
    rows = some_rows.rows_unbalanced(labels, shares)
    assert (labels[rows] == -1).sum() == (labels == -1).sum()
    for label, share in enumerate(shares):
        before = np.flatnonzero(labels == label)
        kept = rows[labels[rows] == label]
        assert np.array_equal(kept, before[: len(kept)])
        assert abs(len(kept) - share * len(before)) <= 0.5 or len(kept) == 1
        assert (len(kept) > 0) == (len(before) > 0)


def test_shares_of_classes_are_asked_for_in_every_way(tmp_path):
    shares = [1, 1, 0.5, 1, 1, 1, 1, 1, 1, 0.1]
    text = ",".join(map(str, shares))
    data = library.load(tmp_path, "digits", {"unbalance": text}, 0)
    whole = library.load(tmp_path, "digits", {}, 0)
    wanted = np.bincount(whole.labels) * shares
    assert np.abs(np.bincount(data.labels) - wanted).max() <= 0.5
    assert "unbalanced by class to 1 : 1 : 0.5 : 1" in data.protocol
    keys = {library.key("digits", {"unbalance": each}, 0) for each in (text, shares, tuple(shares))}
    assert len(keys) == 1
    with pytest.raises(ParameterError, match="3 shares, but 'digits' has 10 classes"):
        library.load(tmp_path, "digits", {"unbalance": "1, 0.5, 0.1"}, 0)


def test_a_run_with_shares_of_classes_is_read_again_and_named_by_them(store):
    shares = (1.0,) * 9 + (0.25,)
    run = new_run(store, RunSpec("digits", "kmeans", {"unbalance": ",".join(map(str, shares))}))
    again = store.run(run.id)
    assert dict(identity_of(again).data)["unbalance"] == shares
    assert not differences(identity_of(run), identity_of(again))
    assert "shares that classes keep 1 : 1 : 1 : 1 : 1 : 1 : 1 : 1 : 1 : 0.25" in again.title


def test_shares_of_other_classes_than_there_are_leave_no_run_behind(store, capsys):
    words = ["train", "--dataset", "digits", "--method", "kmeans", "--preset", "quick"]
    words += ["--data", "unbalance=1,0.5", "--runs", str(store.root)]
    assert main(words) == 2
    assert "2 shares, but 'digits' has 10 classes" in capsys.readouterr().err
    assert store.runs() == []


def test_every_labelled_set_can_be_unbalanced():
    for name, spec in registry.datasets().items():
        assert "unbalance" in {p.name for p in schema(spec)}, name
