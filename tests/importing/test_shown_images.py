"""Vectors of images that are there: joined by name or by order, in the order of the images."""

import json

import numpy as np
import pandas as pd
import pytest

from clustlab.cli.command_line import main
from clustlab.data import library, own_sets
from clustlab.errors import Cancelled, DataError, ParameterError
from clustlab.importing import shown_images
from clustlab.importing.plan import SHOWN, Choices, SomeRefused
from clustlab.types import Labelling
from tests.support.odd_arrays import pictures, vectors
from tests.support.own_data import classes, image_set, vector_set

N = 30


@pytest.fixture
def own():
    return image_set("Mine", N, {"kind": Labelling(classes(N), ("a", "b", "c"))})


def brought(path, images="mine", title="Features", choices=None, watch=lambda text, share: None):
    return shown_images.bring_in(path, images, title, choices or Choices(), watch)


def table_of(own, tmp_path, rows=None):
    """A table with the names of images, in another order than theirs."""
    frame = pd.DataFrame(vectors(N, 4), columns=list("wxyz")).assign(file=list(own.item_names()))
    frame = frame.iloc[::-1] if rows is None else frame.iloc[rows]
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    return tmp_path / "theirs.csv"


def test_vectors_are_joined_by_name_in_the_order_of_the_images(own, tmp_path, store):
    outcome = brought(table_of(own, tmp_path))
    made = outcome.own
    assert (made.kind, made.shape, outcome.n_refused) == ("vectors", (N, 4), 0)
    assert (made.items() == vectors(N, 4)).all()
    assert (made.images() == own.items()).all()
    assert list(made.item_names()) == list(own.item_names())
    assert (made.labelling("kind").labels == classes(N)).all()
    assert made.columns == tuple("wxyz")
    assert (made.parent, made.features) == ("mine", "vectors in theirs.csv")
    drawn = library.load(store.root, made.name, {}, 0)
    beside = library.load(store.root, own.name, {}, 0)
    assert (drawn.images_shown == beside.items).all()
    assert list(drawn.item_names) == list(beside.item_names)


def test_vectors_without_names_are_in_the_order_of_the_images(own, tmp_path):
    np.save(tmp_path / "x.npy", vectors(N))
    made = brought(tmp_path / "x.npy").own
    assert (made.items() == vectors(N)).all()
    assert (made.images() == own.items()).all()
    np.save(tmp_path / "x.npy", vectors(N)[:7])
    with pytest.raises(DataError, match="7 vectors for the 30 images of 'Mine'"):
        brought(tmp_path / "x.npy", title="Other")
    np.save(tmp_path / "x.npy", vectors(N + 1))
    with pytest.raises(DataError, match="more than 30 vectors for the 30 images"):
        brought(tmp_path / "x.npy", title="Other")


def test_what_has_no_partner_does_not_come_in_and_is_named(own, tmp_path):
    table = pd.read_csv(table_of(own, tmp_path, [*range(4, N), 9]))
    table.loc[0, "w"] = np.inf
    table.loc[1, "file"] = "who.png"
    table.to_csv(tmp_path / "theirs.csv", index=False)
    outcome = brought(tmp_path / "theirs.csv")
    reasons = [each.reason for each in outcome.refused]
    assert reasons[0] == "holds inf in column 'w'"
    assert reasons[1] == "is of 'who.png', which is no image of 'Mine'"
    assert reasons[2] == "is the second vector of its image"
    assert reasons[3:] == ["has no vector in theirs.csv"] * 6
    assert outcome.refused[-1].name == own.item_names()[5]
    assert (outcome.own.items() == vectors(N, 4)[6:]).all()
    assert (outcome.own.images() == own.items()[6:]).all()
    assert outcome.own.parent == ""


def test_paths_that_lead_to_one_image_are_refused_unless_one_is_its_name(own, tmp_path):
    table = pd.read_csv(table_of(own, tmp_path, range(4, N)))
    third, fifth, sixth = (own.item_names()[row] for row in (7, 9, 10))
    rows = table["file"].tolist()
    table.loc[rows.index(third), "file"] = f"a/{third}"
    table.loc[rows.index(fifth), "file"] = f"a/{fifth}"
    more = table.iloc[:3].assign(file=[f"b/{third}", f"b/{sixth}", fifth], w=[1.0, 2.0, 3.0])
    pd.concat([table, more]).to_csv(tmp_path / "theirs.csv", index=False)
    outcome = brought(tmp_path / "theirs.csv")
    names = list(outcome.own.item_names())
    assert third not in names
    reasons = {each.reason for each in outcome.refused}
    unclear = "and another vector may be of the same image"
    assert {f"is of 'a/{third}', {unclear}", f"is of 'b/{third}', {unclear}"} <= reasons
    assert outcome.own.items()[names.index(fifth), 0] == 3
    assert outcome.own.items()[names.index(sixth), 0] == vectors(N, 4)[10, 0]


def test_what_does_not_fit_is_refused_and_nothing_is_left(own, tmp_path, data_folder):
    table = pd.read_csv(table_of(own, tmp_path)).assign(file=[f"x{i}" for i in range(N)])
    table.to_csv(tmp_path / "theirs.csv", index=False)
    with pytest.raises(DataError, match=r"No vector in theirs.csv is of an image of 'Mine'"):
        brought(tmp_path / "theirs.csv")
    np.save(tmp_path / "i.npy", pictures(N))
    with pytest.raises(DataError, match="holds images"):
        brought(tmp_path / "i.npy")
    with pytest.raises(ParameterError, match="no imported data set 'who'"):
        brought(tmp_path / "i.npy", "who")
    vector_set("Vectors", N)
    with pytest.raises(ParameterError, match="holds vectors"):
        brought(tmp_path / "i.npy", "vectors")

    def stop(text, share):
        if "Writing" in text:
            raise Cancelled

    with pytest.raises(Cancelled):
        brought(table_of(own, tmp_path), watch=stop)
    assert sorted(own_sets.own_sets()) == ["mine", "vectors"]
    assert len(list((data_folder / "imported").iterdir())) == 2


def test_the_command_shows_vectors_as_the_images_of_a_set(own, tmp_path, capsys):
    words = ("import", str(table_of(own, tmp_path)), "--name", "Features", "--images-of", "mine")
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["dataset"], answer["items"], answer["shape"]) == ("features", N, [4])
    assert (own_sets.own_set("features").images() == own.items()).all()
    assert main((*words[:-1], "who")) == 2


def test_a_preview_and_the_strict_command_judge_what_is_joined(own, tmp_path, capsys, data_folder):
    path = table_of(own, tmp_path, range(4, N))
    seen = shown_images.preview(path, "mine", Choices())
    assert (seen.n_items, seen.n_refused, seen.shape) == (N - 4, 4, (4,))
    assert {each.reason for each in seen.refused} == {"has no vector in theirs.csv"}
    assert sum(seen.class_counts.values()) == N - 4
    rows = [list(own.item_names()).index(name) for name in seen.sample_names]
    assert len(rows) == SHOWN
    assert (seen.sample == vectors(N, 4)[rows]).all()
    assert (seen.sample_images == own.items()[rows]).all()
    with pytest.raises(SomeRefused, match=r"4 of them do not come in: .* has no vector"):
        brought(path, choices=Choices(strict=True))
    words = ("import", str(path), "--images-of", "mine")
    assert main((*words, "--preview")) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["refused"]["count"] == 4
    assert main((*words, "--name", "Features", "--strict")) == 2
    assert list(own_sets.own_sets()) == ["mine"]
    assert main((*words, "--name", "Features")) == 0
    assert len(own_sets.own_set("features")) == N - 4
    assert len(list((data_folder / "imported").iterdir())) == 2
