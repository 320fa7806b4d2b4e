"""The heads of IIC: their mean, the best of them, and the one with the lowest loss."""

import statistics
from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Done, Protocol, Series, Source
from clustlab.evidence.rules import Every, Exceeds, NoWorse
from clustlab.studies.description import Base

SEEDS = (0, 1, 2, 3, 4)


def _measure(of: Mapping[str, Done]) -> Mapping[str, float]:
    heads = measures.head_accuracies(of["run"])
    return {
        "mean": statistics.fmean(heads),
        "best": max(heads),
        "lowest": heads[measures.lowest_loss_head(of["run"])],
    }


CLAIM = Claim(
    5,
    "lowest-loss-head",
    "The mean of IIC's heads lies well below the best one, and the head of lowest loss finds it",
    "IIC trains five heads on one network. The report saw one of them at 99% and others at 91%, "
    "and asks what to do about that. The paper reports the head whose loss is lowest, which takes "
    "no label to find. The best head is chosen by labels here, only to compare with.",
    Source(
        "A student's report on DEC and IIC, with runs of its own on MNIST",
        "Ji, Henriques and Vedaldi 2019 (IIC)",
    ),
    "accuracy 0.953 in the mean of five heads, 0.992 of the best one (3,200 epochs)",
    "Accuracy",
    (
        Series("mean", "mean of the heads", 0.953),
        Series("best", "best head, by labels", 0.992),
        Series("lowest", "head of lowest loss"),
    ),
    {
        "small": Protocol(
            (Arm("run", Base("digits", "iic", "quick")),),
            "1,797 digits of 8 x 8 pixels instead of MNIST, a narrow network and 20 epochs.",
            SEEDS,
        ),
        "full": Protocol(
            (Arm("run", Base("mnist", "iic", "paper", {"n_samples": None})),),
            "All 70,000 images with the settings of the paper.",
            SEEDS,
        ),
    },
    _measure,
    Every((Exceeds("best", "mean", 0.005), NoWorse("lowest", "best", 0.005))),
    lessons=(("iic", 6),),
)
