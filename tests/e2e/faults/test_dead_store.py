# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that is away, silent, locked or gone: a clear error in time at the call that failed, and no hang."""

import os
import socket
import subprocess
import time

import pytest
from harness import calls
from harness.images import png, seed
from harness.program import SLOW

KEY = "products/p1/500ml/hero-card/a.png"

COMMANDS = {
    "scan": ("scan",),
    "sync": ("sync", "--missing=drop", "--yes"),
    "put": ("put", "lockstep.conf", KEY),
    "get": ("get", "products/p1/500ml/hero-card/image-0000.png", "out.png"),
    "rm": ("rm", "products/p1/500ml/hero-card/image-0000.png"),
    "rename": ("variant", "rename", "p1", "500ml", "1kg"),
    "import": ("import",),
}


@pytest.fixture
def endpoints():
    """Two stores that are none: a closed port, and a socket that accepts and never answers."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # bound, not listening: refused, and nobody else gets the port
    silent = socket.create_server(("127.0.0.1", 0), backlog=64)
    yield {
        "closed": f"http://127.0.0.1:{closed.getsockname()[1]}",
        "silent": f"http://127.0.0.1:{silent.getsockname()[1]}",
    }
    closed.close()
    silent.close()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_every_command_fails_in_time_and_loses_nothing(behind, proxy, endpoints, bounded, kind, command):
    seed(behind, ("p1", "500ml", 3))
    behind.set_config("store", "endpoint", endpoints[kind])
    with bounded():
        done = behind.run(*COMMANDS[command], check=None)
    assert done.returncode in (2, 4) and done.stderr.strip(), done
    behind.set_config("store", "endpoint", proxy.endpoint)
    behind.run("recover")
    behind.assert_in_step()
    assert len(behind.oracle.rows()) == 3


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_mount_of_a_dead_store_fails_in_time(behind, folder, endpoints, bounded, kind):
    behind.set_config("store", "endpoint", endpoints[kind])
    (folder / "m").mkdir()
    with bounded():
        done = behind.run("mount", folder / "m", check=None)
    assert done.returncode == 4 and done.stderr.strip()
    assert not os.path.ismount(folder / "m")


def answers(*argv, limit=5):
    """A command on the mount must end soon, whatever the store does."""
    begin = time.monotonic()
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60 * SLOW)
    took = time.monotonic() - begin
    assert took < limit * SLOW, f"{argv} took {took:.1f} s"
    return done


@pytest.mark.mount
def test_ls_df_and_stat_answer_while_the_store_is_silent(behind, proxy, folder, bounded):
    seed(behind, ("p1", "500ml", 6))
    (folder / "new.png").write_bytes(png("new"))
    mount = behind.mount()
    hero = mount.products / "p1/500ml/hero-card"
    proxy.silent.set()
    writer = subprocess.Popen(["cp", folder / "new.png", hero / "new.png"], stderr=subprocess.PIPE)
    reader = subprocess.Popen(["cat", hero / "image-0000.png"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for _ in range(3):
            assert answers("ls", "-lR", mount.path).returncode == 0
            assert answers("df", mount.path).returncode == 0
            assert answers("stat", hero / "image-0000.png").returncode == 0
        with bounded():
            assert writer.wait(60 * SLOW) != 0, "cp said success while the store was silent"
        with bounded():
            assert reader.wait(60 * SLOW) != 0, "cat said success while the store was silent"
    finally:
        proxy.silent.clear()
        for process in (writer, reader):
            process.kill()
            process.communicate()
    # It comes back by itself, once the mount has settled what was left open at that name.
    calls.settled(behind)
    assert answers("cp", folder / "new.png", hero / "new.png", limit=30).returncode == 0
    assert mount.unmount() == 0
    behind.run("recover")
    behind.assert_in_step()
    assert len(behind.oracle.rows()) == 7


@pytest.mark.mount
def test_unmount_is_possible_while_the_store_is_silent(behind, proxy, folder, bounded):
    seed(behind, ("p1", "500ml", 3))
    mount = behind.mount()
    proxy.silent.set()
    with bounded():
        mount.unmount()
    proxy.silent.clear()
    behind.run("recover")
    behind.assert_in_step()


# --- credentials and bucket


def test_wrong_credentials_are_named(lockstep_minio):
    lockstep = lockstep_minio
    seed(lockstep, ("p1", "500ml", 3))
    for wrong in ({"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, {"AWS_ACCESS_KEY_ID": "nobody"}):
        done = lockstep.run("scan", env=wrong, check=(2, 4))
        assert any(word in done.stderr for word in ("SignatureDoesNotMatch", "InvalidAccessKeyId", "403")), done.stderr
        done = lockstep.run("sync", "--missing=drop", "--yes", env=wrong, check=(2, 4))
    assert len(lockstep.oracle.rows()) == 3
    lockstep.assert_in_step()


def test_no_credentials_at_all_is_a_clear_error(lockstep_minio):
    done = lockstep_minio.run("scan", env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, check=None)
    assert done.returncode not in (0, 1) and "AWS_ACCESS_KEY_ID" in done.stderr


def test_a_missing_bucket_is_named_and_no_row_is_lost(lockstep):
    seed(lockstep, ("p1", "500ml", 3))
    lockstep.backend.destroy()
    for words in (("scan",), ("sync", "--missing=drop", "--yes"), ("put", lockstep.config, KEY)):
        done = lockstep.run(*words, check=(2, 3, 4))
        assert done.stderr.strip()
    assert len(lockstep.oracle.rows()) == 3


# --- the catalog


def test_a_locked_catalog_is_an_error_in_time_and_nothing_is_acknowledged(lockstep, bounded):
    seed(lockstep, ("p1", "500ml", 3))
    before = lockstep.oracle.objects()
    with lockstep.oracle.locked():
        with bounded(60):
            done = lockstep.put(KEY, b"x", check=None)
        assert done.returncode == 4 and done.stderr.strip()
        assert any(word in done.stderr.lower() for word in ("busy", "lock")), done.stderr
    lockstep.run("recover")
    assert lockstep.oracle.objects() == before
    lockstep.put(KEY, b"x")
    lockstep.assert_in_step()


@pytest.mark.mount
def test_a_catalog_locked_under_the_mount_fails_the_write_and_ls_goes_on(lockstep, folder, bounded):
    seed(lockstep, ("p1", "500ml", 3))
    (folder / "new.png").write_bytes(png("new"))
    mount = lockstep.mount()
    hero = mount.products / "p1/500ml/hero-card"
    with lockstep.oracle.locked():
        writer = subprocess.Popen(["cp", folder / "new.png", hero / "new.png"], stderr=subprocess.PIPE)
        assert answers("ls", "-lR", mount.path).returncode == 0
        assert answers("df", mount.path).returncode == 0
        with bounded(60):
            assert writer.wait(90 * SLOW) != 0, "cp said success while the catalog was locked"
        writer.communicate()
    assert answers("cp", folder / "new.png", hero / "new.png", limit=30).returncode == 0
    assert mount.unmount() == 0
    lockstep.assert_in_step()


def test_a_full_catalog_disk_is_an_error_and_nothing_is_lost(lockstep_file, folder):
    """The catalog lies on a tiny tmpfs; when that is full, puts fail; when there is room again, all is in step."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    lockstep = lockstep_file
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True, timeout=20)
    try:
        lockstep.catalog = lockstep.oracle.catalog = small / "catalog.db"
        lockstep.config.unlink()
        lockstep.backend.destroy()
        lockstep.init()
        failed, acknowledged = None, {}
        for i in range(40):
            filler = small / f"filler-{i}"
            with open(filler, "wb") as out:
                try:
                    out.write(b"x" * 60_000)
                    out.flush()
                except OSError:
                    break
        for i in range(200):
            key = f"products/p1/500ml/hero-card/{i}.png"
            done = lockstep.put(key, png(i), check=(0, 4))
            if done.returncode == 4:
                failed = done
                break
            acknowledged[key] = png(i)
        assert failed is not None, "the catalog never got full"
        assert any(word in failed.stderr.lower() for word in ("full", "space")), failed.stderr
        subprocess.run(["mount", "-o", "remount,size=16m", small], check=True, timeout=20)
        lockstep.run("recover")
        lockstep.assert_in_step()
        for key, data in acknowledged.items():
            assert lockstep.backend.get(key) == data
    finally:
        subprocess.run(["umount", "-l", small], timeout=20)
