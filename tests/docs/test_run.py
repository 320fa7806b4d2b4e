"""What `bash tests/run` starts, with a Python in its place that only takes notes."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKE = """#!/usr/bin/env bash
echo "$*" >> "{notes}"
if [ "$3" = --collect-only ]; then exit 0; fi
if [ "$2" = pytest ]; then echo "3 passed in 1.00s"; exit {pytest}; fi
if [ "$2" = uv ] || [ "$3" = config ]; then exit {uv}; fi
if [ "$2" = mypy ]; then echo "mypy says this"; exit {mypy}; fi
"""


@pytest.fixture
def check(tmp_path):
    """Run the check; returns its status, its output, and what it asked pytest for."""

    def run(*words, pytest=0, mypy=0, uv=0):
        notes, fake = tmp_path / "notes", tmp_path / "python"
        fake.write_text(FAKE.format(notes=notes, pytest=pytest, mypy=mypy, uv=uv))
        fake.chmod(0o755)
        browser = tmp_path / "chromium"  # nothing need be fetched
        browser.write_text("")
        browser.chmod(0o755)
        env = {"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin", "PYTHON": str(fake)}
        command = ["bash", "tests/run", *words]
        ended = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert ended.stderr == ""
        asked = notes.read_text().splitlines()
        assert {line.split()[1] for line in asked} == {"pip", "uv", "ruff", "mypy", "pytest"}
        assert any(line.endswith("-r tests/requirements.txt") for line in asked)
        by_pip = any(line.startswith("-m pip install --quiet -r") for line in asked)
        assert by_pip == bool(uv)  # only where uv could not
        (tests,) = (line for line in asked if line.startswith("-m pytest --numprocesses"))
        return ended.returncode, ended.stdout, tests

    return run


def test_the_whole_check_ends_with_the_count_of_tests(check):
    status, output, asked = check()
    assert (status, output) == (0, "3 passed in 1.00s\n")
    assert "not browser" not in asked
    assert f"--numprocesses {os.sysconf('SC_NPROCESSORS_ONLN') + 2} " in asked


def test_the_quick_check_leaves_out_what_is_long(check):
    _, _, asked = check("--quick", "-x", "tests/docs")
    assert asked.endswith("-m not browser and not slow --hypothesis-profile quick -x tests/docs")


def test_what_else_is_given_goes_to_pytest(check):
    assert check("-k", "dec")[2].endswith(" -k dec")


def test_pip_installs_what_uv_cannot_find(check):
    assert check(uv=1)[0] == 0


def test_it_fails_if_a_test_fails(check):
    assert check(pytest=1)[0] == 1


def test_it_fails_if_a_type_is_wrong_and_says_which(check):
    status, output, _ = check(mypy=1)
    assert status == 1
    assert output == "3 passed in 1.00s\nmypy says this\n"
