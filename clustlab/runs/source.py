"""Whether the items of a run can still be drawn from the data set that they came from."""

from collections.abc import Mapping
from typing import Any

from clustlab import registry
from clustlab.data import library
from clustlab.errors import ClustlabError, DatasetUnavailable, ParameterError
from clustlab.runs.spec import RunSpec


def why_not_drawn(spec: RunSpec, manifest: Mapping[str, Any]) -> ClustlabError | None:
    """What stands in the way of drawing the items of a run again; None if nothing does."""
    known = registry.datasets()
    if spec.dataset not in known:
        return DatasetUnavailable(
            f"The data set {manifest['dataset_title']!r} is not there any more.",
            f"If it was imported, import the same files again under the name {spec.dataset!r}; if "
            "a package brought it, install that again.",
        )
    try:
        now = library.key(spec.dataset, spec.dataset_params, spec.seed, spec.excluded)
    except ParameterError as error:  # it has not the setting any more
        return error
    if registry.is_imported(known[spec.dataset]) and now != manifest["data_key"]:
        return DatasetUnavailable(
            f"The data set {spec.dataset!r} holds other items now than when this run was started.",
            "Duplicate the run to start on the new ones; or remove them, and import the files of "
            "this run again under the same name.",
        )
    return None


def way_back(spec: RunSpec, manifest: Mapping[str, Any]) -> str:
    """How to get back the items of a run that are not in the folder of runs any more."""
    missing = why_not_drawn(spec, manifest)
    again = "Resume the run, or duplicate it, to load them again."
    return again if missing is None else f"{missing} {again}"
