"""A shallow decision tree that stands in for a clustering, and how faithful it is."""

from dataclasses import dataclass
from math import ldexp, nan
from typing import Any

import numpy as np

from clustlab.analysis import features
from clustlab.analysis.shares import percent
from clustlab.errors import ParameterError
from clustlab.types import Array, Report

DEPTHS = (1, 2, 3, 4, 5, 6)
SAMPLE = 5000  # items looked at, of which one half builds the trees and the other tests them


@dataclass(frozen=True, slots=True)
class Node:
    """A question about one figure, or at the end of a branch the answer."""

    id: int
    parent: int  # id of the node above, -1 for the first one
    is_yes: bool  # whether it is reached by a yes to the question above
    depth: int
    feature: str  # the question is whether this figure ...; empty for an answer
    threshold: float  # ... is at most this; nan for an answer
    cluster: int  # that most items here are in
    share: float  # of them, in [0, 1]
    n: int  # items of the half that built the tree which came here

    @property
    def question(self) -> str:
        """The question in words; empty for an answer."""
        return f"{self.feature} ≤ {self.threshold:.3g}" if self.feature else ""


@dataclass(frozen=True, slots=True)
class Surrogate:
    """Trees of rising depth with their fidelity."""

    fidelity: tuple[float, ...]  # share of held-out items put into their cluster, by `DEPTHS`
    baseline: float  # share of held-out items in the cluster that is largest among them
    trees: tuple[tuple[Node, ...], ...]  # by `DEPTHS`; each node comes after its parent
    n_used: int
    n_total: int

    def tree(self, depth: int) -> tuple[Node, ...]:
        """Nodes of the tree of a depth in `DEPTHS`."""
        return self.trees[DEPTHS.index(depth)]


def sample(n: int, seed: int = 0) -> Array:
    """Sorted numbers (<= 5,000,) of the items that are looked at."""
    if n <= SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False))


def surrogate(
    items: Array, clusters: Array, report: Report | None = None, seed: int = 0
) -> Surrogate:
    """Trees that predict the cluster of an item from its named figures, see `features.named`.

    Noise is no cluster, so it takes no part.

    Parameters
    ----------
    items : (n, h, w, c) uint8 or (n, d) float32
        All items.
    clusters : (n,) int
        Cluster of each item, -1 for noise.
    report : callable, optional
        Told how far it is.
    seed : int
        Draws the sample and its halves.
    """
    rows = sample(len(items), seed)
    x, names = features.named(items, rows, report)
    return fitted(x, names, np.asarray(clusters)[rows], len(items), report, seed)


def fitted(
    x: Array,
    names: tuple[str, ...],
    clusters: Array,
    n_total: int,
    report: Report | None = None,
    seed: int = 0,
) -> Surrogate:
    """The same from figures (m, f) that are there already, and the clusters (m,) of their items.

    Raises
    ------
    ParameterError
        If all of them are noise.
    """
    from sklearn.tree import DecisionTreeClassifier

    x, clusters = x[clusters >= 0], clusters[clusters >= 0]
    if not len(x):
        raise ParameterError(
            "There is no rule for clusters where all items are noise.", "Look at another step."
        )
    x, exponents = _near_one(x)
    order = np.random.default_rng(seed).permutation(len(x))
    half = max(len(x) // 2, 1)
    build, test = order[:half], order[half:]
    test = test if len(test) else build
    fidelity, trees = [], []
    for i, depth in enumerate(DEPTHS):
        if report:
            report(f"Growing a tree of depth {depth}", i / len(DEPTHS))
        model = DecisionTreeClassifier(max_depth=depth, random_state=seed)
        model.fit(x[build], clusters[build])
        fidelity.append(float((model.predict(x[test]) == clusters[test]).mean()))
        trees.append(_nodes(model, names, exponents))
    largest = np.bincount(clusters[test]).max() / len(test)
    return Surrogate(tuple(fidelity), float(largest), tuple(trees), len(x), n_total)


def _near_one(x: Array) -> tuple[Array, Array]:
    """Each column over a power of two, and the exponents (f,) of these.

    A tree of scikit-learn takes values that differ by less than 1e-7 for equal.
    """
    _, exponents = np.frexp(np.abs(x).max(0))
    return np.ldexp(x, -exponents), exponents


def _nodes(model: Any, names: tuple[str, ...], exponents: Array) -> tuple[Node, ...]:
    """Nodes of a fitted tree of scikit-learn, in the order of a walk that says yes first."""
    tree, nodes = model.tree_, []
    waiting = [(0, -1, True, 0)]
    while waiting:
        id_, parent, is_yes, depth = waiting.pop()
        yes, no = int(tree.children_left[id_]), int(tree.children_right[id_])
        is_leaf = yes < 0
        counts = tree.value[id_][0]
        best, feature = int(counts.argmax()), int(tree.feature[id_])
        threshold = nan if is_leaf else ldexp(tree.threshold[id_], int(exponents[feature]))
        nodes.append(
            Node(
                id=id_,
                parent=parent,
                is_yes=is_yes,
                depth=depth,
                feature="" if is_leaf else names[feature],
                threshold=threshold,
                cluster=int(model.classes_[best]),
                share=float(counts[best] / counts.sum()),
                n=int(tree.n_node_samples[id_]),
            )
        )
        if not is_leaf:
            waiting += [(no, id_, False, depth + 1), (yes, id_, True, depth + 1)]
    return tuple(nodes)


def rules(nodes: tuple[Node, ...]) -> str:
    """A tree as indented lines of text."""
    lines = []
    for node in nodes:
        word = ("yes: " if node.is_yes else "no: ") if node.parent >= 0 else ""
        answer = f"cluster {node.cluster} ({percent(node.share, 0)} of {node.n:,})"
        says = f"{node.question}?" if node.feature else answer
        lines.append("  " * node.depth + word + says)
    return "\n".join(lines)
