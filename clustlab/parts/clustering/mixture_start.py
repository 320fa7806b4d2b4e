"""Where a Gaussian mixture starts: the division by k-means whose fit is likeliest in the end."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from clustlab.context import Context
from clustlab.parts.clustering.gaussian_mixture import Kind, Mixture, expect, maximise
from clustlab.parts.clustering.kmeans import Clustering, kmeans

USUAL_ROUNDS = 20  # of a fit until it settles, for the estimate of time


class Limits(NamedTuple):
    """When a fit ends."""

    max_iter: int  # rounds of expectation and maximisation at most
    tolerance: float  # least gain of a round in the mean log likelihood of an item, in nats


def answers_of(clustering: Clustering) -> Tensor:
    """Responsibilities (n, k) float64 on the CPU that are 1 for the cluster of each item."""
    return functional.one_hot(clustering.assignments.cpu(), len(clustering.centers)).double()


def fitted(
    x: Tensor, answers: Tensor, kind: Kind, regularisation: float, limits: Limits, ctx: Context
) -> tuple[Mixture, float]:
    """Mixture that a division leads to, and the mean log likelihood of the items under it.

    Parameters
    ----------
    x : Tensor
        Items (n, d) float64 on the CPU.
    answers : Tensor
        Responsibilities (n, k) to start from.
    kind, regularisation
        See `gaussian_mixture.maximise`.
    """
    means = x.mean(0).expand(answers.shape[1], -1)
    mixture = maximise(x, answers, means, kind, regularisation)
    answers, reached = expect(x, mixture)
    for _ in range(limits.max_iter - 1):
        ctx.poll()
        mixture, before = maximise(x, answers, mixture.means, kind, regularisation), reached
        answers, reached = expect(x, mixture)
        if reached - before < limits.tolerance:
            break
    return mixture, reached


def likeliest_start(
    z: Tensor,
    n_clusters: int,
    ctx: Context,
    kind: Kind,
    regularisation: float,
    n_init: int,
    limits: Limits,
) -> Clustering:
    """Of several single runs of k-means, the one whose mixture makes the items likeliest.

    The start of lowest inertia is another one where groups differ in width or are long: k-means
    would rather cut those. scikit-learn chooses among the starts of a mixture in the same way.

    Parameters
    ----------
    z : Tensor
        Items (n, d) float32.
    n_init : int
        Number of starts; a single one is not fitted.
    """
    starts = [kmeans(z, n_clusters, ctx) for _ in range(n_init)]
    if n_init == 1:
        return starts[0]
    x = z.cpu().double()
    fits = [fitted(x, answers_of(s), kind, regularisation, limits, ctx)[1] for s in starts]
    return starts[max(range(n_init), key=fits.__getitem__)]
