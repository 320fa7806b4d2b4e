"""Searches, components and maps side by side: python -m tests.bench.layouts PART --items N.

Quality of a map: the share of items whose label is that of most of their 10 neighbours in the map,
and the trustworthiness of 15 neighbours (Venna & Kaski 2001), both over 2,000 drawn items. Ways
take turns in one process, except that what is imported first counts into its first call.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from clustlab.types import Array
from tests.bench.harness import report

QUERIES = 2000  # items that the quality of a map is measured on
WIDE_LIMIT = 20_000  # items beyond which searches are measured in few columns only
WIDTH = 32  # principal components that maps and searches start from


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=[*PARTS, "first"])
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--ways", nargs="*", help="only these")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=None, help="of t-SNE; by default each way's")
    args = parser.parse_args()
    rows = first_calls() if args.part == "first" else PARTS[args.part](args)
    report(f"Layouts: {args.part}", rows, **vars(args))
    return 0


def pixels(n: int) -> tuple[Array, Array]:
    """Pixels (n, 784) float32 in [0, 1] of images of MNIST, and which digits they show."""
    from clustlab import registry
    from clustlab.params import build

    data = build(registry.dataset("mnist"), {"n_samples": n}).load(0, lambda _text, _share: None)
    return data.items.reshape(len(data.items), -1).astype(np.float32) / 255, data.labels


def narrow(n: int) -> tuple[Array, Array]:
    """The same in their leading 32 principal components."""
    import torch

    from clustlab.parts.inputs.pca import principal

    x, labels = pixels(n)
    return principal(torch.from_numpy(x), WIDTH).numpy(), labels


def timed(way: Callable[[], Any], repeats: int) -> tuple[dict[str, float], Any]:
    """Seconds of the first call, of the processors in it, the least of later calls; its result.

    What else the machine does touches the seconds of the processors least.
    """
    seconds, busy, made = [], [], None
    for _ in range(1 + repeats):
        start, used = time.perf_counter(), time.process_time()
        made = way()
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - used)
    found = {"first": seconds[0], "first, busy": busy[0]}
    if repeats:
        found |= {"later": min(seconds[1:]), "later, busy": min(busy[1:])}
    return found, made


# -- what a fresh process pays -----------------------------------------------------------------
FRESH = {
    "import numpy": "import numpy",
    "import torch": "import torch",
    "import scikit-learn's neighbours": "from sklearn.neighbors import NearestNeighbors",
    "import openTSNE": "import openTSNE",
    "import umap": "import warnings; warnings.simplefilter('ignore'); from umap import umap_",
    "umap-learn's fuzzy graph of 300": "import numpy as np, warnings\n"
    "warnings.simplefilter('ignore')\nfrom umap import umap_\n"
    "umap_.fuzzy_simplicial_set(np.random.rand(300, 5).astype('f'), 15, "
    "np.random.RandomState(0), 'euclidean')",
    "our fuzzy graph of 300": "import numpy as np, torch\n"
    "from clustlab.context import Context\n"
    "from clustlab.parts.clustering.umap_layout import layout_of\n"
    "layout_of(torch.rand(300, 5), 15, 0.1, 100, Context())",
}


def first_calls() -> list[dict[str, Any]]:
    rows = []
    for name, code in FRESH.items():
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            taken.append(time.perf_counter() - start)
        rows.append({"fresh process": name, "seconds": min(taken)})
    return rows


# -- principal components ----------------------------------------------------------------------
def components(args: argparse.Namespace) -> list[dict[str, Any]]:
    import torch
    from sklearn.decomposition import PCA

    from clustlab.analysis.projection import pca_2d
    from clustlab.parts.inputs.pca import principal

    rows = []
    for width, (x, _) in {784: pixels(args.items), WIDTH: narrow(args.items)}.items():
        ways = {
            "pca_2d (numpy)": partial(pca_2d, x),
            "principal (torch)": lambda x=x: principal(torch.from_numpy(x), 2).numpy(),
            "scikit-learn": PCA(2, random_state=0, svd_solver="auto").fit_transform,
        }
        ways["scikit-learn"] = partial(ways["scikit-learn"], x)
        total = float(np.square(x - x.mean(0)).sum())
        for name, way in ways.items():
            taken, z = timed(way, args.repeats)
            kept = float(np.square(z).sum()) / total
            rows.append({"way": name, "width": width, **taken, "variance": kept})
    return rows


# -- nearest neighbours ------------------------------------------------------------------------
def neighbours(args: argparse.Namespace) -> list[dict[str, Any]]:
    import torch
    from sklearn.neighbors import NearestNeighbors

    from clustlab.analysis import nearest_neighbours
    from clustlab.context import Context
    from clustlab.parts.clustering import neighbour_graph

    ctx, k = Context(), 15
    rows = []
    wide = [] if args.items > WIDE_LIMIT else [pixels(args.items)[0]]
    for x in (*wide, narrow(args.items)[0]):
        t = torch.from_numpy(x - x.mean(0))
        ways: dict[str, Callable[[], Any]] = {
            "torch": lambda t=t: neighbour_graph.nearest(t, t, k, ctx, same=True)[0].numpy(),
            "numpy": lambda x=x: nearest_neighbours.k_nearest(x, k).indices,
            "scikit-learn": lambda x=x: (
                NearestNeighbors(n_neighbors=k, algorithm="brute")
                .fit(x)
                .kneighbors(return_distance=False)
            ),
            "pynndescent": partial(_descent, x, k),
        }
        exact = None
        for name, way in ways.items():
            if args.ways and name not in args.ways:
                continue
            taken, near = timed(way, args.repeats)
            exact = near if exact is None else exact
            same = np.mean(
                [len(np.intersect1d(a, b)) / k for a, b in zip(exact, near, strict=True)]
            )
            rows.append({"way": name, "width": x.shape[1], **taken, "same": float(same)})
    return rows


def _descent(x: Array, k: int) -> Array:
    import warnings

    warnings.simplefilter("ignore")
    from umap.umap_ import nearest_neighbors

    found = nearest_neighbors(x, k + 1, "euclidean", {}, False, np.random.RandomState(0))
    return found[0][:, 1:]


def one_item(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Neighbours of a single item, as the page about an item asks for them."""
    from clustlab.analysis import nearest_neighbours

    x, _ = narrow(args.items)
    way = partial(nearest_neighbours.k_nearest, x, 12, np.array([7]))
    return [{"way": "k_nearest of one", **timed(way, 10)[0]}]


# -- maps --------------------------------------------------------------------------------------
def maps(args: argparse.Namespace) -> list[dict[str, Any]]:
    x, labels = narrow(args.items)
    rows = []
    for name, way in WAYS.items():
        if args.ways and name not in args.ways:
            continue
        taken, y = timed(partial(way, x, args.rounds), args.repeats)
        rows.append({"way": name, **taken, **quality(x, y, labels)})
        print(rows[-1], flush=True)
    return rows


def _private(x: Array, rounds: int | None) -> Array:
    """The descent of before: scikit-learn's private gradient in a loop of our own, 300 rounds."""
    import os

    from sklearn.manifold import _t_sne
    from sklearn.neighbors import NearestNeighbors

    from clustlab.analysis.projection import pca_2d

    n, rounds = len(x), rounds or 300
    search = NearestNeighbors(n_neighbors=91, algorithm="brute").fit(x)
    distances = search.kneighbors_graph(mode="distance")
    distances.data **= 2
    affinities = _t_sne._joint_probabilities_nn(distances, 30.0, 0)
    places = pca_2d(x)
    places = (places * 1e-4 / places[:, 0].std()).ravel()
    step, gains = np.zeros_like(places), np.ones_like(places)
    affinities.data *= 12
    for i in range(rounds):
        if i == 100:
            affinities.data /= 12
        _, gradient = _t_sne._kl_divergence_bh(
            places, affinities, 1, n, 2, compute_error=False, num_threads=os.cpu_count() or 1
        )
        gains = np.maximum(np.where(step * gradient < 0, gains + 0.2, gains * 0.8), 0.01)
        step = (0.5, 0.8)[i >= 100] * step - max(n / 48, 50.0) * gains * gradient
        places = (places + step).astype(np.float32)
    return places.reshape(n, 2)


def _public(x: Array, rounds: int | None) -> Array:
    from sklearn.manifold import TSNE

    made = TSNE(init="pca", random_state=0, max_iter=rounds or 750, n_jobs=-1)
    return made.fit_transform(x)


def _open(x: Array, rounds: int | None) -> Array:
    from clustlab.analysis.projection import tsne_2d

    return tsne_2d(x, epochs=rounds)


def _umap_learn(x: Array, rounds: int | None) -> Array:
    from clustlab.analysis.projection import umap_2d

    return umap_2d(x, epochs=rounds)


def _umap_ours(x: Array, rounds: int | None) -> Array:
    import torch

    from clustlab.context import Context
    from clustlab.parts.clustering.umap_layout import boxed, layout_of
    from clustlab.parts.inputs.pca import principal

    ctx, z, rounds = Context(), torch.from_numpy(x), rounds or 200
    layout = layout_of(z, 15, 0.1, rounds, ctx)
    points = boxed(principal(z, 2))
    for epoch in range(rounds):
        layout.epoch(points, epoch, 1 - epoch / rounds, ctx)
    return points.numpy()


def quality(x: Array, y: Array, labels: Array) -> dict[str, float]:
    """Accuracy of 10 neighbours in the map, and trustworthiness of 15."""
    from clustlab.analysis.nearest_neighbours import k_nearest

    n, k = len(x), 15
    chosen = np.sort(np.random.default_rng(0).permutation(n)[:QUERIES])
    near = k_nearest(y, k, chosen).indices
    votes = np.stack([(labels[near[:, :10]] == digit).sum(1) for digit in range(10)], 1)
    squares, penalty = np.square(x).sum(1), 0.0
    for item, members in zip(chosen, near, strict=True):
        far = squares - 2 * x @ x[item]
        far[item] = -np.inf  # oneself has rank 0
        ranks = (far[None] < far[members][:, None]).sum(1)
        penalty += float(np.maximum(ranks - k, 0).sum())
    trust = 1 - 2 / (len(chosen) * k * (2 * n - 3 * k - 1)) * penalty
    return {"knn": float((votes.argmax(1) == labels[chosen]).mean()), "trust": trust}


WAYS: dict[str, Callable[[Array, int | None], Array]] = {
    "t-SNE, scikit-learn's private gradient": _private,
    "t-SNE, scikit-learn": _public,
    "t-SNE, openTSNE": _open,
    "UMAP, umap-learn": _umap_learn,
    "UMAP, ours": _umap_ours,
}
PARTS = {"components": components, "neighbours": neighbours, "one": one_item, "maps": maps}

if __name__ == "__main__":
    sys.exit(main())
