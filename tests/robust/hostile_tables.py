"""Whatever arrays and tables are, an import says what is wrong with them.

python -m tests.robust.hostile_tables --cases 2000

Each case is a file of arrays or a table that was changed at random. In a process of its own it goes
through the preview, the import, and the imports of labels and of clusterings. There must be no
error but those with a remedy, nothing unpickled, nothing outside the folders of data and runs, no
half of a set or run, and little memory.
"""

import gzip
import io
import os
import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from tests.robust.hostile_images import changed, check, held
from tests.robust.in_forks import many
from tests.support.image_files import idx_bytes
from tests.support.odd_arrays import classes, pictures, png, vectors
from tests.support.own_data import names, vector_set

N = 30
TEXTS = (  # what may stand in a cell, or between two
    *(b"nan", b"inf", b"-1", b"1e999", b"1,5", b'"', b'""', b"\0", b"\xff", b"\xef\xbb\xbf", b"\r"),
    *(b",", b";", b"\t", b"\n", b"=1+1", b"[1, 2]", b"9" * 400, b"a" * 200_000, "ü".encode()),
)


def _saved(save: object, *args: object, **options: object) -> bytes:
    out = io.BytesIO()
    if save in (np.save, np.savez, np.savez_compressed):
        save(out, *args, **options)
    else:
        save(*args, out, **options)
    return out.getvalue()


def files() -> dict[str, bytes]:
    """An honest file of each kind."""
    x, y = vectors(N, 5), classes(N)
    called = np.array(names(N))
    frame = pd.DataFrame(x, columns=list("abcde")).assign(kind=np.array(["p", "q", "r"])[y])
    listed = {"name": called, "embedding": list(x), "label": y}
    cells = [{"bytes": png(image), "path": f"{i}.png"} for i, image in enumerate(pictures(N))]
    coded = pa.table({**listed, "kind": pa.array(frame["kind"]).dictionary_encode()})
    numbers = pa.table(frame)
    said = pd.DataFrame({"name": called, "cluster": y, "later": y // 2})
    return {
        "v.npy": _saved(np.save, x),
        "i.npy": _saved(np.save, pictures(N)),
        "x.npz": _saved(np.savez, x=x, y=y, names=called.astype("U40")),
        "packed.npz": _saved(np.savez_compressed, images=pictures(N) / 255, y=y),
        "objects.npz": _saved(np.savez, x=np.array([None] * N, dtype=object)),
        "steps.npz": _saved(np.savez, clusters=np.stack([y, y]), p=np.eye(3)[y], z=x),
        "ubyte": idx_bytes(pictures(N)),
        "ubyte.gz": gzip.compress(idx_bytes(pictures(N))),
        "plain.csv": frame.to_csv(index=False).encode(),
        "german.csv": frame.to_csv(index=False, sep=";", decimal=",").encode("utf-8-sig"),
        "t.tsv": frame.to_csv(index=False, sep="\t").encode("utf-16"),
        "said.csv": said.to_csv(index=False).encode(),
        "list.parquet": _saved(pq.write_table, pa.table(listed)),
        "plain.parquet": _saved(pq.write_table, numbers, compression="none"),
        "zstd.parquet": _saved(pq.write_table, coded, compression="zstd", row_group_size=11),
        "hub.parquet": _saved(pq.write_table, pa.table({"image": cells, "label": y})),
        "list.feather": _saved(pa.feather.write_feather, coded, compression="lz4"),
        "plain.feather": _saved(pa.feather.write_feather, numbers, compression="uncompressed"),
    }


FILES = files()


def given(folder: Path, seed: int) -> Path:
    """A changed file in a folder that holds nothing else."""
    rng = random.Random(seed)
    kind = rng.choice(sorted(FILES))
    data = changed(FILES[kind], rng)
    if kind.endswith(("csv", "tsv")) and rng.random() < 0.7:
        place = rng.randrange(len(data) + 1)
        data = data[:place] + rng.choice(TEXTS) + data[place:]
    if rng.random() < 0.1:  # another kind than its name says
        kind = f"{rng.randrange(9)}.{rng.choice(sorted(FILES))}"
    path = folder / f"given-{kind}"
    path.write_bytes(data)
    return path


def go_through(folder: Path, seed: int) -> None:
    """Bring it in as what it may be; an error is what must not happen."""
    import pickle
    import warnings

    from clustlab.errors import ClustlabError
    from clustlab.importing import arrays, clusterings, labels, sources, tables
    from clustlab.importing.plan import Choices, Limits
    from clustlab.runs.store import RunStore

    warnings.simplefilter("error")  # what would be in the log of a server
    warnings.filterwarnings("ignore", "Duplicate name")
    pickle.load = pickle.loads = _unpickled
    os.environ["CLUSTLAB_DATA"] = str(folder / "data")
    vector_set("Mine", N, shown=False)
    choices = Choices(limits=Limits(bytes_in_all=2**25, bytes_of_one=2**22, pixels_of_one=10**6))
    path = given(folder, seed)
    before = held(folder)
    store = RunStore(folder / "data" / "runs")
    imported = folder / "data" / "imported"
    for module in (arrays, tables, sources):
        for read in (
            lambda: module.preview(path, choices),  # noqa: B023 - called at once
            lambda: _check_set(module.bring_in(path, "Whole", choices, _silent).own),  # noqa: B023
        ):
            try:
                read()
            except ClustlabError as error:
                check(error)
    for read in (
        lambda: labels.bring_in(labels.preview(path, "mine", choices, store), store),
        lambda: clusterings.bring_in(store, path, clusterings.Choice("mine", {})).run[0],
        lambda: clusterings.bring_in(store, path, clusterings.Choice("mine", {}, names="")).run[0],
    ):
        try:
            read()
        except ClustlabError as error:
            check(error)
    left = {each.name for each in imported.iterdir()}
    assert left <= {"mine", "whole", ".labels-lock"}, left
    assert all(run.status == "done" for run in store.runs())
    assert not store.unreadable()
    assert held(folder) == before, "something was written elsewhere"


def _unpickled(*_: object) -> None:
    raise AssertionError("something was unpickled")


def _silent(message: str, share: float) -> None:
    assert 0 <= share <= 1


def _check_set(own: object) -> None:
    items = own.items()  # type: ignore[attr-defined]
    assert len(items) > 0
    assert np.isfinite(items).all()
    for title, names_of in own.labellings:  # type: ignore[attr-defined]
        labels = own.labelling(title).labels  # type: ignore[attr-defined]
        assert -1 <= labels.min() <= labels.max() < max(len(names_of), 1)


def prepare() -> None:
    """Import all that cases need, so that each process has it from the start."""
    from clustlab import registry
    from clustlab.importing import clusterings, images, labels  # noqa: F401
    from clustlab.parts.inputs import components  # noqa: F401

    registry.datasets()
    pd.factorize(np.array([1]))


if __name__ == "__main__":
    sys.exit(many(__doc__, prepare, go_through))
