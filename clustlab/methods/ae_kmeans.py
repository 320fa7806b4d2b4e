r"""# Autoencoder + k-means

## Idea

An autoencoder squeezes every item $x$ through a narrow code $z = f(x)$ of ten numbers and has to
draw it again from there. It is trained on nothing but the error of its drawings,

$$L = \frac1n \sum_i \lVert x_i - g(f(x_i)) \rVert^2 .$$

To use ten numbers well it must describe what varies: which stroke, how slanted, how bold. Items
that look alike get codes close to each other, even where their pixels differ. k-means on the code
then finds groups that it cannot see in the pixels.

This is the baseline for every method that trains clusters, and the starting point of DEC.

## What to watch

- **Reconstructions** get sharp within a few passes; the first thing lost is fine detail.
- In the **embedding** a cloud without order breaks into lobes.
- **Inertia** is measured on the code, whose scale changes while training: compare it with
  care.
- The spread between seeds is several points, and nothing but the draw of the first weights is
  behind it.
- More images help more than more passes: 45 passes of 10,000 digits reached an accuracy of 0.73,
  the 20 passes of 70,000 that DEC starts from 0.811 ± 0.011 (three seeds each), and 45 of
  70,000 0.824 (one seed).

## Where it fails

The code is trained to redraw, not to tell classes apart. Slant and thickness change more pixels
than the gap between 4 and 9, so they get more room in the code. On photographs most pixels are
background, and the groups found are groups of backgrounds.

## Source

Hinton and Salakhutdinov (2006), *Reducing the Dimensionality of Data with Neural Networks*,
Science 313; layers 500-500-2000-10 and k-means on the code as in Xie et al. (2016), section 4.

Deviations: Adam instead of gradient descent with momentum, pixels in [0, 1], far fewer passes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from clustlab.parts.stages.autoencoding import AutoencoderSettings
from clustlab.parts.stages.code_kmeans import CodeKMeans
from clustlab.types import MethodFamily, Paper, Reported


@dataclass(frozen=True)
class AutoencoderKMeans(CodeKMeans, AutoencoderSettings):
    """k-means on the code of an autoencoder."""

    name: ClassVar[str] = "ae-kmeans"
    title: ClassVar[str] = "Autoencoder + k-means"
    idea: ClassVar[str] = "Learn to redraw items from ten numbers, then cluster the ten numbers."
    paper: ClassVar[Paper] = Paper(
        "Hinton and Salakhutdinov",
        2006,
        "Reducing the Dimensionality of Data with Neural Networks",
        "Science 313",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist",
            0.818,
            "all 70,000, one network, 20 k-means starts, by their code",
            "Xie et al. 2016",
        ),
        Reported("mnist", 0.879, "all 70,000, mean of 10 runs", "a public Keras version of DEC"),
        Reported(
            "fashion-mnist", 0.606, "all 70,000, mean of 10 runs", "a public Keras version of DEC"
        ),
        Reported("usps", 0.709, "train + test, mean of 10 runs", "a public Keras version of DEC"),
    )
    step_unit: ClassVar[str] = "epoch"
    family: ClassVar[MethodFamily] = "code"
    loop: ClassVar[tuple[str, ...]] = ("train", "encode", "cluster")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"hidden_widths": "250-250-1000", "batch_size": 64, "epochs": 12},
        "standard": {"augmented": True, "batch_size": 64, "epochs": 45},
        "paper": {"pretraining": "layer-wise", "layer_epochs": 213, "epochs": 427},
    }
