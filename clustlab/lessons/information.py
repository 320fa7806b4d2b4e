"""What RIM asks of a classifier without labels, why that is too little, and what IMSAT adds."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Choice, Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_digits import digits, quick_run, step_at
from clustlab.runs.store import RunSpec
from clustlab.types import Array
from clustlab.views import sheets, teaching, theme

THREE = math.log(3)
EPOCHS, WIDTH = 25, 200  # of IMSAT here


def entropies(p: Array) -> tuple[float, float]:
    """H(y) and H(y|x) of answers (n, k) in nats."""
    import torch

    from clustlab.parts.losses.information import conditional_entropy, marginal_entropy

    rows = torch.as_tensor(np.asarray(p, dtype=np.float64))
    return abs(float(marginal_entropy(rows))), abs(float(conditional_entropy(rows)))


def three_bars(p: Array, height: int = 150) -> Chart:
    """Bars of H(y), H(y|x) and their difference for answers (n, k)."""
    full, doubt = entropies(p)
    chart = teaching.bars(
        ["H(y)", "H(y|x)", "I(x;y)"],
        [full, doubt, full - doubt],
        title="nats",
        high=math.log(p.shape[1]),
        colours=[theme.RIGHT, theme.WRONG, theme.ACCENT],
        height=height,
    )
    return Chart(chart, f"H(y) {full:.3f}, H(y|x) {doubt:.3f}, information {full - doubt:.3f} nats")


# -- 1: two entropies ------------------------------------------------------------------------------
ANSWERS = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6]]
)
ABC = ("a", "b", "c")


def sharpened(power: float) -> Array:
    """The answers (5, 3) with each share raised to a power, rows summing to 1 again."""
    raised: Array = ANSWERS**power
    return raised / raised.sum(1, keepdims=True)


def _two(values: Values, materials: Sequence[Material]) -> list[Element]:
    p = sharpened(values["power"])
    rows = np.array([entropies(row[None])[0] for row in p])
    table = pd.DataFrame(p, columns=list(ABC)).assign(entropy=rows)
    table.index = pd.Index([f"item {i}" for i in range(len(p))])
    table.loc["mean"] = [*p.mean(0), entropies(p)[0]]

    def arithmetic(row: int, column: str) -> str:
        shown = table.iloc[row]
        if column == "entropy":
            terms = " + ".join(f"{shown[c]:.2f} \\ln {shown[c]:.2f}" for c in ABC)
            return f"$-({terms}) = {shown['entropy']:.3f}$"
        if row == len(p):
            above = " + ".join(f"{x:.2f}" for x in p[:, ABC.index(column)])
            return f"$({above}) / {len(p)} = {shown[column]:.3f}$"
        first, power = ANSWERS[row], values["power"]
        below = " + ".join(f"{x:g}^{{{power:g}}}" for x in first)
        return f"${first[ABC.index(column)]:g}^{{{power:g}}} / ({below}) = {shown[column]:.3f}$"

    return [
        Numbers(table, arithmetic, "Answers to five items and their mean", start=(5, "entropy")),
        three_bars(p),
    ]


def _surer(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (full, doubt), (full_now, doubt_now) = entropies(ANSWERS), entropies(sharpened(values["power"]))
    before, now = full - doubt, full_now - doubt_now
    option = 0 if now > before + 1e-6 else 1 if now < before - 1e-6 else 2
    return option, (
        f"From {before:.3f} to {now:.3f} nats. H(y|x) drops from {doubt:.3f} to {doubt_now:.3f}, "
        f"while H(y) hardly moves, from {full:.3f} to {full_now:.3f}: the clusters stay about as "
        "full."
    )


# -- 2: any balanced division ----------------------------------------------------------------------
WAYS = ("the groups", "stripes across them", "at random")
SPOTS = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.6]])


@cache
def cloud() -> Array:
    """Three round groups of 50 points, (150, 2)."""
    rng = np.random.default_rng(0)
    points: Array = np.repeat(SPOTS, 50, 0) + rng.normal(0, 0.45, (150, 2))
    return points


def divided(way: str) -> Array:
    """Cluster (150,) of each point: three parts of 50 in each of the ways."""
    n = len(cloud())
    order = {
        "the groups": np.arange(n),
        "stripes across them": np.argsort(cloud() @ (1.0, 0.35)),
        "at random": np.random.default_rng(1).permutation(n),
    }[way]
    clusters = np.empty(n, dtype=np.int64)
    clusters[order] = np.arange(n) * 3 // n
    return clusters


def _any(values: Values, materials: Sequence[Material]) -> list[Element]:
    clusters = divided(values["way"])
    chart = teaching.cloud(cloud(), clusters, height=330)
    return [
        Chart(chart, f"150 points in three groups, divided by {values['way']}"),
        three_bars(np.eye(3)[clusters], 140),
    ]


def _random_division(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    information = [np.subtract(*entropies(np.eye(3)[divided(w)])) for w in (values["way"], WAYS[0])]
    option = 0 if information[0] > THREE - 1e-6 else 1 if information[0] > 1e-6 else 2
    return option, (
        f"{information[0]:.3f} nats, against {information[1]:.3f} for the groups: ln 3 = "
        f"{THREE:.3f} is the most there is. The two entropies look only at answers; where the "
        "points lie plays no part."
    )


# -- 3: where the border runs ----------------------------------------------------------------------
@cache
def places_on_a_line() -> Array:
    """Two groups of 60 places on a line, (120,), with a gap around 0."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(-1.5, 0.5, 60), rng.normal(1.5, 0.5, 60)])


def border(at: float, slope: float) -> Array:
    """Answers (120, 2) of a classifier with its border at a place and this slope."""
    right = 1 / (1 + np.exp(-np.clip(slope * (places_on_a_line() - at), -700, 700)))
    return np.stack([1 - right, right], 1)


def _border(values: Values, materials: Sequence[Material]) -> list[Element]:
    at, slope = values["at"], values["slope"]
    places = np.linspace(-2.5, 2.5, 51)
    pairs = np.array([entropies(border(place, slope)) for place in places])
    table = pd.DataFrame(
        {
            "border": np.tile(places, 3),
            "nats": np.concatenate([*pairs.T, pairs[:, 0] - pairs[:, 1]]),
            "what": np.repeat(["H(y)", "H(y|x)", "I(x;y)"], len(places)),
        }
    )
    chart = teaching.lines(
        table,
        x="border",
        y="nats",
        by="what",
        title=("place of the border", "nats"),
        colours=[theme.RIGHT, theme.WRONG, theme.ACCENT],
        at=at,
        height=220,
    )
    p = border(at, slope)
    points = np.stack(
        [places_on_a_line(), np.random.default_rng(2).uniform(-1, 1, len(places_on_a_line()))], 1
    )
    doubt = np.array([entropies(row[None])[0] for row in p])
    dots = teaching.cloud(
        points, p.argmax(1), sizes=20 + 300 * doubt, within=(-3.2, 3.2, -1.3, 1.3), height=110
    )
    full, left = entropies(p)
    return [
        Chart(dots, "120 items on a line; the larger a dot, the less sure its answer"),
        Chart(chart, "The two entropies and their difference by place of the border"),
        Words(f"I = {full:.3f} - {left:.3f} = **{full - left:.3f}** nats of at most 0.693"),
    ]


def _steep(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    at, slope = values["at"], values["slope"]
    before, now = entropies(border(at, 3.0))[1], entropies(border(at, slope))[1]
    option = 0 if now < before / 4 else 1 if now < before - 1e-6 else 2
    return option, (
        f"H(y|x) falls from {before:.3f} to {now:.3f} nats, though the border still runs through "
        "a crowd. With large weights every answer is sure wherever the border lies. Keeping the "
        "weights small is what drives borders into gaps."
    )


# -- 4: real runs of RIM ---------------------------------------------------------------------------
def ends(material: Material) -> tuple[float, float]:
    """Information in nats and accuracy at the last step of a run."""
    last = material.run.log[-1]["scalars"]
    row = material.timeline.row(len(material.timeline) - 1)
    return float(last["mutual_information"]), float(row["acc"])


def _simple(values: Values, materials: Sequence[Material]) -> list[Element]:
    names = ("linear, with weight decay", "small net, without")
    end_values = [ends(material) for material in materials]
    parts: list[Element] = []
    for title, column, high in (("information, nats", 0, math.log(10)), ("accuracy", 1, 1.0)):
        figures = [pair[column] for pair in end_values]
        chart = teaching.bars(names, figures, title=title, high=high, height=150)
        words = ", ".join(f"{n}: {x:.3f}" for n, x in zip(names, figures, strict=True))
        parts.append(Chart(chart, f"{title} of {words}"))
    return [*parts, Words(f"ln 10 = **{math.log(10):.3f}** nats is the most there is.")]


def _more_information(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (little, simple), (much, free) = (ends(material) for material in materials)
    option = 0 if free > simple + 0.02 else 1 if free < simple - 0.02 else 2
    return option, (
        f"Its information is {much:.3f} against {little:.3f} nats, its accuracy {free:.3f} "
        f"against {simple:.3f}. A net that bends its borders for free comes near the ceiling with "
        f"whatever division it started on: {much - little:.2f} nats more do not make it a better "
        "one."
    )


# -- 5: how large a change -------------------------------------------------------------------------
@cache
def distances(neighbour: int) -> Array:
    """Distance (1797,) of each digit to its neighbour of this rank, pixels in [0, 1]."""
    from clustlab.context import Context
    from clustlab.parts.inputs.neighbour_distances import neighbour_distances
    from clustlab.parts.inputs.network_input import Inputs

    ctx = Context()
    return np.asarray(neighbour_distances(Inputs(digits().items, ctx.device), neighbour, ctx))


def sizes_by_digit(neighbour: int, reach: float = 0.25) -> Array:
    """Mean size (10,) of a change by digit."""
    labels, sizes = digits().labels, reach * distances(neighbour)
    assert labels is not None
    return np.array([sizes[labels == d].mean() for d in range(10)])


def _sizes(values: Values, materials: Sequence[Material]) -> list[Element]:
    mean_sizes = sizes_by_digit(int(values["neighbour"]), values["reach"])
    chart = teaching.bars(
        [str(d) for d in range(10)], mean_sizes, title="mean size of a change", height=330
    )
    return [
        Chart(chart, "Mean size of a change for each digit"),
        Words(
            f"Smallest for **{mean_sizes.argmin()}**, largest for **{mean_sizes.argmax()}**. "
            "IMSAT itself does not know the classes."
        ),
    ]


def _crowded(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    mean_sizes = sizes_by_digit(int(values["neighbour"]), values["reach"])
    asked = (0, 1, 8)
    option = int(np.argmin(mean_sizes[list(asked)]))
    words = ", ".join(f"{d}: {mean_sizes[d]:.3f}" for d in asked)
    return option, (
        f"Mean sizes are {words}. Digits that are all written alike lie close together, and a "
        "change of one size for all would carry them across to their neighbours."
    )


# -- 6 and 8: RPT and VAT --------------------------------------------------------------------------
ROWS = ("image", "random change", "changed", "worst change", "changed")


def changes_sheet(data: Array, tile: int = 52) -> Array:
    """Picture of a sheet (rows, columns, h, w, c) of images."""
    flat = data.reshape(-1, *data.shape[2:])
    return sheets.atlas(flat, np.arange(len(flat)), tile=tile, columns=data.shape[1]).pixels


def _perturbed(values: Values, materials: Sequence[Material]) -> list[Element]:
    run = materials[0].run
    step = step_at(len(run), values["epoch"])
    now = run.log[step]["scalars"]
    random, worst = now["divergence_random"], now["divergence_adversarial"]
    pixels = changes_sheet(np.asarray(run[step].artefacts["changes"].data))
    return [
        Words(
            f"Epoch {step}. Rows: {', '.join(ROWS)}; changes are amplified, and grey means none."
        ),
        Picture(pixels, "Ten digits with random and worst changes of the same size", 560),
        Words(f"Divergence: random **{random:.4f}**, worst **{worst:.4f}** nats"),
    ]


def _worse(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    now = materials[0].run.log[-1]["scalars"]
    random, worst = now["divergence_random"], now["divergence_adversarial"]
    times = worst / max(random, 1e-9)
    option = 0 if times < 2 else 1 if times < 10 else 2
    return option, (
        f"{worst:.4f} against {random:.4f} nats, {times:.0f} times as much, though both changes "
        "have the same length. One gradient finds the direction in which the answer gives way."
    )


def _protected(values: Values, materials: Sequence[Material]) -> list[Element]:
    rows = [
        (record["step"], f"trained with {name}", record["scalars"]["divergence_adversarial"])
        for name, material in zip(("vat", "rpt"), materials, strict=True)
        for record in material.run.log
    ]
    table = pd.DataFrame(rows, columns=["epoch", "run", "divergence"])
    chart = teaching.lines(
        table,
        x="epoch",
        y="divergence",
        by="run",
        title=("epoch", "divergence under the worst change"),
        height=330,
    )
    words = " · ".join(
        f"{name}: information {ends(m)[0]:.3f}, accuracy {ends(m)[1]:.3f}"
        for name, m in zip(("vat", "rpt"), materials, strict=True)
    )
    return [Chart(chart, "Divergence under the worst change for both runs"), Words(words)]


def _random_is_weak(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    vat, rpt = (m.run.log[-1]["scalars"]["divergence_adversarial"] for m in materials)
    times = rpt / max(vat, 1e-9)
    option = 0 if times < 1.5 else 1 if times < 5 else 2
    (_, accuracy), (_, other) = (ends(m) for m in materials)
    return option, (
        f"{rpt:.3f} nats against {vat:.3f} after training with the worst changes: {times:.1f} "
        f"times as much. Accuracy is {other:.3f} against {accuracy:.3f} in these two runs; "
        "another seed gives other figures."
    )


# -- 7: chance in many directions ------------------------------------------------------------------
PIXELS = 64  # of a digit
DRAWS = 2000


@cache
def part_along(d: int) -> float:
    """Mean part of a random change of length 1 in d dimensions that goes along a given direction."""
    r = np.random.default_rng(d).normal(size=(DRAWS, d))
    return float((np.abs(r[:, 0]) / np.linalg.norm(r, axis=1)).mean())


def _by_dimensions(values: Values, materials: Sequence[Material]) -> list[Element]:
    d = int(values["d"])
    places = sorted({1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, d})
    table = pd.DataFrame({"d": places, "part": [part_along(place) for place in places]})
    chart = teaching.lines(
        table, x="d", y="part", title=("dimensions d", "part that counts"), at=float(d), height=330
    )
    part = part_along(d)
    return [
        Chart(chart, "Part of a random change along one direction, by the number of dimensions"),
        Words(
            f"In **{d}** dimensions {percent(part)} of a random change goes along the direction "
            f"that counts, and all of the worst one: **{1 / part:.1f}** times as much."
        ),
    ]


def _of_a_digit(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    d = int(values["d"])
    part, rule = part_along(d), math.sqrt(2 / (math.pi * d))
    option = 0 if 1 / part < 2 else 1 if 1 / part <= 5 else 2
    return option, (
        f"{1 / part:.1f} times: {part:.3f} of a random change goes along one of {d} directions; "
        f"the rule gives {rule:.3f}. Random changes hardly test the direction in which the answer "
        "gives way, which is why RPT leaves borders close by. VAT spends its whole length there."
    )


def _imsat(**changes: str) -> RunSpec:
    return quick_run("imsat", epochs=EPOCHS, hidden_width=WIDTH, **changes)


LESSON = Lesson(
    6,
    "information",
    "Information: sure, balanced, and then?",
    "Two entropies train a classifier without labels; a third demand gives it meaning.",
    methods=("imsat", "rim"),
    terms={
        "Entropy": "How much there is to know about an outcome, in nats; 0 if it is certain.",
        "Nat": "Unit of information with natural logarithms; ln 2 = 0.693 nats are one bit.",
        "Marginal entropy": "Entropy of the mean answer, H(y): largest for equally full clusters.",
        "Conditional entropy": "Mean entropy of the answers, H(y|x): 0 if each is sure.",
        "Regulariser": "A further demand that says which of many equally good solutions is wanted.",
        "RPT": "Random perturbation training: answers must withstand a change in any direction.",
        "VAT": "Virtual adversarial training: answers must withstand the worst change of a given "
        "size.",
    },
    steps=(
        LessonStep(
            "Two entropies",
            "A classifier without labels can be asked for two things: to be sure of every item, "
            "and to use all its answers. The first is a low mean entropy of the rows, the second "
            "a high entropy of their mean. Click a number.",
            r"\begin{gathered} I(x; y) = H(y) - H(y|x) \\"
            r"= H\Bigl(\tfrac{1}{n} \sum_i p_i\Bigr) - \tfrac{1}{n} \sum_i H(p_i) "
            r"\end{gathered}",
            {"p_i": "answer to item i", "H": "entropy", "n": "items", "I": "information"},
            _two,
            Try(
                "Every share is raised to the power 4, so that all answers grow surer. What does "
                "the information do?",
                ("It rises", "It falls", "It stays"),
                {"power": 4.0},
                _surer,
            ),
            (Slider("power", "Power on every share", 0.0, 8.0, 1.0, 0.5),),
            explains=("rim.batch_size", "imsat.balance", "imsat.information_weight"),
            alarms=("uniform",),
        ),
        LessonStep(
            "Any balanced division will do",
            "Answers that are all sure and equally frequent reach the ceiling, ln 3 for three "
            "clusters. Look at what else reaches it.",
            r"\begin{gathered} I(x; y) = \ln k \iff \\"
            r"p_{ij} \in \{0, 1\},\; \tfrac{1}{n} \sum_i p_{ij} = \tfrac{1}{k} "
            r"\end{gathered}",
            {"k": "number of clusters", "p_{ij}": "share of cluster j in item i", "n": "items"},
            _any,
            Try(
                "The points are divided at random into three equal parts. What is the information?",
                ("ln 3, the most there is", "Above 0, but below ln 3", "0"),
                {"way": "at random"},
                _random_division,
            ),
            (Choice("way", "Divided by", WAYS, "the groups"),),
        ),
        LessonStep(
            "Small weights seek gaps",
            "RIM therefore asks for simple classifiers too: large weights cost. A gentle slope "
            "leaves items near the border unsure, so the border had better lie where few items "
            "are. Move it, then make it steep.",
            r"L = H(y|x) - H(y) + \lambda \lVert W \rVert^2",
            {"L": "loss", "W": "weights, here the slope", r"\lambda": "weight decay"},
            _border,
            Try(
                "The border runs through the left group, and the slope goes from 3 to 60. What "
                "does the doubt H(y|x) do?",
                ("It falls to less than a quarter", "It falls a little", "It stays or rises"),
                {"at": -1.5, "slope": 60.0},
                _steep,
            ),
            (
                Slider("at", "Place of the border", -2.5, 2.5, 0.0, 0.1),
                Slider("slope", "Slope", 0.5, 60.0, 3.0, 0.5),
            ),
            explains=("rim.weight_decay",),
        ),
        LessonStep(
            "More information, less meaning",
            "Two runs of RIM on the digits, both from scratch: a linear classifier that pays for "
            "its weights, and a net with two hidden layers that pays nothing.",
            r"\begin{gathered} \max_\theta \; I(x; y) - \lambda \lVert W \rVert^2, \\"
            r"\lambda = 0.04 \text{ or } 0 \end{gathered}",
            {r"\theta": "weights and biases", r"\lambda": "weight decay"},
            _simple,
            Try(
                "The free net comes closer to the ceiling of the information. Its accuracy is "
                "then ...",
                ("clearly higher", "clearly lower", "within 2 points"),
                {},
                _more_information,
            ),
            needs=lambda values: [
                quick_run("rim", start="random"),
                quick_run("rim", network="small net", weight_decay=0.0, start="random"),
            ],
            explains=("rim.network", "rim.start", "rim.epochs"),
        ),
        LessonStep(
            "How far is a small change?",
            "IMSAT asks that a small change of an item does not change its answer. Each item has "
            "its own measure of small: a share of the distance to its tenth nearest neighbour.",
            r"\lVert r_i \rVert = \varepsilon(x_i) = \tfrac{1}{4}\, d_{10}(x_i)",
            {"r_i": "change of item i", "d_{10}": "distance to the tenth neighbour"},
            _sizes,
            Try(
                "Which of these digits gets the smallest changes on average?",
                ("0", "1", "8"),
                {"neighbour": 10.0, "reach": 0.25},
                _crowded,
            ),
            (
                Slider("neighbour", "Neighbour that counts", 1, 50, 10, 1),
                Slider("reach", "Share of the distance", 0.05, 1.0, 0.25, 0.05),
            ),
            explains=("imsat.reach", "imsat.n_neighbors"),
        ),
        LessonStep(
            "In which direction?",
            "RPT changes an item in a random direction, VAT in the one that moves the answer "
            "most, found by a single gradient. Move through the epochs: random changes look like "
            "dust, while the worst ones come to draw and erase strokes.",
            r"r^{\text{vat}} = \arg\max_{\lVert r \rVert \le \varepsilon} "
            r"\mathrm{KL}\bigl(p(x) \,\Vert\, p(x + r)\bigr)",
            {"p(x)": "answer to item x", r"\varepsilon": "size of the change", "r": "change"},
            _perturbed,
            Try(
                "After training with VAT: how much more does the worst change move the answers "
                "than a random one of the same length?",
                ("Less than twice", "2 to 10 times", "More than 10 times"),
                {"epoch": float(EPOCHS)},
                _worse,
            ),
            (Slider("epoch", "Epoch", 0, EPOCHS, EPOCHS, 1),),
            needs=lambda values: [_imsat()],
            explains=("imsat.perturbation",),
        ),
        LessonStep(
            "Why chance finds so little",
            "Close to a border the answer depends on one direction: the one straight across. A "
            "random change spreads its length over all directions, so that little of it goes along "
            "that one. The worst change of the same length puts all of it there.",
            r"\frac{\lvert r \cdot g \rvert}{\lVert r \rVert} \approx "
            r"\sqrt{\frac{2}{\pi d}} \quad\text{on average}",
            {"r": "random change", "g": "direction across, of length 1", "d": "dimensions"},
            _by_dimensions,
            Try(
                "A digit has 64 pixels. How much farther across the border does the worst change "
                "reach than a random one of the same length?",
                ("Less than 2 times as far", "2 to 5 times", "More than 5 times"),
                {"d": float(PIXELS)},
                _of_a_digit,
            ),
            (Slider("d", "Dimensions", 1, 128, 2, 1),),
        ),
        LessonStep(
            "What each protects from",
            "One run of IMSAT trains with the worst changes (VAT), the other with random ones "
            "(RPT); nothing else differs. After each epoch both meet the worst change of the "
            "same size, and the curves show how far their answers move. Near 0 means that no "
            "border lies within that distance of an item.",
            r"\begin{aligned} L = {} & \mathrm{KL}\bigl(p(x) \Vert p(x + r)\bigr) \\"
            r"& + \lambda \bigl(H(y|x) - \mu H(y)\bigr) \end{aligned}",
            {
                "r": "random or worst change",
                r"\mathrm{KL}": "how far the answer moves",
                r"\lambda": "weight of the entropies, 0.1",
                r"\mu": "weight of balance, 4",
            },
            _protected,
            Try(
                "How far does the worst change move the answers after training with RPT, "
                "compared with VAT?",
                ("About as far", "1.5 to 5 times as far", "More than 5 times as far"),
                {},
                _random_is_weak,
            ),
            needs=lambda values: [_imsat(), _imsat(perturbation="rpt")],
            explains=("imsat.epochs", "imsat.hidden_width"),
        ),
    ),
)
