"""Target distributions besides that of DEC."""

from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Done, Protocol, Series, Source
from clustlab.evidence.rules import AtLeast, Every, Exceeds, NoWorse
from clustlab.studies.description import Base

OTHERS = {"hard": "nearest centre alone", "sinkhorn": "equal sizes (Sinkhorn)"}
SEEDS = (0, 1, 2, 3, 4)


def _measure(of: Mapping[str, Done]) -> Mapping[str, float]:
    start = measures.accuracy(of["dec"], measures.first_clusters(of["dec"]))
    return {"start": start, **{key: measures.accuracy(done) for key, done in of.items()}}


def _arms(dataset: str, preset: str, n_samples: int | None) -> tuple[Arm, ...]:
    data = {"n_samples": n_samples}
    others = (Arm(t, Base(dataset, "dec", preset, data, {"target": t})) for t in OTHERS)
    return (Arm("dec", Base(dataset, "dec", preset, data)), *others)


CLAIM = Claim(
    13,
    "other-targets",
    "DEC can work with another target distribution than its own",
    "DEC squares its answers and divides them by the size of the cluster to get what it trains "
    "towards. The report asks whether another choice would do. Two others are tried from the same "
    "start: to be sure of the nearest centre at once, and to give every cluster the same number "
    "of items. One works if it ends at most 0.02 below DEC's own, and above where it began.",
    Source(
        "A student's report on DEC and IIC, which asks the question",
        "Xie, Girshick and Farhadi 2016 (DEC)",
    ),
    "an open question; no figure",
    "Accuracy",
    (
        Series("start", "start, by k-means"),
        Series("dec", "DEC's own target"),
        *(Series(key, title) for key, title in OTHERS.items()),
    ),
    {
        "small": Protocol(
            _arms("digits", "quick", None),
            "1,797 digits of 8 x 8 pixels instead of MNIST, a narrower network and 25 updates.",
            SEEDS,
        ),
        "full": Protocol(
            _arms("mnist", "paper", None), "All 70,000 images with the settings of the paper."
        ),
    },
    _measure,
    AtLeast(
        1,
        tuple(Every((NoWorse(key, "dec", 0.02), Exceeds(key, "start", 0.0))) for key in OTHERS),
    ),
    lessons=(("dec", 9),),
)
