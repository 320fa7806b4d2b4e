"""Networks to choose from, their normalisation and layers, and the switches of changed copies."""

import numpy as np
import pytest
import torch
from torch import nn

from clustlab import registry
from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.parts.inputs.augmentation import Augmentation
from clustlab.parts.networks import backbones, encoder

SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 96, 96))
NETWORKS = ("small CNN", "MLP", "VGG-like", "ResNet-18", "small ViT")
KINDS = {"batch": nn.modules.batchnorm._BatchNorm, "layer": nn.LayerNorm, "group": nn.GroupNorm}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_takes_every_image(kind, shape):
    network, width = backbones.encoder(kind, shape, (8, 16))
    with torch.no_grad():
        out = network.eval()(torch.rand(3, *shape))
    assert out.shape == (3, width)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("norm", ["usual", "batch", "layer", "group", "none"])
@pytest.mark.parametrize("kind", ["small CNN", "MLP", "VGG-like", "ResNet-18"])
def test_the_chosen_normalisation_and_no_other_is_used(kind, norm):
    network, _ = backbones.encoder(kind, (1, 28, 28), (8, 16), norm)
    used = {type(m).__name__ for m in network.modules() if "Norm" in type(m).__name__}
    flat = kind == "MLP"
    batch, layer = ("BatchNorm1d", "LayerNorm") if flat else ("BatchNorm2d", "GroupNorm")
    wanted = {"usual": {batch}, "batch": {batch}, "layer": {layer}, "group": {"GroupNorm"}}
    assert used == wanted.get(norm, set())
    if norm == "layer" and not flat:
        assert {m.num_groups for m in network.modules() if isinstance(m, nn.GroupNorm)} == {1}


def test_a_vision_transformer_refuses_batch_normalisation_and_oblong_images():
    with pytest.raises(ParameterError, match="'batch'"):
        backbones.encoder("small ViT", (1, 28, 28), (8,), "batch")
    with pytest.raises(ParameterError, match="28 x 20"):
        backbones.encoder("small ViT", (1, 28, 20), (8,))
    bare, _ = backbones.encoder("small ViT", (1, 28, 28), (8,), "none")
    assert not any(isinstance(m, nn.LayerNorm) for m in bare.modules())


@pytest.mark.parametrize("kind", ["VGG-like", "ResNet-18", "small CNN"])
def test_the_first_layers_do_not_shrink_small_images_as_for_photographs(kind):
    """A stem made for 224 pixels leaves 8 of the 32 of a small image before the first block."""
    network, _ = backbones.encoder(kind, (3, 32, 32), (8, 16))
    sides = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, seen, out: sides.append((seen[0], out)))
    with torch.no_grad():
        network.eval()(torch.rand(2, 3, 32, 32))
    (_, first), (second, _), *_ = sides
    assert first.shape[-1] >= 16
    assert second.shape[-1] == first.shape[-1]  # nothing is pooled away in between
    if kind != "small CNN":
        assert second.shape[-1] == 32


def test_statistics_of_the_batch_are_used_where_they_are_asked_for():
    for kind in ("small CNN", "VGG-like", "ResNet-18", "MLP"):
        network, _ = backbones.encoder(kind, (1, 8, 8), (8,), track=False)
        norms = [m for m in network.modules() if isinstance(m, KINDS["batch"])]
        assert norms
        assert all(m.running_mean is None for m in norms)


def test_layers_of_a_perceptron_counted_by_hand():
    network, _ = backbones.mlp_encoder(6, (4, 2), "none")
    assert backbones.layers(network, (6,)) == [
        ("1", "linear", "4", 6 * 4 + 4),
        ("4", "linear", "2", 4 * 2 + 2),
    ]


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_table_counts_every_weight_once(kind):
    network, _ = backbones.encoder(kind, (1, 28, 28), (8, 16))
    loose = sum(
        p.numel() for n, p in network.named_parameters() if "class_token" in n or "pos_" in n
    )
    total = sum(p.numel() for p in network.parameters())
    assert sum(row[-1] for row in backbones.layers(network, (1, 28, 28))) == total - loose


def test_the_default_encoder_is_what_it_was():
    settings = registry.method("iic")()
    built = settings.build_network((1, 28, 28), track_running_stats=False)
    assert [m.out_channels for m in built.modules() if isinstance(m, nn.Conv2d)] == [24, 48, 96]
    assert built.width == 96 * 16


def test_switches_take_changes_away_and_bring_others():
    mixture = Augmentation(rotation=25, shift=0.1, brightness=0.4, contrast=0.4, noise=0.1)
    settings = encoder.EncoderSettings(rotation=False, jitter=False, crop=True, flip=True)
    found = settings.switched(mixture)
    assert (found.rotation, found.brightness, found.contrast) == (0, 0, 0)
    assert (found.shift, found.noise) == (0.1, 0.1)  # what the method itself is used to
    assert found.crop == encoder.USUAL.crop  # a change the method would not have made
    assert found.flip


ENCODERS = [n for n, m in registry.methods().items() if issubclass(m, encoder.EncoderSettings)]


def test_five_methods_share_the_switches():
    assert {"iic", "deepcluster", "dac", "scan", "contrastive-clustering"} <= set(ENCODERS)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_method_with_all_changes_switched_off_sees_copies_as_they_are(name):
    off = dict.fromkeys(("crop", "rotation", "shift", "scale", "shear", "jitter"), False)
    views = registry.method(name)(**off).augmentation
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(views(x), x)


@pytest.mark.parametrize("network", ["MLP", "VGG-like", "small ViT"])
def test_a_method_learns_with_another_network(network):
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 1), dtype=np.uint8)
    method = registry.method("iic")(
        n_clusters=3, epochs=1, n_heads=1, n_clusters_over=None, width=4, depth=1, network=network
    )
    steps = list(method.iterate(images, Context(0, torch.device("cpu"))))
    assert len(steps) == 2
    assert np.isfinite(steps[-1].embedding).all()
