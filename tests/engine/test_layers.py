"""Who may import whom: the contracts of pyproject.toml, the source, and fresh interpreters."""

import ast
import graphlib
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clustlab"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"])
TRAINING = tuple(f"clustlab.training.{name}" for name in ("train", "worker", "runner", "writer"))
HEAVY = ("torch", "torchvision", "umap", "sklearn", "numba")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTRACTS = [contract["name"] for contract in SETTINGS["tool"]["importlinter"]["contracts"]]
BREACHES = {  # an import for each contract that forbids it
    "analysis/matching.py": "clustlab.analysis.timeline",
    "analysis/verdict.py": "altair, streamlit, clustlab.training.train",
    "claims/dec_again.py": "clustlab.claims.iic_table",
    "cli/failures.py": "clustlab.views.theme",
    "lessons/dec.py": "clustlab.lessons.iic",
    "methods/dec.py": "clustlab.methods.idec, clustlab.registry",
    "runs/store.py": "clustlab.methods.dec",
}


def name_of(file):
    return file.relative_to(ROOT).as_posix()


@cache
def imports(file, *, top_level=False):
    """Every module that a file imports, anywhere or at its top level."""
    return list(_imports(file, ast.parse(file.read_text("utf-8")), top_level))


def _imports(file, tree, top_level):
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(file)} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_reader_of_imports_finds_them(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("import a.b\nfrom c import d\ndef f():\n    import e\n")
    assert imports(file) == ["a.b", "c", "c.d", "e"]
    assert imports(file, top_level=True) == ["a.b", "c", "c.d"]


# -- contracts -------------------------------------------------------------------------------------
def broken(folder):
    """Names of the contracts that the package in a folder breaks, and all that is said of them."""
    code = "from importlinter.cli import lint_imports; lint_imports(no_cache=True, no_logo=True)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^(.+) (KEPT|BROKEN)", run.stdout, re.MULTILINE)
    assert [name for name, _ in listed] == CONTRACTS, run.stdout + run.stderr
    return [name for name, state in listed if state == "BROKEN"], run.stdout


def test_rooms_import_only_what_the_contracts_allow():
    names, says = broken(ROOT)
    assert names == [], says


def test_every_contract_notices_a_breach(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "clustlab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, imported in BREACHES.items():
        file = tmp_path / "clustlab" / name
        file.write_text(f"{file.read_text('utf-8')}\nimport {imported}\n", "utf-8")
    assert broken(tmp_path)[0] == CONTRACTS


def test_no_file_imports_itself_through_others():
    graph = grimp.build_graph("clustlab", cache_dir=None)  # lazy imports included
    needs = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert needs["clustlab.ui.run.frame"]
    graphlib.TopologicalSorter(needs).prepare()  # a CycleError names the files of a circle


@pytest.mark.slow
def test_one_file_names_what_the_session_and_the_address_hold():
    spelt = [
        f"{name_of(file)}:{node.lineno}"
        for file in SOURCES
        if name_of(file) != "clustlab/ui/state.py"
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("session_state", "query_params")
    ]
    assert spelt == []


# -- what is loaded when ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "file",
    [f for f in SOURCES if name_of(f).startswith(("clustlab/datasets", "clustlab/ui", "pages"))],
    ids=name_of,
)
def test_what_a_page_imports_at_its_top_is_light(file):
    for module in imports(file, top_level=True):
        assert module.split(".")[0] not in HEAVY
        assert module not in TRAINING


def fresh(code):
    """Last line that a fresh interpreter prints."""
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()[-1] if found.stdout else ""


FACE = (
    *("clustlab.ui", "clustlab.views", "clustlab.lessons.", "clustlab.__main__"),
    "clustlab.scripting.plot",
)


@pytest.mark.slow
def test_the_engine_works_without_streamlit_and_altair():
    code = """
import pkgutil, sys
for name in ("streamlit", "altair"):
    sys.modules[name] = None
import clustlab
for module in pkgutil.walk_packages(clustlab.__path__, "clustlab."):
    if not module.name.startswith(FACE):
        __import__(module.name)
from clustlab import registry
print(len(registry.methods()) > 0 and len(registry.datasets()) > 0)
"""
    assert fresh(f"FACE = {FACE}{code}") == "True"


def test_readers_of_runs_and_lists_of_data_sets_load_nothing_heavy():
    code = f"""
import sys
import clustlab.runs.store, clustlab.analysis.run_scores, clustlab.training.estimate
import clustlab.registry, clustlab.__main__
clustlab.registry.datasets()
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert fresh(code) == "[]"


def test_a_page_opens_without_loading_what_trains():
    code = f"""
import sys
import clustlab.ui.session, clustlab.ui.nav
print([name for name in {("torch", "torchvision", "umap", "numba")} if name in sys.modules])
"""
    assert fresh(code) == "[]"


def test_home_opens_without_tables_and_charts():
    code = """
import sys
import clustlab.ui.home.home
print([name for name in ("pandas", "altair", "sklearn", "scipy") if name in sys.modules])
"""
    assert fresh(code) == "[]"


def test_nothing_draws_at_import_and_nobody_else_seeds_torch():
    for file in SOURCES:
        text = file.read_text("utf-8")
        if name_of(file) != "clustlab/context.py":
            assert "torch.manual_seed" not in text, name_of(file)
        assert "np.random.seed" not in text, name_of(file)


def test_files_that_others_may_have_written_are_read_in_one_way():
    """See CONTRIBUTING.md: each of these would believe whatever it finds."""
    ways = ("json.load(", "json.loads(", "np.load(", "torch.load(")
    found = {name_of(file): [way for way in ways if way in file.read_text()] for file in SOURCES}
    assert {name: calls for name, calls in found.items() if calls} == {
        "clustlab/data/torch_file.py": ["torch.load("],  # after a look at the archive
        "clustlab/scripting/exporting/load_model.py": ["json.loads("],  # which leaves clustlab
    }


def test_files_stay_short():
    limit = {f: 700 if "lessons" in f.parts else 500 for f in SOURCES}  # a lesson is half text
    long = {name_of(f): n for f in SOURCES if (n := len(f.read_text().splitlines())) > limit[f]}
    assert long == {}
