"""K-means on shapes that no centre can stand for."""

from clustlab.evidence import measures
from clustlab.evidence.claim import Arm, Claim, Protocol, Question, Series, Source
from clustlab.evidence.rules import Beyond, Every, Exceeds
from clustlab.studies.description import Base

SHAPES = ("moons", "circles")
TITLES = {"kmeans": "k-means", "spectral": "spectral"}


def _key(method: str, shape: str) -> str:
    return f"{method}-{shape}"


def _arms(n: int) -> tuple[Arm, ...]:
    return tuple(
        Arm(
            _key(method, shape),
            Base("toy", method, "standard", {"shape": shape, "n": n}, {"n_clusters": 2}),
        )
        for shape in SHAPES
        for method in TITLES
    )


CLAIM = Claim(
    10,
    "irregular-shapes",
    "K-means fails on irregular shapes",
    "K-means gives each point to the nearest centre, so its clusters are cut apart by straight "
    "lines. Two half moons that reach into each other, and a ring around a disc, cannot be cut "
    "like that. Beside it stands spectral clustering, which joins neighbours instead, so that the "
    "shapes are seen to be there.",
    Source("A blog post on deep clustering and what networks represent", "Lloyd 1982 (k-means)"),
    "notorious for failing; a picture, no figure",
    "Accuracy",
    tuple(
        Series(_key(method, shape), f"{title}, {shape}")
        for shape in SHAPES
        for method, title in TITLES.items()
    ),
    {
        "small": Protocol(_arms(500), "500 points of each shape, drawn here.", (0, 1, 2, 3, 4)),
        "full": Protocol(_arms(3000), "3,000 points of each shape, drawn here.", (0, 1, 2, 3, 4)),
    },
    measures.accuracies,
    Every(tuple(Exceeds(_key("spectral", s), _key("kmeans", s), 0.1) for s in SHAPES)),
    also=(
        Question(
            "Whatever spectral clustering does: does k-means get less than nine in ten right?",
            Every(tuple(Beyond(_key("kmeans", shape), "below", 0.9) for shape in SHAPES)),
        ),
    ),
    lessons=(("assumptions", 7), ("assumptions", 6)),
)
