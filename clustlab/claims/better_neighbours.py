"""Neighbours in the features of Local Aggregation and of DeepCluster."""

from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Done, Protocol, Question, Series, Source
from clustlab.evidence.rules import Exceeds
from clustlab.studies.description import Base

SEEDS = (0, 1, 2, 3, 4)


def _measure(of: Mapping[str, Done]) -> Mapping[str, float]:
    la = of["la"]
    return {
        "deepcluster": measures.knn(of["deepcluster"]),
        "warm-up": measures.knn(la, measures.last_pretrained(la)),
        "la": measures.knn(la),
    }


CLAIM = Claim(
    11,
    "better-neighbours",
    "Features of Local Aggregation beat those of DeepCluster when neighbours tell the class",
    "Both methods learn features without labels. They are compared by asking, for each image, "
    "whether the classes of its nearest images give away its own. Local Aggregation begins with a "
    "warm-up that treats each image as a class of its own; how far that alone comes is measured "
    "as well.",
    Source(
        "A blog post on deep clustering and what networks represent",
        "Zhuang, Zhai and Yamins 2019 (Local Aggregation)",
    ),
    "better than DeepCluster, and useful for nearest neighbours; no figure in the post",
    "Share of items whose class their neighbours tell",
    (
        Series("deepcluster", "DeepCluster"),
        Series("warm-up", "warm-up of Local Aggregation"),
        Series("la", "Local Aggregation"),
    ),
    {
        "small": Protocol(
            (
                Arm("deepcluster", Base("digits", "deepcluster", "quick")),
                Arm("la", Base("digits", "local-aggregation", "quick")),
            ),
            "1,797 digits instead of ImageNet, small networks, and about 15 passes each.",
            SEEDS,
        ),
        "full": Protocol(
            (
                Arm("deepcluster", Base("cifar10", "deepcluster", "paper", {"n_samples": None})),
                Arm("la", Base("cifar10", "local-aggregation", "paper", {"n_samples": None})),
            ),
            "CIFAR-10 instead of ImageNet, which is not offered here, and smaller networks.",
        ),
    },
    _measure,
    Exceeds("la", "deepcluster", 0.01),
    also=(
        Question("Is it better than its own warm-up?", Exceeds("la", "warm-up", 0.0)),
        Question(
            "Does the warm-up alone beat DeepCluster?", Exceeds("warm-up", "deepcluster", 0.01)
        ),
    ),
    lessons=(("local-aggregation", 2),),
)
