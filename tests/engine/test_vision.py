import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from clustlab import registry
from clustlab.data.files import TIMEOUT
from clustlab.errors import Cancelled, DatasetUnavailable
from clustlab.params import build
from clustlab.parts.inputs.sampling import drawn_rows
from tests.support.image_files import SIZES, idx_bytes, publish, serving

SETS = [name for name, spec in registry.datasets().items() if getattr(spec, "library", "")]
OWN_DATA = Path(os.environ.get("CLUSTLAB_DATA") or "none")
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers


def silent(message, fraction):
    assert message
    assert 0 <= fraction <= 1


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The empty data folder of this test."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("CLUSTLAB_DATA", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(registry.dataset("fashion-mnist"), "packaged", ())  # by a distribution
    return folder


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    with serving(folder) as site:
        yield site


def files_below(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def by_torchvision(spec, root, part):
    """Images (n, h, w, c) and labels of one part, as torchvision's own class reads them."""
    import gzip

    import torchvision.datasets

    library = getattr(torchvision.datasets, spec.library)
    for path in root.glob("*/raw/*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    spelled = {"unlabelled": "unlabeled"}.get(part, part)
    how = {"split": spelled} if spec.name in ("svhn", "stl10") else {"train": part == "train"}
    pairs = list(library(root, download=False, **how))
    images = np.stack([np.asarray(image) for image, _ in pairs])
    labels = np.array([label for _, label in pairs])
    return images.reshape(*images.shape[:3], -1), labels


def test_all_eight_are_there():
    assert SETS == [
        "mnist", "fashion-mnist", "kmnist", "usps", "svhn", "cifar10", "cifar100", "stl10",
    ]  # fmt: skip


# Reading files that are there --------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_items_are_those_torchvision_reads(name, root, monkeypatch):
    spec = registry.dataset(name)
    assert not spec().is_ready()
    publish(monkeypatch, spec, root, NOWHERE)
    whole = "train + test + unlabelled" if name == "stl10" else "train + test"
    for split in (whole, "train", "test"):
        loader = spec(split=split, n_samples=None)
        assert loader.is_ready()
        data = loader.load(0, silent)
        parts = [by_torchvision(spec, root, part) for part in split.split(" + ")]
        total = sum(SIZES[part] for part in split.split(" + "))
        rows = drawn_rows(total, None, 0)
        assert (data.items == np.concatenate([images for images, _ in parts])[rows]).all()
        assert (data.labels == np.concatenate([labels for _, labels in parts])[rows]).all()
        assert data.items.dtype == np.uint8
        assert data.items.flags.c_contiguous
        assert data.labels.dtype == np.int32
        assert data.labels.max() < len(data.class_names)
        assert (data.labels == -1).sum() == (SIZES["unlabelled"] if "unlabelled" in split else 0)
        words = f"{split}, fine classes" if name == "cifar100" else split
        assert data.protocol == f"{words}, all {total}"


@pytest.mark.parametrize("name", SETS)
def test_a_draw_is_a_part_of_the_whole(name, root, monkeypatch):
    spec = registry.dataset(name)
    publish(monkeypatch, spec, root, NOWHERE)
    small = build(spec, {"n_samples": 20})
    one, again, other = (small.load(seed, silent) for seed in (3, 3, 4))
    assert one.items.tobytes() == again.items.tobytes()
    assert one.labels.tobytes() == again.labels.tobytes()
    assert one.items.tobytes() != other.items.tobytes()
    words = "train + test, fine classes" if name == "cifar100" else "train + test"
    assert one.protocol == f"{words}, 20 of 50, drawn with seed 3"
    everything = spec(n_samples=None).load(0, silent).items
    assert {item.tobytes() for item in one.items} <= {item.tobytes() for item in everything}
    more = spec(n_samples=60).load(0, silent)
    assert more.protocol == f"{words}, all 50 (60 were asked for)"


def test_plain_and_gzipped_idx_files_give_the_same(root, monkeypatch):
    import gzip

    spec = registry.dataset("mnist")
    files = publish(monkeypatch, spec, root, NOWHERE)
    packed = spec(n_samples=None).load(0, silent)
    for path in files:
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    plain = spec(n_samples=None).load(0, silent)
    assert packed.items.tobytes() == plain.items.tobytes()
    assert packed.labels.tobytes() == plain.labels.tobytes()


def test_files_that_a_distribution_has_packed_anew_are_known_by_their_content(
    root, tmp_path, monkeypatch
):
    import gzip
    import hashlib

    spec = registry.dataset("fashion-mnist")
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    contents = {}
    for path in publish(monkeypatch, spec, root, NOWHERE):
        content = gzip.decompress(path.read_bytes())
        contents[path.name] = hashlib.sha256(content).hexdigest()
        (packaged / path.name).write_bytes(gzip.compress(content, 1, mtime=7))
        path.unlink()
    assert not spec().is_ready()
    monkeypatch.setattr(spec, "packaged", (str(packaged),))
    assert spec().is_ready()
    with pytest.raises(DatasetUnavailable, match="not the published file"):
        spec(n_samples=None).load(0, silent)
    monkeypatch.setattr(spec, "contents", contents)
    assert len(spec(n_samples=None).load(0, silent).items) == SIZES["train"] + SIZES["test"]


@pytest.mark.slow
def test_the_package_of_debian_is_read_where_it_is_installed(tmp_path, monkeypatch):
    spec = registry.dataset("fashion-mnist")
    if not Path(spec.packaged[0]).is_dir():
        pytest.skip("dataset-fashion-mnist is not installed")
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path))
    data = spec(n_samples=None).load(0, silent)
    assert data.items.shape == (70_000, 28, 28, 1)
    assert np.bincount(data.labels).tolist() == [7_000] * 10


def test_one_part_needs_only_its_own_files(root, monkeypatch):
    spec = registry.dataset("usps")
    publish(monkeypatch, spec, root, NOWHERE)
    (root / "usps.t.bz2").unlink()
    assert spec(split="train").is_ready()
    assert not spec(split="test").is_ready()
    assert len(spec(split="train").load(0, silent).items) == 30


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10"])
def test_an_archive_put_there_by_hand_is_unpacked(name, root, monkeypatch):
    spec = registry.dataset(name)
    publish(monkeypatch, spec, root, NOWHERE)
    before = spec(n_samples=None).load(0, silent)
    shutil.rmtree(root / spec.folder)
    assert files_below(root) == [spec.archive]
    assert spec().is_ready()
    after = spec(n_samples=None).load(0, silent)
    assert before.items.tobytes() == after.items.tobytes()
    assert "stl10_binary/unlabeled_X.bin" not in files_below(root)  # not needed for this split


def test_cifar100_keeps_both_labellings(root, monkeypatch):
    spec = registry.dataset("cifar100")
    publish(monkeypatch, spec, root, NOWHERE)
    fine = spec(n_samples=None).load(0, silent)
    coarse = build(spec, {"n_samples": "all", "classes": "coarse"}).load(0, silent)
    assert (fine.labels // 5 == coarse.labels).all()  # so they were written
    assert list(fine.other_labels) == ["coarse"]
    assert list(coarse.other_labels) == ["fine"]
    assert (fine.other_labels["coarse"].labels == coarse.labels).all()
    assert (coarse.other_labels["fine"].labels == fine.labels).all()
    assert fine.other_labels["coarse"].class_names == coarse.class_names
    assert (len(fine.class_names), len(coarse.class_names)) == (100, 20)
    assert coarse.class_names[3] == "coarse thing 3"
    assert coarse.protocol == "train + test, coarse classes, all 50"


def test_classes_have_their_real_names(root, monkeypatch):
    def names(which):
        spec = registry.dataset(which)
        folder = root / which
        folder.mkdir()
        monkeypatch.setenv("CLUSTLAB_DATA", str(folder))
        publish(monkeypatch, spec, folder, NOWHERE)
        return spec().load(0, silent).class_names

    import torchvision.datasets

    assert names("fashion-mnist") == tuple(torchvision.datasets.FashionMNIST.classes)
    assert names("kmnist") == tuple(torchvision.datasets.KMNIST.classes)
    assert names("mnist") == names("usps") == names("svhn") == tuple("0123456789")
    assert names("cifar10")[6] == "frog"
    assert names("stl10")[7] == "monkey"


# Files that are broken ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_a_broken_file_is_named(name, root, monkeypatch):
    spec = registry.dataset(name)
    publish(monkeypatch, spec, root, NOWHERE)
    needed = [root / names[0] for names in spec().needed()]
    path = next(p if p.is_file() else p.with_name(f"{p.name}.gz") for p in needed)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetUnavailable) as caught:
        spec().load(0, silent)
    assert str(path) in caught.value.message
    assert "not the published file" in caught.value.message
    assert caught.value.hint == "Delete this file and start again; it is then fetched anew."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not an idx file of bytes"),
        (b"<html>please log in</html>", "is not an idx file of bytes"),
        (idx_bytes(np.zeros((30, 28, 28), np.uint8))[:-5], "holds 23,531 bytes where 23,536"),
        (idx_bytes(np.zeros(30, np.uint8)), "holds no images"),
        (bytes((0, 0, 8, 3, 0)), "is not an idx file of bytes"),
    ],
)
def test_a_broken_plain_idx_file_is_named(content, words, root, monkeypatch):
    spec = registry.dataset("mnist")
    publish(monkeypatch, spec, root, NOWHERE)
    path = root / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DatasetUnavailable, match=words) as caught:
        spec().load(0, silent)
    assert str(path) in caught.value.message


def test_labels_of_another_part_are_refused(root, monkeypatch):
    spec = registry.dataset("mnist")
    publish(monkeypatch, spec, root, NOWHERE)
    path = root / "MNIST/raw/train-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(np.zeros(20, np.uint8)))
    with pytest.raises(DatasetUnavailable, match="not hold one label for each of 30 images"):
        spec().load(0, silent)


# Downloads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_missing_files_are_downloaded(name, root, site, monkeypatch):
    spec = registry.dataset(name)
    fetched = publish(monkeypatch, spec, site.folder, site.url)
    seen = []
    data = spec(n_samples=None).load(0, lambda message, share: seen.append((message, share)))
    assert spec().is_ready()
    assert len(data.items) == 50
    assert {path.name for path in fetched} <= {Path(name).name for name in files_below(root)}
    assert not [name for name in files_below(root) if name.endswith(".part")]
    shares = [share for message, share in seen if message.startswith("Downloading")]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    asked = len(site.asked)
    again = spec(n_samples=None).load(0, silent)
    assert again.items.tobytes() == data.items.tobytes()
    assert len(site.asked) == asked  # what is there is not fetched again


@pytest.mark.parametrize("name", SETS)
def test_offline_the_error_says_which_file_goes_where(name, root, tmp_path, monkeypatch):
    spec = registry.dataset(name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    wanted = publish(monkeypatch, spec, elsewhere, NOWHERE)
    with pytest.raises(DatasetUnavailable) as caught:
        spec().load(0, silent)
    message, hint = caught.value.message, caught.value.hint
    assert message.startswith(f"{spec.title} is not on this machine and could not be downloaded (")
    assert "127.0.0.1:9" in message
    assert "refused" in message
    for path in wanted:
        assert path.name in hint
    folder = root / wanted[0].parent.relative_to(elsewhere)
    assert f" into {folder} (from {NOWHERE}/" in hint
    assert "CLUSTLAB_DATA" in hint
    assert files_below(root) == []


def test_only_the_file_that_is_missing_is_named(root, monkeypatch):
    spec = registry.dataset("svhn")
    publish(monkeypatch, spec, root, NOWHERE)
    (root / "test_32x32.mat").unlink()
    with pytest.raises(DatasetUnavailable) as caught:
        spec().load(0, silent)
    assert f"Put test_32x32.mat into {root} " in caught.value.hint
    assert "train_32x32.mat" not in caught.value.hint


@pytest.mark.parametrize("behaviour", ["silent", "mute"])
@pytest.mark.parametrize("name", ["mnist", "usps", "cifar10"])
def test_a_download_can_be_cancelled_while_the_server_is_silent(
    name, behaviour, root, site, monkeypatch
):
    spec = registry.dataset(name)
    publish(monkeypatch, spec, site.folder, site.url)
    site.behaviour = behaviour
    start = time.monotonic()

    def cancel_once_waiting(message, share):
        if time.monotonic() - start > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        spec().load(0, cancel_once_waiting)
    assert time.monotonic() - start < TIMEOUT / 2  # it is told while nothing comes
    assert files_below(root) == []
    assert not spec().is_ready()
    site.behaviour = "honest"
    site.goes_on.set()
    assert len(spec().load(0, silent).items) == 50


def test_cancelling_while_unpacking_leaves_no_half_file(root, monkeypatch):
    spec = registry.dataset("cifar10")
    publish(monkeypatch, spec, root, NOWHERE)
    shutil.rmtree(root / spec.folder)

    def cancel(message, share):
        if message == "Unpacking data_batch_3":
            raise Cancelled

    with pytest.raises(Cancelled):
        spec().load(0, cancel)
    assert "cifar-10-batches-py/data_batch_3" not in files_below(root)
    assert not [name for name in files_below(root) if name.endswith(".part")]
    assert len(spec().load(0, silent).items) == 50


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("altered", r"wrong checksum"), ("cut", r"connection ended after [\d,]+ of [\d,]+ bytes")],
)
@pytest.mark.parametrize("name", ["mnist", "svhn", "stl10"])
def test_a_download_that_is_not_the_file_is_refused(
    name, behaviour, reason, root, site, monkeypatch
):
    spec = registry.dataset(name)
    publish(monkeypatch, spec, site.folder, site.url)
    site.behaviour = behaviour
    with pytest.raises(DatasetUnavailable, match=reason):
        spec().load(0, silent)
    assert files_below(root) == []
    assert not spec().is_ready()


def test_a_second_address_stands_in_for_the_first(root, site, monkeypatch):
    import torchvision.datasets

    spec = registry.dataset("mnist")
    publish(monkeypatch, spec, site.folder, site.url)
    mirrors = [f"{site.url}/nothing/here/", *torchvision.datasets.MNIST.mirrors]
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", mirrors)
    assert len(spec().load(0, silent).items) == 50
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [mirrors[0], f"{NOWHERE}/"])
    (root / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetUnavailable, match=r"404.*refused"):
        spec().load(0, silent)


def test_a_silent_server_is_given_up(root, site, monkeypatch):
    spec = registry.dataset("usps")
    publish(monkeypatch, spec, site.folder, site.url)
    monkeypatch.setattr("clustlab.data.files.TIMEOUT", 0.4)
    site.behaviour = "silent"
    with pytest.raises(DatasetUnavailable, match="timed out"):
        spec().load(0, silent)
    assert files_below(root) == []


def test_parts_of_a_killed_download_do_not_count_and_are_cleared_away(root, site, monkeypatch):
    spec = registry.dataset("usps")
    publish(monkeypatch, spec, site.folder, site.url)
    old, fresh = root / "usps.bz2.1-1.part", root / "usps.bz2.2-2.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert not spec().is_ready()
    assert len(spec().load(0, silent).items) == 50
    assert files_below(root) == ["usps.bz2", "usps.bz2.2-2.part", "usps.t.bz2"]


def test_a_data_folder_that_cannot_be_made_is_reported(tmp_path, monkeypatch):
    spec = registry.dataset("usps")
    publish(monkeypatch, spec, tmp_path, NOWHERE)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "file"))
    assert not spec().is_ready()
    with pytest.raises(DatasetUnavailable, match=r"could not be downloaded .*File exists"):
        spec().load(0, silent)


def test_without_a_setting_the_users_data_folder_is_used(monkeypatch):
    from platformdirs import user_data_dir

    from clustlab.data.files import data_root

    monkeypatch.delenv("CLUSTLAB_DATA", raising=False)
    assert data_root() == Path(user_data_dir("clustlab"))
    monkeypatch.setenv("CLUSTLAB_DATA", "~/sets")
    assert data_root() == Path.home() / "sets"


def test_asking_whether_a_set_is_ready_imports_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys; from clustlab import registry\n"
        "[spec().is_ready() for spec in registry.datasets().values()]\n"
        "print([m for m in ('torchvision', 'sklearn', 'mlxtend', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not (OWN_DATA / "MNIST/raw").is_dir(), reason="CLUSTLAB_DATA has no MNIST")
def test_the_real_mnist_is_read_as_it_is(monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(OWN_DATA))
    before = files_below(OWN_DATA)
    data = registry.dataset("mnist")(n_samples=None).load(0, silent)
    assert data.items.shape == (70_000, 28, 28, 1)
    counts = [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    assert list(np.bincount(data.labels)) == counts
    assert files_below(OWN_DATA) == before
