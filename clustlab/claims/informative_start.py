"""What DAC's pairs are worth before anything is trained."""

from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Done, Protocol, Series, Source
from clustlab.evidence.rules import Exceeds
from clustlab.studies.description import Base

SEEDS = (0, 1, 2, 3, 4)


def _measure(of: Mapping[str, Done]) -> Mapping[str, float]:
    run = of["run"]
    return {"chance": measures.pairs_by_chance(run), "start": measures.pair_precision(run)}


CLAIM = Claim(
    8,
    "informative-start",
    "The cosines from which DAC makes its labels mean something in an untrained network",
    "DAC learns from pairs that its own answers call alike, so it needs a first answer that is "
    "better than chance. The overview says that random weights give one, since what comes out "
    "still depends on what went in. Counted are the pairs that the untrained network takes as "
    "alike: how many of them are of one digit.",
    Source(
        "D. Gupta, An Overview of Deep Learning Based Clustering Techniques, 2019",
        "Chang et al. 2017 (DAC)",
    ),
    "somewhat meaningful at the start; no figure",
    "Share of the pairs taken as alike that are of one class",
    (Series("chance", "any two items"), Series("start", "pairs of the untrained network")),
    {
        "small": Protocol(
            (Arm("run", Base("mnist-5k", "dac", "quick", {"n_samples": 2000}, {"epochs": 1})),),
            "2,000 images and a narrow network; the one epoch of training is not looked at.",
            SEEDS,
        ),
        "full": Protocol(
            (Arm("run", Base("mnist", "dac", "paper", {"n_samples": None}, {"epochs": 1})),),
            "All 70,000 images and the network of the paper; the one epoch of training is not "
            "looked at.",
            SEEDS,
        ),
    },
    _measure,
    Exceeds("start", "chance", 0.1),
    lessons=(("pairs", 3),),
)
