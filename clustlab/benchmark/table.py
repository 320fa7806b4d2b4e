"""The table of figures: methods by data sets by seeds, a study of each data set.

Each run adds a line to a CSV file as soon as it has ended, so an interrupted table goes on where it
stood. Methods never see labels, the settings are those of a preset for every seed, and nothing is
chosen by a score.
"""

import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TextIO

from clustlab import params, registry
from clustlab.analysis import seed_table
from clustlab.analysis.run_scores import Scores
from clustlab.analysis.score_catalogue import LABELLED, OF_ONE_STEP, SCORES
from clustlab.errors import ParameterError
from clustlab.runs.identity import UNKNOWN, Identity, planned
from clustlab.runs.store import Run, RunSpec
from clustlab.studies.description import METHOD, SEED, Axis, Base, Study
from clustlab.studies.state import Place, places
from clustlab.studies.store import LONGEST
from clustlab.types import Reported

ROUNDED = ("seconds", "peak_mb")  # figures shown without decimals
SHIPPED = Path(__file__).with_name("figures.csv")  # measured for the README


@dataclass(frozen=True, slots=True)
class Row:
    """One run; None where a figure is not defined."""

    method: str
    dataset: str
    data: str  # parameters of the data set, such as "n_samples=10000"
    preset: str  # and what was set besides, such as "standard perturbation=rpt"
    seed: int
    scores: Scores = field(default_factory=dict)  # by key, of the last step
    knn_probe: float | None = None
    start_acc: float | None = None  # of the clusters that the method then refines
    over_purity: float | None = None  # purity of its many clusters, before merging
    steps: int | None = None
    seconds: float | None = None
    peak_mb: float | None = None  # memory of the process at its highest, in 10^6 bytes
    protocol: str = ""
    settings: str = ""  # what the preset set when it was measured; empty if it was not noted
    version: str = ""  # of the code; empty if it was not noted
    device: str = ""  # "cpu" or the name of the card; empty if it was not noted

    @property
    def identity(self) -> Identity:
        """Identity of the run; settings that were not noted are as the preset sets them today."""
        given = _values(self.settings) if self.settings else _preset_values(self)
        data = _values(self.data)
        spec = RunSpec(self.dataset, self.method, data, given, self.preset, self.seed)
        return planned(spec, self.version or UNKNOWN)


KINDS = {f.name: str(f.type) for f in fields(Row) if f.name != "scores"}
COLUMNS = [*list(KINDS)[:5], *OF_ONE_STEP, *list(KINDS)[5:]]  # scores after what makes the key
OTHER_FIGURES = ("knn_probe", "start_acc", "over_purity", "seconds", "peak_mb")
HEADINGS = {  # above the columns of a table for reading
    **{key: SCORES[key].short for key in (*LABELLED, "share_clustered")},
    "knn_probe": "kNN probe",
    "seconds": "Seconds",
    "peak_mb": "Peak MB",
}


def read(file: Path) -> list[Row]:
    """Rows of a table; none if it is not there.

    Raises
    ------
    ParameterError
        If it is not such a table.
    """
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    try:
        return [_row(line) for line in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise ParameterError(
            f"{file.name} is not a table of figures: {error}.", "Choose another file with --out."
        ) from error


def _row(line: Mapping[str, str]) -> Row:
    """Row of a line; scores that the file has no column for, or that are blank, are left out."""
    scores = {k: v for k, v in line.items() if k in OF_ONE_STEP}
    others = {k: _value(KINDS[k], v) for k, v in line.items() if k not in scores}
    return Row(**others, scores={k: SCORES[k].stored(float(v)) for k, v in scores.items() if v})


def _value(kind: str, text: str) -> Any:
    if "str" in kind:
        return text
    if not text:
        return None
    return int(text) if "int" in kind else float(text)


def _values(text: str) -> dict[str, Any]:
    """Names and values of a text such as "epochs=12 flip=False"; they are still texts."""
    pairs = (word.split("=", 1) for word in text.split() if "=" in word)
    return {name: None if value == "None" else value for name, value in pairs}


def _preset_values(row: Row) -> dict[str, Any]:
    name, _, changes = row.preset.partition(" ")
    known = registry.methods().get(row.method)
    return {**(known.presets.get(name, {}) if known else {}), **_values(changes)}


def append(file: Path, row: Row) -> None:
    """Add a row at once, so that nothing is lost when the next one is interrupted."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if _columns(file) != COLUMNS:  # new, or written before there was a column
        _write(file, read(file))
    with file.open("a", newline="", encoding="utf-8") as stream:
        _writer(stream).writerow(_cells(row))


def drop(file: Path, rows: Sequence[Row]) -> None:
    """Take rows out of a table."""
    _write(file, [row for row in read(file) if row not in rows])


def _columns(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").partition("\n")[0].split(",") if file.exists() else []


def _write(file: Path, rows: Sequence[Row]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = _writer(stream)
        writer.writeheader()
        writer.writerows(_cells(row) for row in rows)


def _writer(stream: TextIO) -> "csv.DictWriter[str]":
    return csv.DictWriter(stream, COLUMNS, lineterminator="\n")


def _cells(row: Row) -> dict[str, Any]:
    values = {**{name: getattr(row, name) for name in KINDS}, **row.scores}
    return {name: "" if value is None else value for name, value in values.items()}


def studies(
    methods: Sequence[str] | None,
    datasets: Sequence[str],
    data: Mapping[str, str],
    seeds: Sequence[int],
    preset: str,
    changes: Mapping[str, str] | None = None,
    device: str = "auto",
) -> list[Study]:
    """The runs of a table as a study for each data set, of each method that takes it.

    Raises
    ------
    ParameterError
        For a name or value that is not known, or a method that does not take a data set named.
    """
    changes = changes or {}
    found = []
    for dataset in dict.fromkeys(datasets):
        kind = registry.dataset(dataset).kind
        every = [m for m, cls in registry.methods().items() if kind in cls.accepts]
        chosen = tuple(dict.fromkeys(methods or every))
        of_data = _typed(registry.dataset(dataset), data)
        settings = _typed(registry.method(chosen[0]), changes)
        base = Base(dataset, chosen[0], preset, of_data, settings, device)
        axes = Axis(METHOD, chosen), Axis(SEED, tuple(dict.fromkeys(seeds)))
        words = " ".join(filter(None, (dataset, _words(data), preset_name(preset, changes))))
        found.append(Study(f"benchmark: {words}"[:LONGEST], base, axes))
    return found


def _typed(owner: type, given: Mapping[str, str]) -> dict[str, Any]:
    """Values of a method or data set from their texts; others are left for the study to refuse."""
    declared = {p.name: p for p in params.schema(owner)}
    return {n: params.check(declared[n], v) if n in declared else v for n, v in given.items()}


def _words(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))


def preset_name(preset: str, changes: Mapping[str, str]) -> str:
    """What a line calls a preset and what is changed of it, so that it is a line of its own."""
    return " ".join(filter(None, (preset, _words(changes))))


def places_of(study: Study, runs: Sequence[Run] = ()) -> list[Place]:
    """Runs of a study as a table has them: all seeds of a method together."""
    methods = [cell.chosen for cell in study.cells]
    return sorted(places(study, runs), key=lambda place: methods.index(place.cell.chosen))


# -- summing up --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Summary:
    """All seeds of one setting."""

    method: str
    dataset: str
    data: str
    preset: str
    seeds: tuple[int, ...]
    figures: Mapping[str, Sequence[float]]  # by name, a value a seed; empty if not defined
    protocol: str
    reported: tuple[Reported, ...]
    version: str = ""
    device: str = ""

    @property
    def unusual(self) -> str:
        """What was not as in `standard`: another preset, and what was changed of it."""
        return self.preset.removeprefix("standard").strip()


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """Seeds of the same settings, preset and device together, in the order in which they came."""
    groups: dict[tuple[Identity, str, str], list[Row]] = {}
    for row in rows:
        key = replace(row.identity, seed=0), row.preset, row.device
        groups.setdefault(key, []).append(row)
    return [_summary(group) for group in groups.values()]


def _summary(group: Sequence[Row]) -> Summary:
    first = group[0]
    values = {key: [row.scores.get(key) for row in group] for key in OF_ONE_STEP}
    values |= {name: [getattr(row, name) for row in group] for name in OTHER_FIGURES}
    known_values = {
        name: [value for value in every if value is not None] for name, every in values.items()
    }
    known = registry.methods().get(first.method)
    reported = tuple(r for r in registry.reported(known) if r.dataset == first.dataset)
    return Summary(
        first.method,
        first.dataset,
        first.data,
        first.preset,
        tuple(row.seed for row in group),
        known_values,
        first.protocol.split(", drawn")[0],
        reported,
        first.version,
        first.device,
    )


def shown_figures(rows: Sequence[Row]) -> dict[str, str]:
    """Figures that a table of these rows has columns for, with their headings: those measured."""
    every = summaries(rows)
    return {name: text for name, text in HEADINGS.items() if any(s.figures[name] for s in every)}


def mean_and_deviation(values: Sequence[float], digits: int = 3) -> str:
    """Mean, standard deviation, least and greatest of some figures in words; empty if none."""
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) == 1:
        return f"{mean} (one seed)"
    deviation = f"{statistics.stdev(values):.{digits}f}"
    return f"{mean} ± {deviation} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def markdown(rows: Sequence[Row]) -> str:
    """The table for reading: one line a method and data set, the published figure beside it."""
    headings = shown_figures(rows)
    devices = ["Device"] if any(row.device for row in rows) else []
    head = ["Method", "Data", "Preset", *devices, "Seeds", *headings.values(), "Published ACC"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    several = len({row.version for row in rows}) > 1
    for s in summaries(rows):
        preset = f"{s.preset}, version {s.version or UNKNOWN}" if several else s.preset
        cells = [s.method, f"{s.dataset}: {s.protocol}", preset, *([s.device] if devices else [])]
        cells.append(", ".join(map(str, s.seeds)))
        cells += [mean_and_deviation(s.figures[n], 0 if n in ROUNDED else 3) for n in headings]
        cells.append("; ".join(r.words for r in s.reported))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def lines(rows: Sequence[Row]) -> list[seed_table.Line]:
    """The table as lines that can be written for a paper, see `seed_table`."""
    headings = shown_figures(rows)
    return [
        seed_table.Line(
            {
                "Method": known.title if (known := registry.methods().get(s.method)) else s.method,
                "Data": " ".join(filter(None, (s.dataset, s.data))),
                "Preset": s.preset,
                "Device": s.device,
            },
            s.seeds,
            {text: s.figures[name] for name, text in headings.items() if name not in ROUNDED},
        )
        for s in summaries(rows)
    ]
