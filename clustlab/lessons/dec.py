"""How DEC turns distances into shares, shares into a target, and the target into a pull."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Choice, Places, Slider, Switch, Values
from clustlab.course.figure import Chart, Element, Numbers, Plane, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_digits import quick_run
from clustlab.course.on_points import crosses, lines_to
from clustlab.runs.phases import first_step_refined
from clustlab.runs.store import RunSpec
from clustlab.types import Array
from clustlab.views import teaching, theme

CENTERS = np.array([[-2.0, 0.0], [1.5, 1.5], [1.5, -1.5]])
SURE = 0.9  # share from which an item counts as decided

ALPHA = Slider("alpha", "Degrees of freedom α", 0.2, 20.0, 1.0, 0.2)


def shares(points: Array, centers: Array = CENTERS, alpha: float = 1.0) -> Array:
    """Soft assignment (n, k) as DEC computes it."""
    import torch

    from clustlab.parts.losses.soft_assignment import soft_assignment

    z, mu = (torch.as_tensor(np.asarray(x, dtype=np.float64)) for x in (points, centers))
    return np.asarray(soft_assignment(z, mu, alpha))


def target(q: Array, power: float = 2.0, *, divide: bool = True) -> Array:
    """Target (n, k) made of soft assignments, by the exponents of DEC unless told otherwise."""
    import torch

    from clustlab.parts.losses.targets import power_target

    return np.asarray(power_target(torch.as_tensor(q), power, 1.0 if divide else 0.0))


# -- 1: distance to share ------------------------------------------------------------------------
def _one_item(values: Values, materials: Sequence[Material]) -> list[Element]:
    (x, y), *_ = values["item"]
    q = shares(np.array([[x, y]]), alpha=values["alpha"])[0]
    squared = ((CENTERS - [x, y]) ** 2).sum(1)
    weights = (1 + squared / values["alpha"]) ** (-(values["alpha"] + 1) / 2)
    table = pd.DataFrame({"squared distance": squared, "weight": weights, "q": q})

    def arithmetic(row: int, column: str) -> str:
        a, d, w = values["alpha"], squared[row], weights[row]
        cx, cy = CENTERS[row]
        if column == "squared distance":
            return f"$({x:.2f} - {cx:g})^2 + ({y:.2f} - {cy:g})^2 = {d:.3f}$"
        if column == "weight":
            return f"$(1 + {d:.3f} / {a:g})^{{-({a:g} + 1)/2}} = {w:.4f}$"
        return f"${w:.4f} / ({' + '.join(f'{v:.4f}' for v in weights)}) = {q[row]:.3f}$"

    alt = "One item and three cluster centres, with its share of each as a line to it"
    colour = theme.colour(int(q.argmax()))
    plane = Plane("item", (colour,), alt, crosses(CENTERS), links=lines_to(CENTERS, q, "q"))
    return [plane, Numbers(table, arithmetic, "One row per centre", start=(int(q.argmax()), "q"))]


def _with_large_alpha(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    point = np.array(values["item"])
    by_distance = np.linalg.norm(CENTERS - point, axis=1).argsort()
    before, after = (shares(point, alpha=a)[0, by_distance] for a in (1.0, values["alpha"]))
    option = 0 if after[0] > before[0] + 1e-6 else 1 if after[0] < before[0] - 1e-6 else 2
    return option, (
        f"The largest share goes from {before[0]:.2f} to {after[0]:.2f}, that of the next centre "
        f"from {before[1]:.2f} to {after[1]:.2f}, and that of the farthest from {before[2]:.2f} "
        f"to {after[2]:.2f}. A large α has short tails: the farther a centre, the more of its "
        "share it loses."
    )


# -- 2: scale of the code ------------------------------------------------------------------------
def _cloud(n: int = 150, spread: float = 0.75) -> Array:
    rng = np.random.default_rng(0)
    return CENTERS[np.arange(n) % 3] + rng.normal(0, spread, (n, 2))


def _scaled(values: Values, materials: Sequence[Material]) -> list[Element]:
    scale = values["scale"]
    q = shares(_cloud() * scale, CENTERS * scale)
    sure = q.max(1)
    counts, edges = np.histogram(sure, bins=np.linspace(1 / 3, 1, 11))
    names = [f"{a:.2f} to {b:.2f}" for a, b in pairwise(edges)]
    return [
        Words(f"Mean of the largest share: **{sure.mean():.3f}** (1/3 would be a blind guess)"),
        Chart(
            teaching.bars(names, counts, title="items", digits=0, height=280),
            f"Histogram of the largest share of 150 items, mean {sure.mean():.2f}",
        ),
    ]


def _tiny_scale(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    scale = values["scale"]
    q = shares(_cloud() * scale, CENTERS * scale)
    gap = float(np.abs(target(q) - q).max())
    even = float(q.max(1).mean())
    option = 0 if even > SURE else 1 if even < 0.5 else 2
    return option, (
        f"The mean of the largest share is {even:.3f}, and no target differs from its share by "
        f"more than {gap:.3f}. With nothing to pull towards, DEC stops where it began. That is "
        "why clustlab stretches a code that is too small before the first update."
    )


# -- 3: share to target --------------------------------------------------------------------------
Q = np.array(
    [
        [0.9, 0.05, 0.05],
        [0.8, 0.1, 0.1],
        [0.7, 0.2, 0.1],
        [0.6, 0.3, 0.1],
        [0.45, 0.45, 0.1],
        [0.1, 0.2, 0.7],
    ]
)
CLUSTERS = ("a", "b", "c")


def _target_table(values: Values, materials: Sequence[Material]) -> list[Element]:
    power, divide = values["power"], values["divide"]
    p, f = target(Q, power, divide=divide), Q.sum(0)
    table = pd.DataFrame(
        np.hstack([Q, p]), columns=[*(f"q {c}" for c in CLUSTERS), *(f"p {c}" for c in CLUSTERS)]
    )

    def arithmetic(row: int, column: str) -> str:
        kind, cluster = column.split()
        j = CLUSTERS.index(cluster)
        if kind == "q":
            return f"$q = {Q[row, j]:.2f}$ is given; the column sums to $f = {f[j]:.2f}$"
        tops = [
            f"{Q[row, i]:.2f}^{{{power:g}}}" + (f"/{f[i]:.2f}" if divide else "") for i in range(3)
        ]
        return f"$\\frac{{{tops[j]}}}{{{' + '.join(tops)}}} = {p[row, j]:.3f}$"

    return [
        Numbers(table, arithmetic, "Shares q of six items, and their targets p", start=(4, "p b")),
        Chart(
            teaching.bars(
                [f"cluster {c}: {what}" for c in CLUSTERS for what in ("Σq", "Σp")],
                np.stack([Q.sum(0), p.sum(0)], 1).ravel(),
                colours=[theme.colour(i) for i in range(3) for _ in range(2)],
                title="items it claims",
                digits=2,
                height=190,
            ),
            "Sums of shares and of targets for each cluster",
        ),
    ]


def _without_division(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    with_it, without = (target(Q, divide=d).sum(0)[0] for d in (True, False))
    option = 0 if without > with_it + 1e-9 else 1 if without < with_it - 1e-9 else 2
    return option, (
        f"Cluster a, the heavy one, claims {without:.2f} items instead of {with_it:.2f}: squaring "
        "alone makes the rich richer. Dividing by its size holds it back."
    )


# -- 4: the whole set ----------------------------------------------------------------------------
def _batch_gap(size: int) -> Array:
    """Largest difference (150,) between the target of the set and that of batches."""
    q = shares(_cloud())
    order = np.random.default_rng(1).permutation(len(q))
    whole, parts = target(q)[order], q[order]
    batches = [target(parts[i : i + size]) for i in range(0, len(parts), size)]
    return np.asarray(np.abs(np.concatenate(batches) - whole).max(1))


def _batches(values: Values, materials: Sequence[Material]) -> list[Element]:
    sizes = (1, 3, 10, 30, 75, 150)
    means = [float(_batch_gap(size).mean()) for size in sizes]
    now = float(_batch_gap(int(values["size"])).mean())
    chart = teaching.bars(
        [f"{size} of 150" for size in sizes],
        means,
        title="mean difference from the target of the whole set",
        height=240,
    )
    return [
        Words(
            f"With batches of **{values['size']:g}** the target is off by **{now:.4f}** on average."
        ),
        Chart(chart, "Difference of the target by batch size: it shrinks as batches grow"),
    ]


def _batch_of_one(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    q = shares(_cloud())[:1]
    gap = float(np.abs(target(q) - q).max())
    option = 2 if gap < 1e-6 else 0 if target(q).max() > q.max() else 1
    return option, (
        f"The target differs from the share by {gap:.6f}. In a batch of one item the size of each "
        "cluster is the share itself: q² / q is q again, and nothing is learned."
    )


# -- 5: arrows -----------------------------------------------------------------------------------
def pull(z: Array, centers: Array, p: Array, alpha: float = 1.0) -> Array:
    """Direction (n, d) in which gradient descent moves each code: minus the gradient of the KL."""
    import torch

    from clustlab.parts.losses.soft_assignment import kl_divergence, soft_assignment

    codes = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    q = soft_assignment(codes, torch.as_tensor(centers, dtype=torch.float64), alpha)
    (kl_divergence(torch.as_tensor(p), q) * len(z)).backward()  # type: ignore[no-untyped-call]
    assert codes.grad is not None
    return np.asarray(-codes.grad)


def moved(updates: int, size: float = 0.4) -> tuple[Array, Array, Array]:
    """Codes, their shares and their pulls after some updates without any network."""
    z = _cloud(90, 1.0)
    for _ in range(updates):
        z = z + size * pull(z, CENTERS, target(shares(z)))
    q = shares(z)
    return z, q, pull(z, CENTERS, target(q))


def _arrows(values: Values, materials: Sequence[Material]) -> list[Element]:
    z, q, force = moved(int(values["updates"]))
    divergence = float((target(q) * np.log(target(q) / q)).sum(1).mean())
    chart = teaching.cloud(
        z,
        q.argmax(1),
        centers=CENTERS,
        arrows=np.hstack([z, z + 1.5 * force]),
        within=(-4.5, 4.0, -4.0, 4.0),
        height=400,
    )
    return [
        Words(f"KL divergence {divergence:.4f} nats · mean largest share {q.max(1).mean():.3f}"),
        Chart(chart, "Codes of 90 items with arrows towards the centres they are pulled to"),
    ]


def _who_moves(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    _, q, force = moved(0)
    strength = np.linalg.norm(force, axis=1)
    sure = q.max(1)
    low, high = np.quantile(sure, [1 / 3, 2 / 3])
    groups = [sure < low, (sure >= low) & (sure < high), sure >= high]
    means = [float(strength[g].mean()) for g in groups]
    return int(np.argmax(means)), (
        f"Mean length of the arrows: {means[0]:.3f} for the least sure third, {means[1]:.3f} for "
        f"the middle one, {means[2]:.3f} for the surest. What is decided needs no pull. Where two "
        "clusters of equal size have equal shares, their targets are equal too, and neither "
        "pulls harder."
    )


# -- 6 to 9: real runs ---------------------------------------------------------------------------
def clustering_steps(material: Material) -> Array:
    """Steps of a run at which DEC itself worked, the start by k-means first."""
    first = first_step_refined(material.run)
    return np.arange(len(material.run) if first is None else first, len(material.run))


def confidence(material: Material, step: int) -> float:
    """Mean of the largest share of all items at a step."""
    q = material.run[int(step)].probabilities
    return float("nan") if q is None else float(q.max(1).mean())


def _over_time(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    steps = clustering_steps(material)
    if not len(steps):
        return [Words("The autoencoder is being trained; DEC itself begins after that.")]
    step = int(steps[min(int(values["update"]), len(steps) - 1)])
    timeline = material.timeline
    keep = theme.thin(len(material.dataset.items), limit=700)
    extent = timeline.extent()
    chart = teaching.cloud(
        timeline.points(step)[keep],
        timeline.stable(step)[keep],
        within=(-extent, extent, -extent, extent),
        height=370,
    )
    words = f"mean largest share **{confidence(material, step):.3f}**"
    return [
        Words(f"Update {min(int(values['update']), len(steps) - 1)} of {len(steps) - 1} · {words}"),
        Chart(chart, f"Embedding of 700 digits at step {step}, coloured by cluster"),
    ]


def _surer(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (material,) = materials
    steps = clustering_steps(material)
    before, after = confidence(material, steps[0]), confidence(material, steps[-1])
    option = 0 if after > before + 0.02 else 1 if after < before - 0.02 else 2
    return option, (
        f"From {before:.3f} to {after:.3f}. Each target is a little sharper than the shares it was "
        "made from, so the shares sharpen too, right or wrong: confidence is no proof."
    )


def changes(material: Material) -> Array:
    """Share of labels changed at each update."""
    steps = clustering_steps(material)[1:]
    return np.array([material.timeline.row(int(step))["changed"] for step in steps])


def stops_at(shares_changed: Array, tolerance: float) -> int:
    """Update (from 1) at which the rule stops; the number of updates if it never does."""
    below = np.flatnonzero(np.asarray(shares_changed) < tolerance)
    return int(below[0]) + 1 if len(below) else len(shares_changed)


def _stop(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    changed = changes(material)
    if not len(changed):
        return [Words("DEC has not made its first update yet.")]
    stop = stops_at(changed, values["tolerance"] / 100)
    table = pd.DataFrame({"update": np.arange(1, len(changed) + 1), "changed": changed * 100})
    chart = teaching.lines(
        table,
        x="update",
        y="changed",
        title=("update", "labels changed, in %"),
        at=float(stop),
        height=330,
    )
    return [
        Words(f"With a tolerance of **{values['tolerance']:g}%** DEC stops at update **{stop}**."),
        Chart(chart, "Share of labels changed at each update, with the one at which DEC stops"),
    ]


def _early_stop(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (material,) = materials
    changed = changes(material)
    early, late = stops_at(changed, values["tolerance"] / 100), stops_at(changed, 0.001)
    metrics, steps = material.timeline, clustering_steps(material)
    accuracy = [metrics.row(int(steps[stop]))["acc"] for stop in (early, late)]
    option = 0 if early < late / 2 else 1 if early < late else 2
    return option, (
        f"It stops at update {early} instead of {late}; accuracy there is {accuracy[0]:.3f} "
        f"instead of {accuracy[1]:.3f}. The rule looks only at changes, and few changes do not "
        "make the clusters right."
    )


def start_and_end(material: Material) -> tuple[float, float]:
    """Accuracy of k-means on the code, and of DEC at its last step."""
    steps = clustering_steps(material)
    if not len(steps):
        return float("nan"), float("nan")
    return tuple(material.timeline.row(int(s))["acc"] for s in (steps[0], steps[-1]))  # type: ignore[return-value]


def starts() -> list[RunSpec]:
    """Runs of DEC without any pre-training, with little, and with the usual one."""
    return [quick_run("dec", pretraining="none"), quick_run("dec", epochs=1), quick_run("dec")]


def _from_each_start(values: Values, materials: Sequence[Material]) -> list[Element]:
    names, figures = [], []
    for trained, material in zip(("none", "1 epoch", "12 epochs"), materials, strict=True):
        for when, value in zip(("before DEC", "after DEC"), start_and_end(material), strict=True):
            names.append(f"{trained}: {when}")
            figures.append(0.0 if np.isnan(value) else value)
    colours = [theme.FAINT[:7], theme.RIGHT] * len(materials)
    chart = teaching.bars(names, figures, title="accuracy", high=1.0, colours=colours, height=280)
    return [Chart(chart, "Accuracy before and after DEC by length of the pre-training")]


def _no_start(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (blank, end), (short, weak), (long, good) = (start_and_end(m) for m in materials)
    option = 0 if end >= good - 0.02 else 1 if end < long else 2
    return option, (
        f"Without pre-training {blank:.3f} becomes {end:.3f}; with 1 epoch {short:.3f} becomes "
        f"{weak:.3f}, with 12 epochs {long:.3f} becomes {good:.3f}. A random network sends "
        "similar images to similar codes, so there is something to sharpen; but what is mixed in "
        "the code stays mixed."
    )


def _other_target(values: Values, materials: Sequence[Material]) -> list[Element]:
    names = ["dec", values["target"]] if values["target"] != "dec" else ["dec"]
    rows = []
    for name, material in zip(names, materials, strict=True):
        for update, step in enumerate(clustering_steps(material)):
            q = material.run[int(step)].probabilities
            if q is not None:
                rows.append((update, name, float(q.max(1).mean())))
    if not rows:
        return [Words("DEC has not made its first update yet.")]
    table = pd.DataFrame(rows, columns=["update", "target", "sure"])
    chart = teaching.lines(
        table, x="update", y="sure", by="target", title=("update", "mean largest share"), height=300
    )
    ends = [
        f"{name}: accuracy {start_and_end(m)[1]:.3f}"
        for name, m in zip(names, materials, strict=True)
    ]
    return [Words(" · ".join(ends)), Chart(chart, "Mean largest share over the updates by target")]


def _hard_target(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    dec, hard = (confidence(m, clustering_steps(m)[-1]) for m in materials)
    option = 0 if hard > dec + 0.02 else 1 if hard < dec - 0.02 else 2
    return option, (
        f"The mean largest share ends at {hard:.3f} with hard targets and at {dec:.3f} with "
        "DEC's. A hard target says 'all of it here' about every item, even those that lie in "
        "between."
    )


# -- 10: who teaches -----------------------------------------------------------------------------
FIFTHS = ("least sure fifth", "second", "third", "fourth", "surest fifth")


def right_by_fifth(material: Material, step: int) -> Array:
    """Share (5,) of right digits in each fifth of them by their largest share, least sure first."""
    from clustlab.analysis.matching import match_to_classes

    snapshot, labels = material.run[int(step)], material.dataset.labels
    q, clusters = snapshot.probabilities, snapshot.assignments
    assert q is not None
    assert labels is not None
    classes = match_to_classes(labels, clusters, q.shape[1], int(labels.max()) + 1)
    right = classes[clusters] == labels
    return np.array([part.mean() for part in np.array_split(right[q.max(1).argsort()], 5)])


def _by_fifth(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    steps = clustering_steps(material)
    if not len(steps):
        return [Words("The autoencoder is being trained; DEC itself begins after that.")]
    update = min(int(values["update"]), len(steps) - 1)
    right = right_by_fifth(material, steps[update])
    chart = teaching.bars(FIFTHS, right, title="share that is right", high=1.0, height=240)
    return [
        Words(
            f"Update {update} of {len(steps) - 1} · mean largest share "
            f"**{confidence(material, steps[update]):.3f}**"
        ),
        Chart(chart, f"Share of right digits by how sure DEC is of them, at update {update}"),
    ]


def _sure_and_right(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (material,) = materials
    steps = clustering_steps(material)
    first, last = (right_by_fifth(material, steps[i]) for i in (0, -1))
    gap = float(first[-1] - first[0])
    option = 0 if gap < 0.05 else 1 if gap <= 0.2 else 2
    return option, (
        f"{percent(first[-1], 0)} of the surest fifth are right, and {percent(first[0], 0)} of "
        "the least sure one. So the targets lean on those that are mostly right, and the others "
        f"follow, since one network moves them all. At the end it is {percent(last[-1], 0)} and "
        f"{percent(last[0], 0)}: where the sure ones are wrong, nothing in the loss says so."
    )


LESSON = Lesson(
    3,
    "dec",
    "DEC: learning from confident answers",
    "From distances to shares, from shares to a target, and the pull between the two.",
    methods=("dec", "idec"),
    terms={
        "Confidence": "The largest share or probability of an item: how sure the method is of it.",
        "Soft assignment": "The share with which an item belongs to each cluster; a row of q.",
        "Target distribution": "What DEC wants the shares to become: squared, balanced, "
        "rescaled; p.",
        "Degrees of freedom": "α of Student's t: the larger it is, the less weight far centres "
        "keep.",
        "KL divergence": "How far one distribution is from another, in nats; 0 if they are equal.",
        "Tolerance": "Share of changed labels below which DEC stops.",
        "Code": "The few numbers an encoder turns an item into; clusters are formed among codes.",
    },
    steps=(
        LessonStep(
            "From a distance to a share",
            "DEC never asks which centre is nearest. It gives each centre a share of the item, "
            "by a weight that falls with distance, and the shares add up to one: the broader a line, "
            "the larger the share. Drag the dot.",
            r"q_{ij} = \frac{(1 + \lVert z_i - \mu_j \rVert^2 / \alpha)^{-\frac{\alpha+1}{2}}}"
            r"{\sum_{j'} (1 + \lVert z_i - \mu_{j'} \rVert^2 / \alpha)^{-\frac{\alpha+1}{2}}}",
            {
                "z_i": "code of item i",
                r"\mu_j": "centre j",
                r"\alpha": "degrees of freedom",
                "q_{ij}": "share",
            },
            _one_item,
            Try(
                "α goes to 20. What does the largest share do?",
                ("It rises", "It falls", "It stays"),
                {"alpha": 20.0, "item": ((0.0, 0.6),)},
                _with_large_alpha,
            ),
            (ALPHA, Places("item", "Item", ((0.0, 0.6),))),
            explains=("dec.alpha", "idec.alpha"),
        ),
        LessonStep(
            "The scale of the code matters",
            "α is fixed at 1, so distance has a unit. If all codes and centres lie within a "
            "tenth of it, every centre is about equally near and gets about the same share.",
            r"q_{ij} \to \tfrac{1}{k} \quad\text{as}\quad "
            r"\max_{j'} \lVert z_i - \mu_{j'} \rVert \to 0",
            {
                "k": "number of clusters",
                "q_{ij}": "share of centre j in item i",
                r"\max_{j'}": "the farthest centre",
            },
            _scaled,
            Try(
                "The code shrinks to a hundredth. What are the shares then?",
                ("Nearly all decided", "Nearly even", "As before"),
                {"scale": 0.01},
                _tiny_scale,
            ),
            (Slider("scale", "Factor on all codes", 0.01, 5.0, 1.0, 0.01),),
            alarms=("uniform",),
        ),
        LessonStep(
            "From share to target",
            "The target squares each share, so that the larger ones gain. With γ = 1 and no "
            "division it would be the share itself, and nothing would be learned. It also "
            "divides by the size of the cluster, so that no cluster gains just by being big. "
            "Click a number.",
            r"p_{ij} = \frac{q_{ij}^{\gamma} / f_j}{\sum_{j'} q_{ij'}^{\gamma} / f_{j'}},"
            r"\quad f_j = \sum_i q_{ij}",
            {"p_{ij}": "target", "f_j": "size of cluster j", r"\gamma": "power, 2 in the paper"},
            _target_table,
            Try(
                "The division by the size is switched off. What does the heavy cluster a claim?",
                ("More items", "Fewer items", "As many"),
                {"divide": False, "power": 2.0},
                _without_division,
            ),
            (
                Slider("power", "Power γ", 1.0, 6.0, 2.0, 0.5),
                Switch("divide", "Divide by the size of the cluster", value=True),
            ),
            explains=("dec.gamma", "dec.delta", "idec.gamma", "idec.delta"),
        ),
        LessonStep(
            "Cluster sizes need the whole set",
            "The size of a cluster is a sum over all items. Some programs sum over each batch "
            "instead, which is quicker but makes a different target: the smaller the batch, the "
            "further off.",
            r"f_j = \sum_{i=1}^{n} q_{ij} \;\neq\; \sum_{i \in \text{batch}} q_{ij}",
            {"n": "number of all items", "f_j": "size of cluster j"},
            _batches,
            Try(
                "Batches of a single item. How does the target compare with the share?",
                ("It is sharper", "It is flatter", "It is the same"),
                {"size": 1.0},
                _batch_of_one,
            ),
            (Slider("size", "Batch size", 1, 150, 150, 1),),
        ),
        LessonStep(
            "The pull",
            "Training makes the shares more like the target. Each arrow shows where that pulls a "
            "code; here the codes move freely, while in DEC a network has to move them.",
            r"\begin{gathered} L = \sum_i \sum_j p_{ij} \ln\frac{p_{ij}}{q_{ij}}, \\"
            r"\Delta z_i \propto -\frac{\partial L}{\partial z_i} \end{gathered}",
            {
                "L": "KL divergence of P from Q",
                "p, q": "targets and shares",
                r"\Delta z_i": "move of code i",
            },
            _arrows,
            Try(
                "Whose arrows are longest on average, before the first update?",
                ("The least sure third", "The middle third", "The surest third"),
                {"updates": 0.0},
                _who_moves,
            ),
            (Slider("updates", "Updates done", 0, 30, 0, 1),),
        ),
        LessonStep(
            "The pull in a real run",
            "The same in a network on 1,797 digits. Move through the updates: the clouds tighten, "
            "and gaps open between them. With too large an η each step undoes more than it gains.",
            r"\theta \leftarrow \theta - \eta\, \frac{\partial}{\partial \theta}\,"
            r"\mathrm{KL}(P \,\Vert\, Q)",
            {r"\theta": "weights and centres", r"\eta": "learning rate"},
            _over_time,
            Try(
                "From the first update to the last: what does the mean largest share do?",
                ("It rises", "It falls", "It hardly moves"),
                {"update": 25.0},
                _surer,
            ),
            (Slider("update", "Update", 0, 25, 0, 1),),
            needs=lambda values: [quick_run("dec")],
            explains=(
                "dec.cluster_learning_rate",
                "dec.learning_rate",
                "dec.update_interval",
                "dec.max_updates",
            ),
            alarms=("divergence", "broke_off"),
        ),
        LessonStep(
            "When to stop",
            "DEC stops when hardly any label changes between two updates. The threshold is the "
            "tolerance. The rule needs no labels, and knows nothing of right and wrong.",
            r"\frac{1}{n} \sum_i \left[\, c_i^{(t)} \neq c_i^{(t-1)} \right] < \varepsilon",
            {"c_i^{(t)}": "cluster of item i at update t", r"\varepsilon": "tolerance"},
            _stop,
            Try(
                "The tolerance goes from 0.1% to 5%. When does DEC stop?",
                ("In less than half the time", "A little earlier", "At the same update"),
                {"tolerance": 5.0},
                _early_stop,
            ),
            (Slider("tolerance", "Tolerance in %", 0.1, 5.0, 0.1, 0.1),),
            needs=lambda values: [quick_run("dec")],
            explains=("dec.tolerance", "idec.tolerance"),
            alarms=("still", "churn"),
        ),
        LessonStep(
            "It depends on its start",
            "DEC begins with k-means on the code of an autoencoder. Three runs differ only in "
            "how long that autoencoder was trained: not at all, for 1 epoch, and for 12.",
            r"\begin{gathered} \mu^{(0)} = \text{k-means}(z), \\"
            r"z = \text{encoder}(x) \end{gathered}",
            {r"\mu^{(0)}": "first centres", "z": "codes of all items x"},
            _from_each_start,
            Try(
                "Without any pre-training, where does DEC end?",
                (
                    "As high as after 12 epochs",
                    "Below the start of the run with 12 epochs",
                    "In between",
                ),
                {},
                _no_start,
            ),
            needs=lambda values: starts(),
            explains=("dec.epochs", "dec.pretraining", "dec.layer_epochs", "dec.corruption"),
        ),
        LessonStep(
            "Other targets",
            "Sharpening is a choice. Hard targets are sure of everything at once; Sinkhorn's give "
            "every cluster about the same number of items.",
            r"\begin{aligned} \text{hard: } & p_{ij} = [\,j = \arg\max_{j'} q_{ij'}\,] \\"
            r"\text{sinkhorn: } & \textstyle\sum_i p_{ij} \approx \tfrac{n}{k} \end{aligned}",
            {"n": "items", "k": "clusters"},
            _other_target,
            Try(
                "Hard targets instead of DEC's: where does the mean largest share end?",
                ("Higher", "Lower", "At about the same value"),
                {"target": "hard"},
                _hard_target,
            ),
            (Choice("target", "Target", ("dec", "hard", "sinkhorn"), "hard"),),
            needs=lambda values: (
                [quick_run("dec")]
                + ([quick_run("dec", target=values["target"])] if values["target"] != "dec" else [])
            ),
            explains=("dec.target",),
        ),
        LessonStep(
            "Why sure items may teach",
            "Squaring widens the lead of the larger share: 0.8 beside 0.2 becomes 0.94 beside "
            "0.06, while 0.5 beside 0.5 stays even. So the sure items decide where the network "
            "goes. That helps as long as they are mostly right: here all digits are sorted by "
            "their largest share.",
            r"\frac{p_{ia}}{p_{ib}} = \left( \frac{q_{ia}}{q_{ib}} \right)^{2} \frac{f_b}{f_a}",
            {
                "a, b": "two clusters",
                "q, p": "shares and targets of item i",
                "f_a, f_b": "sizes of the clusters",
            },
            _by_fifth,
            Try(
                "Before the first update, how much more often is the surest fifth of the digits "
                "right than the least sure one?",
                ("Hardly, by less than 5 points", "By 5 to 20 points", "By more than 20 points"),
                {"update": 0.0},
                _sure_and_right,
            ),
            (Slider("update", "Update", 0, 25, 0, 1),),
            needs=lambda values: [quick_run("dec")],
        ),
    ),
)
