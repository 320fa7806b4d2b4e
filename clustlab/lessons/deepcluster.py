"""DeepCluster: clusters become labels, labels train features, and guards keep it from cheating."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Choice, Places, Slider, Switch, Values
from clustlab.course.figure import Chart, Element, Numbers, Plane, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_digits import quick_run
from clustlab.course.on_points import BLOBS_EXTENT, crosses, toy
from clustlab.runs.phases import steps_with_role
from clustlab.runs.store import RunSpec
from clustlab.types import Array
from clustlab.views import ground, teaching, theme

FEW = {"epochs": 10, "n_clusters_over": 30, "batch_size": 32}


def run_of(**changes: Any) -> RunSpec:
    """A short run of DeepCluster on the digits."""
    return quick_run("deepcluster", **{**FEW, **changes})


def rounds(material: Material) -> Array:
    """Steps at which the many clusters were formed, that of the untrained network first."""
    return np.array(steps_with_role(material.run, "initialise", "train"), dtype=np.int64)


# -- 1: an untrained network -----------------------------------------------------------------------
def purity_of_chance(labels: Array, clusters: Array, draws: int = 20) -> float:
    """Mean purity of clusters of the same sizes that were filled blindly."""
    from clustlab.analysis.metrics import purity

    rng = np.random.default_rng(0)
    return float(np.mean([purity(labels, rng.permutation(clusters)) for _ in range(draws)]))


def start_purity(material: Material) -> tuple[float, float]:
    """Purity of the clusters of untrained features, and of blind ones."""
    assert material.dataset.labels is not None
    clusters = material.run[0].assignments
    return material.timeline.row(0)["purity"], purity_of_chance(material.dataset.labels, clusters)


def _untrained(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    untrained, chance = start_purity(material)
    bars = teaching.bars(
        ["random clusters", "untrained network"],
        [chance, untrained],
        title="share of images in a cluster of their own digit",
        high=1.0,
        colours=[theme.GREY, theme.RIGHT],
        height=130,
    )
    keep = theme.thin(len(material.dataset.items), limit=700)
    labels = material.dataset.labels
    assert labels is not None
    cloud = teaching.cloud(material.timeline.points(0)[keep], labels[keep], height=340)
    return [
        Chart(bars, f"Purity of 30 clusters: {untrained:.2f} untrained, {chance:.2f} random"),
        Chart(cloud, "Two components of untrained features, coloured by the true digit"),
    ]


def _random_is_a_start(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    untrained, chance = start_purity(materials[0])
    return (0 if untrained < chance + 0.1 else 1 if untrained <= 0.5 else 2), (
        f"{untrained:.2f} against {chance:.2f} for random clusters. Convolutions, trained or not, "
        "send images that look alike to features that are alike; the rounds amplify that."
    )


# -- 2: half a step at a time ----------------------------------------------------------------------
def half_step(material: Material, half: int) -> tuple[int, int, str]:
    """Step whose features and step whose labels are shown after so many half rounds, and which."""
    steps = rounds(material)
    half = min(half, 2 * (len(steps) - 1))
    features, labels = steps[(half + 1) // 2], steps[half // 2]
    done = "start" if half == 0 else "train only" if half % 2 else "cluster only"
    return int(features), int(labels), done


def _halves(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    features, labels, done = half_step(material, int(values["half"]))
    timeline = material.timeline
    keep = theme.thin(len(material.dataset.items), limit=700)
    extent = timeline.extent()
    chart = teaching.cloud(
        timeline.points(features)[keep],
        timeline.stable(labels)[keep],
        within=(-extent, extent, -extent, extent),
        height=380,
    )
    said = {
        "start": "features of the untrained network, just clustered",
        "train only": "the features have moved, the labels are still those of the round before",
        "cluster only": "the features rest, and "
        f"**{percent(timeline.row(labels)['changed'], 0)}** of the labels changed",
    }[done]
    return [
        Words(f"**{done}** (round {(int(values['half']) + 1) // 2}): {said}"),
        Chart(chart, f"Features at step {features} in the colours of the labels of step {labels}"),
    ]


def _labels_change(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (material,) = materials
    steps = rounds(material)
    first, final = (material.timeline.row(int(s))["changed"] for s in (steps[1], steps[-1]))
    kept = material.timeline.row(int(steps[-1]))["nmi_previous"]
    return (0 if final < 0.1 else 1 if final <= 0.3 else 2), (
        f"{percent(final, 0)} in the last round and {percent(first, 0)} in the first, with an NMI "
        f"of {kept:.2f} to the round before. The clusters are drawn anew each time, so the labels "
        "are a moving target."
    )


# -- 3: the head -----------------------------------------------------------------------------------
def guessing(material: Material) -> pd.DataFrame:
    """Cross-entropy of each round as a share of ln k, that of a guess among k clusters."""
    logged = [(i, r["scalars"]) for i, r in enumerate(material.run.log)]
    rows = [
        (i, s["cross_entropy"] / s["cross_entropy_guessing"])
        for i, s in logged
        if "cross_entropy" in s
    ]
    return pd.DataFrame(rows, columns=["round", "share"])


def _heads(values: Values, materials: Sequence[Material]) -> list[Element]:
    tables = [
        guessing(material).assign(head=name)
        for name, material in zip(("new each round", "kept"), materials, strict=True)
    ]
    table = pd.concat(tables)
    if not len(table):
        return [Words("The first round of training is under way.")]
    ends = [f"{t['head'].iloc[0]}: **{t['share'].iloc[-1]:.2f}**" for t in tables if len(t)]
    chart = teaching.lines(
        table, x="round", y="share", by="head", title=("round", "cross-entropy / ln k"), height=330
    )
    return [Words(" · ".join(ends)), Chart(chart, "Cross-entropy over the rounds by head")]


def _kept_head(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    fresh, kept = (float(guessing(m)["share"].iloc[-1]) for m in materials)
    ends = [m.timeline.row(len(m.run) - 1)["acc"] for m in materials]
    option = 0 if kept < fresh - 0.03 else 1 if kept > fresh + 0.03 else 2
    return option, (
        f"It ends at {kept:.2f} of a guess when kept and at {fresh:.2f} when new. Cluster 3 of "
        "this round is not cluster 3 of the last: an old head first has to unlearn its numbers. "
        f"Merged into ten, accuracy is {ends[1]:.2f} instead of {ends[0]:.2f}."
    )


# -- 4: a trivial answer ---------------------------------------------------------------------------
def sizes_with(share: float, k: int = 10) -> Array:
    """Shares (k,) of clusters of which one holds a share and the others the rest evenly."""
    return np.array([share, *[(1 - share) / (k - 1)] * (k - 1)])


def _trivial(values: Values, materials: Sequence[Material]) -> list[Element]:
    from clustlab.analysis.metrics import entropy

    share = values["share"] / 100
    sizes = sizes_with(share)
    terms = -sizes * np.log(np.maximum(sizes, 1e-300))
    table = pd.DataFrame(
        {"share of items": [sizes[0], sizes[1]], "adds": [terms[0], 9 * terms[1]]},
        index=["the largest", "each of the 9 others"],
    )

    def arithmetic(row: int, column: str) -> str:
        if column == "share of items":
            rest = "" if row == 0 else f"(1 - {share:.3f}) / 9 = "
            return f"${rest}{sizes[row]:.4f}$ of the items"
        times = "" if row == 0 else "9 \\cdot "
        return f"$-{times}{sizes[row]:.4f} \\ln {sizes[row]:.4f} = {table['adds'].iloc[row]:.3f}$"

    curve = pd.DataFrame({"share": np.linspace(0.1, 0.999, 60)})
    curve["loss"] = [entropy(sizes_with(s)) for s in curve["share"]]
    chart = teaching.lines(
        curve,
        x="share",
        y="loss",
        title=("share of the largest cluster", "nats"),
        at=share,
        height=250,
    )
    return [
        Words(f"A network that never looks at an image reaches **{entropy(sizes):.3f}** nats."),
        Numbers(table, arithmetic, "What each cluster adds to the loss", start=(0, "adds")),
        Chart(chart, "Loss of the best constant answer by the share of the largest cluster"),
    ]


def _constant(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    from clustlab.analysis.metrics import entropy

    loss, even = entropy(sizes_with(values["share"] / 100)), math.log(10)
    return (0 if loss > 0.8 * even else 1 if loss > 0.4 * even else 2), (
        f"{loss:.3f} nats, against {even:.3f} with even clusters. If one cluster takes all, the "
        "loss is 0 and nothing has been learned."
    )


# -- 5: a say for all ------------------------------------------------------------------------------
SIZES = (60, 25, 10, 5)


def says(balance: str) -> Array:
    """Share (4,) that each cluster of `SIZES` has in one round of training."""
    from clustlab.parts.clustering.balance import inverse_size_weights, uniform_draw

    labels = np.repeat(np.arange(len(SIZES)), SIZES)
    counts = np.array(SIZES, dtype=np.float64)
    if balance == "uniform sampler":
        rng = np.random.default_rng(0)
        counts = np.bincount(labels[uniform_draw(labels, rng)], minlength=len(SIZES)).astype(float)
    elif balance == "inverse weights":
        counts = counts * inverse_size_weights(labels, len(SIZES))
    return np.asarray(counts / counts.sum())


def _balance(values: Values, materials: Sequence[Material]) -> list[Element]:
    balance = values["balance"]
    said = says(balance)
    each = said / np.array(SIZES) * 100
    table = pd.DataFrame(
        {"items": np.array(SIZES, float), "share": said, "weight of an item": each}
    )

    def arithmetic(row: int, column: str) -> str:
        if column == "items":
            return f"{SIZES[row]} of the {sum(SIZES)} items"
        if column == "weight of an item":
            return (
                f"${said[row]:.3f} \\cdot 100 / {SIZES[row]} = {each[row]:.2f}$; 1 if all count "
                "alike"
            )
        if balance == "inverse weights":
            weight = sum(SIZES) / (4 * SIZES[row])
            return (
                f"Weight ${sum(SIZES)} / (4 \\cdot {SIZES[row]}) = {weight:.2f}$, so "
                f"${SIZES[row]} \\cdot {weight:.2f} / {sum(SIZES)} = {said[row]:.3f}$"
            )
        drawn = round(said[row] * sum(SIZES))
        return f"{drawn} of {sum(SIZES)} draws come from it: ${said[row]:.2f}$"

    bars = teaching.bars(
        [f"cluster of {n}" for n in SIZES],
        said,
        title="share of training",
        high=0.6,
        colours=[theme.colour(i) for i in range(4)],
        height=190,
    )
    return [
        Numbers(table, arithmetic, "One row per cluster", start=(3, "weight of an item")),
        Chart(bars, f"What four clusters weigh in training with {balance}"),
    ]


def _say_of_small(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    each = says(values["balance"]) / np.array(SIZES)
    ratio, expected = float(each[-1] / each[0]), SIZES[0] / SIZES[-1]
    return (0 if ratio < 1.5 else 1 if ratio < 8 else 2), (
        f"{ratio:.1f} times as often in this one draw; the mean of many draws is {SIZES[0]} / "
        f"{SIZES[-1]} = {expected:g}. Every cluster gets the same say, so always answering with "
        f"the largest is right for one in {len(SIZES)} draws."
    )


# -- 6: an empty cluster ---------------------------------------------------------------------------
CENTERS = ((0.0, 1.0), (1.0, 0.4), (0.5, -0.8), (-0.6, -0.8), (-1.0, 0.3), (2.0, -1.3))


def occupied(centers: Sequence[Sequence[float]], *, repair: bool) -> tuple[Array, Array]:
    """Centres (k, 2) and clusters (n,) after rounds of k-means with or without repair."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import lloyd

    x, first = (torch.as_tensor(np.asarray(a, np.float32)) for a in (toy("blobs").items, centers))
    clustering = lloyd(x, first, Context(0), repair=repair)
    return clustering.centers.numpy(), clustering.assignments.numpy()


def _repair(values: Values, materials: Sequence[Material]) -> list[Element]:
    centers, owner = occupied(values["centers"], repair=values["repair"])
    sizes = np.bincount(owner, minlength=len(centers))
    listed = ", ".join(str(s) for s in sizes)
    return [
        Words(f"Items per cluster: {listed}. **{(sizes > 0).sum()}** of {len(sizes)} are in use."),
        Plane(
            "centers",
            tuple(theme.colour(i) for i in range(len(centers))),
            "Six first centres to drag, and where they end",
            crosses(centers),
            BLOBS_EXTENT,
            ground.scene(BLOBS_EXTENT, toy("blobs").items, owner),
        ),
    ]


def _dead_center(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    ends = [occupied(CENTERS, repair=repair)[1] for repair in (values["repair"], True)]
    without, repaired = (len(np.unique(owner)) for owner in ends)
    return (0 if without == len(CENTERS) else 1), (
        f"{without} of {len(CENTERS)} clusters are in use without repair, {repaired} with it. A "
        "centre without items has no mean to move to, so it never comes back; the repair gives "
        "it half of another cluster."
    )


# -- 7: why clusters run empty ---------------------------------------------------------------------
MANY = 16  # centres over five groups
TOGETHER = 0.01  # share of the way to the middle of its group that a point goes with each degree


@cache
def old_centers() -> Array:
    """Centres (16, 2) of k-means on five groups of points, each with items."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    return kmeans(torch.as_tensor(toy("blobs").items), MANY, Context(0)).centers.numpy()


def moved_features(degrees: float) -> Array:
    """Points (n, 2) that were turned about the origin and drawn to the middle of their group."""
    data = toy("blobs")
    assert data.labels is not None
    means = np.array([data.items[data.labels == g].mean(0) for g in np.unique(data.labels)])
    gathered = data.items + TOGETHER * degrees * (means[data.labels] - data.items)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(gathered @ [[cosine, sine], [-sine, cosine]], dtype=np.float32)


def after_moving(degrees: float, first: str) -> Array:
    """Clusters (n,) of the points that have moved, from the old centres or from new ones."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    x = torch.as_tensor(moved_features(degrees))
    old = torch.as_tensor(old_centers()) if first == "of the round before" else None
    return kmeans(x, MANY, Context(0), centers=old).assignments.numpy()


def _moving(values: Values, materials: Sequence[Material]) -> list[Element]:
    owner = after_moving(values["degrees"], values["first"])
    chart = teaching.cloud(
        moved_features(values["degrees"]), owner, centers=old_centers(), within=BLOBS_EXTENT
    )
    used = len(np.unique(owner))
    return [
        Words(
            f"**{used}** of {MANY} clusters are in use. Crosses are the centres of the round "
            "before."
        ),
        Chart(chart, f"Points that have moved, in {used} clusters, over {MANY} older centres"),
    ]


def _left_behind(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    kept, drawn = (
        len(np.unique(after_moving(values["degrees"], first)))
        for first in (values["first"], "drawn")
    )
    option = 0 if kept == MANY else 1 if kept > 10 else 2
    return option, (
        f"{kept} of {MANY} with the old centres, {drawn} with new ones. Every old centre had "
        "items when it was made; the features have moved away from some, and a centre without "
        "items does not follow them."
    )


# -- 8: what the clusters may be about -------------------------------------------------------------
USUAL = {"whitening": True, "augment": True, "sobel": False}
CALLED = {"whitening": "whitening", "augment": "augmentation", "sobel": "Sobel edges"}


def switched(values: Values) -> dict[str, bool]:
    """Settings of the input that differ from those of the guarded run."""
    return {name: bool(values[name]) for name, usual in USUAL.items() if values[name] != usual}


def beside(values: Values) -> list[RunSpec]:
    """The guarded run, and the one as it is switched if that is another."""
    changes = switched(values)
    return [run_of(), *([run_of(**changes)] if changes else [])]


def ends(material: Material) -> dict[str, float]:
    """Figures of the last round of training and of the merge; nothing before both are done."""
    steps, last = rounds(material), len(material.run) - 1
    shares = guessing(material)["share"]
    if not len(shares) or steps[-1] == last:
        return {}
    trained, merged = (material.timeline.row(int(i)) for i in (steps[-1], last))
    return {
        "cross-entropy": float(shares.iloc[-1]),
        "labels kept": trained["nmi_previous"],
        "purity of 30": trained["purity"],
        "right in 10": merged["acc"],
    }


def _inputs(values: Values, materials: Sequence[Material]) -> list[Element]:
    names = ("guarded", "as switched")[: len(materials)]
    both = zip(names, materials, strict=True)
    table = pd.concat([guessing(m).assign(run=name) for name, m in both])
    ends_by_name = {n: ends(m) for n, m in zip(names, materials, strict=True) if ends(m)}
    off = ", ".join(f"{CALLED[n]} {'on' if on else 'off'}" for n, on in switched(values).items())
    parts: list[Element] = [Words(f"Beside the guarded run: **{off or 'nothing switched yet'}**.")]
    if ends_by_name:
        parts.append(_end_table(pd.DataFrame(ends_by_name).T, materials[0]))
    if len(table):
        axes = ("round", "share of a guess")
        chart = teaching.lines(table, x="round", y="share", by="run", title=axes, height=270)
        parts.append(Chart(chart, "Cross-entropy over the rounds, guarded and as switched"))
    return parts


def _end_table(table: pd.DataFrame, material: Material) -> Numbers:
    n = len(material.dataset.items)

    def arithmetic(row: int, column: str) -> str:
        value = float(table[column].iloc[row])
        if column == "cross-entropy":
            return f"Loss of the last round: ${value:.3f}$ of what a guess among its clusters costs"
        if column == "labels kept":
            return f"NMI of the last 2 clusterings: ${value:.3f}$; 1 if no label changed"
        where = (
            "a cluster mostly of their digit"
            if column == "purity of 30"
            else "the cluster of their digit"
        )
        return f"${round(value * n)}$ of ${n}$ images are in {where}: ${value:.3f}$"

    return Numbers(table, arithmetic, "The end of each run", start=(0, "right in 10"))


def _without_changes(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    guarded, mine = (ends(m) for m in (materials[0], materials[-1]))
    loss, right = (mine[name] - guarded[name] for name in ("cross-entropy", "right in 10"))
    option = 2 if abs(loss) < 0.05 else 0 if loss > 0 else 1 if right < -0.05 else 3
    return option, (
        f"The loss ends at {mine['cross-entropy']:.2f} of a guess instead of "
        f"{guarded['cross-entropy']:.2f}, and {mine['right in 10']:.2f} of the images are right "
        f"instead of {guarded['right in 10']:.2f}. An image that never changes can be recognised "
        "by any detail: an easy task that is not about digits."
    )


LESSON = Lesson(
    5,
    "deepcluster",
    "DeepCluster: labels out of nothing",
    "Cluster the features, take the clusters as labels, train, repeat; and what keeps it honest.",
    methods=("deepcluster",),
    terms={
        "Cross-entropy": "Minus the logarithm of the share that the right label gets, on "
        "average; ln k for a blind guess among k.",
        "Pseudo-label": "The number of a cluster, used as if someone had labelled the item with "
        "it.",
        "Head": "The last layer of a network, which turns features into scores.",
        "Purity": "Share of items that belong to the most frequent class of their cluster.",
        "Over-clustering": "Forming more clusters than there are classes.",
        "Trivial solution": "A solution that makes the loss small and has learned nothing.",
    },
    steps=(
        LessonStep(
            "A random network is already a start",
            "Nothing has been trained yet. The features of an untrained network are grouped into "
            "30 clusters; beside them stand 30 clusters of the same sizes, filled at random.",
            r"\text{purity} = \frac{1}{n} \sum_{j} \max_{y} n_{jy}",
            {"n_{jy}": "items of class y in cluster j", "n": "items"},
            _untrained,
            Try(
                "What share of the digits lies in a cluster in which their class is the most "
                "frequent?",
                ("About as many as by chance", "More, but at most half", "More than half"),
                {},
                _random_is_a_start,
            ),
            needs=lambda values: [run_of()],
            explains=("deepcluster.width", "deepcluster.depth", "deepcluster.n_clusters_over"),
        ),
        LessonStep(
            "One half-step at a time",
            "Train only: the labels rest and the features move. Cluster only: the features rest "
            "and the labels move. Go through the half-steps and watch which of the two moves.",
            r"\begin{gathered} \min_{\theta, W} \tfrac1n \textstyle\sum_i \ell(W "
            r"f_\theta(x_i), y_i) \\\min_{C, y} \tfrac1n \textstyle\sum_i \lVert f_\theta(x_i) "
            r"- C y_i \rVert^2 \end{gathered}",
            {
                r"f_\theta": "features",
                "W": "head",
                "y_i": "pseudo-label",
                "C": "centres",
                r"\ell": "cross-entropy",
            },
            _halves,
            Try(
                "In the last round, what share of the labels is changed by clustering?",
                ("Below 10%", "10 to 30%", "More than 30%"),
                {"half": 20.0},
                _labels_change,
            ),
            (Slider("half", "Half-steps done", 0, 20, 1, 1),),
            needs=lambda values: [run_of()],
            explains=("deepcluster.epochs", "deepcluster.n_components"),
        ),
        LessonStep(
            "Why the head is new each round",
            "k-means numbers its clusters in no particular order. A head kept from the round "
            "before has learned numbers that now mean something else. Two runs start with the "
            "same head and differ in this alone. A guess among k clusters costs ln k; the curves "
            "show what share of that is left.",
            r"\begin{gathered} W^{(t)} \sim \mathcal{N}(0,\, 0.01^2) \\"
            r"\text{instead of} \quad W^{(t)} = W^{(t-1)} \end{gathered}",
            {"W^{(t)}": "head at the start of round t", "k": "clusters in use"},
            _heads,
            Try(
                "The head is kept. Where does its cross-entropy end?",
                ("Lower", "Higher", "At about the same value"),
                {},
                _kept_head,
            ),
            needs=lambda values: [run_of(), run_of(reset_head=False)],
            explains=("deepcluster.reset_head", "deepcluster.learning_rate"),
        ),
        LessonStep(
            "The trivial answer",
            "Nothing stops one cluster from swallowing the rest. Then a network can ignore its "
            "input, always give the same answer, and be right. Click a number.",
            r"\min_{p} \; -\sum_j s_j \ln p_j = -\sum_j s_j \ln s_j",
            {"s_j": "share of items in cluster j", "p_j": "constant answer for cluster j"},
            _trivial,
            Try(
                "95% of the items lie in one of ten clusters. How large is the loss of a network "
                "that looks at no image?",
                ("Near that of ten even clusters", "About half of it", "Much smaller"),
                {"share": 95.0},
                _constant,
            ),
            (Slider("share", "Share of the largest cluster in %", 10, 99, 10, 1),),
            alarms=("collapse",),
        ),
        LessonStep(
            "The same say for every cluster",
            "Guard one: draw all clusters equally often, or give the items of small clusters "
            "more weight. Switch it off, and the largest cluster decides.",
            r"w_i = \frac{n}{k\, n_{y_i}}",
            {"w_i": "weight of item i", "n_{y_i}": "size of its cluster", "k": "clusters in use"},
            _balance,
            Try(
                "With the uniform sampler: how much more often is an item of the cluster of 5 "
                "drawn than one of the cluster of 60?",
                ("Equally often", "About 5 times", "More than 8 times"),
                {"balance": "uniform sampler"},
                _say_of_small,
            ),
            (Choice("balance", "Guard", ("none", "uniform sampler", "inverse weights"), "none"),),
            explains=("deepcluster.balance",),
        ),
        LessonStep(
            "Empty clusters",
            "Guard two: a centre without items is moved next to a random other one, and the two "
            "share that one's items. Drag the first centres, and switch the repair on and off.",
            r"\mu_{\text{empty}} \leftarrow \mu_{\text{donor}} + \varepsilon",
            {r"\mu": "centre", r"\varepsilon": "a small random step"},
            _repair,
            Try(
                "One of six first centres lies far from all points, and the repair is off. How "
                "many clusters are in use at the end?",
                ("All six", "Five or fewer"),
                {"repair": False, "centers": CENTERS},
                _dead_center,
            ),
            (
                Places("centers", "First centres", CENTERS),
                Switch("repair", "Repair empty clusters", value=True),
            ),
            explains=("deepcluster.repair_empty",),
            alarms=("empty",),
        ),
        LessonStep(
            "Why clusters run empty",
            "Centres need not start far away to run empty. Training moves the features: here "
            "they turn, and the items of each group draw together. The centres of the round "
            "before stay where items were, and some are now nearest to nothing. Compare with "
            "centres drawn anew.",
            r"\mu_j^{(t-1)} \approx f_{\theta^{(t-1)}}(x) \neq f_{\theta^{(t)}}(x)",
            {r"\mu_j^{(t-1)}": "centre of the round before", r"f_{\theta^{(t)}}": "features now"},
            _moving,
            Try(
                "The features turn by 20 degrees, and k-means goes on from the old centres, "
                "without repair. How many of the 16 clusters are in use?",
                ("All of them", "11 to 15", "10 or fewer"),
                {"degrees": 20.0, "first": "of the round before"},
                _left_behind,
            ),
            (
                Slider("degrees", "Turn of the features in degrees", 0, 60, 0, 10),
                Choice(
                    "first",
                    "First centres",
                    ("of the round before", "drawn"),
                    "of the round before",
                ),
            ),
            explains=("deepcluster.new_centers",),
        ),
        LessonStep(
            "What the clusters may be about",
            "Whitening, augmentation and Sobel edges decide what clusters can be about. Flip "
            "each switch in a real run and compare it with the usual one. Expect least of Sobel "
            "edges: digits have no colour to take away.",
            r"\begin{gathered} z_i \propto \Lambda^{-1/2} V^\top f_\theta(S x_i), \quad "
            r"\lVert z_i \rVert = 1 \\"
            r"\min_{\theta, W} \tfrac1n \textstyle\sum_i \ell(W f_\theta(S\, t_i(x_i)), y_i) "
            r"\end{gathered}",
            {
                r"V, \Lambda": "directions and variances of whitening",
                "S": "Sobel edges, or nothing",
                "t_i": "random change of an image",
                "z_i": "what is clustered",
            },
            _inputs,
            Try(
                "Augmentation is off: the network trains on the very images it has clustered. How "
                "does it end?",
                (
                    "With a higher loss",
                    "With a lower loss, and fewer images right",
                    "With about the same loss",
                    "With a lower loss, and as many right",
                ),
                {"whitening": True, "augment": False, "sobel": False},
                _without_changes,
            ),
            (
                Switch("whitening", "Whitening", value=True),
                Switch("augment", "Augmentation", value=True),
                Switch("sobel", "Sobel edges", value=False),
            ),
            needs=beside,
            explains=("deepcluster.whitening", "deepcluster.augment", "deepcluster.sobel"),
        ),
    ),
)
