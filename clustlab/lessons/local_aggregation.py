"""Close and background neighbours of one image, and the loss that tells them apart."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Choice, Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Words
from clustlab.course.formulas import in_formula
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_digits import digits, pixels
from clustlab.types import Array
from clustlab.views import sheets, teaching, theme

BACKGROUND, CLUSTERS, SEEDS = 120, 45, 10  # about 40 items a cluster
QUERIES = 200  # items that means are taken over
MIXED = 11  # a 9 among many that are not


@cache
def memory_bank() -> Array:
    """Rows (1797, 64) float32 of length 1: pixels without their mean."""
    rows = pixels() - pixels().mean(0)
    directions: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return directions


@cache
def background() -> Array:
    """The 300 nearest others (1797, 300) of each digit, best first."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.neighbours import nearest

    return np.asarray(nearest(torch.from_numpy(memory_bank()), 300, Context()))


@cache
def clustering(k: int, seed: int) -> Array:
    """Clusters (1797,) by k-means with k clusters from one seed."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    kmeans_clustering = kmeans(torch.from_numpy(memory_bank()), k, Context(seed), max_iter=15)
    return np.asarray(kmeans_clustering.assignments)


def votes(item: int | Array, others: Array, k: int, seeds: int) -> Array:
    """In how many clusterings each of the others lies in the cluster of the item; as `others`."""
    tables = [clustering(k, seed) for seed in range(seeds)]
    own = [t[np.asarray(item)][..., None] for t in tables]
    return np.sum([t[others] == o for t, o in zip(tables, own, strict=True)], 0)


def close_and_right(k: int, seeds: int, size: int) -> tuple[float, float]:
    """Mean number of close neighbours in a background, and the share of them of the same digit.

    Over the first 200 digits; the share is nan if no item has any.
    """
    labels = digits().labels
    assert labels is not None
    items = np.arange(QUERIES)
    others = background()[:QUERIES, :size]
    close = votes(items, others, k, seeds) > 0
    same = labels[others] == labels[items][:, None]
    return float(close.sum(1).mean()), float(same[close].mean()) if close.any() else math.nan


# -- 1 and 2: one image ----------------------------------------------------------------------------
SHOWN = 60


def _near(values: Values, materials: Sequence[Material]) -> list[Element]:
    item, size = int(values["item"]), int(values["size"])
    labels, neighbours = digits().labels, background()
    assert labels is not None
    others = neighbours[item, :size]
    shown = np.concatenate([[item], others[: SHOWN - 1]])
    wrong = labels[shown] != labels[item]
    sheet = sheets.atlas(digits().items, shown, tile=44, columns=15, wrong=wrong)
    same = np.cumsum(labels[neighbours[item]] == labels[item]) / np.arange(
        1, neighbours.shape[1] + 1
    )
    table = pd.DataFrame({"size": np.arange(1, len(same) + 1), "same": same})
    chart = teaching.lines(
        table, x="size", y="same", title=("neighbours", "same digit"), at=float(size), height=170
    )
    return [
        Picture(sheet.pixels, f"Digit {item} and its nearest, others marked", 680),
        Chart(chart, "Share of the same digit by the number of neighbours"),
        Words(
            f"Of {size} neighbours **{percent(same[size - 1])}** are the same digit (orange: "
            "others)."
        ),
    ]


def _large_background(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    labels = digits().labels
    assert labels is not None
    item, size = int(values["item"]), int(values["size"])
    few, many = (float((labels[background()[item, :n]] == labels[item]).mean()) for n in (20, size))
    option = 0 if many > 0.8 else 1 if many > 0.2 else 2
    return option, (
        f"{percent(many)} of {size}, {percent(few)} of the first 20. There are only "
        f"{int((labels == labels[item]).sum())} images of this digit. A background should hold "
        "strangers: it is what close neighbours are told apart from."
    )


def _close(values: Values, materials: Sequence[Material]) -> list[Element]:
    item, seeds = int(values["item"]), int(values["seeds"])
    labels = digits().labels
    assert labels is not None
    others = background()[item, :BACKGROUND]
    counts = votes(item, others, CLUSTERS, seeds)
    order = np.concatenate([[item], others[: SHOWN - 1]])
    marks = np.concatenate([[1], np.where(counts[: SHOWN - 1] > 0, 0, -1)])
    sheet = sheets.atlas(
        digits().items,
        order,
        tile=40,
        columns=15,
        clusters=marks,
        wrong=labels[order] != labels[item],
    )
    names = [str(i) for i in range(seeds + 1)]
    chart = teaching.bars(
        names,
        np.bincount(counts, minlength=seeds + 1),
        title=f"background neighbours (of {BACKGROUND}) by votes",
        digits=0,
        height=70 + 22 * (seeds + 1),
    )
    n = int((counts > 0).sum())
    right = float((labels[others[counts > 0]] == labels[item]).mean()) if n else math.nan
    said = f"; **{percent(right, 0)}** of them are the same digit" if n else ""
    return [
        Picture(
            sheet.pixels, "The image and its background; close neighbours have blue borders", 680
        ),
        Words(f"**{n}** of {BACKGROUND} are close, with blue borders{said}."),
        Chart(chart, f"How many of {seeds} clusterings put each neighbour with the image"),
    ]


def _more_votes(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    item, seeds = int(values["item"]), int(values["seeds"])
    others = background()[item, :BACKGROUND]
    one, many = (int((votes(item, others, CLUSTERS, h) > 0).sum()) for h in (1, seeds))
    option = 0 if many > one else 1 if many == one else 2
    return option, (
        f"{one} with a single clustering, {many} with {seeds}. One vote is enough to be close, so "
        "each further clustering can only add some. Items near the border of a cluster get their "
        "chance that way."
    )


# -- 3: more clusterings ---------------------------------------------------------------------------
def _tradeoff(values: Values, materials: Sequence[Material]) -> list[Element]:
    seeds = int(values["seeds"])
    pairs = [close_and_right(CLUSTERS, h, BACKGROUND) for h in range(1, SEEDS + 1)]
    parts: list[Element] = []
    for column, title in ((0, "close neighbours"), (1, "same digit")):
        table = pd.DataFrame({"h": range(1, SEEDS + 1), "y": [pair[column] for pair in pairs]})
        chart = teaching.lines(
            table, x="h", y="y", title=("clusterings H", title), at=float(seeds), height=190
        )
        parts.append(Chart(chart, f"Mean {title} by the number of clusterings"))
    number, right = pairs[seeds - 1]
    return [
        *parts,
        Words(
            f"{seeds} clusterings: **{number:.1f}** close ones, **{percent(right)}** the same digit"
        ),
    ]


def _purer(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (few, before), (many, now) = (
        close_and_right(CLUSTERS, h, BACKGROUND) for h in (1, int(values["seeds"]))
    )
    option = 0 if now > before + 0.005 else 1 if now < before - 0.005 else 2
    added = (many * now - few * before) / max(many - few, 1e-9)
    return option, (
        f"From {percent(before)} to {percent(now)}, while the number grows from {few:.1f} to "
        f"{many:.1f}: of those that were added, {percent(added)} are right. More neighbours to "
        "learn from are paid for with some wrong ones."
    )


# -- 4: the loss of one image ----------------------------------------------------------------------
QUERY = np.array([0.96, 0.28])
SMALL_MEMORY_BANK = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]])
KIND = ("close", "close", "background", "far")


def loss_of_one(temperature: float) -> tuple[Array, float]:
    """Weights (4,) of the rows in the small bank for the query, and its loss in nats."""
    weights = np.exp(SMALL_MEMORY_BANK @ QUERY / temperature)
    close, all_near = weights[:2].sum(), weights[:3].sum()
    return weights, float(-np.log(close / all_near))


def _loss(values: Values, materials: Sequence[Material]) -> list[Element]:
    tau = values["tau"]
    weights, loss = loss_of_one(tau)
    near = weights[:3] / weights[:3].sum()
    table = pd.DataFrame(
        {"cosine": SMALL_MEMORY_BANK @ QUERY, "weight": weights, "share of B": [*near, 0.0]},
        index=[f"row {i}, {kind}" for i, kind in enumerate(KIND)],
    )

    def arithmetic(row: int, column: str) -> str:
        (x, y), cosine = SMALL_MEMORY_BANK[row], float(SMALL_MEMORY_BANK[row] @ QUERY)
        if column == "cosine":
            return f"$0.96 \\cdot {x:g} + 0.28 \\cdot {y:g} = {cosine:.3f}$"
        if column == "weight":
            return f"$\\exp({cosine:.3f} / {tau:g}) = {in_formula(weights[row])}$"
        if row == 3:
            return "Row 3 is not among the 3 nearest: it is neither pulled nor pushed"
        below = " + ".join(map(in_formula, weights[:3]))
        return f"${in_formula(weights[row])} / ({below}) = {near[row]:.4f}$"

    points = np.vstack([QUERY, SMALL_MEMORY_BANK])
    chart = teaching.cloud(
        points,
        np.array([1, 0, 0, 3, -1]),
        links=np.hstack([np.zeros_like(points), points]),
        marked=(0,),
        within=(-1.9, 1.9, -0.2, 1.2),
        names={1: "query", 0: "close", 3: "background", -1: "far"},
        height=210,
    )
    return [
        Chart(chart, "Query, ringed, with two close rows, one in the background, one far away"),
        Numbers(table, arithmetic, "Rows of the bank", 4, start=(0, "share of B")),
        Words(f"Loss: -ln({near[0]:.4f} + {near[1]:.4f}) = **{loss:.4f}** nats"),
    ]


def _cold(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    before, now = loss_of_one(0.5)[1], loss_of_one(values["tau"])[1]
    option = 0 if now > before + 1e-6 else 1 if now < before / 10 else 2
    return option, (
        f"From {before:.4f} to {now:.6f} nats. With a small τ nearly all weight lies on the "
        "nearest rows, and these are close ones here: nothing is left to learn from this image."
    )


# -- 5: how many clusters --------------------------------------------------------------------------
SIZES = ("5", "45", "150", "600")


def _granular(values: Values, materials: Sequence[Material]) -> list[Element]:
    pairs = [close_and_right(int(k), 3, BACKGROUND) for k in SIZES]
    table = pd.DataFrame(pairs, columns=["close", "same digit"], index=[f"k = {k}" for k in SIZES])
    table["share"] = table["close"] / BACKGROUND

    def arithmetic(row: int, column: str) -> str:
        number, right = pairs[row]
        if column == "share":
            return f"${number:.2f} / {BACKGROUND} = {number / BACKGROUND:.3f}$"
        if column == "close":
            return (
                f"Mean over {QUERIES} images of those with a vote among {BACKGROUND}: "
                f"${number:.2f}$"
            )
        return f"Share of the close ones that are the same digit: ${right:.3f}$"

    colours = [theme.ACCENT if k == values["k"] else theme.RIGHT for k in SIZES]
    chart = teaching.bars(
        [f"k = {k}" for k in SIZES],
        table["share"].to_numpy(),
        title="share of the background that is close",
        high=1.0,
        colours=colours,
        height=200,
    )
    return [
        Chart(chart, "Share of the background that is close, by the number of clusters"),
        Numbers(
            table, arithmetic, "Three clusterings each", start=(SIZES.index(values["k"]), "share")
        ),
    ]


def _singletons(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    number, right = close_and_right(int(values["k"]), 3, BACKGROUND)
    usual = close_and_right(CLUSTERS, 3, BACKGROUND)[0]
    option = 0 if number > 20 else 1 if number > 4 else 2
    return option, (
        f"{number:.1f} on average, against {usual:.1f} with {CLUSTERS} clusters; {percent(right)} "
        "of them are the same digit. With too many clusters each image stands nearly alone, with "
        "too few the whole background is close. Either way there is little to tell apart."
    )


LESSON = Lesson(
    8,
    "local-aggregation",
    "Local Aggregation: two kinds of neighbours",
    "Pull an image towards its close neighbours, away from the rest of its surroundings.",
    methods=("local-aggregation",),
    terms={
        "kNN probe": "How often the nearest neighbours of an item in the embedding guess its "
        "class; says how good the features are.",
        "Background neighbours": "The nearest items to an item, whatever they are; B.",
        "Close neighbours": "Items that some clustering puts into one cluster with an item; C.",
        "Memory bank": "The last known row of every item, with which new rows are compared.",
        "Query": "The item whose neighbours are asked for.",
    },
    steps=(
        LessonStep(
            "The background of one image",
            "Local Aggregation looks at one image at a time and asks only about its "
            "surroundings: the nearest others. A row here is an image's pixels scaled to length "
            "1; in the method a network makes the rows. Choose an image, and how many others "
            "count.",
            r"B_i = \text{the } k_B \text{ rows } \bar v_j \text{ of largest } \bar v_j \cdot v_i",
            {"B_i": "background of image i", "v_i": "its row", r"\bar v_j": "row j of the bank"},
            _near,
            Try(
                "The background grows to 300 images. How many of them show the same digit as this "
                "one?",
                ("More than 80%", "20 to 80%", "Less than 20%"),
                {"item": float(MIXED), "size": 300.0},
                _large_background,
            ),
            (
                Slider("item", "Image", 0, QUERIES - 1, MIXED, 1),
                Slider("size", "Background neighbours", 5, 300, BACKGROUND, 5),
            ),
            explains=("local-aggregation.n_background",),
        ),
        LessonStep(
            "The close ones among them",
            "Which of them belong with it? Cluster all images finely, here by k-means with 45 "
            "clusters, several times from different starts. Any image that shares a cluster with "
            "it at least once is close.",
            r"C_i = \bigcup_{h=1}^{H} \{\, j : c_h(j) = c_h(i) \,\}",
            {"c_h(i)": "cluster of image i in clustering h", "H": "number of clusterings"},
            _close,
            Try(
                "Ten clusterings instead of one. How many close neighbours does the image have?",
                ("More", "As many", "Fewer"),
                {"item": float(MIXED), "seeds": float(SEEDS)},
                _more_votes,
            ),
            (
                Slider("item", "Image", 0, QUERIES - 1, MIXED, 1),
                Slider("seeds", "Clusterings H", 1, SEEDS, 1, 1),
            ),
            explains=("local-aggregation.n_clusterings",),
        ),
        LessonStep(
            "How many, and how many are right",
            "Each further clustering can only add close neighbours, and those that few "
            "clusterings agree on are the doubtful ones. The upper curve is the mean number of "
            "close neighbours of 200 images. The lower one is the share of them that show the "
            "same digit, by labels that the method never sees.",
            r"\Pr(y_j = y_i \mid j \in C_i \cap B_i)",
            {
                r"\Pr": "share",
                "y_i": "true digit of image i",
                "C_i": "its close neighbours",
                "B_i": "its background",
            },
            _tradeoff,
            Try(
                "From one clustering to ten: what does the share of the same digit do?",
                ("It rises", "It falls", "It stays"),
                {"seeds": float(SEEDS)},
                _purer,
            ),
            (Slider("seeds", "Clusterings H", 1, SEEDS, 1, 1),),
        ),
        LessonStep(
            "The loss of one image",
            "Each row gets a weight by its cosine with the query. The loss asks what part of the "
            "background's weight lies on close neighbours; far rows play no part. Click a number.",
            r"L_i = -\ln \frac{\sum_{j \in C_i \cap B_i} \exp(\bar v_j \cdot v_i / \tau)}"
            r"{\sum_{j \in B_i} \exp(\bar v_j \cdot v_i / \tau)}",
            {"v_i": "row of the query", r"\bar v_j": "row j of the bank", r"\tau": "temperature"},
            _loss,
            Try(
                "The close rows are the nearest ones already. τ falls from 0.5 to 0.07. What does "
                "the loss do?",
                ("It rises", "It falls to less than a tenth", "It falls a little"),
                {"tau": 0.07},
                _cold,
            ),
            (Slider("tau", "Temperature τ", 0.07, 1.0, 0.5, 0.01),),
            explains=("local-aggregation.temperature",),
        ),
        LessonStep(
            "How fine the clusters must be",
            "Few clusters are large: all of the background is close, the loss is 0, and nothing "
            "moves. Many clusters are tiny: hardly any neighbour is close, so the image is "
            "pushed away from nearly all of them. Only in between does the loss tell two kinds "
            "apart. Click a number.",
            r"\frac{|C_i \cap B_i|}{|B_i|} \to 1: \; L_i \to 0",
            {
                r"|C_i \cap B_i|": "close ones in the background",
                "|B_i|": "size of the background, 120",
                "L_i": "loss of image i",
            },
            _granular,
            Try(
                "600 clusters for 1,797 images, three clusterings. How many close neighbours "
                "does an image have on average?",
                ("More than 20", "4 to 20", "Less than 4"),
                {"k": "600"},
                _singletons,
            ),
            (Choice("k", "Clusters k", SIZES, "45"),),
            explains=("local-aggregation.items_per_cluster",),
        ),
    ),
)
