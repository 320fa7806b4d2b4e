"""The network that learns from the clusters of its own features, and how these are prepared."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab.parts.inputs.pca import principal
from clustlab.parts.networks.encoder import Encoder
from clustlab.types import Artefact

HEAD_DEVIATION = 0.01  # standard deviation of the weights of a new classifier


class Settings(Protocol):
    """What the network needs to know."""

    @property
    def n_features(self) -> int:
        """Width of the features."""

    @property
    def n_clusters_over(self) -> int:
        """Number of pseudo-labels."""

    def build_network(self, shape: tuple[int, ...]) -> Encoder:
        """Untrained encoder for items of a shape, (c, h, w) or (d,)."""


def normalised_features(features: Tensor, n_components: int, *, whiten: bool = True) -> Tensor:
    """Features (n, d) reduced to principal components with rows of unit length, (n, n_components).

    Caron et al. 2018, section 4: PCA, whitening, L2 normalisation.
    """
    return functional.normalize(principal(features, n_components, whiten=whiten), dim=1)


class Network(nn.Module):
    """Encoder, a hidden layer whose output before the ReLU is clustered, and a classifier."""

    def __init__(self, shape: tuple[int, ...], settings: Settings) -> None:
        super().__init__()
        self.trunk = settings.build_network(shape)  # its name in stored checkpoints
        self.hidden = nn.Linear(self.trunk.width, settings.n_features)
        self.head = nn.Linear(settings.n_features, settings.n_clusters_over)

    def features(self, x: Tensor) -> Tensor:
        """What is clustered: (b, n_features), before the last ReLU, which would halve it."""
        return self.hidden(self.trunk(x))

    def directions(self, x: Tensor) -> Tensor:
        """What the classifier sees, at unit length: (b, n_features), after the ReLU."""
        return functional.normalize(functional.relu(self.features(x)), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (b, k) of the pseudo-labels."""
        return self.head(functional.relu(self.features(x)))

    def body(self) -> list[nn.Parameter]:
        """Parameters of everything below the classifier."""
        return [*self.trunk.parameters(), *self.hidden.parameters()]

    def drawn_head(self) -> Tensor:
        """Weights (k, n_features) of a new classifier."""
        return torch.empty_like(self.head.weight).normal_(std=HEAD_DEVIATION)

    def begin_head(self, weight: Tensor) -> None:
        """Begin anew with the weights of a drawn classifier."""
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.zero_()

    def filters(self) -> dict[str, Artefact]:
        """First convolution as an artefact; nothing for points."""
        tiles = self.trunk.filters()
        if tiles is None:
            return {}
        reading = (
            "Each tile is what one filter responds to: noise at first, edges and strokes later."
        )
        return {"filters": Artefact("images", tiles, "Filters of the first layer", reading)}
