# SPDX-License-Identifier: GPL-3.0-or-later
"""fio writes blocks that carry checksums and reads them back: at once, and through a new mount with an empty cache."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from harness.tools import sized, tool

pytestmark = [pytest.mark.mount, pytest.mark.pairs("file", "minio")]

SIZE_MIB = sized(6, 256)
JOBS = 2


def fio(folder, engine, pattern, *options) -> dict:
    argv = (
        "fio",
        "--name=blocks",
        f"--directory={folder}",
        "--filename_format=$jobnum.bin",
        f"--numjobs={JOBS}",
        f"--size={SIZE_MIB}m",
        "--bs=16k",
        f"--ioengine={engine}",
        f"--rw={pattern}",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--randseed=7",
        "--fallocate=none",
        "--end_fsync=1",
        "--group_reporting",
        "--output-format=json",
        *options,
    )
    # fio leaves the state of a failed verification in its working directory.
    text = tool(*argv, timeout=sized(120, 3600), cwd=Path(tempfile.gettempdir()))
    return json.loads(text[text.index("{") : text.rindex("}") + 1])["jobs"][0]


@pytest.mark.parametrize("engine", ["psync", "mmap"])
@pytest.mark.parametrize("pattern", ["write", "randwrite"])
def test_fio_reads_what_it_wrote_also_after_a_remount(lockstep, mount, type_folder, folder, engine, pattern):
    wrote = fio(type_folder, engine, pattern, "--do_verify=1")
    assert wrote["error"] == 0 and wrote["write"]["io_bytes"] == JOBS * SIZE_MIB * 1024 * 1024
    assert wrote["read"]["io_bytes"] == wrote["write"]["io_bytes"], "fio verified nothing"
    assert mount.unmount() == 0
    shutil.rmtree(folder / "cache")
    lockstep.mount()
    again = lockstep.mounts[-1].path / type_folder.relative_to(mount.path)
    read = fio(again, engine, pattern, "--verify_only=1")
    assert read["error"] == 0 and read["read"]["total_ios"] > 0, "fio verified nothing"
    lockstep.assert_in_step()


def test_fio_mixes_reads_and_writes(lockstep, type_folder):
    mixed = fio(type_folder, "psync", "randrw", "--fsync=64")
    assert mixed["error"] == 0 and mixed["write"]["total_ios"] > 0 and mixed["read"]["total_ios"] > 0
    lockstep.assert_in_step()
