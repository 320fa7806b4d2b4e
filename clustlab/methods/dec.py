r"""# DEC: deep embedded clustering

## Idea

Start from an autoencoder and k-means on its code. Then let clusters and code shape each other:

1. **Soft assignment.** How near is item $i$ to centre $j$, compared with the other centres? A
   Student-t kernel answers:
   $$q_{ij} = \frac{(1 + \lVert z_i - \mu_j \rVert^2 / \alpha)^{-(\alpha + 1) / 2}}
   {\sum_{j'} (1 + \lVert z_i - \mu_{j'} \rVert^2 / \alpha)^{-(\alpha + 1) / 2}} .$$
2. **Target.** Square the answers, divide by the size of each cluster, and normalise:
   $$p_{ij} = \frac{q_{ij}^2 / f_j}{\sum_{j'} q_{ij'}^2 / f_{j'}}, \qquad f_j = \sum_i q_{ij} .$$
   Where the network is sure, $p$ is surer still; large clusters are held back.
3. **Train** encoder and centres to make $q$ more like $p$, by the loss
   $\mathrm{KL}(p \Vert q)$, while $p$ stays fixed. After some steps compute $p$ anew from all
   items.

No label is used: the network learns from its own confident answers.

## What to watch

- **Share changed** falls below 1%, and training stops when it is below the tolerance.
- Dots are pulled to their centres: lobes shrink to tight balls with bridges between them. Images
  on the bridges are the doubtful ones.
- **Target** beside **probabilities**: doubtful rows stay doubtful, sure ones become sure.
- **Decoded centres** are digits at first. The decoder is no longer trained while the code moves, so
  they turn to noise; that is no failure.
- What counts is the gain over the step *initialise clusters*, a few points.

## Where it fails

- DEC sharpens what it starts from. Two digits in one cluster stay together, and a cluster
  without items is never refilled. Train again from the finished state: fresh centres may help.
- If all codes are close together, all $q$ are equal, $p = q$, and nothing is learned. So the code
  is scaled once if the first answers are too unsure.
- After many updates every answer is sure, including the wrong ones.
- On photographs an autoencoder of pixels finds colours and backgrounds, and so does DEC.

## Source

Xie, Girshick and Farhadi (2016), *Unsupervised Deep Embedding for Clustering Analysis*, ICML,
eq. 1 to 3; copies of the items as in Guo et al. (2018), *Deep Embedded Clustering with Data
Augmentation*, ACML.

Deviations: end-to-end pre-training by default (layer-wise is a choice), Adam instead of gradient
descent with momentum, pixels in [0, 1], fewer passes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from clustlab.parts.losses.soft_assignment import (
    kl_divergence,
    soft_assignment,
    target_distribution,
)
from clustlab.parts.stages.embedded_clustering import EmbeddedSettings
from clustlab.types import MethodFamily, Paper, Reported

# the formulas of the paper stand in a part, since relatives use them, and are found here as well
__all__ = ["DEC", "kl_divergence", "soft_assignment", "target_distribution"]


@dataclass(frozen=True)
class DEC(EmbeddedSettings):
    """Deep embedded clustering."""

    name: ClassVar[str] = "dec"
    title: ClassVar[str] = "DEC"
    idea: ClassVar[str] = "Sharpen the clusters of a code by learning from its confident answers."
    paper: ClassVar[Paper] = Paper(
        "Xie, Girshick and Farhadi",
        2016,
        "Unsupervised Deep Embedding for Clustering Analysis",
        "ICML",
    )
    reported: ClassVar[tuple[Reported, ...]] = (
        Reported(
            "mnist", 0.843, "all 70,000, one run, last update, by their code", "Xie et al. 2016"
        ),
        Reported("mnist", 0.866, "all 70,000, from the weights of its authors", "Guo et al. 2017"),
        Reported("mnist", 0.912, "all 70,000, mean of 10 runs", "a public Keras version of DEC"),
        Reported(
            "mnist",
            0.985,
            "augmented, variant not named, all 70,000, mean of 5 by its code",
            "code of DEC-DA",
        ),
        Reported(
            "fashion-mnist", 0.618, "all 70,000, mean of 10 runs", "a public Keras version of DEC"
        ),
        Reported("usps", 0.764, "train + test, mean of 10 runs", "a public Keras version of DEC"),
    )
    step_unit: ClassVar[str] = "target update"
    family: ClassVar[MethodFamily] = "self-training"
    loop: ClassVar[tuple[str, ...]] = ("encode", "cluster", "target", "train")
    accepts: ClassVar[tuple[str, ...]] = ("images", "points")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "hidden_widths": "250-250-1000",
            "batch_size": 64,
            "epochs": 12,
            "update_interval": 30,
            "max_updates": 25,
            "cluster_learning_rate": 3e-4,
        },
        "standard": {"augmented": True, "epochs": 20, "max_updates": 30},
        "paper": {
            "pretraining": "layer-wise",
            "layer_epochs": 213,
            "epochs": 427,
            "update_interval": 160,
            "max_updates": 125,
        },
    }
