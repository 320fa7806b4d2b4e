"""Who may import whom: the source is read, and fresh interpreters are asked."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clustlab"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"])
TRAINING = tuple(f"clustlab.training.{name}" for name in ("train", "runner", "writer"))
HEAVY = ("torch", "torchvision", "umap", "sklearn", "numba")


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


def importers(library):
    return {
        name_of(file)
        for file in SOURCES
        if any(name == library or name.startswith(f"{library}.") for name in imports(file))
    }


def below(folder):
    return {name_of(file) for file in SOURCES if name_of(file).startswith(folder)}


def test_the_reader_of_imports_finds_them(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("import a.b\nfrom c import d\ndef f():\n    import e\n")
    assert imports(file) == ["a.b", "c", "c.d", "e"]
    assert imports(file, top_level=True) == ["a.b", "c", "c.d"]


def test_only_the_face_imports_streamlit():
    assert importers("streamlit") <= below("clustlab/ui/") | below("pages/") | {"app.py"}


def test_only_views_and_the_face_import_altair():
    assert importers("altair") <= below("clustlab/views/") | below("clustlab/ui/")


def test_the_face_is_imported_by_the_face_only():
    assert importers("clustlab.ui") <= below("clustlab/ui/") | below("pages/") | {"app.py"}
    allowed = below("clustlab/views/") | below("clustlab/ui/") | below("pages/")
    allowed |= below("clustlab/lessons/") | below("clustlab/course/")  # they know no pages
    assert importers("clustlab.views") <= allowed


METHODS = [file for file in SOURCES if name_of(file).startswith("clustlab/methods/")]
PARTS = [file for file in SOURCES if name_of(file).startswith("clustlab/parts/")]


@pytest.mark.parametrize("file", METHODS, ids=name_of)
def test_a_method_knows_parts_and_its_own_package_only(file):
    allowed = ("types", "params", "context", "errors", "parts")
    own = (f"clustlab.methods.{file.parent.name}",)
    for module in imports(file):
        if module.startswith("clustlab.") and not module.startswith(own):
            assert module.split(".")[1] in allowed, f"{name_of(file)} imports {module}"


@pytest.mark.parametrize("file", PARTS, ids=name_of)
def test_a_part_knows_no_method_no_run_and_no_label(file):
    allowed = ("types", "params", "context", "errors", "parts")
    for module in imports(file):
        if module.startswith("clustlab."):
            assert module.split(".")[1] in allowed, f"{name_of(file)} imports {module}"


def test_analysis_and_views_do_not_know_how_to_train():
    for folder in ("clustlab/analysis/", "clustlab/views/"):
        for trainer in ("training", "context", "methods"):
            assert not importers(f"clustlab.{trainer}") & below(folder)


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


FACE = ("clustlab.ui", "clustlab.views", "clustlab.lessons.", "clustlab.__main__")


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
import clustlab.ui.train.cards
print([name for name in ("pandas", "altair", "sklearn", "scipy") if name in sys.modules])
"""
    assert fresh(code) == "[]"


def test_nothing_draws_at_import_and_nobody_else_seeds_torch():
    for file in SOURCES:
        text = file.read_text("utf-8")
        if name_of(file) != "clustlab/context.py":
            assert "torch.manual_seed" not in text, name_of(file)
        assert "np.random.seed" not in text, name_of(file)


def test_files_stay_short():
    limit = {f: 650 if "lessons" in f.parts else 500 for f in SOURCES}  # a lesson is half text
    long = {name_of(f): n for f in SOURCES if (n := len(f.read_text().splitlines())) > limit[f]}
    assert long == {}
