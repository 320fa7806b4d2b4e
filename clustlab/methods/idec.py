r"""# IDEC: DEC that keeps its decoder

## Idea

DEC throws its decoder away and pulls the code towards the centres. Then nothing keeps the code
honest: it may forget what an item looks like if that makes the clusters tighter. IDEC keeps the
decoder and asks for both at once,

$$L = \frac1n \sum_i \lVert x_i - g(z_i) \rVert^2 + w \, \mathrm{KL}(p \Vert q) ,$$

with the soft assignment $q$ of the code to the centres and its sharpened target $p$ just as in DEC,
and a small weight $w = 0.1$ on the clusters. The first term keeps items apart that look different;
the second gathers those that are nearest to the same centre.

## What to watch

- **Decoded centres** stay images to the end. In DEC they turn to noise: compare the two.
- **Reconstruction** rises a little when clustering begins and then falls again: that rise is what
  the clusters cost. If it keeps rising, the weight is too large.
- **Divergence** falls, and more slowly than in DEC, since the decoder pulls the other way.
- **Share changed** falls below the tolerance, and training stops.

## Where it fails

- Like DEC it sharpens what it starts from: two digits that share a cluster at the step
  *initialise clusters* stay together.
- The two terms have different units. The same $w$ means more clustering on images that are easy
  to draw, where the first term is small, and less on those that are hard.
- With a large weight it is DEC; with a weight of 0 it is an autoencoder whose centres stay behind.
- On photographs the decoder keeps what makes up the pixels: colours and backgrounds.

## Source

Guo, Gao, Liu and Yin (2017), *Improved Deep Embedded Clustering with Local Structure
Preservation*, IJCAI, section 3; $w$ is their $\gamma$.

Deviations: end-to-end pre-training by default, pixels in [0, 1], fewer passes; the error of the
drawing is the mean over items and pixels, as in the authors' code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from clustlab import params
from clustlab.parts.networks.autoencoder import Autoencoder
from clustlab.parts.networks.cost import macs
from clustlab.parts.stages.embedded_clustering import EmbeddedSettings
from clustlab.types import Cost, MethodFamily, Paper, Reported


def idec_loss(reconstruction: Tensor, divergence: Tensor, weight: float = 0.1) -> Tensor:
    """Error of the drawings plus the weighted divergence of the clusters, a scalar.

    Guo et al. 2017, section 3. The weight is on the clusters: on the drawings it would make the
    clusters ten times stronger instead of weaker.
    """
    return reconstruction + weight * divergence


@dataclass(frozen=True)
class IDEC(EmbeddedSettings):
    """Deep embedded clustering with the decoder kept in the loss."""

    name: ClassVar[str] = "idec"
    title: ClassVar[str] = "IDEC"
    idea: ClassVar[str] = "Sharpen the clusters of a code from which items can still be redrawn."
    paper: ClassVar[Paper] = Paper(
        "Guo, Gao, Liu and Yin",
        2017,
        "Improved Deep Embedded Clustering with Local Structure Preservation",
        "IJCAI",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist", 0.881, "all 70,000, one run from DEC's weights, by its code", "Guo et al. 2017"
        ),
        Reported(
            "mnist",
            0.875,
            "all 70,000, without layer-wise start, runs not stated",
            "IDEC-toy, by its author",
        ),
        Reported("usps", 0.761, "train + test, one run, by its code", "Guo et al. 2017"),
    )
    step_unit: ClassVar[str] = "target update"
    family: ClassVar[MethodFamily] = "self-training"
    loop: ClassVar[tuple[str, ...]] = ("encode", "cluster", "target", "train")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "hidden_widths": "250-250-1000",
            "batch_size": 64,
            "epochs": 12,
            "update_interval": 30,
            "max_updates": 25,
        },
        "standard": {"augmented": True, "batch_size": 64, "epochs": 45, "max_updates": 30},
        "paper": {
            "pretraining": "layer-wise",
            "layer_epochs": 213,
            "epochs": 427,
            "update_interval": 140,
            "max_updates": 140,
        },
    }

    cluster_learning_rate: float = params.learning_rate(1e-3)
    cluster_weight: float = params.param(
        0.1,
        low=0.0,
        high=10.0,
        help="Weight of the clusters against the reconstruction. Larger values tighten the "
        "clusters more, and the code forgets more of the items.",
    )

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The sum and its two parts."""
        return ("loss", "reconstruction", "divergence")

    def trained(self, network: Autoencoder) -> list[nn.Parameter]:
        """Weights that follow the loss besides the centres: encoder and decoder."""
        return list(network.parameters())

    def forward_cost(self, network: Autoencoder) -> Cost:
        """Cost of coding and drawing one item."""
        return macs(network, network.shape)

    def losses(
        self, network: Autoencoder, x: Tensor, z: Tensor, divergence: Tensor
    ) -> list[Tensor]:
        """The loss and its two parts, as named; the same code is drawn and clustered."""
        reconstruction = functional.mse_loss(network.decode(z).float(), x)
        loss = idec_loss(reconstruction, divergence, self.cluster_weight)
        return [loss, reconstruction, divergence]
