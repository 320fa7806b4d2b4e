"""The worst small change against a random one."""

from collections.abc import Mapping

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Protocol, Scale, Series, Source
from clustlab.evidence.rules import Every, Exceeds
from clustlab.studies.description import Base

LARGE = 2.5  # size of a random change, as a share of the distance to the neighbour


def _arms(dataset: str, preset: str, n_samples: int | None) -> tuple[Arm, ...]:
    data = {"n_samples": n_samples}
    rpt = {"perturbation": "rpt"}
    return (
        Arm("vat", Base(dataset, "imsat", preset, data)),
        Arm("rpt", Base(dataset, "imsat", preset, data, rpt)),
        Arm("rpt-large", Base(dataset, "imsat", preset, data, {**rpt, "reach": LARGE})),
    )


PROTOCOLS: Mapping[Scale, Protocol] = {
    "small": Protocol(
        _arms("mnist-5k", "quick", 2000),
        "2,000 images instead of 70,000, a network a third as wide, and 50 passes.",
    ),
    "full": Protocol(_arms("mnist", "paper", None), "All 70,000 images, as in the paper."),
}

CLAIM = Claim(
    7,
    "vat-above-rpt",
    "IMSAT does better when it withstands the worst small change than a random one",
    "Both kinds of training ask that a small change of an image must not change its cluster. A "
    "random change (RPT) is spread over all pixels and hardly matters; the worst change of the "
    "same size (VAT) is the one that the network is most easily misled by. To be fair to the "
    "random one, it is also tried ten times as large.",
    Source(
        "D. Gupta, An Overview of Deep Learning Based Clustering Techniques, 2019",
        "Hu et al. 2017 (IMSAT)",
    ),
    "accuracy 0.984 with VAT, 0.896 with RPT",
    "Accuracy",
    (
        Series("vat", "worst change (VAT)", 0.984),
        Series("rpt", "random change (RPT)", 0.896),
        Series("rpt-large", "random, ten times as large"),
    ),
    PROTOCOLS,
    measures.accuracies,
    Every((Exceeds("vat", "rpt", 0.01), Exceeds("vat", "rpt-large", 0.01))),
    lessons=(("information", 6), ("information", 7)),
)
