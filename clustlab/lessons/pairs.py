"""How DAC makes clusters out of pairs it dares to judge, and why that can start from nothing."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd

from clustlab.analysis import pairs
from clustlab.analysis.shares import percent
from clustlab.course.controls import Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_digits import digits, quick_run, step_at
from clustlab.runs.store import RunSpec
from clustlab.types import Array
from clustlab.views import sheets, teaching, theme

KINDS = ("similar", "dissimilar", "left out")
COLOURS = (theme.RIGHT, theme.WRONG, theme.GREY)
EPOCHS, WIDTH = 20, 16  # of the quick preset
SAMPLE = 600  # items whose pairs are counted


def cosines(scores: Array) -> Array:
    """Cosines (n, n) of the label features of scores (n, k)."""
    from scipy.special import softmax

    return pairs.cosines(softmax(scores, axis=1))


def limits(lam: float) -> tuple[float, float]:
    """Upper and lower threshold."""
    from clustlab.methods.dac import thresholds

    return thresholds(lam)


def kinds(s: Array, lam: float) -> Array:
    """Number in `KINDS` (n, n) of each pair by its cosine; -1 for an item with itself."""
    similar, dissimilar = pairs.chosen(s, *limits(lam))
    numbers = np.where(similar, 0, np.where(dissimilar, 1, 2))
    np.fill_diagonal(numbers, -1)
    return numbers


def shares(s: Array, lam: float) -> Array:
    """Share (3,) of all pairs that is similar, dissimilar and left out."""
    pair_kinds = kinds(s, lam)
    return np.array([(pair_kinds == i).sum() for i in range(3)]) / max(1, (pair_kinds >= 0).sum())


def precision(s: Array, lam: float, labels: Array) -> tuple[float, float]:
    """Shares of right ones among the similar and the dissimilar pairs; nan where there are none."""
    return pairs.right(*pairs.chosen(s, *limits(lam)), labels)


def by_kind(kind_shares: Array, height: int = 150) -> Chart:
    """Bars of the three shares."""
    chart = teaching.bars(
        KINDS, kind_shares, title="share of the pairs", high=1.0, colours=COLOURS, height=height
    )
    words = ", ".join(f"{k} {percent(x)}" for k, x in zip(KINDS, kind_shares, strict=True))
    return Chart(chart, f"Shares of the pairs: {words}")


# -- 1: a question per pair ------------------------------------------------------------------------
def four(share: float) -> Array:
    """Answers (4, 3) to four items; the last one gives `share` to a and the rest to b, but for c."""
    return np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [share, 0.9 - share, 0.1]])


def _question(values: Values, materials: Sequence[Material]) -> list[Element]:
    p = four(values["share"])
    s = cosines(np.log(p))
    names = [f"item {i}" for i in range(4)]
    table = pd.DataFrame(s, index=names, columns=names)

    def arithmetic(row: int, column: str) -> str:
        a, b = p[row], p[names.index(column)]
        above = " + ".join(f"{x:.2f} \\cdot {y:.2f}" for x, y in zip(a, b, strict=True))
        one, other = np.linalg.norm(a), np.linalg.norm(b)
        return (
            f"$\\dfrac{{{above}}}{{{one:.3f} \\cdot {other:.3f}}} = "
            f"{s[row, names.index(column)]:.3f}$"
        )

    answers = teaching.shades(p, names, ["a", "b", "c"], height=150)
    return [
        Chart(answers, "Answers to four items"),
        Numbers(table, arithmetic, "Cosine of each pair", start=(3, "item 0")),
    ]


def _between(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    s = float(cosines(np.log(four(values["share"])))[3, 0])
    upper, lower = limits(0.0)
    option = 0 if s > upper else 1 if s < lower else 2
    return option, (
        f"The cosine is {s:.3f}, between {lower:.3f} and {upper:.3f}. An item that wavers between "
        "two clusters resembles both; the pair is left out until more is known."
    )


# -- 2: two thresholds -----------------------------------------------------------------------------
@cache
def untrained(seed: int) -> Array:
    """Scores (1797, 10) of an untrained network for all digits."""
    import torch

    from clustlab.context import Context
    from clustlab.methods.dac import DAC, Network
    from clustlab.parts.inputs.network_input import Inputs

    ctx = Context(seed)
    inputs = Inputs(digits().items, ctx.device)
    network = Network(inputs.shape, DAC(width=WIDTH))
    with torch.no_grad():
        return np.asarray(network(inputs[np.arange(len(inputs))]))


def some(seed: int) -> tuple[Array, Array]:
    """Scores (600, 10) of an untrained network and labels (600,) of the first digits."""
    labels = digits().labels
    assert labels is not None
    return untrained(seed)[:SAMPLE], labels[:SAMPLE]


def _thresholds(values: Values, materials: Sequence[Material]) -> list[Element]:
    lam = values["lam"]
    places = np.linspace(0, 0.45, 46)
    both = np.array([limits(x) for x in places])
    table = pd.DataFrame(
        {
            "lambda": np.tile(places, 2),
            "threshold": both.T.ravel(),
            "which": np.repeat(["upper: similar above", "lower: dissimilar below"], len(places)),
        }
    )
    chart = teaching.lines(
        table,
        x="lambda",
        y="threshold",
        by="which",
        title=("λ", "cosine"),
        colours=COLOURS[:2],
        at=lam,
        height=220,
    )
    upper, lower = limits(lam)
    scores, _ = some(0)
    return [
        Chart(chart, "The two thresholds approach each other as λ grows"),
        Words(
            f"Similar above **{upper:.3f}**, dissimilar below **{lower:.3f}**. Untrained network:"
        ),
        by_kind(shares(cosines(scores), lam)),
    ]


def _all_decided(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    s = cosines(some(0)[0])
    before, now = shares(s, 0.0)[2], shares(s, values["lam"])[2]
    option = 0 if now < 0.01 else 1 if now < before - 0.01 else 2
    return option, (
        f"{percent(now)} are left out, {percent(before)} at the start. Once the thresholds have "
        "met, every pair is judged, and there is nothing left to add: training ends."
    )


# -- 3: chicken and egg ----------------------------------------------------------------------------
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0001)


def precision_by_cosine(s: Array, labels: Array) -> Array:
    """Share of pairs of one class among those in each bin of the cosine; nan for none."""
    apart = ~np.eye(len(s), dtype=bool)
    same = labels[:, None] == labels[None, :]
    place = np.digitize(s, BINS) - 1
    same_by_bin = [same[(place == i) & apart] for i in range(len(BINS) - 1)]
    return np.array([x.mean() if len(x) else np.nan for x in same_by_bin])


def _untrained(values: Values, materials: Sequence[Material]) -> list[Element]:
    scores, labels = some(int(values["seed"]))
    s = cosines(scores)
    precision_by_bin = precision_by_cosine(s, labels)
    names = [f"{a:g} to {min(b, 1):g}" for a, b in pairwise(BINS)]
    chart = teaching.bars(
        names,
        np.nan_to_num(precision_by_bin),
        title="share of pairs of the same digit",
        height=270,
    )
    share = shares(s, 0.0)
    return [
        Chart(chart, "Share of pairs of the same digit by cosine, in an untrained network"),
        Words(
            f"Taken as similar: **{percent(share[0])}** of all pairs; of these "
            f"**{percent(precision(s, 0.0, labels)[0])}** are the same digit. By chance it would "
            "be about 10%."
        ),
    ]


def _first_pairs(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    scores, labels = some(int(values["seed"]))
    s = cosines(scores)
    similar, _ = precision(s, 0.0, labels)
    other = (1 - similar) / 9
    option = 0 if similar < 0.13 else 1 if similar < 0.5 else 2
    return option, (
        f"{percent(similar)}, of {(kinds(s, 0.0) == 0).sum() // 2:,} pairs. The wrong ones are "
        f"shared by nine other digits, {percent(other)} for each on average: a digit is paired "
        f"{similar / other:.1f} times as often with itself as with any other. That is enough to "
        "pull its images together, and the next network chooses a little better."
    )


# -- 4: a flat start -------------------------------------------------------------------------------
def _flat(values: Values, materials: Sequence[Material]) -> list[Element]:
    factor = 10 ** values["power"]
    scores, _ = some(0)
    s = cosines(scores * factor)
    apart = ~np.eye(len(s), dtype=bool)
    counts, edges = np.histogram(s[apart], bins=np.linspace(0, 1, 11))
    names = [f"{a:.1f} to {b:.1f}" for a, b in pairwise(edges)]
    chart = teaching.bars(names, counts / counts.sum(), title="share of the pairs", height=270)
    return [
        Words(f"Scores times **{factor:.3g}**; mean cosine **{s[apart].mean():.3f}**"),
        Chart(chart, "Histogram of the cosines of all pairs"),
        by_kind(shares(s, 0.0)),
    ]


def _all_similar(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    scores, _ = some(0)
    usual, flat = (shares(cosines(scores * f), 0.0) for f in (1.0, 10 ** values["power"]))
    option = 0 if flat[0] > 0.99 else 1 if flat[0] > usual[0] else 2
    return option, (
        f"{percent(flat[0])} instead of {percent(usual[0])} are similar, and {percent(flat[1])} "
        "dissimilar. Nothing holds clusters apart then: all items may end in one. DAC puts "
        "BatchNorm and ReLU before the softmax, so that even untrained scores differ."
    )


# -- 5 and 6: a real run ---------------------------------------------------------------------------
def lam_of(step: int) -> float:
    """λ with which the run trained in the epoch before a step."""
    from clustlab.methods.dac import DAC

    return max(0, step - 1) * DAC(epochs=EPOCHS).growth()


def counted(material: Material) -> pd.DataFrame:
    """Share of pairs of each kind at each epoch: columns epoch, kind, share."""
    rows = []
    for record in material.run.log:
        scalars = record["scalars"]
        if "n_similar_pairs" in scalars:
            counts = [scalars[f"n_{kind.replace(' ', '_')}_pairs"] for kind in KINDS]
            rows += [
                (record["step"], kind, n / max(1, sum(counts)))
                for kind, n in zip(KINDS, counts, strict=True)
            ]
    return pd.DataFrame(rows, columns=["epoch", "kind", "share"])


def _closing(values: Values, materials: Sequence[Material]) -> list[Element]:
    table = counted(materials[0])
    if not len(table):
        return [Words("The first epoch is under way; pairs are counted after it.")]
    last = int(table["epoch"].max())
    epoch = max(1, min(int(values["epoch"]), last))
    chart = teaching.lines(
        table,
        x="epoch",
        y="share",
        by="kind",
        title=("epoch", "share of the pairs"),
        colours=COLOURS,
        at=float(epoch),
        height=320,
    )
    now = table[table["epoch"] == epoch].set_index("kind")["share"]
    words = " · ".join(f"{kind} **{percent(now[kind])}**" for kind in KINDS)
    return [
        Chart(chart, "Shares of similar, dissimilar and left-out pairs by epoch"),
        Words(f"Epoch {epoch}: {words}"),
    ]


def _a_tenth(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    table = counted(materials[0])
    last = table[table["epoch"] == table["epoch"].max()].set_index("kind")["share"]
    similar = float(last["similar"])
    option = 0 if similar < 0.2 else 1 if similar < 0.6 else 2
    return option, (
        f"{percent(similar)} are similar and {percent(last['dissimilar'])} dissimilar. Ten "
        "clusters of equal size make a tenth of all pairs similar: 10 · (1/10)² = 0.1. Far more "
        "would be a sign of merging."
    )


def run_precision(material: Material, step: int) -> float:
    """Share of the pairs taken as similar at a step that are of one class."""
    p, labels = material.run[step].probabilities, material.dataset.labels
    assert p is not None
    assert labels is not None
    return pairs.precision(p, labels, limits(lam_of(step)), SAMPLE)[0]


def _learning(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    step = step_at(len(material.run), values["epoch"])
    steps = range(len(material.run))
    table = pd.DataFrame({"epoch": steps, "right": [run_precision(material, i) for i in steps]})
    chart = teaching.lines(
        table,
        x="epoch",
        y="right",
        title=("epoch", "similar pairs of the same digit"),
        at=float(step),
        height=240,
    )
    parts: list[Element] = [Chart(chart, "Share of right ones among the similar pairs by epoch")]
    artefact = material.run[step].artefacts.get("pairs")
    if artefact is not None:
        pictures = np.asarray(artefact.data)
        flat = pictures.reshape(-1, *pictures.shape[2:])
        sheet = sheets.atlas(flat, np.arange(len(flat)), tile=52, columns=pictures.shape[1])
        parts.append(Picture(sheet.pixels, "Pairs taken as similar, one below the other", 640))
    return [
        *parts,
        Words(
            f"Epoch {step}: **{percent(table['right'].iloc[step])}** of them are the same digit."
        ),
    ]


def _egg(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (material,) = materials
    few = min(4, len(material.run) - 1)
    first, early, last = (run_precision(material, i) for i in (0, few, len(material.run) - 1))
    option = 0 if early > 2 * first else 1 if early > first + 0.02 else 2
    return option, (
        f"From {percent(first)} before training to {percent(early)} after {few} epochs. In the "
        f"end it is {percent(last)}: as the thresholds close in, pairs join that are harder to "
        "judge, and pairs taken wrongly are never questioned."
    )


def _run() -> RunSpec:
    return quick_run("dac")


LESSON = Lesson(
    7,
    "pairs",
    "Pairs: daring to judge",
    "Is it the same or not? DAC asks that of every pair, and begins with those it dares to judge.",
    methods=("dac",),
    terms={
        "Label features": "The answer to an item scaled to length 1, so that products are cosines.",
        "Cosine": "Similarity of two directions: 1 if they are the same, 0 at a right angle.",
        "Threshold": "A value above or below which a pair is judged; pairs between are left out.",
        "Self-training": "Learning from one's own answers, beginning with those one is sure of.",
    },
    steps=(
        LessonStep(
            "A question for every pair",
            "Clustering becomes a question with two answers: do these two belong together? DAC "
            "scales the answer to each item to length 1. The cosine of two items is near 1 if "
            "both are sure of one cluster, near 0 if they are sure of two. Click a number.",
            r"l_i = \frac{p_i}{\lVert p_i \rVert}, \qquad s_{ij} = l_i \cdot l_j",
            {"p_i": "answer to item i", "l_i": "its label features", "s_{ij}": "cosine"},
            _question,
            Try(
                "Item 3 now wavers evenly between a and b. How does DAC judge the pair it forms "
                "with item 0, which is sure of a?",
                ("Similar", "Dissimilar", "It leaves the pair out"),
                {"share": 0.45},
                _between,
            ),
            (Slider("share", "Share that item 3 gives to a", 0.05, 0.85, 0.6, 0.05),),
        ),
        LessonStep(
            "Two thresholds",
            "Pairs above the upper threshold count as similar, those below the lower one as "
            "dissimilar, and those between are left out. With every epoch λ grows and the two come "
            "closer, so that harder pairs join in.",
            r"u = 0.95 - \lambda, \qquad l = 0.455 + 0.1 \lambda",
            {"u": "upper threshold", "l": "lower threshold", r"\lambda": "grows by epoch"},
            _thresholds,
            Try(
                "λ reaches 0.45. How many pairs of the untrained network are left out then?",
                ("None, or nearly", "Fewer than before", "As many as before"),
                {"lam": 0.45},
                _all_decided,
            ),
            (Slider("lam", "λ", 0.0, 0.45, 0.0, 0.01),),
            explains=("dac.epochs",),
        ),
        LessonStep(
            "Chicken and egg",
            "Good pairs need a good network, and a good network needs good pairs. How can it "
            "begin? Look at a network that has learned nothing: how many of the pairs it takes "
            "as similar are the same digit? DAC never knows; labels are only used as a check.",
            r"\begin{gathered} \Pr(y_i = y_j \mid s_{ij} > u) \quad\text{against} \\"
            r"\Pr(y_i = y_j) \approx 0.1 \end{gathered}",
            {"y_i": "true digit of item i", "s_{ij}": "cosine", "u": "upper threshold"},
            _untrained,
            Try(
                "Of the pairs that an untrained network takes as similar, how many are the same "
                "digit?",
                ("About 10%, as by chance", "More than chance, but less than half", "Most"),
                {"seed": 0.0},
                _first_pairs,
            ),
            (Slider("seed", "Seed of the network", 0, 9, 0, 1),),
        ),
        LessonStep(
            "A flat start ends in one cluster",
            "Most networks begin with answers that are all nearly even. Here the scores before the "
            "softmax are scaled: make them small and look at the cosines.",
            r"p_i \to \left(\tfrac{1}{k}, \dots, \tfrac{1}{k}\right) \;\Rightarrow\; s_{ij} \to 1",
            {"k": "number of clusters", "p_i": "answer", "s_{ij}": "cosine"},
            _flat,
            Try(
                "Scores shrink to a hundredth. How many pairs are taken as similar?",
                ("All, or nearly", "Some more than before", "As many or fewer"),
                {"power": -2.0},
                _all_similar,
            ),
            (Slider("power", "Factor on the scores, as a power of 10", -2.0, 0.5, 0.0, 0.25),),
            alarms=("collapse", "uniform"),
        ),
        LessonStep(
            "Thresholds closing",
            "A run on the digits. Each epoch chooses pairs on the unchanged images and learns them "
            "on changed copies. Watch what becomes of the pairs that are left out.",
            r"L = -\frac{\sum_{\text{sim}} \ln s_{ij} + \sum_{\text{dis}} \ln (1 - s_{ij})}"
            r"{\#\text{sim} + \#\text{dis}}",
            {"L": "loss", "s_{ij}": "cosine on changed copies", r"\#": "number of pairs"},
            _closing,
            Try(
                "What share of all pairs is similar in the end?",
                ("Less than 20%", "20 to 60%", "More than 60%"),
                {"epoch": 20.0},
                _a_tenth,
            ),
            (Slider("epoch", "Epoch", 1, EPOCHS, 1, 1),),
            needs=lambda values: [_run()],
            explains=("dac.strength", "dac.passes", "dac.batch_size"),
        ),
        LessonStep(
            "Does it pull itself up?",
            "Below are pairs that the run took as similar, each image over its partner. The "
            "curve shows what share of them are the same digit. Start before the first epoch.",
            r"\text{network} \to \text{pairs} \to \text{network} \to \dots",
            {r"\text{pairs}": "those above the upper threshold at that epoch"},
            _learning,
            Try(
                "After 4 epochs, what has become of the share of right pairs?",
                ("More than doubled", "Risen a little", "Not risen"),
                {"epoch": 4.0},
                _egg,
            ),
            (Slider("epoch", "Epoch", 0, EPOCHS, 0, 1),),
            needs=lambda values: [_run()],
            explains=("dac.learning_rate", "dac.width"),
        ),
    ),
)
