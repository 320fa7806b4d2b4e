"""Tables of runs for a paper: the seeds of a setting in one line, and nothing that breaks it."""

import csv
import io
import json

import pytest

from clustlab.__main__ import main
from clustlab.analysis import seed_table
from clustlab.analysis.seed_table import Line, escaped, latex, lines_of_runs, spread
from clustlab.benchmark import table
from clustlab.runs.status import queued_status, write_status
from tests.support import made_runs

TRUTH = [0, 1, 2] * 4
WORSE = [0, 1, 1] * 4


@pytest.fixture
def runs(store):
    """Three seeds of k-means, one of which was done twice, and one of DEC."""
    made_runs.data(store, labels=TRUTH)
    return [
        made_runs.run(store, [clusters], seed=seed, method=method)
        for seed, clusters, method in (
            (0, TRUTH, "kmeans"),
            (2, WORSE, "kmeans"),
            (1, TRUTH, "kmeans"),
            (1, WORSE, "kmeans"),
            (0, TRUTH, "dec"),
        )
    ]


def test_seeds_of_the_same_settings_are_one_line(store, runs):
    lines = lines_of_runs(store, runs)
    assert [(line.words["Method"], line.seeds) for line in lines] == [
        ("k-means", (0, 1, 2)),
        ("DEC", (0,)),
    ]
    assert lines[0].figures["ACC"] == pytest.approx([1, 1, 2 / 3], abs=1e-4)
    assert "seed" not in lines[0].words["Settings"]


def test_runs_that_are_not_done_or_have_no_items_have_no_line(store, runs):
    write_status(runs[-1].path, queued_status())
    assert len(lines_of_runs(store, runs)) == 1
    (store.root / "_data" / "made" / "items.npy").unlink()
    assert lines_of_runs(store, runs) == []


def test_a_spread_is_the_mean_with_both_ends(store):
    assert spread([0.8, 0.9, 0.76]) == "$0.820^{+0.080}_{-0.060}$"
    assert spread([0.5]) == "$0.500$"
    assert spread([0.5, 0.5]) == "$0.500$"
    assert spread([]) == ""


def test_csv_has_mean_least_and_most(store, runs):
    (row, _) = csv.DictReader(io.StringIO(seed_table.csv(lines_of_runs(store, runs))))
    assert row["Seeds"] == "0 1 2"
    assert float(row["ACC mean"]) == pytest.approx((2 + 2 / 3) / 3, abs=1e-4)
    assert float(row["ACC least"]) == pytest.approx(2 / 3, abs=1e-4)
    assert float(row["ACC most"]) == 1
    odd = [Line({"Method": "=1+1"}, (0,), {"ACC": [1.0]})]
    assert seed_table.csv(odd).splitlines()[1].startswith("'=1+1,")


def test_latex_has_a_cell_for_each_column_and_escapes_what_is_special(store, runs):
    odd = Line({"Method": r"a_b & 50% {x}^2 \end", "Settings": ""}, (0, 1), {"ACC": [0.5, 0.7]})
    text = latex([odd, Line({"Method": "c", "Settings": ""}, (0,), {"ACC": []})])
    assert r"a\_b \& 50\% \{x\}\textasciicircum{}2 \textbackslash{}end & 2 & " in text
    assert "Settings" not in text  # which say nothing
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in body}) == 1
    assert r"\begin{tabular}{lrr}" in text
    assert escaped("two\nlines") == "two lines"


def test_the_command_writes_a_table_over_nothing(store, runs, tmp_path, capsys):
    file = tmp_path / "table.tex"
    words = ["list", "--to", "latex", "-o", str(file), "--runs", str(store.root)]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer == {"file": str(file), "lines": 2, "runs": 4}
    assert r"\toprule" in file.read_text()
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force", "--search", "dec"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["lines"] == 1
    assert main(["list", "--to", "csv", "--runs", str(store.root)]) == 2
    assert main([*words, "--force", "--search", "nothing"]) == 2
    assert "None of these runs is done" in capsys.readouterr().err


def test_the_shipped_figures_make_a_table_too():
    rows = table.read(table.SHIPPED)
    lines = table.lines(rows)
    assert sum(len(line.seeds) for line in lines) == len(rows)
    text = latex(lines)
    assert text.count(r"\\") == len(lines) + 1
    assert "^{+" in text
