# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX's rules of rename, by a C program (rename/) that says of each check whether it holds."""

import os
from pathlib import Path

import pytest
from harness.tools import tool

SOURCES = sorted((Path(__file__).parent / "rename").glob("*.c"))


@pytest.fixture
def rename(folder, record_property):
    """Runs one part of the program on a mount; it counts its checks."""
    program = folder / "rename"
    tool("cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-o", program, *SOURCES, timeout=100)
    folder.chmod(0o711)  # other users work below it
    (folder / "outside").mkdir()

    def run(mount, part):
        said = tool(program, mount.path, folder / "outside", part, timeout=100, check=None)
        lines = said.splitlines()
        wrong = [line for line in lines if not line.startswith(("ok ", "total "))]
        assert lines and lines[-1].startswith("total ") and not wrong, "\n".join([*wrong, *lines[-3:]])[-6000:]
        record_property("checks", len(lines) - 1)

    return run


@pytest.mark.parametrize("part", ["files", "folders", "rights", "handles"])
def test_rename_keeps_the_rules(lockstep, rename, part):
    if part == "rights" and os.geteuid() != 0:
        pytest.skip("only root can become other users")
    rename(lockstep.mount(*(("-o", "allow_other") if os.geteuid() == 0 else ())), part)
    lockstep.assert_in_step()


def test_nothing_is_renamed_in_a_read_only_mount(lockstep, rename):
    first = lockstep.mount()
    heroes = first.products / "p/w/hero-card"
    heroes.mkdir(parents=True)
    for name in ("from", "to"):
        (heroes / name).write_bytes(name.encode())
    assert first.unmount() == 0
    rename(lockstep.mount("-o", "ro"), "read-only")
    lockstep.assert_in_step()
