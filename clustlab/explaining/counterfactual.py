"""The smallest change of an item that puts it into another cluster."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clustlab.errors import ClustlabError

MAX_STEPS = 50
OVERSHOOT = 0.02  # by which a step goes beyond the boundary it sees, as in the paper
RIVALS = 10  # clusters of the next best scores that are tried
REFINEMENTS = 10  # looks from a point on the boundary for a nearer one
GAIN = 1e-3  # share of the distance that a refinement must save
# shares of the way beyond the boundary: on it rounding decides, which differs with the batch
BEYOND = (1e-5, 1e-4, 1e-3, 1e-2)
GRID, ZOOMS = 64, 3  # of the line search: points and rounds
FARTHEST = 1.5  # that it looks at, in lengths of the way to the end
DOUBLINGS, BISECTIONS = 40, 40  # of the step length, where the limits cut a step off
FLAT = 1e-20  # square of a slope that leads nowhere

Limits = tuple[float, float] | None


@dataclass(frozen=True)
class Counterfactual:
    """An item beside its smallest change found; there may be a smaller one in a curved space."""

    item: Tensor  # (1, *shape) as it was
    changed: Tensor  # (1, *shape), just beyond the boundary
    cluster: int  # raw cluster before
    new_cluster: int  # raw cluster after
    distance: float  # Euclidean length of the change, in the unit of the item
    steps: int  # linear steps that were made


def counterfactual(
    scorer: nn.Module,
    x: Tensor,
    cluster: int,
    target: int | None = None,
    *,
    limits: Limits = (0.0, 1.0),
    max_steps: int = MAX_STEPS,
    beyond: Tensor | None = None,
) -> Counterfactual:
    """Smallest change found of an item within limits that changes its best score.

    Steps as in DeepFool (Moosavi-Dezfooli et al. 2016, algorithm 2), each to the nearest boundary
    of the linearised scores within the limits; then a line search back to the item, and looks for
    a nearer point of the boundary from there. Exact where differences of scores are linear.
    Draws nothing: same item, same answer.

    Parameters
    ----------
    scorer : Module
        Scores (b, k) of a batch; each row must not depend on the others.
    x : Tensor
        A batch of one item, (1, *shape).
    cluster : int
        Its cluster, which must have the highest score.
    target : int, optional
        The cluster to reach; any other by default.
    limits : (float, float) or None
        Range of every input.
    beyond : Tensor, optional
        Another item that is where the change shall lead: where no steps lead there, the search
        starts on the straight way to it.

    Raises
    ------
    ClustlabError
        If the item is not in that cluster, or no change was found.
    """
    x = x.detach()
    with torch.no_grad():
        scores = scorer(x)[0]
    best = int(scores.argmax())
    if best != cluster or target == cluster:
        raise ClustlabError(
            f"The scorer gives this item to cluster {best}; the change was meant to lead from "
            f"cluster {cluster} to {'any other' if target is None else target}.",
            "Choose the item's own cluster, and another one as the target.",
        )
    search = _Search(scorer, x, cluster, target, limits)
    now, steps = search.cross(scores, max_steps, beyond)
    now, refinements = search.refine(now)
    with torch.no_grad():
        new = int(scorer(now).argmax())
    return Counterfactual(x, now, cluster, new, float((now - x).norm()), steps + refinements)


@dataclass(frozen=True)
class _Search:
    """Search from one item for a boundary of its cluster."""

    scorer: nn.Module
    x: Tensor
    cluster: int
    target: int | None
    limits: Limits

    def cross(self, scores: Tensor, max_steps: int, beyond: Tensor | None) -> tuple[Tensor, int]:
        """A changed item (1, *shape) on the segment to where the steps led, and their number."""
        now, at = self.x, self.cluster
        for step in range(1, max_steps + 1):
            if self.target is None:
                order = scores.argsort(descending=True)
                rivals = order[order != self.cluster][:RIVALS]
            else:
                rivals = torch.tensor([self.target], device=self.x.device)
            now = self._step(now, at, rivals)
            with torch.no_grad():
                scores = self.scorer(now)[0]
            at = int(scores.argmax())  # the only wait for the device in a step
            if at == self.target or (self.target is None and at != self.cluster):
                changed = self._back(now)
                return (now if changed is None else changed), step
        changed = None if beyond is None else self._back(beyond)
        if changed is not None:
            return changed, max_steps
        wanted = "another cluster" if self.target is None else f"cluster {self.target}"
        raise ClustlabError(
            f"No change of this item was found within {max_steps} steps that leads to {wanted}.",
            "Its score may be flat here; try another target or another item.",
        )

    def refine(self, now: Tensor) -> tuple[Tensor, int]:
        """The nearest changed item found from one on the boundary, and the number of looks."""
        for look in range(REFINEMENTS):
            with torch.no_grad():
                new, old = self.scorer(now).topk(2).indices[0]  # the two that meet here
            value, slope = _margins(self.scorer, now, int(old), new[None])
            # of the plane that the boundary is at this point, the point nearest to the item
            need = -(value + (slope * (self.x - now)).flatten(1).sum(1))
            change, _ = _shortest(self.x, slope, need, self.limits)
            nearer = self._back(self.x + change)
            if nearer is None or (nearer - self.x).norm() > (1 - GAIN) * (now - self.x).norm():
                return now, look + 1
            now = nearer
        return now, REFINEMENTS

    def _step(self, now: Tensor, own: int, rivals: Tensor) -> Tensor:
        """Where the nearest of the linearised boundaries with some rivals is crossed."""
        values, slopes = _margins(self.scorer, now, own, rivals)
        need = -values * (1 + OVERSHOOT)
        # the margin alone vanishes as the boundary comes near, and steps would never cross it
        need = torch.maximum(need, 1e-6 * slopes.flatten(1).norm(dim=1))
        changes, reached = _shortest(now, slopes, need, self.limits)
        lengths = changes.flatten(1).norm(dim=1)
        lengths = torch.where(reached, lengths, torch.inf)
        order = torch.where(torch.isfinite(lengths).any(), lengths, -values)
        return _cut(now + changes[order.argmin()], self.limits)

    def _back(self, end: Tensor) -> Tensor | None:
        """First changed item (1, *shape) on the way from the item through an end; None if none."""
        low = torch.zeros((), device=end.device)
        high = torch.full((), FARTHEST, device=end.device)
        grid = torch.linspace(0, 1, GRID + 1, device=end.device)
        way, hit = end - self.x, torch.zeros(1, dtype=torch.bool)
        for _ in range(ZOOMS):
            places = low + (high - low) * grid
            rows = places.view(-1, *[1] * (self.x.ndim - 1))
            with torch.no_grad():
                best = self.scorer(_cut(self.x + rows * way, self.limits)).argmax(1)
            hit = self._arrived(best)
            first = hit.int().argmax()
            low, high = places[(first - 1).clamp_min(0)], places[first]
        if not bool(hit.any()):
            return None
        for beyond in BEYOND:
            changed = _cut(self.x + (high + beyond) * way, self.limits)
            with torch.no_grad():
                if bool(self._arrived(self.scorer(changed).argmax(1))):
                    return changed
        return None

    def _arrived(self, best: Tensor) -> Tensor:
        """Which rows with these best scores have changed as they should."""
        return best != self.cluster if self.target is None else best == self.target


def _margins(scorer: nn.Module, x: Tensor, own: int, rivals: Tensor) -> tuple[Tensor, Tensor]:
    """By how much each rival's score exceeds one's own, (m,), and the slopes (m, *shape)."""
    rows = x.detach().expand(len(rivals), *x.shape[1:]).clone().requires_grad_()
    scores = scorer(rows)
    values = scores.gather(1, rivals[:, None])[:, 0] - scores[:, own]
    (slopes,) = torch.autograd.grad(values.sum(), rows)
    return values.detach(), slopes


def _shortest(x: Tensor, slopes: Tensor, need: Tensor, limits: Limits) -> tuple[Tensor, Tensor]:
    """Shortest changes (m, *shape) of x that raise linear functions by what they need.

    Within limits that is a step along the slope, cut off at the limits, whose length is found by
    bisection. The second tensor (m,) tells which can be raised that far; the others get as far
    as they can.
    """
    columns = (-1, *[1] * (x.ndim - 1))

    def change(length: Tensor) -> Tensor:
        return _cut(x + length.view(columns) * slopes, limits) - x

    def gain(length: Tensor) -> Tensor:
        return (slopes * change(length)).flatten(1).sum(1)

    squares = slopes.flatten(1).square().sum(1)
    high = need / squares.clamp_min(FLAT)
    if limits is None:
        return change(high), squares > FLAT
    wanted = need * (1 - 1e-6)  # rounding must not make a full step look too short
    direct = gain(high) >= wanted
    low = torch.zeros_like(high)
    for _ in range(DOUBLINGS):
        short = gain(high) < wanted
        low, high = torch.where(short, high, low), torch.where(short, 2 * high, high)
    reached = gain(high) >= wanted
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        short = gain(middle) < wanted
        low, high = torch.where(short, middle, low), torch.where(short | direct, high, middle)
    return change(high), reached & (squares > FLAT)


def _cut(x: Tensor, limits: Limits) -> Tensor:
    return x if limits is None else x.clamp(*limits)
