"""A code that is a posterior instead of a point, and a mixture of Gaussians as its prior.

Kingma and Welling 2014; with the mixture Jiang et al. 2017.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from clustlab.context import Context
from clustlab.parts.hooks.interventions import Wanted, changed_answers
from clustlab.parts.networks.variational import VariationalAutoencoder
from clustlab.parts.stages.autoencoding import rescale_code

LOG_TWO_PI = math.log(2 * math.pi)
FIRST_VARIANCE = 0.02  # of the posterior of an item, in a code of variance 1
SMALLEST_VARIANCE = 1e-3  # of a cluster that is fitted, in the same code
GONE = -1e4  # score of a share that is exactly 0, so that no gradient wakes it
POINT_VARIANCE = 0.01  # of a point around its drawing; pixels are drawn with probabilities


class MixturePriorAutoencoder(VariationalAutoencoder):
    """Autoencoder whose posteriors are at first narrow, since each shall lie in one component."""

    point_variance: ClassVar[float] = POINT_VARIANCE

    def __init__(self, shape: tuple[int, ...], widths: Sequence[int], code: int) -> None:
        super().__init__(shape, widths, code)
        # log-variances of the posterior, under their name in stored checkpoints
        self.spread = self.new_variance_layer(FIRST_VARIANCE)

    @property
    def variance_layer(self) -> nn.Linear:
        """Layer from the last hidden values to the logarithms of variances."""
        return self.spread

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction (b, *shape) of a batch of items, from the means of their posteriors."""
        # by way of the posterior: a gradient of 0 reaches the variances, so that the optimiser of
        # pre-training keeps a state of them, as it does in stored runs
        return self.decode(self.posterior_parameters(x).chunk(2, 1)[0])

    def posterior_parameters(self, x: Tensor) -> Tensor:
        """Means and log-variances side by side, (b, 2 code), of a batch of items."""
        return torch.cat(self.posterior(x), 1).float()

    def rescale(self, scale: float) -> None:
        """Multiply every code by a factor, in the weights; drawings stay what they are."""
        rescale_code(self, scale)
        with torch.no_grad():
            self.spread.bias.add_(2 * math.log(scale))


class Prior(nn.Module):
    """The mixture: a share, a mean and a variance per dimension for each of k clusters."""

    def __init__(self, k: int, d: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(k))  # shares are their softmax, so they sum to 1
        self.means = nn.Parameter(torch.zeros(k, d))
        self.log_variances = nn.Parameter(torch.zeros(k, d))

    def forward(self, z: Tensor) -> Tensor:
        """Logarithm of share times density, (n, k), of codes (n, d)."""
        return log_joint(z, self.scores.log_softmax(0), self.means, self.log_variances)


def log_joint(z: Tensor, log_shares: Tensor, means: Tensor, log_variances: Tensor) -> Tensor:
    """ln(pi_c N(z; mu_c, sigma_c^2)), (n, k); its softmax is gamma. Jiang et al. 2017, eq. 16.

    Parameters
    ----------
    z : Tensor
        Codes (n, d).
    log_shares : Tensor
        ln pi, (k,).
    means, log_variances : Tensor
        mu and ln sigma^2, (k, d).
    """
    squares = (z[:, None] - means).square() * (-log_variances).exp()
    density = -0.5 * (LOG_TWO_PI + log_variances + squares).sum(-1)
    return log_shares + density  # the share counts once, not in every dimension


def change_prior(prior: Prior, z: Tensor, wanted: Wanted, ctx: Context) -> None:
    """Merge, split, re-seed or scramble clusters of a mixture, in place.

    Those whose items in the code z (n, d) have changed are fitted to them anew; one without items
    has no share any more.
    """
    k = len(prior.scores)
    with torch.no_grad():
        answers = functional.one_hot(prior(z).argmax(1), k).to(z)
        after = changed_answers(z, answers, wanted, ctx)
        prior.scores.copy_(prior.scores.log_softmax(0))
        for cluster in ((after != answers).any(0)).nonzero()[:, 0].tolist():
            members = z[after[:, cluster] > 0]
            prior.scores[cluster] = math.log(len(members) / len(z)) if len(members) else GONE
            if len(members):
                variance = members.var(0, correction=0) + SMALLEST_VARIANCE
                prior.means[cluster] = members.mean(0)
                prior.log_variances[cluster] = variance.log()


def prior_divergence(
    mean: Tensor,
    log_variance: Tensor,
    gamma: Tensor,
    log_shares: Tensor,
    means: Tensor,
    log_variances: Tensor,
) -> Tensor:
    """KL of the posterior and the clusters of each item from the mixture, (n,) in nats.

    For one cluster with mean 0 and variance 1 that of a plain variational autoencoder. Jiang et
    al. 2017, all terms of eq. 12 but the first.

    Parameters
    ----------
    mean, log_variance : Tensor
        Of the posterior of each item, (n, d).
    gamma : Tensor
        Cluster probabilities (n, k) of the items.
    log_shares : Tensor
        ln pi, (k,).
    means, log_variances : Tensor
        mu and ln sigma^2 of the clusters, (k, d).
    """
    expected_squares = log_variance.exp()[:, None] + (mean[:, None] - means).square()
    crossed = (log_variances + expected_squares * (-log_variances).exp()).sum(-1)  # (n, k)
    tiny = torch.finfo(gamma.dtype).tiny
    clusters = (gamma * (gamma.clamp_min(tiny).log() - log_shares)).sum(1)
    return 0.5 * (gamma * crossed).sum(1) - 0.5 * (1 + log_variance).sum(1) + clusters
