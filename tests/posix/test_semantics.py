# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program may expect of a file system, one small test each; bytes are looked at again through a new mount."""

import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import stat
import threading
from contextlib import contextmanager

import pytest
from harness.tools import tool

pytestmark = pytest.mark.mount

libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, INSERT = 1, 2, 8, 32
KEY = "products/p1/500ml/other-images/a"


@pytest.fixture
def path(type_folder):
    return type_folder / "a"


@contextmanager
def fails(number):
    with pytest.raises(OSError) as refused:
        yield
    assert refused.value.errno == number, f"{refused.value}, wanted {errno.errorcode[number]}"


@contextmanager
def opened(path, flags, mode=0o644):
    fd = os.open(path, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), "fallocate")


@pytest.fixture
def kept(lockstep, mount):
    """Checks that store, catalog and a new mount with an empty cache have these bytes."""

    def check(data):
        assert lockstep.backend.get(KEY) == data
        assert mount.unmount() == 0
        shutil.rmtree(lockstep.folder / "cache")
        assert (lockstep.mount().path / KEY).read_bytes() == data
        lockstep.assert_in_step()

    return check


# ---- bytes ----


def test_a_shared_mapping_reads_and_writes(path, kept):
    path.write_bytes(bytes(10_000))
    with opened(path, os.O_RDWR) as fd, mmap.mmap(fd, 10_000) as mapping:
        mapping[4090:4100] = b"0123456789"
        assert os.pread(fd, 10, 4090) == b"0123456789"
        os.pwrite(fd, b"seen", 9000)
        assert mapping[9000:9004] == b"seen"
        mapping.flush()
    wanted = bytearray(10_000)
    wanted[4090:4100], wanted[9000:9004] = b"0123456789", b"seen"
    kept(bytes(wanted))


def test_what_is_written_through_a_mapping_after_the_close_is_kept(path, lockstep, mount):
    path.write_bytes(bytes(5000))
    fd = os.open(path, os.O_RDWR)
    mapping = mmap.mmap(fd, 5000)
    os.close(fd)
    mapping[0:5] = b"later"
    mapping.flush()
    mapping.close()
    assert path.read_bytes()[:5] == b"later"
    assert mount.unmount() == 0
    assert (lockstep.mount().path / KEY).read_bytes() == b"later" + bytes(4995)


def test_a_private_mapping_changes_nothing(path, kept):
    path.write_bytes(b"x" * 5000)
    with opened(path, os.O_RDONLY) as fd, mmap.mmap(fd, 5000, flags=mmap.MAP_PRIVATE) as mapping:
        mapping[0:4] = b"mine"
        assert mapping[0:5] == b"minex"
    kept(b"x" * 5000)


def test_appending_writes_go_to_the_end_whoever_writes(path, kept):
    path.write_bytes(b"0")
    with opened(path, os.O_WRONLY | os.O_APPEND) as one, opened(path, os.O_WRONLY | os.O_APPEND) as two:
        for i in range(1, 10):
            os.lseek(one, 0, os.SEEK_SET)
            os.write(one if i % 2 else two, str(i).encode())
    kept(b"0123456789")


def test_exclusive_creation_happens_once(path):
    made = []

    def create():
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            made.append(True)
        except FileExistsError:
            made.append(False)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]


@pytest.mark.parametrize("access", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
def test_truncating_opens_empty_the_file_also_to_read(path, kept, access):
    path.write_bytes(b"old bytes")
    with opened(path, access | os.O_TRUNC) as fd:
        assert os.fstat(fd).st_size == 0
        if access == os.O_RDWR:
            assert os.read(fd, 10) == b""
    assert path.stat().st_size == 0
    kept(b"")


def test_modes_of_opening_are_kept_to(path, type_folder):
    path.write_bytes(b"bytes")
    with opened(path, os.O_RDONLY) as fd:
        with fails(errno.EBADF):
            os.write(fd, b"x")
        with fails(errno.EINVAL):
            os.ftruncate(fd, 1)
    with opened(path, os.O_WRONLY) as fd, fails(errno.EBADF):
        os.read(fd, 1)
    for flags, number in (
        (os.O_CREAT | os.O_EXCL, errno.EEXIST),
        (os.O_DIRECTORY, errno.ENOTDIR),
    ):
        with fails(number):
            os.open(path, flags)
    with fails(errno.EISDIR):
        os.open(type_folder, os.O_WRONLY)
    with fails(errno.ENOENT):
        os.open(type_folder / "nothing", os.O_RDONLY)
    with fails(errno.ENOTDIR):
        os.open(path / "below", os.O_RDONLY)
    assert path.read_bytes() == b"bytes"


def test_truncate_makes_longer_and_shorter(path, kept):
    path.write_bytes(b"0123456789")
    with opened(path, os.O_RDWR) as fd:
        os.ftruncate(fd, 4)
        os.ftruncate(fd, 8)
        assert os.pread(fd, 20, 0) == b"0123\0\0\0\0"
        os.pwrite(fd, b"z", 9)
    os.truncate(path, 11)
    kept(b"0123\0\0\0\0\0z\0")


def test_holes_read_as_zeros_and_are_found(path, kept):
    size = 3 << 20
    with opened(path, os.O_RDWR | os.O_CREAT) as fd:
        os.ftruncate(fd, size)
        os.pwrite(fd, b"data", 1 << 20)
        first = os.lseek(fd, 0, os.SEEK_DATA)
        hole = os.lseek(fd, 1 << 20, os.SEEK_HOLE)
        assert 0 <= first <= 1 << 20 and 1 << 20 < hole <= size
        assert os.pread(fd, 4, first) == (b"data" if first == 1 << 20 else bytes(4))
        with fails(errno.ENXIO):
            os.lseek(fd, size, os.SEEK_DATA)
        with fails(errno.ENXIO):
            os.lseek(fd, size + 1, os.SEEK_HOLE)
    with opened(path, os.O_RDONLY) as fd:
        assert os.lseek(fd, 0, os.SEEK_DATA) <= 1 << 20
        assert 1 << 20 < os.lseek(fd, 1 << 20, os.SEEK_HOLE) <= size
    kept(bytes(1 << 20) + b"data" + bytes(size - (1 << 20) - 4))


def test_fallocate_makes_room_and_punches_holes(path, kept):
    path.write_bytes(b"x" * 20_000)
    with opened(path, os.O_RDWR) as fd:
        fallocate(fd, 0, 0, 30_000)
        assert os.fstat(fd).st_size == 30_000
        fallocate(fd, KEEP_SIZE, 0, 50_000)
        assert os.fstat(fd).st_size == 30_000
        fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 4096, 8192)
        for mode in (COLLAPSE, INSERT):
            with fails(errno.EOPNOTSUPP):
                fallocate(fd, mode, 4096, 4096)
        with fails(errno.EINVAL):
            fallocate(fd, 0, 0, 0)
    kept(b"x" * 4096 + bytes(8192) + b"x" * (20_000 - 12_288) + bytes(10_000))


# ---- names ----


def test_an_unlinked_file_lives_until_its_last_close(path, lockstep):
    path.write_bytes(b"first")
    with opened(path, os.O_RDWR) as old:
        path.unlink()
        with fails(errno.ENOENT):
            path.stat()
        assert os.pread(old, 9, 0) == b"first"
        os.pwrite(old, b"FIRST!", 0)
        path.write_bytes(b"second")
        assert os.pread(old, 9, 0) == b"FIRST!" and os.fstat(old).st_size == 6
    assert path.read_bytes() == b"second" == lockstep.backend.get(KEY)
    lockstep.assert_in_step()


def test_a_file_that_was_never_committed_can_be_unlinked(path, lockstep):
    with opened(path, os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"never")
        path.unlink()
        assert os.pread(fd, 9, 0) == b"never"
        os.fsync(fd)
    assert lockstep.backend.objects() == {} and os.listdir(path.parent) == []
    lockstep.assert_in_step()


def test_unlink_while_a_commit_is_under_way_leaves_nothing(path, lockstep):
    data = os.urandom(1_000_000)
    for _ in range(10):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(fd, data)
        closing = threading.Thread(target=os.close, args=(fd,))
        closing.start()
        path.unlink()
        closing.join()
        assert os.listdir(path.parent) == []
    assert lockstep.backend.objects() == {}
    lockstep.assert_in_step()


def test_rename_while_a_commit_is_under_way_loses_nothing(path, lockstep):
    data = os.urandom(1_000_000)
    for i in range(10):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(fd, data)
        closing = threading.Thread(target=os.close, args=(fd,))
        closing.start()
        os.rename(path, path.with_name(f"b{i}"))
        closing.join()
    assert sorted(os.listdir(path.parent)) == [f"b{i}" for i in range(10)]
    assert all((path.parent / f"b{i}").read_bytes() == data for i in range(10))
    lockstep.assert_in_step()


def test_a_file_that_is_being_written_moves_with_its_folder(path, lockstep, mount):
    with open(path, "wb") as out:
        out.write(b"before")
        out.flush()
        os.rename(mount.products / "p1/500ml", mount.products / "p1/1kg")
        out.write(b", after")
    assert lockstep.backend.get("products/p1/1kg/other-images/a") == b"before, after"
    assert list(lockstep.oracle.rows()) == ["products/p1/1kg/other-images/a"]
    lockstep.assert_in_step()


def test_two_writers_of_one_file_share_it_also_when_one_truncates(path, kept):
    path.write_bytes(b"old bytes")
    with opened(path, os.O_RDWR) as one:
        assert os.pread(one, 3, 0) == b"old"
        with opened(path, os.O_WRONLY | os.O_TRUNC) as two:
            os.write(two, b"new")
            assert os.pread(one, 20, 0) == b"new"
        os.pwrite(one, b"er", 3)
    kept(b"newer")


def test_another_mount_has_the_old_bytes_or_the_new_ones(path, lockstep):
    old, new = b"o" * 300_000, b"n" * 200_000
    path.write_bytes(old)
    other = lockstep.mount().path / KEY
    with opened(other, os.O_RDONLY) as fd:
        assert os.pread(fd, 1000, 0) == old[:1000]
        with open(path, "wb") as out:
            out.write(new)
            out.flush()
            assert other.read_bytes() == old, "nothing is seen elsewhere before the close"
        assert other.read_bytes() == new
        assert os.pread(fd, 400_000, 0) == old
    lockstep.assert_in_step()


def test_names_of_255_bytes_work_and_longer_ones_do_not(mount, lockstep):
    long = "ä" * 127 + "x"
    folder = mount.products / "p" / long / "hero-card"
    folder.mkdir(parents=True)
    (folder / long).write_bytes(b"long")
    with fails(errno.ENAMETOOLONG):
        (folder / (long + "y")).write_bytes(b"longer")
    with fails(errno.ENAMETOOLONG):
        (mount.products / (long + "y")).mkdir()
    assert mount.unmount() == 0
    again = lockstep.mount().products / "p" / long / "hero-card"
    assert os.listdir(again) == [long] and (again / long).read_bytes() == b"long"
    lockstep.assert_in_step()


def test_keys_of_more_than_1024_bytes_are_refused(mount):
    long = "x" * 255
    folder = mount.products / long / long / "hero-card"
    folder.mkdir(parents=True)
    (folder / long).write_bytes(b"fits")
    folder = mount.products / "p" / "w" / "hero-card"
    folder.mkdir(parents=True)
    for bad in ("a\x01b", "a\x7fb", b"a\xffb"):
        with fails(errno.EINVAL):
            os.close(os.open(os.path.join(os.fsencode(folder), os.fsencode(bad)), os.O_CREAT | os.O_WRONLY))


# ---- attributes ----


def test_times_keep_their_nanoseconds_and_change_when_they_should(path, type_folder, mount, lockstep):
    path.write_bytes(b"x")
    wanted = 981_173_106_123_456_789
    for name in (path, type_folder, mount.products):
        os.utime(name, ns=(wanted, wanted))
        assert name.stat().st_mtime_ns == wanted
    with opened(path, os.O_RDONLY) as fd:
        os.read(fd, 1)
    assert path.stat().st_mtime_ns == wanted
    path.chmod(0o600)
    assert path.stat().st_mtime_ns == wanted and path.stat().st_ctime_ns > wanted
    assert mount.unmount() == 0
    again = lockstep.mount().path
    assert (again / KEY).stat().st_mtime_ns == wanted
    assert (again / KEY).parent.stat().st_mtime_ns == wanted
    assert (again / KEY).parent.stat().st_ctime_ns >= wanted
    (again / KEY).write_bytes(b"y")
    assert (again / KEY).stat().st_mtime_ns > wanted
    (again / KEY).unlink()
    assert (again / KEY).parent.stat().st_mtime_ns > wanted


def test_times_before_1970_and_after_2038_are_kept(path, mount, lockstep):
    path.write_bytes(b"x")
    for wanted in (-1_500_000_000, 4_294_967_296_123_456_789):
        os.utime(path, ns=(wanted, wanted))
        assert path.stat().st_mtime_ns == wanted
    assert mount.unmount() == 0
    assert (lockstep.mount().path / KEY).stat().st_mtime_ns == 4_294_967_296_123_456_789


def test_df_and_du_count_what_is_there(path, mount):
    path.write_bytes(os.urandom(300_000))
    assert 300_000 <= path.stat().st_blocks * 512 < 310_000
    assert int(tool("du", "--block-size=1", path, timeout=30).split()[0]) >= 300_000
    figures = os.statvfs(mount.path)
    assert figures.f_namemax == 255 and figures.f_bavail > 0 and figures.f_blocks >= figures.f_bfree
    assert figures.f_files > 0 and figures.f_ffree > 0
    assert tool("df", "--output=target", mount.path, timeout=30).split()[-1] == str(mount.path)


def test_an_inode_stays_the_same_while_the_file_is_known(path, type_folder):
    path.write_bytes(b"x")
    before = path.stat()
    assert stat.S_ISREG(before.st_mode) and before.st_nlink == 1
    with opened(path, os.O_RDWR) as fd:
        os.write(fd, b"y")
        os.rename(path, type_folder / "b")
        assert os.fstat(fd).st_ino == before.st_ino == (type_folder / "b").stat().st_ino


# ---- locks ----


def held_elsewhere(path, take) -> bool:
    """Does another process find the lock taken?"""
    child = os.fork()
    if child == 0:
        fd = os.open(path, os.O_RDWR)
        try:
            take(fd)
        except BlockingIOError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@pytest.mark.parametrize(("lock", "unlock"), [(fcntl.flock, fcntl.LOCK_UN), (fcntl.lockf, fcntl.LOCK_UN)])
def test_locks_work_between_processes_of_the_host(path, lock, unlock):
    path.write_bytes(b"x")

    def take(fd):
        lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with opened(path, os.O_RDWR) as fd:
        take(fd)
        assert held_elsewhere(path, take)
        lock(fd, unlock)
        assert not held_elsewhere(path, take)
    assert not held_elsewhere(path, take)


# ---- extended attributes ----


def test_extended_attributes_show_what_the_catalog_knows(path, lockstep):
    path.write_bytes(b"x")
    image = lockstep.oracle.objects()[KEY]
    assert os.getxattr(path, "user.lockstep.key") == KEY.encode()
    assert os.getxattr(path, "user.lockstep.etag").decode() == image.etag
    assert os.getxattr(path, "user.lockstep.url").decode().endswith(f"/{KEY}")
    assert os.getxattr(path, "user.lockstep.variant-id")
    names = ["user.lockstep.key", "user.lockstep.etag", "user.lockstep.url", "user.lockstep.variant-id"]
    assert sorted(os.listxattr(path)) == sorted(names)
    for name in names:
        with fails(errno.ENOTSUP):
            os.setxattr(path, name, b"1")
        with fails(errno.ENOTSUP):
            os.removexattr(path, name)
    with fails(errno.ENODATA):
        os.getxattr(path, "user.lockstep.nothing")
    with fails(errno.ENOTSUP):
        os.setxattr(path, "user.mine", b"1")


def test_a_weight_is_switched_off_and_on_by_its_attribute(path, mount, lockstep):
    path.write_bytes(b"x")
    before = lockstep.oracle.objects()
    weight = mount.products / "p1/500ml"
    assert os.getxattr(weight, "user.lockstep.active") == b"1" and os.listxattr(weight) == ["user.lockstep.active"]
    tool("setfattr", "-n", "user.lockstep.active", "-v", "0", weight, timeout=30)
    assert lockstep.oracle.variants() == {("p1", "500ml"): 0}
    assert os.getxattr(weight, "user.lockstep.active") == b"0"
    assert mount.unmount() == 0
    weight = lockstep.mount().products / "p1/500ml"
    assert os.getxattr(weight, "user.lockstep.active") == b"0"
    os.setxattr(weight, "user.lockstep.active", b"1")
    assert lockstep.oracle.variants() == {("p1", "500ml"): 1}
    for value in (b"2", b"", b"no"):
        with fails(errno.EINVAL):
            os.setxattr(weight, "user.lockstep.active", value)
    for name in (weight.parent, weight / "other-images", weight / "other-images/a"):
        with fails(errno.ENOTSUP):
            os.setxattr(name, "user.lockstep.active", b"0")
    assert lockstep.oracle.objects() == before
    lockstep.assert_in_step()


# ---- a read-only mount ----


def test_a_read_only_mount_reads_and_refuses(path, mount, lockstep):
    path.write_bytes(b"x")
    assert mount.unmount() == 0
    again = lockstep.mount("-o", "ro").path
    path = again / KEY
    assert path.read_bytes() == b"x"
    for change in (
        lambda: path.write_bytes(b"y"),
        lambda: os.truncate(path, 0),
        lambda: path.unlink(),
        lambda: path.chmod(0o600),
        lambda: os.utime(path),
        lambda: (path.parent / "b").touch(),
        lambda: (again / "products/p2").mkdir(),
        lambda: (again / "products/p1/500ml/info-card").mkdir(),
        lambda: path.parent.rmdir(),
        lambda: os.setxattr(again / "products/p1/500ml", "user.lockstep.active", b"0"),
        lambda: os.open(path, os.O_RDONLY | os.O_TRUNC),
    ):
        with fails(errno.EROFS):
            change()
    lockstep.assert_in_step()
