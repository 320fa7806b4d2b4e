"""An autoencoder whose code is a posterior instead of a point (Kingma and Welling 2014)."""

import math
from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from clustlab.parts.networks.autoencoder import Autoencoder


class VariationalAutoencoder(Autoencoder):
    """Autoencoder whose encoder also gives a variance; pixels are drawn as probabilities.

    A method says under which name its checkpoints keep the layer of the variances.
    """

    point_variance: ClassVar[float]  # of a coordinate around its drawing, at unit scale

    @property
    @abstractmethod
    def variance_layer(self) -> nn.Linear:
        """Layer from the last hidden values to the logarithms of variances."""

    def new_variance_layer(self, first_variance: float) -> nn.Linear:
        """Layer that at first gives all posteriors the same variance."""
        layer = nn.Linear(self.pairs[-1][0].in_features, self.code)
        nn.init.zeros_(layer.weight)
        nn.init.constant_(layer.bias, math.log(first_variance))
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction (b, *shape) of a batch of items, from the means of their posteriors."""
        return self.decode(self.posterior(x)[0])

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances, (b, code) each, of a batch of items."""
        hidden = self.encoder[:-1](x.flatten(1))
        return self.encoder[-1](hidden), self.variance_layer(hidden)

    def decode(self, z: Tensor) -> Tensor:
        """Mean (b, *shape) of p(x|z): in [0, 1] for images."""
        scores = super().decode(z)
        return scores.sigmoid() if len(self.shape) == 3 else scores

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """-ln p(x|z) up to a constant, (b,) in nats: summed over pixels or coordinates."""
        scores = super().decode(z).float()
        if len(self.shape) == 3:
            error = functional.binary_cross_entropy_with_logits(scores, x, reduction="none")
        else:
            error = (scores - x).square() / (2 * self.point_variance)
        return error.flatten(1).sum(1)
