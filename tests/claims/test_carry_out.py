"""A made-up claim is tried with real runs of a second, from the command line too."""

import json
import subprocess
import sys

import pytest

from clustlab.cli.command_line import main
from clustlab.errors import DatasetUnavailable
from clustlab.evidence import catalogue, measures, measuring, record
from clustlab.evidence.carry_out import carry_out
from clustlab.evidence.catalogue import claims
from clustlab.evidence.claim import Arm, Protocol
from clustlab.evidence.record import Record
from clustlab.evidence.state import needed
from clustlab.studies.description import Base
from tests.support.made_claims import made_claim


def quiet(line):
    pass


def test_runs_are_made_once_measured_and_kept(store):
    claim = made_claim()
    told = []
    found, not_done = carry_out(claim, "small", (), store, told.append)
    assert not not_done
    assert found.seeds == [0, 1, 2]
    assert set(found.figures) == {"one", "many"}
    assert all(found.figures["one"][s] < found.figures["many"][s] for s in (0, 1, 2))
    assert found.verdict(claim) == "seen"
    assert found.machine
    assert record.kept(store, claim, "small") == found
    n_runs = len(store.runs())
    again, _ = carry_out(claim, "small", (), store, told.append)
    assert len(store.runs()) == n_runs == 6
    assert again.figures == found.figures
    assert sum("is there" in line for line in told) == 6


def test_a_run_that_goes_on_waits_for_the_one_before_and_starts_from_it(store):
    first, second = needed(made_claim(goes_on=True), "small", store.runs(), (0,))
    assert (first.is_startable, second.is_startable) == (True, False)
    carry_out(made_claim(goes_on=True), "small", (0,), store, quiet)
    first, second = needed(made_claim(goes_on=True), "small", store.runs(), (0,))
    assert second.place.run.spec.continues == first.place.run.id
    assert second.place.status == "done"


def test_a_run_that_fails_is_told_and_what_would_go_on_from_it_is_left(store):
    claim = made_claim(goes_on=True, n_clusters=150)  # more than there are items
    found, not_done = carry_out(claim, "small", (0,), store, quiet)
    assert found.seeds == []
    assert list(not_done) == ["one, seed 0", "many, seed 0"]
    assert "goes on from" in not_done["many, seed 0"]
    assert record.kept(store, claim, "small") is None


def test_a_seed_of_which_a_run_is_missing_is_not_measured(store):
    claim = made_claim()
    carry_out(claim, "small", (0, 1), store, quiet)
    store.delete(needed(claim, "small", store.runs(), (1,))[1].place.run.id)
    found = measuring.figures(claim, store, needed(claim, "small", store.runs(), (0, 1)))
    assert list(found["one"]) == [0]


def test_figures_of_a_claim_that_has_changed_are_stale(store):
    carry_out(made_claim(), "small", (), store, quiet)
    assert record.kept(store, made_claim(), "small") is not None
    assert record.kept(store, made_claim(n_clusters=3), "small") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda line: {},
        lambda line: {**line, "figures": {"one": {"0": "0.5"}}},
        lambda line: {**line, "figures": {"one": {"x": 0.5}}},
        lambda line: {**line, "figures": {"one": {"0": 1e300}}},
        lambda line: {**line, "scale": "huge"},
        lambda line: {**line, "claim": "another"},
        lambda line: {**line, "machine": "m" * 200_000},
    ],
)
def test_a_record_that_says_what_none_says_is_none(store, change):
    claim = made_claim()
    figures = {"one": {0: 0.5}, "many": {0: 0.6}}
    found = Record("made-up", "small", claim.print_of("small"), figures, 1.0, "m", "2026-11-28")
    record.keep(store, found)
    assert record.kept(store, claim, "small") == found
    file = store.root / "_claims" / "made-up-small.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    assert record.kept(store, claim, "small") is None


@pytest.mark.slow
def test_without_its_data_set_a_claim_says_which_file_is_missing(store, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path))
    monkeypatch.setattr("clustlab.datasets.published.fetch", refused)
    claim = made_claim()
    base = Base("mnist", "kmeans", "quick", {"n_samples": 100})
    claim.protocols["small"] = Protocol((Arm("one", base),), "None.")
    with pytest.raises(DatasetUnavailable, match="train-images-idx3-ubyte"):
        carry_out(claim, "small", (0,), store, quiet)
    assert store.runs() == []


def refused(*args, **options):
    raise OSError("no network")


# -- what is measured --------------------------------------------------------------------------
def test_heads_of_iic_are_measured_as_the_run_itself_measures_the_one_it_shows(store):
    settings = {"epochs": 2, "n_heads": 3, "width": 4, "n_clusters_over": None}
    claim = made_claim(base=Base("digits", "iic", "quick", {"n_samples": 150}, settings))
    carry_out(claim, "small", (0,), store, quiet)
    run = needed(claim, "small", store.runs(), (0,))[0].place.run
    done = measures.Done(store, run)
    shown = measures.lowest_loss_head(done)
    losses = [run[-1].scalars[f"loss_head_{i}"] for i in (1, 2, 3)]
    assert shown == losses.index(min(losses))
    heads = measures.head_accuracies(done)
    assert heads[shown] == measures.accuracy(done)
    rebuilt = measures.rebuilt_heads(done)  # the others are as trustworthy as this one
    assert (rebuilt[shown] == run[-1].assignments).mean() > 0.99
    assert len(heads) == 3


def test_of_a_long_run_the_nearest_step_that_was_kept_is_looked_at(store, monkeypatch):
    settings = {"epochs": 4, "width": 4, "n_clusters_over": 20, "n_features": 16}
    base = Base("digits", "deepcluster", "quick", {"n_samples": 150}, settings)
    claim = made_claim(base=base, n_clusters=10)
    carry_out(claim, "small", (0,), store, quiet)
    done = measures.Done(store, needed(claim, "small", store.runs(), (0,))[0].place.run)
    measure = claims()["random-features"].measure
    whole = measure({"run": done})
    monkeypatch.setattr(type(done.run), "kept_steps", [0, 4, 5])
    thinned = measure({"run": done})
    assert thinned["part-0"] == thinned["part-2"] == whole["part-0"]  # of the steps 0 and 1
    assert thinned["part-5"] == whole["part-5"] == thinned["part-4"]  # of the steps 4 and 3


# -- the command -------------------------------------------------------------------------------
@pytest.fixture
def answer(store, capsys):
    def of(*words):
        code = main(["claims", *words, "--runs", str(store.root)])
        out, err = capsys.readouterr()
        return code, (json.loads(out.splitlines()[-1]) if out else None), err

    return of


def test_the_list_has_every_claim(answer):
    code, rows, _ = answer("--json")
    assert code == 0
    assert list(dict.fromkeys(row["claim"] for row in rows)) == list(claims())
    assert len({(row["claim"], row["scale"]) for row in rows}) == len(rows)
    for row in rows:
        assert {"claimed", "measured", "verdict", "rule", "by"} <= set(row)
        assert (row["verdict"] is None) == (row["measured"] is None)


def test_a_claim_is_tried_and_then_listed_as_measured_here(answer, monkeypatch):
    monkeypatch.setattr(catalogue, "claims", lambda: {"made-up": made_claim()})
    code, said, err = answer("run", "made-up", "--scale", "small", "--seeds", "0..2")
    assert code == 0
    assert said["claim"] == "made-up"
    assert {"claimed", "measured", "spread", "seeds", "verdict", "seconds"} <= set(said)
    assert said["seeds"] == [0, 1, 2]
    assert said["verdict"] == "seen"
    assert said["not_done"] == {}
    assert "6/6" in err
    (row,) = answer()[1]
    assert (row["by"], row["scale"], row["measured"]) == ("you", "small", said["measured"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run",), "lacks its name"),
        (("run", "nine"), "no claim 'nine'"),
        (("run", "above-96", "--seeds", "x"), "'x'"),
        (("run", "above-96", "--seeds", "3..1"), "no seeds"),
    ],
)
def test_bad_words_are_told_with_a_remedy(answer, words, said):
    code, _, err = answer(*words)
    assert code == 2
    assert said in err


def test_the_list_is_quick_because_nothing_heavy_is_loaded(tmp_path):
    code = f"""
import sys
from clustlab.cli.command_line import main
main(["claims", "--runs", {str(tmp_path)!r}])
print([name for name in ("torch", "sklearn", "scipy", "pandas") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_what_was_measured_here_stands_in_place_of_what_the_makers_have_measured(
    store, monkeypatch
):
    claim = made_claim()
    figures = {"one": {0: 0.5}, "many": {0: 0.6}}

    def measured(scale, *, is_shipped):
        print_of = claim.print_of(scale)
        return Record("made-up", scale, print_of, figures, 1.0, "m", "2026-11-28", is_shipped)

    small, full = (measured(scale, is_shipped=True) for scale in ("small", "full"))
    assert record.to_show(store, claim) == []
    monkeypatch.setattr(record, "all_shipped", lambda: (full, small))
    assert record.to_show(store, claim) == [small, full]
    mine = measured("small", is_shipped=False)
    record.keep(store, mine)
    assert record.to_show(store, claim) == [mine, full]
