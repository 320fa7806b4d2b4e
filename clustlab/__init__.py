import os
from pathlib import Path

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
