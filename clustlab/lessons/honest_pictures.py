"""What pictures and scores of clusters do not say: size, distance, structure and luck."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Choice, Grid, Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Words
from clustlab.course.formulas import in_formula
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_points import accuracy, on_shape, toy
from clustlab.types import Array
from clustlab.views import teaching, theme

ITEMS = 150  # laid out in a blink
EPOCHS = 40
SEEDS = 4


# -- layouts ---------------------------------------------------------------------------------------
@cache
def some_digits(count: int) -> tuple[Array, Array]:
    """Pixels (count, 64) in [0, 1] of some digits, and which digits they are."""
    from clustlab.datasets.digits import Digits
    from clustlab.parts.inputs.network_input import features

    data = Digits(n_samples=count).load(0, lambda _text, _share: None)
    assert data.labels is not None
    return features(data.items), data.labels


def laid_out(rows: Array, seed: int, n_neighbors: int = 12) -> Array:
    """UMAP layout (n, 2) of rows (n, d) from a random start, by the library's own code."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.umap_layout import boxed, layout_of

    ctx = Context(seed)
    layout = layout_of(torch.as_tensor(rows, dtype=torch.float32), n_neighbors, 0.1, EPOCHS, ctx)
    points = boxed(torch.from_numpy(ctx.rng.normal(size=(len(rows), 2)).astype(np.float32)))
    for epoch in range(EPOCHS):
        layout.epoch(points, epoch, 1 - epoch / EPOCHS, ctx)
    return points.numpy()


@cache
def layout_of_digits(seed: int, neighbours: int) -> Array:
    """Layout of the same digits, by seed."""
    return laid_out(some_digits(ITEMS)[0], seed, neighbours)


def side_by_side(pictures: Sequence[Array]) -> Array:
    """Points of all pictures in one row, each scaled into a square of side 1."""
    placed = []
    for i, points in enumerate(pictures):
        low, high = points.min(0), points.max(0)
        placed.append((points - low) / np.maximum((high - low).max(), 1e-9) + [1.15 * i, 0])
    return np.concatenate(placed)


# -- 1: four seeds ---------------------------------------------------------------------------------
def agreement(a: Array, b: Array) -> tuple[float, float]:
    """How well distances within one picture foretell those in another: near pairs, and far ones.

    Rank correlations, over the nearest tenth of the pairs and over the farthest half in `a`.
    """
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    one, other = pdist(a), pdist(b)
    near, far = one <= np.quantile(one, 0.1), one >= np.quantile(one, 0.5)
    correlations = [float(spearmanr(one[part], other[part]).statistic) for part in (near, far)]
    return correlations[0], correlations[1]


def kept_neighbours(a: Array, b: Array, k: int = 5) -> float:
    """Share of the k nearest of each item that two pictures have in common."""
    from clustlab.analysis.nearest_neighbours import k_nearest

    one, other = (k_nearest(x, k).indices for x in (a, b))
    return float(np.mean([len(np.intersect1d(p, q)) / k for p, q in zip(one, other, strict=True)]))


def _four_seeds(values: Values, materials: Sequence[Material]) -> list[Element]:
    neighbours = int(values["neighbours"])
    pictures = [layout_of_digits(seed, neighbours) for seed in range(SEEDS)]
    labels = np.tile(some_digits(ITEMS)[1], SEEDS)
    near = kept_neighbours(pictures[0], pictures[1])
    _, far = agreement(pictures[0], pictures[1])
    heads = [(1.15 * seed + 0.5, 1.05, f"seed {seed}") for seed in range(SEEDS)]
    chart = teaching.cloud(side_by_side(pictures), labels, texts=heads, height=280)
    return [
        Words(
            f"Seeds 0 to 3. The first two share **{percent(near, 0)}** of each item's five "
            "neighbours; the distances of far pairs agree with a rank correlation of "
            f"**{far:.2f}**."
        ),
        Chart(chart, f"Four layouts of the same {ITEMS} digits, coloured by digit"),
    ]


def _seeds_agree(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    neighbours = int(values["neighbours"])
    pictures = [layout_of_digits(seed, neighbours) for seed in range(SEEDS)]
    pairs = [(i, j) for i in range(SEEDS) for j in range(i)]
    far = float(np.mean([agreement(pictures[i], pictures[j])[1] for i, j in pairs]))
    near = float(np.mean([kept_neighbours(pictures[i], pictures[j]) for i, j in pairs]))
    return (0 if far > 0.9 else 1 if far > 0.6 else 2), (
        f"On average {far:.2f} for far pairs, while {percent(near, 0)} of an item's five nearest "
        "are the same. Which island lies beside which is mostly luck; who lives on an island is "
        "not."
    )


# -- 2: size and distance --------------------------------------------------------------------------
@cache
def three_groups(width: float, gap: float) -> tuple[Array, Array]:
    """Points (150, 10): one tight group, one `width` times as wide, one `gap` times as far."""
    rng = np.random.default_rng(0)
    ids = np.arange(ITEMS) % 3
    spread = np.array([1.0, width, 1.0])[ids]
    middle = np.zeros((3, 10))
    middle[:, 0] = [0.0, 12.0 * max(1.0, width / 3), 0.0]
    middle[2, 1] = gap * middle[1, 0]
    return (middle[ids] + rng.normal(size=(ITEMS, 10)) * spread[:, None]).astype(np.float32), ids


def ratios(points: Array, ids: Array) -> tuple[float, float]:
    """Width of group 1 over that of group 0, and how much farther off group 2 is than group 1."""
    middles = np.array([points[ids == g].mean(0) for g in range(3)])
    widths = [float(points[ids == g].std(0).mean()) for g in range(3)]
    gaps = np.linalg.norm(middles[1:] - middles[0], axis=1)
    return widths[1] / widths[0], float(gaps[1] / gaps[0])


@cache
def sizes_and_gaps(width: float, gap: float) -> tuple[Array, Array, pd.DataFrame]:
    """Layout of the groups, their ids, and both ratios in the space and in the picture."""
    rows, ids = three_groups(width, gap)
    points = laid_out(rows, 0)
    table = pd.DataFrame(
        [ratios(rows, ids), ratios(points, ids)],
        index=["in the data", "in the picture"],
        columns=["width ratio", "distance ratio"],
    )
    return points, ids, table


def _sizes(values: Values, materials: Sequence[Material]) -> list[Element]:
    points, ids, table = sizes_and_gaps(values["width"], values["gap"])
    rows, _ = three_groups(values["width"], values["gap"])

    def arithmetic(row: int, column: str) -> str:
        shown = (rows, points)[row]
        if column == "width ratio":
            a, b = (float(shown[ids == g].std(0).mean()) for g in (1, 0))
        else:
            middle = [shown[ids == g].mean(0) for g in range(3)]
            a, b = (float(np.linalg.norm(middle[g] - middle[0])) for g in (2, 1))
        return f"${a:.2f} / {b:.2f} = {a / b:.2f}$"

    return [
        Numbers(table, arithmetic, "Group 1 to 0, and group 2 to 1", 2, (1, "width ratio")),
        Chart(teaching.cloud(points, ids, height=300), "Layout of three groups of points"),
    ]


def _same_size(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    _, _, table = sizes_and_gaps(values["width"], values["gap"])
    data, picture = table["width ratio"]
    far, shown = table["distance ratio"]
    return (0 if picture > data / 2 else 1 if picture > 2 else 2), (
        f"{data:.1f} times as wide in the data, {picture:.1f} times in the picture; and {far:.1f} "
        f"times as far became {shown:.1f}. Each neighbourhood is measured by its own width."
    )


# -- 3: noise --------------------------------------------------------------------------------------
def of_noise(n_clusters: int, seed: int = 0) -> tuple[Array, Array, float]:
    """Evenly spread points, clusters that k-means makes of them, and their silhouette."""
    from clustlab.analysis.metrics import silhouette
    from clustlab.course.on_points import last_of

    points = toy("uniform-noise", 0.1, seed).items
    clusters = last_of("kmeans", points, n_clusters, n_init=3).assignments
    return points, clusters, silhouette(points, clusters)


def _noise(values: Values, materials: Sequence[Material]) -> list[Element]:
    points, clusters, width = of_noise(int(values["clusters"]), int(values["seed"]))
    sizes = np.bincount(clusters)
    return [
        Words(
            f"Clusters of {sizes.min()} to {sizes.max()} points, silhouette **{width:.2f}**. "
            "The points were drawn without any groups."
        ),
        Chart(teaching.cloud(points, clusters, height=390), "Evenly spread points in clusters"),
    ]


def _score_of_noise(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    silhouettes = [of_noise(int(values["clusters"]), seed)[2] for seed in range(4)]
    low, high = min(silhouettes), max(silhouettes)
    return (0 if high < 0.1 else 1 if low < 0.25 else 2), (
        f"{low:.2f} to {high:.2f} over four draws. Cutting a square into four squares is neat, and "
        "neatness is all that is measured. Compare with the same score on shuffled data."
    )


# -- 4: silhouette against accuracy ----------------------------------------------------------------
@cache
def two_divisions(shape: str) -> pd.DataFrame:
    """Silhouette and accuracy of the true groups and of k-means."""
    from clustlab.analysis.metrics import silhouette

    data = toy(shape, 0.05)
    assert data.labels is not None
    clusters = on_shape("kmeans", shape, 0.05, 0, (("n_init", 5),)).assignments
    rows = [(silhouette(data.items, ids), accuracy(data, ids)) for ids in (data.labels, clusters)]
    return pd.DataFrame(rows, index=["true groups", "k-means"], columns=["silhouette", "accuracy"])


def two_gaps(shape: str, division: int, item: int) -> tuple[float, float]:
    """Mean distance of a point to its own cluster without itself, and to the nearest other."""
    data = toy(shape, 0.05)
    ids = (data.labels, on_shape("kmeans", shape, 0.05, 0, (("n_init", 5),)).assignments)[division]
    assert ids is not None
    distances = np.linalg.norm(data.items - data.items[item], axis=1)
    own = ids == ids[item]
    others = [float(distances[ids == g].mean()) for g in np.unique(ids[~own])]
    return float(distances[own].sum() / (own.sum() - 1)), min(others)


def _divisions(values: Values, materials: Sequence[Material]) -> list[Element]:
    shape, item = values["shape"], 0
    data, table = toy(shape, 0.05), two_divisions(values["shape"])
    gaps = [two_gaps(shape, division, item) for division in (0, 1)]
    table = table.assign(**{"own a": [a for a, _ in gaps], "other b": [b for _, b in gaps]})

    def arithmetic(row: int, column: str) -> str:
        a, b = gaps[row]
        if column == "accuracy":
            return (
                f"{table['accuracy'].iloc[row]:.3f} of the {len(data.items)} points lie in the "
                "cluster of their group."
            )
        if column == "own a":
            return f"Mean distance of the ringed point to its own cluster: ${a:.3f}$"
        if column == "other b":
            return f"Mean distance of the ringed point to the other cluster: ${b:.3f}$"
        one = (b - a) / max(a, b)
        return (
            f"The ringed point has $({b:.3f} - {a:.3f}) / {max(a, b):.3f} = {one:.3f}$; the mean "
            f"of all points is ${table['silhouette'].iloc[row]:.3f}$"
        )

    clusters = on_shape("kmeans", shape, 0.05, 0, (("n_init", 5),)).assignments
    assert data.labels is not None
    both = side_by_side([data.items, data.items])
    chart = teaching.cloud(
        both,
        np.concatenate([data.labels, clusters]),
        marked=[item, len(clusters) + item],
        height=290,
    )
    return [
        Numbers(table, arithmetic, "Both divisions of the same points", start=(1, "silhouette")),
        Chart(chart, f"True groups on the left and k-means on the right, shape {shape}"),
    ]


def _which_is_neater(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    table = two_divisions(values["shape"])
    truth, kmeans = table["silhouette"]
    return (0 if truth > kmeans + 0.01 else 1 if kmeans > truth + 0.01 else 2), (
        f"The truth has {truth:.2f}, k-means {kmeans:.2f}, with an accuracy of "
        f"{table['accuracy'].iloc[1]:.2f}. A silhouette asks for compact balls, not for what is "
        "true."
    )


# -- 5: matching -----------------------------------------------------------------------------------
COUNTS = ((30.0, 0.0, 0.0), (0.0, 30.0, 0.0), (0.0, 0.0, 30.0))
SPLIT = ((16.0, 14.0, 0.0), (0.0, 0.0, 30.0), (0.0, 0.0, 30.0))
CLASSES = ("cats", "dogs", "owls")


def scores_of(counts: Array) -> tuple[Array, float, float]:
    """Class (k,) of each cluster, accuracy and purity of counts (clusters, classes)."""
    from clustlab.analysis.matching import hungarian
    from clustlab.analysis.metrics import accuracy_of, purity_of

    counts = np.maximum(np.asarray(counts), 0).round().astype(np.int64)
    return hungarian(counts), accuracy_of(counts.T), purity_of(counts.T)


def _matching(values: Values, materials: Sequence[Material]) -> list[Element]:
    counts = np.asarray(values["counts"]).T  # clusters as rows
    matched, right, pure = scores_of(counts)
    if not counts.sum() > 0:
        return [Words("Enter at least one item.")]
    hits = [counts[j, c] if c >= 0 else 0.0 for j, c in enumerate(matched)]
    table = pd.DataFrame({"right": hits, "most frequent": counts.max(1)})
    table.loc["share"] = [right, pure]
    table.index = [*(f"cluster {j}" for j in range(3)), "share of all"]

    def arithmetic(row: int, column: str) -> str:
        if row == 3:
            terms = " + ".join(in_formula(v, 6) for v in table[column].iloc[:3])
            return f"$({terms}) / {in_formula(counts.sum(), 6)} = {table[column].iloc[3]:.3f}$"
        if column == "right":
            name = CLASSES[matched[row]] if matched[row] >= 0 else "no class"
            return (
                f"Cluster {row} stands for {name}: {hits[row]:g} of its {counts[row].sum():g} items"
            )
        return f"The most frequent class of cluster {row} has {counts[row].max():g} items in it"

    names = [CLASSES[c] if c >= 0 else "no class" for c in matched]
    return [
        Words(" · ".join(f"cluster {j} stands for **{name}**" for j, name in enumerate(names))),
        Numbers(table, arithmetic, "One to one, and most frequent", start=(3, "right")),
    ]


def _merged_classes(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    _, right, pure = scores_of(np.asarray(values["counts"]).T)
    return (0 if right > 0.9 else 1 if right > 0.6 else 2), (
        f"Accuracy is {right:.3f}, purity {pure:.3f}. Each cluster may stand for one class only, "
        "so of two classes in one cluster the smaller is lost, and a split class loses a part."
    )


# -- 6: luck ---------------------------------------------------------------------------------------
RUNS = 10


@cache
def ten_seeds(n_init: int) -> Array:
    """Accuracy (10,) of k-means on 600 digits, by seed."""
    import torch

    from clustlab.analysis.metrics import clustering_accuracy
    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    rows, labels = some_digits(600)
    x = torch.from_numpy(rows)
    clusterings = [kmeans(x, 10, Context(seed), n_init=n_init).assignments for seed in range(RUNS)]
    return np.array([clustering_accuracy(labels, ids.numpy()) for ids in clusterings])


def _luck(values: Values, materials: Sequence[Material]) -> list[Element]:
    accuracies = ten_seeds(int(values["starts"]))
    chart = teaching.bars(
        [f"seed {i}" for i in range(RUNS)],
        accuracies,
        title="accuracy",
        high=1.0,
        colours=[theme.RIGHT if v == accuracies.max() else theme.GREY for v in accuracies],
        height=340,
    )
    return [
        Words(
            f"Mean **{accuracies.mean():.3f}**, standard deviation {accuracies.std(ddof=1):.3f}, "
            f"from {accuracies.min():.3f} to {accuracies.max():.3f}"
        ),
        Chart(chart, "Accuracy of ten runs that differ in their seed only"),
    ]


def _spread(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    accuracies = ten_seeds(int(values["starts"]))
    gap = float(accuracies.max() - accuracies.min())
    return (0 if gap < 0.02 else 1 if gap < 0.08 else 2), (
        f"{gap:.3f}: from {accuracies.min():.3f} to {accuracies.max():.3f}, "
        f"mean {accuracies.mean():.3f}. Whoever "
        "shows one run shows luck; whoever shows the best of ten has looked at the labels."
    )


LESSON = Lesson(
    11,
    "honest-pictures",
    "Reading the pictures honestly",
    "What a layout, a silhouette and an accuracy can say, and what they cannot.",
    methods=("n2d",),
    terms={
        "UMAP": "A layout that keeps neighbours together and pushes all others apart.",
        "Silhouette": "How much nearer items are to their own cluster than to the next, from -1 "
        "to 1.",
        "Projection": "A picture of many dimensions in two: it can keep some distances, never all.",
        "Hungarian matching": "The one-to-one pairing of clusters and classes that has the most "
        "items in common.",
        "ACC": "Accuracy: share of items in the cluster that stands for their class, after "
        "Hungarian matching.",
        "NMI": "Normalised mutual information: what clusters and classes tell about each other, "
        "1 if everything. It tends to grow with the number of clusters.",
        "Seed": "The number from which all random draws of a run follow.",
    },
    steps=(
        LessonStep(
            "Four seeds of one layout",
            "UMAP lays out the same 150 digits four times; only the seed of the start differs. "
            "Colours are the true digits, which it never sees. It links each item to its "
            "neighbours and draws linked items together. No link says where an island has to "
            "lie, so look for what all four have in common.",
            r"v_{ij} = e^{-\max(0,\, d_{ij} - \rho_i) / \sigma_i}",
            {
                "v_{ij}": "weight of the link from item i to its neighbour j",
                "d_{ij}": "their distance",
                r"\rho_i": "distance of i to its nearest",
                r"\sigma_i": "how fast links weaken around i",
            },
            _four_seeds,
            Try(
                "Take the pairs that are far apart in one picture, and rank them by distance. "
                "How well does that agree with their ranks in another (1: the same order, 0: "
                "unrelated)?",
                ("Well, above 0.9", "Roughly, 0.6 to 0.9", "Hardly, below 0.6"),
                {"neighbours": 12.0},
                _seeds_agree,
            ),
            (Slider("neighbours", "Neighbours of each item", 4, 40, 12, 4),),
            explains=("n2d.layout_epochs", "n2d.n_neighbors"),
        ),
        LessonStep(
            "Size and distance mean nothing",
            "Three groups in ten dimensions: group 1 is wider than group 0, and group 2 farther "
            "off than group 1. UMAP gives each item a width of its own, so that every item's "
            "links sum to the same. Seen from inside, a wide group then looks like a tight one.",
            r"\sum_{j} e^{-\max(0,\, d_{ij} - \rho_i) / \sigma_i} = \log_2 k",
            {
                "d_{ij}": "distance of item i to its neighbour j",
                r"\rho_i": "to its nearest",
                r"\sigma_i": "width chosen to reach the sum",
                "k": "neighbours",
            },
            _sizes,
            Try(
                "Group 1 is made ten times as wide as group 0. How much wider is it in the "
                "picture?",
                ("More than five times", "Two to five times", "At most twice"),
                {"width": 10.0, "gap": 4.0},
                _same_size,
            ),
            (
                Slider("width", "Width of group 1", 1, 10, 3, 1),
                Slider("gap", "Distance of group 2", 1, 8, 4, 1),
            ),
            explains=("n2d.min_dist",),
        ),
        LessonStep(
            "Noise looks like structure",
            "These points are scattered evenly over a square: there is nothing to find. k-means "
            "returns as many clusters as it is asked for, and they look as tidy as real ones.",
            r"s_i = \frac{b_i - a_i}{\max(a_i, b_i)}",
            {
                "s_i": "silhouette of item i",
                "a_i": "mean distance to its own cluster",
                "b_i": "to the nearest other",
            },
            _noise,
            Try(
                "Four clusters are asked for. How high is the mean silhouette, where 0 means no "
                "separation?",
                ("Below 0.1", "0.1 to 0.25", "Above 0.25"),
                {"clusters": 4.0, "seed": 0.0},
                _score_of_noise,
            ),
            (
                Slider("clusters", "Clusters", 2, 10, 3, 1),
                Slider("seed", "Seed of the points", 0, 9, 0, 1),
            ),
        ),
        LessonStep(
            "A high silhouette, a low accuracy",
            "The true groups on the left and k-means on the right, on the same points. One point "
            "is ringed: click its numbers to see how a silhouette is made.",
            r"\bar s = \frac1n \sum_i \frac{b_i - a_i}{\max(a_i, b_i)}",
            {r"\bar s": "silhouette", "a_i": "mean distance to own cluster", "b_i": "to the next"},
            _divisions,
            Try(
                "Two rings: which division has the higher silhouette?",
                ("The true rings", "The halves that k-means makes", "Both the same"),
                {"shape": "circles"},
                _which_is_neater,
            ),
            (Choice("shape", "Shape", ("moons", "circles", "spirals", "blobs"), "moons"),),
        ),
        LessonStep(
            "How accuracy names clusters",
            "Clusters have numbers, not names. Accuracy gives each cluster one class, no class "
            "twice, so that as many items as possible are right. Edit the counts, and click a "
            "number.",
            r"\mathrm{ACC} = \frac1n \max_{m} \sum_j n_{j, m(j)}",
            {"n_{jy}": "items of class y in cluster j", "m": "one-to-one matching", "n": "items"},
            _matching,
            Try(
                "Dogs and owls share one cluster, and the cats are split over two. What is the "
                "accuracy?",
                ("Above 0.9", "0.6 to 0.9", "Below 0.6"),
                {"counts": SPLIT},
                _merged_classes,
            ),
            (Grid("counts", "Items by class and cluster", CLASSES, ("0", "1", "2"), COUNTS),),
        ),
        LessonStep(
            "Ten seeds of one method",
            "k-means on 600 digits, ten times. Only the seed of the first centres differs, with "
            "one start each. With more starts, a run keeps the division of least inertia, which "
            "takes no labels.",
            r"\begin{gathered} \text{report } \bar x \pm s, \\"
            r"s^2 = \frac{1}{r-1} \sum_{i=1}^{r} (x_i - \bar x)^2 \end{gathered}",
            {r"\bar x": "mean accuracy", "s": "standard deviation", "r": "runs"},
            _luck,
            Try(
                "One start each: how far apart are the best and the worst of the ten?",
                ("Less than 0.02", "0.02 to 0.08", "More than 0.08"),
                {"starts": 1.0},
                _spread,
            ),
            (Slider("starts", "Starts of each run", 1, 8, 1, 1),),
        ),
    ),
)
