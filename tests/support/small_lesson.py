"""A lesson of two steps, one with a plane and a table, one that draws on a run of k-means."""

import numpy as np
import pandas as pd

from clustlab.course.controls import Places, Slider
from clustlab.course.figure import Chart, Numbers, Picture, Plane, Words
from clustlab.course.lesson import Lesson, LessonStep, Try
from clustlab.runs.store import RunSpec
from clustlab.views import teaching

RUN = RunSpec("digits", "kmeans", {"n_samples": 200}, {"n_clusters": 4, "n_init": 1, "max_iter": 5})


def _points(values, materials):
    return [
        Words(f"The scale is **{values['scale']:g}**, & more"),
        Plane("at", ("#0196f4",), "One <point>", ((1.0, 1.0, "#be8322"),)),
        Numbers(
            pd.DataFrame({"a": [1.5, 2.5], "b": [3, 4]}),
            lambda row, column: f"$\\frac{{{row}}}{{2}}$ in {column}",
            "Two rows",
            start=(1, "b"),
        ),
        Picture(np.full((4, 4, 3), 9, np.uint8), "Four pixels", 80),
    ]


def _run(values, materials):
    (material,) = materials
    sizes = np.bincount(material.timeline.stable(len(material.run) - 1))
    names = [f"cluster {i}" for i in range(len(sizes))]
    return [Chart(teaching.bars(names, sizes, title="items"), "Sizes of clusters")]


LESSON = Lesson(
    99,
    "small",
    "A small <lesson>",
    "Little to see.",
    (
        LessonStep(
            "Where it <lies>",
            "One sentence. Another.",
            r"\begin{gathered} a = \arg\max_j b_j \\ c < d \end{gathered}",
            {r"\mu_j": "centre j"},
            _points,
            Try(
                "Scale it up.",
                ("It grows", "It shrinks"),
                {"scale": 3.0},
                lambda values, materials: (0, f"It is {values['scale']:g} now."),
            ),
            (Slider("scale", "Scale", 1, 5, 1), Places("at", "Place", ((0.0, 0.0),))),
        ),
        LessonStep(
            "A run",
            "It draws on a run.",
            "n",
            {},
            _run,
            Try("Are all equal?", ("Yes", "No"), {}, lambda values, materials: (1, "See.")),
            needs=lambda values: [RUN],
        ),
    ),
)


def install(monkeypatch):
    """Make it the only lesson."""
    monkeypatch.setattr("clustlab.course.catalogue.lesson", {"small": LESSON}.__getitem__)
