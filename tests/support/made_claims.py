"""A claim that takes a second to try."""

from dataclasses import replace

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Protocol, Question, Series, Source
from clustlab.evidence.rules import Beyond, Exceeds
from clustlab.studies.description import Base

SMALL = Base("digits", "kmeans", "quick", {"n_samples": 120}, {"n_init": 1, "max_iter": 3})


def measure(of):
    return {key: measures.accuracy(done) for key, done in of.items()}


def made_claim(*, goes_on=False, n_clusters=2, base=SMALL):
    """That ten clusters are more accurate than two, of ten classes, which is so."""
    few, many = (
        replace(base, settings={**base.settings, "n_clusters": n})
        for n in (n_clusters, n_clusters if goes_on else max(10, n_clusters))
    )
    arms = (Arm("one", few), Arm("many", many, after="one" if goes_on else ""))
    return Claim(
        1,
        "made-up",
        "Ten clusters get more right than two",
        "Of no interest but to the tests.",
        Source("A test", "Nobody"),
        "accuracy rises",
        "Accuracy",
        (Series("one", "few clusters", 0.3), Series("many", "ten clusters")),
        {
            "small": Protocol(arms, "Nothing is as in the source."),
            "full": Protocol(arms, "Nothing is as in the source.", (0, 1, 2, 3)),
        },
        measure,
        Exceeds("many", "one", 0.1),
        also=(Question("Is nearly all right?", Beyond("many", "above", 0.999)),),
        lessons=(("assumptions", 1),),
    )
