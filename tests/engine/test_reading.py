"""What the files of a run say is checked: a fault is named, and nothing but a fault."""

import contextlib
import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.data.checked_json import DEEPEST, LONGEST, Unreadable, parsed
from clustlab.errors import RunNotFound, RunUnreadable
from clustlab.runs import reading
from clustlab.runs.store import Run, RunSpec
from clustlab.types import Artefact

STORED = (
    Path(__file__).parents[1] / "support" / "stored_runs" / "20261127-142847-kmeans-digits-df5d"
)
MANIFEST = json.loads((STORED / "manifest.json").read_text())
STATE = json.loads((STORED / "status.json").read_text())
LINE = json.loads((STORED / "log.jsonl").read_text().splitlines()[0])
CHANGE = {"step": 3, "wish": "w", "reason": "", "kind": "split", "clusters": [1], "value": 1.0}
WISH = {"kind": "merge", "lasting": [0, 2], "value": 1, "n_steps": 4}
FILES = [
    (reading.manifest, MANIFEST),
    (reading.state, STATE),
    (reading.log_record, LINE),
    (reading.change_line, CHANGE),
    (reading.wish, WISH),
]
SPEC = MANIFEST["spec"]
ARTEFACT = LINE["artefacts"]["changes"]


def text(value):
    return json.dumps(value).encode()


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(("read", "good"), FILES)
def test_what_is_good_is_read_as_it_is(read, good):
    renamed = {"scalars": {"inertia": 1.5}} if read is reading.log_record else {}
    assert read(text({**good, **renamed})) == {**good, **renamed}


@pytest.mark.parametrize(("read", "good"), FILES[:4])
def test_names_of_a_newer_version_are_kept(read, good):
    assert read(text({**good, "later": {"a": [1, None]}}))["later"] == {"a": [1, None]}


@pytest.mark.parametrize(
    ("read", "bad", "words"),
    [
        (reading.manifest, without(MANIFEST, "created"), "'created' is missing"),
        (reading.manifest, {**MANIFEST, "created": "now"}, "'created' should be a number, not te"),
        (reading.manifest, {**MANIFEST, "created": 1e300}, "'created' is out of range"),
        (reading.manifest, {**MANIFEST, "data_key": None}, "'data_key' should be text, not noth"),
        (reading.manifest, {**MANIFEST, "data_key": "../x"}, "'data_key' is .*no plain name"),
        (reading.manifest, {**MANIFEST, "data_key": ".."}, "'data_key' is .*no plain name"),
        (reading.manifest, {**MANIFEST, "data_key": "a/b"}, "'data_key' is .*no plain name"),
        (reading.manifest, {**MANIFEST, "data_key": "a\n"}, "'data_key' is .*no plain name"),
        (reading.manifest, {**MANIFEST, "data_key": ""}, "'data_key' is .*no plain name"),
        (reading.manifest, without(MANIFEST, "method_title"), "'method_title' is missing"),
        (reading.manifest, {**MANIFEST, "spec": without(SPEC, "method")}, "'spec.method' is miss"),
        (
            reading.manifest,
            {**MANIFEST, "spec": {**SPEC, "seed": 1.5}},
            "'spec.seed' should be a",
        ),
        (reading.manifest, {**MANIFEST, "spec": []}, "'spec' should be a group of named values"),
        (reading.manifest, [], "it should be a group of named values, not a list"),
        (reading.state, without(STATE, "status"), "'status' is missing"),
        (reading.state, {**STATE, "status": "fine"}, "'status' is 'fine', which is not known"),
        (reading.state, {**STATE, "born": None}, "'born' should be a number, not nothing"),
        (reading.state, without(STATE, "born"), "'born' is missing"),
        (reading.log_record, {**LINE, "scalars": {"loss": "x"}}, r"'scalars\[...\]' should be a n"),
        (reading.log_record, {**LINE, "step": -1}, "'step' is out of range"),
        (
            reading.log_record,
            {**LINE, "artefacts": {"a": {**ARTEFACT, "rows": 3}}},
            r"'artefacts\[...\].rows' should be a list, not a whole number",
        ),
        (reading.log_record, {**LINE, "role": "train"}, "'samples' is missing"),
        (reading.change_line, without(CHANGE, "clusters"), "'clusters' is missing"),
        (reading.wish, without(WISH, "lasting"), "'lasting' is missing"),
    ],
)
def test_a_fault_is_named(read, bad, words):
    with pytest.raises(Unreadable, match=words):
        read(text(bad))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"\x00\xff garbage",
        b'{"schema": 1, "spec": ' + b"[" * 100_000,
        b'{"x": "\xff"}',
        b'{"x": "\\ud800"}',
        b'{"created": NaN}',
        b'{"created": ' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("read", [read for read, _ in FILES])
def test_what_is_no_json_is_unreadable(read, bad):
    with pytest.raises(Unreadable):
        read(bad)


def test_length_and_depth_are_limited():
    with pytest.raises(Unreadable, match="more than"):
        parsed(b" " * (LONGEST + 1), int)
    deep = [None]
    for _ in range(DEEPEST):
        deep = [deep]
    with pytest.raises(Unreadable, match="nested too deeply"):
        reading.state(text({**STATE, "later": deep}))


def test_a_share_out_of_bounds_does_not_make_a_run_unreadable():
    assert reading.state(text({**STATE, "fraction": 1.01}))["fraction"] == 1.0


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(FILES), st.data())
def test_any_change_is_read_or_named(file, data):
    read, good = file
    changed = json.loads(json.dumps(good))
    place = changed
    while True:
        name = data.draw(st.sampled_from(sorted(place)) if place else st.text(max_size=3))
        if isinstance(place.get(name), dict) and data.draw(st.booleans()):
            place = place[name]
            continue
        place[name] = data.draw(ANY)
        break
    with contextlib.suppress(Unreadable):
        assert set(read(text(changed))) == set(changed)


def test_a_run_says_what_is_wrong_with_its_manifest(store):
    run = store.create(
        RunSpec("toy", "dec"), method_title="DEC", dataset_title="Toy", data_key="toy-1"
    )
    (run.path / "manifest.json").write_bytes(text(without(run.manifest, "created")))
    with pytest.raises(RunUnreadable, match=r"manifest\.json: 'created' is missing") as failure:
        Run(run.path)
    assert isinstance(failure.value, RunNotFound)
    assert "delete it on the page Runs" in failure.value.hint


def test_every_field_of_an_artefact_is_declared():
    fields = {field.name for field in dataclasses.fields(Artefact)} - {"data"}
    assert set(reading.ArtefactRecord.__annotations__) == fields
