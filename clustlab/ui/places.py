"""Paths as pages tell them: who looks at one need not know where the folders of the server are."""

import re
from pathlib import Path

import clustlab
from clustlab.data.files import data_root
from clustlab.runs.store import RunStore

CODE = Path(clustlab.__file__).parent
ABSOLUTE = re.compile(r"(?<![\w.:/…$])/(?:[^\s/:'\"]+/)+([^\s/:'\"]+)")


def without_places(text: str) -> str:
    """Text in which paths begin at the folder of runs, of data or of code, or hold a name only."""
    root = RunStore().root
    known = {str(root): root.name, str(data_root()): "$CLUSTLAB_DATA", str(CODE): CODE.name}
    for place, name in sorted(known.items(), key=lambda each: -len(each[0])):
        text = text.replace(place, name)
    return ABSOLUTE.sub(r"…/\1", text)
