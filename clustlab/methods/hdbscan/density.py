"""Clusters as places of density: what is left of a tree of merges when small groups do not count.

A tree here comes from `linkage.merge_tree` by single linkage on mutual reachability. Density is
written as lambda, one over distance: it grows from the root of the tree to its leaves.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from clustlab.types import Array

NEAREST = 1e-9  # no distance counts as less than this share of the largest one


def mutual_reachability(squares: Array, min_samples: int) -> Array:
    """Distances (n, n) at which two items are both within a dense place, from squared distances.

    max(core(a), core(b), d(a, b)), with core the distance to the `min_samples`-th nearest item,
    the item itself being the first. Campello, Moulavi and Sander 2013, definitions 1 and 3.

    Parameters
    ----------
    squares : array
        (n, n) float32. Written over.
    """
    distances = np.sqrt(squares, out=squares)
    place = min(min_samples, len(distances)) - 1
    core = np.array([np.partition(row, place)[place] for row in distances], distances.dtype)
    np.maximum(distances, core, out=distances)
    return np.maximum(distances, core[:, None], out=distances)


@dataclass(frozen=True, slots=True)
class Condensed:
    """A tree of clusters, each of at least some size, with the items that fall out of each.

    Cluster 0 is the root and holds all; a child has a greater number than its parent.

    Parameters
    ----------
    parent, birth, size : array
        (clusters,) parent (-1 for the root), lambda at which it split off, and items then.
    fell_from, fell_at : array
        (n,) the last cluster that held each item, and lambda at which it fell out.
    """

    parent: Array
    birth: Array
    size: Array
    fell_from: Array
    fell_at: Array


def condense(tree: Array, min_cluster_size: int) -> Condensed:
    """Tree in which a split counts only if both sides have `min_cluster_size` items or more.

    Where only one side has, it goes on as the same cluster, and the items of the other fall out.
    Campello et al. 2013, section 4.
    """
    m = len(tree) + 1
    parts = tree[:, :2].astype(np.int64)
    sizes = np.append(np.ones(m, dtype=np.int64), tree[:, 3].astype(np.int64))
    least = max(NEAREST * float(tree[-1, 2]), float(np.finfo(np.float32).tiny))
    density = 1 / np.maximum(tree[:, 2], least)
    holder, fallen = np.zeros(2 * m - 1, dtype=np.int64), np.zeros(2 * m - 1)  # 0: not yet
    parent, birth, size = [-1], [0.0], [m]
    for node in range(2 * m - 2, m - 1, -1):
        pair, level = parts[node - m], density[node - m]
        holder[pair] = holder[node]
        if fallen[node]:
            fallen[pair] = fallen[node]
            continue
        counts = sizes[pair] >= min_cluster_size
        fallen[pair[~counts]] = level
        if counts.all():
            for child in pair.tolist():
                parent.append(int(holder[node]))
                birth.append(float(level))
                size.append(int(sizes[child]))
                holder[child] = len(parent) - 1
    clusters = np.array(parent), np.array(birth), np.array(size)
    return Condensed(*clusters, holder[:m], fallen[:m])


def stability(tree: Condensed) -> Array:
    """Excess of mass (clusters,) of each cluster: how long its items stay in it, in lambda.

    Campello et al. 2013, eq. 3.
    """
    lost = tree.fell_at - tree.birth[tree.fell_from]
    total = np.bincount(tree.fell_from, lost, len(tree.parent))
    born = tree.parent[1:]
    gone = tree.size[1:] * (tree.birth[1:] - tree.birth[born])
    mass: Array = total + np.bincount(born, gone, len(tree.parent))
    return mass


def most_stable(tree: Condensed) -> list[int]:
    """Clusters of greatest stability in sum, none within another, without the root.

    Campello et al. 2013, section 5: from the leaves upwards, a cluster gives way to those within
    it if they are more stable together.
    """
    own = stability(tree)
    best, within = own.copy(), np.zeros(len(own))
    chosen = np.zeros(len(own), dtype=bool)
    for cluster in range(len(own) - 1, 0, -1):
        chosen[cluster] = own[cluster] >= within[cluster]
        best[cluster] = max(own[cluster], within[cluster])
        within[tree.parent[cluster]] += best[cluster]
    for cluster in range(1, len(own)):  # what lies in a chosen one is not chosen
        above = tree.parent[cluster]
        if above and (chosen[above] or own[above] < 0):
            chosen[cluster] = False
            own[cluster] = -1.0
    return np.flatnonzero(chosen).tolist()


def numbers(tree: Condensed, chosen: list[int]) -> Array:
    """Place (clusters,) in `chosen` of each cluster or of the chosen one around it; -1 for none."""
    number = np.full(len(tree.parent), -1)
    number[chosen] = np.arange(len(chosen))
    for cluster in range(1, len(number)):
        if number[cluster] < 0:
            number[cluster] = number[tree.parent[cluster]]
    return number


def strengths(tree: Condensed, chosen: list[int]) -> Array:
    """How deep in its cluster each item lies, (n,) in [0, 1]; 0 for items in none.

    The density at which it falls out, as a share of the greatest in its cluster.
    """
    number = numbers(tree, chosen)[tree.fell_from]
    deepest = np.zeros(len(tree.parent))
    np.maximum.at(deepest, tree.fell_from, tree.fell_at)
    np.maximum.at(deepest, tree.parent[1:], tree.birth[1:])
    if not chosen:
        return np.zeros(len(number))
    of_cluster = deepest[np.array(chosen)][np.maximum(number, 0)]
    return np.where(number >= 0, np.minimum(tree.fell_at / of_cluster, 1.0), 0.0)


def condensed_nodes(tree: Condensed, chosen: list[int], n_leaves: int) -> Array:
    """Clusters as the data of an artefact of kind "tree", at most so many of them leaves.

    The height of a cluster is the distance at which those within it come together, or of one with
    none within, the least distance in it. The splits at the greatest distance are kept.
    """
    number, count = numbers(tree, chosen), len(tree.parent)
    within: list[list[int]] = [[] for _ in range(count)]
    for cluster in range(1, count):
        within[tree.parent[cluster]].append(cluster)
    deepest = np.zeros(count)
    np.maximum.at(deepest, tree.fell_from, tree.fell_at)
    split = np.array([tree.birth[w[0]] if w else d for w, d in zip(within, deepest, strict=True)])
    heights = 1 / np.maximum(split, np.finfo(np.float32).tiny)
    rows = [(-1, heights[0], tree.size[0], number[0])]
    waiting, leaves = [(-heights[0], 0, 0)], 1
    while waiting and leaves < n_leaves:
        _, cluster, row = heapq.heappop(waiting)
        leaves += max(0, len(within[cluster]) - 1)
        for child in within[cluster]:
            rows.append((row, heights[child], tree.size[child], number[child]))
            heapq.heappush(waiting, (-heights[child], child, len(rows) - 1))
    return np.array(rows, dtype=np.float32)
