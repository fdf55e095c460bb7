# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other people's programs in a test, and how much they do in the normal and in the long form."""

import os
import subprocess

LONG = os.environ.get("LOCKSTEP_TESTS_LONG") == "1"
SLOW = float(os.environ.get("LOCKSTEP_TEST_SLOW", "1"))  # sanitizers and valgrind take longer


def sized(normal, long):
    """The size of a test in the normal and in the long form."""
    return long if LONG else normal


def tool(*words, timeout, cwd=None, env=None, check=0) -> str:
    """Run a program to the end; its output is the message when its status is not `check` (None: any will do)."""
    done = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        cwd=cwd,
        env=None if env is None else os.environ | env,
    )
    text = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    assert check is None or done.returncode == check, (
        f"{' '.join(map(str, words))}: status {done.returncode}\n{text[-6000:]}"
    )
    return text


# For a shell in a mount namespace of its own: let go of the FUSE mounts but $own, which belong to other tests and could
# not end while this namespace holds them.
LET_GO = """
while read -r _ _ _ _ at rest; do
    case $rest in *' - fuse'*) [ "$at" = "$own" ] || umount -l "$at" ;; esac
done </proc/self/mountinfo
"""
