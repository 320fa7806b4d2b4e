"""Scores of items for clusters, rebuilt from what a run has kept, as modules with gradients.

A scorer takes items as `Inputs` hands them out and returns one score per raw cluster, the higher
the closer: log-probabilities, or negative squared distances to the centres. As a `ScoringChain` it
also gives the features of an item that the method decides by. Nothing here draws a
random number, since another run may be training in the same process. Every ReLU is a module of
its own, so that guided backpropagation can take hold of it.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab.context import other_version
from clustlab.errors import ClustlabError
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.inputs.pca import principal_map
from clustlab.parts.inputs.sampling import fixed_order
from clustlab.parts.networks.encoder import even_batch
from clustlab.parts.networks.heads import Heads
from clustlab.parts.networks.passes import pass_size
from clustlab.types import Array

REFERENCE_BATCHES = 4  # batches whose statistics stand for those of any batch

M = TypeVar("M", bound=nn.Module)


def not_kept(reason: str) -> ClustlabError:
    """Error for a step at which a run has not kept what a score is made of."""
    return ClustlabError(
        f"The run has not kept what is needed to score items at this step: {reason}.",
        "Look at the last step of a run that has ended, or resume the run.",
    )


def phase_of(state: Mapping[str, Any]) -> str:
    """Phase that a checkpoint was made in; the last one if the run had ended."""
    return str(state["phase"] or state["finished"][-1])


def kept(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """State of a part by its name; raises `ClustlabError` if a run has not kept it."""
    if name not in state["parts"]:
        raise not_kept(f"{name!r} is missing from its checkpoint")
    part: Mapping[str, Any] = state["parts"][name]
    return part


def restored(make: Callable[[], M], state: Mapping[str, Any], name: str, device: torch.device) -> M:
    """Module with its kept weights, in evaluation mode, its weights without gradients."""
    with torch.device("meta"):  # first weights would be drawn from torch's generator otherwise
        module = make()
    try:
        module.load_state_dict(kept(state, name), assign=True)
    except RuntimeError as error:  # how torch says that sizes or names differ
        raise other_version(name) from error
    return module.to(device).eval().requires_grad_(False)


def in_order(inputs: Inputs) -> Iterator[Tensor]:
    """All items in batches, one at a time, since all of them as floats may not fit into memory."""
    n, size = len(inputs), pass_size(inputs.shape)
    for start in range(0, n, size):
        yield inputs[np.arange(start, min(start + size, n))]


class ScoringChain(nn.Sequential):
    """A scorer whose first layers see an item, and whose last ones judge what was seen.

    Parameters
    ----------
    seeing : iterable of Module
        From items (b, *shape) to rows (b, d), the features that clusters are told apart by.
    judging : iterable of Module
        From those rows to scores (b, k).
    gives_log_probabilities : bool
        Whether the scores are logarithms of probabilities that sum to 1.
    """

    def __init__(
        self,
        seeing: Iterable[nn.Module],
        judging: Iterable[nn.Module],
        *,
        gives_log_probabilities: bool = False,
    ) -> None:
        first = list(seeing)
        super().__init__(*first, *judging)
        self.n_seeing = len(first)
        self.gives_log_probabilities = gives_log_probabilities

    def seen(self, x: Tensor) -> Tensor:
        """Rows (b, d) float32 of items (b, *shape)."""
        for layer in itertools.islice(self, self.n_seeing):  # not `children`: one may stand twice
            x = layer(x)
        return x.float()

    def judged(self, rows: Tensor) -> Tensor:
        """Scores (b, k) of rows (b, d)."""
        for layer in itertools.islice(self, self.n_seeing, None):
            rows = layer(rows)
        return rows


class Affine(nn.Module):
    """Linear map (b, d) to (b, m) after the mean is taken away."""

    def __init__(self, mean: Tensor, basis: Tensor) -> None:
        super().__init__()
        self.mean = nn.Parameter(mean, requires_grad=False)
        self.basis = nn.Parameter(basis, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (b, m) of rows (b, d)."""
        return (x - self.mean) @ self.basis


class AsRows(nn.Module):
    """Items as rows of numbers (b, d), in the order of `inputs.features`."""

    def forward(self, x: Tensor) -> Tensor:
        """Rows (b, h * w * c) of images (b, c, h, w); points (b, d) as they are."""
        return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x


class UnitLength(nn.Module):
    """Rows scaled to length 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Rows (b, d) of rows (b, d)."""
        return functional.normalize(x, dim=1)


class Closeness(nn.Module):
    """Negative squared distances (b, k) of rows (b, d) to centres (k, d)."""

    def __init__(self, centers: Tensor) -> None:
        super().__init__()
        self.centers = nn.Parameter(centers.detach().clone(), requires_grad=False)

    def forward(self, z: Tensor) -> Tensor:
        """Scores (b, k), at most 0."""
        # expanded, since the differences of many rows of pixels would not fit into memory; from
        # the mean of the centres, since the expansion loses digits far from 0
        middle = self.centers.mean(0)
        z, c = z - middle, self.centers - middle
        cross = torch.addmm(c.square().sum(1), z, c.T, alpha=-2)
        return -(cross + z.square().sum(1, keepdim=True)).clamp_min(0)


class StudentT(nn.Module):
    """Logarithm of the Student-t soft assignment, from negative squared distances.

    Xie et al. 2016, eq. 1.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, closeness: Tensor) -> Tensor:
        """Log-probabilities (b, k) from scores (b, k) of `Closeness`."""
        weights = torch.log1p(-closeness / self.alpha) * (-(self.alpha + 1) / 2)
        return weights.log_softmax(1)


def nearest_center(encoder: nn.Module, centers: Tensor | Array) -> ScoringChain:
    """Scorer by the distance of what an encoder gives to centres (k, d)."""
    center_rows = torch.from_numpy(centers.copy()) if isinstance(centers, np.ndarray) else centers
    layers = list(encoder) if isinstance(encoder, nn.Sequential) else [encoder]
    example = next(encoder.parameters(), None)
    center_rows = center_rows if example is None else center_rows.to(example.device)
    seeing, reducing = before_components(layers)
    return ScoringChain(seeing, [*reducing, Closeness(center_rows)]).eval()


def before_components(layers: Iterable[nn.Module]) -> tuple[list[nn.Module], list[nn.Module]]:
    """Layers before components are taken, and those from there on.

    Components are those of the items of a run: what sets others apart from these lies beside them.
    """
    every = list(layers)
    n = next((i for i, layer in enumerate(every) if isinstance(layer, Affine)), len(every))
    return every[:n], every[n:]


def projected(
    encoder: nn.Sequential, inputs: Inputs, n_components: int, *, whiten: bool = False
) -> nn.Sequential:
    """Encoder followed by the principal components of what it gives for all items."""
    with torch.no_grad():
        features = torch.cat([encoder(batch).float() for batch in in_order(inputs)])
    return nn.Sequential(*encoder, Affine(*principal_map(features, n_components, whiten=whiten)))


def head_scorer(encoder: nn.Module, heads: nn.Module, chosen: int, inputs: Inputs) -> ScoringChain:
    """Log-probabilities of one of several heads, with BatchNorm that no other item can sway.

    A method whose BatchNorm uses the batch at hand gives an item another answer in another batch.
    Here the means and variances are fixed to those of the first batches of items in the fixed
    order in which the method itself looks at the whole set: those of its one batch exactly if
    there is but one, else the average over up to four.
    """
    if not isinstance(heads, Heads):
        raise TypeError(f"{type(heads).__name__} is not a group of heads")
    k = heads.n_clusters
    fix_statistics(encoder, reference_batches(inputs))
    rows = slice(chosen * k, (chosen + 1) * k)
    with torch.device("meta"):
        linear = nn.Linear(heads.linear.in_features, k)
    linear.weight = nn.Parameter(heads.linear.weight[rows].clone(), requires_grad=False)
    linear.bias = nn.Parameter(heads.linear.bias[rows].clone(), requires_grad=False)
    judging = (linear, nn.LogSoftmax(1))
    return ScoringChain([encoder], judging, gives_log_probabilities=True).eval()


def reference_batches(inputs: Inputs) -> list[Tensor]:
    """First batches of the fixed order, whose statistics stand for those of any batch."""
    n = len(inputs)
    size = even_batch(n, pass_size(inputs.shape))
    batches = np.array_split(fixed_order(n), math.ceil(n / size))[:REFERENCE_BATCHES]
    return [inputs[batch] for batch in batches]


def fix_statistics(network: nn.Module, batches: list[Tensor]) -> None:
    """Give every BatchNorm without running statistics the average of those of some batches."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    norms = [m for m in norms if m.running_mean is None]
    sums: dict[nn.Module, list[Tensor]] = {m: [] for m in norms}

    def measure(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        x = args[0]
        axes = [axis for axis in range(x.ndim) if axis != 1]
        # the biased variance is what BatchNorm divides by
        sums[module].append(torch.stack((x.mean(axes), x.var(axes, correction=0))))

    hooks = [m.register_forward_pre_hook(measure) for m in norms]
    try:
        with torch.no_grad():
            for batch in batches:
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for norm in norms:
        norm.running_mean, norm.running_var = torch.stack(sums[norm]).mean(0).unbind()
        norm.track_running_stats = True
        norm.eval()
