# SPDX-License-Identifier: GPL-3.0-or-later
"""pjdfstest (crate pjdfstest 0.2.2): what POSIX says of each system call, as far as the layout has a place for it.

The layout knows folders that hold files, and folders that hold folders, never both in one. So the cases work in a type
folder (section `files` of pjdfstest.allow), in a product's folder (`folders`), or in neither: each of those is listed
with its reason. A case that is not listed fails the test.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
from harness.program import SLOW
from harness.tools import LET_GO, tool

HERE = Path(__file__).parent
# Long enough for the kernel's coarse clock, which stamps staged files.
CONFIG = """
[features]
posix_fallocate = {}
utime_now = {}
utimensat = {}
rename_ctime = {}
[settings]
naptime = 0.03
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
"""
# In a namespace of its own the program's folders are bound over (pjdfstest_folder.c).
SCRIPT = f"""
own=$1 && shift
{LET_GO}
[ -z "$PJD_TMPFS" ] || mount -t tmpfs tmpfs "$PJD_TMPFS" || exit
LD_PRELOAD=$PJD_PRELOAD exec "$@"
"""


def allowed() -> dict[str, list[str]]:
    """The sections of pjdfstest.allow: files, folders, and one for each reason to leave cases out."""
    sections, here = {}, None
    for line in (HERE / "pjdfstest.allow").read_text().splitlines():
        if line.startswith("["):
            here = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            here.append(line)
    return sections


def outcomes(said: str) -> dict[str, str]:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    return dict(re.findall(r"^([a-z_0-9:]+) +(ok|FAILED|skipped)$", plain, re.MULTILINE))


@pytest.fixture
def pjdfstest(folder):
    """Runs the program: (where it works, more environment, cases) → (outcome of each, all that it said)."""
    program = os.environ.get("LOCKSTEP_TEST_PJDFSTEST", "")
    assert os.access(program, os.X_OK), "LOCKSTEP_TEST_PJDFSTEST must name pjdfstest: run tests/run.sh"
    if os.geteuid() != 0:
        pytest.skip("pjdfstest changes users and mounts: only as root")
    folder.chmod(0o711)  # other users work below it
    for name in ("plain", "work", "second"):
        (folder / name).mkdir()
    (folder / "second").chmod(0o777)
    (folder / "pjdfstest.toml").write_text(CONFIG)
    words = [program, "-c", folder / "pjdfstest.toml", "-s", folder / "second", "-v"]

    def run(own, at, environment, cases):
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh", own, *words, "-p", at]
        done = subprocess.run(
            [*map(str, argv), *(("-e", "--") if cases else ()), *cases],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=100 * SLOW,
        )
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        return outcomes(said), said

    return run


def test_each_case_is_allowed_or_has_a_reason(folder, pjdfstest):
    sections = allowed()
    works = set(sections.pop("files")) | set(sections.pop("folders"))
    reasons = [case for cases in sections.values() for case in cases]
    assert len(reasons) == len(set(reasons)) and works.isdisjoint(reasons)
    found, said = pjdfstest("/", folder / "plain", {"PJD_TMPFS": str(folder / "plain")}, [])
    assert found, said
    assert set(found) == works | set(reasons)


@pytest.mark.parametrize("part", ["files 0", "files 1", "folders 0"])
def test_allowed_cases_pass(lockstep, folder, pjdfstest, part, record_property):
    world, number = part.split()
    cases = allowed()[world][int(number) :: 2 if world == "files" else 1]
    mount = lockstep.mount("-o", "allow_other,attr_timeout=0,entry_timeout=0")
    base = mount.products / "p" if world == "files" else mount.products
    base.mkdir(exist_ok=True)
    preload = folder / "folder.so"
    tool(
        "cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", preload, HERE / "pjdfstest_folder.c", timeout=60
    )
    environment = {
        "PJD_PRELOAD": str(preload),
        "PJD_BASE": str(base),
        "PJD_BELOW": "/hero-card" if world == "files" else "",
    }
    found, said = pjdfstest(mount.path, folder / "work", environment, [f"pjdfstest::tests::{case}" for case in cases])
    wrong = {case: found.get(case, "did not run") for case in cases if found.get(case) != "ok"}
    assert not wrong, f"{wrong}\n{said[-8000:]}"
    record_property("checks", len(cases))
    lockstep.assert_in_step()
