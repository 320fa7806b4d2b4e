"""Tables as data sets: what each column is taken for, what is said, and what is refused."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from clustlab.data import own_sets
from clustlab.errors import DataError, ParameterError
from clustlab.importing import intake, table_columns, tables, text_tables
from clustlab.importing.plan import Choices, Limits, Refused
from tests.support.odd_arrays import WIDTH, N, classes, pictures, png, told_of_damaged, vectors

MEASURES = ("width", "height", "mass", "age")
KINDS = np.array(["oak", "elm", "ash"])[classes()]


def silent(message, share):
    assert 0 <= share <= 1


def brought_in(path, title="Mine", choices=None):
    return tables.bring_in(path, title, choices or Choices(), silent)


def frame():
    return pd.DataFrame(vectors()[:, :4], columns=list(MEASURES)).assign(kind=KINDS)


def written(tmp_path, text, name="given.csv"):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path / name


def parquet(tmp_path, content, name="given.parquet", **options):
    table = content if isinstance(content, pa.Table) else pa.table(content)
    pq.write_table(table, tmp_path / name, **options)
    return tmp_path / name


# -- files of text ---------------------------------------------------------------------------------
def german(table):
    return b"\xef\xbb\xbf" + table.to_csv(index=False, sep=";", decimal=",").encode()


WRITTEN = {
    "csv": (lambda t: t.to_csv(index=False).encode(), "commas"),
    "german": (german, "semicolons, with decimal commas, in UTF-8 with a byte order mark"),
    "tsv": (lambda t: t.to_csv(index=False, sep="\t").encode(), "tabs"),
    "windows": (lambda t: t.to_csv(index=False).replace("\n", "\r\n").encode(), "commas"),
    "utf-16": (lambda t: t.to_csv(index=False, sep=";").encode("utf-16"), "UTF-16"),
    "quoted": (lambda t: t.to_csv(index=False, quoting=1).encode(), "commas"),
    "counted": (lambda t: t.to_csv().encode(), "commas"),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_same_table_comes_in_the_same_however_it_is_written(tmp_path, kind):
    write, said = WRITTEN[kind]
    path = written(tmp_path, write(frame()))
    shown = tables.preview(path, Choices())
    assert (shown.kind, shown.n_items, shown.shape, shown.n_refused) == ("vectors", N, (4,), 0)
    assert shown.chosen.features == MEASURES
    assert (shown.chosen.labels, shown.chosen.names) == ("kind", "")
    assert shown.class_counts == {k: int((k == KINDS).sum()) for k in ("ash", "elm", "oak")}
    assert any(said in fact for fact in shown.facts), shown.facts
    assert shown.warnings == ()
    own = brought_in(path).own
    assert own.columns == MEASURES
    assert (own.items() == vectors()[:, :4]).all()
    labelling = own.labelling("kind")
    assert (np.array(labelling.class_names)[labelling.labels] == KINDS).all()


def test_text_among_numbers_refuses_its_row_by_row_line_and_column(tmp_path):
    odd = frame().astype({"mass": object})
    odd.loc[5, "mass"] = "heavy"
    odd.loc[8, "age"] = np.nan
    odd.loc[9, "width"] = np.inf
    path = written(tmp_path, odd.to_csv(index=False))
    wanted = (
        Refused("row 5 (line 7)", "holds 'heavy' in column 'mass'"),
        Refused("row 8 (line 10)", "has no value in column 'age'"),
        Refused("row 9 (line 11)", "holds inf in column 'width'"),
    )
    assert (shown := tables.preview(path, Choices())).refused == wanted
    assert (shown.n_items, shown.n_refused) == (N - 3, 3)
    outcome = brought_in(path)
    assert outcome.refused == wanted
    assert (outcome.own.items() == np.delete(vectors()[:, :4], [5, 8, 9], 0)).all()


def test_a_column_with_much_text_or_many_gaps_is_no_feature_unless_it_is_chosen(tmp_path):
    odd = frame().astype({"mass": object})
    odd.loc[:14, "mass"] = "heavy"
    odd.loc[:9, "age"] = np.nan
    path = written(tmp_path, odd.to_csv(index=False))
    shown = tables.preview(path, Choices())
    assert shown.chosen.features == ("width", "height")
    assert any("'mass' is no feature, since 15 of its first 60" in fact for fact in shown.facts)
    assert any("'age' is no feature" in fact for fact in shown.facts)
    shown = tables.preview(path, Choices(features=("mass", "width")))
    assert (shown.n_items, shown.n_refused) == (N - 15, 15)


def test_ragged_lines_refuse_the_file_with_their_numbers(tmp_path):
    path = written(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8,9\n")
    for read in (tables.preview, lambda path, choices: brought_in(path)):
        with pytest.raises(DataError, match="line 3 has 2, line 4 has 4"):
            read(path, Choices())
    assert own_sets.own_sets() == {}
    many = "a,b\n" + "1,2\n" * 5000 + "1\n" * 100
    with pytest.raises(DataError, match=r"line 5002 has 1.*and more"):
        tables.preview(written(tmp_path, many), Choices())
    fine = 'a,b,kind\n1,2,"x, y"\n\n3,4,"two\nlines"\n5,6,"x, y"\n7,8,"x, y"\n'
    seen = tables.preview(written(tmp_path, fine), Choices())
    assert seen.n_items == 4
    assert seen.facts[0].startswith("4 rows")


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ("1.5,2\n3,4\n", ("column 0", "column 1")),
        ("0,1,2\n1.5,2,9\n3,4,8\n", ("0", "1", "2")),
        ("a,a,\n1,2,3\n7,9,8\n", ("a", "a (2)", "column 2")),
        ("a\n1\n2\n5\n", ("a",)),
        ("2019\n1\n2\n", ("column 0",)),
    ],
)
def test_columns_without_names_of_their_own_get_some(tmp_path, text, features):
    assert tables.preview(written(tmp_path, text), Choices()).chosen.features == features


def test_what_is_not_utf_8_is_read_as_windows_1252_and_said(tmp_path):
    text = "value,kind\n" + "1,Bär\n2,Lärche\n3,Bär\n4,Lärche\n"
    shown = tables.preview(written(tmp_path, text.encode("cp1252")), Choices())
    assert sorted(shown.class_counts) == ["Bär", "Lärche"]
    assert any("Windows-1252" in fact for fact in shown.facts)


def test_numbers_of_classes_keep_their_order_and_gaps_are_unlabelled(tmp_path):
    labels = [10, 2, 1, -1, None, 2] * 10
    path = written(tmp_path, frame().drop(columns="kind").assign(y=labels).to_csv(index=False))
    shown = tables.preview(path, Choices())
    assert shown.chosen.labels == "y"
    assert dict(shown.class_counts) == {"1": 10, "2": 20, "10": 10}
    assert list(shown.class_counts) == ["1", "2", "10"]
    assert (brought_in(path).own.labelling("y").labels < 0).sum() == 20


def test_names_are_found_and_several_sets_of_classes(tmp_path):
    labels = classes()
    table = frame().assign(
        id=[f"t{i}" for i in range(N)], coarse_label=labels // 2, fine_label=labels
    )
    path = written(tmp_path, table.drop(columns="kind").to_csv(index=False))
    shown = tables.preview(path, Choices())
    assert (shown.chosen.labels, shown.chosen.others) == ("coarse_label", ("fine_label",))
    assert shown.chosen.names == "id"
    own = brought_in(path).own
    assert [title for title, _ in own.labellings] == ["coarse_label", "fine_label"]
    assert list(own.item_names()) == table["id"].tolist()
    assert tables.preview(path, Choices(labels="fine_label")).chosen.others == ()
    for wrong in (Choices(names="z"), Choices(features=("z",)), Choices(labels="z")):
        with pytest.raises(ParameterError, match=r"no column 'z'.*width"):
            tables.preview(path, wrong)
    with pytest.raises(ParameterError, match="must be columns of numbers"):
        tables.preview(path, Choices(features=("id", "mass")))


def test_names_that_come_twice_are_remarked_upon(tmp_path):
    table = frame().assign(id=[f"t{i // 2}" for i in range(N)])
    path = written(tmp_path, table.to_csv(index=False))
    (warning,) = tables.preview(path, Choices(names="id", labels="kind")).warnings
    assert "30 names are those of items before" in warning


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("\n\n", "no row"),
        ("a,b\n", "no row"),
        ("name\nx\ny\n", "no column of numbers"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "no file of text"),
        ('a,b\n1,"2\n3,4\n' + "5,6\n" * 60_000, "quote"),
        ("a,b\nx,y\n", "no column of numbers"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        tables.preview(written(tmp_path, content), Choices())


def test_a_line_without_end_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "LONGEST_LINE", 1000)
    with pytest.raises(DataError, match="line of more than 1,000 letters"):
        tables.preview(written(tmp_path, "a,b\n1,2\n" + "3" * 5000), Choices())


def test_embeddings_written_as_lists_are_vectors(tmp_path):
    table = pd.DataFrame({"name": [f"t{i}" for i in range(N)], "embedding": vectors().tolist()})
    shown = tables.preview(written(tmp_path, table.to_csv(index=False)), Choices())
    assert (shown.shape, shown.chosen.features, shown.chosen.names) == (
        (WIDTH,),
        ("embedding",),
        "name",
    )
    assert np.allclose(shown.sample, vectors()[:24])


# -- Parquet and Feather ---------------------------------------------------------------------------
def listed(**more):
    names = [f"item {i}" for i in range(N)]
    return {"name": names, "embedding": list(vectors()), "label": classes(), **more}


@pytest.mark.parametrize("kind", ["parquet", "feather", "fixed"])
def test_a_list_column_is_the_vector_and_names_are_kept(tmp_path, kind):
    if kind == "feather":
        path = tmp_path / "given.feather"
        pyarrow.feather.write_feather(pa.table(listed()), path)
    else:
        column = {"embedding": pa.FixedSizeListArray.from_arrays(vectors().ravel(), WIDTH)}
        path = parquet(tmp_path, listed(**(column if kind == "fixed" else {})), row_group_size=25)
    shown = tables.preview(path, Choices())
    assert (shown.shape, shown.n_items) == ((WIDTH,), N)
    assert shown.chosen.features == ("embedding",)
    assert (shown.chosen.labels, shown.chosen.names) == ("label", "name")
    own = brought_in(path).own
    assert (own.items() == vectors()).all()
    assert (own.labelling("label").labels == classes()).all()
    assert own.item_names()[3] == "item 3"


def test_lists_of_another_length_and_missing_ones_are_refused_one_by_one(tmp_path):
    lists = [*vectors().astype(object)]
    lists[2], lists[4], lists[6] = lists[2][:5], None, [*lists[6][:-1], None]
    lists[8] = [np.inf, *lists[8][1:]]
    shown = tables.preview(parquet(tmp_path, listed(embedding=lists)), Choices())
    assert shown.n_items == N - 4
    assert [each.name for each in shown.refused] == ["row 2", "row 4", "row 6", "row 8"]
    said = [each.reason for each in shown.refused]
    assert said[0] == "has 5 numbers instead of 17 in column 'embedding'"
    assert said[1] == "has no list of numbers in column 'embedding'"
    assert said[2] == "holds nan in column 'embedding' at place 16"
    assert said[3] == "holds inf in column 'embedding' at place 0"


def test_columns_of_all_numeric_kinds_are_features(tmp_path):
    content = {
        "a": pa.array(range(0, 2 * N, 2), pa.int64()),
        "b": pa.array(vectors()[:, 0]),
        "c": pa.array(classes() == 1),
        "d": pa.array([f"{i}.50" for i in range(N)]).cast(pa.decimal128(10, 2)),
        "e": pa.array([f"{i / 4}" for i in range(N)]),
        "kind": pa.array(KINDS).dictionary_encode(),
        "day": pa.array([0] * N, pa.date32()),
        "nested": [{"x": 1}] * N,
    }
    shown = tables.preview(parquet(tmp_path, content), Choices())
    assert shown.chosen.features == ("a", "b", "c", "d", "e")
    assert sorted(shown.class_counts) == ["ash", "elm", "oak"]
    assert shown.sample[3].tolist() == [6, vectors()[3, 0], classes()[3] == 1, 3.5, 0.75]


def hub(n=8, **more):
    cells = [{"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(pictures(n))]
    table = pa.table({"image": cells, "label": [i % 2 for i in range(n)], **more})
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        "lists": [{"_type": "Value"}],
    }
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def test_images_as_the_hugging_face_hub_ships_them(tmp_path):
    path = parquet(tmp_path, hub())
    shown = tables.preview(path, Choices())
    assert (shown.kind, shown.n_items) == ("images", 8)
    assert shown.class_counts == {"cat": 4, "dog": 4}
    assert shown.sample_names[:2] == ("0.png", "1.png")
    own = brought_in(path, choices=Choices(colour="grey")).own
    assert (own.items() == pictures(8)[..., None]).all()
    assert own.labelling("label").class_names == ("cat", "dog")
    small = tables.preview(path, Choices(size=(14, 14)))
    assert small.shape[:2] == (14, 14)
    assert any("become 14 x 14" in fact for fact in small.facts)


def test_images_that_cannot_be_read_are_refused_and_the_rest_stays(tmp_path):
    cells = [{"bytes": png(image), "path": None} for image in pictures(8)]
    cells[2]["bytes"] = cells[2]["bytes"][:60]
    cells[3]["bytes"] = b"hello"
    cells[4] = None
    cells[5]["bytes"] = None
    shown = tables.preview(parquet(tmp_path, {"image": cells}), Choices())
    assert shown.n_items == 4
    assert [each.name for each in shown.refused] == ["row 2", "row 3", "row 4", "row 5"]
    with pytest.raises(DataError, match="no image that can be read"):
        tables.preview(parquet(tmp_path, {"image": [b"x", b"y"]}), Choices())
    few = Choices(limits=Limits(pixels_of_one=500))
    with pytest.raises(DataError, match="28 x 28"):
        tables.preview(parquet(tmp_path, hub()), few)


def test_vectors_beside_images_are_shown_as_them(tmp_path):
    path = parquet(tmp_path, hub(embedding=list(vectors(8))))
    shown = tables.preview(path, Choices(colour="grey"))
    assert (shown.kind, shown.shape) == ("vectors", (WIDTH,))
    assert (shown.sample_images == pictures(8)[..., None]).all()
    own = brought_in(path, choices=Choices(colour="grey")).own
    assert (own.images() == pictures(8)[..., None]).all()


# -- large and hostile -----------------------------------------------------------------------------
@pytest.mark.parametrize("limit", ["LOOKED_AT", "PATIENCE"])
def test_of_what_is_large_a_preview_looks_at_the_beginning_and_says_so(
    limit, tmp_path, monkeypatch
):
    monkeypatch.setattr(intake, limit, 0)
    monkeypatch.setattr(text_tables, "CHUNK", 500)
    monkeypatch.setattr(table_columns, "HEAD", 20)
    odd = frame().astype({"mass": object})
    odd.loc[50, "mass"] = "heavy"
    path = written(tmp_path, odd.to_csv(index=False))
    shown = tables.preview(path, Choices())
    assert (shown.n_items, shown.n_refused) == (N, 0)
    assert any("Only the first" in fact for fact in shown.facts)
    assert [each.name for each in brought_in(path).refused] == ["row 50 (line 52)"]
    with pytest.raises(DataError, match="more than the limit of 30 items"):
        brought_in(path, "Other", Choices(limits=Limits(items=30)))


def test_damaged_tables_give_a_sentence_and_nothing_else(tmp_path, data_folder):
    rng = np.random.default_rng(6)
    written(tmp_path, german(frame()[:20]), "a.csv")
    parquet(tmp_path, hub(3), "b.parquet")
    parquet(tmp_path, pa.table(listed()).slice(0, 20), "c.parquet")
    pyarrow.feather.write_feather(pa.table(listed()).slice(0, 20), tmp_path / "d.feather")
    told = told_of_damaged(tmp_path, data_folder, tables, rng)
    assert len(told) > 25


def test_a_long_text_in_every_row_is_held_once(tmp_path):
    long = pa.DictionaryArray.from_arrays(np.zeros(5000, np.int32), pa.array(["x" * 10**6]))
    path = parquet(tmp_path, {"name": long, "size": vectors(5000)[:, 0]})
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        shown = tables.preview(path, Choices(labels="name"))
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 50e6
    assert dict(shown.class_counts) == {"x" * 120: 5000}


def test_feather_of_version_1_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "old.feather").write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(DataError, match=r"version 1.*version 2 or Parquet"):
        tables.preview(tmp_path / "old.feather", Choices())
