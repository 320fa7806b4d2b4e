"""Codes instead of pixels: principal components and autoencoders, plain, sparse and variational."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from clustlab.analysis.shares import percent
from clustlab.course.controls import Slider, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Words
from clustlab.course.lesson import Lesson, LessonStep, Material, Try
from clustlab.course.on_digits import quick_run
from clustlab.runs.store import RunSpec
from clustlab.types import Array
from clustlab.views import artefacts, sheets, teaching

SHOWN = 10  # images of digits side by side
ROWS = 5  # of the traversal
CODE = 10  # numbers that the plain and the variational code have


# -- runs, each used by several steps --------------------------------------------------------------
def pixel_runs() -> list[RunSpec]:
    """k-means on pixels and on principal components, with as much patience as on codes."""
    return [quick_run(name, n_init=20, max_iter=100) for name in ("kmeans", "pca-kmeans")]


def sparse_run() -> RunSpec:
    """A sparse code of 64 units, of which each shall be at 0.1 on average."""
    return quick_run("sparse-ae-kmeans", epochs=40, code_size=64, sparsity=0.1, learning_rate=5e-3)


def last(material: Material) -> int:
    """Number of the last step that there is."""
    return len(material.run) - 1


def accuracy(material: Material) -> float:
    """Accuracy at the last step."""
    return material.timeline.row(last(material))["acc"]


def enlarged(pixels: Array, factor: int) -> Array:
    """Picture (h, w, 3) uint8 with each pixel as a square."""
    return np.asarray(pixels.repeat(factor, 0).repeat(factor, 1))


# -- 1: principal components -----------------------------------------------------------------------
@cache
def digits() -> Array:
    """Images (1797, 8, 8, 1) uint8."""
    from clustlab.datasets.digits import Digits

    return Digits().load(0, lambda _text, _share: None).items


@cache
def components(count: int) -> tuple[Array, Array]:
    """Images rebuilt from so many components (n, h, w, 1), and the share of variance of each."""
    from clustlab.context import Context
    from clustlab.parts.inputs.components import Components

    pca = Components(digits(), count, Context(0))
    return pca.pictures(pca.z), pca.variance


def squared_error(rebuilt: Array) -> float:
    """Mean squared error of a pixel in [0, 1] over all digits."""
    return float(((rebuilt / 255.0 - digits() / 255.0) ** 2).mean())


def _rebuilt(values: Values, materials: Sequence[Material]) -> list[Element]:
    count = int(values["count"])
    pictures, variance = components(count)
    some = np.arange(SHOWN)
    both = np.concatenate([digits()[some], pictures[some]])
    pixels = sheets.atlas(both, np.arange(2 * SHOWN), tile=64, columns=SHOWN).pixels
    heads = min(count, 5)
    table = pd.DataFrame(
        {"share of variance": variance[:heads], "up to here": variance[:heads].cumsum()},
        index=[f"direction {j + 1}" for j in range(heads)],
    )

    def arithmetic(row: int, column: str) -> str:
        if column == "up to here":
            parts = " + ".join(f"{v:.3f}" for v in variance[: row + 1])
            return f"${parts} = {variance[: row + 1].sum():.3f}$"
        whole = float((digits() / 255.0).reshape(len(digits()), -1).var(0).sum())
        return (
            f"$\\lambda_{{{row + 1}}} / \\sum_p \\mathrm{{var}}(x_p) = "
            f"{variance[row] * whole:.3f} / {whole:.3f} = {variance[row]:.3f}$"
        )

    return [
        Words(
            f"**{count}** of 64 numbers keep **{percent(variance.sum())}** of the variance, with "
            f"an error of {squared_error(pictures):.4f} per pixel."
        ),
        Picture(pixels, f"Ten digits above, and below the same rebuilt from {count} numbers"),
        Numbers(table, arithmetic, "The first directions", start=(0, "share of variance")),
    ]


def _ten_numbers(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    _, variance = components(int(values["count"]))
    kept = float(variance.sum())
    return (0 if kept < 0.5 else 1 if kept <= 0.8 else 2), (
        f"{percent(kept)}; the first direction alone has {percent(variance[0])} and the tenth "
        f"{percent(variance[-1])}. Neighbouring pixels vary together, so a few directions say "
        "most of it."
    )


# -- 2: k-means on them ----------------------------------------------------------------------------
def _pixels_or_components(values: Values, materials: Sequence[Material]) -> list[Element]:
    _, linear = materials
    chart = teaching.bars(
        ["pixels", "components"],
        [accuracy(m) for m in materials],
        title="accuracy of k-means",
        high=1.0,
        height=130,
    )
    centroids = linear.run[last(linear)].artefacts["centroids"]
    kept = linear.run[last(linear)].scalars["variance_kept"]
    return [
        Words(f"The components keep **{percent(kept, 2)}** of the variance."),
        Chart(chart, "Accuracy of k-means on pixels and on principal components"),
        Picture(artefacts.images(centroids), "Centres of the clusters on components, as images"),
    ]


def _same_clusters(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    from clustlab.analysis.metrics import nmi

    pixels, linear = (accuracy(m) for m in materials)
    a, b = (m.run[last(m)].assignments for m in materials)
    option = 0 if linear > pixels + 0.02 else 1 if linear < pixels - 0.02 else 2
    return option, (
        f"{linear:.3f} against {pixels:.3f}, and the two divisions agree with an NMI of "
        f"{nmi(a, b):.2f}. Turning the axes keeps every distance, and what was dropped held little."
    )


# -- 3: autoencoder --------------------------------------------------------------------------------
def _redrawn(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    step = min(int(values["epoch"]), last(material))
    snapshot = material.run[step]
    errors = [
        (i, record["scalars"]["reconstruction"], "autoencoder")
        for i, record in enumerate(material.run.log)
        if "reconstruction" in record["scalars"]
    ]
    linear = squared_error(components(CODE)[0])
    errors += [(i, linear, f"{CODE} components") for i, _, _ in errors]
    table = pd.DataFrame(errors, columns=["epoch", "error", "code"])
    chart = teaching.lines(
        table, x="epoch", y="error", by="code", at=float(step), height=240,
        title=("epoch", "squared error per pixel"),
    )  # fmt: skip
    pictures = artefacts.images(snapshot.artefacts["reconstructions"])
    return [
        Words(f"After **{step}** passes: originals above, redrawn from {CODE} numbers below"),
        Picture(pictures, f"Twelve digits and how the network redraws them at epoch {step}"),
        Chart(chart, "Error over the epochs, beside that of ten principal components"),
    ]


def final_error(material: Material) -> float:
    """Last error of reconstruction that a run has reported."""
    logged = [r["scalars"] for r in material.run.log]
    return float([s["reconstruction"] for s in logged if "reconstruction" in s][-1])


def _bent_or_flat(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    bent, flat = final_error(materials[0]), squared_error(components(CODE)[0])
    option = 0 if bent < 0.9 * flat else 1 if bent > 1.1 * flat else 2
    return option, (
        f"Error {bent:.4f} against {flat:.4f} with {CODE} numbers each. Components are the best "
        "flat map; layers with a ReLU between them may bend, and digits do not lie on a plane."
    )


# -- 4: pixels against codes -----------------------------------------------------------------------
CALLED = ("pixels", "components", "autoencoder", "sparse", "variational")


def five_runs() -> list[RunSpec]:
    """One run of each representation."""
    return [*pixel_runs(), quick_run("ae-kmeans"), sparse_run(), quick_run("vae-kmeans")]


def _race(values: Values, materials: Sequence[Material]) -> list[Element]:
    rows = [
        (material.timeline.row(step)["acc"], name, step / max(last(material), 1))
        for name, material in zip(CALLED, materials, strict=True)
        for step in range(len(material.run))
    ]
    table = pd.DataFrame(rows, columns=["accuracy", "code", "share"])
    curves = teaching.lines(
        table,
        x="share",
        y="accuracy",
        by="code",
        title=("share of the run", "accuracy"),
        height=250,
    )
    bars = teaching.bars(
        CALLED, [accuracy(m) for m in materials], title="accuracy at the end", high=1.0, height=200
    )
    return [
        Chart(bars, "Accuracy of k-means on five representations of the digits"),
        Chart(curves, "The same over the course of each run"),
    ]


def reported(method: str) -> float:
    """Published accuracy on MNIST that the library notes first for a method."""
    from clustlab import registry

    known: Any = registry.method(method)
    return float(known.reported[0].acc)


def _does_it_pay(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    pixels, code = accuracy(materials[0]), accuracy(materials[2])
    option = 0 if code > pixels + 0.05 else 1 if code >= pixels - 0.05 else 2
    return option, (
        f"{code:.3f} on the code, {pixels:.3f} on the pixels. These digits are tiny and centred, "
        "so pixels line up, and short training adds little. For MNIST, Xie et al. (2016) report "
        f"{reported('ae-kmeans'):.3f} against {reported('kmeans'):.3f}."
    )


# -- 5: sparse -------------------------------------------------------------------------------------
def _sparse(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    step = min(int(values["epoch"]), last(material))
    snapshot = material.run[step]
    shares = np.asarray(snapshot.artefacts["activations"].data)[0]
    names = [f"{i / len(shares):.2f} and up" for i in range(0, len(shares), 2)]
    chart = teaching.bars(
        names, shares.reshape(-1, 2).sum(1), title="share of all activations", height=250
    )
    active = float(np.asarray(snapshot.artefacts["active units"].data).mean())
    return [
        Words(f"An image uses **{percent(active)}** of the units on average at epoch {step}."),
        Picture(
            artefacts.images(snapshot.artefacts["dictionary"]),
            "What the most used units add to an image",
        ),
        Chart(chart, "Histogram of the activations of all units"),
    ]


def _few_words(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (material,) = materials
    snapshot = material.run[last(material)]
    active = float(np.asarray(snapshot.artefacts["active units"].data).mean())
    units = np.asarray(snapshot.artefacts["mean activations"].data).shape[1]
    return (0 if active < 0.2 else 1 if active <= 0.5 else 2), (
        f"{percent(active)} of {units} units, about {active * units:.0f}. The penalty makes each "
        "unit rare, so an image is described by a few words out of many."
    )


# -- 6: the price of a cloud -----------------------------------------------------------------------
def price(mean: float, deviation: float) -> float:
    """Divergence in nats of a normal cloud from the standard one."""
    import torch

    from clustlab.methods.vae_kmeans import kl_to_prior

    squared = torch.tensor([deviation**2], dtype=torch.float64)
    return float(kl_to_prior(torch.tensor([mean], dtype=torch.float64), squared.log()))


def _price(values: Values, materials: Sequence[Material]) -> list[Element]:
    mean, deviation = values["mean"], values["spread"]
    cost = price(mean, deviation)
    far, narrow = mean**2 / 2, (deviation**2 - 1 - np.log(deviation**2)) / 2
    table = pd.DataFrame(
        {"for its place": [far], "for its width": [narrow], "KL": [cost]}, index=["one number"]
    )

    def arithmetic(row: int, column: str) -> str:
        if column == "for its place":
            return f"$({mean:g})^2 / 2 = {far:.3f}$"
        if column == "for its width":
            return f"$({deviation:g}^2 - 1 - \\ln {deviation:g}^2) / 2 = {narrow:.3f}$"
        return f"${far:.3f} + {narrow:.3f} = {cost:.3f}$ nats"

    curve = pd.DataFrame({"spread": np.linspace(0.05, 2, 80)})
    curve["nats"] = [price(mean, s) for s in curve["spread"]]
    chart = teaching.lines(
        curve, x="spread", y="nats", title=("width σ", "price in nats"), at=deviation, height=300
    )
    return [
        Numbers(table, arithmetic, "Price of one number of the code", start=(0, "KL")),
        Chart(chart, "Price over the width of the cloud"),
    ]


def _sharp_cloud(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    cost = price(values["mean"], values["spread"])
    return (0 if cost < 0.01 else 1 if cost <= 1 else 2), (
        f"It costs {cost:.2f} nats for every image. Being exact has a price, so a dimension that "
        "saves less than that in redrawing is given up."
    )


# -- 7: traversal ----------------------------------------------------------------------------------
def _traversal(values: Values, materials: Sequence[Material]) -> list[Element]:
    (material,) = materials
    step = min(int(values["epoch"]), last(material))
    snapshot = material.run[step]
    told = np.asarray(snapshot.artefacts["divergence"].data)[0]
    names = [f"dimension {j + 1}" for j in range(len(told))]
    bars = teaching.bars(names, told, title="nats carried by each dimension", height=210)
    path = snapshot.artefacts["traversal"]
    pictures = artefacts.images(replace(path, data=path.data[:ROWS], rows=path.rows[:ROWS]))
    active = snapshot.scalars["active_units"]
    return [
        Words(f"Epoch {step}: **{active:g}** of {len(told)} dimensions are in use."),
        Picture(pictures, "One digit, moved along five dimensions of the code"),
        Chart(bars, "Nats of each dimension"),
    ]


def _in_use(values: Values, materials: Sequence[Material]) -> tuple[int, str]:
    (material,) = materials
    snapshot = material.run[last(material)]
    told = np.asarray(snapshot.artefacts["divergence"].data)[0]
    active = int(snapshot.scalars["active_units"])
    return (0 if active == len(told) else 1 if active > len(told) / 2 else 2), (
        f"{active} of {len(told)}; the busiest carries {told.max():.2f} nats, the idlest "
        f"{told.min():.2f}. What does not save more than it costs is switched off, and moving it "
        "changes nothing in the image."
    )


EPOCH = Slider("epoch", "Epoch", 0, 12, 12, 1)

LESSON = Lesson(
    2,
    "representations",
    "Representations: what is clustered",
    "Few numbers instead of many pixels, four ways to get them, and what k-means makes of each.",
    methods=(
        "ae-kmeans",
        "pca-kmeans",
        "sparse-ae-kmeans",
        "vae-kmeans",
        "vade",
        "infomax-kmeans",
        "bigan-kmeans",
    ),
    terms={
        "Loss": "The number that training makes smaller.",
        "Epoch": "One pass of training over all items.",
        "Batch": "The items that one step of training looks at.",
        "Learning rate": "How far one step of training moves the weights.",
        "Features": "Numbers that a network computes from an item; codes and embeddings are such.",
        "Embedding": "The numbers by which a method clusters: one row per item, such as its code.",
        "PCA": "Principal component analysis: axes turned to the directions in which items differ "
        "most, of which the first few are kept.",
        "Principal component": "A direction in which items differ as much as possible.",
        "Whitening": "Scaling of directions so that all have the same variance.",
        "Autoencoder": "A network that squeezes an item into a code and redraws it from there.",
        "Reconstruction": "What a decoder draws from a code.",
        "Sparse code": "A code in which few of many units are active for any one item.",
        "Latent traversal": "Images decoded while one number of the code is moved and others rest.",
        "Active unit": "A dimension of a code whose value differs between items.",
    },
    steps=(
        LessonStep(
            "Fewer numbers for an image",
            "A digit here has 64 pixels. Principal components turn the axes towards the directions "
            "in which images differ most, and keep the first few. Click a number.",
            r"\begin{gathered} z_{ij} = (x_i - \bar x)^{\top} v_j, \\"
            r"\hat x_i = \bar x + \sum_{j=1}^{m} z_{ij} v_j \end{gathered}",
            {
                "z_{ij}": "component j of item i",
                r"\bar x": "mean image",
                "v_j": "direction j",
                r"\hat x_i": "rebuilt image",
                "m": "directions kept",
            },
            _rebuilt,
            Try(
                "10 of the 64 directions are kept. How much of the variance is that?",
                ("Less than half", "50 to 80%", "More than 80%"),
                {"count": 10.0},
                _ten_numbers,
            ),
            (Slider("count", "Directions kept", 1, 64, 3, 1),),
            explains=("pca-kmeans.n_components", "gmm.n_components", "spectral.n_components"),
        ),
        LessonStep(
            "A turn changes no distance",
            "k-means sees nothing but distances. As long as nearly all variance is kept, "
            "components give it the same distances in fewer numbers: quicker, not wiser.",
            r"\begin{aligned} \lVert x_i - x_{i'} \rVert^2 = {} & \lVert z_i - z_{i'} "
            r"\rVert^2 \\"
            r"& + \text{what was dropped} \end{aligned}",
            {"x": "pixels", "z": "components"},
            _pixels_or_components,
            Try(
                "k-means on 50 components instead of 64 pixels: what happens to its accuracy?",
                ("It rises", "It falls", "It stays within 0.02"),
                {},
                _same_clusters,
            ),
            needs=lambda values: pixel_runs(),
            explains=("pca-kmeans.whiten",),
        ),
        LessonStep(
            "Learn to redraw",
            "An autoencoder squeezes each image through ten numbers and has to draw it again. "
            "All it is told is the error of its drawing. Move through the epochs.",
            r"L = \frac{1}{n} \sum_i \lVert x_i - g(f(x_i)) \rVert^2",
            {"f": "encoder", "g": "decoder", "f(x_i)": "code of item i", "L": "loss"},
            _redrawn,
            Try(
                "Ten numbers of the autoencoder against ten components: who redraws better at "
                "the end?",
                ("The autoencoder", "The components", "Equal within a tenth"),
                {"epoch": 12.0},
                _bent_or_flat,
            ),
            (EPOCH,),
            needs=lambda values: [quick_run("ae-kmeans")],
            explains=(
                "ae-kmeans.epochs",
                "ae-kmeans.code_size",
                "ae-kmeans.hidden_widths",
                "ae-kmeans.learning_rate",
            ),
        ),
        LessonStep(
            "Pixels against codes",
            "The same k-means on five descriptions of the same digits. A code is trained to "
            "redraw, and nobody told it what we would like to tell apart.",
            r"c_i = \arg\min_j \lVert f(x_i) - \mu_j \rVert^2",
            {"c_i": "cluster of item i", "f(x_i)": "pixels or code", r"\mu_j": "centre j"},
            _race,
            Try(
                "On these digits, how does the autoencoder's code do against plain pixels?",
                ("Better by more than 0.05", "Within 0.05", "Worse by more than 0.05"),
                {},
                _does_it_pay,
            ),
            needs=lambda values: five_runs(),
            explains=("ae-kmeans.augmented", "sparse-ae-kmeans.epochs"),
        ),
        LessonStep(
            "Many words, few at a time",
            "A sparse code here has 64 units but may use each only rarely. Then each comes to "
            "stand for something: a ring, a bar, a blot. Light is what a unit adds, dark what it "
            "removes.",
            r"\begin{aligned} \mathrm{KL}(\rho \Vert \hat\rho_j) = {} & \rho \ln "
            r"\frac{\rho}{\hat\rho_j} \\"
            r"& + (1 - \rho) \ln \frac{1 - \rho}{1 - \hat\rho_j} \end{aligned}",
            {r"\rho": "target activation", r"\hat\rho_j": "mean activation of unit j"},
            _sparse,
            Try(
                "What share of the units is above 0.2 for an average image at the end?",
                ("Below 20%", "20 to 50%", "More than half"),
                {"epoch": 40.0},
                _few_words,
            ),
            (Slider("epoch", "Epoch", 0, 40, 40, 1),),
            needs=lambda values: [sparse_run()],
            explains=(
                "sparse-ae-kmeans.sparsity",
                "sparse-ae-kmeans.sparsity_weight",
                "sparse-ae-kmeans.weight_decay",
                "sparse-ae-kmeans.code_size",
            ),
        ),
        LessonStep(
            "The price of a code",
            "A variational autoencoder gives each item a small cloud instead of a point, and "
            "pays for every cloud that differs from one standard cloud shared by all.",
            r"\mathrm{KL} = \tfrac12 \left( \mu^2 + \sigma^2 - \ln \sigma^2 - 1 \right)",
            {r"\mu": "mean of the cloud", r"\sigma": "its width"},
            _price,
            Try(
                "The cloud stays at 0 but shrinks to a width of 0.1. What does that cost?",
                ("Nothing", "At most 1 nat", "More than 1 nat"),
                {"mean": 0.0, "spread": 0.1},
                _sharp_cloud,
            ),
            (
                Slider("mean", "Mean μ", -3.0, 3.0, 1.0, 0.1),
                Slider("spread", "Width σ", 0.05, 2.0, 1.0, 0.05),
            ),
            explains=("vae-kmeans.beta", "vae-kmeans.warmup_epochs"),
        ),
        LessonStep(
            "Move one number of the code",
            "Codes without gaps can be decoded anywhere. Each row takes one digit and moves one "
            "dimension from -3 to 3, the most used dimension first.",
            r"\begin{gathered} \hat x(t) = g(z_1, \dots, z_j = t, \dots, z_d), \\"
            r"t \in [-3, 3] \end{gathered}",
            {"g": "decoder", "z": "code of the digit", "t": "value of dimension j"},
            _traversal,
            Try(
                "The code has ten dimensions. How many of them are in use at the end?",
                ("All ten", "Six to nine", "Five or fewer"),
                {"epoch": 12.0},
                _in_use,
            ),
            (EPOCH,),
            needs=lambda values: [quick_run("vae-kmeans")],
            explains=("vae-kmeans.code_size", "vae-kmeans.epochs"),
        ),
    ),
)
