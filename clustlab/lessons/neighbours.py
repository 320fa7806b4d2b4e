"""How contrast finds neighbours, what SCAN makes of them, and contrast between clusters."""

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
from clustlab.course.on_digits import digits, pixels, quick_run, step_at
from clustlab.types import Array
from clustlab.views import sheets, teaching, theme

CONTRAST_EPOCHS = 8  # of Contrastive Clustering here

# -- 1: find the copy ------------------------------------------------------------------------------
ITEM, OTHERS = 0.0, (35.0, 100.0, 160.0)  # directions in degrees


def directions(copy: float) -> Array:
    """Unit vectors (5, 2): the item, its copy at this angle, and three others."""
    angles = np.radians([ITEM, copy, *OTHERS])
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def finding(copy: float, temperature: float) -> tuple[Array, Array]:
    """Cosine (4,) of the item with its copy and the others, and the share (4,) that each gets."""
    import torch

    from clustlab.parts.losses.nt_xent import cosines

    rows = torch.as_tensor(directions(copy))
    similarities = np.asarray(cosines(rows[:1], rows[1:])[0], dtype=np.float64)
    weights = np.exp((similarities - similarities.max()) / temperature)
    return similarities, weights / weights.sum()


NAMES = ("copy", "other 1", "other 2", "other 3")


def _finding(values: Values, materials: Sequence[Material]) -> list[Element]:
    copy, tau = values["copy"], values["tau"]
    cosine, share = finding(copy, tau)
    weights = np.exp(cosine / tau)
    table = pd.DataFrame({"cosine": cosine, "weight": weights, "share": share}, index=list(NAMES))
    angles = (copy, *OTHERS)

    def arithmetic(row: int, column: str) -> str:
        if column == "cosine":
            return f"$\\cos({angles[row]:g}^\\circ) = {cosine[row]:.3f}$"
        if column == "weight":
            return f"$\\exp({cosine[row]:.3f} / {tau:g}) = {in_formula(weights[row])}$"
        below = " + ".join(map(in_formula, weights))
        return f"${in_formula(weights[row])} / ({below}) = {share[row]:.3f}$"

    rows = directions(copy)
    chart = teaching.cloud(
        rows,
        np.array([0, 0, 1, 2, 3]),
        links=np.hstack([np.zeros_like(rows), rows]),
        marked=(0,),
        within=(-1.6, 1.6, -0.15, 1.25),
        names={0: "item and copy", 1: "other 1", 2: "other 2", 3: "other 3"},
        texts=[(x, y, name) for (x, y), name in zip(rows, ("item", *NAMES), strict=True)],
        height=230,
    )
    return [
        Chart(chart, "An item, ringed, its copy in the same colour, and three others"),
        Numbers(table, arithmetic, "Similarity to the item", start=(0, "share")),
        Words(f"Loss of this item: -ln {share[0]:.3f} = **{-math.log(share[0]):.3f}** nats"),
    ]


def _cold(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (_, before), (_, now) = (finding(values["copy"], t) for t in (0.5, values["tau"]))
    option = 0 if now[0] > before[0] + 0.01 else 1 if now[0] < before[0] - 0.01 else 2
    return option, (
        f"From {before[0]:.3f} to {now[0]:.3f}; other 1 goes from {before[1]:.3f} to "
        f"{now[1]:.3f}. A small τ looks at the most similar only, and here a stranger is nearer "
        "than the copy."
    )


# -- 2: contrast forbids collapse ------------------------------------------------------------------
STATES = ("all alike", "nothing learned", "copies found")


def contrast(state: str, n: int, temperature: float = 0.5) -> float:
    """Contrastive loss of n items and their copies when rows lie in a certain way."""
    import torch

    from clustlab.parts.losses.nt_xent import nt_xent

    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, n, 64))
    if state == "all alike":
        one, other = np.ones((2, n, 64))
    elif state == "copies found":
        other = one
    return float(nt_xent(torch.as_tensor(one), torch.as_tensor(other), temperature))


def _guessing(values: Values, materials: Sequence[Material]) -> list[Element]:
    n, tau = int(values["n"]), values["tau"]
    losses = [contrast(state, n, tau) for state in STATES]
    chart = teaching.bars(STATES, losses, title="loss, in nats", height=200)
    guess = math.log(2 * n - 1)
    return [
        Chart(chart, f"Contrastive loss of {n} items and their copies in three states"),
        Words(f"Guessing among {2 * n - 1} others costs ln {2 * n - 1} = **{guess:.3f}** nats."),
    ]


def _all_alike(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    n, tau = int(values["n"]), values["tau"]
    losses = [contrast(state, n, tau) for state in STATES]
    guess = math.log(2 * n - 1)
    option = 0 if losses[0] < losses[2] else 1 if losses[0] < guess - 0.01 else 2
    return option, (
        f"It costs {losses[0]:.3f} = ln {2 * n - 1}, as guessing does; with copies found it would "
        f"be {losses[2]:.3f}. A copy must be nearer than all others, so contrast cannot be won by "
        "making everything alike."
    )


# -- 3: neighbours ---------------------------------------------------------------------------------
@cache
def table_of_neighbours() -> Array:
    """The 50 nearest others (1797, 50) of each digit by the cosine of its pixels."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.neighbours import nearest

    return np.asarray(nearest(torch.from_numpy(pixels()), 50, Context()))


@cache
def purities() -> Array:
    """Share (50,) of the first 1 to 50 neighbours that are the same digit as the item."""
    labels = digits().labels
    assert labels is not None
    same = (labels[table_of_neighbours()] == labels[:, None]).mean(0)
    return np.asarray(np.cumsum(same) / np.arange(1, len(same) + 1))


def purity(k: int) -> float:
    """Share of the first k neighbours that are the same digit as the item."""
    return float(purities()[k - 1])


def _mined(values: Values, materials: Sequence[Material]) -> list[Element]:
    k = int(values["k"])
    labels, neighbours = digits().labels, table_of_neighbours()
    assert labels is not None
    mixed = (labels[neighbours[:, :10]] != labels[:, None]).sum(1)
    shown = [
        *(np.flatnonzero(labels == d)[0] for d in (0, 2, 7)),
        *np.argsort(-mixed, kind="stable")[:2],
    ]
    rows = np.concatenate([[i, *neighbours[i, :12]] for i in shown]).astype(int)
    wrong = labels[rows] != np.repeat(labels[shown], 13)
    sheet = sheets.atlas(digits().items, rows, tile=40, columns=13, wrong=wrong)
    table = pd.DataFrame({"k": range(1, 51), "same": purities()})
    chart = teaching.lines(
        table, x="k", y="same", title=("neighbours", "same digit"), at=float(k), height=180
    )
    return [
        Picture(sheet.pixels, "Five digits, each before its twelve nearest by pixels", 590),
        Words("Orange corners mark another digit; the last two rows are the most mixed."),
        Chart(chart, "Share of neighbours that are the same digit, by their number"),
        Words(f"Of {k} neighbours **{percent(purity(k))}** are the same digit."),
    ]


def _fifty(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    few, many = purity(5), purity(int(values["k"]))
    option = 0 if many > 0.9 else 1 if many > 0.5 else 2
    return option, (
        f"{percent(many)}, and {percent(few)} of the first 5. Pixels are enough to match digits; "
        "photographs need trained features. What comes next can hardly be better than its "
        "neighbours."
    )


# -- 4: agreeing -----------------------------------------------------------------------------------
def agreement_table() -> tuple[list[str], Array, Array]:
    """Names of some pairs, and the answers (m, 3) to both items of each."""
    pairs = {
        "sure and equal": ((0.98, 0.01, 0.01), (0.98, 0.01, 0.01)),
        "equal but unsure": ((0.5, 0.5, 0.0), (0.5, 0.5, 0.0)),
        "one sure, one not": ((0.98, 0.01, 0.01), (0.5, 0.5, 0.0)),
        "sure and different": ((0.98, 0.01, 0.01), (0.01, 0.98, 0.01)),
        "even": ((1 / 3, 1 / 3, 1 / 3), (1 / 3, 1 / 3, 1 / 3)),
    }
    one, other = (np.array([pair[i] for pair in pairs.values()]) for i in (0, 1))
    return list(pairs), one, other


def agreement_costs() -> Array:
    """Consistency term (m,) of each pair in nats."""
    import torch

    from clustlab.parts.losses.simplex import consistency

    _, one, other = agreement_table()
    rows = zip(torch.as_tensor(one), torch.as_tensor(other), strict=True)
    return np.array([float(consistency(a[None], b[None])) for a, b in rows])


def _agree(values: Values, materials: Sequence[Material]) -> list[Element]:
    names, one, other = agreement_table()
    costs = agreement_costs()
    table = pd.DataFrame({"product": (one * other).sum(1), "cost": costs}, index=names)

    def arithmetic(row: int, column: str) -> str:
        if column == "cost":
            return f"$-\\ln {table['product'].iloc[row]:.4f} = {costs[row]:.3f}$"
        pairs = zip(one[row], other[row], strict=True)
        terms = " + ".join(f"{a:.2f} \\cdot {b:.2f}" for a, b in pairs)
        return f"${terms} = {table['product'].iloc[row]:.4f}$"

    start = (names.index(values["pair"]), "cost")
    chart = teaching.bars(
        names,
        costs,
        title="cost, in nats",
        colours=[theme.ACCENT if n == values["pair"] else theme.RIGHT for n in names],
        height=200,
    )
    return [
        Chart(chart, "Cost of five pairs of answers"),
        Numbers(table, arithmetic, "Product and cost of each pair", 4, start=start),
    ]


def _equal_unsure(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    names, _, _ = agreement_table()
    cost = float(agreement_costs()[names.index(values["pair"])])
    sure = float(agreement_costs()[0])
    option = 0 if cost < 0.1 else 1 if cost < 1 else 2
    return option, (
        f"It costs {cost:.3f} nats, against {sure:.3f} for sure and equal answers. The product "
        "0.5 · 0.5 + 0.5 · 0.5 is only 0.5: one term asks for agreement and confidence at once."
    )


# -- 5: neighbours alone ---------------------------------------------------------------------------
SPOTS = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.6]])


@cache
def toy() -> tuple[Array, Array]:
    """Three groups of 40 points, (120, 2), and the 5 nearest others (120, 5) of each."""
    from clustlab.analysis.nearest_neighbours import k_nearest

    points = np.repeat(SPOTS, 40, 0) + np.random.default_rng(0).normal(0, 0.5, (120, 2))
    return points, k_nearest(points, 5).indices


@cache
def trained(weight: float, seed: int = 0, steps: int = 150) -> Array:
    """Answers (120, 3) of a linear head that was trained with SCAN's loss on the toy points."""
    import torch

    from clustlab.methods.scan import scan_loss

    points, neighbours = toy()
    x = torch.as_tensor(points, dtype=torch.float32)
    rng = np.random.default_rng(seed)
    head = torch.nn.Linear(2, 3)
    with torch.no_grad():
        head.weight.copy_(torch.as_tensor(rng.normal(0, 0.3, (3, 2))))
        head.bias.copy_(torch.as_tensor(rng.normal(0, 0.3, 3)))
    adam = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(steps):
        drawn = neighbours[np.arange(len(x)), rng.integers(0, neighbours.shape[1], len(x))]
        p, p_prime = head(x).softmax(1), head(x[drawn]).softmax(1)
        adam.zero_grad()
        scan_loss(p, p_prime, weight).backward()  # type: ignore[no-untyped-call]
        adam.step()
    return np.asarray(head(x).softmax(1).detach())


def _alone(values: Values, materials: Sequence[Material]) -> list[Element]:
    points, neighbours = toy()
    p = trained(values["weight"], int(values["seed"]))
    clusters = p.argmax(1)
    links = np.concatenate([np.hstack([points, points[neighbours[:, j]]]) for j in range(2)])
    chart = teaching.cloud(points, clusters, links=links, height=370)
    agree = float((clusters[neighbours] == clusters[:, None]).mean())
    return [
        Chart(
            chart, f"120 points in {len(np.unique(clusters))} clusters, lines to near neighbours"
        ),
        Words(
            f"**{len(np.unique(clusters))}** clusters in use; **{percent(agree)}** of neighbours "
            "lie in the same one."
        ),
    ]


def _no_entropy(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    _, neighbours = toy()
    weight, seed = values["weight"], int(values["seed"])
    now, usual = (trained(w, seed).argmax(1) for w in (weight, 5.0))
    used, before = len(np.unique(now)), len(np.unique(usual))
    agree = float((now[neighbours] == now[:, None]).mean())
    return min(3 - used, 2), (
        f"{used} in use instead of {before}, and {percent(agree)} of neighbours agree. Two groups "
        "in one cluster cut no neighbours apart, so nothing speaks against that until the "
        "entropy of the mean answer asks for all clusters."
    )


# -- 6: SCAN on digits -----------------------------------------------------------------------------
def course_of(material: Material) -> pd.DataFrame:
    """Each step's accuracy and clusters in use: columns step, phase, self_labelled, acc, used."""
    rows = [
        (i, record["phase"], "self_label_loss" in record["scalars"], row["acc"], row["n_occupied"])
        for i, record in enumerate(material.run.log[: len(material.timeline)])
        for row in [material.timeline.row(i)]
    ]
    return pd.DataFrame(rows, columns=["step", "phase", "self_labelled", "acc", "used"])


def _phases(values: Values, materials: Sequence[Material]) -> list[Element]:
    table = course_of(materials[0])
    joined = [table]
    for phase in dict.fromkeys(table["phase"]):  # each line begins where the last one ended
        first = int(table[table["phase"] == phase]["step"].min())
        if first:
            joined.append(table[table["step"] == first - 1].assign(phase=phase))
    chart = teaching.lines(
        pd.concat(joined), x="step", y="acc", by="phase", title=("step", "accuracy"), height=320
    )
    ends = table.groupby("phase", sort=False).last()
    words = " · ".join(
        f"{phase}: {row['acc']:.3f} with {row['used']:.0f} clusters"
        for phase, row in ends.iterrows()
    )
    return [Chart(chart, "Accuracy over the steps, by phase"), Words(f"At the end of {words}")]


def _self_labels(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    table = course_of(materials[0])
    labelled = table[table["self_labelled"]]
    if not len(labelled):
        return 2, f"It did not take place: 0 of {len(digits().items):,} answers were sure enough."
    first = int(labelled["step"].iloc[0])
    acc, used = table["acc"].to_numpy(), table["used"].to_numpy()
    change = acc[-1] - acc[first - 1]
    run = materials[0].run
    sure = run.log[first - 1]["scalars"]["share_confident"]
    none = int((np.asarray(run[first - 1].artefacts["confident"].data) == 0).sum())
    option = 0 if change > 0.02 else 1 if change < -0.02 else 2
    return option, (
        f"From {acc[first - 1]:.3f} to {acc[-1]:.3f}; clusters in use: {used[first - 1]:.0f}, "
        f"then {used[-1]:.0f}. It began when {percent(sure, 0)} of the answers were above 0.99, "
        f"and {none} clusters had none: they get no labels and dry up. Self-labelling helps where "
        "most answers are sure."
    )


# -- 7: contrast between clusters ------------------------------------------------------------------
def _columns(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    step = step_at(len(material.run), values["epoch"])
    cosines = np.asarray(material.run[step].artefacts["columns"].data, dtype=np.float64)
    names = [str(i) for i in range(len(cosines))]
    chart = teaching.shades(
        np.clip(cosines, 0, None),
        names,
        names,
        titles=("cluster, images", "cluster, copies"),
        height=340,
    )
    beside = (cosines.sum() - np.trace(cosines)) / (cosines.size - len(cosines))
    return [
        Chart(chart, f"Cosines of cluster columns after {step} epochs"),
        Words(
            f"Epoch {step}: mean cosine **{np.diag(cosines).mean():.3f}** on the diagonal, "
            f"**{beside:.3f}** beside it"
        ),
    ]


def _diagonal(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    run = materials[0].run
    first, last = (np.asarray(run[i].artefacts["columns"].data) for i in (0, -1))
    beside = [float((c.sum() - np.trace(c)) / (c.size - len(c))) for c in (first, last)]
    option = 0 if beside[0] > 0.9 else 1 if beside[0] > 0.1 else 2
    return option, (
        f"{beside[0]:.3f} beside the diagonal before training, {beside[1]:.3f} after it, where "
        f"the diagonal is at {np.diag(last).mean():.3f}. An untrained head gives everything the "
        "same answer, so its columns are alike; telling them apart is what the second loss asks "
        "for."
    )


LESSON = Lesson(
    9,
    "neighbours",
    "Contrast and neighbours",
    "First learn what resembles what, then keep neighbours together; or contrast clusters at once.",
    methods=("scan", "contrastive-clustering"),
    terms={
        "Softmax": "Turns scores into positive shares that sum to one, of which the highest "
        "score gets the most.",
        "Contrastive learning": "Learning to find the changed copy of an item among all others.",
        "Temperature": "Divisor of scores before a softmax: with a small one only the largest "
        "counts.",
        "Pretext": "A task without labels whose only purpose is good features.",
        "Nearest neighbours": "The items most similar to an item, here by cosine.",
        "Consistency": "Minus the logarithm of the product of two answers that ought to be equal.",
        "Self-labelling": "Training on one's own sure answers as if they were labels.",
    },
    steps=(
        LessonStep(
            "Find the copy",
            "An item is shown with its changed copy and others, all as directions. The network "
            "must pick out the copy, by a softmax over the cosines. The temperature τ says how "
            "much the most similar ones count. Click a number.",
            r"\ell = -\ln \frac{\exp(\cos(z, z') / \tau)}{\sum_{c} \exp(\cos(z, c) / \tau)}",
            {"z": "item", "z'": "its copy", "c": "copy and others", r"\tau": "temperature"},
            _finding,
            Try(
                "A stranger lies nearer than the copy, and τ falls from 0.5 to 0.05. What does the "
                "share of the copy do?",
                ("It rises", "It falls", "It stays"),
                {"copy": 50.0, "tau": 0.05},
                _cold,
            ),
            (
                Slider("copy", "Angle of the copy", 0, 180, 50, 5),
                Slider("tau", "Temperature τ", 0.05, 2.0, 0.5, 0.05),
            ),
            explains=("scan.temperature", "contrastive-clustering.instance_temperature"),
        ),
        LessonStep(
            "Contrast forbids collapse",
            "Many methods can be fooled by a network that makes all items alike. Contrast asks "
            "for a difference: among all others, only the copy may be near.",
            r"z_1 = z_2 = \dots \;\Rightarrow\; \ell = \ln(2n - 1)",
            {"n": "items in a batch, with a copy each", r"\ell": "loss of an item"},
            _guessing,
            Try(
                "The network gives all 64 items and their copies the same row. The loss is ...",
                ("the least possible", "less than that of guessing", "that of guessing"),
                {"n": 64.0, "tau": 0.5},
                _all_alike,
            ),
            (
                Slider("n", "Items in a batch", 2, 256, 64, 2),
                Slider("tau", "Temperature τ", 0.1, 2.0, 0.5, 0.1),
            ),
            explains=("scan.batch_size", "contrastive-clustering.batch_size"),
        ),
        LessonStep(
            "Mine the neighbours",
            "SCAN then looks for the nearest others of every item. For digits, pixels are good "
            "enough, so they are computed right here. Labels are used only to see how good they "
            "are.",
            r"\begin{gathered} N_k(i) = \text{the } k \text{ items } j \ne i \\"
            r"\text{of largest } \cos(z_i, z_j) \end{gathered}",
            {"N_k(i)": "neighbours of item i", "z_i": "its row, here its pixels"},
            _mined,
            Try(
                "How many of the 50 nearest are the same digit?",
                ("More than 90%", "Half to 90%", "Less than half"),
                {"k": 50.0},
                _fifty,
            ),
            (Slider("k", "Neighbours k", 1, 50, 20, 1),),
            explains=("scan.n_neighbors", "scan.epochs"),
        ),
        LessonStep(
            "Agree, and be sure",
            "An item and a neighbour must get the same cluster. SCAN multiplies their answers, "
            "adds up over the clusters, and takes minus the logarithm. Click a number.",
            r"-\ln \langle p, p' \rangle, \qquad \langle p, p' \rangle = \sum_j p_j p'_j",
            {"p": "answer to the item", "p'": "answer to its neighbour", "j": "cluster"},
            _agree,
            Try(
                "Both answer 0.5, 0.5, 0: they agree exactly. What does that cost?",
                ("Next to nothing", "Something, below 1 nat", "1 nat or more"),
                {"pair": "equal but unsure"},
                _equal_unsure,
            ),
            (
                Choice(
                    "pair",
                    "Pair in view",
                    ("sure and equal", "equal but unsure", "one sure, one not", "even"),
                    "sure and equal",
                ),
            ),
            explains=("scan.cluster_epochs", "scan.cluster_learning_rate"),
        ),
        LessonStep(
            "Neighbours alone are not enough",
            "A linear classifier is trained here and now on three groups, with SCAN's loss. Thin "
            "lines join near neighbours. The second term asks for equally full clusters, with a "
            "weight λ.",
            r"L = -\tfrac{1}{n} \sum_i \ln \langle p_i, p_{i'} \rangle - \lambda H(\bar p)",
            {
                r"\lambda": "weight of the entropy",
                r"\bar p": "mean answer",
                "i'": "a neighbour of i",
            },
            _alone,
            Try(
                "λ goes to 0. How many of the three clusters are in use after training?",
                ("All three", "Two", "One"),
                {"weight": 0.0, "seed": 0.0},
                _no_entropy,
            ),
            (
                Slider("weight", "Weight λ of the entropy", 0.0, 5.0, 5.0, 0.5),
                Slider("seed", "Seed", 0, 9, 0, 1),
            ),
            explains=("scan.entropy_weight",),
            alarms=("collapse", "empty"),
        ),
        LessonStep(
            "SCAN on the digits",
            "Pretext, mining, clustering, self-labelling: the four phases of one short run. Until "
            "the clustering begins, the clusters are those of k-means. Self-labelling trains on "
            "answers above 0.99 as if they were labels.",
            r"\begin{gathered} \text{labels} = \{ (x_i, \arg\max_j p_{ij}) : \\"
            r"\max_j p_{ij} > 0.99 \} \end{gathered}",
            {"p_{ij}": "share of cluster j in item i", "x_i": "item i"},
            _phases,
            Try(
                "From the end of the clustering to the end of self-labelling: accuracy ...",
                ("rises", "falls", "stays within 2 points"),
                {},
                _self_labels,
            ),
            needs=lambda values: [quick_run("scan")],
            explains=("scan.threshold", "scan.label_epochs", "scan.n_heads"),
        ),
        LessonStep(
            "Contrast between clusters",
            "Contrastive Clustering asks the same question of clusters. A column of the table of "
            "answers says which items a cluster holds; it must resemble its own column for the "
            "copies, and no other. Move through the epochs.",
            r"\ell_j = -\ln \frac{\exp(\cos(P_{:j}, P'_{:j}) / \tau)}"
            r"{\sum_{c \ne P_{:j}} \exp(\cos(P_{:j}, c) / \tau)}",
            {"P_{:j}": "column of cluster j", "P'": "table of the copies", "c": "other columns"},
            _columns,
            Try(
                "Before training: how large are the cosines beside the diagonal?",
                ("Above 0.9", "0.1 to 0.9", "Below 0.1"),
                {"epoch": 0.0},
                _diagonal,
            ),
            (Slider("epoch", "Epoch", 0, CONTRAST_EPOCHS, CONTRAST_EPOCHS, 1),),
            needs=lambda values: [quick_run("contrastive-clustering", epochs=CONTRAST_EPOCHS)],
            explains=(
                "contrastive-clustering.cluster_temperature",
                "contrastive-clustering.instance_weight",
            ),
        ),
    ),
)
