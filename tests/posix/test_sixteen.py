# SPDX-License-Identifier: GPL-3.0-or-later
"""Sixteen processes write, read, rename and delete at once; sixteen.py knows what each call must answer.

Afterwards our own scan and the outside judge find both sides equal, and the bytes are those of the model: in the store,
and through a new mount that has an empty cache.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from harness.tools import sized, tool

pytestmark = pytest.mark.mount

PROCESSES = 16
FOLDERS = ("p1/500ml/hero-card", "p1/500ml/info-card", "p2/1kg/other-images", "p3/750ml/other-images")


@pytest.mark.parametrize("seed", sized([1], [1, 2, 3]))
def test_sixteen_processes_meet_no_wrong_byte_and_no_wrong_errno(lockstep, mount, seed, record_property):
    for folder in FOLDERS:
        (mount.products / folder).mkdir(parents=True)
    program = Path(__file__).parent / "sixteen.py"
    said = tool(sys.executable, program, mount.products, PROCESSES, sized(8, 60), seed, timeout=sized(120, 900))
    done = json.loads(said)
    record_property("operations", sum(done["counts"].values()))
    assert min(done["counts"].values()) >= PROCESSES, done["counts"]
    files = {f"products/{path}": digest for path, digest in done["files"].items()}
    assert len(files) >= PROCESSES
    assert {key: hashlib.sha256(lockstep.backend.get(key)).hexdigest() for key in lockstep.backend.objects()} == files
    lockstep.assert_in_step()
    assert mount.unmount() == 0
    shutil.rmtree(lockstep.folder / "cache")
    again = lockstep.mount()
    assert {key: hashlib.sha256((again.path / key).read_bytes()).hexdigest() for key in files} == files
    lockstep.oracle.assert_tree(again.products)
