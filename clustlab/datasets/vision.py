"""Image sets that papers report on; torchvision knows where to get them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from clustlab.data.files import broken
from clustlab.datasets import formats
from clustlab.datasets.published import SPLIT_HELP, Published, PublishedImages
from clustlab.params import param
from clustlab.types import Array

DIGITS = tuple(str(digit) for digit in range(10))


def torchvision_class(name: str) -> Any:
    """Class of torchvision.datasets that lists addresses and checksums."""
    import torchvision.datasets  # takes seconds, so not before a checksum is needed

    return getattr(torchvision.datasets, name)


class IdxImages(PublishedImages):
    """Two idx files per part, images and labels, gzipped or plain, in <library>/raw."""

    classes: ClassVar[tuple[str, ...]]
    packaged: ClassVar[tuple[str, ...]] = ()  # folders where distributions put the files
    contents: ClassVar[Mapping[str, str]] = MappingProxyType({})  # SHA-256, unpacked, by file name

    def needed(self) -> list[tuple[str, ...]]:
        """Either the plain or the gzipped file of each kind."""
        names = [name for part in self.parts for name in self._names(part)]
        return [(name, f"{name}.gz") for name in names]

    def _names(self, part: str) -> tuple[str, str]:
        start = f"{self.library}/raw/{'train' if part == 'train' else 't10k'}"
        return f"{start}-images-idx3-ubyte", f"{start}-labels-idx1-ubyte"

    def place(self, root: Path, name: str) -> Path:
        """In the data folder, or where a distribution has put it."""
        own = root / name
        others = [Path(folder) / own.name for folder in self.packaged]
        return next((path for path in (own, *others) if path.is_file()), own)

    def published(self) -> dict[str, Published]:
        """Four gzipped files, on each of the mirrors."""
        library = torchvision_class(self.library)
        return {
            f"{self.library}/raw/{name}": Published(
                tuple(mirror + name for mirror in library.mirrors),
                md5,
                self.contents.get(name, ""),
            )
            for name, md5 in library.resources
        }

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, 28, 28, 1) and classes (n,)."""
        files = [
            plain if (plain := self.place(root, name)).is_file() else self.place(root, f"{name}.gz")
            for name in self._names(part)
        ]
        images, labels = map(formats.idx, files)
        if images.ndim != 3:
            raise broken(files[0], "holds no images")
        if labels.shape != (len(images),):
            raise broken(files[1], f"does not hold one label for each of {len(images):,} images")
        return images[..., None], labels

    def class_names(self, root: Path) -> dict[str, tuple[str, ...]]:
        """One labelling."""
        return {"class": self.classes}


@dataclass(frozen=True)
class Mnist(IdxImages):
    """70,000 handwritten digits, 28 x 28 grey pixels: the set on which most methods report.

    Digits differ in frequency, from 9.0% (5) to 11.3% (1). Methods often merge 4 with 9, or split 1
    by its slant. Download: 12 MB.
    """

    name: ClassVar[str] = "mnist"
    title: ClassVar[str] = "MNIST"
    licence: ClassVar[str] = "CC BY-SA 3.0"
    source: ClassVar[str] = (
        "LeCun, Cortes and Burges, The MNIST database of handwritten digits, "
        "http://yann.lecun.com/exdb/mnist/"
    )
    library: ClassVar[str] = "MNIST"
    classes: ClassVar[tuple[str, ...]] = DIGITS


@dataclass(frozen=True)
class FashionMnist(IdxImages):
    """70,000 shop pictures of clothes, shoes and bags in ten equal classes, 28 x 28 grey pixels.

    Harder than digits: T-shirt, pullover, coat and shirt look alike, and so do the three classes of
    footwear, so many methods get about six in ten right. Download: 31 MB.
    """

    name: ClassVar[str] = "fashion-mnist"
    title: ClassVar[str] = "Fashion-MNIST"
    licence: ClassVar[str] = "MIT"
    source: ClassVar[str] = (
        "Xiao, Rasul and Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747, "
        "https://github.com/zalandoresearch/fashion-mnist"
    )
    library: ClassVar[str] = "FashionMNIST"
    packaged: ClassVar[tuple[str, ...]] = ("/usr/share/datasets/fashion-mnist",)  # of Debian
    contents: ClassVar[Mapping[str, str]] = MappingProxyType(
        {  # as in Debian's dataset-fashion-mnist of 2020-05-23, which packs them anew
            "train-images-idx3-ubyte.gz": (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
            ),
            "train-labels-idx1-ubyte.gz": (
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
            ),
        }
    )
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )


@dataclass(frozen=True)
class Kmnist(IdxImages):
    """70,000 brush-written Japanese characters from old books, 28 x 28 grey pixels.

    Ten syllables, equally frequent. One syllable can have several quite different shapes, so a
    method that groups by looks splits it; that is no mistake of the method. Download: 21 MB.
    """

    name: ClassVar[str] = "kmnist"
    title: ClassVar[str] = "Kuzushiji-MNIST"
    licence: ClassVar[str] = "CC BY-SA 4.0"
    source: ClassVar[str] = (
        "Clanuwat et al. (2018), Deep Learning for Classical Japanese Literature, "
        "arXiv:1812.01718, https://codh.rois.ac.jp/kmnist/"
    )
    library: ClassVar[str] = "KMNIST"
    classes: ClassVar[tuple[str, ...]] = (
        "o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo",
    )  # fmt: skip


class OneFilePerPart(PublishedImages):
    """One file per part, directly in the data folder."""

    files: ClassVar[dict[str, str]]  # by part

    def needed(self) -> list[tuple[str, ...]]:
        """The file of each part."""
        return [(self.files[part],) for part in self.parts]

    def published(self) -> dict[str, Published]:
        """One address per file."""
        listed = torchvision_class(self.library).split_list
        return {name: Published((url,), md5) for url, name, md5 in listed.values()}

    def class_names(self, root: Path) -> dict[str, tuple[str, ...]]:
        """One labelling, the digits."""
        return {"class": DIGITS}


@dataclass(frozen=True)
class Usps(OneFilePerPart):
    """9,298 digits cut from envelopes by the US postal service, 16 x 16 grey pixels.

    Digits differ a lot in frequency: 0 and 1 are most frequent, so methods that make all groups
    equally large lose accuracy here. Download: 8 MB.
    """

    name: ClassVar[str] = "usps"
    title: ClassVar[str] = "USPS"
    licence: ClassVar[str] = "none stated"
    source: ClassVar[str] = (
        "Hull (1994), A database for handwritten text recognition research, IEEE TPAMI 16(5); "
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps"
    )
    library: ClassVar[str] = "USPS"
    files: ClassVar[dict[str, str]] = {"train": "usps.bz2", "test": "usps.t.bz2"}

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, 16, 16, 1) and digits (n,)."""
        return formats.usps(root / self.files[part])


@dataclass(frozen=True)
class Svhn(OneFilePerPart):
    """99,289 house numbers photographed from the street, 32 x 32 colour pixels.

    The label is the digit in the middle; its neighbours often reach into the picture. Light and
    colour vary more than shape, so methods without augmentation group by colour. The third part,
    531,131 easier pictures, is left out. Download: 246 MB.
    """

    name: ClassVar[str] = "svhn"
    title: ClassVar[str] = "SVHN"
    licence: ClassVar[str] = "non-commercial use only"
    source: ClassVar[str] = (
        "Netzer et al. (2011), Reading Digits in Natural Images with Unsupervised Feature "
        "Learning, http://ufldl.stanford.edu/housenumbers/"
    )
    library: ClassVar[str] = "SVHN"
    files: ClassVar[dict[str, str]] = {"train": "train_32x32.mat", "test": "test_32x32.mat"}

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, 32, 32, 3) and digits (n,)."""
        return formats.svhn(root / self.files[part])


class Archive(PublishedImages):
    """Members of one gzipped tar archive, which may be there packed or unpacked."""

    archive: ClassVar[str]
    folder: ClassVar[str]

    def members(self) -> list[str]:
        """Members that must be unpacked."""
        raise NotImplementedError

    def needed(self) -> list[tuple[str, ...]]:
        """Either the members or the archive."""
        return [(f"{self.folder}/{member}", self.archive) for member in self.members()]

    def published(self) -> dict[str, Published]:
        """The archive's address and all checksums."""
        library = torchvision_class(self.library)
        listed = [*library.train_list, *library.test_list]
        if hasattr(library, "meta"):
            listed.append((library.meta["filename"], library.meta["md5"]))
        files = {f"{self.folder}/{member}": Published((), md5) for member, md5 in listed}
        return files | {self.archive: Published((library.url,), library.tgz_md5)}


@dataclass(frozen=True)
class Cifar10(Archive):
    """60,000 small photographs of animals and vehicles in ten classes, 32 x 32 colour pixels.

    The classes are equally frequent. Backgrounds say a lot (sky, water, grass), so methods tend to
    group by background and colour first; good figures need augmentation and long training on a GPU.
    Download: 170 MB.
    """

    name: ClassVar[str] = "cifar10"
    title: ClassVar[str] = "CIFAR-10"
    licence: ClassVar[str] = "none stated"
    source: ClassVar[str] = (
        "Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images, "
        "https://www.cs.toronto.edu/~kriz/cifar.html"
    )
    library: ClassVar[str] = "CIFAR10"
    archive: ClassVar[str] = "cifar-10-python.tar.gz"
    folder: ClassVar[str] = "cifar-10-batches-py"
    batches: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
        "test": ("test_batch",),
    }
    meta: ClassVar[str] = "batches.meta"

    def members(self) -> list[str]:
        """The batches of the parts, and the file with the names of the classes."""
        return [*(batch for part in self.parts for batch in self.batches[part]), self.meta]

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, 32, 32, 3) and one label column per labelling."""
        batches = [formats.cifar(root / self.folder / name) for name in self.batches[part]]
        columns = [
            np.concatenate([batch[f"{word}labels"] for batch in batches])
            for word in self._labellings()
        ]
        images = np.concatenate([formats.cifar_images(batch) for batch in batches])
        return images, np.stack(columns, 1)

    def class_names(self, root: Path) -> dict[str, tuple[str, ...]]:
        """Names from the archive, with blanks for underscores."""
        content = formats.cifar(root / self.folder / self.meta)
        return {
            word.rstrip("_") or "class": tuple(
                name.replace("_", " ") for name in content[f"{word}label_names"]
            )
            for word in self._labellings()
        }

    def _labellings(self) -> tuple[str, ...]:
        """Prefixes of the labellings in the files, the one to score against first."""
        return ("",)


@dataclass(frozen=True)
class Cifar100(Cifar10):
    """60,000 small photographs in 100 classes, 32 x 32 colour pixels.

    The 100 fine classes (such as maple, oak, pine) fall into 20 coarse ones (such as trees).
    Both labellings are kept; papers mostly score against the coarse ones and call the set
    CIFAR-20 or CIFAR-100-20. Download: 169 MB.
    """

    name: ClassVar[str] = "cifar100"
    title: ClassVar[str] = "CIFAR-100"
    library: ClassVar[str] = "CIFAR100"
    archive: ClassVar[str] = "cifar-100-python.tar.gz"
    folder: ClassVar[str] = "cifar-100-python"
    batches: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("train",), "test": ("test",)}
    meta: ClassVar[str] = "meta"

    classes: Literal["fine", "coarse"] = param(
        "fine",
        help="Which classes scores are computed against: the 100 fine or the 20 coarse ones. The "
        "method sees neither.",
    )

    def part_in_words(self) -> str:
        """Split and the classes that figures refer to."""
        return f"{self.split}, {self.classes} classes"

    def _labellings(self) -> tuple[str, ...]:
        return ("fine_", "coarse_") if self.classes == "fine" else ("coarse_", "fine_")


@dataclass(frozen=True)
class Stl10(Archive):
    """13,000 photographs of animals and vehicles in ten classes, 96 x 96 colour pixels.

    The largest pictures here, and so the slowest to train on. A further 100,000 pictures have no
    label (-1) and show other things as well; features may be learned on them, but scores are
    computed on the labelled ones only. Download: 2.6 GB.
    """

    name: ClassVar[str] = "stl10"
    title: ClassVar[str] = "STL-10"
    licence: ClassVar[str] = "none stated; pictures come from ImageNet"
    source: ClassVar[str] = (
        "Coates, Lee and Ng (2011), An Analysis of Single-Layer Networks in Unsupervised Feature "
        "Learning, https://cs.stanford.edu/~acoates/stl10/"
    )
    library: ClassVar[str] = "STL10"
    archive: ClassVar[str] = "stl10_binary.tar.gz"
    folder: ClassVar[str] = "stl10_binary"
    classes: ClassVar[tuple[str, ...]] = (
        "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck",
    )  # fmt: skip

    split: Literal["train + test", "train", "test", "train + test + unlabelled"] = param(  # type: ignore[assignment]  # wider than its parent's
        "train + test", help=SPLIT_HELP
    )

    def members(self) -> list[str]:
        """Images of each part, and labels where there are any."""
        return [name for part in self.parts for name in self._names(part)]

    def _names(self, part: str) -> tuple[str, ...]:
        if part == "unlabelled":
            return ("unlabeled_X.bin",)
        return f"{part}_X.bin", f"{part}_y.bin"

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, 96, 96, 3) as a view of the file, and classes (n,), -1 if unlabelled."""
        image_file, *label_file = (root / self.folder / name for name in self._names(part))
        images = formats.stl10_images(image_file)
        if not label_file:
            return images, np.full(len(images), -1)
        return images, np.fromfile(label_file[0], np.uint8).astype(np.int32) - 1  # stored from 1

    def class_names(self, root: Path) -> dict[str, tuple[str, ...]]:
        """One labelling."""
        return {"class": self.classes}
