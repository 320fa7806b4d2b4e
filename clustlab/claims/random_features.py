"""What a linear classifier finds in the features of DeepCluster, from before its first epoch on."""

from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Done, Paths, Protocol, Question, Series, Source
from clustlab.evidence.rules import Every, Exceeds, Rises
from clustlab.studies.description import Base

PARTS = 5  # of the epochs, after each of which the features are looked at
SEEDS = (0, 1, 2, 3, 4)
KEYS = tuple(f"part-{i}" for i in range(PARTS + 1))


def _measure(of: Mapping[str, Done]) -> Mapping[str, float]:
    run = of["run"]
    last = measures.last_trained(run)
    steps = [measures.nearest_kept(run, last * i // PARTS) for i in range(len(KEYS))]
    probed = {key: measures.linear(run, step) for key, step in zip(KEYS, steps, strict=True)}
    others = {"chance": measures.commonest(run), "pixels": measures.linear_of_pixels(run)}
    return {**others, **probed}


def _arm(base: Base) -> tuple[Arm, ...]:
    return (Arm("run", base),)


CLAIM = Claim(
    9,
    "random-features",
    "A random convolutional network already tells far more than chance, and each epoch adds to it",
    "The paper on DeepCluster explains why its circle can begin at all: a classifier on top of a "
    "network with random weights is right far more often than a blind guess, and clustering its "
    "features amplifies that. Here a linear classifier is trained with labels on the features "
    "that DeepCluster clusters, before its first epoch and after each fifth of its epochs.",
    Source(
        "A blog post on deep clustering and what networks represent",
        "Caron et al. 2018 (DeepCluster)",
    ),
    "12% on ImageNet from random weights, where chance is 0.1%; no figure for the epochs",
    "Share of held-out items that a linear classifier gets right",
    (
        Series("chance", "blind guess"),
        Series("pixels", "pixels"),
        Series(KEYS[0], "random weights"),
        *(Series(key, f"{i}/{PARTS} of the epochs") for i, key in enumerate(KEYS[1:], 1)),
    ),
    {
        "small": Protocol(
            _arm(Base("digits", "deepcluster", "quick", {}, {"epochs": PARTS})),
            "1,797 digits instead of ImageNet, three small layers instead of AlexNet, a linear "
            "classifier instead of one with hidden layers, and 5 epochs.",
            SEEDS,
        ),
        "full": Protocol(
            _arm(Base("cifar10", "deepcluster", "paper", {"n_samples": None})),
            "CIFAR-10 instead of ImageNet, which is not offered here, a smaller network, and a "
            "linear classifier instead of one with hidden layers.",
        ),
    },
    _measure,
    Every((Exceeds(KEYS[0], "chance", 0.2), Rises(KEYS))),
    also=(
        Question(
            "Do random features tell more than the pixels themselves?",
            Exceeds(KEYS[0], "pixels", 0.0),
        ),
        Question("Is the end better than the start?", Exceeds(KEYS[-1], KEYS[0], 0.01)),
    ),
    drawing=Paths(KEYS),
    lessons=(("deepcluster", 1),),
)
