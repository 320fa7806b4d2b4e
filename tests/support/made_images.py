"""Small images in many formats, honest and not, and archives of them."""

import io
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from PIL import Image


def picture(mode="L", size=(28, 28), level=220):
    """A picture of a width and height with a bright upper left corner, so that turning shows."""
    width, height = size
    pixels = np.zeros((height, width), np.uint8)
    pixels[: max(1, height // 3), : max(1, width // 3)] = level
    return Image.fromarray(pixels).convert(mode)


def coded(image, form="PNG", **options):
    """Bytes of a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def png(level=220, size=(28, 28), mode="L"):
    return coded(picture(mode, size, level))


def coloured(size=(28, 28)):
    """A red picture."""
    return Image.new("RGB", size, (250, 20, 30))


def deep(dtype=np.uint16, step=80, size=(28, 28)):
    """A ramp of more than 8 bits."""
    height, width = size[::-1]
    return Image.fromarray((np.arange(height * width).reshape(height, width) * step).astype(dtype))


def declared_png(width, height):
    """A PNG of a few bytes whose header declares a width and height."""

    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + content + chunk(b"IEND", b"")


def zipped(path, entries, kind=zipfile.ZIP_DEFLATED):
    """A ZIP archive of names, or entries' own descriptions, with their content."""
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def tarred(path, entries, mode="w", form=tarfile.PAX_FORMAT):
    """A tar archive of names, or entries' own descriptions, with their content."""
    with tarfile.open(path, mode, format=form) as archive:
        for name, content in entries:
            about = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


def foldered(folder, entries):
    """A folder of files."""
    for name, content in entries:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def classes(n=4, names=("cat", "dog", "eel")):
    """Files of some classes, each in a folder, all different."""
    return [
        (f"{name}/{i}.png", png(100 + 40 * place + i))
        for place, name in enumerate(names)
        for i in range(n)
    ]
