"""Adding a method, a data set or a lesson: skeletons, packages of others, and what is offered."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from inspect import get_annotations
from pathlib import Path

import pytest

from clustlab import registry
from clustlab.__main__ import main
from clustlab.cli import documents

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests" / "support" / "plugin_package"
CONTRACTS = (
    "tests/methods/test_methods.py",
    "tests/engine/test_datasets.py",
    "tests/lessons/test_lessons.py",
)


def run_python(*words, folder, path=""):
    """Output of a fresh interpreter in a folder, which must end well."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def installed(folder, points=None):
    """Lay the package of the tests into a folder as an installer would."""
    settings = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    about = folder / "online_kmeans-1.0.dist-info"
    about.mkdir(parents=True)
    shutil.copytree(PACKAGE / "online_kmeans", folder / "online_kmeans")
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {settings['name']}\nVersion: {settings['version']}\n"
    )
    lines = []
    for group, named in (points or settings["entry-points"]).items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in named.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def other_package(tmp_path, monkeypatch):
    """Installs the package with the given entry points; what was found before comes back."""

    def install(**points):
        folder = installed(tmp_path / "site", {f"clustlab.{k}": v for k, v in points.items()})
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(registry, "_refusals", [])
        forget()

    def forget():
        registry.methods.cache_clear()
        registry.installed_datasets.cache_clear()

    yield install
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.split(".")[0] == "online_kmeans"]:
        del sys.modules[name]
    forget()


# Packages of others ------------------------------------------------------------------------------


def test_a_package_adds_a_method_and_a_data_set(other_package):
    before = list(registry.methods())
    other_package(
        methods={"online-kmeans": "online_kmeans:OnlineKMeans"},
        datasets={"two-lines": "online_kmeans.two_lines:TwoLines"},
    )
    assert list(registry.methods()) == [*before, "online-kmeans"]
    assert registry.dataset("two-lines").title == "Two lines"
    assert registry.refusals() == ()
    assert not registry.is_own(registry.method("online-kmeans"))
    assert registry.is_own(registry.method("dec"))


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere_at_all:X", "No module named 'nowhere_at_all'"),
        ("online_kmeans:Missing", "has no attribute 'Missing'"),
        ("online_kmeans:prod", "online_kmeans:prod is no dataclass"),
        ("clustlab.types:Paper", "clustlab.types:Paper lacks accepts, "),
        ("clustlab.methods.dec:DEC", "the name 'dec' is taken by clustlab.methods.dec"),
        ("online_kmeans.broken:Undeclared", "Undeclared.k is not declared with param()"),
        ("online_kmeans.broken:WithoutQuick", "has no preset 'quick'"),
        ("online_kmeans.broken:Outside", "'outside' stands for clusterings made elsewhere"),
        ("online_kmeans.broken:WrongPreset", "n_clusters must lie in [2, 500], got 1"),
        ("online_kmeans.leaves:Anything", "SystemExit"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_named(other_package, capsys, target, reason):
    before = list(registry.methods())
    other_package(methods={"strange": target})
    assert main(["methods", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["name"] for row in json.loads(out)] == before
    assert "'strange' of the package online-kmeans was left out: " in err
    assert reason in err


@pytest.mark.slow
def test_the_method_of_a_package_trains_on_its_data_set(other_package, capsys, tmp_path):
    other_package(
        methods={"online-kmeans": "online_kmeans:OnlineKMeans"},
        datasets={"two-lines": "online_kmeans.two_lines:TwoLines"},
    )
    words = ("--method", "online-kmeans", "--dataset", "two-lines", "--data", "n_samples=80")
    assert main(["train", *words, "--runs", str(tmp_path / "runs")]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["status"] == "done"


# Skeletons ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_skeletons_and_packages_keep_their_contracts_as_they_are(tmp_path):
    site = installed(tmp_path / "site")
    for name in ("clustlab", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name)  # with what is compiled of it
    for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    code = """
from clustlab.__main__ import main
for kind, name in (("method", "deep-pebbles"), ("dataset", "two-pebbles"), ("lesson", "pebbles")):
    assert main(["new", kind, name]) == 0
"""
    told = [json.loads(line) for line in run_python("-c", code, folder=tmp_path).splitlines()]
    assert told[0]["written"] == [
        "clustlab/methods/deep_pebbles.py",
        "README.md",
        "CONTRIBUTING.md",
    ]
    assert told[1]["written"] == ["clustlab/datasets/two_pebbles.py", "README.md"]
    assert told[2]["written"] == ["clustlab/lessons/pebbles.py"]
    for answer, contract in zip(told, CONTRACTS, strict=True):
        assert answer["test"].startswith(f"pytest {contract} -k ")
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "| `deep-pebbles` | Deep pebbles | epoch | Hinton and Salakhutdinov (2006) |" in readme
    assert "| `two-pebbles` | Two pebbles | nothing |" in readme
    ours = "(pebbles or readme_lists) and not every_method_has_a_lesson"
    theirs = "online-kmeans or two-lines"
    out = run_python(
        *("-m", "pytest", *CONTRACTS, "tests/docs/test_docs.py"),
        *("-k", f"({ours}) or {theirs}", "-p", "no:cacheprovider", "-rA", "-q", "-x"),
        folder=tmp_path,
        path=site,
    )
    for name, at_least in (("deep-pebbles", 20), ("two-pebbles", 4), ("online-kmeans", 20)):
        passed = re.findall(rf"^PASSED .*{name}", out, re.MULTILINE)
        assert len(passed) >= at_least, (name, passed)


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("method", "dec", "There is a method 'dec' already"),
        ("method", "kmeans", "There is a method 'kmeans' already"),
        ("method", "cohiclust", "There is a method 'cohiclust' already"),  # a package
        ("method", "outside", "'outside' stands for clusterings made elsewhere"),
        ("dataset", "usps", "There is a dataset 'usps' already"),
        ("dataset", "vision", "There is a dataset 'vision' already"),  # a file of several
        ("lesson", "iic", "There is a lesson 'iic' already"),
        ("method", "Deep", "'Deep' cannot be the name of a method"),
        ("method", "../dec", "'../dec' cannot be the name of a method"),
        ("method", "class", "'class' cannot be the name of a method"),
        ("lesson", "2-means", "'2-means' cannot be the name of a lesson"),
    ],
)
def test_names_that_are_taken_or_no_names_are_refused(capsys, kind, name, told):
    assert main(["new", kind, name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err


# What methods offer besides ----------------------------------------------------------------------


def test_capabilities_are_told_by_what_a_method_has():
    class Plain:
        interventions = {}  # noqa: RUF012

    class Full:
        interventions = {"train": ("learning rate",)}  # noqa: RUF012
        reported = ("a figure",)

        def scorer(self, inputs, state, last):
            return None

        def build_network(self, shape):
            return None

    assert registry.capabilities(Plain) == ()  # an empty offer is none
    offered = ("scorer", "build_network", "interventions", "reported")
    assert registry.capabilities(Full) == registry.capabilities(Full()) == offered
    assert registry.interventions(Plain) == {}
    assert registry.reported(Full) == ("a figure",)
    assert registry.own_scalars(None) == registry.reported(None) == ()


def test_each_capability_is_a_documented_protocol_that_some_method_has():
    for capability in registry.CAPABILITIES:
        assert capability.protocol.__doc__
        named = {*get_annotations(capability.protocol), *vars(capability.protocol)}
        assert capability.attribute in named
        assert capability.meaning.endswith(".")


def test_the_tables_are_those_that_the_code_gives(tmp_path):
    for name in ("README.md", "CONTRIBUTING.md", "CLAIMS.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    changed = documents.refresh(tmp_path)
    assert changed == [], f"run `python -m clustlab docs`: it would change {changed}"
    readme = (tmp_path / "README.md").read_text("utf-8")
    row = documents.method_row(registry.method("idec"))
    stale = readme.replace(row, row.replace("2017", "2071")).replace("| `usps`", "| `uspx`")
    (tmp_path / "README.md").write_text(stale, "utf-8")
    assert documents.refresh(tmp_path) == ["README.md"]
    mended = (tmp_path / "README.md").read_text("utf-8")
    assert row in mended
    assert "`uspx`" not in mended
    assert documents.dataset_row(registry.dataset("usps")) in mended
    table = documents.capability_tables().split("\n\n")[1]
    own = [name for name, method in registry.methods().items() if registry.is_own(method)]
    assert re.findall(r"^\| `([^`]+)`", table, re.MULTILINE) == own


def test_methods_are_listed_with_what_they_offer(capsys):
    assert main(["methods", "--json"]) == 0
    rows = {row["name"]: row["capabilities"] for row in json.loads(capsys.readouterr().out)}
    assert "scorer" in rows["kmeans"]
    assert rows["agglomerative"] == []
    assert rows["hdbscan"] == ["emits_noise"]
