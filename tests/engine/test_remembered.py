"""What a command keeps from one call to the next."""

import subprocess
import sys

import pytest

from clustlab.cli import remembered as module
from clustlab.cli.remembered import remembered


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "clustlab"


def asked(answer):
    """What finds out an answer, and how often it has been asked."""
    times = []

    def find_out():
        times.append(1)
        return [{"name": answer}]

    return find_out, times


def test_an_answer_is_found_out_once_by_the_same_code(cache):
    find_out, times = asked("dec")
    assert [remembered("methods", find_out) for _ in range(3)] == [[{"name": "dec"}]] * 3
    assert len(times) == 1


def test_other_code_finds_out_anew_and_leaves_one_file(cache, monkeypatch):
    remembered("methods", asked("dec")[0])
    monkeypatch.setattr(module, "_code", lambda: "other")
    assert remembered("methods", asked("iic")[0]) == [{"name": "iic"}]
    assert [file.name for file in cache.iterdir()] == ["methods-other.json"]


def test_the_name_of_the_code_changes_with_any_file(tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    for name in ("__init__.py", "a.py"):
        (package / name).write_text("1")
    monkeypatch.setattr(module.clustlab, "__file__", str(package / "__init__.py"))
    before = module._code()
    assert module._code() == before
    (package / "a.py").write_text("12")
    assert module._code() != before


@pytest.mark.parametrize("content", ["", "{", '{"name": "dec"}', "[1]"])
def test_a_damaged_file_is_found_out_anew(cache, content):
    remembered("methods", asked("dec")[0])
    (file,) = cache.iterdir()
    file.write_text(content)
    assert remembered("methods", asked("dec")[0]) == [{"name": "dec"}]
    find_out, times = asked("dec")
    remembered("methods", find_out)
    assert not times


def test_where_nothing_can_be_kept_it_is_found_out_each_time(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    find_out, times = asked("dec")
    assert [remembered("methods", find_out) for _ in range(2)] == [[{"name": "dec"}]] * 2
    assert len(times) == 2


@pytest.mark.slow
def test_methods_are_listed_again_without_torch(cache):
    code = (
        "import sys; from clustlab.__main__ import main; main(['methods', '--json']);"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stderr.split()[-1] for run in runs] == ["True", "False"]
    assert runs[0].stdout == runs[1].stdout
