"""A small method that does everything a method may do, for tests of the engine."""

import errno
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
import torch

from clustlab import registry
from clustlab.context import Cell
from clustlab.params import batch_size, epochs, n_clusters, param
from clustlab.parts.inputs.network_input import Inputs
from clustlab.training import runner
from clustlab.types import Artefact, Cost, Paper, PlannedPhase, Snapshot

TROUBLES = {
    "bug": lambda: RuntimeError("the wheel came off"),
    "memory": lambda: MemoryError("Unable to allocate 9 TiB"),
    "cpu memory": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    "gpu memory": lambda: torch.OutOfMemoryError("CUDA out of memory."),
    "disk": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "file": lambda: PermissionError(errno.EACCES, "Permission denied", "/data/a.npy"),
    "package": lambda: ModuleNotFoundError("No module named 'umap'", name="umap"),
    "singular": lambda: torch.linalg.LinAlgError("The algorithm failed to converge"),
    "gpu": lambda: RuntimeError("CUDA error: an illegal memory access\nDevice-side details"),
}


@dataclass(frozen=True)
class Fake:
    """Two phases that draw from both generators, keep a network, an optimiser and an array."""

    name: ClassVar = "fake"
    title: ClassVar = "Fake"
    idea: ClassVar = "A line that learns little."
    paper: ClassVar = Paper("A. Nobody", 2020, "Nothing", "Nowhere")
    step_unit: ClassVar = "epoch"
    family: ClassVar = "classifier"
    loop: ClassVar = ("train", "cluster")
    accepts: ClassVar = ("points",)
    presets: ClassVar = MappingProxyType({"quick": {"epochs": 2}, "standard": {}, "paper": {}})

    n_clusters: int = n_clusters(3)
    warm_up: int = param(2, low=0, high=100, help="Epochs before clustering.")
    epochs: int = epochs(4)
    batch_size: int = batch_size(16)
    by_hand: bool = param(False, help="Descend without torch.optim, which takes long to import.")
    pace: float = param(0.0, low=0.0, high=60.0, help="Seconds that a batch takes.")
    stop_after: int = param(10_000, low=0, high=10_000, help="Epochs after which it is content.")
    trouble: Literal[
        "none",
        "bug",
        "memory",
        "cpu memory",
        "gpu memory",
        "disk",
        "file",
        "package",
        "singular",
        "gpu",
        "divergence",
        "outside",
    ] = param("none", help="What goes wrong in the second epoch of training.")

    def plan(self, n, shape):
        cost = Cost(linear=float(3 * n * 8))
        return [
            PlannedPhase("warm up", self.warm_up, cost, "pretrain", n),
            PlannedPhase("train", self.epochs, cost, "train", n),
        ]

    def iterate(self, items, ctx):
        inputs = Inputs(items, ctx.device)
        width = inputs.shape[0]
        layers = torch.nn.Linear(width, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, width)
        net = ctx.keep("net", torch.nn.Sequential(*layers))
        optimiser = None
        if not self.by_hand:
            optimiser = ctx.keep("optimiser", torch.optim.Adam(net.parameters(), lr=0.05))
        for _ in ctx.phase("warm up", 0 if ctx.is_warm else self.warm_up):
            loss = self._epoch(net, optimiser, inputs, ctx)
            yield self._snapshot(net, inputs, np.zeros((self.n_clusters, 8), np.float32), loss)
        draws = ctx.rng.choice(len(items), self.n_clusters, replace=False)
        centers = ctx.keep("centers", Cell(self._embed(net, inputs)[draws]))
        for i in ctx.phase("train", self.epochs):
            loss = self._epoch(net, optimiser, inputs, ctx)
            if i == self.stop_after:
                break
            if i == 1:
                loss = self._stumble(loss)
            centers.value = 0.9 * centers.value + 0.1 * ctx.rng.normal(size=centers.value.shape)
            yield self._snapshot(net, inputs, centers.value, loss)
        if self.trouble == "outside":
            yield self._snapshot(net, inputs, centers.value, loss)

    def _epoch(self, net, optimiser, inputs, ctx):
        ctx.at("train")
        net.train()
        total = 0.0
        for index in ctx.batches(len(inputs), self.batch_size):
            time.sleep(self.pace)
            x = inputs[index]
            loss = (net(x) - x).square().mean()
            net.zero_grad()
            loss.backward()
            if optimiser is not None:
                optimiser.step()
            else:
                with torch.no_grad():
                    for weights in net.parameters():
                        weights -= 0.05 * weights.grad
            total += loss.item()
        ctx.at("cluster")
        return total

    def _stumble(self, loss):
        if self.trouble in TROUBLES:
            raise TROUBLES[self.trouble]()
        return float("nan") if self.trouble == "divergence" else loss

    def _embed(self, net, inputs):
        net.eval()
        with torch.no_grad():
            return net[0](torch.cat(inputs.all())).float().cpu().numpy()

    def _snapshot(self, net, inputs, centers, loss):
        z = self._embed(net, inputs)
        distances = ((z[:, None] - centers) ** 2).sum(-1)  # (n, k)
        q = np.exp(-distances) + 1e-9
        sizes = np.bincount(distances.argmin(1), minlength=self.n_clusters)
        return Snapshot(
            embedding=z,
            assignments=distances.argmin(1),
            scalars={"loss": loss},
            probabilities=q / q.sum(1, keepdims=True),
            centers=centers,
            artefacts={
                "sizes": Artefact(
                    "bars", sizes[None], "Sizes", rows=("now",), cluster_axes=(1,), marked=(0,)
                )
            },
        )


def blocks(n, side=8):
    """Images of three kinds: bright top, middle or bottom; (n, side, side, 1) uint8."""
    rng = np.random.default_rng(0)
    items = rng.integers(0, 40, (n, side, side, 1)).astype(np.uint8)
    third = side // 3
    for i in range(n):
        items[i, third * (i % 3) : third * (i % 3) + third] += 200
    return items


def install(patch=setattr):
    """Make the fake the only method, and training as important as the rest of the machine."""
    patch(registry, "methods", lambda: MappingProxyType({"fake": Fake}))
    patch(runner, "NICE", 0)
