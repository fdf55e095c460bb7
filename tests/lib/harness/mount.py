# SPDX-License-Identifier: GPL-3.0-or-later
"""One mount: started in the foreground, watched, and always unmounted, whatever happened."""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from .tools import SLOW, sized


def mounted(path: Path) -> bool:
    with open("/proc/self/mountinfo") as lines:
        return any(line.split()[4] == str(path) for line in lines)


def connection_of(path: Path) -> str | None:
    """The number below /sys/fs/fuse/connections of a mount."""
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            fields = line.split()
            if fields[4] == str(path):
                return fields[2].partition(":")[2]
    return None


def daemons_of(path: Path) -> list[int]:
    """Processes that have the path as an argument."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as line:
                    if os.fsencode(str(path)) in line.read().split(b"\0"):
                        found.append(int(entry))
            except OSError:
                continue
    return found


class Mount:
    def __init__(self, lockstep, options, failpoint):
        self.lockstep, self.options, self.failpoint = lockstep, options, failpoint
        self.path = lockstep.folder / f"mnt{len(lockstep.mounts)}"
        self.products = self.path / "products"
        self.log = lockstep.folder / f"mount{len(lockstep.mounts)}.log"
        self.process: subprocess.Popen | None = None
        self.limit_s = 100 * SLOW * sized(1, 100)
        self.watchdog: threading.Timer | None = None
        self.fired = False
        self.expect_death = False

    def start(self) -> "Mount":
        self.path.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.lockstep.argv("mount", "-f", *self.options, self.path, failpoint=self.failpoint),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.lockstep.environment(),
                cwd=self.lockstep.folder,
            )
        # A call that hangs in the mount cannot be interrupted from Python: abort the connection instead.
        self.watchdog = threading.Timer(self.limit_s, self._bite)
        self.watchdog.daemon = True
        self.watchdog.start()
        end = time.monotonic() + self.limit_s / 4
        while not mounted(self.path):
            assert self.process.poll() is None, f"mount ended with {self.process.returncode}: {self.text()[-4000:]}"
            assert time.monotonic() < end, f"no mount appeared: {self.text()[-4000:]}"
            time.sleep(0.02)
        return self

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _bite(self) -> None:
        self.fired = True
        number = connection_of(self.path)
        if number:
            with suppress(OSError), open(f"/sys/fs/fuse/connections/{number}/abort", "w") as abort:
                abort.write("1")
        if self.process and self.process.poll() is None:
            self.process.kill()

    def unmount(self, timeout: float = 60) -> int:
        """As an operator does; waits for the daemon's end and returns its exit status."""
        done = subprocess.run(["fusermount3", "-u", str(self.path)], capture_output=True, timeout=30)
        assert done.returncode == 0, f"fusermount3 -u: {done.stderr.decode()}"
        return self.wait(timeout)

    def wait(self, timeout: float = 60) -> int:
        status = self.process.wait(timeout * SLOW)
        self.watchdog.cancel()
        assert not self.fired, f"the mount hung for {self.limit_s:.0f} s: {self.text()[-4000:]}"
        return status

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """kill -9; the dead mount point is removed at once."""
        self.expect_death = True
        self.process.kill()
        self.process.wait(20)
        self.watchdog.cancel()
        self.detach()

    def died_by_kill(self, timeout: float = 30) -> bool:
        """Wait for a fail point's SIGKILL, then remove the dead mount point."""
        self.expect_death = True
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout * SLOW)
        self.detach()
        return self.process.poll() == -signal.SIGKILL

    def detach(self) -> None:
        if mounted(self.path):
            subprocess.run(["fusermount3", "-u", "-z", str(self.path)], capture_output=True, timeout=30)

    def clean(self) -> list[str]:
        """For the fixture: nothing of this mount is left afterwards. Returns what was wrong."""
        complaints = []
        if self.process is not None and self.process.poll() is None:
            if mounted(self.path):
                subprocess.run(["fusermount3", "-u", str(self.path)], capture_output=True, timeout=30)
            if mounted(self.path):
                self.detach()
            try:
                self.process.wait(30 * SLOW)
            except subprocess.TimeoutExpired:
                complaints.append(f"the daemon of {self.path} did not end after unmount: {self.text()[-3000:]}")
                self._bite()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(10)
        self.detach()
        if self.watchdog:
            self.watchdog.cancel()
        if self.fired:
            complaints.append(f"the mount hung: {self.text()[-3000:]}")
        status = self.process.poll() if self.process else 0
        if status and not self.expect_death:
            complaints.append(f"the daemon of {self.path} ended with {status}: {self.text()[-6000:]}")
        text = self.text()
        self.lockstep.judge_output(text, f"{self.log.name}: {text[-6000:]}")
        return complaints
