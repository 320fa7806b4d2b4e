"""How trees are merged and cut, how clusterings vote, and how many clusters there are."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd

from clustlab.course.controls import Choice, Grid, Places, Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Plane, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.types import Array, Dataset
from clustlab.views import dendrogram, teaching, theme

LINKAGES = ("single", "complete", "average", "ward")


def tree_of(points: Array, linkage: str) -> Array:
    """Tree (n - 1, 4) of merges of points (n, 2): two nodes, height, items."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.linkage import square_distances

    squares = square_distances(torch.as_tensor(np.asarray(points, dtype=np.float64)), Context())
    return tree_by(squares if linkage == "ward" else np.sqrt(squares), linkage)


def tree_by(distances: Array, linkage: str) -> Array:
    """Tree (n - 1, 4) of merges by distances (n, n), squared ones for "ward"."""
    from clustlab.context import Context
    from clustlab.parts.clustering.linkage import Linkage, merge_tree

    table = np.array(distances, dtype=np.float32)  # written over
    return merge_tree(table, cast("Linkage", linkage), Context())


def clusters_of(tree: Array, k: int) -> Array:
    """Clusters (n,) of a tree cut into k parts."""
    from clustlab.parts.clustering.linkage import cut

    return cut(tree, k)[0]


def members(tree: Array, node: int) -> list[int]:
    """Items below a node."""
    n = len(tree) + 1
    if node < n:
        return [node]
    return [i for child in tree[node - n, :2] for i in members(tree, int(child))]


# -- 1: merging two by two -------------------------------------------------------------------------
FOUR = ((-3.0, 1.0), (-2.0, 1.6), (0.4, -0.4), (3.0, 1.4))


def _height(a: Array, b: Array, linkage: str) -> str:
    """How the distance of two groups (m, 2), (l, 2) came about, as a formula."""
    gaps = np.linalg.norm(a[:, None] - b[None], axis=2).ravel()
    words = ", ".join(f"{gap:.2f}" for gap in gaps)
    if linkage == "ward":
        factor = 2 * len(a) * len(b) / (len(a) + len(b))
        between = float(np.linalg.norm(a.mean(0) - b.mean(0)))
        return f"\\sqrt{{{factor:.2f}}} \\cdot {between:.3f} = {np.sqrt(factor) * between:.3f}"
    names = {"single": "\\min", "complete": "\\max", "average": "\\text{mean}"}
    distances = {"single": gaps.min(), "complete": gaps.max(), "average": gaps.mean()}
    return f"{names[linkage]}({words}) = {distances[linkage]:.3f}"


def _merging(values: Values, materials: Sequence[Material]) -> list[Element]:
    points = np.array(values["points"])
    tree = tree_of(points, values["linkage"])
    clusters = clusters_of(tree, int(values["k"]))
    names = [" ".join(str(i + 1) for i in sorted(members(tree, 4 + i))) for i in range(3)]
    table = pd.DataFrame({"height": tree[:, 2], "points": tree[:, 3].astype(int)}, index=names)

    def arithmetic(row: int, column: str) -> str:
        one, other = (members(tree, int(node)) for node in tree[row, :2])
        if column == "points":
            return f"${len(one)} + {len(other)} = {len(one) + len(other)}$"
        return f"${_height(points[one], points[other], values['linkage'])}$"

    colours = tuple(theme.colour(int(c)) for c in clusters)
    plane = Plane("points", colours, "Four points in their clusters", numbered=True)
    return [plane, Numbers(table, arithmetic, "Merges, lowest first", start=(2, "height"))]


def _complete(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    points = np.array(values["points"])
    before, now = (float(tree_of(points, x)[-1, 2]) for x in ("single", values["linkage"]))
    option = 0 if now > before + 1e-6 else 1 if now < before - 1e-6 else 2
    return option, (
        f"The last merge rises from {before:.3f} to {now:.3f}. Single linkage asks how far apart "
        "the nearest two points are, complete linkage the farthest two."
    )


# -- 2: linkage decides ----------------------------------------------------------------------------
SHAPES = ("moons", "blobs", "circles")


def toy(name: str, n: int, noise: float, seed: int) -> Dataset:
    """Points of a toy shape."""
    from clustlab.datasets.toy import Toy

    kind = cast("Any", name)
    return Toy(shape=kind, n=n, noise=noise).load(seed, lambda words, share: None)


@cache
def shape(name: str, n: int = 150, noise: float = 0.06, seed: int = 0) -> tuple[Array, Array]:
    """Points (n, 2) of a toy shape and their groups (n,)."""
    data = toy(name, n, noise, seed)
    assert data.labels is not None
    return np.asarray(data.items, dtype=np.float64), data.labels


def clusters_and_ari(name: str, linkage: str) -> tuple[Array, float]:
    """Clusters (n,) of a shape cut at its true number, and the adjusted Rand index."""
    from clustlab.analysis.metrics import ari

    points, labels = shape(name)
    clusters = clusters_of(tree_of(points, linkage), int(labels.max()) + 1)
    return clusters, ari(labels, clusters)


def _linkages(values: Values, materials: Sequence[Material]) -> list[Element]:
    clusters, _ = clusters_and_ari(values["shape"], values["linkage"])
    scores = [clusters_and_ari(values["shape"], linkage)[1] for linkage in LINKAGES]
    points, _ = shape(values["shape"])
    colours = [theme.ACCENT if x == values["linkage"] else theme.RIGHT for x in LINKAGES]
    bars = teaching.bars(
        LINKAGES, scores, title="adjusted Rand index", high=1.0, colours=colours, height=160
    )
    return [
        Chart(teaching.cloud(points, clusters, height=310), f"{values['shape']} in clusters"),
        Chart(bars, "Adjusted Rand index of the four linkages"),
    ]


def _on_moons(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    scores = [
        clusters_and_ari(values["shape"], linkage)[1] for linkage in ("single", "average", "ward")
    ]
    return int(np.argmax(scores)), (
        f"Adjusted Rand index: single {scores[0]:.3f}, average {scores[1]:.3f}, Ward "
        f"{scores[2]:.3f}. Single linkage follows a chain of near points, wherever it bends; the "
        "others prefer compact groups. One noisy bridge between the moons would mislead it."
    )


# -- 3: where to cut -------------------------------------------------------------------------------
def longest_gap(tree: Array, most: int = 12) -> tuple[int, Array]:
    """Number of clusters at the longest gap between merges, and the gaps (most - 1,) for 2 to most.

    The gap of k is how far the cut into k parts can move before it gives another number.
    """
    heights = tree[::-1, 2][:most]
    gaps = np.array([upper - lower for upper, lower in pairwise(heights)])
    return int(gaps.argmax()) + 2, gaps


def _cutting(values: Values, materials: Sequence[Material]) -> list[Element]:
    from clustlab.parts.clustering.linkage import cut, top_nodes

    points, _ = shape("blobs", noise=values["noise"])
    tree = tree_of(points, "ward")
    k = int(values["k"])
    best, gaps = longest_gap(tree)
    nodes = top_nodes(tree, 24, cut(tree, k)[1])
    return [
        Chart(dendrogram.tree(nodes), f"Tree of 150 points cut into {k} clusters", 400),
        Words(
            f"The cut into {k} can move by **{gaps[k - 2]:.3f}**; the longest gap is at **{best}** "
            f"clusters ({gaps.max():.3f})."
        ),
    ]


def _gap(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    tree = tree_of(shape("blobs", noise=values["noise"])[0], "ward")
    best, gaps = longest_gap(tree)
    option = 0 if best < 5 else 1 if best == 5 else 2
    ordered = np.argsort(-gaps)
    return option, (
        f"The longest gap is {gaps[ordered[0]]:.3f} at {ordered[0] + 2} clusters, the next "
        f"{gaps[ordered[1]]:.3f} at {ordered[1] + 2}; five groups were drawn. Ward's heights also "
        "grow with the sizes of the groups, which favours few clusters when in doubt."
    )


# -- 4: voting -------------------------------------------------------------------------------------
ITEMS = ("1", "2", "3", "4", "5", "6")
VOTES = (
    (0.0, 0.0, 0.0, 1.0, 1.0, 1.0),
    (0.0, 0.0, 1.0, 1.0, 2.0, 2.0),
    (1.0, 1.0, 1.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0, 1.0, 1.0),
)


def together(votes: Array) -> Array:
    """Share (n, n) of the clusterings (m, n) that put two items together."""
    table = np.asarray(votes)
    share: Array = (table[:, :, None] == table[:, None, :]).mean(0)
    return share


def consensus(votes: Array, k: int) -> Array:
    """Clusters (n,) of items by average linkage on how seldom they are together."""
    return clusters_of(tree_by(1 - together(votes), "average"), k)


def _voting(values: Values, materials: Sequence[Material]) -> list[Element]:
    votes = np.array(values["votes"])
    share = together(votes)
    table = pd.DataFrame(share, index=list(ITEMS), columns=list(ITEMS))

    def arithmetic(row: int, column: str) -> str:
        j = ITEMS.index(column)
        same = votes[:, row] == votes[:, j]
        terms = " + ".join(str(int(x)) for x in same)
        return f"$({terms}) / {len(votes)} = {share[row, j]:.2f}$"

    two = consensus(votes, 2)
    groups = " and ".join("{" + ", ".join(np.array(ITEMS)[two == c]) + "}" for c in np.unique(two))
    return [
        Numbers(table, arithmetic, "How often two items are together", 2, start=(2, "4")),
        Words(f"Consensus in **2** clusters: {groups}"),
    ]


def _useless_vote(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    before, now = (np.array(v) for v in (VOTES, values["votes"]))
    a, b = together(before), together(now)
    same = np.array_equal(consensus(before, 2), consensus(now, 2))
    return 0 if same else 1, (
        f"The share of items 3 and 4 goes from {a[2, 3]:.2f} to {b[2, 3]:.2f}, that of 1 and 6 "
        f"from {a[0, 5]:.2f} to {b[0, 5]:.2f}. A vote for one cluster lifts every pair that it "
        "used to part, and says nothing about which belong together."
    )


# -- 5: many weak clusterings ----------------------------------------------------------------------
MOST = 30


@cache
def base_clusterings(seed: int = 0) -> Array:
    """Clusters (30, 150) of the moons by k-means with 8 to 20 clusters, each from another start."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    points, _ = shape("moons")
    x = torch.as_tensor(points, dtype=torch.float32)
    rows = []
    for i in range(MOST):
        ctx = Context(1000 * seed + i)
        rows.append(kmeans(x, int(ctx.rng.integers(8, 21)), ctx).assignments.numpy())
    return np.array(rows)


@cache
def of_many(m: int, seed: int = 0) -> tuple[Array, float]:
    """Consensus (150,) in two clusters of the first m clusterings, and its adjusted Rand index."""
    from clustlab.analysis.metrics import ari

    share = together(base_clusterings(seed)[:m])
    clusters = clusters_of(tree_by(1 - share, "single"), 2)
    return clusters, ari(shape("moons")[1], clusters)


def _many(values: Values, materials: Sequence[Material]) -> list[Element]:
    m = int(values["m"])
    clusters, score = of_many(m)
    points, _ = shape("moons")
    table = pd.DataFrame(
        {"m": range(1, MOST + 1), "ari": [of_many(i)[1] for i in range(1, MOST + 1)]}
    )
    curve = teaching.lines(
        table, x="m", y="ari", title=("clusterings", "adjusted Rand index"), at=float(m), height=180
    )
    return [
        Chart(teaching.cloud(points, clusters, height=290), f"Consensus of {m} clusterings"),
        Chart(curve, "Adjusted Rand index by the number of clusterings"),
        Words(f"Consensus of **{m}** clusterings by k-means: adjusted Rand index **{score:.3f}**"),
    ]


def two_means() -> float:
    """Adjusted Rand index of k-means with two clusters on the moons."""
    import torch

    from clustlab.analysis.metrics import ari
    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    points, labels = shape("moons")
    x = torch.as_tensor(points, dtype=torch.float32)
    return ari(labels, kmeans(x, 2, Context(), n_init=5).assignments.numpy())


def _thirty(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    one, many, alone = of_many(1)[1], of_many(int(values["m"]))[1], two_means()
    option = 0 if many > 0.9 else 1 if many > alone + 0.02 else 2
    return option, (
        f"Consensus of {int(values['m'])}: {many:.3f}; of a single clustering: {one:.3f}; k-means "
        f"with two clusters: {alone:.3f}. Small pieces are cut differently each time, and what "
        "stays together over all cuts follows the shape."
    )


# -- 6: how many? ----------------------------------------------------------------------------------
KINDS = ("blobs", "moons", "uniform-noise")
UPTO = 10


@cache
def silhouettes(kind: str, noise: float = 0.15, seed: int = 0) -> Array:
    """Silhouette (9,) of k-means with 2 to 10 clusters on 120 points of a toy shape."""
    import torch

    from clustlab.analysis.metrics import silhouette
    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    data = toy(kind, 120, noise, seed)
    x = torch.as_tensor(data.items)
    return np.array(
        [
            silhouette(data.items, kmeans(x, k, Context(seed), n_init=2).assignments.numpy())
            for k in range(2, UPTO + 1)
        ]
    )


def _how_many(values: Values, materials: Sequence[Material]) -> list[Element]:
    curves = {kind: silhouettes(kind, seed=int(values["seed"])) for kind in KINDS}
    table = pd.DataFrame(
        [(k + 2, kind, y) for kind, curve in curves.items() for k, y in enumerate(curve)],
        columns=["k", "shape", "silhouette"],
    )
    best = int(curves[values["kind"]].argmax()) + 2
    chart = teaching.lines(
        table,
        x="k",
        y="silhouette",
        by="shape",
        title=("clusters k", "silhouette"),
        at=best,
        height=330,
    )
    words = " · ".join(
        f"{kind}: k = {c.argmax() + 2} at {c.max():.3f}" for kind, c in curves.items()
    )
    return [
        Chart(chart, "Silhouette of k-means by the number of clusters"),
        Words(f"Highest: {words}"),
    ]


def _in_noise(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    seed = int(values["seed"])
    curve, moons = silhouettes(values["kind"], seed=seed), silhouettes("moons", seed=seed)
    best = int(curve.argmax()) + 2
    option = 0 if curve.max() < 0.1 else 1 if curve.max() < 0.3 else 2
    return option, (
        f"It is {curve.max():.3f}, highest at k = {best}, though there is nothing but noise; the "
        f"moons reach {moons.max():.3f}. A score that compares divisions names the best of them, "
        "and does not say whether there are groups at all."
    )


LESSON = Lesson(
    10,
    "trees",
    "Trees, votes, and how many",
    "Merge step by step, let many clusterings vote, and ask how many clusters there are.",
    methods=("agglomerative", "consensus", "unknown-k", "hdbscan", "cohiclust"),
    terms={
        "Linkage": "What counts as the distance between two groups: nearest, farthest, mean, or "
        "spread.",
        "Dendrogram": "A drawing of merges: branches meet at the height of their distance.",
        "Cut": "The height at which a tree is cut; each branch that it crosses is a cluster.",
        "Ward": "Linkage by how much a merge adds to the squared distances from the centres.",
        "Consensus": "One clustering made from many, which agrees with them as far as it can.",
        "Co-association": "Share of clusterings that put two items together.",
        "Silhouette": "How much nearer items are to their own cluster than to the next, -1 to 1.",
        "ARI": "Adjusted Rand index: agreement of two divisions on pairs, 1 if equal, 0 as by "
        "chance.",
    },
    steps=(
        LessonStep(
            "Merging two by two",
            "Every point begins alone; the two nearest groups are merged until one is left. The "
            "linkage says what the distance between two groups is. Drag points, and click a "
            "height.",
            r"\begin{gathered} d_{\text{single}} = \min_{a, b} d_{ab} \\"
            r"d_{\text{complete}} = \max_{a, b} d_{ab} \end{gathered}",
            {"d_{ab}": "distance of point a in one group and b in the other"},
            _merging,
            Try(
                "Complete linkage instead of single. What does the height of the last merge do?",
                ("It rises", "It falls", "It stays"),
                {"linkage": "complete", "points": FOUR},
                _complete,
            ),
            (
                Choice("linkage", "Linkage", LINKAGES, "single"),
                Slider("k", "Clusters", 1, 4, 2, 1),
                Places("points", "Points", FOUR),
            ),
            explains=("agglomerative.n_clusters",),
        ),
        LessonStep(
            "The linkage decides what a group is",
            "Single linkage needs one short step to go on; complete and Ward ask for compact "
            "groups. Which is right depends on the shape. All are cut at the true number of "
            "groups.",
            r"d_{\text{ward}}^2 = \tfrac{2 |A| |B|}{|A| + |B|} \lVert \mu_A - \mu_B \rVert^2",
            {"|A|": "points in group A", r"\mu_A": "its mean"},
            _linkages,
            Try(
                "Two half moons that reach into each other: which linkage finds them?",
                ("Single", "Average", "Ward"),
                {"shape": "moons", "linkage": "single"},
                _on_moons,
            ),
            (
                Choice("shape", "Shape", SHAPES, "blobs"),
                Choice("linkage", "Linkage", LINKAGES, "ward"),
            ),
            explains=("agglomerative.linkage",),
        ),
        LessonStep(
            "Where to cut",
            "A tree holds every number of clusters at once; a cut picks one. Where branches are "
            "long, the cut can move far without changing anything: a hint, not a proof, of how "
            "many groups there are.",
            r"k^* = \arg\max_k \; (h_{k - 1} - h_k)",
            {"h_k": "height below which there are more than k clusters", "k^*": "longest gap"},
            _cutting,
            Try(
                "Five groups were drawn, with a noise of 0.3 so that they touch. Where is the "
                "longest gap?",
                ("At fewer than 5 clusters", "At 5", "At more than 5"),
                {"noise": 0.3},
                _gap,
            ),
            (
                Slider("k", "Clusters", 2, 12, 2, 1),
                Slider("noise", "Noise", 0.05, 0.5, 0.1, 0.05),
            ),
        ),
        LessonStep(
            "Clusterings vote",
            "Cluster numbers of two clusterings cannot be compared, but pairs can: are these two "
            "together? The share of clusterings that say so is a similarity, and a tree on it is "
            "the consensus. Edit the votes, click a share.",
            r"C_{ij} = \frac{1}{M} \sum_{m=1}^{M} \left[\, c_i^{(m)} = c_j^{(m)} \right]",
            {"c_i^{(m)}": "cluster of item i in clustering m", "M": "clusterings"},
            _voting,
            Try(
                "The fourth clustering now puts all items into one cluster. What does the "
                "consensus in two clusters do?",
                ("It stays as it is", "It changes"),
                {"votes": (*VOTES[:3], (0.0,) * 6)},
                _useless_vote,
            ),
            (
                Grid(
                    "votes",
                    "Cluster of each item, one clustering per row",
                    ("A", "B", "C", "D"),
                    ITEMS,
                    VOTES,
                ),
            ),
        ),
        LessonStep(
            "Many weak votes make a strong one",
            "Each vote here is k-means with 8 to 20 clusters on the two moons, far too many, and "
            "cut differently each time. Single linkage on how often points are together joins "
            "the pieces. Move the number of clusterings.",
            r"d_{ij} = 1 - C_{ij}, \qquad k_m \sim \{8, \dots, 20\}",
            {"C_{ij}": "share of votes for i and j together", "k_m": "clusters of vote m"},
            _many,
            Try(
                "With 30 such clusterings, does the consensus find the moons?",
                ("Nearly or wholly", "Better than k-means with k = 2", "Not better than that"),
                {"m": 30.0},
                _thirty,
            ),
            (Slider("m", "Clusterings", 1, MOST, 1, 1),),
            explains=("consensus.n_rounds", "consensus.most_clusters"),
        ),
        LessonStep(
            "How many are there?",
            "Scores such as the silhouette compare divisions into 2, 3, 4 and more, and the "
            "highest wins. Look at how clear the winner is, and what they say where there are no "
            "groups.",
            r"\begin{gathered} s_i = \frac{b_i - a_i}{\max(a_i, b_i)}, \\"
            r"k^* = \arg\max_k \tfrac{1}{n} \sum_i s_i \end{gathered}",
            {"a_i": "mean distance within its cluster", "b_i": "to the next cluster"},
            _how_many,
            Try(
                "Uniform noise without any groups: how high does the silhouette get?",
                ("Below 0.1", "0.1 to 0.3", "Above 0.3"),
                {"kind": "uniform-noise", "seed": 0.0},
                _in_noise,
            ),
            (
                Choice("kind", "Shape in view", KINDS, "blobs"),
                Slider("seed", "Seed", 0, 9, 0, 1),
            ),
            explains=("hdbscan.min_cluster_size",),
        ),
    ),
)
