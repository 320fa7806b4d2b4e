from pathlib import Path

from clustlab.registry import add_method as add_method
from clustlab.scripting import estimators as sklearn
from clustlab.scripting import plot as plot
from clustlab.scripting.data import import_data as import_data
from clustlab.scripting.exporting.formats import export as export
from clustlab.scripting.exporting.model import export_model as export_model
from clustlab.scripting.runs import OpenRun as OpenRun
from clustlab.scripting.runs import all_runs as all_runs
from clustlab.scripting.runs import compare as compare
from clustlab.scripting.runs import open_run as open
from clustlab.scripting.runs import train as train

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
__version__: str

def app_folder() -> Path: ...
