import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clustlab.parts.inputs.augmentation import Augmentation, side_by_side, sobel
from clustlab.parts.inputs.pca import principal
from clustlab.parts.networks.encoder import Encoder, even_batch

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 96, 96)]
STRONG = Augmentation(
    crop=0.4,
    rotation=30,
    shift=0.1,
    scale=0.2,
    shear=0.3,
    brightness=0.5,
    contrast=0.5,
    flip=True,
    noise=0.1,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(shape: tuple[int, ...], n: int = 6) -> torch.Tensor:
    return torch.rand(n, *shape, generator=seeded(0))


@pytest.mark.parametrize("shape", [*SHAPES, (2,), (50,)])
def test_view_keeps_shape_and_differs_from_the_item(shape):
    x = images(shape)
    view = STRONG(x, seeded(1))
    assert view.shape == x.shape
    assert view.dtype == torch.float32
    assert (view - x).abs().flatten(1).mean(1).min() > 1e-3  # not one item is left as it was


@pytest.mark.parametrize("shape", SHAPES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_image_views_stay_in_range(shape, seed):
    view = STRONG.scaled(2.0)(images(shape), seeded(seed))
    assert view.min() >= 0
    assert view.max() <= 1


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2,)])
def test_zero_strength_changes_nothing_and_draws_nothing(shape):
    x = images(shape)
    state = torch.random.get_rng_state()
    assert torch.equal(Augmentation()(x), x)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_vanishing_strength_is_nearly_the_identity():
    x = images((1, 28, 28))
    weak = Augmentation(crop=1e-5, rotation=1e-4, shift=1e-6, scale=1e-6, shear=1e-6)
    assert torch.allclose(weak(x), x, atol=1e-3)


def test_same_seed_same_views_and_other_seed_other_views():
    x = images((3, 32, 32))
    assert torch.equal(STRONG(x, seeded(3)), STRONG(x, seeded(3)))
    assert not torch.equal(STRONG(x, seeded(3)), STRONG(x, seeded(4)))


def test_views_are_drawn_from_torch_unless_a_generator_is_given():
    x = images((1, 8, 8))
    state = torch.random.get_rng_state()
    STRONG(x, seeded(0))
    assert torch.equal(torch.random.get_rng_state(), state)
    first = STRONG(x)
    torch.random.set_rng_state(state)
    assert torch.equal(STRONG(x), first)


def test_every_image_of_a_batch_has_its_own_change():
    x = images((1, 28, 28), 1).expand(5, -1, -1, -1)
    view = STRONG(x, seeded(0)).flatten(1)
    distances = torch.cdist(view, view) + 1e9 * torch.eye(5)
    assert distances.min() > 0.1


def test_mirror_is_exact_in_half_of_the_cases():
    x = images((1, 8, 8), 400)
    view = Augmentation(flip=True)(x, seeded(0))
    mirrored = torch.isclose(view, x.flip(3), atol=1e-5).flatten(1).all(1)
    same = torch.isclose(view, x, atol=1e-5).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 0.4 < mirrored.float().mean() < 0.6


def test_no_mirror_by_default():
    x = torch.zeros(200, 1, 9, 9)
    x[:, :, :, 0] = 1  # a bar on the left
    view = Augmentation(rotation=20, crop=0.2, shear=0.2)(x, seeded(0))
    left, right = view[..., :4].sum((1, 2, 3)), view[..., 5:].sum((1, 2, 3))
    assert (left >= right).all()


def test_shift_moves_a_dot_no_further_than_asked():
    x = torch.zeros(300, 1, 21, 21)
    x[:, 0, 10, 10] = 1
    view = Augmentation(shift=0.2)(x, seeded(0))
    places = torch.arange(21.0) - 10
    mass = view.sum((1, 2, 3))
    moved = (view.sum((1, 2)) * places).sum(1) / mass
    assert moved.abs().max() <= 0.2 * 21 + 0.5
    assert moved.abs().max() > 0.15 * 21
    assert abs(float(moved.mean())) < 0.5


def test_crop_shows_a_part_enlarged():
    x = torch.zeros(50, 1, 20, 20)
    x[:, :, 8:12, 8:12] = 1
    view = Augmentation(crop=0.5)(x, seeded(0))
    assert (view.sum((1, 2, 3)) >= 15.9).all()  # never shrunk
    assert view.sum((1, 2, 3)).max() > 40  # up to twice as large in both directions


def test_strengths_scale_but_the_mirror_stays_a_switch():
    assert Augmentation(crop=0.2, rotation=10, flip=True).scaled(2) == Augmentation(
        crop=0.4, rotation=20, flip=True
    )
    assert Augmentation(rotation=10).scaled(0) == Augmentation()


def test_point_noise_has_the_stated_size():
    x = torch.zeros(4000, 2)
    view = Augmentation(noise=0.3)(x, seeded(0))
    assert float(view.std()) == pytest.approx(0.3, rel=0.05)


def test_sobel_by_hand():
    x = torch.zeros(1, 3, 4, 4)
    x[..., 2:] = 0.6  # a vertical edge, the same in all colours
    across, down = sobel(x)[0]
    assert torch.allclose(across[:, 1:3], torch.full((4, 2), -0.6))
    assert torch.equal(across[:, [0, 3]], torch.zeros(4, 2))
    assert torch.allclose(down, torch.zeros(4, 4), atol=1e-6)


def test_sobel_sees_no_tint():
    red, blue = torch.zeros(1, 3, 6, 6), torch.zeros(1, 3, 6, 6)
    red[:, 0], blue[:, 2] = 1, 1
    assert torch.equal(sobel(red), sobel(blue))
    assert sobel(images((3, 32, 32))).abs().max() <= 1


def test_side_by_side_is_ready_to_show():
    x = images((3, 8, 8), 4)
    shown = side_by_side(x, 1 - x)
    assert shown.shape == (2, 4, 8, 8, 3)
    assert shown.dtype == np.uint8
    assert np.abs(shown[0].astype(int) + shown[1] - 255).max() <= 1


@pytest.mark.parametrize("width", [20, 700])
def test_principal_components_agree_with_singular_values(width):
    mixing = torch.randn(12, width, generator=seeded(1)) * torch.logspace(0, -1.5, 12)[:, None]
    x = torch.randn(300, 12, generator=seeded(2)) @ mixing + 3
    z = principal(x, 5)
    u, s, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    assert torch.allclose(z.abs(), (u * s)[:, :5].abs(), atol=1e-2)
    white = principal(x, 5, whiten=True)
    assert torch.allclose(white.T @ white / len(x), torch.eye(5), atol=1e-3)
    assert torch.equal(principal(x, 5), z)  # nothing is drawn


def test_principal_components_of_little_data():
    assert principal(torch.randn(3, 40, generator=seeded(0)), 10).shape == (3, 3)
    flat = principal(torch.ones(6, 4), 2, whiten=True)
    assert torch.equal(flat, torch.zeros(6, 2))


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("shape", [*SHAPES, (2,), (50,)])
def test_the_encoder_takes_items_of_every_shape(shape, edges):
    encoder = Encoder(shape, (4, 8, 16), edges=edges)
    assert encoder(images(shape)).shape == (6, encoder.width)


@given(n=st.integers(2, 5000), size=st.integers(2, 512))
def test_even_batches_are_all_large(n, size):
    part = even_batch(n, size)
    assert part <= max(2, 1.5 * size + 1)
    last = n - part * ((n - 1) // part)
    assert last >= min(n, part) - (n + part - 1) // part
