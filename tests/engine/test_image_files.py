"""Images are decoded as their makers meant them, at any size, or refused with a reason."""

import numpy as np
import pytest
from PIL import Image

from clustlab.data.checked_json import Unreadable
from clustlab.importing.image_files import (
    Large,
    Recipe,
    Trait,
    as_stored,
    decoded,
    extent_of,
    header,
    quiet,
)
from tests.support.made_images import coded, coloured, declared_png, deep, picture

MOST = 10**6


def recipe(size=(28, 28), fit="crop", channels="grey", ground="black", most=MOST):
    return Recipe(size, fit, channels, ground, most)


def stored(image, form="PNG", wanted=None, **options):
    """Pixels as they would be stored, and what was special about the image."""
    wanted = wanted or recipe()
    found = decoded(coded(image, form, **options), wanted)
    kinds = [kind for kind in Trait if kind in found.traits]
    extents = dict.fromkeys(kinds, extent_of(found))
    return as_stored(found, wanted, extents), found.traits


def refused(data, wanted=None):
    with pytest.raises(Unreadable) as told:
        decoded(data, wanted or recipe())
    return str(told.value)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        *(("L", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"), ("P", "PNG")),
        *(("1", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("P", "GIF"), ("1", "TIFF")),
        *(("YCbCr", "TIFF"), ("L", "BMP"), ("RGB", "WEBP"), ("L", "PPM"), ("RGB", "JPEG2000")),
    ],
)
def test_every_mode_shows_the_same_bright_corner(mode, form):
    pixels, traits = stored(picture(mode, level=255 if mode == "1" else 220), form)
    assert pixels.shape == (28, 28, 1)
    assert pixels[2:7, 2:7].min() >= 215
    assert pixels[14:].max() <= 15
    assert Trait.COLOUR not in traits


def test_colour_is_seen_and_becomes_grey_or_stays():
    pixels, traits = stored(coloured(), wanted=recipe(channels="colour"))
    assert pixels[5, 5].tolist() == [250, 20, 30]
    assert Trait.COLOUR in traits
    grey, traits = stored(coloured())
    assert grey[5, 5].tolist() == [round(0.299 * 250 + 0.587 * 20 + 0.114 * 30)]
    assert Trait.COLOUR in traits
    shown, _ = stored(picture("L"), wanted=recipe(channels="colour"))
    assert shown[2, 2].tolist() == [220, 220, 220]


@pytest.mark.parametrize("colour", [(0, 255, 0), (255, 0, 0), (0, 0, 255), (9, 4, 9), (255, 1, 0)])
def test_colour_is_seen_at_every_distance_between_channels(colour):
    _, traits = stored(Image.new("RGB", (4, 4), colour))
    assert Trait.COLOUR in traits


@pytest.mark.parametrize("ground", ["black", "white"])
def test_what_is_transparent_becomes_the_ground(ground):
    clear = Image.new("RGBA", (28, 28), (250, 20, 30, 0))
    clear.paste((250, 20, 30, 255), (0, 0, 9, 9))
    pixels, traits = stored(clear, wanted=recipe(channels="colour", ground=ground))
    assert pixels[4, 4].tolist() == [250, 20, 30]
    assert pixels[20, 20].tolist() == [255 * (ground == "white")] * 3
    assert Trait.TRANSPARENT in traits
    palette = Image.new("P", (28, 28), 1)
    palette.putpalette([0, 0, 0, 250, 20, 30])
    pixels, traits = stored(
        palette, wanted=recipe(channels="colour", ground=ground), transparency=1
    )
    assert pixels[4, 4].tolist() == [255 * (ground == "white")] * 3
    assert Trait.TRANSPARENT in traits


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_more_than_8_bits_are_scaled_by_their_range(form):
    pixels, traits = stored(deep(), form)
    assert Trait.BITS_16 in traits
    assert (pixels[..., 0] == np.rint(np.linspace(0, 255, 784)).reshape(28, 28)).all()


def test_whole_and_decimal_numbers_are_scaled_alike():
    whole, of_whole = stored(deep(np.int32, 100_000), "TIFF")
    decimal, of_decimal = stored(deep(np.float32, 1e-3), "TIFF")
    assert Trait.BITS_32 in of_whole
    assert Trait.DECIMAL in of_decimal
    assert (whole == decimal).all()
    assert (whole.min(), whole.max()) == (0, 255)
    equal, _ = stored(deep(step=0))
    assert not equal.any()
    bad = np.ones((28, 28), np.float32)
    bad[3, 4] = np.nan
    assert "not finite" in refused(coded(Image.fromarray(bad), "TIFF"))


def test_a_padded_image_of_16_bits_is_scaled_without_its_ground():
    bright = Image.fromarray((30_000 + np.arange(200)).reshape(10, 20).astype(np.uint16))
    pixels, _ = stored(bright, wanted=recipe((20, 20), "pad", ground="white"))
    assert (pixels[:5] == 255).all()
    assert (pixels[15:] == 255).all()
    assert (pixels[5:15].min(), pixels[5:15].max()) == (0, 255)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])  # all that hold EXIF
@pytest.mark.parametrize("turn", range(1, 9))
def test_images_are_turned_upright(turn, form):
    """What is stored is what a viewer would show: the corner comes back to the upper left."""
    ways = Image.Transpose
    back = {  # how a camera that was held so has stored the picture
        2: ways.FLIP_LEFT_RIGHT,
        3: ways.ROTATE_180,
        4: ways.FLIP_TOP_BOTTOM,
        5: ways.TRANSPOSE,
        6: ways.ROTATE_90,
        7: ways.TRANSVERSE,
        8: ways.ROTATE_270,
    }
    upright = picture("L", (40, 20))
    lying = upright.transpose(back[turn]) if turn > 1 else upright
    exif = lying.getexif()
    exif[0x0112] = turn
    data = coded(lying, form, exif=exif)
    found = decoded(data, recipe((20, 40)))
    apart = np.abs(found.pixels[..., 0].astype(int) - np.asarray(upright))
    assert np.median(apart) <= 2  # some formats are inexact at the edges of the corner ...
    assert apart.mean() < 8  # ... and elsewhere it would make 30 and more
    assert (Trait.TURNED in found.traits) == (turn > 1)
    assert found.size == header(data, MOST).size == (20, 40)


def test_a_damaged_orientation_spoils_no_image():
    quiet()  # as an import does first
    data = coded(picture("RGB"), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xff")
    assert decoded(data, recipe()).pixels[2, 2] > 200


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(form):
    options = {"lossless": True} if form == "WEBP" else {}
    others = [picture("L", level=90), picture("L", level=40)]
    pixels, traits = stored(
        picture("L", level=200), form, save_all=True, append_images=others, **options
    )
    assert abs(int(pixels[2, 2, 0]) - 200) <= 2
    assert Trait.SEVERAL in traits


# -- sizes ---------------------------------------------------------------------------------------
def halves(width, height):
    """Black on the left, white on the right."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, width // 2 :] = 255
    return Image.fromarray(pixels)


def test_the_middle_is_cut_out_shown_whole_or_stretched():
    wide = halves(80, 20)
    crop, _ = stored(wide, wanted=recipe((20, 20), "crop"))
    assert (crop[:, :9] == 0).all()
    assert (crop[:, 11:] == 255).all()
    pad, _ = stored(wide, wanted=recipe((20, 20), "pad", ground="white"))
    assert (pad[:7] == 255).all()
    assert (pad[13:] == 255).all()
    assert (pad[8:12, :8] <= 1).all()
    stretch, _ = stored(wide, wanted=recipe((20, 20), "stretch"))
    assert (stretch[:, :8] <= 1).all()
    assert (stretch[:, 12:] >= 254).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (3, 120), (120, 3), (37, 53), (640, 480), (900, 1)])
@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_any_size_is_brought_to_any_other(fit, size, mode):
    image = Image.new(mode, size, "white") if mode != "I;16" else deep(step=1, size=size)
    for wanted in ((28, 28), (9, 31), (1, 1)):
        pixels, _ = stored(image, wanted=recipe(wanted, fit, ground="white"))
        assert pixels.shape == (*wanted, 1)
        assert mode == "I;16" or pixels.min() >= 254


def test_a_large_image_is_averaged_in_bands_as_if_it_were_whole(monkeypatch):
    rng = np.random.default_rng(0)
    large = Image.fromarray(rng.integers(0, 256, (600, 500, 3), np.uint8))
    whole, _ = stored(large, wanted=recipe((20, 30), channels="colour"))
    monkeypatch.setattr("clustlab.importing.image_files.BAND", 5_000)
    banded, _ = stored(large, wanted=recipe((20, 30), channels="colour"))
    assert (whole == banded).all()
    exact = np.asarray(large.resize((30, 20), Image.Resampling.LANCZOS, (0, 133, 500, 467)))
    assert np.abs(whole.astype(int) - exact).mean() < 4


def test_a_large_jpeg_is_decoded_at_a_fraction():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((800, 800))
    pixels, _ = stored(smooth, "JPEG", recipe((32, 32), channels="colour"), quality=95)
    exact = np.asarray(smooth.resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(pixels.astype(int) - exact).mean() < 3


# -- what is refused -----------------------------------------------------------------------------
def test_what_is_no_image_is_refused_with_its_reason():
    assert refused(b"") == "is empty"
    assert refused(b"hello") == "is not an image that can be read"
    assert refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == (
        "is not an image that can be read"
    )
    assert "archive" in refused(b"PK\3\4" + bytes(50))
    assert refused(coded(picture("RGB"), "JPEG")[:400]) == "is cut off"
    assert refused(coded(picture())[:60]) in ("is cut off", "is damaged")
    assert refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == (
        "is not an image that can be read"
    )


def test_a_wrong_ending_does_not_matter_but_the_content_does():
    assert decoded(coded(picture("RGB"), "BMP"), recipe()).pixels[2, 2] > 200


def test_size_is_judged_before_anything_is_decoded(monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("was decoded"))
    bomb = declared_png(60_000, 60_000)
    assert refused(bomb) == "has 60,000 x 60,000 pixels, more than 1 megapixels"
    with pytest.raises(Unreadable, match="60,000 x 60,000"):
        header(bomb, MOST)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"])
def test_what_an_image_says_of_itself_is_read_without_its_pixels(form, monkeypatch):
    monkeypatch.setattr("clustlab.importing.image_files.LARGE", 0)
    data = coded(picture("RGB", (40, 20)), form)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("was decoded"))
    monkeypatch.setattr("PIL.Image.Image.load", lambda self: pytest.fail("was decoded"))
    assert header(data, MOST).size == (20, 40)
    with pytest.raises(Large):
        decoded(data, recipe((2, 2)), beside_others=True)


def test_large_images_are_left_for_a_moment_alone(monkeypatch):
    monkeypatch.setattr("clustlab.importing.image_files.LARGE", 500)
    with pytest.raises(Large):
        decoded(coded(picture()), recipe(), beside_others=True)
    assert decoded(coded(picture()), recipe()).pixels.shape == (28, 28, 1)
