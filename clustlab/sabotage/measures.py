"""Figures of a finished run in which a broken guard shows; nan where a run has no such step."""

import math

import numpy as np

from clustlab.analysis.timeline import Timeline
from clustlab.runs.phases import first_step_refined, steps_with_role
from clustlab.runs.store import Run
from clustlab.types import Array

OWN = 0.1  # recall below which a class has no cluster of its own
FIRST = 3  # updates of a target, or epochs, that count as the first ones


def scalars(run: Run, name: str) -> Array:
    """What the method reports under a name, at the steps that have it, (m,) float64."""
    values = [record["scalars"][name] for record in run.log if name in record["scalars"]]
    return np.array(values, dtype=np.float64)


def nmi_at_start_of_clusters(run: Run, timeline: Timeline) -> float:
    """NMI with the true classes of the clusters that DEC begins with."""
    step = first_step_refined(run)
    return math.nan if step is None else timeline.row(step)["nmi"]


def first_confidence(run: Run, timeline: Timeline) -> float:
    """Mean of the largest probability over the first updates of the target."""
    return _mean(scalars(run, "confidence")[1 : 1 + FIRST])


def sharpening(run: Run, timeline: Timeline) -> float:
    """Divergence that training meets, as a share of that to the target of all items.

    The middle value over the updates; the target of all items is what the step before shows.
    """
    shares = []
    for step in steps_with_role(run, "train"):
        before = run[step - 1]
        target, q = before.artefacts.get("target"), before.probabilities
        if target is None or q is None:
            continue
        p = np.asarray(target.data, dtype=np.float64)
        whole = float((p * np.log(np.maximum(p, 1e-30) / np.maximum(q, 1e-30))).sum(1).mean())
        shares.append(run.log[step]["scalars"]["loss"] / max(whole, 1e-12))
    return float(np.median(shares)) if shares else math.nan


def guessing(run: Run, timeline: Timeline) -> float:
    """Cross-entropy of the last round as a share of that of a guess."""
    losses, guesses = scalars(run, "cross_entropy"), scalars(run, "cross_entropy_guessing")
    return float(losses[-1] / guesses[-1]) if len(losses) else math.nan


def agreement_of_rounds(run: Run, timeline: Timeline) -> float:
    """Middle value of the NMI of the clusters of each round with those before."""
    agreements = scalars(run, "nmi_previous")
    return float(np.median(agreements)) if len(agreements) else math.nan


def empty_in_training(run: Run, timeline: Timeline) -> float:
    """Greatest number of clusters without items that training had to do with."""
    steps = steps_with_role(run, "train")
    empty = [len(timeline.mapping(i)) - timeline.row(i)["n_occupied"] for i in steps]
    return max(empty, default=math.nan)


def classes_without_cluster(run: Run, timeline: Timeline) -> float:
    """Number of classes of which hardly any item is in a cluster that stands for them."""
    recall = timeline.recall()
    return float((recall[-1] < OWN).sum()) if len(recall) else math.nan


def last_nmi(run: Run, timeline: Timeline) -> float:
    """NMI of the last step with the true classes."""
    return timeline.row(len(timeline) - 1)["nmi"] if len(timeline) else math.nan


def sense_of_information(run: Run, timeline: Timeline) -> float:
    """NMI with the true classes, over the share of the possible mutual information reached."""
    reached, most = scalars(run, "mutual_information"), scalars(run, "mutual_information_ceiling")
    if not len(reached) or reached[-1] <= 0:
        return math.nan
    return float(timeline.row(len(timeline) - 1)["nmi"] * most[-1] / reached[-1])


def gap_of_first_epoch(run: Run, timeline: Timeline) -> float:
    """Mean loss of the heads on the whole set minus the loss in training, after one epoch."""
    for record in run.log:
        logged = record["scalars"]
        if "loss" in logged:
            heads = [logged[name] for name in logged if name.startswith("loss_head_")]
            return float(np.mean(heads) - logged["loss"]) if heads else math.nan
    return math.nan


def last_information(run: Run, timeline: Timeline) -> float:
    """Mutual information of an image and its changed copy at the end, in nats."""
    return _last(scalars(run, "mutual_information"))


def last_evenness(run: Run, timeline: Timeline) -> float:
    """Entropy of the cluster sizes at the end, as a share of that of equal ones."""
    return timeline.row(len(timeline) - 1)["evenness"] if len(timeline) else math.nan


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan


def _last(values: Array) -> float:
    return float(values[-1]) if len(values) else math.nan
