"""Networks to choose from, with the normalisation to choose, and a table of their layers."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from clustlab.errors import ParameterError
from clustlab.parts.networks.autoencoder import ConvEncoder
from clustlab.parts.networks.passes import evaluating

Backbone = Literal["small CNN", "MLP", "VGG-like", "ResNet-18", "small ViT"]
Normalisation = Literal["usual", "batch", "layer", "group", "none"]

MLP_WIDTHS = (500, 500, 2000, 10)  # Xie et al. 2016, section 4.2
GROUPS = 8
TOKENS = 8  # a small ViT cuts a side into about as many patches
HIDDEN, HEADS, BLOCKS = 96, 4, 4  # of a small ViT


def flat_norm(kind: Normalisation, width: int, *, track: bool = True) -> nn.Module:
    """Normalisation of rows (b, width); batch normalisation if it is left open."""
    if kind == "layer":
        return nn.LayerNorm(width)
    if kind == "group":
        return nn.GroupNorm(math.gcd(GROUPS, width), width)
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm1d(width, track_running_stats=track)


def map_norm(kind: Normalisation, width: int, *, track: bool = True) -> nn.Module:
    """Normalisation of maps (b, width, h, w); batch normalisation if it is left open."""
    if kind in ("layer", "group"):
        return nn.GroupNorm(1 if kind == "layer" else math.gcd(GROUPS, width), width)
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm2d(width, track_running_stats=track)


def encoder(
    kind: Backbone,
    shape: tuple[int, int, int],
    channels: Sequence[int],
    normalisation: Normalisation = "usual",
    *,
    track: bool = True,
) -> tuple[nn.Module, int]:
    """Network from images (b, c, h, w) to features (b, width), and their width.

    Parameters
    ----------
    kind : str
        One of `Backbone`.
    shape : tuple of int
        Shape of one image, (c, h, w).
    channels : sequence of int
        Output channels of the blocks of a small CNN or a VGG-like network; the others have theirs.
    normalisation : str
        One of `Normalisation`; "usual" is what the network was published with.
    track : bool
        False makes BatchNorm use the statistics of the present batch at evaluation too.

    Raises
    ------
    ParameterError
        If the normalisation does not fit the network.
    """
    norm = partial(map_norm, normalisation, track=track)
    if kind == "MLP":
        return mlp_encoder(math.prod(shape), MLP_WIDTHS, normalisation, track=track)
    if kind == "VGG-like":
        return _vgg(shape, channels, norm)
    if kind == "ResNet-18":
        return _resnet(shape, norm), 512
    if kind == "small ViT":
        return _vit(shape, normalisation), HIDDEN
    cnn = ConvEncoder(shape, channels, norm=norm)
    return cnn, cnn.width


def mlp_encoder(
    size: int, widths: Sequence[int], normalisation: Normalisation, *, track: bool = True
) -> tuple[nn.Module, int]:
    """Linear layers, each normalised and followed by a ReLU, over flattened items (b, ...)."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width in widths:
        linear = nn.Linear(size, width, bias=normalisation == "none")
        layers += [linear, flat_norm(normalisation, width, track=track), nn.ReLU()]
        size = width
    return nn.Sequential(*layers), size


def _vgg(
    shape: tuple[int, int, int], channels: Sequence[int], norm: Callable[[int], nn.Module]
) -> tuple[nn.Module, int]:
    """Two convolutions of 3x3 a block, halved after each (Simonyan and Zisserman 2015)."""
    before, side = shape[0], min(shape[1:])
    layers: list[nn.Module] = []
    for after in channels:
        for inner in (before, after):
            layers += [nn.Conv2d(inner, after, 3, padding=1), norm(after), nn.ReLU()]
        if side >= 4:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        before = after
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers), before * 4


def _resnet(shape: tuple[int, int, int], norm: Callable[[int], nn.Module]) -> nn.Module:
    """ResNet-18 whose first layer does not shrink the image, as small images need."""
    from torchvision.models import resnet18

    network = resnet18(norm_layer=norm)
    network.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    return network


def _vit(shape: tuple[int, int, int], normalisation: Normalisation) -> nn.Module:
    """Small vision transformer (Dosovitskiy et al. 2021) over square images."""
    from torchvision.models import VisionTransformer

    if normalisation not in ("usual", "layer", "none"):
        raise ParameterError(
            f"normalisation is {normalisation!r}, but a ViT normalises each patch by itself.",
            "Choose usual, layer or none, or another network.",
        )
    side = shape[1]
    if shape[2] != side:
        raise ParameterError(
            f"The images are {shape[1]} x {shape[2]}, but a ViT needs square ones.",
            "Choose another network.",
        )
    divisors = [d for d in range(1, side + 1) if side % d == 0]
    patch = min(divisors, key=lambda d: abs(d - side / TOKENS))
    norm: Any = nn.Identity if normalisation == "none" else partial(nn.LayerNorm, eps=1e-6)
    network = VisionTransformer(
        image_size=side,
        patch_size=patch,
        num_layers=BLOCKS,
        num_heads=HEADS,
        hidden_dim=HIDDEN,
        mlp_dim=2 * HIDDEN,
        norm_layer=norm,
    )
    network.conv_proj = nn.Conv2d(shape[0], HIDDEN, patch, patch)
    network.heads = nn.Identity()
    return network


def layers(network: nn.Module, shape: tuple[int, ...]) -> list[tuple[str, str, str, int]]:
    """Layers with weights in the order of use: part, kind, shape of its output, number of weights.

    A part is what the network itself calls it, such as its encoder.

    Found by hooks during one pass of two blank items; see `networks.macs`. A layer that is used
    again, as for the two kinds of pairs of a game, is listed once; one that is not, never.
    """
    layer_rows: dict[nn.Module, tuple[str, str, str, int]] = {}
    part = {m: name.split(".")[0].replace("_", " ") for name, m in network.named_modules()}

    def note(layer: nn.Module, _: Any, output: Any) -> None:
        out = output[0] if isinstance(output, tuple) else output
        weights = sum(p.numel() for p in layer.parameters())
        size = " x ".join(map(str, out.shape[1:]))
        layer_rows.setdefault(layer, (part[layer], _kind(layer), size, weights))

    whole = (nn.MultiheadAttention,)
    inner = {id(m) for w in network.modules() if isinstance(w, whole) for m in w.modules()}
    hooks = [
        layer.register_forward_hook(note)
        for layer in network.modules()
        if isinstance(layer, whole)
        or (id(layer) not in inner and not list(layer.children()) and list(layer.parameters()))
    ]
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    try:
        with evaluating(network):
            network(torch.zeros(2, *shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return list(layer_rows.values())


def _kind(layer: nn.Module) -> str:
    if isinstance(layer, nn.Conv2d):
        kernel = " x ".join(map(str, layer.kernel_size))
        return f"convolution {kernel}, stride {layer.stride[0]}"
    names: dict[type[nn.Module], str] = {
        nn.Linear: "linear",
        nn.MultiheadAttention: "attention",
        nn.BatchNorm1d: "batch norm",
        nn.BatchNorm2d: "batch norm",
        nn.LayerNorm: "layer norm",
        nn.GroupNorm: "group norm",
    }
    return names.get(type(layer), type(layer).__name__)
