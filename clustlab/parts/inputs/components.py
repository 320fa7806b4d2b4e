"""Items on their leading principal components, and the way from there back to images."""

import numpy as np
import torch
from torch import Tensor

from clustlab import params
from clustlab.context import Context
from clustlab.parts.inputs.network_input import features
from clustlab.parts.inputs.pca import EXACT_WIDTH, FLOOR, principal_map
from clustlab.types import Array, Artefact, Cost

MOST_COMPONENTS, FEWEST_COMPONENTS = 50, 10
SNAPSHOT_VALUES = 500_000  # numbers of an embedding, 2 MB: more items keep fewer components
SEARCHES = 8  # products of the rows with a basis, for wide rows
SOME = 10_000  # rows that are squared at once
PICTURED = 24  # directions that are drawn


def n_components(default: int = 50) -> int:
    """Number of principal components, in one wording for all methods."""
    setting: int = params.param(
        default,
        low=1,
        high=500,
        log=True,
        help="How many directions of largest variance of the pixels or coordinates are kept.",
    )
    return setting


def shown_width(n: int) -> int:
    """Columns of an embedding of n items that a snapshot keeps, so that it stays small."""
    return int(np.clip(SNAPSHOT_VALUES // max(1, n), FEWEST_COMPONENTS, MOST_COMPONENTS))


def pca_cost(n: int, width: int, size: int) -> Cost:
    """Work of finding `size` components of n rows of a width."""
    if width <= EXACT_WIDTH:
        return Cost(linear=float(n * width * (width + size) + width**3))
    return Cost(linear=float(n * width * size * SEARCHES))


class Components:
    """Principal components of all items.

    Attributes
    ----------
    z : Tensor
        (n, m) float32, centred, the component of largest variance first.
    back : Tensor
        (d, m): the centred items are nearest to z @ back.T.
    """

    def __init__(
        self, items: Array, n_components: int, ctx: Context, *, whiten: bool = False
    ) -> None:
        ctx.poll()
        x = torch.from_numpy(features(items)).to(ctx.device)
        self.shape = items.shape[1:]
        self.mean, self.back = principal_map(x, n_components)
        x -= self.mean  # in place: there is no room for many copies
        self.z = x @ self.back
        tiny = torch.finfo(x.dtype).tiny
        kept = self.z.square().mean(0)
        starts = range(0, len(x), SOME)
        whole = torch.cat([x[at : at + SOME].square().sum(1) for at in starts]).mean()
        self.variance: Array = (kept / whole.clamp_min(tiny)).cpu().numpy()
        if whiten:
            deviations = torch.maximum(kept, kept[:1] * FLOOR).clamp_min(tiny).sqrt()
            self.z, self.back = self.z / deviations, self.back * deviations
        self._width = shown_width(len(x))

    @property
    def is_image(self) -> bool:
        """Whether the items are images."""
        return len(self.shape) == 3

    @property
    def shown(self) -> Array:
        """Leading columns (n, at most 50) of z, fewer if there are very many items."""
        return self.leading(self.z)

    def leading(self, z: Tensor) -> Array:
        """The columns of rows (b, m) that a snapshot keeps."""
        columns: Array = z[:, : self._width].cpu().numpy()
        return columns

    def pictures(self, z: Tensor) -> Array:
        """Images (b, h, w, c) uint8 that rows (b, m) of components stand for."""
        pixels = (z @ self.back.T + self.mean) * 255
        array: Array = pixels.round().clamp(0, 255).cpu().numpy().astype(np.uint8)
        return array.reshape(len(z), *self.shape)

    def centroids(self, centers: Tensor) -> Artefact:
        """Images of the centres (k, m)."""
        return _centroids(self.pictures(centers))

    def directions(self) -> Artefact:
        """Images of the leading directions."""
        drawn = self.back[:, :PICTURED].T
        largest = drawn.abs().amax(1, keepdim=True).clamp_min(torch.finfo(drawn.dtype).tiny)
        pixels = ((drawn / largest + 1) * 127.5).round().cpu().numpy().astype(np.uint8)
        return Artefact(
            "images",
            pixels.reshape(1, len(drawn), *self.shape),
            "Directions",
            reading="What changes along each component: bright pixels get lighter, dark ones "
            "darker; mid-grey does not change.",
            columns=tuple(str(i + 1) for i in range(len(drawn))),
        )

    def shares(self) -> Artefact:
        """Bars (2, m): share of the variance that each component has, and all up to it."""
        return Artefact(
            "bars",
            np.stack((self.variance, self.variance.cumsum())),
            "Variance kept",
            reading="Where the lower bars have become flat, further components add little.",
            rows=("of this component", "of all up to it"),
            columns=tuple(str(i + 1) for i in range(len(self.variance))),
        )


def mean_images(items: Array, assignments: Array, n_clusters: int) -> Artefact:
    """Mean of the images (n, h, w, c) uint8 of each cluster; black for an empty one.

    Noise (-1) belongs to none.
    """
    flat = items.reshape(len(items), -1)
    means = np.zeros((n_clusters, flat.shape[1]))
    for cluster in np.unique(assignments[assignments >= 0]):
        means[cluster] = flat[assignments == cluster].mean(0)
    pixels = means.round().clip(0, 255).astype(np.uint8)
    return _centroids(pixels.reshape(n_clusters, *items.shape[1:]))


def _centroids(pixels: Array) -> Artefact:
    return Artefact(
        "images",
        pixels[None],
        "Centroids",
        reading="The mean image of each cluster. A blurred one averages over items that differ.",
        cluster_axes=(1,),
    )


def means_of(rows: Array, assignments: Array, n_clusters: int) -> Array:
    """Mean (n_clusters, d) of the rows (n, d) of each cluster; that of all for an empty one.

    Noise (-1) belongs to none.
    """
    clustered = assignments >= 0
    own = assignments[clustered]
    sizes = np.bincount(own, minlength=n_clusters)[:, None]
    sums = [np.bincount(own, column, n_clusters) for column in rows[clustered].T]
    return np.where(sizes > 0, np.stack(sums, 1) / np.maximum(sizes, 1), rows.mean(0))
