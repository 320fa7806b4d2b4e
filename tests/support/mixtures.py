"""What a ridge on the covariances may cost a mixture in one round."""

from clustlab.parts.clustering.gaussian_mixture import Mixture


def largest_fall(before: Mixture, after: Mixture, regularisation: float) -> float:
    """Limit on the fall of the mean log likelihood in one round; below 0 it must rise by as much.

    Scatter plus a ridge e is the covariance C that minimises log |C| + tr(C^-1 (scatter + e I)).
    So a round never lowers the mean log likelihood less e / 2 * sum_k w_k tr(C_k^-1), with the
    weights w of the new mixture. The likelihood alone may fall by what that penalty falls.

    Parameters
    ----------
    before, after : Mixture
        What the responsibilities were computed from, and what `maximise` made of them.
    """
    penalty = [m.factors().inverse().square().sum((1, 2)) for m in (before, after)]
    return float(regularisation / 2 * after.weights @ (penalty[0] - penalty[1]))
