"""How IIC counts pairs in a joint matrix, and what the information in it rewards and forgives."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Choice, Grid, Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_digits import digits, pixels, quick_run, step_at
from clustlab.types import Array
from clustlab.views import sheets, teaching, theme

ABC = ("a", "b", "c")
CLASSES = 10
FEW = 12  # pairs in a picture


def information(joint: Array) -> tuple[float, float]:
    """Entropy H(z) and what is left of it once z' is known, H(z|z'), of a joint matrix in nats.

    The matrix (k, k) is made symmetric and to sum to 1 first, as IIC does with its own.
    """
    import torch

    from clustlab.methods.iic import iic_loss
    from clustlab.parts.losses.information import row_entropies

    table = torch.as_tensor(np.asarray(joint, dtype=np.float64))
    one_each = torch.eye(len(table), dtype=torch.float64)  # pairs a row with its cluster
    total = -float(iic_loss(one_each, table))
    marginal = (table + table.T).sum(0)
    entropy = float(row_entropies((marginal / marginal.sum())[None])[0])
    return max(0.0, entropy), max(0.0, entropy - total)  # not the -0 of a rounded sum


def joint_of(images: Array, copies: Array) -> Array:
    """Joint matrix (k, k) of answers (n, k) to images and to their copies."""
    import torch

    from clustlab.parts.losses.simplex import joint_probabilities

    return np.asarray(joint_probabilities(torch.as_tensor(images), torch.as_tensor(copies)))


def two_bars(entropy: float, left: float, ceiling: float, height: int = 150) -> Chart:
    """Bars of H(z), H(z|z') and their difference."""
    chart = teaching.bars(
        ["H(z)", "H(z|z')", "I(z;z')"],
        [entropy, left, entropy - left],
        title="nats",
        high=ceiling,
        colours=[theme.RIGHT, theme.WRONG, theme.ACCENT],
        height=height,
    )
    words = f"Entropy {entropy:.3f}, entropy given the copy {left:.3f}, information "
    return Chart(chart, f"{words}{entropy - left:.3f} nats")


# -- 1: pairs --------------------------------------------------------------------------------------
def changed(strength: float) -> Array:
    """A changed copy (n, 8, 8, 1) in [0, 1] of every digit, drawn by a fixed seed."""
    import torch

    from clustlab.methods.iic import VIEWS

    x = torch.from_numpy(digits().items.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    copies = VIEWS.scaled(strength)(x, torch.Generator().manual_seed(1))
    return np.asarray(copies.permute(0, 2, 3, 1))


@cache
def agreeing(strength: float) -> float:
    """Share of digits that a division by random weights puts where it puts their copies."""
    weights = np.random.default_rng(0).normal(size=(64, CLASSES))
    rows = pixels()
    middle = rows.mean(0)
    before = ((rows - middle) @ weights).argmax(1)
    after = ((changed(strength).reshape(len(rows), -1) - middle) @ weights).argmax(1)
    return float((before == after).mean())


def _pairs(values: Values, materials: Sequence[Material]) -> list[Element]:
    strength = values["strength"]
    items = digits().items[:FEW]
    copies = np.rint(changed(strength)[:FEW] * 255).astype(np.uint8)
    both = np.concatenate([items, copies])
    sheet = sheets.atlas(both, np.arange(2 * FEW), tile=54, columns=FEW)
    return [
        Picture(sheet.pixels, "Twelve digits, and below each its changed copy", 680),
        Words(
            "Random weights divide all 1,797 digits into ten parts: "
            f"**{percent(agreeing(strength))}** lie in the same part as their copy."
        ),
    ]


def _no_change(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    usual, now = agreeing(1.0), agreeing(values["strength"])
    option = 0 if now > 0.95 else 1 if now > 0.3 else 2
    return option, (
        f"{percent(now, 0)} agree, against {percent(usual, 0)} with the usual changes. If nothing "
        "changes, every division is invariant, even one by random weights: the changes are what "
        "IIC learns from."
    )


# -- 2: the joint matrix ---------------------------------------------------------------------------
IMAGES = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]])
COPIES = {
    "differ a little": np.array(
        [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.1, 0.7], [0.3, 0.6, 0.1]]
    ),
    "equal the images'": IMAGES,
    "are equal and sure": np.eye(3)[IMAGES.argmax(1)],
}


def answers_to(kind: str) -> tuple[Array, Array]:
    """Answers (4, 3) to four images and to their copies."""
    return (COPIES[kind] if "sure" in kind else IMAGES), COPIES[kind]


def _joint(values: Values, materials: Sequence[Material]) -> list[Element]:
    one, other = answers_to(values["copies"])
    joint = joint_of(one, other)
    given = pd.DataFrame(
        np.hstack([one, other]), columns=[*(f"image {c}" for c in ABC), *(f"copy {c}" for c in ABC)]
    )
    table = pd.DataFrame(joint, index=list(ABC), columns=list(ABC))

    def origin(row: int, column: str) -> str:
        whole = (one if column.startswith("image") else other)[row]
        return f"Given; the three answers sum to ${' + '.join(f'{x:g}' for x in whole)} = 1$"

    def arithmetic(row: int, column: str) -> str:
        j = ABC.index(column)
        ways = [
            f"{x:g} \\cdot {y:g}"
            for a, b in zip(one, other, strict=True)
            for x, y in ((a[row], b[j]), (b[row], a[j]))
        ]
        return f"$\\frac{{1}}{{8}}({' + '.join(ways)}) = {joint[row, j]:.4f}$"

    return [
        Numbers(given, origin, "Answers to four images and their copies", 2),
        Numbers(table, arithmetic, "Joint matrix P", 4, start=(0, "b")),
    ]


def _equal_answers(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    before, now = (
        np.trace(joint_of(*answers_to(k))) for k in ("differ a little", values["copies"])
    )
    option = 0 if now > 0.999 else 1 if now > before else 2
    return option, (
        f"{now:.3f} of the mass is on the diagonal, {before:.3f} before. Answers that are equal "
        "but unsure still spill off it: 0.8 · 0.1 counts as a pair in two clusters. Only answers "
        "that are sure and equal lie wholly on it."
    )


# -- 3: a matrix by hand ---------------------------------------------------------------------------
START = ((2.0, 1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.0, 2.0))


def _by_hand(values: Values, materials: Sequence[Material]) -> list[Element]:
    grid = np.clip(np.array(values["grid"], dtype=np.float64), 0, None)
    if grid.sum() <= 0:
        return [Words("All **9** cells are empty: write a number above 0 into one.")]
    joint = (grid + grid.T) / (2 * grid.sum())
    entropy, left = information(joint)
    marginal = joint.sum(0)
    apart = np.outer(marginal, marginal)  # what P would be if image and copy were unrelated
    ratio = np.divide(joint, apart, out=np.ones_like(joint), where=joint > 0)
    part = joint * np.log(ratio)
    table = pd.DataFrame(part, index=list(ABC), columns=list(ABC))

    def arithmetic(row: int, column: str) -> str:
        j = ABC.index(column)
        p, a, b = joint[row, j], marginal[row], marginal[j]
        if p == 0:
            return f"$P_{{{ABC[row]}{column}}} = 0$, and $0 \\ln 0$ counts as $0$"
        return f"${p:.3f} \\ln \\frac{{{p:.3f}}}{{{a:.3f} \\cdot {b:.3f}}} = {part[row, j]:.4f}$"

    mutual_information = entropy - left
    return [
        two_bars(entropy, left, math.log(3), 160),
        Words(f"I is **{mutual_information:.3f}** of at most ln 3 = **{math.log(3):.3f}** nats."),
        Numbers(table, arithmetic, "What each cell adds to I", 4, start=(0, "a")),
    ]


def _uneven_diagonal(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    entropy, left = information(np.array(values["grid"]))
    mutual_information = entropy - left
    option = 0 if mutual_information > math.log(3) - 1e-6 else 1 if mutual_information > 1e-6 else 2
    return option, (
        f"I is {mutual_information:.3f}, and the maximum is ln 3 = {math.log(3):.3f}. "
        f"H(z|z') is {left:.3f}, as "
        "good as it can be, but the clusters are not equally full. Write 1, 1, 1 on the diagonal."
    )


# -- 4: ways to cheat ------------------------------------------------------------------------------
CHEATS = ("all in one", "never sure", "at random", "ideal")


def cheat(kind: str, k: int) -> Array:
    """Joint matrix (k, k) of a way to answer."""
    if kind == "all in one":
        return np.diag(np.eye(k)[0])
    if kind == "ideal":
        return np.eye(k) / k
    return np.full((k, k), 1 / k**2)


def _cheats(values: Values, materials: Sequence[Material]) -> list[Element]:
    k = int(values["k"])
    rows = [information(cheat(kind, k)) for kind in CHEATS]
    table = pd.DataFrame(
        [(a, b, a - b) for a, b in rows], index=list(CHEATS), columns=["H(z)", "H(z|z')", "I(z;z')"]
    )

    def arithmetic(row: int, column: str) -> str:
        entropy, left = rows[row]
        if column == "I(z;z')":
            return f"$H(z) - H(z|z') = {entropy:.3f} - {left:.3f} = {entropy - left:.3f}$"
        if column == "H(z|z')":
            known = "the copy tells all" if left < 1e-9 else "the copy tells nothing"
            return f"$H(z|z') = {left:.3f}$: {known}"
        if entropy < 1e-9:
            return "$-1 \\ln 1 = 0$: one cluster holds everything"
        return (
            f"$-{k} \\cdot \\frac{{1}}{{{k}}} \\ln \\frac{{1}}{{{k}}} = \\ln {k} = {entropy:.3f}$"
        )

    names = [str(i) for i in range(k)]
    chart = teaching.shades(
        cheat(values["cheat"], k), names, names, titles=("image in", "copy in"), height=290
    )
    return [
        Chart(chart, f"Joint matrix of answers {values['cheat']}"),
        Numbers(table, arithmetic, "Four ways to answer", start=(0, "I(z;z')")),
    ]


def _random_pairs(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    k = int(values["k"])
    entropy, left = information(cheat(values["cheat"], k))
    mutual_information = entropy - left
    option = 1 if mutual_information < 1e-6 else 0 if mutual_information > math.log(k) - 1e-6 else 2
    return option, (
        f"H(z) is {entropy:.3f}, all that {k} clusters allow, and H(z|z') is {left:.3f} too: the "
        f"information is {mutual_information:.3f}. Evenly filled clusters alone earn nothing, and "
        "neither do sure answers that are all the same."
    )


# -- 5: what a merge costs -------------------------------------------------------------------------
FATES = ("no merge", "left empty", "half a class", "a bit of all")


def division(fate: str, k: int) -> tuple[Array, float]:
    """Sizes (k,) of clusters and the share of items in a wrong one, for k classes of one size.

    Two classes share a cluster, except with `no merge`; the fate is that of the cluster set free.
    """
    if fate == "no merge":
        return np.full(k, 1 / k), 0.0
    sizes = np.full(k, 1 / k)
    sizes[0], sizes[1], wrong = 2 / k, 0.0, 1 / k
    if fate == "half a class":
        sizes[1] = sizes[2] = 0.5 / k
        wrong += 0.5 / k
    elif fate == "a bit of all":
        sizes[1:] = (1 - 2 / k) / (k - 1)
        wrong += float(sizes[1])
    return sizes, wrong


def costs(k: int) -> Array:
    """Information, what it lacks to ln k, and errors, a row (3,) for each fate."""
    rows = []
    for fate in FATES:
        sizes, wrong = division(fate, k)
        entropy, left = information(np.diag(sizes))
        rows.append((entropy - left, math.log(k) - entropy + left, wrong))
    return np.array(rows)


def _merge(values: Values, materials: Sequence[Material]) -> list[Element]:
    k = int(values["k"])
    merge_costs = costs(k)
    table = pd.DataFrame(merge_costs, index=list(FATES), columns=["I(z;z')", "lost", "errors"])

    def arithmetic(row: int, column: str) -> str:
        sizes, wrong = division(FATES[row], k)
        if column == "errors":
            return f"Items in a cluster that stands for another class: ${wrong:.3f}$"
        if column == "lost":
            return f"$\\ln {k} - {merge_costs[row, 0]:.4f} = {merge_costs[row, 1]:.4f}$"
        filled, counts = np.unique(sizes[sizes > 0].round(12), return_counts=True)
        terms = [f"{c} \\cdot {s:.3f} \\ln {s:.3f}" for s, c in zip(filled, counts, strict=True)]
        return f"$-({' + '.join(terms)}) = {merge_costs[row, 0]:.4f}$, as P is diagonal"

    start = (FATES.index(values["fate"]), "lost")
    sizes, _ = division(values["fate"], k)
    chart = teaching.bars(
        [f"cluster {i}" for i in range(k)],
        sizes,
        title="share of the items",
        colours=[theme.ACCENT if i == 0 else theme.RIGHT for i in range(k)],
        height=20 * k + 40,
    )
    return [
        Chart(chart, f"Sizes of {k} clusters; free cluster: {values['fate']}"),
        Numbers(
            table,
            arithmetic,
            "What a merge costs, by what becomes of the free cluster",
            4,
            start=start,
        ),
    ]


def _half_split(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    k = int(values["k"])
    lost = float(costs(k)[FATES.index(values["fate"]), 1])
    empty, shared = (float(costs(k)[i, 1]) for i in (1, 3))
    wrong = float(costs(k)[FATES.index(values["fate"]), 2])
    option = 0 if lost < 0.01 else 1 if lost < 0.15 else 2
    return option, (
        f"{lost:.3f} of {math.log(k):.3f} nats, against {empty:.3f} if it stays empty. Even less, "
        f"{shared:.3f}, is lost if it takes a bit of every other class. Yet {percent(wrong, 0)} "
        "of the items are wrong: a small loss in information can be a large one in accuracy, "
        "which is why training often gets stuck there."
    )


# -- 6 to 8: real runs -----------------------------------------------------------------------------
def losses_of_heads(material: Material) -> pd.DataFrame:
    """Loss of each head at each epoch: columns epoch, head, loss."""
    rows = [
        (record["step"], f"head {name.rsplit('_', 1)[1]}", value)
        for record in material.run.log
        for name, value in record["scalars"].items()
        if name.startswith("loss_head_")
    ]
    return pd.DataFrame(rows, columns=["epoch", "head", "loss"])


def gap(material: Material) -> float:
    """Loss of the worst head minus that of the best, at the last step."""
    table = losses_of_heads(material)
    last = table[table["epoch"] == table["epoch"].max()]["loss"]
    return float(last.max() - last.min())


def _heads(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    table = losses_of_heads(material)
    chart = teaching.lines(
        table, x="epoch", y="loss", by="head", title=("epoch", "loss, in nats"), height=330
    )
    chosen = int(material.run.log[-1]["scalars"]["chosen_head"])
    return [
        Chart(chart, "Loss of five heads of one network over the epochs"),
        Words(
            f"Head **{chosen}** has the lowest loss; the worst is **{gap(material):.3f}** nats "
            "above it."
        ),
    ]


def _five_heads(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    loss_gap = gap(materials[0])
    option = 0 if loss_gap < 0.01 else 1 if loss_gap < 0.07 else 2
    return option, (
        f"{loss_gap:.3f} nats lie between best and worst. A merge with half of a third class "
        f"costs {costs(CLASSES)[2, 1]:.3f}: gaps of that size mean different divisions. The "
        "lowest loss is chosen without a label."
    )


def _over_epochs(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    step = step_at(len(material.run), values["epoch"])
    joint = np.asarray(material.run[step].artefacts["joint"].data, dtype=np.float64)
    names = [str(i) for i in range(len(joint))]
    chart = teaching.shades(joint, names, names, titles=("image in", "copy in"), height=330)
    return [
        Chart(chart, f"Joint matrix of the chosen head after {step} epochs"),
        two_bars(*information(joint), math.log(CLASSES), 160),
    ]


def _flat_start(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    run = materials[0].run
    first, last = (run[i].artefacts["joint"].data for i in (0, -1))
    (a, b), (entropy, left), ceiling = information(first), information(last), math.log(CLASSES)
    mutual_information = entropy - left
    option = (
        0 if mutual_information > ceiling - 0.01 else 1 if mutual_information > ceiling / 2 else 2
    )
    return option, (
        f"From {a - b:.3f} to {mutual_information:.3f} of {ceiling:.3f} nats. Of what is missing, "
        f"{ceiling - entropy:.3f} is due to clusters of unequal size, and {left:.3f} to answers "
        "that are unsure or differ from image to copy."
    )


def fine_purity(material: Material) -> Array:
    """Largest share (k_over,) of each fine cluster that lies within one cluster."""
    table = np.asarray(material.run[-1].artefacts["parts"].data, dtype=np.float64)
    mass = table.sum(1)
    return np.divide(table.max(1), mass, out=np.zeros_like(mass), where=mass > 0)


def _fine(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    share = values["share"] / 100
    purity = np.sort(fine_purity(material))[::-1]
    table = pd.DataFrame({"rank": np.arange(1, len(purity) + 1), "within": purity})
    within = int((purity >= share).sum())
    chart = teaching.lines(
        table,
        x="rank",
        y="within",
        title=("fine clusters, purest first", "share within one cluster"),
        at=float(within) + 0.5,
        height=320,
    )
    return [
        Chart(chart, "Share of each fine cluster that lies within one cluster, sorted"),
        Words(
            f"**{within}** of {len(purity)} fine clusters have at least {percent(share, 0)} of "
            "their items in one coarse cluster."
        ),
    ]


def _how_many_fine(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    purity = fine_purity(materials[0])
    within = float((purity >= values["share"] / 100).mean())
    option = 0 if within > 0.5 else 1 if within > 0.25 else 2
    return option, (
        f"{percent(within, 0)} of {len(purity)}; on average a fine cluster has "
        f"{percent(purity.mean(), 0)} of its items in one coarse cluster. Nothing in the loss "
        "ties the two kinds of head together: they agree because they read the same features."
    )


LESSON = Lesson(
    4,
    "iic",
    "IIC: what an image tells about its copy",
    "Pairs, the joint matrix, and the information in it that rewards being sure, equal and even.",
    methods=("iic",),
    terms={
        "Augmentation": "Random changes that must not matter, such as a small turn or different "
        "light.",
        "Pair": "An image and a changed copy of it, which must land in the same cluster.",
        "Joint matrix": "Shares of pairs by the clusters of both halves, counted both ways "
        "round; P.",
        "Mutual information": "How much the cluster of an image tells about that of its copy, in "
        "nats.",
        "Marginal": "Share of each cluster whatever the copy does: the row sums of a joint matrix.",
        "Head": "A last layer with its own division; several heads share one network.",
        "Over-clustering": "Training a second head with more clusters than are asked for.",
    },
    steps=(
        LessonStep(
            "Pairs",
            "Nobody says what the digits are. IIC is only told what does not matter: a digit "
            "that is turned, cropped, slanted or dimmed is still the same digit. An image and "
            "such a copy form a pair, and both must land in one cluster.",
            r"x' = g(x), \qquad \Phi(x) \approx \Phi(x')",
            {"x": "image", "g": "random change", r"\Phi": "answer of the network"},
            _pairs,
            Try(
                "Strength goes to 0, so that nothing changes. In a division by random weights, how "
                "many digits agree with their copies?",
                ("All", "About half", "About one in ten"),
                {"strength": 0.0},
                _no_change,
            ),
            (Slider("strength", "Strength of the changes", 0.0, 2.0, 1.0, 0.1),),
            explains=("iic.strength", "iic.flip"),
        ),
        LessonStep(
            "The joint matrix",
            "Multiply the answers to an image and to its copy, cell by cell, and take the mean "
            "over all pairs, both ways round. Cell (a, a) is the share of pairs with both halves "
            "in a. Pairs with one half in a and the other in b are split evenly between the "
            "cells (a, b) and (b, a). Click a number.",
            r"\begin{aligned} P = \frac{1}{2n} \sum_{i=1}^{n} \bigl( & \Phi(x_i)\, "
            r"\Phi(x'_i)^\top \\"
            r"& + \Phi(x'_i)\, \Phi(x_i)^\top \bigr) \end{aligned}",
            {
                "P": "joint matrix",
                r"\Phi(x_i)": "answer to image i",
                "x'_i": "its copy",
                "n": "pairs",
            },
            _joint,
            Try(
                "The copies now get exactly the answers of their images. Where is the mass of P?",
                (
                    "All on the diagonal",
                    "More on it than before, but not all",
                    "Less on it than before",
                ),
                {"copies": "equal the images'"},
                _equal_answers,
            ),
            (Choice("copies", "Answers to the copies", tuple(COPIES), "differ a little"),),
            explains=("iic.repeats", "iic.batch_size"),
        ),
        LessonStep(
            "Information is a difference of two bars",
            "H(z) is how much there is to know about the cluster of an image, H(z|z') how much "
            "is left once the cluster of its copy is known. Fill the grid with any counts and "
            "look for the largest difference.",
            r"\begin{aligned} I(z; z') & = H(z) - H(z|z') \\"
            r"& = \sum_{ab} P_{ab} \ln \frac{P_{ab}}{P_a P_b} \end{aligned}",
            {"P_a": "sum of row a", "H": "entropy", r"z, z'": "clusters of image and copy"},
            _by_hand,
            Try(
                "The diagonal gets 4, 1, 1 and the rest 0: image and copy always agree. Is I at "
                "its maximum?",
                ("At its maximum", "Below it", "It is 0"),
                {"grid": ((4.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))},
                _uneven_diagonal,
            ),
            (Grid("grid", "Counts of pairs: image in row, copy in column", ABC, ABC, START),),
        ),
        LessonStep(
            "Cheating earns nothing",
            "Invariance alone is easy: put everything into one cluster, or never decide. Either "
            "way the copy tells nothing that was not known before, and the difference is 0.",
            r"\begin{gathered} z \text{ constant: } 0 - 0 \\"
            r"z, z' \text{ unrelated: } \ln k - \ln k \end{gathered}",
            {"k": "number of clusters", "z": "cluster of the image"},
            _cheats,
            Try(
                "Every image and every copy lands in a random cluster. All clusters are equally "
                "full. What is I?",
                ("ln k, the most there is", "0", "In between"),
                {"cheat": "at random"},
                _random_pairs,
            ),
            (
                Choice("cheat", "Answers", CHEATS, "all in one"),
                Slider("k", "Clusters k", 2, 10, 5, 1),
            ),
            alarms=("collapse",),
        ),
        LessonStep(
            "What a merge costs",
            "There are as many clusters as classes, but two classes have landed in one, so one "
            "cluster is left over. Choose what becomes of it, and see what that costs. If it "
            "stays empty, the merge costs its full price; if it takes half of a third class, "
            "half of the price comes back.",
            r"\underbrace{\tfrac{2}{k} \ln 2}_{\text{merge}} - "
            r"\underbrace{\tfrac{1}{k} \ln 2}_{\text{half a class}} = \tfrac{1}{k} \ln 2",
            {"k": "classes of one size, and clusters"},
            _merge,
            Try(
                "Ten classes: two share a cluster, and the free one takes half of a third. How "
                "much of the 2.303 nats is lost?",
                ("Nothing", "Less than 0.15", "0.15 or more"),
                {"k": 10.0, "fate": "half a class"},
                _half_split,
            ),
            (
                Slider("k", "Classes and clusters", 3, 10, 10, 1),
                Choice("fate", "Two classes merge; the free cluster", FATES, "left empty"),
            ),
            alarms=("empty",),
        ),
        LessonStep(
            "Heads settle differently",
            "Several heads on the same features start from different random weights, and each "
            "settles into a division of its own. The head with the lowest loss over the whole "
            "set is kept: no label is needed.",
            r"\begin{gathered} h^* = \arg\min_h L_h, \\"
            r"L_h = -I(z_h; z'_h) \end{gathered}",
            {"L_h": "loss of head h", "h^*": "the head that is kept"},
            _heads,
            Try(
                "After 20 epochs on the digits, how far apart are the best and the worst of five "
                "heads?",
                ("Less than 0.01 nats", "0.01 to 0.07 nats", "More than 0.07 nats"),
                {},
                _five_heads,
            ),
            needs=lambda values: [quick_run("iic")],
            explains=("iic.n_heads",),
            alarms=("heads", "head_change"),
        ),
        LessonStep(
            "P in a real run",
            "An untrained network answers nearly the same to everything, so P is flat. Training "
            "gathers its mass on the diagonal. Move through the epochs: light beside the diagonal "
            "marks two clusters that the changes mix up.",
            r"P_{ab} = \tfrac{1}{k^2} \;\longrightarrow\; P_{aa} = \tfrac{1}{k}",
            {"P_{ab}": "cell (a, b) of the joint matrix", "k": "clusters, 10"},
            _over_epochs,
            Try(
                "Where does the information of the chosen head end?",
                ("At ln 10", "Below ln 10, but above half of it", "Below half of ln 10"),
                {"epoch": 20.0},
                _flat_start,
            ),
            (Slider("epoch", "Epoch", 0, 20, 0, 1),),
            needs=lambda values: [quick_run("iic")],
            explains=("iic.epochs", "iic.learning_rate", "iic.balance_weight"),
        ),
        LessonStep(
            "More clusters than asked for",
            "Beside the heads with ten clusters, as many with thirty learn from the same "
            "features. A fine head may put sevens with and without a bar into two clusters, so "
            "the features must carry such detail. The coarse heads can use it too. Each point of "
            "the curve is one fine cluster.",
            r"L = \tfrac{1}{H} \sum_h L_h^{(k)} + \tfrac{1}{H} \sum_h L_h^{(k')}",
            {
                "L_h^{(k)}": "loss of head h with k clusters",
                "k": "10",
                "k'": "30, the fine clusters",
                "H": "heads of each of the two sizes",
            },
            _fine,
            Try(
                "How many of the thirty fine clusters have at least 80% of their items in one "
                "coarse cluster?",
                ("More than half", "A quarter to half", "Less than a quarter"),
                {"share": 80.0},
                _how_many_fine,
            ),
            (Slider("share", "Share within one cluster, in %", 50, 100, 80, 5),),
            needs=lambda values: [quick_run("iic")],
            explains=("iic.n_clusters_over",),
        ),
    ),
)
