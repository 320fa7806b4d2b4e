"""Studies in words, their cells, and the runs that they stand for."""

import pytest

from clustlab.errors import ParameterError
from clustlab.studies.description import Axis, Base, Study, axis_of, base_of, in_words

KMEANS = Base("digits", "kmeans", "quick", {"n_samples": 200})


def study(*words, base=KMEANS):
    return Study("a study", base, tuple(axis_of(word, base) for word in words))


def test_a_range_a_list_and_words_are_the_values_of_an_axis():
    assert axis_of("n_clusters=5..8,12", KMEANS).values == (5, 6, 7, 8, 12)
    assert axis_of("tolerance=0.1,0.01", KMEANS).values == (0.1, 0.01)
    assert axis_of("seed=0..2", KMEANS).values == (0, 1, 2)
    assert axis_of("method=dec,iic", KMEANS).values == ("dec", "iic")
    assert axis_of("data.n_samples=100,all", KMEANS).values == (100, None)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("n_clusters", "not of the form name=values"),
        ("n_clusters=", "not of the form name=values"),
        ("=5", "not of the form name=values"),
        ("width=3", "kmeans has no setting 'width'"),
        ("data.width=3", "digits has no setting 'width'"),
        ("n_clusters=x", "n_clusters"),
        ("n_clusters=1..3", "must lie in"),
        ("n_clusters=8..5", "empty"),
        ("n_clusters=1..99999", "over 1,000 numbers"),
        ("n_clusters=a..b", "no range"),
        ("n_clusters=5,5", "twice"),
        ("seed=x", "no whole number"),
        ("seed=-1", "whole number from 0 up"),
    ],
)
def test_a_word_that_is_no_axis_is_named(word, said):
    with pytest.raises(ParameterError, match=said):
        axis_of(word, KMEANS)


def test_a_base_is_read_from_words():
    words = ["dataset=digits", "method=kmeans", "preset=quick", "n_init=3", "data.n_samples=200"]
    assert base_of(words) == Base("digits", "kmeans", "quick", {"n_samples": 200}, {"n_init": 3})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dataset=digits"], "lacks its method"),
        (["method=dec"], "lacks its dataset"),
        (["dataset=digits", "method=none"], None),
        (["dataset=digits", "method=dec", "seed=3"], "varies its seeds"),
        (["dataset=digits", "dec"], "not of the form"),
        (["dataset=digits", "method=dec", "width=1"], "no setting 'width'"),
    ],
)
def test_a_base_that_is_none_is_refused(words, said):
    with pytest.raises(ParameterError, match=said):
        Study("s", base_of(words), ())


def test_cells_are_all_combinations_and_each_has_every_seed():
    two = study("n_clusters=5,6", "n_init=1,2,3", "seed=0..1")
    assert [str(cell) for cell in two.cells] == [
        f"n_clusters {k}, n_init {i}" for k in (5, 6) for i in (1, 2, 3)
    ]
    specs = list(two.specs())
    assert len(specs) == 12
    assert [seed for _, seed, _ in specs] == [0] * 6 + [1] * 6  # a first look at all comes early
    _, _, first = specs[0]
    assert (first.method_params["n_clusters"], first.method_params["n_init"]) == (5, 1)
    assert first.dataset_params == {"n_samples": 200}
    assert first.preset == "quick"


def test_methods_and_data_may_vary_and_each_method_has_its_own_preset():
    runs = {
        (spec.method, spec.dataset): spec
        for _, _, spec in study("method=kmeans,dec", "dataset=digits,mnist-5k").specs()
    }
    assert len(runs) == 4
    assert "epochs" in runs["dec", "digits"].method_params
    assert "epochs" not in runs["kmeans", "digits"].method_params


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("n_clusters=5", "n_clusters=6"), "varied twice"),
        (("n_clusters=2..500", "n_init=1..10"), "4,990 runs"),
        (("preset=quick,none",), "no preset 'none'"),
        (("method=kmeans,iicc",), "iicc"),
        (("dataset=digits,none",), "none"),
    ],
)
def test_a_study_that_cannot_be_carried_out_is_refused(words, said):
    with pytest.raises(ParameterError, match=said):
        study(*words)


def test_a_setting_that_one_of_the_methods_lacks_is_refused():
    with pytest.raises(ParameterError, match="max_iter"):
        study("method=kmeans,iic", "max_iter=5,6")


def test_seeds_are_added_and_other_settings_are_another_study():
    two = study("n_clusters=5,6", "seed=0..1")
    assert two.with_axes([Axis("seed", (1, 2, 3))]).seeds == (0, 1, 2, 3)
    assert study("n_clusters=5,6").with_axes([Axis("seed", (1,))]).seeds == (0, 1)
    with pytest.raises(ParameterError, match="does not vary n_init"):
        two.with_axes([Axis("n_init", (1,))])


def test_values_in_words():
    assert [in_words(value) for value in (None, True, False, 3, 0.001, "vat")] == [
        "none",
        "on",
        "off",
        "3",
        "0.001",
        "vat",
    ]
