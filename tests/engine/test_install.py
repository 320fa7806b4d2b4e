"""The package as others install it: a wheel, in an environment and a folder of its own."""

import asyncio
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

import clustlab
from clustlab.ui import nav
from tests.support.asked import outcome
from tests.support.browser import free_port, served
from tests.support.viewer import Viewer

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))


def test_every_extra_that_a_message_names_is_there():
    named = {
        extra
        for file in (ROOT / "clustlab").rglob("*.py")
        for extra in re.findall(r"clustlab\[(\w+)\]", file.read_text("utf-8"))
    }
    assert {"onnx", "mlflow"} <= named <= set(PROJECT["optional-dependencies"])


def requirement(line):
    """Name of a package, without its version."""
    return re.split(r"[<>=!~ ;\[]", line.strip())[0].lower()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder of the commands of an environment that holds the wheel and what it requires.

    What it requires is that of this environment, which would take minutes to install again.
    """
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run([*pip, *build], check=True, capture_output=True, timeout=300)
    venv.create(folder / "venv", with_pip=False)
    (place,) = (folder / "venv").glob("lib/*/site-packages")
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    install = ["--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*pip, *install], check=True, capture_output=True, timeout=300)
    (place / "others.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


@pytest.fixture
def elsewhere(tmp_path):
    """Environment of a process in an empty folder, which sees nothing of this one."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CLUSTLAB_RUNS")}
    return {"cwd": tmp_path, "env": kept}


def test_what_it_requires_was_tested_in_versions_that_it_allows():
    from packaging.requirements import Requirement

    pinned = {}
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pinned[name.lower()] = version
    required = {requirement(line): Requirement(line) for line in PROJECT["dependencies"]}
    assert set(required) == set(pinned)
    for name, wanted in required.items():
        assert wanted.specifier.contains(pinned[name]), f"{wanted} leaves out {pinned[name]}"


def test_there_is_one_version():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited[1] == clustlab.__version__
    assert f"\n## {clustlab.__version__}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_pages_and_app_are_those_of_the_repository_here():
    assert clustlab.app_folder() == ROOT
    assert Path(nav.path("train")) == ROOT / "pages" / "train.py"


@pytest.mark.slow
def test_commands_work_from_a_wheel_in_an_empty_folder(installed, elsewhere):
    def said(*words):
        done = subprocess.run(
            [installed / "clustlab", *words], **elsewhere, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert said("--version").strip() == f"clustlab {clustlab.__version__}"
    assert "usage: clustlab" in said("--help")
    assert "complete" in said("--print-completion", "bash")
    settings = ["--preset", "quick", "--data", "n_samples=200", "--set", "n_init=1"]
    train = said("train", "--dataset", "digits", "--method", "kmeans", *settings)
    told = json.loads(train.splitlines()[-1])
    assert told["status"] == "done"
    page = json.loads(said("page", told["run"], "-o", "run.html").splitlines()[-1])
    assert (elsewhere["cwd"] / "run.html").stat().st_size == page["bytes"] > 100_000
    assert (elsewhere["cwd"] / "runs").is_dir()
    file = subprocess.run(
        [installed / "python", "-c", "import clustlab; print(clustlab.__file__)"],
        **elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(ROOT) not in file.stdout


@pytest.mark.slow
def test_the_app_of_a_wheel_serves_every_page(installed, elsewhere):
    port = free_port()
    words = [installed / "clustlab", "app", "--port", str(port)]
    with served(words, port, **elsewhere) as address:
        assert outcome(problems(address)) == {page: [] for page in PAGES}


async def problems(address):
    """What goes wrong on each page, as its session tells it."""
    found = {}
    for page in PAGES:
        viewer = Viewer(address, "" if page == "home" else page)
        watching = asyncio.ensure_future(viewer.watch())
        await asyncio.wait_for(viewer.finished.wait(), 120)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)  # its socket is closed then
        found[page] = viewer.errors if viewer.messages > 3 else ["nothing was sent"]
    return found
