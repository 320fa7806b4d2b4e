"""What clustering takes for granted: centres, mixtures, trees and graphs on points in the plane."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Choice, Places, Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Plane, Words
from clustlab.course.formulas import in_formula
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_points import (
    BLOBS_EXTENT,
    MIXTURE_NOISE,
    NARROW,
    N,
    accuracy,
    answers,
    best_inertia,
    bridge,
    crosses,
    fitted_mixture,
    half_steps,
    last_of,
    lines_to,
    of_kmeans,
    on_shape,
    scores,
    toy,
)
from clustlab.types import Array, Dataset, Snapshot
from clustlab.views import dendrogram, ground, sheets, teaching, theme

# -- 1: two moves ----------------------------------------------------------------------------------
NINE = (
    (-3.0, 1.6),
    (-2.2, 2.2),
    (-2.4, 1.0),
    (-0.6, -1.8),
    (0.2, -2.2),
    (0.6, -1.4),
    (1.2, 1.2),
    (2.0, 1.8),
    (2.4, 0.8),
)
FAR = (*NINE[:-1], (3.9, -2.9))
STARTS = np.array([[0.6, 1.7], [-1.3, -1.4], [1.7, -0.1]])


def _two_moves(values: Values, materials: Sequence[Material]) -> list[Element]:
    points, done = np.array(values["points"]), int(values["moves"])
    centers, owner, inertia = half_steps(points, STARTS, done)[-1]
    inside = [points[owner == j] for j in range(3)]
    squares = [((part - c) ** 2).sum() for part, c in zip(inside, centers, strict=True)]
    table = pd.DataFrame(
        {
            "items": [float(len(part)) for part in inside],
            "centre x": centers[:, 0],
            "centre y": centers[:, 1],
            "squares": squares,
        }
    )

    def arithmetic(row: int, column: str) -> str:
        part, count = inside[row], len(inside[row])
        if not count:
            return f"No item has centre {row} as its nearest: 0 items, so it stays where it is."
        if column == "items":
            return f"{count} of the {len(points)} items have centre {row} as their nearest."
        if column == "squares":
            cx, cy = centers[row]
            terms = (f"({x:.1f} - {cx:.2f})^2 + ({y:.1f} - {cy:.2f})^2" for x, y in part[:2])
            more = r" + \dots" if count > 2 else ""
            return f"${' + '.join(terms)}{more} = {squares[row]:.2f}$"
        axis = 0 if column == "centre x" else 1
        mean, now = part[:, axis].mean(), centers[row, axis]
        summed = " + ".join(f"({v:.1f})" for v in part[:, axis])
        here = "" if abs(mean - now) < 0.005 else f", where it moves next; now {now:.2f}"
        return f"$({summed}) / {count} = {mean:.2f}$ is the mean of its items{here}"

    said = "nothing is assigned yet" if not done else f"inertia **{inertia:.2f}**"
    what = "start" if not done else "items were assigned" if done % 2 else "centres were moved"
    return [
        Words(f"Move {done}: {what} · {said}"),
        Plane(
            "points",
            tuple(theme.colour(int(j)) for j in owner),
            "Nine items and three centres, drawn as crosses",
            crosses(centers),
        ),
        Numbers(table, arithmetic, "One row per centre", digits=2, start=(0, "centre x")),
    ]


def _outlier(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    ends = [half_steps(np.array(p), STARTS, int(values["moves"]))[-1] for p in (NINE, FAR)]
    (before, _, _), (after, owner, inertia) = ends
    its = int(owner[-1])
    shift = float(np.linalg.norm(after[its] - before[its]))
    alone = int((owner == its).sum()) == 1
    return (0 if alone else 1 if shift > 0.1 else 2), (
        f"Its cluster has {int((owner == its).sum())} items, and its centre ends {shift:.2f} from "
        f"where it was; the inertia goes from {ends[0][2]:.2f} to {inertia:.2f}. A mean has to "
        "please everyone, and squares make the far ones loudest."
    )


# -- 2: the start ----------------------------------------------------------------------------------
SPREAD_STARTS = ((0.3, 0.9), (1.2, 0.5), (0.5, -1.1), (-0.9, -0.6), (-1.3, 0.6))
CROWDED = ((-0.1, 0.9), (0.1, 0.9), (0.0, 1.1), (-0.1, 1.1), (0.1, 1.15))


def settled(starts: Sequence[Sequence[float]]) -> tuple[Array, Array, float]:
    """Centres, clusters and inertia where Lloyd's rounds end on five blobs."""
    return half_steps(toy("blobs").items, np.array(starts), 81)[-1]


def _starts(values: Values, materials: Sequence[Material]) -> list[Element]:
    centers, owner, inertia = settled(values["starts"])
    picture = ground.scene(BLOBS_EXTENT, toy("blobs").items, owner)
    return [
        Words(
            f"From here the inertia ends at **{inertia:.2f}**; the best of ten random starts "
            f"reaches **{best_inertia():.2f}**. Discs are the first centres, for you to drag; "
            "crosses are the last."
        ),
        Plane(
            "starts",
            tuple(theme.colour(i) for i in range(5)),
            "Five first centres over five groups of points",
            crosses(centers),
            BLOBS_EXTENT,
            picture,
        ),
    ]


def _crowded(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    _, owner, inertia = settled(values["starts"])
    right = accuracy(toy("blobs"), owner)
    option = 0 if inertia < 1.05 * best_inertia() else 1
    return option, (
        f"The inertia ends at {inertia:.2f}, the best known is {best_inertia():.2f}, and accuracy "
        f"is {right:.2f}. No move goes up, so a bad start ends in the nearest valley. That is why "
        "first centres are drawn with care, and more than once."
    )


# -- 3: balls of one size --------------------------------------------------------------------------
def in_largest(shape: str, seed: int = 0, noise: float = 2 * NARROW) -> tuple[int, float]:
    """Centres of k-means that lie in the largest true group, and accuracy."""
    data, owner, centers = of_kmeans(shape, seed, noise)
    assert data.labels is not None
    groups = np.unique(data.labels)
    means = np.array([data.items[data.labels == g].mean(0) for g in groups])
    nearest = groups[((centers[:, None] - means) ** 2).sum(2).argmin(1)]
    return int((nearest == np.bincount(data.labels).argmax()).sum()), accuracy(data, owner)


def _balls(values: Values, materials: Sequence[Material]) -> list[Element]:
    data, owner, centers = of_kmeans(values["shape"], noise=values["noise"])
    chart = teaching.cloud(data.items, owner, centers=centers, height=400)
    right = accuracy(data, owner)
    return [
        Words(f"Accuracy **{right:.2f}**: the share of points in the cluster of their true group"),
        Chart(chart, f"Clusters of k-means on {N} points of the shape {values['shape']}"),
    ]


def _where_centers_go(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    count, right = in_largest(values["shape"], noise=values["noise"])
    apart = in_largest(values["shape"], noise=NARROW)[1]
    sizes = np.bincount(toy(values["shape"]).labels)  # type: ignore[arg-type]
    return (0 if count == 1 else 1), (
        f"{count} of the 3 centres lie in the group of {sizes.max()} points, and accuracy is "
        f"{right:.2f}. Cutting the large group in two lowers the sum of squares more than giving "
        f"{sizes.min()} points a centre of their own. With a noise of {NARROW} instead of "
        f"{values['noise']:g} accuracy is {apart:.2f}: a narrow group has little to save."
    )


# -- 4: components of a mixture --------------------------------------------------------------------
MIXTURE_EXTENT = (-2.2, 2.2, -1.65, 1.65)


def _components(values: Values, materials: Sequence[Material]) -> list[Element]:
    rounds, kind = int(values["rounds"]), values["kind"]
    mixture, shares, likelihood = fitted_mixture(rounds, kind)
    (x, y), *_ = values["item"]
    (joint,), (gamma,) = answers(mixture, np.array([[x, y]]))
    weights, means = mixture.weights.numpy(), mixture.means.numpy()
    density = joint / weights
    factors = mixture.factors().numpy()
    lines = [ground.ellipse(m, f @ f.T) for m, f in zip(means, factors, strict=True)]
    data = toy("anisotropic", MIXTURE_NOISE)
    picture = ground.scene(MIXTURE_EXTENT, data.items, shares.argmax(1), outlines=lines)
    table = pd.DataFrame({"weight π": weights, "density N": density, "share γ": gamma})

    def arithmetic(row: int, column: str) -> str:
        if column == "weight π":
            held = weights[row] * N
            return (
                f"In the last M-step its responsibilities summed to {held:.1f}: ${held:.1f} / {N} "
                f"= {weights[row]:.3f}$"
            )
        if column == "density N":
            return (
                f"Height of Gaussian {row} at $({x:.2f},\\ {y:.2f})$: "
                f"${in_formula(density[row], 3)}$"
            )
        tops = [f"{w:.2f} \\cdot {d:.4f}" for w, d in zip(weights, density, strict=True)]
        return f"$\\frac{{{tops[row]}}}{{{' + '.join(tops)}}} = {gamma[row]:.3f}$"

    right = accuracy(data, shares.argmax(1))
    return [
        Words(f"Mean log likelihood **{likelihood:.3f}** · accuracy **{right:.2f}**"),
        Plane(
            "item",
            (theme.colour(int(gamma.argmax())),),
            "A point to drag over three groups and the outlines of three Gaussians",
            crosses(means),
            MIXTURE_EXTENT,
            picture,
            lines_to(means, gamma, "γ"),
        ),
        Numbers(table, arithmetic, "One row per Gaussian", start=(int(gamma.argmax()), "share γ")),
    ]


def _spherical_components(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    data = toy("anisotropic", MIXTURE_NOISE)
    fits = {kind: fitted_mixture(int(values["rounds"]), kind) for kind in ("full", values["kind"])}
    right = {kind: accuracy(data, shares.argmax(1)) for kind, (_, shares, _) in fits.items()}
    free, ball = right["full"], right[values["kind"]]
    return (0 if ball >= free - 0.02 else 1), (
        f"Balls reach an accuracy of {ball:.2f} and a log likelihood of "
        f"{fits[values['kind']][2]:.3f}, free ellipses {free:.2f} and {fits['full'][2]:.3f}. A "
        "shape that is not allowed cannot be found; k-means allows only balls."
    )


# -- 5: trees --------------------------------------------------------------------------------------
@cache
def tree_of(shape: str, linkage: str) -> tuple[Dataset, Snapshot]:
    """Points and the last snapshot of their tree, cut into two."""
    data = toy("moons", 0.05, 0, 160) if shape == "moons" else bridge()
    return data, last_of("agglomerative", data.items, 2, linkage=linkage, first_cut=12)


def _trees(values: Values, materials: Sequence[Material]) -> list[Element]:
    data, snapshot = tree_of(values["shape"], values["linkage"])
    sizes = np.bincount(snapshot.assignments)
    cloud = teaching.cloud(data.items, snapshot.assignments, height=230)
    tree = dendrogram.tree(snapshot.artefacts["tree"].data).properties(height=200)
    words = (
        f"Two clusters of **{sizes.max()}** and **{sizes.min()}** points, "
        f"accuracy **{accuracy(data, snapshot.assignments):.2f}**"
    )
    return [
        Words(words),
        Chart(cloud, f"Points of the shape {values['shape']} cut into two clusters"),
        Chart(tree, "Top of the tree of merges with its cut"),
    ]


def _chained(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    data, snapshot = tree_of(values["shape"], values["linkage"])
    sizes = np.sort(np.bincount(snapshot.assignments))
    return (0 if sizes[0] > len(data.items) / 4 else 1), (
        f"The clusters hold {sizes[1]} and {sizes[0]} points. For single linkage one short step "
        "is enough to join two groups, so a bridge makes them one; the same habit lets it follow "
        "a moon."
    )


# -- 6: graphs -------------------------------------------------------------------------------------
RING_NOISE = 0.07
LINKS = 1200  # of all ties, that many are drawn


@cache
def ties(n_neighbors: int) -> Array:
    """Lines (m, 4) from points of two rings to their nearest."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.neighbour_graph import nearest

    points = toy("circles", RING_NOISE).items
    x = torch.as_tensor(points)
    near = nearest(x, x, n_neighbors, Context(0), same=True)[0].numpy()
    ends = np.hstack([np.repeat(points, near.shape[1], 0), points[near.ravel()]])
    return np.asarray(ends[theme.thin(len(ends), limit=LINKS)])


def _graph(values: Values, materials: Sequence[Material]) -> list[Element]:
    count = int(values["neighbours"])
    data = toy("circles", RING_NOISE)
    snapshot = on_shape("spectral", "circles", RING_NOISE, 0, (("n_neighbors", count),))
    graph = teaching.cloud(data.items, snapshot.assignments, links=ties(count), height=310)
    rows = teaching.cloud(snapshot.embedding, snapshot.assignments, height=170)
    return [
        Words(
            f"**{count}** neighbours each: accuracy "
            f"**{accuracy(data, snapshot.assignments):.2f}**. Above: the graph. Below: the same "
            "points, placed by the smooth functions."
        ),
        Chart(graph, f"Two rings whose points are joined to their {count} nearest"),
        Chart(rows, "The points placed by the smooth functions, where k-means works"),
    ]


def _too_many_ties(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    data = toy("circles", RING_NOISE)
    few, many = (
        accuracy(
            data,
            on_shape("spectral", "circles", RING_NOISE, 0, (("n_neighbors", count),)).assignments,
        )
        for count in (10, int(values["neighbours"]))
    )
    return (0 if many >= few - 0.05 else 1), (
        f"Accuracy goes from {few:.2f} to {many:.2f}. Once edges reach from ring to ring, the "
        "cheapest cut runs across both. The graph is the assumption."
    )


# -- 7: all on one shape ---------------------------------------------------------------------------
def _contest(values: Values, materials: Sequence[Material]) -> list[Element]:
    shape, seed = values["shape"], int(values["seed"])
    data = toy(shape, values["noise"], seed)
    accuracies = scores(shape, seed, values["noise"])
    bars = teaching.bars(
        list(accuracies), list(accuracies.values()), title="accuracy", high=1.0, height=190
    )
    assert data.labels is not None
    cloud = teaching.cloud(data.items, data.labels, height=280)
    return [
        Chart(cloud, f"True groups of the shape {shape}"),
        Chart(bars, f"Accuracy of five methods on the shape {shape}"),
    ]


def _no_winner(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    accuracies = scores(values["shape"], int(values["seed"]), values["noise"])
    place = sum(score > accuracies["spectral"] + 1e-9 for score in accuracies.values())
    option = 0 if place == 0 else 2 if place == len(accuracies) - 1 else 1
    listed = ", ".join(f"{name} {score:.2f}" for name, score in accuracies.items())
    return option, (
        f"{listed}. A normalised cut prefers parts of similar weight, which helps on rings and "
        "hurts here. No method is right for every shape."
    )


# -- 8: pixels -------------------------------------------------------------------------------------
@cache
def mnist() -> Dataset:
    """A thousand real images of 28 x 28 pixels."""
    from clustlab.datasets.mnist5k import Mnist5k

    return Mnist5k(n_samples=1000).load(0, lambda _text, _share: None)


def shifted(images: Array, by: int) -> Array:
    """Images (n, h, w, 1) moved to the right; what leaves at the right comes in black."""
    moved = np.zeros_like(images)
    moved[:, :, by:] = images[:, :, : images.shape[2] - by]
    return moved


@cache
def to_shifted_and_other(by: int, count: int = 200) -> tuple[Array, Array, Array]:
    """Distances (count,) to the own shifted copy and the nearest other digit, which is named."""
    data = mnist()
    assert data.labels is not None
    x = data.items.reshape(len(data.items), -1) / 255.0
    own = np.sqrt(
        ((x[:count] - shifted(data.items[:count], by).reshape(count, -1) / 255) ** 2).sum(1)
    )
    squares = (x[:count] ** 2).sum(1)[:, None] + (x**2).sum(1) - 2 * x[:count] @ x.T
    squares[data.labels[:count, None] == data.labels] = np.inf
    return own, np.sqrt(squares.min(1)), squares.argmin(1)


def _pixels(values: Values, materials: Sequence[Material]) -> list[Element]:
    by, item = int(values["shift"]), int(values["image"])
    data = mnist()
    assert data.labels is not None
    own, other, nearest = to_shifted_and_other(by)
    trio = np.concatenate(
        [data.items[[item]], shifted(data.items[[item]], by), data.items[[nearest[item]]]]
    )
    changed = np.abs(trio[1:] / 255.0 - trio[0] / 255.0).reshape(2, -1)
    names = (f"shifted by {by}", f"nearest other digit, a {data.labels[nearest[item]]}")
    table = pd.DataFrame(
        {
            "pixels that differ": (changed > 0).sum(1).astype(float),
            "squares": (changed**2).sum(1),
            "distance": [own[item], other[item]],
        },
        index=list(names),
    )

    def arithmetic(row: int, column: str) -> str:
        squares = (changed[row] ** 2).sum()
        if column == "distance":
            return f"$\\sqrt{{{squares:.2f}}} = {np.sqrt(squares):.2f}$"
        if column == "squares":
            top = np.sort(changed[row])[::-1][:3]
            terms = " + ".join(f"{v:.2f}^2" for v in top)
            return f"$\\sum_{{p=1}}^{{784}} (x_p - y_p)^2 = {terms} + \\dots = {squares:.2f}$"
        return f"{(changed[row] > 0).sum()} of $28 \\cdot 28 = 784$ pixels differ."

    pixels = sheets.atlas(trio, [0, 1, 2], tile=168, columns=3).pixels
    share = float((own > other).mean())
    return [
        Picture(pixels, "An image, its shifted copy, and the nearest image of another digit"),
        Numbers(
            table, arithmetic, "Distance from the first image", digits=2, start=(0, "distance")
        ),
        Words(
            f"Of 200 images, **{percent(share, 0)}** are further from their own copy shifted by "
            f"{by} than from an image of another digit."
        ),
    ]


def _a_small_shift(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    own, other, _ = to_shifted_and_other(int(values["shift"]))
    share = float((own > other).mean())
    return (0 if share < 0.1 else 1 if share <= 0.5 else 2), (
        f"{percent(share, 0)} of them: the mean distance is {own.mean():.1f} to the copy and "
        f"{other.mean():.1f} to the other digit. A pixel knows nothing of its neighbours; a "
        "network that sees shapes has to come first."
    )


LESSON = Lesson(
    1,
    "assumptions",
    "What clustering assumes",
    "Four classical ways to form groups, and the shape of group each believes in.",
    methods=("kmeans", "gmm", "agglomerative", "spectral"),
    terms={
        "Item": "What is clustered: an image, or a point.",
        "Cluster": "A group of items that a method has put together; it has a number, not a name.",
        "Class": "The true group of an item, such as its digit; methods never see it.",
        "Noise": "Items that a method leaves outside all clusters, as HDBSCAN does.",
        "Log likelihood": "How probable a model holds the items, as a logarithm; higher is better.",
        "Inertia": "Sum of squared distances of all items to their centres.",
        "Centroid": "The mean of the items of a cluster, also called its centre.",
        "k-means++": "Draws first centres one by one, preferring items far from those already "
        "drawn.",
        "Responsibility": "The share of an item that one Gaussian of a mixture takes; each row "
        "sums to one.",
        "EM": "Rounds of two moves: ask which Gaussian made each item, then refit each Gaussian "
        "to its share.",
        "Linkage": "The rule that says how far apart two groups are in a tree of merges.",
        "Neighbour graph": "Items as dots, each joined by edges to those nearest to it.",
    },
    steps=(
        LessonStep(
            "Two moves, again and again",
            "k-means alternates two moves: give each item to its nearest centre, then move each "
            "centre to the mean of its items. Neither can raise the sum of squares, and there "
            "are only so many divisions, so it must stop. Drag the dots, and click a number.",
            r"\begin{gathered} J = \sum_{i=1}^{n} \lVert x_i - \mu_{c(i)} \rVert^2, \\"
            r"\mu_j = \frac{1}{n_j} \sum_{c(i) = j} x_i \end{gathered}",
            {
                "J": "inertia",
                "x_i": "item i",
                "c(i)": "its cluster",
                r"\mu_j": "centre j",
                "n_j": "items in cluster j",
            },
            _two_moves,
            Try(
                "One item is moved far to the lower right, and k-means runs to its end. What "
                "happens to that item?",
                ("It gets a centre to itself", "It drags a shared centre along", "Nothing changes"),
                {"points": FAR, "moves": 10.0},
                _outlier,
            ),
            (Places("points", "Items", NINE), Slider("moves", "Moves made", 0, 10, 2, 1)),
            explains=("kmeans.max_iter", "kmeans.tolerance", "gmm.max_iter"),
        ),
        LessonStep(
            "It ends where it began",
            "Moves that never go up end in the nearest valley. Which one depends on the first "
            "centres: drag them. k-means++ draws each new one with a chance proportional to its "
            "squared distance from the nearest so far.",
            r"P(x_i) = \frac{D(x_i)^2}{\sum_{i'} D(x_{i'})^2}",
            {
                "P(x_i)": "chance that item i is the next centre",
                "D": "distance to the nearest so far",
            },
            _starts,
            Try(
                "All five first centres are put into the uppermost group. Where does k-means end?",
                ("At the best division", "At a worse one"),
                {"starts": CROWDED},
                _crowded,
            ),
            (Places("starts", "First centres", SPREAD_STARTS),),
            explains=("kmeans.n_init", "gmm.n_init", "ae-kmeans.n_init", "pca-kmeans.n_init"),
        ),
        LessonStep(
            "Balls of one size",
            "To minimise squares is to assume round groups of equal width with about equally "
            "many items. The border between two centres is always straight and halfway.",
            r"\lVert x - \mu_a \rVert^2 = \lVert x - \mu_b \rVert^2",
            {"x": "a place on the border", r"\mu_a,\, \mu_b": "two centres"},
            _balls,
            Try(
                "One group holds 90% of the points, the others 7% and 3%. How many of the three "
                "centres end in the large one?",
                ("One", "Two or three"),
                {"shape": "unequal-sizes", "noise": 2 * NARROW},
                _where_centers_go,
            ),
            (
                Choice(
                    "shape",
                    "Shape",
                    (
                        "blobs",
                        "anisotropic",
                        "unequal-variance",
                        "unequal-sizes",
                        "moons",
                        "circles",
                    ),
                    "anisotropic",
                ),
                Slider("noise", "Noise", 0.05, 0.3, 2 * NARROW, 0.05),
            ),
            explains=("kmeans.n_clusters", "pca-kmeans.n_clusters", "ae-kmeans.n_clusters"),
        ),
        LessonStep(
            "Gaussians instead of balls",
            "A mixture of Gaussians gives each group its own width, slant and weight. EM asks "
            "how much of each item a Gaussian made (E), then refits the Gaussian to its share "
            "(M). Drag the dot.",
            r"\gamma_{ij} = \frac{\pi_j\, \mathcal{N}(x_i \mid \mu_j, \Sigma_j)}"
            r"{\sum_{j'} \pi_{j'}\, \mathcal{N}(x_i \mid \mu_{j'}, \Sigma_{j'})}",
            {
                r"\gamma_{ij}": "responsibility of Gaussian j for item i",
                r"\pi_j": "weight",
                r"\mathcal{N}": "normal density",
                r"\mu_j,\, \Sigma_j": "mean and covariance",
            },
            _components,
            Try(
                "Every Gaussian is forced to be a ball. Are the slanted groups found as well as "
                "before?",
                ("As well as before", "Worse"),
                {"kind": "spherical", "rounds": 20.0},
                _spherical_components,
            ),
            (
                Places("item", "Point", ((-0.35, 0.25),)),
                Slider("rounds", "Rounds of EM", 0, 20, 0, 1),
                Choice("kind", "Covariance", ("full", "tied", "diag", "spherical"), "full"),
            ),
            explains=("gmm.covariance", "gmm.tolerance", "gmm.regularisation", "gmm.n_clusters"),
        ),
        LessonStep(
            "Trees of merges",
            "Begin with every item alone and merge the two nearest groups until one is left. The "
            "linkage says what 'near' means: single takes the smallest distance between two "
            "items, Ward the rise in the sum of squares.",
            r"d_{\text{single}}(A, B) = \min_{a \in A,\, b \in B} \lVert a - b \rVert",
            {"A,\\, B": "two groups", "d": "their distance"},
            _trees,
            Try(
                "Two round groups with a thin bridge of points between them, single linkage. Where "
                "does it cut?",
                ("Across the bridge", "Around a few stragglers"),
                {"shape": "bridge", "linkage": "single"},
                _chained,
            ),
            (
                Choice("shape", "Shape", ("moons", "bridge"), "moons"),
                Choice("linkage", "Linkage", ("single", "complete", "average", "ward"), "single"),
            ),
            explains=(
                "agglomerative.linkage",
                "agglomerative.first_cut",
                "agglomerative.n_clusters",
            ),
        ),
        LessonStep(
            "Neighbours instead of distances",
            "Spectral clustering joins each item to its nearest neighbours and looks for a cut "
            "across few edges. Functions that change little along edges give each item new "
            "coordinates, in which k-means has an easy job.",
            r"L = I - D^{-\frac12} W D^{-\frac12}, \qquad L v = \lambda v",
            {
                "W": "edges of the graph",
                "D": "number of edges of each item",
                "v": "smooth function on the graph",
                r"\lambda": "how rough it is",
            },
            _graph,
            Try(
                "Each point is joined to its 60 nearest instead of 10. Are both rings still found?",
                ("Both are found", "Both are cut in two"),
                {"neighbours": 60.0},
                _too_many_ties,
            ),
            (Slider("neighbours", "Neighbours of each point", 2, 80, 10, 1),),
            explains=("spectral.n_neighbors", "spectral.weights", "spectral.n_clusters"),
        ),
        LessonStep(
            "No one wins everywhere",
            "Five methods on one shape, each told the right number of groups. Each is perfect "
            "somewhere, and most fail somewhere. The noise is half of that in step 3, so that "
            "even k-means finds groups of unequal size; raise it and see which fail.",
            r"\mathrm{ACC} = \frac{1}{n} \max_{m} \sum_i \left[\, y_i = m(c_i) \right]",
            {
                "y_i": "true group",
                "c_i": "cluster",
                "m": "clusters to groups, one to one",
                "n": "points",
            },
            _contest,
            Try(
                "Spectral clustering was perfect on rings. Where does it rank on groups of 90, 7 "
                "and 3% of the points?",
                ("First, or tied for it", "In between", "Last"),
                {"shape": "unequal-sizes", "seed": 0.0, "noise": NARROW},
                _no_winner,
            ),
            (
                Choice("shape", "Shape", ("moons", "circles", "spirals", "unequal-sizes"), "moons"),
                Slider("seed", "Seed of the points", 0, 5, 0, 1),
                Slider("noise", "Noise", 0.05, 0.3, NARROW, 0.05),
            ),
        ),
        LessonStep(
            "Pixels as 784 dimensions",
            "To all these methods an image of 28 by 28 pixels is one point with 784 coordinates. "
            "Its distance to another image compares each pixel only with the one at the same "
            "place.",
            r"\lVert x - y \rVert = \sqrt{\sum_{p=1}^{784} (x_p - y_p)^2}",
            {"x_p": "pixel p of one image, 0 to 1", "y_p": "the same pixel of the other"},
            _pixels,
            Try(
                "200 images are shifted by 2 of 28 pixels. How many end further from themselves "
                "than from an image of another digit?",
                ("Hardly any, below 10%", "10 to 50%", "More than half"),
                {"shift": 2.0, "image": 3.0},
                _a_small_shift,
            ),
            (
                Slider("shift", "Shift to the right, in pixels", 0, 6, 1, 1),
                Slider("image", "Image", 0, 199, 3, 1),
            ),
        ),
    ),
)
