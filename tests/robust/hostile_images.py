"""Whatever images and archives are, an import says what is wrong with them.

python -m tests.robust.hostile_images --cases 2000

Each case is a file or an archive that was changed at random: cut off, bytes flipped, numbers
forged, parts doubled, strange names. In a process of its own it goes through the preview, the
import and a cancelled import. There must be no error but those with a remedy, nothing outside the
folder of imports, no half of a set, and little memory.
"""

import contextlib
import io
import os
import random
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from tests.robust.in_forks import many
from tests.support.made_images import (
    classes,
    coded,
    coloured,
    declared_png,
    deep,
    picture,
    png,
    tarred,
    zipped,
)

NUMBERS = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
NAMES = (
    *("../up.png", "/root.png", "a/../../b.png", "C:\\c.png", "\\\\host\\share.png", "con.png"),
    *("a" * 5000 + ".png", "x\0y.png", "x\ny.png", "\u202egnp.exe", ".png", "..", "/", "", " .png"),
    *("__MACOSX/a.png", "a//b.png", "./././c.png", "d/" * 900 + "e.png", "inner.zip", "t.tar.gz"),
    *("<script>alert(1)</script>.png", "[x](javascript:1).png", "\udcff.png", "*.png", "~/f.png"),
)


def images() -> dict[str, bytes]:
    """An honest image of each kind."""
    picked = picture("RGB")
    turned = picked.getexif()
    turned[0x0112] = 6
    others = [picture("P", level=90), picture("P", level=30)]
    return {
        "png": png(),
        "16.png": coded(deep()),
        "palette.png": coded(picture("P"), transparency=0),
        "moving.png": coded(picked, "PNG", save_all=True, append_images=[coloured()]),
        "declared.png": declared_png(60_000, 60_000),
        "jpg": coded(picked, "JPEG", exif=turned),
        "progressive.jpg": coded(picked, "JPEG", progressive=True),
        "cmyk.jpg": coded(picture("CMYK"), "JPEG"),
        "gif": coded(picture("P"), "GIF", save_all=True, append_images=others),
        "bmp": coded(picked, "BMP"),
        "tif": coded(picked, "TIFF"),
        "lzw.tif": coded(picked, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": coded(picked, "TIFF", compression="jpeg"),
        "float.tif": coded(Image.new("F", (20, 20), 0.5), "TIFF"),
        "pages.tif": coded(picked, "TIFF", save_all=True, append_images=[coloured()]),
        "webp": coded(picked, "WEBP"),
        "moving.webp": coded(picked, "WEBP", save_all=True, append_images=[coloured()]),
        "avif": coded(picked, "AVIF"),
        "jp2": coded(picked, "JPEG2000"),
        "ppm": coded(picked, "PPM"),
        "csv": b"file,label\n" + b"".join(b"%d.png,%d\n" % (i, i % 2) for i in range(9)),
    }


IMAGES = images()


def changed(data: bytes, rng: random.Random) -> bytes:
    """Bytes with something wrong."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(max(1, len(out)))
        if rng.random() < 0.5:  # where files say what they are
            place = rng.randrange(max(1, min(len(out), 64)))
        match rng.randrange(7):
            case 0:
                del out[place:]
            case 1 if out:
                out[place] ^= 1 << rng.randrange(8)
            case 2:
                number = struct.pack(rng.choice("<>") + "I", rng.choice(NUMBERS))
                out[place : place + 4] = number
            case 3:
                number = struct.pack(rng.choice("<>") + "H", rng.choice(NUMBERS) & 0xFFFF)
                out[place : place + 2] = number
            case 4:
                out[place:place] = out[place : place + rng.randrange(1, 300)]
            case 5:
                del out[place : place + rng.randrange(1, 40)]
            case 6:
                out[place : place + 8] = rng.randbytes(8)
    return bytes(out)


def entries(rng: random.Random) -> list[tuple[str, bytes]]:
    """Some files, a few of them changed or of strange names."""
    files = classes(2)
    for kind in rng.sample(sorted(IMAGES), rng.randrange(1, 5)):
        data = IMAGES[kind]
        files.append((f"x.{kind}", changed(data, rng) if rng.random() < 0.7 else data))
    for name in rng.sample(NAMES, rng.randrange(3)):
        files.append((name, png()))
    rng.shuffle(files)
    return files


def given(folder: Path, seed: int) -> Path | list[tuple[str, io.BytesIO]]:
    """What is brought in, in a folder that holds nothing else."""
    rng = random.Random(seed)
    kind = rng.choice(("zip", "zip", "tar", "tar", "tar:gz", "tar:xz", "tar:bz2", "files", "one"))
    if kind == "one":
        name = rng.choice(sorted(IMAGES))
        path = folder / f"one.{name}"
        path.write_bytes(changed(IMAGES[name], rng))
        return path
    files = entries(rng)
    if kind == "files":
        return [(name, io.BytesIO(data)) for name, data in files]
    path = folder / f"given.{kind.partition(':')[0]}"
    if kind == "zip":
        names = [(name.encode("utf-8", "replace").decode() or "?", data) for name, data in files]
        packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
        zipped(path, names, packing)
    else:
        names = [(name or "?", data) for name, data in files]
        tarred(path, names, f"w{kind[3:]}", tarfile.GNU_FORMAT)
    if rng.random() < 0.7:
        path.write_bytes(changed(path.read_bytes(), rng))
    return path


def go_through(folder: Path, seed: int) -> None:
    """Preview and import it; an error is what must not happen."""
    import warnings

    from clustlab.errors import Cancelled, ClustlabError
    from clustlab.importing import images as reader
    from clustlab.importing import sources
    from clustlab.importing.plan import Choices, Limits

    warnings.simplefilter("error")  # what would be in the log of a server
    warnings.filterwarnings("ignore", "Duplicate name")
    limits = Limits(bytes_in_all=2**25, bytes_of_one=2**22, pixels_of_one=10**6)
    choices = Choices(limits=limits)
    source = given(folder, seed)
    before = held(folder)
    os.environ["CLUSTLAB_DATA"] = str(folder / "data")

    def stop(text: str, share: float) -> None:
        if share > 0.2:
            raise Cancelled

    n_previewed = None
    for module in (reader, sources):
        try:
            n_previewed = module.preview(source, choices).n_items
        except ClustlabError as error:
            check(error)
        with contextlib.suppress(Cancelled, ClustlabError):
            module.bring_in(source, "Cancelled", choices, stop)
        try:
            outcome = module.bring_in(source, "Whole", choices, lambda text, share: None)
        except ClustlabError as error:
            check(error)
        else:
            check_set(outcome.own)
            assert n_previewed is not None, "a preview failed of what came in"
        imported = folder / "data" / "imported"
        left = sorted(imported.iterdir()) if imported.exists() else []
        assert [each.name for each in left] in ([], ["whole"]), left
    assert held(folder) == before, "something was written elsewhere"


def check(error: Exception) -> None:
    """A message names what is wrong, and says what to do."""
    said = f"{error.message} {error.hint}"  # type: ignore[attr-defined]
    assert error.hint, said  # type: ignore[attr-defined]
    said.encode("utf-8")


def check_set(own: object) -> None:
    items, names = own.items(), own.item_names()  # type: ignore[attr-defined]
    assert len(items) > 0
    assert len(names) in (0, len(items))  # a table of numbers has none
    assert items[:].max() >= items[:].min()
    for name in names:
        assert ".." not in name.split("/")
        assert name.isprintable() or "\N{REPLACEMENT CHARACTER}" in name or " " in name


def held(folder: Path) -> dict[str, int]:
    """Files outside the folder of imports, with their sizes."""
    return {
        str(path): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "data" not in path.relative_to(folder).parts
    }


def prepare() -> None:
    """Import all that cases need, so that each process has it from the start."""
    import pandas as pd
    import pyarrow.parquet  # noqa: F401

    from clustlab.importing import arrays, images, tables  # noqa: F401
    from clustlab.importing.image_files import header

    header(IMAGES["png"], 10**6)
    pd.factorize(np.array([1]))


if __name__ == "__main__":
    sys.exit(many(__doc__, prepare, go_through))
