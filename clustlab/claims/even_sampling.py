"""What sampling evenly over the pseudo-labels of DeepCluster prevents."""

from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Done, Protocol, Question, Series, Source
from clustlab.evidence.rules import Beyond, Every, Exceeds
from clustlab.studies.description import Base, Value

NO_BALANCE: Mapping[str, Value] = {"balance": "none"}
NO_GUARD: Mapping[str, Value] = {"balance": "none", "repair_empty": False, "new_centers": False}


def _measure(of: Mapping[str, Done]) -> Mapping[str, float]:
    found = {}
    for key, done in of.items():
        found[key] = measures.largest_cluster(done, measures.last_trained(done))
        found[f"{key}-knn"] = measures.knn(done)
    return found


def _arms(dataset: str, preset: str, n_samples: int | None) -> tuple[Arm, ...]:
    data = {"n_samples": n_samples}
    return (
        Arm("even", Base(dataset, "deepcluster", preset, data)),
        Arm("as-they-come", Base(dataset, "deepcluster", preset, data, NO_BALANCE)),
        Arm("no-guard", Base(dataset, "deepcluster", preset, data, NO_GUARD)),
    )


CLAIM = Claim(
    12,
    "even-sampling",
    "Sampling evenly over the pseudo-labels keeps DeepCluster from the trivial solution",
    "If nearly all images are in a few clusters, a network that gives every image the same answer "
    "is nearly always right, and learns nothing else. So the notes draw images evenly over the "
    "pseudo-labels. Trivial is taken to mean that one cluster holds more than half of all images "
    "at the end. Since empty clusters are repaired as well, both guards are also left out at once.",
    Source("Notes on the paper on DeepCluster", "Caron et al. 2018 (DeepCluster)"),
    "the trivial solution without it, none with it; no figure",
    "Share of the largest cluster, or of items whose class neighbours tell",
    (
        Series("even", "drawn evenly: largest cluster"),
        Series("as-they-come", "as they come: largest cluster"),
        Series("no-guard", "no guard at all: largest cluster"),
        Series("even-knn", "drawn evenly: neighbours"),
        Series("as-they-come-knn", "as they come: neighbours"),
        Series("no-guard-knn", "no guard at all: neighbours"),
    ),
    {
        "small": Protocol(
            _arms("digits", "quick", None),
            "1,797 digits instead of ImageNet, a small network and 15 epochs. Classes are nearly "
            "equal in size, so there is less to be misled by.",
        ),
        "full": Protocol(
            _arms("cifar10", "paper", None),
            "CIFAR-10 instead of ImageNet, which is not offered here, and a smaller network.",
        ),
    },
    _measure,
    Every((Beyond("even", "below", 0.5), Beyond("as-they-come", "above", 0.5))),
    also=(
        Question(
            "Without any guard, does one cluster take more than half?",
            Beyond("no-guard", "above", 0.5),
        ),
        Question(
            "Does even sampling give better features?",
            Exceeds("even-knn", "as-they-come-knn", 0.01),
        ),
    ),
    lessons=(("deepcluster", 4), ("deepcluster", 5)),
)
