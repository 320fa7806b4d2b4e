"""Small files in the true formats of the published image sets, and a place to serve them from."""

import bz2
import gzip
import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from contextlib import contextmanager

import numpy as np

SIZES = {"train": 30, "test": 20, "unlabelled": 12}


def idx_bytes(array):
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


class OldPickler(pickle.Pickler):
    """Pickles byte arrays the way numpy did in 2009."""

    def reducer_override(self, value):
        if isinstance(value, np.dtype):
            return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)
        return NotImplemented


def write_pickle(path, content):
    pickled = io.BytesIO()
    OldPickler(pickled, protocol=2).dump(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickled.getvalue().replace(b"numpy._core.", b"numpy.core."))


def write_idx(root, library):
    rng = np.random.default_rng(1)
    raw = root / library / "raw"
    raw.mkdir(parents=True)
    for start, part in (("train", "train"), ("t10k", "test")):
        images = rng.integers(0, 256, (SIZES[part], 28, 28), np.uint8)
        labels = rng.integers(0, 10, SIZES[part], np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = raw / f"{start}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(idx_bytes(array)))
    return sorted(raw.iterdir())


def write_usps(root):
    rng = np.random.default_rng(2)
    for name, part in (("usps.bz2", "train"), ("usps.t.bz2", "test")):
        pixels = rng.uniform(-1, 1, (SIZES[part], 256))
        digits = rng.integers(1, 11, SIZES[part])
        lines = [
            f"{digit} " + " ".join(f"{i + 1}:{value:.3g}" for i, value in enumerate(row)) + " \n"
            for digit, row in zip(digits, pixels, strict=True)
        ]
        (root / name).write_bytes(bz2.compress("".join(lines).encode()))
    return sorted(root.glob("*.bz2"))


def write_svhn(root):
    from scipy.io import savemat

    rng = np.random.default_rng(3)
    for part in ("train", "test"):
        images = rng.integers(0, 256, (32, 32, 3, SIZES[part]), np.uint8)
        digits = rng.integers(1, 11, (SIZES[part], 1)).astype(np.uint8)
        savemat(root / f"{part}_32x32.mat", {"X": images, "y": digits})
    return sorted(root.glob("*.mat"))


def write_cifar10(root):
    rng = np.random.default_rng(4)
    folder = root / "cifar-10-batches-py"
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        size = SIZES["test"] if name == "test_batch" else SIZES["train"] // 5
        content = {
            "data": rng.integers(0, 256, (size, 3072), np.uint8),
            "labels": rng.integers(0, 10, size).tolist(),
        }
        write_pickle(folder / name, content)
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    write_pickle(folder / "batches.meta", {"label_names": names.split()})
    return sorted(folder.iterdir())


def write_cifar100(root):
    rng = np.random.default_rng(5)
    folder = root / "cifar-100-python"
    for part in ("train", "test"):
        fine = rng.integers(0, 100, SIZES[part])
        content = {
            "data": rng.integers(0, 256, (SIZES[part], 3072), np.uint8),
            "fine_labels": fine.tolist(),
            "coarse_labels": (fine // 5).tolist(),
        }
        write_pickle(folder / part, content)
    names = {
        "fine_label_names": [f"fine_thing_{i}" for i in range(100)],
        "coarse_label_names": [f"coarse_thing_{i}" for i in range(20)],
    }
    write_pickle(folder / "meta", names)
    return sorted(folder.iterdir())


def write_stl10(root):
    rng = np.random.default_rng(6)
    folder = root / "stl10_binary"
    folder.mkdir()
    for part, spelled in (("train", "train"), ("test", "test"), ("unlabelled", "unlabeled")):
        images = rng.integers(0, 256, (SIZES[part], 3, 96, 96), np.uint8)
        (folder / f"{spelled}_X.bin").write_bytes(images.tobytes())
        if part != "unlabelled":
            labels = rng.integers(1, 11, SIZES[part]).astype(np.uint8)
            (folder / f"{spelled}_y.bin").write_bytes(labels.tobytes())
    return sorted(folder.iterdir())


WRITERS = {
    "mnist": lambda root: write_idx(root, "MNIST"),
    "fashion-mnist": lambda root: write_idx(root, "FashionMNIST"),
    "kmnist": lambda root: write_idx(root, "KMNIST"),
    "usps": write_usps,
    "svhn": write_svhn,
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "stl10": write_stl10,
}


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def publish(monkeypatch, spec, root, site):
    """Write the files of a set below `root` and make torchvision list them as served by `site`.

    Returns the paths that a download would fetch.
    """
    import torchvision.datasets

    files = WRITERS[spec.name](root)
    library = getattr(torchvision.datasets, spec.library)
    sums = {path.name: md5(path) for path in files}
    if hasattr(library, "mirrors"):
        site = f"{site}/{files[0].parent.relative_to(root).as_posix()}"
        monkeypatch.setattr(library, "mirrors", [f"{site}/"])
        monkeypatch.setattr(library, "resources", list(sums.items()))
        return files
    if hasattr(library, "split_list"):
        listed = {
            part: [f"{site}/{name}", name, sums.get(name, "")]
            for part, (_, name, _) in library.split_list.items()
        }
        monkeypatch.setattr(library, "split_list", listed)
        return files
    archive = root / spec.archive
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / spec.folder, spec.folder)
    for listed in ("train_list", "test_list"):
        names = [[name, sums[name]] for name, _ in getattr(library, listed)]
        monkeypatch.setattr(library, listed, names)
    if hasattr(library, "meta"):
        name = library.meta["filename"]
        monkeypatch.setattr(library, "meta", library.meta | {"md5": sums[name]})
    monkeypatch.setattr(library, "tgz_md5", md5(archive))
    monkeypatch.setattr(library, "url", f"{site}/{spec.archive}")
    return [archive]


class Site(http.server.ThreadingHTTPServer):
    """Serves a folder from this machine; can go silent half-way, cut short or alter files."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.behaviour = "honest"
        self.asked = []
        self.goes_on = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server
        site.asked.append(self.path)
        if site.behaviour == "mute":
            site.goes_on.wait(30)
            return
        path = site.folder / self.path.lstrip("/").partition("?")[0]
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        if site.behaviour == "altered":
            content = content[:-1] + bytes((content[-1] ^ 1,))
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        if site.behaviour == "silent":
            self.wfile.flush()
            site.goes_on.wait(30)
        elif site.behaviour != "cut":
            self.wfile.write(content[half:])

    def log_message(self, *args):
        pass


@contextmanager
def serving(folder):
    site = Site(folder)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.goes_on.set()
        site.shutdown()
        thread.join()
        site.server_close()
