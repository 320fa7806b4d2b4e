"""The library's own algorithms on points in the plane, for lessons: small, quick and repeatable."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from clustlab.analysis.shares import figure
from clustlab.course.figure import Link
from clustlab.types import Array, Dataset, Snapshot
from clustlab.views import theme

N = 240  # points of a toy shape: every method answers in a tenth of a second
BLOBS_EXTENT = (-2.1, 2.1, -1.38, 1.38)  # of a plane over the five blobs
MIXTURE_NOISE = 0.15
MIXTURE_STARTS = np.array([[-1.2, -0.6], [0.2, 1.0], [1.0, -0.9]])
NARROW = 0.05  # noise with which groups are narrow and far apart
GROUPS = {
    "blobs": 5,
    "anisotropic": 3,
    "unequal-variance": 3,
    "unequal-sizes": 3,
    "moons": 2,
    "circles": 2,
    "spirals": 2,
}


@cache
def toy(shape: str, noise: float = 0.1, seed: int = 0, n: int = N) -> Dataset:
    """Points of a shape with their true groups."""
    from clustlab.datasets.toy import Toy

    return Toy(shape=shape, n=n, noise=noise).load(seed, lambda _text, _share: None)  # type: ignore[arg-type]


def last_of(method: str, items: Array, n_clusters: int, **settings: Any) -> Snapshot:
    """Last snapshot of a method of the library on points."""
    from clustlab import params, registry
    from clustlab.context import Context

    built = params.build(registry.method(method), {"n_clusters": n_clusters, **settings})
    *_, last = built.iterate(items, Context(0))
    return last


@cache
def on_shape(method: str, shape: str, noise: float, seed: int, settings: tuple[Any, ...]) -> Any:
    """The same on a toy shape, kept for the next look."""
    return last_of(method, toy(shape, noise, seed).items, GROUPS[shape], **dict(settings))


def accuracy(dataset: Dataset, assignments: Array) -> float:
    """Share of points in the cluster that stands for their group."""
    from clustlab.analysis.metrics import clustering_accuracy

    assert dataset.labels is not None
    return clustering_accuracy(dataset.labels, assignments)


def half_steps(points: Array, starts: Array, count: int) -> list[tuple[Array, Array, float]]:
    """Centres (k, 2), clusters (n,) and inertia at the start and after each half round.

    Odd entries have just assigned, even ones have just moved. Nothing is assigned at the start:
    clusters are -1 and the inertia is nan.
    """
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import assign, means

    x, centers = (torch.as_tensor(np.asarray(a, np.float32)) for a in (points, starts))
    ctx, owner = Context(0), torch.full((len(points),), -1)
    states = [(np.asarray(starts, np.float64), owner.numpy(), float("nan"))]
    for i in range(count):
        if i % 2 == 0:
            owner = assign(x, centers, ctx).assignments
        else:
            centers = means(x, owner, centers, ctx)
        inertia = float((x - centers[owner]).square().sum())
        states.append((centers.double().numpy(), owner.numpy(), inertia))
    return states


@cache
def fitted_mixture(rounds: int, kind: str) -> tuple[Any, Array, float]:
    """Mixture after some rounds of EM, its responsibilities (n, 3) and mean log likelihood."""
    import torch

    from clustlab.parts.clustering.gaussian_mixture import expect, maximise

    points = toy("anisotropic", MIXTURE_NOISE).items
    x = torch.as_tensor(np.asarray(points, np.float64))
    first = torch.as_tensor(half_steps(points, MIXTURE_STARTS, 1)[-1][1])
    hard = torch.nn.functional.one_hot(first, 3).double()
    means = torch.as_tensor(MIXTURE_STARTS)
    mixture = maximise(x, hard, means, kind, 1e-3)  # type: ignore[arg-type]
    for _ in range(rounds):
        shares, _ = expect(x, mixture)
        mixture = maximise(x, shares, mixture.means, kind, 1e-3)  # type: ignore[arg-type]
    shares, likelihood = expect(x, mixture)
    return mixture, shares.numpy(), likelihood


def answers(mixture: Any, places: Array) -> tuple[Array, Array]:
    """Weight times density (n, k) of each component at some places, and responsibilities."""
    import torch

    from clustlab.parts.clustering.gaussian_mixture import log_joint

    joint = log_joint(torch.as_tensor(np.asarray(places, np.float64)), mixture)
    return joint.exp().numpy(), joint.softmax(1).numpy()


@cache
def bridge(seed: int = 0) -> Dataset:
    """Two round groups with a thin line of points between them, and their groups."""
    rng = np.random.default_rng(seed)
    sides = [rng.normal((x, 0), 0.22, (60, 2)) for x in (-1.0, 1.0)]
    line = np.stack([np.linspace(-0.6, 0.6, 16), rng.normal(0, 0.01, 16)], 1)
    labels = np.repeat(np.array([0, 1, 0, 1], np.int32), [60, 60, 8, 8])
    items = np.concatenate([*sides, line]).astype(np.float32)
    return Dataset("bridge", items, labels, ("left", "right"), "two groups and a bridge")


CONTEST: Mapping[str, tuple[str, dict[str, Any]]] = {
    "k-means": ("kmeans", {"n_init": 5}),
    "Gaussian mixture": ("gmm", {"n_init": 5}),
    "tree, Ward": ("agglomerative", {"linkage": "ward"}),
    "tree, single": ("agglomerative", {"linkage": "single"}),
    "spectral": ("spectral", {"n_init": 5}),
}


def scores(shape: str, seed: int, noise: float = NARROW) -> dict[str, float]:
    """Accuracy of each method on a shape."""
    data = toy(shape, noise, seed)
    return {
        name: accuracy(
            data, on_shape(method, shape, noise, seed, tuple(settings.items())).assignments
        )
        for name, (method, settings) in CONTEST.items()
    }


def of_kmeans(shape: str, seed: int = 0, noise: float = 2 * NARROW) -> tuple[Dataset, Array, Array]:
    """Points of a shape, their clusters by k-means as in the contest, and the means of these."""
    from clustlab.parts.inputs.components import means_of

    data = toy(shape, noise, seed)
    method, settings = CONTEST["k-means"]
    owner = on_shape(method, shape, noise, seed, tuple(settings.items())).assignments
    return data, owner, means_of(data.items, owner, GROUPS[shape])


@cache
def best_inertia() -> float:
    """Lowest inertia on five blobs among ten drawn starts."""
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.kmeans import kmeans

    return kmeans(torch.as_tensor(toy("blobs").items), 5, Context(0), n_init=10).inertia


def crosses(centers: Array) -> tuple[tuple[float, float, str], ...]:
    """Marks of centres in the colours of their clusters."""
    return tuple((float(x), float(y), theme.colour(i)) for i, (x, y) in enumerate(centers))


def lines_to(centers: Array, shares: Array, sign: str) -> tuple[Link, ...]:
    """A line from the first point to each centre, as broad as its share, which stands there."""
    return tuple(
        Link(0, x, y, colour, float(share), f"{i}: {sign} {figure(float(share), 2)}")
        for i, ((x, y, colour), share) in enumerate(zip(crosses(centers), shares, strict=True))
    )
