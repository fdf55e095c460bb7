# SPDX-License-Identifier: GPL-3.0-or-later
"""fsx (crate fsx 0.3.2): random reads, writes, truncations and mappings of one file against a model in memory.

fsx checks every read itself. Afterwards the file must be the same in the store, and through a new mount that has an
empty cache.
"""

import os
import shutil

import pytest
from harness.tools import sized, tool

pytestmark = pytest.mark.mount

# (seed, operations, msync after each write through a mapping); an msync is a commit to both sides: these are slow.
RUNS = sized(
    [(1, 10_000, False), (2, 10_000, False), (3, 500, True)],
    [*((seed, 1_000_000, False) for seed in range(1, 6)), (6, 20_000, True)],
)
# fsx keeps mappings and gets slower by them: it is started anew after so many operations, with a seed of the run's own.
PIECE = 20_000
CONFIG = """
flen = 262144
nomsyncafterwrite = %s

[opsize]
min = 1
max = 65536

[weights]
close_open = 0.5
fsync = 0.2
fdatasync = 0.2
invalidate = 1
mapread = 10
mapwrite = 10
read = 10
write = 10
truncate = 5
posix_fallocate = 1
punch_hole = 1
sendfile = 1
posix_fadvise = 1
copy_file_range = 1
"""


@pytest.mark.parametrize(("seed", "operations", "msync"), RUNS)
def test_fsx_finds_no_wrong_byte(lockstep, mount, type_folder, folder, seed, operations, msync, record_property):
    fsx = os.environ.get("LOCKSTEP_TEST_FSX", "")
    assert os.access(fsx, os.X_OK), "LOCKSTEP_TEST_FSX must name fsx: run tests/run.sh"
    config, artifacts = folder / "fsx.toml", folder / "artifacts"
    config.write_text(CONFIG % ("false" if msync else "true"))
    artifacts.mkdir()
    path = type_folder / "fsx.bin"
    said = ""
    for done in range(0, operations, PIECE):
        words = ("-S", seed * 1_000_000 + done, "-N", min(PIECE, operations - done))
        said += tool(fsx, "-q", "-f", config, "-P", artifacts, *words, path, timeout=sized(120, 1800))
    assert not list(artifacts.iterdir()), said
    record_property("fsx", f"{operations} operations, seed {seed}")
    before = path.read_bytes()
    key = "products/p1/500ml/other-images/fsx.bin"
    assert lockstep.backend.get(key) == before
    assert mount.unmount() == 0
    shutil.rmtree(folder / "cache")
    again = lockstep.mount()
    assert (again.path / key).read_bytes() == before
    lockstep.assert_in_step()
