"""Skeleton title: a mean and the squared distances to it, in five steps to be replaced."""

from collections.abc import Sequence

import pandas as pd

from clustlab.course.controls import Slider, Values
from clustlab.course.figure import Element, Numbers, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try

POINTS = (1.0, 2.0, 6.0)
PLACES = {  # title of a step -> where its prediction puts the centre
    "A centre far to the left": 0.0,
    "A centre on a point": 2.0,
    "A centre at the mean": 3.0,
    "A centre at the edge": 6.0,
    "A centre beyond all points": 8.0,
}


def inertia(center: float) -> float:
    """Sum of the squared distances of the points to a centre."""
    return sum((x - center) ** 2 for x in POINTS)


def _figure(values: Values, materials: Sequence[Material]) -> list[Element]:
    """Figure from the values of the controls; `materials` are the runs that a step `needs`."""
    center = values["center"]
    table = pd.DataFrame({"point": POINTS, "squared": [(x - center) ** 2 for x in POINTS]})

    def arithmetic(row: int, column: str) -> str:
        x = POINTS[row]
        return (
            f"${x:g}$" if column == "point" else f"$({x:g} - {center:g})^2 = {(x - center) ** 2:g}$"
        )

    return [
        Words(f"The inertia is **{inertia(center):g}**."),
        Numbers(table, arithmetic, "Points and their squared distances to the centre"),
    ]


def _outcome(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    """Number of the option that came true, computed from the values, and why."""
    here, best = inertia(values["center"]), inertia(sum(POINTS) / len(POINTS))
    return int(here > best), f"The inertia is {here:g} here and {best:g} at the mean."


def _step(title: str, place: float) -> LessonStep:
    return LessonStep(
        title,
        "k-means puts a centre where the sum of squared distances to its points is smallest. "
        "Move the centre and watch the sum.",
        r"J = \sum_i (x_i - \mu)^2",
        {"x_i": "a point", r"\mu": "the centre"},
        _figure,
        Try(
            f"The centre is moved to {place:g}. Is any other place better?",
            ("None is better", "Another is better"),
            {"center": place},
            _outcome,
        ),
        (Slider("center", "Place of the centre", 0, 8, 1, 1),),
    )


LESSON = Lesson(
    99,  # its place in the course
    "skeleton-name",
    "Skeleton title",
    "Where the squared distances from a centre to its points are smallest.",
    tuple(_step(title, place) for title, place in PLACES.items()),
    methods=(),  # names of the methods that it is about, the main one first
    terms={"Inertia of a centre": "Sum of the squared distances of points to their centre."},
)
