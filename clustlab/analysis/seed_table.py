"""Runs as a table for a paper: those that differ in nothing but the seed make one line.

Each figure is the mean over the seeds, with the least and the greatest: a standard deviation of two
or three seeds says little.
"""

import contextlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

import clustlab
from clustlab.analysis import run_scores
from clustlab.analysis.score_catalogue import MERGED, OF_ONE_STEP, SCORES
from clustlab.errors import RunNotFound
from clustlab.runs import titles
from clustlab.runs.exports import safe_cells
from clustlab.runs.identity import Identity, identity_of
from clustlab.runs.store import Run, RunStore

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
_ESCAPED = str.maketrans(SPECIAL)


@dataclass(frozen=True, slots=True)
class Line:
    """All seeds of one setting."""

    words: Mapping[str, str]  # what is told of it, by heading
    seeds: tuple[int, ...]
    figures: Mapping[str, Sequence[float]]  # by heading, a value a seed; empty if not defined


def lines_of_runs(store: RunStore, runs: Iterable[Run]) -> list[Line]:
    """Lines of the runs that are done and whose items are there, in the order in which they came.

    Of two that are the same with the same seed, the first counts.
    """
    groups: dict[Identity, dict[int, tuple[Run, run_scores.Scores]]] = {}
    for run in runs:
        if run.status == "done" and len(run):
            with contextlib.suppress(RunNotFound):  # its items or its last step are gone
                scores = run_scores.of_run(run, store.dataset(run))
                group = groups.setdefault(replace(identity_of(run), seed=0), {})
                group.setdefault(run.spec.seed, (run, scores))
    return [_line(dict(sorted(group.items()))) for group in groups.values()]


def _line(group: Mapping[int, tuple[Run, run_scores.Scores]]) -> Line:
    first, _ = next(iter(group.values()))
    figures = {
        SCORES[key].short: [
            float(value) for _, scores in group.values() if (value := scores.get(key)) is not None
        ]
        for key in (*MERGED, *OF_ONE_STEP)
    }
    words = {
        "Method": first.manifest["method_title"],
        "Data": first.manifest["dataset_title"],
        "Preset": first.spec.preset,
        "Settings": titles.what_differs(first),
    }
    return Line(words, tuple(group), figures)


# -- written out -----------------------------------------------------------------------------------
def frame(lines: Sequence[Line]) -> pd.DataFrame:
    """Table for programs: mean, least and greatest of each figure in columns of their own."""
    rows = []
    for line in lines:
        row: dict[str, object] = {**line.words, "Seeds": " ".join(map(str, line.seeds))}
        for name in _measured(lines):
            values = line.figures[name]
            row[f"{name} mean"] = statistics.fmean(values) if values else None
            row[f"{name} least"] = min(values, default=None)
            row[f"{name} most"] = max(values, default=None)
        rows.append(row)
    return pd.DataFrame(rows)


def csv(lines: Sequence[Line]) -> str:
    """The same as CSV, in which no text is a formula to a spreadsheet."""
    return safe_cells(frame(lines)).to_csv(index=False)


def latex(lines: Sequence[Line]) -> str:
    """Table for a paper, with the lines of `booktabs`."""
    names, figures = _told(lines), _measured(lines)
    head = [*names, "Seeds", *figures]
    rows = [
        [
            *(escaped(line.words[name]) for name in names),
            str(len(line.seeds)),
            *(spread(line.figures[name]) for name in figures),
        ]
        for line in lines
    ]
    columns = "l" * len(names) + "r" * (len(head) - len(names))
    return "\n".join(
        [
            f"% Made with clustlab {clustlab.__version__}; needs \\usepackage{{booktabs}}.",
            "% Mean over the seeds, with the distances to the greatest and the least.",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            _row(map(escaped, head)),
            "\\midrule",
            *map(_row, rows),
            "\\bottomrule",
            "\\end{tabular}",
            "",
        ]
    )


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def spread(values: Sequence[float]) -> str:
    """Mean of some figures with its distances to the ends of their range; empty without any."""
    if not values:
        return ""
    mean = round(statistics.fmean(values), 3)  # so that the three numbers add up
    if min(values) == max(values):
        return f"${mean:.3f}$"
    return f"${mean:.3f}^{{+{max(values) - mean:.3f}}}_{{-{mean - min(values):.3f}}}$"


def escaped(text: str) -> str:
    """Text in which LaTeX sees nothing but text, in one line."""
    return " ".join(text.split()).translate(_ESCAPED)


def _told(lines: Sequence[Line]) -> list[str]:
    """Headings of words that say something of any line."""
    names = dict.fromkeys(name for line in lines for name in line.words)
    return [name for name in names if any(line.words[name] for line in lines)]


def _measured(lines: Sequence[Line]) -> list[str]:
    """Headings of figures that any line has."""
    names = dict.fromkeys(name for line in lines for name in line.figures)
    return [name for name in names if any(line.figures[name] for line in lines)]
