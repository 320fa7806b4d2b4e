import json
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab import params, registry
from clustlab.errors import ParameterError
from clustlab.params import ADDED_LATER, WORDS, build, check, in_words, param, schema, size_remarks


@dataclass(frozen=True)
class Example:
    title: ClassVar[str] = "Example"

    n_clusters: int = params.n_clusters(10)
    rate: float = params.learning_rate(1e-3)
    n_samples: int | None = params.n_samples()
    noisy: bool = param(False, help="Whether there is noise.")
    target: Literal["power", "hard"] = param("power", help="Which target.")
    start: Literal["near", "far"] | None = param(None, help="Where from.", none_word="any")
    share: float = param(0.1, low=0.0, high=0.5, help="Share.", advanced=True)
    shares: float | tuple[float, ...] = params.unbalance()

    def __post_init__(self):
        if self.noisy and self.target == "hard":
            raise ParameterError("A hard target cannot be noisy.", "Switch one off.")


BY_NAME = {p.name: p for p in schema(Example)}


def test_the_schema_reads_kinds_bounds_and_choices_from_the_fields():
    kinds = [(p.name, p.kind, p.default) for p in schema(Example)]
    assert kinds == [
        ("n_clusters", "int", 10),
        ("rate", "float", 1e-3),
        ("n_samples", "int", 10_000),
        ("noisy", "bool", False),
        ("target", "choice", "power"),
        ("start", "choice", None),
        ("share", "float", 0.1),
        ("shares", "shares", 1.0),
    ]
    assert BY_NAME["target"].choices == ("power", "hard")
    assert BY_NAME["start"].choices == ("near", "far")
    assert (BY_NAME["n_clusters"].low, BY_NAME["n_clusters"].high) == (2, 500)
    assert BY_NAME["rate"].log
    assert BY_NAME["share"].advanced
    assert BY_NAME["n_samples"].label == "Number of items"


def test_a_field_without_help_is_a_bug():
    @dataclass(frozen=True)
    class Bare:
        depth: int = 3

    with pytest.raises(TypeError, match=r"Bare\.depth is not declared with param\(\)"):
        schema(Bare)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("n_clusters", "12", 12),
        ("n_clusters", 12.0, 12),
        ("n_clusters", " 1e2 ", 100),
        ("n_samples", "10_000", 10_000),
        ("n_samples", "all", None),
        ("n_samples", " All ", None),
        ("n_samples", None, None),
        ("rate", "0.01", 0.01),
        ("rate", 1, 1.0),
        ("noisy", "Yes", True),
        ("noisy", "off", False),
        ("noisy", "1", True),
        ("noisy", True, True),
        ("target", "hard", "hard"),
        ("start", "any", None),
        ("start", "far", "far"),
        ("shares", 0.5, 0.5),
        ("shares", "0.5", 0.5),
        ("shares", [0.5], 0.5),
        ("shares", "1, .5,0.1", (1.0, 0.5, 0.1)),
        ("shares", [1, 0.5, "0.1"], (1.0, 0.5, 0.1)),
    ],
)
def test_values_and_their_texts_are_taken(name, value, wanted):
    found = check(BY_NAME[name], value)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_clusters", 1, r"n_clusters must lie in \[2, 500\], got 1\."),
        ("n_clusters", "501", r"got 501\."),
        ("n_clusters", 10**400, "must be a whole number"),
        ("n_clusters", "ten", "n_clusters must be a whole number, got 'ten'"),
        ("n_clusters", 2.5, r"n_clusters must be a whole number, got 2\.5"),
        ("n_clusters", True, "n_clusters must be a whole number, got True"),
        ("n_clusters", None, "n_clusters needs a value, got none"),
        ("n_clusters", "all", "must be a whole number, got 'all'"),
        ("n_clusters", [3], r"must be a whole number, got \[3\]"),
        ("n_samples", 9_000_000, r"must lie in \[10, 200000\], got 9000000\."),
        ("rate", "nan", "rate must be a number, got 'nan'"),
        ("rate", "inf", "rate must be a number, got 'inf'"),
        ("rate", "", "rate must be a number, got ''"),
        ("share", 0.50000001, r"must lie in \[0, 0\.5\], got 0\.50000001\."),
        ("noisy", "perhaps", "noisy must be true or false, got 'perhaps'"),
        ("noisy", 2, "noisy must be true or false, got 2"),
        ("target", "soft", "target must be one of power, hard, got 'soft'"),
        ("target", ["hard"], r"target must be one of power, hard, got \['hard'\]"),
        ("shares", "1, 0, 1", r"shares must lie in \[0\.01, 1\], got 0\."),
        ("shares", "1, , 1", "shares must be a number, or one for each class, got ' '"),
        ("shares", "half", "shares must be a number, or one for each class, got 'half'"),
        ("shares", [1, [0.5]], r"or one for each class, got \[0\.5\]"),
        ("shares", [], "shares needs a value, got none"),
    ],
)
def test_wrong_values_are_refused_with_name_value_and_range(name, value, message):
    with pytest.raises(ParameterError, match=message):
        check(BY_NAME[name], value)


def test_build_lists_every_problem_at_once():
    with pytest.raises(ParameterError) as caught:
        build(Example, {"n_clusters": 1, "rate": "fast", "depth": 3})
    text = str(caught.value)
    assert "n_clusters must lie in [2, 500], got 1." in text
    assert "rate must be a number, got 'fast'." in text
    assert "depth is not a parameter of Example (it has: n_clusters, rate," in text
    assert text.endswith("Change the named values and start again.")


def test_a_rule_between_fields_is_told_with_its_own_remedy():
    with pytest.raises(ParameterError, match=r"cannot be noisy\. Switch one off\."):
        build(Example, {"noisy": True, "target": "hard"})


def test_absent_names_take_their_default():
    assert build(Example, {}) == Example()
    assert build(Example, {"share": 0.2}) == Example(share=0.2)


examples = st.builds(
    Example,
    n_clusters=st.integers(2, 500),
    rate=st.floats(1e-6, 10.0),
    n_samples=st.none() | st.integers(10, 200_000),
    noisy=st.just(False),
    target=st.sampled_from(["power", "hard"]),
    start=st.sampled_from([None, "near", "far"]),
    share=st.floats(0, 0.5),
    shares=st.floats(0.01, 1) | st.lists(st.floats(0.01, 1), min_size=2).map(tuple),
)


@given(examples)
def test_values_survive_json(example):
    values = {p.name: getattr(example, p.name) for p in schema(Example)}
    assert build(Example, json.loads(json.dumps(values))) == example


@given(examples)
def test_values_survive_text(example):
    values = {p.name: getattr(example, p.name) for p in schema(Example)}
    texts = {
        name: BY_NAME[name].none_word if value is None else in_words(value)
        for name, value in values.items()
    }
    assert build(Example, texts) == example


plain = st.text() | st.floats() | st.integers() | st.none()


@given(st.sampled_from(sorted(BY_NAME)), plain | st.lists(plain))
def test_any_value_is_taken_or_refused_never_worse(name, value):
    p = BY_NAME[name]
    found, message = p.default, ""
    try:
        found = check(p, value)
    except ParameterError as error:
        message = str(error)
    assert p.name in message or check(p, found) == found


def test_settings_of_every_method_have_names_of_their_own_in_words():
    owners = [*registry.methods().values(), *registry.datasets().values()]
    known = set(ADDED_LATER)  # which imported sets have, too
    for owner in owners:
        labels = [p.label for p in schema(owner)]
        assert len(set(labels)) == len(labels), owner.name
        known |= {p.name for p in schema(owner)}
    assert set(WORDS) <= known  # no word for a setting that nobody has


def remarks(name, n, **values):
    return size_remarks(registry.method(name), values, n)


@pytest.mark.parametrize(
    ("name", "setting", "n", "most"),
    [
        ("hdbscan", "min_cluster_size", 100, 50),
        ("hdbscan", "min_samples", 100, 100),
        ("spectral", "n_neighbors", 100, 100),
        ("scan", "n_neighbors", 100, 100),
        ("imsat", "n_neighbors", 100, 100),
        ("n2d", "n_neighbors", 100, 100),
        ("unknown-k", "least", 100, 50),
        ("deepcluster", "n_clusters_over", 200, 200),
        ("local-aggregation", "items_per_cluster", 100, 50),
        ("kmeans", "n_clusters", 100, 100),
    ],
)
def test_a_setting_that_asks_for_more_than_the_items_can_give_is_remarked_upon(
    name, setting, n, most
):
    assert remarks(name, n, **{setting: most}) == []
    (remark,) = remarks(name, n, **{setting: most + 1})
    part = "half of " if most < n else ""
    assert f"({setting}) is {most + 1}, more than {part}the {n} items: " in remark
    assert f"Set it to {most} at most" in remark


def test_only_the_items_that_are_compared_count():
    assert remarks("hdbscan", 9000, min_cluster_size=300, max_items=600) == []
    (remark,) = remarks("hdbscan", 9000, min_cluster_size=301, max_items=600)
    assert "more than half of the 600 items that are compared, of 9,000" in remark


@pytest.mark.parametrize("typed", ["Infinity", "abc", "", None])
@pytest.mark.parametrize("name", registry.methods())
def test_nothing_is_remarked_upon_what_is_no_number(name, typed):
    known = [p for p in schema(registry.method(name)) if p.of_items or p.caps_items]
    values = {p.name: typed for p in known if p.none_word}
    assert all(typed is None or repr(typed) not in text for text in remarks(name, 100, **values))


@pytest.mark.parametrize("name", registry.methods())
def test_nothing_is_remarked_upon_the_presets_on_an_ordinary_set(name):
    for values in registry.method(name).presets.values():
        assert size_remarks(registry.method(name), values, 1797) == []
