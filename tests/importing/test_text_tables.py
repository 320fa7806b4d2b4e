"""Tables of text as programs write them: headers of numbers, commas within numbers, long fields."""

import bz2
import gzip
import lzma

import numpy as np
import pandas as pd
import pytest

from clustlab.errors import DataError
from clustlab.importing import sources, tables, text_tables
from clustlab.importing.plan import Choices
from clustlab.importing.text_tables import TextTable, text_format
from tests.support.odd_arrays import N, classes, vectors

WORDS = np.array(["oak", "elm", "ash"])[classes()]


def written(tmp_path, text):
    (tmp_path / "given.csv").write_text(text)
    return tmp_path / "given.csv"


def as_pandas_writes(**options):
    def text(labels):
        return pd.DataFrame(vectors()[:, :5]).assign(label=labels).to_csv(**options)

    return text


@pytest.mark.parametrize("labels", [classes(), WORDS], ids=["numbers", "words"])
@pytest.mark.parametrize("write", [as_pandas_writes(index=False), as_pandas_writes()])
def test_columns_called_by_numbers_beside_one_of_text_are_a_header(tmp_path, write, labels):
    shown = tables.preview(written(tmp_path, write(labels)), Choices())
    assert (shown.n_items, shown.chosen.features) == (N, ("0", "1", "2", "3", "4"))
    assert (shown.chosen.labels, sum(shown.class_counts.values())) == ("label", N)
    assert any("although some names of columns are numbers" in fact for fact in shown.facts)


@pytest.mark.parametrize(
    ("text", "has_header"),
    [
        ("400.5,401.5,class\n0.1,0.2,1\n0.3,0.1,2\n", True),  # wavelengths
        ("0,1,label\n0.5,2.5,cat\n1.5,3.5,dog\n", True),
        (",400,500\n0,1.5,2.5\n1,3.5,4.5\n", True),  # as pandas writes its index
        ("0,1,cat\n1,0,dog\n1,1,cat\n", False),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6.3,3.3,virginica\n", False),
        ("5.1,3.5,setosa\n4.9,3.0,virginica\n", False),
        ("1.5,NA,2.5\n2.5,3.5,4.5\n", False),
        ("1,2\n3,4\n", False),
        ("cat,1\n", False),
        ("a,b\n1,2\n", True),
    ],
)
def test_a_first_line_with_numbers_is_a_header_or_a_row(tmp_path, text, has_header):
    assert text_format(written(tmp_path, text)).has_header == has_header


@pytest.mark.parametrize(
    ("separator", "cells", "commas", "numbers"),
    [
        (",", ['"1,101"', '"12,345,678"', "7"], "thousands", [1101, 12345678, 7]),
        (",", ['"1,101"', "950", '"-2,500.5"'], "thousands", [1101, 950, -2500.5]),
        (",", ['"1,5"', '"1,101"', "7"], "decimal", [1.5, 1.101, 7]),
        (",", ['"0,125"', '"1,101"', "7"], "decimal", [0.125, 1.101, 7]),
        (";", ["1,101", "2,345", "7"], "decimal", [1.101, 2.345, 7]),
        (";", ["1,101,000", "2,345", "7"], "thousands", [1101000, 2345, 7]),
        (";", ["1,101", "2.5", "7"], "thousands", [1101, 2.5, 7]),
        (",", ["1.5", "2", "7"], "none", [1.5, 2, 7]),
    ],
)
def test_commas_between_thousands_are_no_decimal_commas(
    tmp_path, separator, cells, commas, numbers
):
    rows = [f"{cell}{separator}{i}" for i, cell in enumerate(cells)]
    path = written(tmp_path, "\n".join((f"price{separator}other", *rows)))
    table = TextTable(path)
    assert table.format.commas == commas
    (chunk,) = table.chunks()
    assert chunk.cells("price").numbers()[0].tolist() == numbers
    assert ("thousands" in table.facts[0]) == (commas == "thousands")


def test_a_number_with_its_comma_elsewhere_is_refused_among_thousands(tmp_path):
    rows = ['"1,101",5'] * 600 + ['"1,5",5'] + ['"12,34",7'] + ["9,1"]
    shown = tables.preview(written(tmp_path, "price,other\n" + "\n".join(rows)), Choices())
    assert [each.reason for each in shown.refused] == [
        "holds '1,5' in column 'price'",
        "holds '12,34' in column 'price'",
    ]


def test_a_long_list_of_numbers_is_one_field(tmp_path):
    lists = [[0.1234567890123456 + i] * 8192 for i in range(3)]
    path = written(tmp_path, pd.DataFrame({"id": [*"abc"], "v": lists}).to_csv(index=False))
    shown = tables.preview(path, Choices())
    assert (shown.n_items, shown.shape) == (3, (8192,))


@pytest.mark.parametrize("n", [40_000, 400_000])
def test_a_quote_that_is_open_is_said(tmp_path, n):
    path = written(tmp_path, 'a,b\n1,"2\n3,4\n' + "5,6\n" * n)
    with pytest.raises(DataError, match="quote that is not closed"):
        tables.preview(path, Choices())


def test_empty_fields_count_as_well_in_what_is_read_together(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "CHUNK", 1000)
    path = written(tmp_path, ",".join(f"c{i}" for i in range(100)) + ("\n" + "," * 99) * 50)
    assert max(chunk.n_rows for chunk in TextTable(path).chunks()) == 2


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_table_is_to_be_unpacked_first(tmp_path, pack):
    for name, content in (
        ("a.csv.gz", pd.DataFrame(vectors()).to_csv().encode()),
        ("a.npy.gz", b"\x93NUMPY\1\0" + bytes(400)),
    ):
        (tmp_path / name).write_bytes(pack(content))
        with pytest.raises(DataError, match=f"{name} is one compressed file.*Unpack it first"):
            sources.preview(tmp_path / name, Choices())
