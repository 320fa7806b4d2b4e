"""The scripts of a replay page can be joined into one, and touch neither markup nor a network."""

import re
from importlib import resources

import pytest

from clustlab.replay import html
from clustlab.replay.page import SCRIPTS

ASSETS = {
    file.name: file.read_text("utf-8")
    for file in (resources.files("clustlab.replay") / "assets").iterdir()
}
TOP = re.compile(
    r"^(?:export )?(?:async )?(?:function|class|const|let|var) (\w+|\{[^}]*\}|\[[^\]]*\])", re.M
)
IMPORTED = re.compile(r'^import \{([^}]*)\} from "\./([\w.]+)";$', re.M)
FORBIDDEN = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"),
    *("fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "import("),
)


def declared(script):
    """Names at the top of a script."""
    return [name for found in TOP.findall(script) for name in re.findall(r"\w+", found)]


def test_every_script_comes_after_those_that_it_imports_from():
    assert {name for name in ASSETS if name.endswith(".js")} == {*SCRIPTS, "lesson.js"}
    for place, name in enumerate(SCRIPTS):
        found = IMPORTED.findall(ASSETS[name])
        assert len(found) == len(re.findall("^import ", ASSETS[name], re.M)), name
        for names, source in found:
            assert source in SCRIPTS[:place], f"{name} imports from {source}"
            for each in re.findall(r"\w+", names):
                exported = rf"^export (async )?(function|class|const) {each}\b"
                assert re.search(exported, ASSETS[source], re.M), f"{each} of {source}"
                assert len(re.findall(rf"\b{each}\b", ASSETS[name])) > 1, f"{name}: {each}"


def test_no_two_scripts_have_a_name_in_common():
    every = [(each, name) for name in SCRIPTS for each in declared(ASSETS[name])]
    owners = {}
    for each, name in every:
        assert owners.setdefault(each, name) == name, f"{each} is in {owners[each]} and {name}"
    assert len(every) > 80


def test_joined_scripts_neither_import_nor_export():
    code = html.joined(SCRIPTS)
    assert not re.search(r"^(import|export) ", code, re.M)
    assert "</script" not in code.lower()


def test_the_map_needs_nothing_of_a_page():
    """The app's own maps import it as it is."""
    assert "export function createMap(" in ASSETS["map.js"]
    needed = [source for _, source in IMPORTED.findall(ASSETS["map.js"])]
    assert needed == ["finding.js", "raster.js", "strokes.js"]
    assert not any(re.search("^import ", ASSETS[name], re.M) for name in needed)


@pytest.mark.parametrize("name", ASSETS)
def test_assets_are_short_and_load_nothing(name):
    text = ASSETS[name]
    assert len(text.splitlines()) <= 500
    assert [word for word in FORBIDDEN if word in text] == []
    addresses = re.findall(r"https?://[^\"'\s]+", text)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
