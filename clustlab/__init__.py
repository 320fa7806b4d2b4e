"""Deep clustering, trained live and seen from the inside.

In a notebook or script:

    import clustlab as cl
    run = cl.train("mnist-5k", "dec", preset="quick")
    run.frame()
    cl.plot.embedding(run)
    cl.sklearn.DEC(n_clusters=10).fit_predict(items)

Each name below is loaded when it is used first.
"""

import importlib
import os
from pathlib import Path
from typing import Any

__all__ = [
    "OpenRun",
    "add_method",
    "all_runs",
    "compare",
    "export",
    "export_model",
    "import_data",
    "open",
    "plot",
    "sklearn",
    "train",
]

__version__ = "0.2.0"  # the one place; written into every new run

# Threads of a parallel loop wait asleep, not spinning: training shares its cores with the server
# and the browser, and spinning threads cost both sides several times the work itself. Must be set
# before torch loads its thread library.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def app_folder() -> Path:
    """Folder of `app.py` and `pages`: the repository, or one within an installed package."""
    package = Path(__file__).parent
    installed = package / "served"
    return installed if installed.is_dir() else package.parent


_LATE = {  # as they are called here: in which file, and there; types are in `__init__.pyi`
    "OpenRun": ("scripting.runs", "OpenRun"),
    "add_method": ("registry", "add_method"),
    "all_runs": ("scripting.runs", "all_runs"),
    "compare": ("scripting.runs", "compare"),
    "export": ("scripting.exporting.formats", "export"),
    "export_model": ("scripting.exporting.model", "export_model"),
    "import_data": ("scripting.data", "import_data"),
    "open": ("scripting.runs", "open_run"),
    "train": ("scripting.runs", "train"),
}
_MODULES = {"plot": "plot", "sklearn": "estimators"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"clustlab.scripting.{_MODULES[name]}")
    if name in _LATE:
        file, there = _LATE[name]
        return getattr(importlib.import_module(f"clustlab.{file}"), there)
    raise AttributeError(f"module 'clustlab' has no attribute {name!r}")
