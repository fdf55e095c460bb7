# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a mount: daemonising only after success, clear errors, draining on SIGTERM, no secrets anywhere."""

import os
import signal
import subprocess
from contextlib import suppress

import pytest
from harness.images import png
from harness.mount import daemons_of, mounted
from harness.program import wait_until

pytestmark = pytest.mark.mount


@pytest.fixture
def daemon(lockstep, folder):
    """A mount that went to the background, as an operator starts it."""
    path = folder / "background"
    path.mkdir()
    lockstep.run("mount", path)
    yield path
    if mounted(path):
        subprocess.run(["fusermount3", "-u", "-z", path], timeout=30)
    for pid in daemons_of(path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_the_mount_is_usable_as_soon_as_the_command_returns(daemon, lockstep):
    assert mounted(daemon)
    assert "products" in os.listdir(daemon)
    path = daemon / "products/p1/500ml/hero-card"
    path.mkdir(parents=True)
    (path / "a.png").write_bytes(b"a")
    lockstep.oracle.assert_in_step()
    assert len(daemons_of(daemon)) == 1
    subprocess.run(["fusermount3", "-u", daemon], timeout=30, check=True)
    wait_until(lambda: not daemons_of(daemon), "the daemon ends after the unmount")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_and_unmounts(daemon, lockstep, number):
    path = daemon / "products/p1/500ml/hero-card"
    path.mkdir(parents=True)
    (path / "a.png").write_bytes(png("a"))
    (pid,) = daemons_of(daemon)
    os.kill(pid, number)
    wait_until(lambda: not daemons_of(daemon), "the daemon ends after the signal", 40)
    assert not mounted(daemon)
    lockstep.assert_in_step()


def test_sigterm_in_the_foreground_ends_with_success(lockstep):
    mount = lockstep.mount()
    (mount.products / "p1").mkdir()
    assert mount.terminate() == 0
    assert not mounted(mount.path)


def test_no_mount_point_is_a_clear_error(lockstep, folder):
    done = lockstep.run("mount", folder / "nowhere", check=None)
    assert done.returncode not in (0, 64) and "nowhere" in done.stderr
    assert not daemons_of(folder / "nowhere")


def test_a_missing_bucket_is_a_clear_error_of_the_command(lockstep, folder):
    lockstep.backend.destroy()
    path = folder / "mnt"
    path.mkdir()
    done = lockstep.run("mount", path, check=None)
    assert done.returncode not in (0, 64) and done.stderr.strip()
    assert not mounted(path) and not daemons_of(path)


def test_the_secret_is_in_no_argument_no_log_and_no_file(lockstep_minio, folder):
    lockstep = lockstep_minio
    secret = os.fsencode(lockstep.backend.secret_key)
    mount = lockstep.mount()
    path = mount.products / "p1/500ml/hero-card"
    path.mkdir(parents=True)
    (path / "a.png").write_bytes(b"a")
    with open(f"/proc/{mount.process.pid}/cmdline", "rb") as line:
        assert secret not in line.read()
    done = lockstep.run("--verbose", "scan", "--grace=0s")
    assert lockstep.backend.secret_key not in done.stdout + done.stderr
    for file in folder.rglob("*"):
        if file.is_file() and mount.path not in file.parents:
            with suppress(FileNotFoundError):  # the mount is at work in its folders
                assert secret not in file.read_bytes(), f"the secret lies in {file}"


def test_two_mounts_of_one_bucket_stay_in_step(lockstep):
    one, two = lockstep.mount(), lockstep.mount()
    path = one.products / "p1/500ml/hero-card"
    path.mkdir(parents=True)
    (path / "a.png").write_bytes(b"a")
    there = two.products / "p1/500ml/hero-card/a.png"
    wait_until(there.exists, "the other mount shows the file")
    assert there.read_bytes() == b"a"
    os.rename(path / "a.png", path / "b.png")
    wait_until(lambda: not there.exists(), "the other mount forgets the old name")
    lockstep.assert_in_step()


@pytest.mark.pairs("file")
def test_the_mounts_figures_are_in_a_file_while_it_lives(lockstep, folder):
    path = folder / "lockstep.prom"

    def figures() -> dict[str, float]:
        lines = [line.rsplit(" ", 1) for line in path.read_text().splitlines() if not line.startswith("#")]
        assert all(f'mountpoint="{mount.path}"' in name for name, _ in lines)
        return {
            name.replace(f'mountpoint="{mount.path}"', "").replace("{,", "{"): float(value) for name, value in lines
        }

    lockstep.set_config("mount", "metrics", str(path))
    mount = lockstep.mount()
    wait_until(path.exists, "the file is there")
    before = figures()
    assert before["lockstep_cache_limit_bytes{}"] == 4 << 30 and before["lockstep_cache_bytes{}"] == 0
    hero = mount.products / "p1/500ml/hero-card"
    hero.mkdir(parents=True)
    (hero / "a.png").write_bytes(bytes(1000))
    assert (hero / "a.png").read_bytes() == bytes(1000)
    wanted = {"lockstep_cache_bytes{}": 1000, 'lockstep_operations_total{op="put",outcome="ok"}': 1}

    def told() -> bool:  # not by figures that were written in the middle of the work
        now = figures()
        return wanted.items() <= now.items() and now['lockstep_cache_lookups_total{result="hit"}'] >= 1

    wait_until(told, "the work is in the figures", 40)
    assert mount.unmount() == 0
    assert not path.exists(), "old figures are not new ones"


@pytest.mark.pairs("file")
def test_figures_that_cannot_be_written_are_said_once_and_the_mount_works(lockstep, folder):
    lockstep.set_config("mount", "metrics", str(folder / "no such folder/lockstep.prom"))
    mount = lockstep.mount()
    wait_until(lambda: "event=metrics-not-written" in mount.text(), "the log says so")
    assert "products" in os.listdir(mount.path)
    assert mount.unmount() == 0
    assert mount.text().count("event=metrics-not-written") == 1
