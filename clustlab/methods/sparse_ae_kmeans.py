r"""# Sparse autoencoder + k-means

## Idea

Give an autoencoder not a narrow code but a wide one, here 200 units, and forbid it to use many of
them at once. Each unit answers with $a_j \in (0, 1)$, and its average over the items, $\hat\rho_j$,
should be a small number $\rho$ such as 0.05. Units that stray are punished by the divergence
between two coin tosses,

$$L = \frac{1}{2n} \sum_i \lVert x_i - \hat x_i \rVert^2
+ \beta \sum_j \mathrm{KL}(\rho \Vert \hat\rho_j) + \frac{\lambda}{2} \lVert W \rVert^2,
\qquad \mathrm{KL}(\rho \Vert \hat\rho)
= \rho \ln \frac{\rho}{\hat\rho} + (1 - \rho) \ln \frac{1 - \rho}{1 - \hat\rho} .$$

So every image must be described in a few words out of a large vocabulary, and each word comes to
mean something: a stroke, an arc, a blot. k-means compares images by the words they use. Codes are
scaled to length 1 first, since how many words an image needs says nothing about its class.

## What to watch

- The **dictionary** turns from noise into pen strokes.
- **Mean activation** of the units moves to the dashed target; **sparsity penalty** falls.
- **Activations** pile up near 0 with a thin tail: the tail carries the image. **Active units**
  counts it image by image; a 1 needs fewer than an 8.
- Raise the sparsity weight: atoms get larger and reconstructions blur.

## Where it fails

- The penalty holds only the average. If weights may grow, a unit can stay near $\rho$ for all items
  and whisper to a decoder that listens closely: nothing is sparse and the penalty is 0. Weight
  decay forbids that; set it to 0 and look at the activations.
- An average over a small batch is noise. Keep the batch at 128 or more.
- Strokes are not classes. On MNIST the clusters are little better than those of the pixels, and
  worse than those of a deep, narrow code.

## Source

Ng (2011), *Sparse autoencoder*, CS294A lecture notes, section 3; no clustering figure was
published for it.

Deviations: Adam on batches instead of L-BFGS on all items, linear reconstruction, units that start
at the target, errors scaled as if to 784 pixels, and codes of unit length for k-means.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab import params
from clustlab.context import Context
from clustlab.parts.hooks.scoring import UnitLength
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.autoencoder import Autoencoder
from clustlab.parts.networks.passes import embed, evaluating
from clustlab.parts.stages.autoencoding import WIDTHS_HELP, AutoencoderTraining
from clustlab.parts.stages.code_kmeans import CodeKMeans
from clustlab.types import Array, Artefact, MethodFamily, Paper

PIXELS = 784  # for which the weights of the penalties are meant; other items count as much
SAFE = 1e-6  # averages are kept this far from 0 and 1, where the divergence has no end
ACTIVE = 0.2  # activation above which a unit is counted as used
BINS = 20  # of the histogram of activations
ATOM_ROWS, ATOM_COLUMNS = 3, 12


def sparsity_penalty(activations: Tensor, target: float) -> Tensor:
    """Sum over the units of KL(target || mean activation) in nats, a scalar of at least 0.

    Ng 2011, section 3.

    Parameters
    ----------
    activations : Tensor
        Activations (b, m) in [0, 1] of a batch, of which each column is averaged.
    target : float
        Average wanted of every unit, in (0, 1).
    """
    mean = activations.mean(0).clamp(SAFE, 1 - SAFE)
    on = target * (math.log(target) - mean.log())
    off = (1 - target) * (math.log1p(-target) - (1 - mean).log())
    return (on + off).sum()


class SparseAutoencoder(Autoencoder):
    """Autoencoder whose code is a row of sigmoid units that start at the target activation."""

    def __init__(
        self, shape: tuple[int, ...], widths: tuple[int, ...], code: int, target: float
    ) -> None:
        super().__init__(shape, widths, code, overcomplete=True)
        last = self.pairs[-1][0]
        nn.init.constant_(last.bias, math.log(target / (1 - target)))
        self.encoder.append(nn.Sigmoid())

    def squared_weights(self) -> Tensor:
        """Sum of the squares of all weights, without biases."""
        weights = [layer.weight for pair in self.pairs for layer in pair]
        return torch.stack([weight.square().sum() for weight in weights]).sum()


@dataclass(frozen=True)
class SparseAutoencoderKMeans(CodeKMeans):
    """k-means on the sparse code of an autoencoder."""

    name: ClassVar[str] = "sparse-ae-kmeans"
    title: ClassVar[str] = "Sparse autoencoder + k-means"
    idea: ClassVar[str] = "Redraw items with few units out of many, then cluster by units used."
    paper: ClassVar[Paper] = Paper("Ng", 2011, "Sparse autoencoder", "CS294A lecture notes")
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "code"
    loop: ClassVar[tuple[str, ...]] = ("train", "encode", "cluster")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"epochs": 20, "batch_size": 128, "learning_rate": 2e-3},
        "standard": {},
        "paper": {"epochs": 400, "sparsity": 0.1, "weight_decay": 3e-3},
    }

    sparsity: float = params.param(
        0.05,
        low=0.001,
        high=0.5,
        log=True,
        help="Target for the average activation of every unit: about the share of the items that "
        "may use it.",
    )
    sparsity_weight: float = params.param(
        3.0,
        low=0.0,
        high=100.0,
        help="Weight of the sparsity penalty against half the squared error. 0 lets all units "
        "be used at once.",
    )
    weight_decay: float = params.param(
        1e-3,
        low=0.0,
        high=1.0,
        advanced=True,
        help="Weight of the squared weights. At 0, a weak activation can still have its full "
        "effect.",
    )
    hidden_widths: Literal["500-500-2000", "250-250-1000", "100-100-400", "none"] = params.param(
        "none", advanced=True, help=WIDTHS_HELP
    )
    code_size: int = params.param(
        200, low=2, high=2000, help="Number of units of the code, more than are used at a time."
    )

    def network(self, shape: tuple[int, ...]) -> SparseAutoencoder:
        """Untrained autoencoder for items of a shape (c, h, w) or (d,)."""
        return SparseAutoencoder(shape, self.widths, self.code_size, self.sparsity)

    def training(self, items: Array, ctx: Context) -> AutoencoderTraining:
        """Autoencoder in training on the items, before its first step."""
        return _Training(self, items, ctx)

    def code_encoder(self, inputs: Inputs, state: Mapping[str, Any]) -> nn.Sequential:
        """Encoder from items to the code at unit length, from the kept parts of a run."""
        return nn.Sequential(*super().code_encoder(inputs, state), UnitLength())


class _Training(AutoencoderTraining):
    """Training with the sparsity penalty; clusters are those of the code at unit length."""

    network: SparseAutoencoder

    def __init__(self, settings: SparseAutoencoderKMeans, items: Array, ctx: Context) -> None:
        super().__init__(settings, items, ctx)
        self.sparse = settings
        self._activations = torch.zeros(0)  # of the last call of `code`

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Loss of a batch, and its parts."""
        sparse = self.sparse
        a = self.network.encode(x).float()
        restored = self.network.decode(a).float()
        penalty = sparsity_penalty(a, sparse.sparsity)
        error = functional.mse_loss(restored, x)
        decay = sparse.weight_decay / 2 * self.network.squared_weights()
        return {
            "loss": error * PIXELS / 2 + sparse.sparsity_weight * penalty + decay,
            "reconstruction": error,
            "sparsity_penalty": penalty,
        }

    def code(self) -> Tensor:
        """Code (n, code) of all items at unit length."""
        self.ctx.at("encode")
        network = self.network
        self._activations = embed(network, self.inputs, self.ctx, forward=network.encode)
        return functional.normalize(self._activations, dim=1)

    def pictures(self, centers: Tensor) -> dict[str, Artefact]:
        """Reconstructions, and centres decoded at the usual length of a code."""
        return super().pictures(centers * self._activations.norm(dim=1).mean())

    def extras(self, z: Tensor) -> dict[str, Artefact]:
        """How sparse the code is, and what its units stand for."""
        a = self._activations
        target = torch.full_like(a[0], self.sparse.sparsity)
        counts = torch.histc(a, BINS, 0, 1) / a.numel()
        artefacts = {
            "activations": Artefact(
                "bars",
                counts[None].cpu().numpy(),
                "Activations of all units",
                reading="Share of the activations in each range: sparse if all but a thin tail "
                "is on the left.",
                rows=("share",),
                columns=tuple(f"{i / BINS:.2f}" for i in range(BINS)),
            ),
            "mean activations": Artefact(
                "bars",
                torch.stack((a.mean(0).sort(descending=True).values, target)).cpu().numpy(),
                "Mean activation of each unit",
                reading="Units in falling order beside the target: far above it is a unit that "
                "fires for all, at 0 one that is dead.",
                rows=("mean activation", "target"),
            ),
            "active units": Artefact(
                "per_item",
                (a > ACTIVE).float().mean(1, keepdim=True).cpu().numpy(),
                "Share of active units",
                reading="Share of the units above 0.2 for an item: plain items need fewer.",
                columns=("active",),
            ),
        }
        return {**artefacts, **self._dictionary()} if self.inputs.is_image else artefacts

    def _dictionary(self) -> dict[str, Artefact]:
        """What each of the most used units adds to an image when it is switched on."""
        a = self._activations
        most = (a > ACTIVE).float().mean(0).argsort(descending=True, stable=True)
        rows = min(ATOM_ROWS, -(-len(most) // ATOM_COLUMNS))
        shown = most[: rows * min(ATOM_COLUMNS, len(most))]
        off = a.mean(0).repeat(len(shown), 1)
        off[torch.arange(len(shown)), shown] = 0
        on = off.clone()
        on[torch.arange(len(shown)), shown] = 1
        with evaluating(self.network):
            atoms = (self.network.decode(on) - self.network.decode(off)).permute(0, 2, 3, 1)
        reading = "What a unit adds to the image (light) or takes away (dark); most used first."
        pixels = _grid(signed_images(atoms), rows)
        return {"dictionary": Artefact("images", pixels, "Dictionary", reading)}


def signed_images(x: Tensor) -> Array:
    """Images (b, h, w, c) uint8 of values of both signs, mid-grey at 0, each with its own range."""
    largest = x.abs().amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
    array: Array = ((x / largest + 1) * 127.5).round().cpu().numpy().astype(np.uint8)
    return array


def _grid(images: Array, rows: int) -> Array:
    """Images (b, h, w, c) in rows, (rows, columns, h, w, c); what does not fill a row is left."""
    columns = len(images) // rows
    return images[: rows * columns].reshape(rows, columns, *images.shape[1:])
