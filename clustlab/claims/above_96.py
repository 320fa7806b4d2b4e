"""Several methods above 96 without labels."""

from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Protocol, Scale, Series, Source
from clustlab.evidence.rules import AtLeast, Beyond
from clustlab.studies.description import Base

TITLES = {"imsat": "IMSAT", "iic": "IIC", "dac": "DAC", "n2d": "N2D", "scan": "SCAN"}
CLAIMED = {"imsat": 0.984, "iic": 0.992, "dac": 0.978, "n2d": 0.979}
LIMIT = 0.96


def _arms(dataset: str, preset: str, n_samples: int | None) -> tuple[Arm, ...]:
    data = {"n_samples": n_samples}
    return tuple(Arm(method, Base(dataset, method, preset, data)) for method in TITLES)


PROTOCOLS: Mapping[Scale, Protocol] = {
    "small": Protocol(
        _arms("mnist-5k", "quick", 2000),
        "2,000 images instead of 70,000, and networks and epochs that take seconds instead of "
        "hours.",
    ),
    "full": Protocol(
        _arms("mnist", "paper", None),
        "All 70,000 images, as in the papers; the overview does not name its methods one by one.",
    ),
}

CLAIM = Claim(
    2,
    "above-96",
    "Several methods get more than 96% of MNIST right without a single label",
    "That is how far clustering by neural networks had come when the overview was written. Five "
    "methods are tried, among them those that it goes on to explain. Several is taken to mean at "
    "least three. No seed is left out and nothing is chosen by a score.",
    Source(
        "D. Gupta, An Overview of Deep Learning Based Clustering Techniques, 2019",
        "Hu et al. 2017 (IMSAT), Chang et al. 2017 (DAC), Ji et al. 2019 (IIC), McConville et al. "
        "2020 (N2D), Van Gansbeke et al. 2020 (SCAN)",
    ),
    "accuracy above 0.96 by several methods",
    "Accuracy",
    tuple(Series(key, title, CLAIMED.get(key)) for key, title in TITLES.items()),
    PROTOCOLS,
    measures.accuracies,
    AtLeast(3, tuple(Beyond(key, "above", LIMIT) for key in TITLES)),
    lessons=(("information", 6), ("pairs", 6), ("neighbours", 6)),
)
