"""A game in which codes come to look like even noise: the prior matching of Deep InfoMax.

Hjelm et al. 2019, section 3.3. A discriminator D gives each code or draw of noise a score u, and
takes it for noise with probability 1 / (1 + exp(-u)).
"""

import torch
from torch import Tensor
from torch.nn import functional


def squash(z: Tensor) -> Tensor:
    """Codes in (0, 1), even if they were standard normal: the distribution function of those."""
    return torch.special.ndtr(z)


def discriminating_loss(codes: Tensor, noise: Tensor) -> Tensor:
    """Cross-entropy of telling codes from noise, a scalar in nats; ln 2 is guessing.

    Hjelm et al. 2019, eq. 7, of which D seeks the maximum: E[ln D(noise)] + E[ln(1 - D(codes))].
    Here the sign is turned and the two kinds are averaged.

    Parameters
    ----------
    codes, noise : Tensor
        Scores (b, 1) of codes and of as many draws of noise, high if taken for noise.
    """
    # ln D is -softplus(-u), and ln(1 - D) is -softplus(u)
    return (functional.softplus(codes) + functional.softplus(-noise)).mean() / 2


def deceiving_loss(codes: Tensor) -> Tensor:
    """-E[ln D(codes)], a scalar in nats that falls as codes are taken for noise; ln 2 is guessing.

    It has the aim of the encoder in eq. 7, the minimum of E[ln(1 - D(codes))], but a slope where
    the discriminator is sure.

    Parameters
    ----------
    codes : Tensor
        Scores (b, 1) of codes, high if taken for noise.
    """
    return functional.softplus(-codes).mean()
