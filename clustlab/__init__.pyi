from pathlib import Path

from clustlab.scripting import estimators as sklearn
from clustlab.scripting import plot as plot
from clustlab.scripting.runs import OpenRun as OpenRun
from clustlab.scripting.runs import all_runs as all_runs
from clustlab.scripting.runs import compare as compare
from clustlab.scripting.runs import open_run as open
from clustlab.scripting.runs import train as train

__all__ = ["OpenRun", "all_runs", "compare", "open", "plot", "sklearn", "train"]
__version__: str

def app_folder() -> Path: ...
