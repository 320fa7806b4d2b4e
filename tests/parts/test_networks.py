"""Networks for every item shape, the pass over a whole set, and the count of its work."""

import numpy as np
import pytest
import torch

from clustlab.context import Context
from clustlab.errors import Cancelled
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.autoencoder import Autoencoder, ConvEncoder
from clustlab.parts.networks.cost import macs
from clustlab.parts.networks.passes import embed, evaluating, pass_size

SHAPES = [(1, 28, 28), (3, 32, 32), (3, 96, 96), (1, 8, 8), (1, 16, 16)]


def images(n: int, side: int = 8, channels: int = 1) -> Inputs:
    items = np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    return Inputs(items, torch.device("cpu"))


@pytest.mark.parametrize("shape", [*SHAPES, (2,), (30,)])
def test_an_autoencoder_gives_back_the_shape_of_its_items(shape):
    network = Autoencoder(shape, (20, 12), code=5)
    z = network.encode(torch.rand(3, *shape))
    assert z.shape == (3, min(5, shape[0]) if len(shape) == 1 else 5)
    assert network.decode(z).shape == (3, *shape)
    assert network(torch.rand(3, *shape)).shape == (3, *shape)


def test_the_default_autoencoder_is_the_one_of_the_papers():
    network = Autoencoder((1, 28, 28))
    sizes = [(m.in_features, m.out_features) for m in network.modules() if hasattr(m, "bias")]
    assert sizes[:4] == [(784, 500), (500, 500), (500, 2000), (2000, 10)]
    assert sizes[4:] == [(10, 2000), (2000, 500), (500, 500), (500, 784)]


def test_code_and_reconstruction_are_linear():
    network = Autoencoder((1, 28, 28), (20,), code=4)
    assert isinstance(network.encoder[-1], torch.nn.Linear)
    assert isinstance(network.decoder[-1], torch.nn.Linear)
    assert isinstance(network.encoder[1], torch.nn.ReLU)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("track", [True, False])
def test_a_convolutional_encoder_ends_on_a_small_map(shape, track):
    network = ConvEncoder(shape, (4, 6, 8), track_running_stats=track)
    out = network(torch.rand(3, *shape))
    assert out.shape == (3, network.width)
    assert network.width == 8 * 4 * 4
    assert (out >= 0).all()


def test_without_running_statistics_the_batch_decides_at_evaluation_too():
    network = ConvEncoder((1, 8, 8), (4,), track_running_stats=False).eval()
    x = torch.rand(6, 1, 8, 8)
    assert not torch.allclose(network(x)[:3], network(x[:3]), atol=1e-4)
    tracked = ConvEncoder((1, 8, 8), (4,)).eval()
    assert torch.allclose(tracked(x)[:3], tracked(x[:3]), atol=1e-5)


def test_embed_keeps_the_order_and_the_mode_and_draws_nothing():
    inputs, ctx = images(23), Context()
    network = Autoencoder((1, 8, 8), (16,), code=3)
    network.train()
    network.decoder.eval()
    state = ctx.rng.bit_generator.state, torch.random.get_rng_state()
    z = embed(network, inputs, ctx, forward=network.encode, size=5)
    assert z.shape == (23, 3)
    assert not z.requires_grad
    assert torch.allclose(z[7:9], network.encode(inputs[np.array([7, 8])]), atol=1e-6)
    assert ctx.rng.bit_generator.state == state[0]
    assert torch.equal(torch.random.get_rng_state(), state[1])
    assert network.training
    assert not network.decoder.training


def test_embed_takes_items_in_the_order_asked_for_and_returns_them_in_their_own():
    inputs = images(12)
    network = torch.nn.Flatten()
    order = np.random.default_rng(1).permutation(12)
    plain = embed(network, inputs, Context())
    assert torch.equal(embed(network, inputs, Context(), size=5, order=order), plain)
    assert torch.equal(plain, inputs[np.arange(12)].flatten(1))


def test_embed_can_be_cancelled_between_batches():
    seen = []

    def poll() -> None:
        seen.append(1)
        if len(seen) == 3:
            raise Cancelled

    network = Autoencoder((1, 8, 8), (16,)).train()
    with pytest.raises(Cancelled):
        embed(network, images(40), Context(poll=poll), size=10)
    assert network.training


def test_evaluating_turns_gradients_off_and_dropout_back_on():
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout())
    with evaluating(network):
        assert not network(torch.ones(1, 4)).requires_grad
        assert not network[1].training
    assert network[1].training


def test_passes_hold_fewer_items_the_larger_they_are():
    sizes = [pass_size(s) for s in [(2,), (1, 28, 28), (3, 32, 32), (3, 96, 96)]]
    assert sizes == [2000, 2000, 520, 64]


def test_multiply_accumulates_are_those_counted_by_hand():
    with torch.device("meta"):
        network = Autoencoder((1, 28, 28))
        conv = ConvEncoder((1, 28, 28))
    encoder = 784 * 500 + 500 * 500 + 500 * 2000 + 2000 * 10
    assert macs(network, (1, 28, 28), network.encode).linear == encoder
    assert macs(network, (1, 28, 28)).linear == 2 * encoder
    assert macs(network, (1, 28, 28)).conv == 0
    by_hand = 14**2 * 24 * 25 + 7**2 * 48 * 24 * 25 + 4**2 * 96 * 48 * 25
    assert macs(conv, (1, 28, 28)).conv == by_hand


def test_counting_leaves_no_hook_and_no_draw_behind():
    Context()
    state = torch.random.get_rng_state()
    with torch.device("meta"):
        network = Autoencoder((2,))
    macs(network, (2,))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(m._forward_hooks for m in network.modules())
