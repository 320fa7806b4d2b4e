"""Data sets as if somebody had imported them, written straight into the data folder."""

import io

import numpy as np
from PIL import Image

from clustlab.data.own_sets import SetWriter
from clustlab.types import Labelling

LONG = "a" * 150 + " the middle " + "z" * 138  # 300 letters
MARKUP = "**bold** ![x](http://example.org/x.png) <b>&amp;</b> :material/home: $x$"


def names(n, first=(MARKUP, LONG)):
    """Names of files, the first of which are odd."""
    return [*first, *(f"cells/{i:04d}.png" for i in range(len(first), n))]


def classes(n, k=3):
    """Class of each of n items, in turn."""
    return (np.arange(n) % k).astype(np.int32)


def pictures(n, k=3, side=12):
    """Images (n, side, side, 3) of k kinds."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 60, (n, side, side, 3), dtype=np.uint8)
    for i, kind in enumerate(classes(n, k)):
        images[i, kind * 3 : kind * 3 + 3, :, kind % 3] = 220
    return images


def image_set(title="My cells", n=500, labellings=None):
    """Images without labels, with names."""
    with SetWriter("images", (12, 12, 3)) as writer:
        writer.append(pictures(n), names(n))
        return writer.finish(title, origin="a folder", labellings=labellings)[0]


def files_of_many_sizes(n=500, n_sizes=40):
    """Images as files in memory (name, content), grey and in colour, of so many sizes."""
    draw = np.random.default_rng(2)
    files = []
    for i in range(n):
        side = 8 + i % n_sizes
        shape = (side, 16, 3) if i % 3 else (side, 16)
        pixels = draw.integers(0, 60, shape, dtype=np.uint8)
        pixels[: side // 3] += np.uint8(60 * (i % 4))
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        files.append((f"plate/{i:03d}.png", content))
    return files


def vector_set(title="My features", n=120, *, shown=True, named=True, width=5, **about):
    """Vectors of three classes with named columns, with or without images to show for them.

    Column `size` is larger in class 2 than in the others; the rest is noise.
    """
    draw = np.random.default_rng(1)
    vectors = draw.normal(0, 1, (n, width)).astype(np.float32)
    vectors[:, 1] += 9 * (classes(n) == 2)
    columns = ["age", "size", *(f"**c{i}**" for i in range(2, width))]
    about.setdefault("labellings", {"kind": Labelling(classes(n), ("ape", "bat", "cat"))})
    with SetWriter("vectors", (width,), (12, 12, 3) if shown else None) as writer:
        writer.append(vectors, names(n) if named else (), pictures(n) if shown else None)
        return writer.finish(title, origin="a table", columns=columns, **about)[0]
