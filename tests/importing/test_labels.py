"""Labels for a set that is there: joined by names or by order, seen by runs made before."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits

from clustlab.data import library, own_sets, some_rows
from clustlab.data.item_names import IN_WHOLE_DRAW
from clustlab.errors import DataError, ParameterError
from clustlab.importing import classes, labels
from clustlab.importing.plan import Choices
from clustlab.parts.inputs.sampling import drawn_rows
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import new_run
from clustlab.types import Labelling
from tests.support.own_data import image_set, vector_set

N = 30
FINE = np.arange(N) % 4


@pytest.fixture
def own():
    return vector_set("Mine", N, shown=False)


def written(tmp_path, table, name="given.csv"):
    table.to_csv(tmp_path / name, index=False)
    return tmp_path / name


def table_of(own, **columns):
    return pd.DataFrame({"name": list(own.item_names()), **columns})


def test_labels_are_joined_by_name_whatever_their_order(tmp_path, own, store):
    table = table_of(own, fine=FINE, coarse=np.array(["low", "high"])[FINE // 2])
    path = written(tmp_path, table.sample(frac=1, random_state=0))
    found = labels.preview(path, "mine", Choices(), RunStore())
    assert list(found.labellings) == ["fine", "coarse"]
    assert "Joined by 'name'." in found.facts
    new = labels.bring_in(found, store)
    assert [title for title, _ in new.labellings] == ["kind", "fine", "coarse"]
    assert (new.labelling("fine").labels == FINE).all()
    coarse = new.labelling("coarse")
    assert (np.array(coarse.class_names)[coarse.labels] == table["coarse"]).all()
    assert own_sets.own_set("mine") == new


def test_items_without_an_entry_are_unlabelled_and_entries_without_an_item_are_said(tmp_path, own):
    table = table_of(own, fine=FINE).iloc[5:]
    more = pd.DataFrame({"name": ["who", "knows"], "fine": [0, 1]})
    found = labels.preview(
        written(tmp_path, pd.concat([table, more])), "mine", Choices(), RunStore()
    )
    assert found.labellings["fine"].labels.tolist() == [-1] * 5 + FINE[5:].tolist()
    assert any("2 entries are about no item" in fact for fact in found.facts)
    assert any("5 items without" in fact for fact in found.facts)


def test_what_does_not_fit_is_refused_with_numbers_and_examples(tmp_path, own):
    table = table_of(own, fine=FINE)
    twice = pd.concat([table, table.iloc[[3]]])
    with pytest.raises(DataError, match=r"'cells/0003.png' comes more than once"):
        labels.preview(written(tmp_path, twice), "mine", Choices(), RunStore())
    others = table.assign(name=[f"x{i}" for i in range(N)])
    with pytest.raises(DataError, match="none of its 30 entries"):
        labels.preview(written(tmp_path, others), "mine", Choices(), RunStore())
    with pytest.raises(DataError, match="29 entries for the 30 items"):
        labels.preview(
            written(tmp_path, pd.DataFrame({"fine": FINE[1:]})), "mine", Choices(), RunStore()
        )
    with pytest.raises(ParameterError, match="no column 'z'"):
        labels.preview(written(tmp_path, table), "mine", Choices(labels="z"), RunStore())
    with pytest.raises(DataError, match="no column of classes"):
        labels.preview(
            written(tmp_path, pd.DataFrame({"a": [0.5] * N})), "mine", Choices(), RunStore()
        )


def test_labels_of_arrays_are_joined_by_order_or_names(tmp_path, own):
    np.savez(tmp_path / "y.npz", fine=FINE, coarse=FINE // 2)
    found = labels.preview(tmp_path / "y.npz", "mine", Choices(), RunStore())
    assert (found.labellings["fine"].labels == FINE).all()
    assert list(found.labellings) == ["fine", "coarse"]
    turned = np.array(list(own.item_names()))[::-1]
    np.savez(tmp_path / "y.npz", fine=FINE[::-1], names=turned)
    found = labels.preview(tmp_path / "y.npz", "mine", Choices(), RunStore())
    assert (found.labellings["fine"].labels == FINE).all()
    np.save(tmp_path / "species.npy", FINE)
    found = labels.preview(tmp_path / "species.npy", "mine", Choices(), RunStore())
    assert list(found.labellings) == ["species"]
    np.save(tmp_path / "wide.npy", np.zeros((N, 4)))
    with pytest.raises(DataError, match="no array of labels"):
        labels.preview(tmp_path / "wide.npy", "mine", Choices(), RunStore())


def test_a_set_that_came_with_the_product_is_copied_with_its_labels_and_the_new_ones(
    tmp_path, store
):
    params = {"n_samples": 200}
    drawn = library.load(store.root, "digits", params, 3)
    assert drawn.labels is not None
    path = written(
        tmp_path,
        pd.DataFrame({"item": range(200), "odd": np.where(drawn.labels % 2, "odd", "even")}),
    )
    found = labels.preview(path, "digits", Choices(), store, params, 3)
    assert (found.own, found.titles) == (None, ("class",))
    own = labels.bring_in(found, store)
    assert own.title == "Digits 8 x 8 with odd"
    assert (own.items() == drawn.items).all()
    assert (own.labelling("class").labels == drawn.labels).all()
    odd = own.labelling("odd")
    assert (
        np.array(odd.class_names)[odd.labels] == np.array(["even", "odd"])[drawn.labels % 2]
    ).all()
    np.save(tmp_path / "half.npy", load_digits().target // 5)  # of all items, as published
    more = tmp_path / "half.npy"
    again = labels.bring_in(labels.preview(more, "digits", Choices(), store, params, 3), store)
    assert again.name == own.name
    assert [title for title, _ in again.labellings] == ["class", "odd", "half"]
    assert (again.labelling("half").labels == drawn.labels // 5).all()
    with pytest.raises(ParameterError, match="no data set 'nothing'"):
        labels.preview(path, "nothing", Choices(), store)


def test_runs_that_were_made_before_see_new_labels(tmp_path, store):
    own = image_set("Mine", N)
    run = new_run(store, RunSpec("mine", "kmeans", {}, {"n_clusters": 2}))
    drawn = library.load(store.root, "mine", {}, 0)
    left_out = new_run(store, RunSpec("mine", "kmeans", {}, {"n_clusters": 2}, excluded=[0, 3]))
    library.load(store.root, "mine", {}, 0, excluded=[0, 3])
    items = drawn.items.copy()
    assert drawn.labels is None
    path = written(tmp_path, table_of(own, fine=FINE))
    labels.bring_in(labels.preview(path, "mine", Choices(), RunStore()), store)
    again = store.dataset(run)
    of_name = dict(zip(own.item_names(), FINE.tolist(), strict=True))
    assert again.labels is not None
    assert again.labels.tolist() == [of_name[name] for name in again.item_names]
    assert (again.items == items).all()
    fewer = store.dataset(left_out)
    assert fewer.labels is not None
    assert fewer.labels.tolist() == [of_name[name] for name in fewer.item_names]
    assert len(fewer.items) == N - 2


def test_numbers_of_items_are_those_that_pages_and_exports_show(tmp_path):
    """They count in the order of the draw, which is not that of the file."""
    own = vector_set("Mine", N, shown=False, named=False)
    signs = np.array(["minus", "plus"])[FINE % 2]
    order = drawn_rows(N, None, 0)
    exported = written(tmp_path, pd.DataFrame({"item": range(N), "sign": signs[order]}))
    found = labels.preview(exported, own.name, Choices(), RunStore()).labellings["sign"]
    assert (np.array(found.class_names)[found.labels] == signs).all()
    some = drawn_rows(N, 12, 3)
    of_draw = written(tmp_path, pd.DataFrame({"item": range(12), "sign": signs[some]}))
    with pytest.raises(DataError, match="numbers all of 12 items by 'item', but there are 30"):
        labels.preview(of_draw, own.name, Choices(), RunStore())
    few = written(tmp_path, pd.DataFrame({"item": [2, 7], "sign": signs[order[[2, 7]]]}), "few.csv")
    found = labels.preview(few, own.name, Choices(), RunStore())
    assert np.flatnonzero(found.labellings["sign"].labels >= 0).tolist() == sorted(order[[2, 7]])
    assert "numbers from another draw would be of other items" in found.facts[0]
    params = {"n_samples": 12}
    found = labels.preview(of_draw, own.name, Choices(), RunStore(), params, 3).labellings["sign"]
    assert (np.array(found.class_names)[found.labels[some]] == signs[some]).all()
    assert (found.labels >= 0).sum() == 12
    rarer = {"unbalance": 0.5}
    with pytest.raises(DataError, match="classes were made rarer"):
        labels.preview(exported, own.name, Choices(), RunStore(), rarer)


@pytest.mark.parametrize("column", IN_WHOLE_DRAW)
def test_an_export_without_the_items_left_out_is_joined_by_their_numbers_before(tmp_path, column):
    own = vector_set("Mine", N, shown=False, named=False)
    drawn = some_rows.without(library.as_drawn(own.name, {}, 0), [0, 3])
    order = drawn_rows(N, None, 0)
    assert drawn.original is not None
    exported = pd.DataFrame(
        {
            "item": range(N - 2),
            "class": FINE[order][drawn.original],
            column: drawn.original,
        }
    )
    found = labels.preview(written(tmp_path, exported), own.name, Choices(), RunStore())
    expected = FINE.copy()
    expected[order[[0, 3]]] = -1
    assert found.labellings["class"].labels.tolist() == expected.tolist()


def test_rows_mean_nothing_where_some_were_refused(tmp_path):
    refused = [{"name": "row 0", "reason": "holds nan"}]
    own = vector_set("Mine", N, shown=False, named=False, refused=refused)
    by_row = written(tmp_path, pd.DataFrame({"row": range(1, N + 1), "fine": FINE}))
    with pytest.raises(DataError, match="1 rows were refused"):
        labels.preview(by_row, own.name, Choices(), RunStore())
    whole = written(tmp_path, pd.DataFrame({"fine": [0, *FINE]}))
    with pytest.raises(DataError, match=r"31 entries for the 30 items of 'Mine' \(1 more"):
        labels.preview(whole, own.name, Choices(), RunStore())


def test_free_text_beside_classes_is_left_out_and_named(tmp_path, own, monkeypatch):
    monkeypatch.setattr(classes, "MOST", 20)
    table = table_of(own, fine=FINE, note=[f"note {i} of many" for i in range(N)])
    table.loc[0, "note"] = table.loc[1, "note"]  # no names of items
    path = written(tmp_path, table)
    found = labels.preview(path, "mine", Choices(), RunStore())
    assert list(found.labellings) == ["fine"]
    assert any(fact.startswith("'note' is left out") for fact in found.facts)
    with pytest.raises(DataError, match="'note' holds more than 20"):
        labels.preview(path, "mine", Choices(labels="note"), RunStore())


def test_the_first_rows_of_a_wide_table_do_not_decide_what_its_text_is(tmp_path, own):
    """Rows with long vectors are read a few at a time, and in these all classes may differ."""
    kinds = [f"kind {i % 20}" for i in range(N)]
    table = pa.table(
        {
            "file": [f"x{i}.png" for i in range(20)] + list(own.item_names())[20:],
            "kind": kinds,
            "vector": list(np.zeros((N, 70_000), np.float32)),
        }
    )
    pq.write_table(table, tmp_path / "wide.parquet", use_dictionary=False)
    found = labels.preview(tmp_path / "wide.parquet", "mine", Choices(), RunStore())
    assert "Joined by 'file'." in found.facts
    assert list(found.labellings) == ["kind"]
    assert (found.labellings["kind"].labels >= 0).sum() == N - 20


def test_a_message_names_the_columns_that_may_have_been_meant(tmp_path, own):
    columns = {f"gene_{i}": np.arange(N) % 3 for i in range(500)}
    path = written(tmp_path, table_of(own, kind=FINE, **columns))
    with pytest.raises(ParameterError) as caught:
        labels.preview(path, "mine", Choices(labels="Kinds"), RunStore())
    assert caught.value.hint.startswith("Choose one of: kind")
    assert caught.value.hint.endswith(" more.")
    assert len(caught.value.hint) < 200


def test_classes_that_would_draw_other_items_are_refused_and_change_nothing(tmp_path, store):
    own = vector_set("Mine", N, shown=False)
    rarer = {"unbalance": 0.5}
    run = new_run(store, RunSpec("mine", "kmeans", rarer, {"n_clusters": 2}))
    before = library.load(store.root, "mine", rarer, 0)
    swapped = np.arange(N) % 2
    path = written(tmp_path, table_of(own, more=swapped, kind=swapped))
    found = labels.preview(path, "mine", Choices(), RunStore())
    with pytest.raises(DataError, match="made rarer, by those called 'kind'"):
        labels.bring_in(found, store)
    assert [title for title, _ in own_sets.own_set("mine").labellings] == ["kind"]
    same = store.dataset(run)
    assert same.labels is not None
    assert (same.labels == before.labels).all()
    labels.bring_in(labels.preview(path, "mine", Choices(labels="more"), RunStore()), store)
    assert (store.dataset(run).items == before.items).all()
    assert "more" in store.dataset(run).other_labels


def test_other_classes_than_shares_were_given_for_are_refused(tmp_path, store):
    own = vector_set("Mine", N, shown=False)
    n_classes = len(own.labellings[0][1])
    new_run(store, RunSpec("mine", "kmeans", {"unbalance": [0.5] * n_classes}, {"n_clusters": 2}))
    path = written(tmp_path, table_of(own, kind=np.arange(N) % (n_classes + 1)))
    with pytest.raises(DataError, match="made rarer, by those called 'kind'"):
        labels.bring_in(labels.preview(path, "mine", Choices(), RunStore()), store)


def test_labels_are_not_laid_over_other_items(tmp_path, store):
    """As many of them as before may be others."""
    own = vector_set("Mine", N, shown=False)
    rarer = {"unbalance": 0.5}
    before = library.load(store.root, "mine", rarer, 0)
    turned = Labelling(classes_of(own)[::-1].copy(), own.labellings[0][1])
    own_sets.add_labelling("mine", "kind", turned)
    assert len(library.as_drawn("mine", rarer, 0).items) == len(before.items)
    with pytest.raises(DataError, match="drawn with other items"):
        library.label_anew(store.root, "mine", rarer, 0)
    after = library.load(store.root, "mine", rarer, 0)
    assert after.labels is not None
    assert (after.labels == before.labels).all()


def classes_of(own):
    return own.labelling("kind").labels


def test_another_draw_of_a_shipped_set_becomes_a_copy_of_its_own(tmp_path, store):
    names = []
    for n in (100, 120):
        path = written(tmp_path, pd.DataFrame({"item": range(n), "odd": np.arange(n) % 2}))
        found = labels.preview(path, "digits", Choices(), store, {"n_samples": n}, 0)
        names.append(labels.bring_in(found, store).title)
    assert names == ["Digits 8 x 8 with odd", "Digits 8 x 8 with odd 2"]
