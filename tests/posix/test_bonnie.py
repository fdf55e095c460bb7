# SPDX-License-Identifier: GPL-3.0-or-later
"""bonnie++ writes, rewrites, reads and seeks in one file.

Its tests of file creation (-n) make a folder `Bonnie.PID` for files, which no layout here has a place for: they are
left out, as is the phase that writes a byte at a time (-f), which measures its own system calls.
"""

import pytest
from harness.tools import sized, tool

pytestmark = [pytest.mark.mount, pytest.mark.pairs("file", "minio")]

SIZE_MIB = sized(16, 1024)


def test_bonnie_runs_to_the_end(lockstep, type_folder):
    said = tool(
        *(
            "bonnie++",
            "-d",
            type_folder,
            "-s",
            SIZE_MIB,
            "-r",
            SIZE_MIB // 2,
            "-n",
            "0",
            "-f",
            "-u",
            "root",
            "-m",
            "here",
        ),
        timeout=sized(120, 3600),
        cwd=lockstep.folder,
    )
    for phase in ("Writing intelligently...done", "Rewriting...done", "Reading intelligently...done", "...done"):
        assert phase in said, said
    assert list(type_folder.iterdir()) == [], "bonnie++ removes its file"
    lockstep.assert_in_step()
