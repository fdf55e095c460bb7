#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many processes at work in one tree, against a model in shared memory: sixteen.py PRODUCTS PROCESSES SECONDS SEED

Three sets of names. *Locked* ones: who works on one holds its lock, so that errno and bytes are exactly predicted.
*Published* ones: each is replaced (temporary file, rename) by one process only and read by all; a reader must find it
always, whole, and never older than what was published before it opened. *Contended* ones: everybody does everything to
them without a lock; the errno must be a possible one and each record must be one that somebody wrote.

Each process does every kind of operation at least once, then goes on for SECONDS. Prints JSON: how often each kind
ran, and the SHA-256 of each file that must be there in the end. Status 1, with the reason on stderr, when something
is wrong.
"""

import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

SLOTS, SLOT_MAX = 40, 160_000
CONTENDED = 4
MOVING = 3  # the number of the folder whose weight changes
WEIGHTS = ("750ml", "a kilo & more")
LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, PR_SET_PDEATHSIG = 1, 1
HEAD = struct.Struct("<IIII")  # writer, version, position, how many; a record is 64 bytes


class Wrong(Exception):
    pass


class Shared:
    """The model. A slot's size is 0 when there is no file, else the file's size and 1."""

    def __init__(self, processes, kinds):
        def words(count):
            return memoryview(mmap.mmap(-1, 8 * max(count, 1))).cast("Q")

        self.stop, self.moved = words(1), words(1)
        self.sizes, self.data = words(SLOTS), mmap.mmap(-1, SLOTS * SLOT_MAX)
        self.started, self.published = words(processes), words(processes)
        self.counts = words(processes * kinds)
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 its byte ranges are the locks

    @contextmanager
    def lock(self, number, how=fcntl.LOCK_EX):
        fcntl.lockf(self.file, how, 1, number)
        try:
            yield
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, number)


def expect(wanted, call, *args):
    """Call; the errno must be one of those that are predicted (0: none). Returns it and the result."""
    result, got = None, 0
    try:
        result = call(*args)
    except OSError as error:
        got = error.errno
    if got not in wanted:
        names = "/".join(errno.errorcode.get(number, "success") for number in wanted)
        raise Wrong(f"{call.__name__}{args[:2]!r:.300}: {errno.errorcode.get(got, 'success')}, must be {names}")
    return got, result


def open_shared(wanted, path, flags, mode=0o644):
    """Open a name that others replace meanwhile. ESTALE: again and again between its lookup and its open."""
    for _ in range(20):
        failed, fd = expect((*wanted, errno.ESTALE), os.open, path, flags, mode)
        if failed != errno.ESTALE:
            return failed, fd
    raise Wrong(f"{path}: ESTALE for ever")


def ok(call, *args):
    return expect((0,), call, *args)[1]


def write_all(fd, data):
    while data:
        data = data[ok(os.write, fd, data) :]


def read_all(fd):
    parts = []
    while part := ok(os.read, fd, 65536):
        parts.append(part)
    return b"".join(parts)


def rename_noreplace(old, new):
    if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), RENAME_NOREPLACE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def record(writer, version, position, total):
    head = HEAD.pack(writer, version, position, total)
    return head * 3 + hashlib.blake2b(head, digest_size=16).digest()


def records(writer, version, total):
    return b"".join(record(writer, version, i, total) for i in range(total))


def heads(data):
    """The heads of a file's records; None where one is not as somebody wrote it."""
    found = [HEAD.unpack_from(data, at) for at in range(0, len(data) - 63, 64)]
    whole = b"".join(record(*head) for head in found) == data
    return found if whole and all(head[2] == i for i, head in enumerate(found)) else None


class Worker:
    def __init__(self, shared, products, processes, number, seed):
        self.shared, self.products, self.processes, self.number = shared, products, processes, number
        self.random = random.Random(seed * 1000 + number)
        self.serial = 0

    # --- names

    def folder(self, number):
        fixed = ("p1/500ml/hero-card", "p1/500ml/info-card", "p2/1kg/other-images")
        if number == MOVING:
            return self.products / "p3" / WEIGHTS[self.shared.moved[0]] / "other-images"
        return self.products / fixed[number]

    def path(self, slot):
        return self.folder(slot % 4) / f"locked {slot:02d}.png"

    def published_path(self, owner):
        return self.folder(owner % 2) / f"published {owner:02d}.png"

    def contended_path(self):
        return self.contended_paths()[self.random.randrange(CONTENDED)]

    def contended_paths(self):
        return [self.folder(i % 3) / f"contended {i}.png" for i in range(CONTENDED)]

    def temporary(self, path):
        """What rsync calls its temporary file; no other process takes this name."""
        self.serial += 1
        return path.with_name(f".{path.name}.{self.number:02x}{self.serial:04x}")

    # --- the model

    @contextmanager
    def hold(self, *slots, how=fcntl.LOCK_EX):
        """Hold the slots, and keep their folders from moving. All take locks in one order."""
        moving = any(slot % 4 == MOVING for slot in slots)
        locks = [(SLOTS, fcntl.LOCK_SH)] if moving else []
        locks += [(slot, how) for slot in sorted(set(slots))]
        if moving:
            with self.shared.lock(SLOTS + 1):
                pass  # the mover waits before us
        with self.nested(locks):
            yield

    @contextmanager
    def nested(self, locks):
        if not locks:
            yield
            return
        with self.shared.lock(*locks[0]), self.nested(locks[1:]):
            yield

    def get(self, slot):
        size = self.shared.sizes[slot]
        return self.shared.data[slot * SLOT_MAX : slot * SLOT_MAX + size - 1] if size else None

    def set(self, slot, data):
        if data is not None:
            self.shared.data[slot * SLOT_MAX : slot * SLOT_MAX + len(data)] = data
        self.shared.sizes[slot] = 0 if data is None else len(data) + 1

    def some_slot(self):
        """Mostly one that has a file; its lock is not held yet, so this may change."""
        slot = self.random.randrange(SLOTS)
        for _ in range(4):
            if self.shared.sizes[slot] or self.random.random() < 0.2:
                break
            slot = self.random.randrange(SLOTS)
        return slot

    def some_bytes(self):
        return self.random.randbytes(self.random.choice((0, 1, 4095, 4096, 5000, 30_000, 100_000)))

    def check(self, slot):
        """The slot's lock is held: name, size, bytes and listing are as the model says."""
        path, data = self.path(slot), self.get(slot)
        if data is None:
            expect((errno.ENOENT,), os.stat, path)
            expect((errno.ENOENT,), os.open, path, os.O_RDONLY)
            return
        size = ok(os.stat, path).st_size
        if size != len(data):
            raise Wrong(f"{path}: size {size}, must be {len(data)}")
        fd = ok(os.open, path, os.O_RDONLY)
        self.same(path, read_all(fd), data)
        ok(os.close, fd)

    def same(self, path, found, data):
        if found != data:
            at = next((i for i, pair in enumerate(zip(found, data, strict=False)) if pair[0] != pair[1]), "the end")
            raise Wrong(f"{path}: wrong bytes from {at} on; {len(found)} bytes, must be {len(data)}")

    def absent_or(self, slot):
        return (errno.ENOENT,) if self.get(slot) is None else (0,)

    def put_over(self, path, data):
        temporary = self.temporary(path)
        fd = ok(os.open, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        write_all(fd, data)
        ok(os.close, fd)
        ok(os.rename, temporary, path)

    def contended_bytes(self):
        self.serial += 1
        return records(self.number, self.serial, self.random.choice((1, 2, 64, 65, 300)))

    # --- the whole

    def prepare(self):
        for slot in range(0, SLOTS, 2):
            data = self.some_bytes()
            self.path(slot).write_bytes(data)
            self.set(slot, data)

    def work(self, kinds, until):
        order, rounds = list(enumerate(kinds)), 0
        while True:
            self.random.shuffle(order)
            for number, kind in order:
                if self.shared.stop[0] or (rounds and time.monotonic() >= until):
                    return
                kind(self)
                self.shared.counts[self.number * len(kinds) + number] += 1
            rounds += 1

    def result(self):
        """Nobody else is at work any more: all is as the model says. SHA-256 of each file by its path."""
        wanted = {self.path(slot) for slot in range(SLOTS) if self.get(slot) is not None}
        wanted |= {self.published_path(owner) for owner in range(self.processes)}
        wanted |= {path for path in self.contended_paths() if path.exists()}
        found = {Path(top) / name for top, _, names in os.walk(self.products) for name in names}
        if found != wanted:
            raise Wrong(f"too many: {sorted(found - wanted)}; missing: {sorted(wanted - found)}")
        for slot in range(SLOTS):
            self.check(slot)
        for path in self.contended_paths():
            if path.exists() and heads(path.read_bytes()) is None:
                raise Wrong(f"{path}: bytes that nobody wrote are left")
        digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(found)}
        return {str(path.relative_to(self.products)): digest for path, digest in digests.items()}


class Operations(Worker):
    """What is in here, each process does again and again."""

    # --- locked names

    def read(self):
        slot = self.some_slot()
        with self.hold(slot, how=fcntl.LOCK_SH):
            self.check(slot)

    def read_a_part_and_by_mapping(self):
        slot = self.some_slot()
        with self.hold(slot, how=fcntl.LOCK_SH):
            failed, fd = expect(self.absent_or(slot), os.open, self.path(slot), os.O_RDONLY)
            if failed:
                return
            data = self.get(slot)
            at = self.random.randrange(len(data) + 1)
            self.same(self.path(slot), ok(os.pread, fd, 5000, at), data[at : at + 5000])
            if data:
                with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as mapped:
                    self.same(self.path(slot), mapped[:], data)
            ok(os.close, fd)

    def look_into_the_folder(self):
        slot = self.some_slot()
        with self.hold(slot, how=fcntl.LOCK_SH):
            path = self.path(slot)
            there = path.name in ok(os.listdir, path.parent)
            if there != (self.get(slot) is not None):
                raise Wrong(f"{path}: {'listed' if there else 'not listed'}")

    def create(self):
        slot, data = self.random.randrange(SLOTS), self.some_bytes()
        with self.hold(slot):
            taken = self.get(slot) is not None
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            failed, fd = expect((errno.EEXIST,) if taken else (0,), os.open, self.path(slot), flags, 0o644)
            if failed:
                return
            write_all(fd, data[:4096])
            write_all(fd, data[4096:])
            ok(os.close, fd)
            self.set(slot, data)
            self.check(slot)

    def write_anew(self):
        slot, data = self.random.randrange(SLOTS), self.some_bytes()
        with self.hold(slot):
            fd = ok(os.open, self.path(slot), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            write_all(fd, data)
            ok(os.close, fd)
            self.set(slot, data)
            self.check(slot)

    def append(self):
        slot, more = self.some_slot(), self.random.randbytes(700)
        with self.hold(slot):
            failed, fd = expect(self.absent_or(slot), os.open, self.path(slot), os.O_WRONLY | os.O_APPEND)
            if failed:
                return
            data = self.get(slot)
            if len(data) + len(more) > SLOT_MAX:
                data = b""
                ok(os.ftruncate, fd, 0)
            write_all(fd, more)
            ok(os.close, fd)
            self.set(slot, data + more)
            self.check(slot)

    def overwrite_inside_or_behind_the_end(self):
        slot, piece = self.some_slot(), self.random.randbytes(2000)
        with self.hold(slot):
            failed, fd = expect(self.absent_or(slot), os.open, self.path(slot), os.O_RDWR)
            if failed:
                return
            data = bytearray(self.get(slot))
            at = self.random.randrange(min(len(data) + 9000, SLOT_MAX - len(piece)))
            data.extend(bytes(max(0, at - len(data))))
            data[at : at + len(piece)] = piece
            ok(os.pwrite, fd, piece, at)
            self.same(self.path(slot), ok(os.pread, fd, len(data), 0), bytes(data))
            if self.random.random() < 0.3:
                ok(os.fsync, fd)
            ok(os.close, fd)
            self.set(slot, bytes(data))
            self.check(slot)

    def write_by_mapping(self):
        slot = self.some_slot()
        with self.hold(slot):
            failed, fd = expect(self.absent_or(slot), os.open, self.path(slot), os.O_RDWR)
            if failed:
                return
            data = bytearray(self.get(slot))
            if data:
                at = self.random.randrange(len(data))
                piece = self.random.randbytes(min(len(data) - at, 3000))
                with mmap.mmap(fd, 0) as mapped:
                    mapped[at : at + len(piece)] = piece
                    ok(mapped.flush)
                data[at : at + len(piece)] = piece
            ok(os.close, fd)
            self.set(slot, bytes(data))
            self.check(slot)

    def truncate(self):
        slot = self.some_slot()
        with self.hold(slot):
            size = self.random.randrange(40_000)
            if not expect(self.absent_or(slot), os.truncate, self.path(slot), size)[0]:
                self.set(slot, self.get(slot)[:size].ljust(size, b"\0"))
            self.check(slot)

    def set_times_and_mode(self):
        slot = self.some_slot()
        with self.hold(slot):
            path, when = self.path(slot), self.random.randrange(10**18)
            if expect(self.absent_or(slot), lambda: os.utime(path, ns=(when, when)))[0]:
                return
            mode = self.random.choice((0o600, 0o640, 0o644, 0o444))
            ok(os.chmod, path, mode)
            found = ok(os.stat, path)
            if (found.st_mtime_ns, found.st_mode & 0o7777) != (when, mode):
                raise Wrong(f"{path}: mtime {found.st_mtime_ns}, mode {found.st_mode:o}; must be {when}, {mode:o}")
            self.check(slot)

    def replace(self):
        slot, data = self.random.randrange(SLOTS), self.some_bytes()
        with self.hold(slot):
            self.put_over(self.path(slot), data)
            self.set(slot, data)
            self.check(slot)

    def remove(self):
        slot = self.some_slot()
        with self.hold(slot):
            expect(self.absent_or(slot), os.unlink, self.path(slot))
            self.set(slot, None)
            self.check(slot)

    def remove_while_open(self):
        slot = self.some_slot()
        with self.hold(slot):
            path, data = self.path(slot), self.get(slot)
            failed, fd = expect(self.absent_or(slot), os.open, path, os.O_RDWR)
            if failed:
                return
            ok(os.unlink, path)
            self.same(path, read_all(fd), data)
            write_all(fd, b"nobody reads this")
            self.same(path, ok(os.pread, fd, 200_000, 0), data + b"nobody reads this")
            ok(os.close, fd)
            self.set(slot, None)
            self.check(slot)

    def rename(self):
        slot, other = self.some_slot(), self.random.randrange(SLOTS)
        with self.hold(slot, other):
            if not expect(self.absent_or(slot), os.rename, self.path(slot), self.path(other))[0] and slot != other:
                self.set(other, self.get(slot))
                self.set(slot, None)
            self.check(slot)
            self.check(other)

    def rename_without_replacing(self):
        slot, other = self.some_slot(), self.random.randrange(SLOTS)
        with self.hold(slot, other):
            wanted = self.absent_or(slot)
            if wanted == (0,) and self.get(other) is not None:
                wanted = (errno.EEXIST,)
            elif slot == other:
                wanted = (errno.ENOENT,)
            if not expect(wanted, rename_noreplace, self.path(slot), self.path(other))[0]:
                self.set(other, self.get(slot))
                self.set(slot, None)
            self.check(slot)
            self.check(other)

    def rename_while_written(self):
        slot, other, more = self.some_slot(), self.random.randrange(SLOTS), self.random.randbytes(300)
        with self.hold(slot, other):
            failed, fd = expect(self.absent_or(slot), os.open, self.path(slot), os.O_RDWR)
            if failed:
                return
            data = more + self.get(slot)[len(more) :]
            ok(os.pwrite, fd, more[:100], 0)
            ok(os.rename, self.path(slot), self.path(other))
            ok(os.pwrite, fd, more[100:], 100)
            self.same(self.path(other), ok(os.pread, fd, 200_000, 0), data)
            ok(os.close, fd)
            if slot != other:
                self.set(slot, None)
            self.set(other, data)
            self.check(slot)
            self.check(other)

    def move_the_weight(self):
        """Another weight for a folder with a quarter of the files, while nobody works in it."""
        with self.shared.lock(SLOTS + 1), self.shared.lock(SLOTS):
            now = self.shared.moved[0]
            old, new = (self.products / "p3" / weight for weight in (WEIGHTS[now], WEIGHTS[1 - now]))
            ok(os.rename, old, new)
            expect((errno.ENOENT,), os.stat, old)
            self.shared.moved[0] = 1 - now
            names = {name for name in ok(os.listdir, self.folder(MOVING)) if not name.startswith(".")}
            slots = [slot for slot in range(SLOTS) if slot % 4 == MOVING and self.get(slot) is not None]
            if names != {self.path(slot).name for slot in slots}:
                raise Wrong(f"{new}: has {sorted(names)} after its rename, must have {slots}")

    # --- published names

    def publish(self):
        version = self.shared.started[self.number] + 1
        self.shared.started[self.number] = version
        self.put_over(self.published_path(self.number), records(self.number, version, 1 + self.random.randrange(300)))
        self.shared.published[self.number] = version

    def read_published(self):
        owner = self.random.randrange(self.processes)
        path, oldest = self.published_path(owner), self.shared.published[owner]
        fd = open_shared((0,), path, os.O_RDONLY)[1]
        data = read_all(fd)
        ok(os.close, fd)
        found = heads(data)
        if not found or len({head[:2] for head in found}) != 1 or len(found) != found[0][3]:
            raise Wrong(f"{path}: not one whole version: {len(data)} bytes, {(found or [])[:3]}")
        writer, version = found[0][:2]
        if writer != owner or not oldest <= version <= self.shared.started[owner]:
            raise Wrong(f"{path}: version {version} of {writer}, {oldest} was published before the open")

    # --- contended names

    def contended_read(self):
        path = self.contended_path()
        failed, fd = open_shared((0, errno.ENOENT), path, os.O_RDONLY)
        if failed:
            return
        data = read_all(fd)
        if heads(data) is None:
            # A read beside a write may see a part of it, as on any disk; but that does not stay.
            ok(os.lseek, fd, 0, os.SEEK_SET)
            if read_all(fd) == data:
                raise Wrong(f"{path}: bytes that nobody wrote: {len(data)} bytes, {data[:64]!r}")
        ok(os.close, fd)

    def contended_create(self):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        failed, fd = open_shared((0, errno.EEXIST), self.contended_path(), flags)
        if not failed:
            write_all(fd, self.contended_bytes())
            ok(os.close, fd)

    def contended_write(self):
        fd = open_shared((0,), self.contended_path(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)[1]
        write_all(fd, self.contended_bytes())
        ok(os.close, fd)

    def contended_replace(self):
        self.put_over(self.contended_path(), self.contended_bytes())

    def contended_remove(self):
        expect((0, errno.ENOENT), os.unlink, self.contended_path())

    def contended_rename(self):
        expect((0, errno.ENOENT), os.rename, self.contended_path(), self.contended_path())

    def contended_rename_without_replacing(self):
        wanted = (0, errno.ENOENT, errno.EEXIST)
        expect(wanted, rename_noreplace, self.contended_path(), self.contended_path())

    def contended_stat(self):
        failed, found = expect((0, errno.ENOENT, errno.ESTALE), os.stat, self.contended_path())
        if not failed and found.st_size % 64:
            raise Wrong(f"a contended file has {found.st_size} bytes")


KINDS = [kind for kind in vars(Operations).values() if callable(kind)]


def child(worker, until):
    """A process of its own: never returns."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    status = 1
    try:
        worker.work(KINDS, until)
        status = 0
    except BaseException as error:
        worker.shared.stop[0] = 1
        where = [frame.name for frame in traceback.extract_tb(error.__traceback__)][-4:]
        sys.stderr.write(f"process {worker.number}: {' > '.join(where)}: {error!r}\n")
        sys.stderr.flush()
    finally:
        os._exit(status)


def main():
    products, processes, seconds, seed = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    shared = Shared(processes, len(KINDS))
    workers = [Operations(shared, products, processes, number, seed) for number in range(processes)]
    workers[0].prepare()
    for worker in workers:
        worker.publish()
    until = time.monotonic() + seconds
    children = {}
    for worker in workers:
        process = os.fork()
        if process == 0:
            child(worker, until)
        children[process] = worker.number
    bad = []
    while children:
        process, status = os.wait()
        number = children.pop(process)
        if status != 0:
            shared.stop[0] = 1
            bad.append(f"process {number} ended with status {os.waitstatus_to_exitcode(status)}")
    if bad:
        sys.exit("; ".join(bad))
    counts = {
        kind.__name__: sum(shared.counts[number * len(KINDS) + i] for number in range(processes))
        for i, kind in enumerate(KINDS)
    }
    json.dump({"counts": counts, "files": workers[0].result()}, sys.stdout)


if __name__ == "__main__":
    main()
