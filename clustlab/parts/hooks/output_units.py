"""Clusters of a classifier as units of its last layer: merged, split, re-seeded and scrambled.

Each unit is a row of weights and an offset, and a softmax over their scores gives the clusters.
Everything is drawn from `ctx.rng`, and only if there is something to change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab.context import Context
from clustlab.parts.clustering.kmeans import kmeans
from clustlab.parts.hooks.interventions import Wanted, change_rate, of_clusters
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.encoder import even_batch
from clustlab.parts.networks.passes import descend

GONE = -1e4  # offset of a unit whose softmax is exactly 0, so that no gradient wakes it
MARGIN = 2.0  # nats by which a new unit wins its item, and by half of which a half wins its centre
RIDGE = 1e-3  # of the fit of merged scores, as a share of the mean variance of the features


@dataclass(frozen=True)
class Units:
    """The last layer of a classifier, whose units are the clusters.

    Parameters
    ----------
    weight, offset : Tensor
        Rows (k, d) and offsets (k,) of the units; views, which are written to.
    features : callable
        Gives what the layer sees of all items, (n, d), as for a snapshot.
    log_probabilities : callable
        From a batch of items (b, *shape) to (b, k), with gradients.
    """

    weight: Tensor
    offset: Tensor
    features: Callable[[], Tensor]
    log_probabilities: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Learner:
    """A classifier in training: its network, what trains it, and the whole set."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    inputs: Inputs
    batch_size: int

    def intervene(self, units: Units, wanted: Wanted, ctx: Context) -> bool:
        """Carry out what is wanted: of the learning rate, then of the units, then `scramble`.

        True if clusters were changed.
        """
        change_rate(self.optimiser, wanted)
        if not of_clusters(wanted):
            return False
        with torch.no_grad():
            features = units.features()
            change_units(units.weight, units.offset, features, wanted, ctx)
            assignments = (features @ units.weight.T + units.offset).argmax(1)
        self.scramble(units.log_probabilities, assignments, wanted, ctx)
        return True

    def scramble(
        self,
        log_probabilities: Callable[[Tensor], Tensor],
        assignments: Tensor,
        wanted: Wanted,
        ctx: Context,
    ) -> None:
        """Train for one pass towards clusters drawn at random, on the items of scrambled ones.

        Units that are gone are not drawn.

        Parameters
        ----------
        log_probabilities : callable
            From a batch of items (b, *shape) to (b, k), with gradients.
        assignments : Tensor
            Present clusters (n,) of all items.
        """
        for intervention in wanted:
            if intervention.kind == "scramble":
                self._mislead(log_probabilities, assignments == intervention.clusters[0], ctx)

    def _mislead(
        self, log_probabilities: Callable[[Tensor], Tensor], members: Tensor, ctx: Context
    ) -> None:
        n = len(self.inputs)
        self.network.train()
        chance = torch.from_numpy(ctx.rng.random(n)).to(members.device, torch.float32)
        # all items pass, since batches of a single cluster would mislead BatchNorm
        for rows in ctx.batches(n, even_batch(n, self.batch_size)):
            mine = members[rows]
            if bool(mine.any()):
                member_log_p = log_probabilities(self.inputs[rows])[mine].float()
                living = (member_log_p > GONE / 2).any(0).nonzero()[:, 0]
                drawn = (chance[rows[mine]] * len(living)).long().clamp_max(len(living) - 1)
                descend(self.optimiser, functional.nll_loss(member_log_p, living[drawn]))


def change_units(
    weight: Tensor, offset: Tensor, features: Tensor, wanted: Wanted, ctx: Context
) -> None:
    """Merge, split and re-seed units, in place.

    Parameters
    ----------
    weight, offset : Tensor
        Rows (k, d) and offsets (k,).
    features : Tensor
        What the layer sees of all items, (n, d).
    """
    for intervention in wanted:
        scores = features @ weight.T + offset
        if intervention.kind == "merge":
            first, second = intervention.clusters
            _take_over(weight, offset, features, scores[:, [first, second]].logsumexp(1), first)
            offset[second] = GONE
        elif intervention.kind == "split":
            _split(weight, offset, features, scores.argmax(1), intervention.clusters[0], ctx)
        elif intervention.kind == "re-seed":
            _place(weight, offset, features, scores, intervention.clusters[0], ctx)


def _take_over(weight: Tensor, offset: Tensor, features: Tensor, wish: Tensor, unit: int) -> None:
    """Fit a unit by least squares so that its scores come near a wish (n,)."""
    middle = features.mean(0)
    x = (features - middle).cpu().double()
    lacking = (wish - features @ weight[unit] - offset[unit]).cpu().double()
    ridge = RIDGE * x.square().mean() * len(x) + torch.finfo(x.dtype).tiny
    square = x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype)
    step = torch.linalg.solve(square, x.T @ (lacking - lacking.mean())).to(weight)
    weight[unit] += step
    offset[unit] += lacking.mean().to(offset) - middle @ step


def _split(
    weight: Tensor, offset: Tensor, features: Tensor, labels: Tensor, unit: int, ctx: Context
) -> None:
    """Copy a unit to the one with the fewest items, so that each wins one half of its own."""
    members = features[labels == unit]
    if len(members) < 2 or len(offset) < 2:
        return
    sizes = torch.bincount(labels, minlength=len(offset))
    sizes[unit] = len(labels) + 1
    spare = int(sizes.argmin())
    one, other = kmeans(members, 2, ctx).centers
    apart = other - one
    step = apart * (MARGIN / apart.square().sum().clamp_min(torch.finfo(apart.dtype).tiny))
    border = (one + other) / 2 @ step
    weight[spare], offset[spare] = weight[unit] + step / 2, offset[unit] - border / 2
    weight[unit] -= step / 2
    offset[unit] += border / 2


def _place(
    weight: Tensor, offset: Tensor, features: Tensor, scores: Tensor, unit: int, ctx: Context
) -> None:
    """Draw an item that no other unit is sure of, and let a unit answer to what is like it."""
    others = [i for i in range(len(offset)) if i != unit and bool(offset[i] > GONE / 2)]
    if not others:  # there is nobody to win an item from
        return
    rest = scores[:, others]
    doubt = (1 - rest.softmax(1).amax(1)).cpu().double().numpy() + 1e-12
    item = int(ctx.rng.choice(len(doubt), p=doubt / doubt.sum()))
    middle = features.mean(0)
    away = features[item] - middle
    usual = rest.mean()
    step = away / away.square().sum().clamp_min(torch.finfo(away.dtype).tiny)
    weight[unit] = step * (rest[item].amax() + MARGIN - usual)
    offset[unit] = usual - middle @ weight[unit]
