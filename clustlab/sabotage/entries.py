"""The broken runs, one entry each; all of them train on the digits, without a download."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from clustlab.errors import ParameterError
from clustlab.parts.inputs.sampling import drawn_rows
from clustlab.runs.store import RunSpec
from clustlab.sabotage import measures
from clustlab.sabotage.entry import Entry, Signature

SEED = 0
DEC = {
    "hidden_widths": "100-100-400",
    "batch_size": 32,
    "epochs": 10,
    "update_interval": 30,
    "max_updates": 10,
    "cluster_learning_rate": 3e-4,
    "n_init": 5,
}
DEEPCLUSTER = {"epochs": 10, "n_clusters_over": 30, "batch_size": 32}
FEW = {**DEEPCLUSTER, "n_clusters_over": 20, "whitening": False}
MANY = {**DEEPCLUSTER, "n_clusters_over": 150, "new_centers": False}
IIC = {
    "epochs": 15,
    "batch_size": 80,
    "width": 8,
    "n_heads": 2,
    "n_clusters_over": None,
    "strength": 0.7,
    "learning_rate": 4e-3,
}
IMSAT = {"epochs": 15, "hidden_width": 200}
FREQUENT, RARE = 2, 20  # digits of which all are kept, and how many are of each other one


@cache
def rare_digits() -> list[int]:
    """Rows in the data set of all digits from 2 to 9 but the first 20 of each in their file."""
    from sklearn.datasets import load_digits

    digits = load_digits().target
    in_file = [np.flatnonzero(digits == digit)[RARE:] for digit in range(FREQUENT, 10)]
    left_out = np.isin(drawn_rows(len(digits), None, SEED), np.concatenate(in_file))
    return [int(row) for row in np.flatnonzero(left_out)]


def _spec(method: str, params: Mapping[str, Any], **changes: Any) -> RunSpec:
    values = {**params, **changes}
    return RunSpec("digits", method, {"n_samples": 800}, values, preset="custom", seed=SEED)


NO_PRETRAINING = Entry(
    "no-pre-training",
    "No pre-training",
    "DEC starts from the code of a random network instead of that of a trained autoencoder.",
    "Train the autoencoder first: DEC sharpens the clusters it is given, and does not turn poor "
    "ones into good ones.",
    _spec("dec", DEC, pretraining="none"),
    _spec("dec", DEC),
    Signature(
        "The NMI at the step 'initialise clusters' is about half of that with pre-training. DEC "
        "raises it, but not to where the guarded run starts, although the probabilities become "
        "just as sure.",
        "NMI with the true classes where DEC begins",
        measures.nmi_at_start_of_clusters,
        limit=0.55,
        above=False,
    ),
    curve="nmi",
    usual="end-to-end",
    seconds=10,
)
CODE_SCALE = Entry(
    "embedding-scale",
    "Embedding on a wrong scale",
    "The code is made a hundred times smaller before DEC compares it with the centres.",
    "Once, before DEC starts, bring the code to a scale on which the first answers differ.",
    _spec("dec", DEC, code_scale=0.01),
    _spec("dec", DEC),
    Signature(
        "In the first updates all probabilities are about 1/k, the loss is about 0, and the "
        "target is as flat as they are. What moves the labels afterwards is noise amplified by "
        "the optimiser.",
        "Mean of the largest probability over the first updates",
        measures.first_confidence,
        limit=0.2,
        above=False,
    ),
    curve="confidence",
    usual="auto",
    seconds=10,
)
TARGET_PER_BATCH = Entry(
    "target-per-batch",
    "Target from each batch",
    "The target p is computed from the eight items of a batch instead of from all items.",
    "Compute p from all items, and keep it until the next update.",
    _spec("dec", DEC, target_scope="batch", batch_size=8),
    _spec("dec", DEC, batch_size=8),
    Signature(
        "The loss stays below the one towards a target from all items: in a batch an item is "
        "often the only one of its cluster, so q is divided by itself and nothing is sharpened.",
        "Loss in training as a share of the divergence to the target of all items",
        measures.sharpening,
        limit=0.85,
        above=False,
    ),
    curve="confidence",
    usual="all items",
    seconds=20,
    caveat="The scores hardly suffer here: Adam takes steps of the same size for a weaker "
    "gradient, and the digits are equally frequent.",
)
HEAD_KEPT = Entry(
    "head-not-reset",
    "Classifier not reset",
    "DeepCluster keeps the classifier of the round before, although the clusters have new "
    "numbers now.",
    "Draw a new classifier every round.",
    _spec("deepcluster", DEEPCLUSTER, reset_head=False),
    _spec("deepcluster", DEEPCLUSTER),
    Signature(
        "The first round is the same as with the guard. From the second on, the cross-entropy "
        "falls more slowly: what the classifier has learned is the numbering of the round before.",
        "Cross-entropy of the last round as a share of that of a guess",
        measures.guessing,
        limit=0.7,
        above=True,
    ),
    curve="nmi",
    usual=True,
    seconds=10,
)
NO_SAMPLER = Entry(
    "no-uniform-sampling",
    "No uniform sampling",
    "DeepCluster trains on all items as they come, so large clusters dominate.",
    "Draw every cluster equally often, or weight its items inversely to its size.",
    replace(_spec("deepcluster", FEW, balance="none"), dataset_params={}),
    replace(_spec("deepcluster", FEW), dataset_params={}),
    Signature(
        "Of the ten clusters of the last step, seven or eight are pieces of the two frequent "
        "digits (page Clusters), and the eight rare digits share the rest. With the guard, it is "
        "about five.",
        "NMI with the true classes at the end",
        measures.last_nmi,
        limit=0.63,
        above=False,
    ),
    curve="nmi",
    usual="uniform sampler",
    seconds=6,
    caveat="The items of this run were chosen by their labels, which the method does not see. On "
    "all digits, which are equally frequent, the guard makes little difference: k-means "
    "finds clusters of similar size there.",
    items="520 digits (all 0 and 1, 20 of each other digit)",
    left_out=rare_digits,
)
NO_REPAIR = Entry(
    "no-repair",
    "No repair of empty clusters",
    "Clusters without items stay empty, and k-means goes on from the centres of the round before.",
    "Give an empty cluster half of the items of another, or draw the first centres anew.",
    _spec("deepcluster", MANY, repair_empty=False),
    _spec("deepcluster", MANY),
    Signature(
        "The number of clusters in use falls: old centres lie where features no longer are, and "
        "a centre without items has none to move towards.",
        "Largest number of empty clusters in a round of training",
        measures.empty_in_training,
        limit=5.0,
        above=True,
        digits=0,
    ),
    curve="n_occupied",
    usual=True,
    seconds=10,
)
WRONG_K = Entry(
    "wrong-k",
    "Wrong number of clusters",
    "Five clusters are asked for, where there are ten digits.",
    "Compare several numbers of clusters before trusting one; ten is right here.",
    _spec("kmeans", {"n_init": 10}, n_clusters=5),
    _spec("kmeans", {"n_init": 10}, n_clusters=10),
    Signature(
        "All clusters but one hold large parts of two digits or more, and half of the digits have "
        "no cluster that stands for them: on the page Evaluate their recall is 0.",
        "Digits without a cluster of their own",
        measures.classes_without_cluster,
        limit=3.5,
        above=True,
        digits=0,
    ),
    curve="acc",
    usual=10,
    seconds=2,
)
NO_AUGMENTATION = Entry(
    "no-augmentation",
    "No augmentation",
    "IIC compares every image with an unchanged copy of it.",
    "Change the copies in ways that must not matter: small turns, shifts, crops and light.",
    _spec("iic", IIC, strength=0.0),
    _spec("iic", IIC),
    Signature(
        "The mutual information is higher than in the guarded run, and the clusters make less "
        "sense: two equal images agree on any division into equal parts.",
        "NMI with the true classes, over the share of ln k that the mutual information reaches",
        measures.sense_of_information,
        limit=0.85,
        above=False,
    ),
    curve="nmi",
    usual=0.7,
    seconds=15,
)
MIRRORED = Entry(
    "mirrored-digits",
    "Mirrored digits",
    "IIC may mirror the copies, so a digit and its mirror image must be the same.",
    "Allow only changes that keep the meaning: a mirrored photograph is still a photograph, a "
    "mirrored digit is no digit.",
    _spec("iic", IIC, flip=True),
    _spec("iic", IIC),
    Signature(
        "The mutual information is lower, since no network can give a 2 and its mirror image "
        "one answer and still tell it from a 5.",
        "Mutual information at the end, in nats",
        measures.last_information,
        limit=1.4,
        above=False,
    ),
    curve="nmi",
    usual=False,
    seconds=15,
    caveat="Which digits are put together depends on the seed: it is 2 and 5 in some runs only.",
)
RUNNING_STATISTICS = Entry(
    "batchnorm-evaluation",
    "BatchNorm in evaluation mode",
    "IIC computes its result with averages over past batches, which were not used in training.",
    "Use the statistics of large mixed batches, as in training, or measure the averages anew "
    "first.",
    _spec("iic", IIC, running_statistics=True),
    _spec("iic", IIC),
    Signature(
        "After the first epoch the loss of every head on the whole set is worse than the loss in "
        "training of the same epoch, although training has meanwhile made the network better.",
        "Loss of the result minus loss in training, after the first epoch, in nats",
        measures.gap_of_first_epoch,
        limit=0.0,
        above=True,
    ),
    curve="confidence",
    usual=False,
    seconds=15,
    caveat="On so few items the averages catch up within a few epochs, and both runs end alike.",
)
LEARNING_RATE = Entry(
    "learning-rate",
    "Learning rate times ten",
    "IIC takes steps ten times as long.",
    "Lower the learning rate until the loss falls steadily.",
    _spec("iic", IIC, learning_rate=4e-2),
    _spec("iic", IIC),
    Signature(
        "The mutual information jumps ahead in the first epoch. After that it goes up and down, "
        "and the guarded run leaves it far behind.",
        "Mutual information at the end, in nats",
        measures.last_information,
        limit=1.1,
        above=False,
    ),
    curve="nmi",
    usual=4e-3,
    seconds=15,
)
AUGMENTED_CLUSTERING = Entry(
    "augmented-clustering",
    "Clustering of changed images",
    "DeepCluster clusters the features of changed images, so labels depend on the change.",
    "Cluster the unchanged images, and change them only in training.",
    _spec("deepcluster", DEEPCLUSTER, augment_clustering=True),
    _spec("deepcluster", DEEPCLUSTER),
    Signature(
        "Most labels change every round, and the NMI with the round before is about half of that "
        "in the guarded run.",
        "Median NMI of each round with the one before",
        measures.agreement_of_rounds,
        limit=0.6,
        above=False,
    ),
    curve="nmi_previous",
    usual=False,
    seconds=10,
)
NO_ENTROPY = Entry(
    "entropy-weight",
    "Entropy weight 0",
    "IMSAT asks for sure answers and no longer for equally full clusters.",
    "Give the entropy of the cluster sizes more weight than the doubt about the items (mu above "
    "1).",
    _spec("imsat", IMSAT, balance=0.0),
    _spec("imsat", IMSAT),
    Signature(
        "All items land in one cluster within a few epochs. The probabilities grow surer and the "
        "loss falls all the same, since nothing asks for a second cluster.",
        "Evenness of the cluster sizes at the end",
        measures.last_evenness,
        limit=0.3,
        above=False,
    ),
    curve="evenness",
    usual=4.0,
    seconds=3,
)
ENTRIES: tuple[Entry, ...] = (
    NO_PRETRAINING,
    CODE_SCALE,
    TARGET_PER_BATCH,
    HEAD_KEPT,
    NO_SAMPLER,
    NO_REPAIR,
    WRONG_K,
    NO_AUGMENTATION,
    MIRRORED,
    RUNNING_STATISTICS,
    LEARNING_RATE,
    AUGMENTED_CLUSTERING,
    NO_ENTROPY,
)
NAMES = tuple(entry.name for entry in ENTRIES)


def entry_named(name: str) -> Entry:
    """Entry of this name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise ParameterError(f"There is no broken run {name!r}.", f"Choose one of: {', '.join(NAMES)}.")
