# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that are stopped, by a fail point's SIGSTOP or from outside."""

import signal
from contextlib import contextmanager, suppress
from pathlib import Path

from .program import wait_until


def is_stopped(process) -> bool:
    """All its threads: until one has taken the signal the others go on, a while where the machine is busy."""
    states = set()
    for stat in Path(f"/proc/{process.pid}/task").glob("*/stat"):
        with suppress(OSError):  # a thread that ends
            states.add(stat.read_text().rpartition(")")[2].split()[0])
    return states == {"T"}


def stopped_at_their_points(processes, timeout: float = 60) -> list:
    """Wait until each has been stopped by its fail point or has ended without passing it; those that were stopped."""
    wait_until(
        lambda: all(p.poll() is not None or is_stopped(p) for p in processes), "each process stops or ends", timeout
    )
    return [p for p in processes if is_stopped(p)]


@contextmanager
def stopped(process):
    """It answers nothing within the block, though the kernel accepts connections for it."""
    process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: is_stopped(process), "all threads are stopped")
        yield
    finally:
        process.send_signal(signal.SIGCONT)
