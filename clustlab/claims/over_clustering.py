"""Over-clustering beside the clusters that are asked for."""

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Protocol, Series, Source
from clustlab.evidence.rules import Exceeds
from clustlab.studies.description import Base

SEEDS = (0, 1, 2, 3, 4)


CLAIM = Claim(
    6,
    "over-clustering",
    "An extra head with more clusters than asked for raises the accuracy of IIC",
    "The extra head divides the images more finely than there are classes, and is thrown away in "
    "the end. It is said to make the shared network see more. The report quotes the largest gain, "
    "on STL-10, where photographs of other classes are mixed in.",
    Source(
        "A student's report on DEC and IIC, which quotes the paper",
        "Ji, Henriques and Vedaldi 2019 (IIC)",
    ),
    "accuracy 0.44 without, 0.61 with it, on STL-10",
    "Accuracy",
    (Series("without", "without the extra head"), Series("with", "with the extra head")),
    {
        "small": Protocol(
            (
                Arm("without", Base("digits", "iic", "quick", {}, {"n_clusters_over": None})),
                Arm("with", Base("digits", "iic", "quick")),
            ),
            "1,797 digits instead of photographs of STL-10, and no images of other classes.",
            SEEDS,
        ),
        "full": Protocol(
            (
                Arm("without", Base("stl10", "iic", "paper", {}, {"n_clusters_over": None})),
                Arm("with", Base("stl10", "iic", "paper", {}, {"n_clusters_over": 70})),
            ),
            "The 13,000 labelled photographs only, where the paper trains the extra head on "
            "100,000 others as well, and a smaller network than its ResNet.",
        ),
    },
    measures.accuracies,
    Exceeds("with", "without", 0.01),
    lessons=(("iic", 8),),
)
