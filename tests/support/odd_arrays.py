"""Small arrays and tables as people have them, odd and hostile ones among them."""

import io
import itertools

import numpy as np

from clustlab.errors import ClustlabError
from clustlab.importing.plan import Choices

N, WIDTH = 60, 17


def classes(n=N):
    return np.random.default_rng(0).integers(0, 3, n)


def vectors(n=N, width=WIDTH):
    """Three clouds that stand apart, with the classes of `classes`."""
    rng = np.random.default_rng(1)
    places = rng.normal(0, 4, (3, width))
    return (places[classes(n)] + rng.normal(0, 1, (n, width))).astype(np.float32)


def pictures(n=20, side=28):
    """Images (n, side, side) uint8 with a bright upper left corner, a little brighter each."""
    images = np.zeros((n, side, side), np.uint8)
    images[:, : side // 3, : side // 3] = 200 + np.arange(n)[:, None, None] % 50
    return images


def mutated(content, rng):
    """Bytes of a file after one of the things that happen to files, or are done to them."""
    kind = rng.integers(4)
    content = bytearray(content)
    if kind == 0:
        return bytes(content[: rng.integers(len(content))])
    if kind == 1:
        for place in rng.integers(len(content), size=rng.integers(1, 9)):
            content[place] = rng.integers(256)
    elif kind == 2:  # lengths and kinds are told at the beginning of most files, or at the end
        place = int(rng.choice([rng.integers(min(200, len(content))), -rng.integers(1, 60)]))
        content[place] ^= 1 << int(rng.integers(8))
    else:
        start, end = sorted(rng.integers(len(content), size=2))
        content[start:end] = content[start:end] * int(rng.integers(3))
    return bytes(content)


def png(image):
    """An image (h, w) or (h, w, 3) uint8 as a file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def told_of_damaged(folder, data_folder, reader, rng):
    """What a reader says of the files of a folder, each damaged twenty times.

    It has to be a sentence each time, and nothing but what was whole may stay behind.
    """
    before = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
    told = []
    for i, (name, content) in itertools.product(range(20), before.items()):
        (folder / name).write_bytes(mutated(content, rng))
        try:
            reader.preview(folder / name, Choices())
            reader.bring_in(
                folder / name, f"Set {i} {name}", Choices(), lambda message, share: None
            )
        except ClustlabError as error:
            told.append(error.message)
    assert all(message.endswith(".") for message in told)
    assert not {each.name for each in folder.iterdir()} - {*before, "data"}
    assert all(not each.name.startswith(".") for each in (data_folder / "imported").iterdir())
    return told
