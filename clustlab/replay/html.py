"""HTML that holds everything it needs, and lets nothing else in."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


def asset(name: str) -> str:
    """Text of a file of the folder `assets`."""
    return (resources.files("clustlab.replay") / "assets" / name).read_text("utf-8")


def joined(scripts: Sequence[str]) -> str:
    """Scripts as one, without imports and exports; each comes after those that it imports."""
    return "\n".join(EXPORT.sub("", IMPORT.sub("", asset(name))) for name in scripts)


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Content policy of a page that runs and loads nothing but these, which stand in it."""
    return (
        "default-src 'none'; img-src data:; "
        f"style-src {_sources(styles)}; script-src {_sources(scripts)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _sources(texts: Sequence[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def filled(template: str, **values: str) -> bytes:
    """Page with the body in an asset and the head of all pages, each `{{NAME}}` of them replaced.

    That is done once for all: what comes in is left as it is.
    """
    whole = asset("head.html") + asset(template)
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], whole)
    return text.encode("utf-8", "replace")


def in_script(facts: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element in which it stands."""
    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def in_element(name: str, blob: bytes) -> str:
    """Bytes as an element of this id, from which a script can take them."""
    return f'<script type="text/plain" id="{name}">{base64.b64encode(blob).decode()}</script>'


def data_address(kind: str, content: bytes) -> str:
    """Content as an address, for an image."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
