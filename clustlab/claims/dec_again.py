"""DEC run again from where it ended."""

from collections.abc import Mapping
from dataclasses import replace

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Done, Paths, Protocol, Question, Series, Source
from clustlab.evidence.rules import BeyondSpread, Every, Exceeds
from clustlab.studies.description import Base

SEEDS = (0, 1, 2, 3, 4)


def _measure(of: Mapping[str, Done]) -> Mapping[str, float]:
    accuracies = {key: measures.accuracy(done) for key, done in of.items()}
    return {**accuracies, "again": measures.accuracy_by_kmeans(of["first"])}


def _arms(base: Base, max_updates: int) -> tuple[Arm, ...]:
    """Three runs, each from the end of the one before, and one that is as long as all three."""
    once = {**base.settings, "max_updates": max_updates}
    as_long = {**base.settings, "max_updates": 3 * max_updates, "tolerance": 0.0}
    each = replace(base, settings=once)
    return (
        Arm("first", each),
        Arm("second", each, after="first"),
        Arm("third", each, after="second"),
        Arm("longer", replace(base, settings=as_long)),
    )


CLAIM = Claim(
    3,
    "dec-again",
    "Running DEC again on what it has trained raises its accuracy: 0.82, 0.85, 0.89",
    "A student ran DEC three times in a row and found it better each time. Two things may be "
    "behind that. Going on from the trained network places the centres anew by k-means, in a code "
    "that has become tighter. Or the three runs were just three draws, since one seed of DEC "
    "differs from another by more than that. So each seed is run, run again from its own end, and "
    "once more; beside it the same seed trained as long without new centres, and new centres "
    "without any training.",
    Source(
        "A student's report on DEC and IIC, with runs of its own on MNIST",
        "Xie, Girshick and Farhadi 2016 (DEC)",
    ),
    "accuracy 0.82, then 0.85, then 0.89, one run each",
    "Accuracy",
    (
        Series("first", "first run", 0.82),
        Series("second", "run again", 0.85),
        Series("third", "and again", 0.89),
        Series("longer", "as long, centres kept"),
        Series("again", "first run, new k-means only"),
    ),
    {
        "small": Protocol(
            _arms(Base("digits", "dec", "quick"), 50),
            "1,797 digits of 8 x 8 pixels instead of MNIST, a narrower network, 12 epochs of the "
            "autoencoder and at most 50 updates a run.",
            SEEDS,
        ),
        "full": Protocol(
            _arms(Base("mnist", "dec", "paper", {"n_samples": None}), 125),
            "All 70,000 images with the settings of the paper; the report does not give its own.",
            SEEDS,
        ),
    },
    _measure,
    Every((Exceeds("second", "first", 0.01), Exceeds("third", "second", 0.01))),
    also=(
        Question(
            "Is the gain of two more runs larger than the difference between seeds?",
            BeyondSpread("third", "first"),
        ),
        Question(
            "Is it more than training as long without new centres brings?",
            Exceeds("third", "longer", 0.01),
        ),
        Question(
            "Is it more than new centres alone bring, without training?",
            Exceeds("third", "again", 0.01),
        ),
    ),
    drawing=Paths(("first", "second", "third")),
    lessons=(("dec", 8), ("dec", 7)),
)
