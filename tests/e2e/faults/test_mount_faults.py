# SPDX-License-Identifier: GPL-3.0-or-later
"""A mount whose store is down, overloaded or refuses, whose catalog is locked or full, whose cache folder is full: the
documented errno at the call that failed, a log line that says what to do, and recovery without a remount."""

import errno
import os
import subprocess
from contextlib import contextmanager, suppress

import pytest
from harness import calls
from harness.images import png, seed
from harness.program import wait_until
from harness.proxy import error

pytestmark = pytest.mark.mount

LIMIT_S = 3 + 30
HERO = "p1/500ml/hero-card"


@contextmanager
def down(proxy):
    proxy.down()
    try:
        yield
    finally:
        proxy.up()


@contextmanager
def answering(proxy, answer):
    proxy.set_rule(lambda request: answer)
    try:
        yield
        assert proxy.fired
    finally:
        proxy.set_rule(None)


FAULTS = {
    "down": (down, errno.EIO, 0),
    "overloaded": (lambda proxy: answering(proxy, error(503, "SlowDown")), errno.EIO, 0),
    "refusing": (lambda proxy: answering(proxy, error(403, "AccessDenied")), errno.EACCES, errno.EACCES),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_call_ends_with_its_errno_and_the_mount_recovers_by_itself(behind, proxy, fault):
    block, store, removes = FAULTS[fault]
    before = calls.prepare(behind)
    mount = behind.mount()
    with block(proxy):
        calls.all_end(mount, calls.expected(store, removes), LIMIT_S)
    calls.settled(behind)
    assert "advice=" in mount.text()
    calls.everything_works(behind, mount, before)


def fails_with(number: int, call, *args) -> None:
    with pytest.raises(OSError) as caught:
        call(*args)
    assert caught.value.errno == number, caught.value


def write(path, data: bytes) -> None:
    """Open, write, close; whichever fails."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        done = 0
        while done < len(data):
            done += os.write(fd, data[done:])
    except OSError:
        with suppress(OSError):
            os.close(fd)
        raise
    os.close(fd)


@pytest.mark.pairs("file", "postgres")
def test_a_locked_catalog_is_ebusy_and_the_mount_goes_on(lockstep):
    seed(lockstep, ("p1", "500ml", 3))
    # How long each call waits, but also what the store and other writers have for an answer.
    lockstep.set_config("catalog", "busy_timeout", "1s")
    lockstep.set_config("store", "deadline", "3s")
    mount = lockstep.mount()
    hero = mount.products / HERO
    with lockstep.oracle.locked():
        fails_with(errno.EBUSY, write, hero / "new.png", b"new")
        fails_with(errno.EBUSY, os.unlink, hero / "image-0000.png")
        fails_with(errno.EBUSY, os.rename, hero / "image-0000.png", hero / "b.png")
        fails_with(errno.EBUSY, os.mkdir, mount.products / "p2")
        assert os.listdir(hero) == ["image-0000.png"] and os.stat(hero / "image-0000.png").st_size
        assert (hero / "image-0000.png").read_bytes() and os.statvfs(mount.path).f_blocks
    assert "class=busy" in mount.text() and "lockstep status" in mount.text()
    write(hero / "new.png", b"new")
    os.unlink(hero / "image-0000.png")
    os.mkdir(mount.products / "p2")
    lockstep.assert_in_step()
    assert mount.unmount() == 0


@contextmanager
def small_disk(path, size: str):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True, timeout=20)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], timeout=20)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")


def has_room(path, data) -> bool:
    try:
        write(path, data)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        return False
    return True


def holds(path, data) -> bool:
    with suppress(OSError):
        return path.read_bytes() == data
    return False


@needs_root
def test_a_full_cache_folder_is_enospc_at_write_or_close(lockstep_file, folder):
    lockstep = lockstep_file
    with small_disk(folder / "small", "4m"):
        lockstep.set_config("mount", "cache_dir", str(folder / "small/cache"))
        mount = lockstep.mount()
        hero = mount.products / HERO
        hero.mkdir(parents=True)
        fails_with(errno.ENOSPC, write, hero / "big.png", os.urandom(8_000_000))
        assert os.listdir(hero) == [], "a part of a file is no file"
        wait_until(lambda: has_room(hero / "a.png", png("a")), "the kernel lets the refused file go")
        fails_with(errno.ENOSPC, write, hero / "a.png", os.urandom(8_000_000))
        wait_until(lambda: holds(hero / "a.png", png("a")), "what was there stays, once there is room for it")
        with open(hero / "again.png", "wb", buffering=0) as again:
            rest = memoryview(bytes(8_000_000))
            with pytest.raises(OSError, match="No space"):
                while rest:
                    rest = rest[again.write(rest) :]
            again.truncate(1000)  # a program that knows what to do about it
        assert (hero / "again.png").read_bytes() == bytes(1000)
        os.unlink(hero / "again.png")
        for i in range(6):  # what was committed makes room for what comes
            write(hero / f"{i}.png", os.urandom(1_000_000))
        assert mount.unmount() == 0
    lockstep.assert_in_step()
    assert set(lockstep.oracle.rows()) == {f"products/{HERO}/{name}.png" for name in ("a", *range(6))}


@needs_root
def test_a_full_catalog_is_enospc_and_room_is_all_it_takes(lockstep_file, folder):
    lockstep = lockstep_file
    with small_disk(folder / "small", "2m"):
        lockstep.catalog = lockstep.oracle.catalog = folder / "small/catalog.db"
        lockstep.config.unlink()
        lockstep.backend.destroy()
        lockstep.init()
        mount = lockstep.mount()
        hero = mount.products / HERO
        hero.mkdir(parents=True)
        with open(folder / "small/filler", "wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        written, failed = {}, None
        for i in range(2000):
            try:
                write(hero / f"{i}.png", png(i))
                written[f"{i}.png"] = png(i)
            except OSError as e:
                failed = e
                break
        assert failed is not None and failed.errno == errno.ENOSPC, failed
        fails_with(errno.ENOSPC, os.mkdir, mount.products / "p2")
        assert set(os.listdir(hero)) == set(written), "ls goes on"
        assert "class=no-space" in mount.text() and "make room" in mount.text()
        os.unlink(folder / "small/filler")
        write(hero / "late.png", png("late"))
        os.mkdir(mount.products / "p2")
        calls.settled(lockstep)
        for name, data in written.items():
            assert (hero / name).read_bytes() == data
        lockstep.assert_in_step()
        assert mount.unmount() == 0
        lockstep.close()


@pytest.mark.pairs("file", "postgres")
def test_names_that_the_layout_forbids_are_refused_by_their_kind(lockstep):
    mount = lockstep.mount()
    hero = mount.products / HERO
    hero.mkdir(parents=True)
    weight = hero.parent
    fails_with(errno.EPERM, os.mkdir, hero / "deeper")
    fails_with(errno.EPERM, os.mkdir, weight / "no-such-type")
    fails_with(errno.EPERM, os.mkdir, mount.path / "elsewhere")
    fails_with(errno.EPERM, write, weight / "file.png", b"x")
    fails_with(errno.EPERM, write, mount.path / "file.png", b"x")
    fails_with(errno.EINVAL, write, hero / "bad\x01name", b"x")
    fails_with(errno.EINVAL, write, os.fsencode(hero) + b"/\xff.png", b"x")
    fails_with(errno.EINVAL, os.mkdir, mount.products / "bad\x01name")
    fails_with(errno.ENAMETOOLONG, write, hero / ("x" * 256), b"x")
    write(hero / "a.png", b"x")
    fails_with(errno.EPERM, os.rename, hero / "a.png", weight / "a.png")
    fails_with(errno.EINVAL, os.rename, hero / "a.png", hero / "bad\x01name")
    fails_with(errno.EPERM, os.rename, weight, mount.products / "p3")
    assert os.listdir(hero) == ["a.png"]
    lockstep.assert_in_step()
