"""Steps stored by earlier versions, as this version would have stored them.

| schema | what it is like |
|---|---|
| 1 | noise is the last cluster of methods that declare so; keys of scalars are words |
| 2 | noise is -1 in assignments and no cluster; each line of the log says its schema |
| 3 | arrays may be encoded, see `encodings`; a step may borrow the embedding of one before it |

What was stored before schema 3 needs no translation: an array without parts is as it was.

A run that was resumed by a newer version has steps of both kinds, so each line is asked by itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.errors import ParameterError
from clustlab.types import NOISE, Array

SCHEMA = 3
RENAMED_SCALARS = {  # keys in logs of before, and what they are called today
    "KL": "kl_divergence",
    "active units": "active_units",
    "agreement of divisions": "agreement_of_divisions",
    "agreement with the consensus": "agreement_with_consensus",
    "clusters found": "clusters_found",
    "code scale": "code_scale",
    "deceiving loss": "deceiving_loss",
    "discriminator loss": "discriminator_loss",
    "distance of the last merge": "distance_of_last_merge",
    "distance of the next": "distance_of_next_merge",
    "eigenvalue step": "eigenvalue_step",
    "global information": "global_information",
    "inertia reached": "inertia_reached",
    "layer reconstruction": "layer_reconstruction",
    "learning rate": "learning_rate",
    "least leaf mass": "least_leaf_mass",
    "least size": "least_size",
    "local information": "local_information",
    "log likelihood": "log_likelihood",
    "mass in living leaves": "mass_in_living_leaves",
    "mean trust": "mean_trust",
    "prior loss of the discriminator": "prior_loss_of_discriminator",
    "prior loss of the encoder": "prior_loss_of_encoder",
    "share changed": "share_changed",
    "share of noise": "share_of_noise",
    "sparsity penalty": "sparsity_penalty",
    "variance kept": "variance_kept",
}


def number_of_noise(method: str, record: Mapping[str, Any]) -> int | None:
    """Cluster that holds the noise in the arrays of a step, by its line in the log; None for -1.

    A method declares by `noise_before_schema_2` which one it was.
    """
    if record.get("schema", 1) >= 2:
        return None
    try:
        was_last = registry.noise_was_last(registry.method(method))
    except ParameterError:  # a plug-in that is not here any more
        return None
    return int(record["n_clusters"]) - 1 if was_last else None


class MigratedArrays(Mapping[str, Array]):
    """Arrays of a step by name, in which the noise is -1 and has no place among the clusters.

    An artefact that points the noise out keeps it at the end of its axis of clusters.

    Parameters
    ----------
    arrays : mapping of str to array
        As they are stored.
    record : mapping
        Line of the step in the log.
    noise : int
        Last cluster, which is noise in the arrays.
    """

    def __init__(self, arrays: Mapping[str, Array], record: Mapping[str, Any], noise: int) -> None:
        self._arrays, self._record, self._noise = arrays, record, noise

    def __getitem__(self, name: str) -> Array:
        array = self._arrays[name]
        if name == "assignments":
            return np.where(array == self._noise, NOISE, array)
        for axis in self._axes(name):
            array = np.delete(array, self._noise, axis)
        return array

    def _axes(self, name: str) -> tuple[int, ...]:
        """Axes of an array that lose the place of the noise."""
        kind, _, artefact = name.partition(":")
        if kind == "artefact":
            about = self._record["artefacts"][artefact]
            return () if self._noise in about["marked"] else tuple(about["cluster_axes"])
        return {"centers": (0,), "probabilities": (1,)}.get(name, ())

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)
