"""Large files come in within little memory, each in a process of its own."""

import resource
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clustlab.importing import arrays, tables
from clustlab.importing.plan import Choices
from tests.robust.hostile_folders import in_a_fork
from tests.support.odd_arrays import vectors

MOST = 150.0  # MB beyond nothing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def took(read):
    """MB that the import of a file takes beyond what the process had."""

    def measured():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        read()
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert more < MOST, f"{more:.0f} MB"

    wrong, _, _ = in_a_fork(measured, 120.0)
    assert not wrong, wrong


@pytest.mark.slow
def test_a_packed_archive_is_unpacked_a_few_rows_at_a_time(tmp_path):
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, images=np.zeros((20_000, 64, 64, 3), np.uint8))  # 245 MB
    took(lambda: arrays.bring_in(path, "Zeros", Choices(), lambda text, share: None))
    np.savez_compressed(path, x=np.zeros((400_000, 64), np.float64))  # 205 MB
    took(lambda: arrays.bring_in(path, "More", Choices(), lambda text, share: None))


@pytest.mark.slow
def test_a_table_in_one_piece_is_read_a_few_rows_at_a_time(tmp_path):
    columns = {f"c{i}": np.tile(vectors(1000)[:, i % 17], 1000) for i in range(64)}
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=1_000_000, use_dictionary=False)
    assert path.stat().st_size > 1e6
    took(lambda: tables.bring_in(path, "Wide", Choices(), lambda text, share: None))
