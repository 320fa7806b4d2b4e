"""The table of figures: measured, kept as it comes, summed up beside what was published."""

import json
from dataclasses import replace

import numpy as np
import pytest

import clustlab
from clustlab import registry
from clustlab.__main__ import main
from clustlab.analysis import run_scores
from clustlab.benchmark import table
from clustlab.benchmark.table import Row
from clustlab.errors import ParameterError
from clustlab.runs.identity import UNKNOWN, differences, planned
from clustlab.runs.store import RunStore
from clustlab.studies import carry_out
from clustlab.studies.state import counts, places
from clustlab.studies.store import Studies
from clustlab.views import scores
from tests.support import made_runs


def row(seed, acc, method="dec"):
    return Row(
        method, "mnist", "n_samples=all", "standard", seed, {"acc": acc}, protocol="train, all"
    )


def call(tmp_path, *words):
    out = tmp_path / "table.csv"
    fixed = ["--methods", "kmeans", "--datasets", "toy", "--data", "n=90", "--preset", "quick"]
    where = ["--out", str(out), "--runs", str(tmp_path / "runs")]
    code = main(["benchmark", *fixed, *where, *words])
    return code, out


def test_the_table_is_filled_and_goes_on_where_it_stood(tmp_path, capsys):
    code, out = call(tmp_path, "--seeds", "0", "1")
    assert code == 0
    first = table.read(out)
    assert [(r.method, r.dataset, r.data, r.seed) for r in first] == [
        ("kmeans", "toy", "n=90", 0),
        ("kmeans", "toy", "n=90", 1),
    ]
    assert all(0 < r.scores["acc"] <= 1 and r.seconds > 0 and r.steps > 1 for r in first)
    capsys.readouterr()
    code, _ = call(tmp_path, "--seeds", "1", "2")
    told = capsys.readouterr()
    assert "seed 1: is there" in told.err
    assert json.loads(told.out)["rows"] == 3
    assert table.read(out)[:2] == first
    assert "| kmeans | toy" in out.with_suffix(".md").read_text()


def test_its_runs_are_those_of_a_study_and_none_is_trained_twice(tmp_path, capsys):
    _, out = call(tmp_path, "--seeds", "0", "1")
    measured = table.read(out)
    store = RunStore(tmp_path / "runs")
    (study,) = Studies(store).all()
    assert study.name == "benchmark: toy n=90 quick"
    assert counts(places(study, store.runs())) == {"done": 2}
    for row, run in zip(measured, reversed(store.runs()), strict=True):
        labels = store.dataset(run).labels
        assert row.scores == run_scores.scores(run[-1].assignments, labels)
        assert (row.seed, row.steps) == (run.spec.seed, len(run))
        assert row.seconds == run.progress["seconds"]
    out.unlink()  # the table is lost, its runs are not
    before = {run.id for run in store.runs()}
    assert call(tmp_path, "--seeds", "0", "1")[0] == 0
    assert {run.id for run in store.runs()} == before
    assert table.read(out) == [replace(row, peak_mb=None) for row in measured]
    assert call(tmp_path, "--seeds", "2", "--methods", "gmm")[0] == 0
    (wider,) = Studies(store).all()
    assert wider.seeds == (0, 1, 2)
    assert [dict(cell.chosen)["method"] for cell in wider.cells] == ["kmeans", "gmm"]


def test_a_run_of_another_version_or_device_is_not_taken_for_one_of_today(tmp_path):
    _, out = call(tmp_path, "--seeds", "0")
    for file, name, other in (
        ("manifest.json", "version", "0.0.1"),
        ("environment.json", "device", "mps"),
    ):
        out.unlink()
        store = RunStore(tmp_path / "runs")
        place = store.runs()[0].path / file
        place.write_text(json.dumps({**json.loads(place.read_text()), name: other}))
        n_runs = len(store.runs())
        assert call(tmp_path, "--seeds", "0")[0] == 0
        assert len(store.runs()) == n_runs + 1
        (row,) = table.read(out)
        assert (row.version, row.device) == (clustlab.__version__, "cpu")


def test_a_run_whose_last_step_is_gone_is_told_and_the_others_go_on(tmp_path, capsys):
    _, out = call(tmp_path, "--seeds", "0", "1")
    out.unlink()
    run = RunStore(tmp_path / "runs").runs()[-1]
    (run.path / "snapshots" / f"{len(run) - 1:05d}.npz").unlink()
    capsys.readouterr()
    assert call(tmp_path, "--seeds", "0", "1")[0] == 1
    assert "seed 0: Step" in capsys.readouterr().err
    assert [row.seed for row in table.read(out)] == [1]


def test_other_settings_of_the_data_are_another_study(tmp_path):
    call(tmp_path, "--seeds", "0")
    call(tmp_path, "--seeds", "0", "--data", "n=80")
    names = {study.name for study in Studies(RunStore(tmp_path / "runs")).all()}
    assert names == {"benchmark: toy n=90 quick", "benchmark: toy n=80 quick"}


def test_a_changed_setting_has_a_line_of_its_own(tmp_path, capsys):
    assert call(tmp_path, "--seeds", "0")[0] == 0
    code, out = call(tmp_path, "--seeds", "0", "--set", "n_init=2", "n_clusters=4")
    assert code == 0
    assert [(r.preset, r.scores["n_occupied"]) for r in table.read(out)] == [
        ("quick", 10),
        ("quick n_clusters=4 n_init=2", 4),
    ]
    capsys.readouterr()
    code, _ = call(tmp_path, "--seeds", "0", "--set", "n_clusters=4", "n_init=2")
    assert "is there" in capsys.readouterr().err
    assert call(tmp_path, "--set", "n_clusters=0")[0] == 2
    assert call(tmp_path, "--set", "width=4")[0] == 2
    assert "width is not a parameter" in capsys.readouterr().err


def test_a_row_is_replaced_if_its_preset_has_changed(tmp_path, capsys, monkeypatch):
    _, out = call(tmp_path, "--seeds", "0", "1")
    before = table.read(out)
    assert {r.settings for r in before} == {"max_iter=30 n_init=1"}
    cls = registry.method("kmeans")
    monkeypatch.setattr(cls, "presets", {**cls.presets, "quick": {"n_clusters": 4}})
    capsys.readouterr()
    assert call(tmp_path, "--seeds", "0")[0] == 0
    assert "the preset has changed" in capsys.readouterr().err
    assert [(r.seed, r.scores["n_occupied"], r.settings) for r in table.read(out)] == [
        (1, before[1].scores["n_occupied"], "max_iter=30 n_init=1"),
        (0, 4, "n_clusters=4"),
    ]
    assert call(tmp_path, "--seeds", "0")[0] == 0
    assert "is there" in capsys.readouterr().err


def test_a_table_from_before_there_was_a_column_goes_on(tmp_path):
    file = tmp_path / "old.csv"
    file.write_text("method,dataset,data,preset,seed,acc\nkmeans,toy,,quick,0,0.5\n")
    assert "AMI" not in table.markdown(table.read(file))
    table.append(file, Row("dec", "mnist", "", "quick", 1, {"acc": 0.6, "ami": 0.4}))
    assert [r.scores.get("ami") for r in table.read(file)] == [None, 0.4]  # nothing is invented
    assert "| 0.400 (one seed) |" in table.markdown(table.read(file))
    assert [(r.method, r.scores["acc"], r.settings) for r in table.read(file)] == [
        ("kmeans", 0.5, ""),
        ("dec", 0.6, ""),
    ]


def test_names_that_are_not_known_are_refused_before_anything_runs(tmp_path, capsys):
    assert call(tmp_path, "--seeds", "two")[0] == 2
    assert "'two'" in capsys.readouterr().err
    assert call(tmp_path, "--methods", "guessing")[0] == 2
    assert "guessing" in capsys.readouterr().err
    assert call(tmp_path, "--preset", "best")[0] == 2
    assert not (tmp_path / "table.csv").exists()


def test_a_run_that_fails_is_said_and_does_not_stop_the_others(tmp_path, capsys, monkeypatch):
    real = carry_out.new_run

    def new_run(store, spec):
        if spec.seed == 0:
            raise ParameterError("no luck")
        return real(store, spec)

    monkeypatch.setattr(carry_out, "new_run", new_run)
    code, out = call(tmp_path, "--seeds", "0", "1")
    assert code == 1
    assert "no luck" in capsys.readouterr().err
    assert [r.seed for r in table.read(out)] == [1]


def test_the_last_step_counts_even_if_labels_like_an_earlier_one_better(tmp_path):
    truth = np.arange(12) % 3
    data = made_runs.dataset(12, truth, ("zero", "one", "two"))
    steps = [made_runs.hard(found, 3) for found in (truth * 0, truth, truth // 2)]
    run = made_runs.write(RunStore(tmp_path), steps, data)
    assert run_scores.of_run(run, data)["acc"] == pytest.approx(8 / 12, abs=1e-5)
    assert run_scores.scores(run[1].assignments, data.labels)["acc"] == 1


def test_summaries_hold_all_seeds_and_what_was_published():
    found = table.summaries([row(0, 0.5), row(0, 0.9, "kmeans"), row(1, 0.7)])
    assert [(s.method, s.seeds, s.figures["acc"]) for s in found] == [
        ("dec", (0, 1), [0.5, 0.7]),
        ("kmeans", (0,), [0.9]),
    ]
    assert 0.843 in [r.acc for r in found[0].reported]
    assert table.mean_and_deviation([0.5, 0.7]) == "0.600 ± 0.141 (0.500 to 0.700)"
    assert table.mean_and_deviation([0.5]) == "0.500 (one seed)"
    assert table.mean_and_deviation([]) == ""


def test_another_preset_than_standard_is_named_with_what_was_changed_of_it():
    names = ["standard", "standard epochs=3", "paper", "paper epochs=50"]
    found = table.summaries([replace(row(0, 0.5), preset=name) for name in names])
    assert [s.unusual for s in found] == ["", "epochs=3", "paper", "paper epochs=50"]


def test_only_runs_of_the_same_settings_and_version_are_averaged():
    """Rows of a preset that has changed, or of other code, were once taken for other seeds."""
    rows = [
        row(0, 0.5),
        replace(row(1, 0.6), settings="epochs=3"),
        replace(row(2, 0.7), version="9.9"),
        replace(row(3, 0.8), data="n_samples=1000"),
        replace(row(4, 0.9), data="n_samples=1_000"),
    ]
    assert [s.seeds for s in table.summaries(rows)] == [(0,), (1,), (2,), (3, 4)]
    assert "standard, version 9.9" in table.markdown(rows)
    assert "standard, version" not in table.markdown(rows[:2])


def test_a_row_of_another_version_is_measured_anew_and_one_of_none_is_believed(tmp_path, capsys):
    _, out = call(tmp_path, "--seeds", "0")
    (measured,) = table.read(out)
    assert measured.version == clustlab.__version__
    for version, says in (("", "is there"), ("0.0.1", "measured by version 0.0.1")):
        table._write(out, [replace(measured, version=version)])
        capsys.readouterr()
        assert call(tmp_path, "--seeds", "0")[0] == 0
        assert says in capsys.readouterr().err
    assert [r.version for r in table.read(out)] == [clustlab.__version__]


def test_what_another_device_measured_is_another_row(tmp_path, capsys):
    _, out = call(tmp_path, "--seeds", "0")
    (measured,) = table.read(out)
    assert measured.device == "cpu"
    table._write(out, [replace(measured, device="H100", seconds=None, preset="quick")])
    capsys.readouterr()
    assert call(tmp_path, "--seeds", "0")[0] == 0
    assert "is there" not in capsys.readouterr().err
    rows = table.read(out)
    assert [(r.device, r.seconds is None) for r in rows] == [("H100", True), ("cpu", False)]
    assert [s.device for s in table.summaries(rows)] == ["H100", "cpu"]
    assert "| quick | H100 | 0 |" in table.markdown(rows)
    assert "Device" not in table.markdown([replace(r, device="") for r in rows])


def test_a_row_of_no_device_is_believed(tmp_path, capsys):
    _, out = call(tmp_path, "--seeds", "0")
    table._write(out, [replace(row, device="") for row in table.read(out)])
    capsys.readouterr()
    assert call(tmp_path, "--seeds", "0")[0] == 0
    assert "is there" in capsys.readouterr().err


def test_another_table_is_named_as_such(tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("name,age\nAda,36\n")
    with pytest.raises(ParameterError, match=r"other\.csv is not a table of figures"):
        table.read(file)


@pytest.mark.parametrize("line", sorted({(r.method, r.preset) for r in table.read(table.SHIPPED)}))
def test_shipped_rows_are_of_their_presets_as_these_are_today(line):
    """Figures of N2D and VaDE once stayed under `standard` after that had changed."""
    for row in table.read(table.SHIPPED):
        if (row.method, row.preset) == line:
            preset, *changes = row.preset.split()
            data, changed = table._values(row.data), table._values(" ".join(changes))
            (study,) = table.studies([row.method], [row.dataset], data, [row.seed], preset, changed)
            (place,) = table.places_of(study)
            spec = replace(place.spec, preset=table.preset_name(preset, changed))
            assert spec.preset == row.preset
            assert differences(row.identity, planned(spec, row.version or UNKNOWN)) == []


def test_the_shipped_table_can_be_read_and_drawn():
    rows = table.read(table.SHIPPED)
    assert {"kmeans", "dec", "iic", "deepcluster"} <= {r.method for r in rows}
    assert len({(r.identity, r.preset, r.device) for r in rows}) == len(rows)
    lines = {(r.method, r.dataset, r.data, r.preset, r.device) for r in rows}
    assert len(table.summaries(rows)) == len(lines)  # one line each, and none parted
    printed = table.markdown(rows)
    assert "0.843 (all 70,000, one run, last update, by their code; Xie et al. 2016)" in printed
    import pandas as pd

    measured = pd.DataFrame([(r.method, r.device, r.scores["acc"]) for r in rows])
    measured.columns = ["method", "device", "acc"]
    published = pd.DataFrame({"method": ["dec"], "acc": [0.843], "words": ["0.843"]})
    assert scores.seeds(measured, published).to_dict()["layer"]


def test_devices_of_one_method_are_told_apart():
    import pandas as pd

    measured = pd.DataFrame(
        [("dec", "cpu", 0.8), ("dec", "cpu", 0.9), ("dec", "H100", 0.5)],
        columns=["method", "device", "acc"],
    )
    published = pd.DataFrame({"method": ["dec"], "acc": [0.843], "words": ["0.843"]})
    spec = scores.seeds(measured, published).to_dict()
    means, seeds, _ = spec["layer"]
    shape = seeds["encoding"]["shape"]
    assert shape["scale"]["domain"] == ["cpu", "H100"]
    assert len(set(shape["scale"]["range"])) == 2
    drawn = spec["datasets"][means["data"]["name"]]
    assert {row["device"]: row["acc"] for row in drawn} == pytest.approx({"cpu": 0.85, "H100": 0.5})
    for layer in (means, seeds):
        told = [tip["field"] for tip in layer["encoding"]["tooltip"]]
        assert {"device", "acc written"} <= set(told)  # 0.9996 is not told as 1.000
        assert "acc" not in told
    colour = means["encoding"]["color"]
    assert colour["scale"]["domain"] == ["mean measured here", "published"]  # the legend says it
    assert colour["legend"] is not None
    alone = scores.seeds(measured[measured["device"] == "cpu"], published).to_dict()
    assert alone["layer"][1]["encoding"]["shape"]["legend"] is None


def test_figures_that_are_nearly_all_are_not_shown_as_all():
    from clustlab.ui.compare import figures

    seeds = {name: [0.99996, 0.9998] for name in table.HEADINGS} | {"seconds": [0.4, 0.2]}
    rows = table.summaries(table.read(table.SHIPPED))
    row = figures._row_of_method(replace(rows[0], figures={**rows[0].figures, **seeds}))
    assert {row[name] for name in ("ACC", "NMI", "Least", "Most", "kNN probe")} == {0.999}
    assert row["Seconds"] == pytest.approx(0.3)


def test_what_was_changed_for_a_figure_is_told_in_words():
    from clustlab.ui.compare import figures

    assert figures._in_words("n_samples=10000") == "10,000 items"
    assert figures._in_words("n_samples=all") == "all items"
    assert figures._in_words("paper epochs=50 perturbation=rpt") == (
        "paper, 50 epochs, perturbation rpt"
    )
    assert figures._in_words("") == ""
    assert figures._data_words("mnist", "n_samples=10000") == "MNIST, 10,000 items"
    assert figures._data_words("gone", "") == "gone"
