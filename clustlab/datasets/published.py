"""What all published image sets share: which files they need, and how items are drawn from them.

The layout below the data folder is torchvision's own, so one folder can serve both. A file that
is there is used, one that is missing is downloaded; its addresses and its checksum are those that
torchvision lists.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from clustlab.data.files import data_root, fetch, unpack, verify
from clustlab.errors import DatasetUnavailable
from clustlab.params import n_samples, param, unbalance
from clustlab.parts.inputs.sampling import drawn_rows, protocol
from clustlab.types import Array, Dataset, Labelling, Report

SPLIT_HELP = (
    "Which part to use. Most clustering papers train and evaluate on both parts together; others "
    "use one. Figures on different parts cannot be compared."
)


@dataclass(frozen=True, slots=True)
class Published:
    """Where a file comes from; without addresses it is a member of an archive."""

    urls: tuple[str, ...]
    md5: str
    content: str = ""  # SHA-256 of what is in it, for copies that were packed anew; or unknown


@dataclass(frozen=True)
class PublishedImages:
    """Images in files with a fixed place, address and checksum."""

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[str] = "images"
    licence: ClassVar[str]
    source: ClassVar[str]
    offline: ClassVar[bool] = False
    library: ClassVar[str] = ""  # class in torchvision.datasets that lists addresses and checksums

    split: Literal["train + test", "train", "test"] = param("train + test", help=SPLIT_HELP)
    n_samples: int | None = n_samples()
    unbalance: float | tuple[float, ...] = unbalance()

    def needed(self) -> list[tuple[str, ...]]:
        """Files that must be there, below the data folder.

        Each entry lists names of which one is enough; the last one is what gets downloaded.
        """
        raise NotImplementedError

    def published(self) -> dict[str, Published]:
        """Addresses and checksums by file name, from torchvision."""
        raise NotImplementedError

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, h, w, c) uint8 and labels (n,), or (n, m) if there are m labellings."""
        raise NotImplementedError

    def class_names(self, root: Path) -> dict[str, tuple[str, ...]]:
        """Class names of each labelling, the one to score against first."""
        raise NotImplementedError

    @property
    def parts(self) -> list[str]:
        """Parts of the split, in the order in which they are read."""
        return self.split.split(" + ")

    def place(self, root: Path, name: str) -> Path:
        """Where a file lies, or belongs if it is not there."""
        return root / name

    def missing_files(self, root: Path) -> list[str]:
        """Names to download: the last of each entry that has no file at all, without repeats."""
        absent = [
            names[-1]
            for names in self.needed()
            if not any(_is_file(self.place(root, name)) for name in names)
        ]
        return list(dict.fromkeys(absent))

    def is_ready(self) -> bool:
        """Whether all files are there; does not look into them."""
        return not self.missing_files(data_root())

    def load(self, seed: int, report: Report) -> Dataset:
        """Images and labels of the items drawn, after a download if files are missing.

        Raises
        ------
        DatasetUnavailable
            If files are missing and cannot be downloaded, or are not the published ones.
        """
        images, labels = self._parts_read(data_root(), report)
        total = sum(map(len, images))
        rows = drawn_rows(total, self.n_samples, seed)
        columns = np.concatenate(labels)[rows].astype(np.int32)
        labellings = {
            word: Labelling(np.ascontiguousarray(columns[:, i]), names)
            for i, (word, names) in enumerate(self.class_names(data_root()).items())
        }
        first, *others = labellings
        data = Dataset(
            self.name,
            _taken(images, rows),
            labellings[first].labels,
            labellings[first].class_names,
            protocol(total, self.n_samples, seed, self.part_in_words()),
            {word: labellings[word] for word in others},
        )
        report(f"Reading {self.title}", 1.0)
        return data

    def _parts_read(self, root: Path, report: Report) -> tuple[list[Array], list[Array]]:
        """Images (n, h, w, c) and labels (n, labellings) of each part of the split."""
        images, labels = [], []
        try:
            self._obtain(root, report)
            for i, part in enumerate(self.parts):
                report(f"Reading {self.title}", i / len(self.parts))
                some_images, some_labels = self.read(root, part)
                images.append(some_images)
                labels.append(some_labels.reshape(len(some_images), -1))
        except PermissionError as error:
            raise DatasetUnavailable(
                f"{error.filename} cannot be read.", "Change its permissions and start again."
            ) from error
        return images, labels

    def part_in_words(self) -> str:
        """Start of the protocol sentence."""
        return self.split

    def _obtain(self, root: Path, report: Report) -> None:
        """Download what is missing, unpack what is packed, and check what has a checksum."""
        missing = self.missing_files(root)
        try:
            for i, name in enumerate(missing):
                file = self.published()[name]
                fetch(file.urls, root / name, file.md5, _share(report, i, len(missing)))
            self._unpack(root, missing, report)
        except OSError as error:
            raise self._unavailable(root, error) from error
        for names in self.needed():
            present = next(name for name in names if _is_file(self.place(root, name)))
            if not present.endswith("-ubyte"):  # plain idx has no published checksum, but a header
                file = self.published()[present]
                verify(self.place(root, present), file.md5, report, file.content)

    def _unpack(self, root: Path, downloaded: list[str], report: Report) -> None:
        packed = [names for names in self.needed() if not _is_file(root / names[0])]
        for archive in sorted({names[-1] for names in packed if names[-1].endswith(".tar.gz")}):
            if archive not in downloaded:
                verify(root / archive, self.published()[archive].md5, report)
            unpack(root / archive, root, [names[0] for names in packed], report)

    def _unavailable(self, root: Path, error: OSError) -> DatasetUnavailable:
        missing = self.missing_files(root)
        if not missing:  # the archive is there but cannot be unpacked, say on a full disk
            return DatasetUnavailable(
                f"{self.title} cannot be unpacked ({error}).",
                f"Free some space in {root} and make sure it can be written to, then start again.",
            )
        names = ", ".join(os.path.basename(name) for name in missing)
        addresses = ", ".join(self.published()[name].urls[0] for name in missing)
        elsewhere = (
            "or set CLUSTLAB_DATA to a folder laid out by torchvision, " if self.library else ""
        )
        return DatasetUnavailable(
            f"{self.title} is not on this machine and could not be downloaded ({error}).",
            f"Put {names} into {(root / missing[0]).parent} (from {addresses}), {elsewhere}and "
            "start again.",
        )


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # unlike Path.is_file, false rather than an error if not allowed


def _share(report: Report, i: int, n: int) -> Report:
    """Report for task i of n, which tells the share of all n."""
    return lambda message, share: report(message, (i + share) / n)


def _taken(parts: list[Array], rows: Array) -> Array:
    """Rows of the parts put end to end, without joining the parts in memory."""
    taken = np.empty((len(rows), *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        taken[here] = part[rows[here] - start]
        start += len(part)
    return taken
