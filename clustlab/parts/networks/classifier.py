"""A classifier without labels: a linear map or a small network with one softmax."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clustlab.context import Context
from clustlab.parts.hooks.output_units import Units
from clustlab.parts.hooks.scoring import ScoringChain
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.passes import embed

# Deviation of untrained weights, times 1 / sqrt(fan_in). IMSAT's code asks for 0.1 and 1e-4, of
# which the version of Chainer that it names takes the square roots.
HIDDEN_START, OUTPUT_START = math.sqrt(0.1), 0.01


class Rescaled(nn.Module):
    """Rows (b, d) of items (b, ...), (x - shift) * factor, with both kept beside the weights."""

    shift: Tensor
    factor: Tensor

    def __init__(self, shift: Tensor, factor: float) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("factor", torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        """Rows (b, d) of a batch of items."""
        return (x.flatten(1) - self.shift) * self.factor


class Classifier(nn.Module):
    """Scores (b, k) of items for clusters, whose softmax starts as good as uniform.

    Parameters
    ----------
    shape : tuple of int
        Shape of one item, (c, h, w) or (d,).
    widths : sequence of int
        Hidden layers, each with BatchNorm and ReLU; none for a linear map.
    k : int
        Number of clusters.
    shift : Tensor, optional
        What is taken away from a flattened item first, (d,); nothing by default.
    factor : float
        What it is multiplied by then.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: Sequence[int],
        k: int,
        *,
        shift: Tensor | None = None,
        factor: float = 1.0,
    ) -> None:
        super().__init__()
        size = math.prod(shape)
        layers: list[nn.Module] = [Rescaled(torch.zeros(size) if shift is None else shift, factor)]
        for width in widths:
            layers += [_linear(size, width, HIDDEN_START), nn.BatchNorm1d(width), nn.ReLU()]
            size = width
        self.trunk = nn.Sequential(*layers)  # its name in stored checkpoints
        self.head = _linear(size, k, OUTPUT_START)
        self.width = size

    def forward(self, x: Tensor) -> Tensor:
        """Scores (b, k) of a batch of items (b, *shape), in full precision."""
        return self.head(self.trunk(x)).float()

    def both(self, x: Tensor) -> Tensor:
        """Features and scores side by side, (b, width + k)."""
        features = self.trunk(x)
        return torch.cat((features.float(), self.head(features).float()), 1)

    def weights(self) -> list[Tensor]:
        """Weights of the linear layers, without offsets and BatchNorm."""
        return [m.weight for m in self.modules() if isinstance(m, nn.Linear)]

    def scorer(self) -> ScoringChain:
        """The same layers as a flat chain that ends in log-probabilities, in evaluation mode."""
        judging = (self.head, nn.LogSoftmax(1))
        return ScoringChain(self.trunk, judging, gives_log_probabilities=True).eval()


def _linear(before: int, after: int, start: float) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.normal_(layer.weight, std=start / math.sqrt(before))
    nn.init.zeros_(layer.bias)
    return layer


def answers(network: Classifier, inputs: Inputs, ctx: Context) -> tuple[Tensor, Tensor]:
    """Features (n, width) and scores (n, k) of all items, in evaluation mode."""
    out = embed(network, inputs, ctx, forward=network.both)
    features, scores = torch.split(out, [network.width, out.shape[1] - network.width], 1)
    return features, scores


def units(network: Classifier, inputs: Inputs, ctx: Context) -> Units:
    """What users change of a classifier in training: its last layer, (k, d).

    `inputs` is the whole set, whose hidden activations (n, d) changes are fitted to.
    """
    return Units(
        network.head.weight.detach(),
        network.head.bias.detach(),
        lambda: answers(network, inputs, ctx)[0],
        lambda x: network(x).log_softmax(1),
    )
