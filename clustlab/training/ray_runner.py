"""Runs on a Ray cluster; Ray itself is an optional dependency."""

from pathlib import Path
from typing import Any

from clustlab.errors import ClustlabError
from clustlab.training.worker import execute


class RayRunner:
    """Submits each run as a remote task; the runs folder must be on a file system all nodes see.

    Runs start in the order of submission, as many at a time as the cluster has room for.

    Raises
    ------
    ClustlabError
        If Ray cannot be imported.
    """

    def __init__(self, root: Path) -> None:
        try:
            import ray
        except ImportError as error:
            raise ClustlabError(
                f"CLUSTLAB_RUNNER is 'ray', but Ray cannot be imported ({error}).",
                "Run 'pip install ray', or unset CLUSTLAB_RUNNER.",
            ) from error
        self._ray: Any = ray
        self._root = root
        ray.init(ignore_reinit_error=True)
        gpus = 1 if self._ray.cluster_resources().get("GPU", 0) else 0
        self._execute = ray.remote(num_gpus=gpus, max_retries=0)(execute)

    def submit(self, run_id: str) -> None:
        """Hand a run to the cluster, which starts it when it has room."""
        self._execute.remote(self._root, run_id)
