"""The README, the help and the readings say what there is, and nothing else."""

import ast
import importlib
import inspect
import pkgutil
import re
import statistics
import sys
from pathlib import Path

import pytest

import clustlab.views
from clustlab import registry
from clustlab.benchmark import table
from clustlab.params import schema
from clustlab.views.theme import reading

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ROWS = "a row is missing or left over; `python -m clustlab docs` mends it"
PLUGINS = {**registry.methods(), **registry.datasets()}
NAMES = {  # where a package is imported under another name than it is installed under
    "PIL": "pillow",
    "fontTools": "fonttools",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "vl_convert": "vl-convert-python",
    "xdist": "pytest-xdist",
}
OPTIONAL = {"ray", "onnxruntime", "onnxscript"}  # imported where used, with a word if missing
INDIRECT = {"pyarrow", "starlette"}  # of streamlit, by name so that its version is known


def section(title):
    """Text below a heading, up to the next of its kind."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def listed(title):
    """Names in the first column of the table in a section."""
    rows = re.findall(r"^\| (`[^|]+) \|", section(title), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_the_readme_lists_exactly_the_methods_there_are():
    own = sorted(name for name, method in registry.methods().items() if registry.is_own(method))
    assert sorted(listed("Methods")) == own, f"README.md, section Methods: {ROWS}"


def test_the_readme_lists_exactly_the_data_sets_there_are():
    own = sorted(name for name, spec in registry.datasets().items() if registry.is_own(spec))
    assert sorted(listed("Data sets")) == own, f"README.md, section Data sets: {ROWS}"


@pytest.mark.parametrize("name", listed("Methods"))
def test_the_readme_names_year_and_step_of_each_method(name):
    method = registry.method(name)
    (row,) = [line for line in section("Methods").splitlines() if line.startswith(f"| `{name}`")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    where = f"README.md, section Methods, row {name}"
    assert cells[2] == method.step_unit, f"{where}: the third cell is not its step_unit"
    assert f"({method.paper.year})" in cells[3], f"{where}: the year of its paper is missing"


def test_the_readme_has_the_two_commands_and_the_check_runs_the_second():
    blocks = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks[0].strip() == "pip install -r requirements.txt && streamlit run app.py"
    assert blocks[1].strip() == "bash tests/run"
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "bash tests/run"


def test_what_the_readme_points_to_is_there():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [t for t in targets if "://" not in t and not (ROOT / t).exists()]
    assert missing == [], f"README.md points to {missing}, which is not there"


def test_the_readme_is_short():
    lines = sum(not line.startswith("|") for line in README.splitlines())  # tables may grow
    assert lines <= 200, (
        f"README.md has {lines} lines beside its tables; what is long belongs in CONTRIBUTING.md"
    )


@pytest.mark.parametrize("name", PLUGINS)
def test_every_parameter_explains_itself(name):
    for p in schema(PLUGINS[name]):
        assert len(p.help) > 15, p.name
        assert p.help[0].isupper(), p.name
        assert p.help.endswith("."), p.name


def views():
    """Every public function that draws a chart or a sheet of images."""
    for info in pkgutil.iter_modules(clustlab.views.__path__):
        module = importlib.import_module(f"clustlab.views.{info.name}")
        for name, value in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(value):
                continue
            if value.__module__ == module.__name__ and info.name not in ("charts", "artefacts"):
                drawn = str(inspect.signature(value).return_annotation)
                if "Chart" in drawn or "Sheet" in drawn:
                    yield pytest.param(value, id=f"{info.name}.{name}")


@pytest.mark.parametrize("view", list(views()))
def test_every_view_says_how_to_read_it(view):
    text = reading(view)
    assert len(text) > 30
    assert text.endswith(".")


# Requirements ------------------------------------------------------------------------------------


def pinned(file):
    """Versions by name of package in a file of requirements."""
    lines = (ROOT / file).read_text().splitlines()
    kept = [line.split("#")[0].strip() for line in lines]
    found = dict(line.split("==") for line in kept if line and not line.startswith("-"))
    assert len(found) == sum(1 for line in kept if line and not line.startswith("-"))
    return found


def third_party(folders):
    """Top-level names of packages that the sources import."""
    files = [f for folder in folders for f in (ROOT / folder).rglob("*.py")]
    own = {
        "clustlab",
        "tests",
        "conftest",
        "online_kmeans",
        *(f.stem for f in files if f.parent == ROOT / "pages"),
    }
    found = set()
    for file in [*files, ROOT / "app.py"]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    return {NAMES.get(name, name) for name in found - own - set(sys.stdlib_module_names)}


def test_every_requirement_is_imported_and_every_import_is_required():
    required = set(pinned("requirements.txt"))
    used = third_party(["clustlab", "pages"]) - OPTIONAL
    assert used - INDIRECT <= required
    assert required <= used | INDIRECT


def test_the_tests_require_what_they_import():
    tools = {"pytest-timeout", "pytest-xdist", "ruff", "mypy", "pandas-stubs", "scipy-stubs"}
    required = set(pinned("tests/requirements.txt"))
    used = third_party(["tests"]) - set(pinned("requirements.txt")) - INDIRECT
    used = {name for name in used if name not in {"clustpy"}}
    assert {name.replace("axe_playwright_python", "axe-playwright-python") for name in used} <= (
        required
    )
    assert tools <= required


@pytest.mark.parametrize("file", ["requirements.txt", "tests/requirements.txt"])
def test_the_versions_here_are_those_required(file):
    from importlib.metadata import version

    found = {name: version(name).split("+")[0] for name in pinned(file)}
    assert found == pinned(file)


def mean(figures, digits=3):
    return f"{statistics.fmean(figures):.{digits}f}" if figures else ""


def test_figures_are_those_of_the_shipped_table():
    rows = [line.split(" | ") for line in section("Figures measured here").splitlines()]
    found = {row[0].removeprefix("| "): row[1:] for row in rows if len(row) > 1}
    for s in table.summaries(table.read(table.SHIPPED)):
        name = f"{s.method} {s.unusual}".strip()
        where = ", all 70,000" if s.data == "n_samples=all" else ""
        where += "" if s.device == "cpu" else f", {s.device}"
        seeds, acc, nmi, ari, probe, seconds, peak, published, last = found.pop(f"{name}{where}")
        share = statistics.fmean(s.figures["share_clustered"] or [1])
        assert (f"{share:.0%} clustered" in last) == (share < 1), name
        assert (seeds, acc) == (str(len(s.seeds)), table.mean_and_deviation(s.figures["acc"])), name
        thousandths = [mean(s.figures[figure]) for figure in ("nmi", "ari", "knn_probe")]
        assert [nmi, ari, probe] == thousandths, name
        assert [seconds, peak] == [mean(s.figures[n], 0) for n in ("seconds", "peak_mb")], name
        assert published in ([r.words for r in s.reported] or [""]), name
    assert set(found) == {"Method"}  # the head, and no row that was not measured
