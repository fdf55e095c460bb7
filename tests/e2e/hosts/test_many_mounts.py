# SPDX-License-Identifier: GPL-3.0-or-later
"""Two and three hosts, each with a mount, at work at once in one tree; and how soon one sees what another did."""

import errno
import os
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from harness.hosts import hosts
from harness.program import SLOW, wait_until
from harness.tools import sized
from harness.tree_model import Chooser, explain, perform, short, shown

pytestmark = pytest.mark.mount


@contextmanager
def mounts_of(lockstep, count):
    with hosts(lockstep, *"abc"[:count]) as made:
        yield [host.mount() for host in made]


def settle(mounts, candidates, said=""):
    """All mounts come to show the same of the trees that are possible; which one."""
    found = []

    def agree():
        trees = [shown(mount.products) for mount in mounts]
        found[:] = [tree for tree in candidates if all(tree == other for other in trees)]
        return found

    try:
        wait_until(agree, "all mounts show one of the possible trees", 60)
    except AssertionError:
        trees = [shown(mount.products) for mount in mounts]
        wrong = [tree.differs(candidate) for tree in trees for candidate in candidates]
        raise AssertionError(f"{said}: {wrong}\n" + "\n".join(mount.text()[-2000:] for mount in mounts)) from None
    return found[0]


def work(mounts, seed, operations) -> dict:
    """Random operations from all mounts at once; returns how often which was answered how."""
    history = []
    choose = Chooser(random.Random(seed))
    tree, counts = choose.start(), {}
    for folder in sorted(tree.folders):
        (mounts[0].products / folder).mkdir()
    settle(mounts, [tree])
    with ThreadPoolExecutor(len(mounts)) as pool:
        for turn in range(operations // len(mounts)):
            # Right after the last operations only what an open promises holds: a name may be old for a moment.
            at_once = turn % 2 == 1
            ops = [choose.read(tree) if at_once else choose.some(tree) for _ in mounts]
            answers = list(pool.map(perform, [mount.products for mount in mounts], ops))
            candidates = explain(tree, ops, answers)
            said = [
                (op, errno.errorcode.get(code, code), short(text))
                for op, (code, text) in zip(ops, answers, strict=True)
            ]
            history.append(said)
            assert candidates, f"seed {seed}, turn {turn}: nothing explains {history[-4:]}"
            if at_once:
                tree = settle(mounts, candidates, history[-4:])
            elif len(candidates) > 1:
                tree = settle(mounts[:1], candidates, history[-4:])
            else:
                (tree,) = candidates
            for op, (code, _) in zip(ops, answers, strict=True):
                counts[op.name, code] = counts.get((op.name, code), 0) + 1
    settle(mounts, [tree])
    return counts


def check_work(lockstep, count, seed, record_property):
    with mounts_of(lockstep, count) as mounts:
        counts = work(mounts, seed, sized(1000, 20_000))
        record_property("answers", str({f"{name} {os.strerror(code)}": n for (name, code), n in counts.items()}))
        done = {name for name, code in counts if code == 0}
        assert done == {"read", "create", "write", "unlink", "chmod", "rename_file", "rename_folder", "mkdir", "rmdir"}
        for mount in mounts:
            lockstep.oracle.assert_tree(mount.products)
            assert mount.unmount() == 0
    lockstep.assert_in_step()


@pytest.mark.pairs("file", "postgres")
@pytest.mark.parametrize("seed", sized([1], [1, 2, 3]))
def test_two_mounts_at_work_at_once(lockstep, seed, record_property):
    check_work(lockstep, 2, seed, record_property)


@pytest.mark.pairs("postgres")
@pytest.mark.parametrize("seed", sized([4], [4, 5, 6]))
def test_three_mounts_at_work_at_once(lockstep, seed, record_property):
    check_work(lockstep, 3, seed, record_property)


# ---- what the random work has found, one by one

FOLDER = "p1/500ml/hero-card"


@pytest.fixture
def here_and_there(lockstep):
    with mounts_of(lockstep, 2) as mounts:
        (mounts[0].products / FOLDER).mkdir(parents=True)
        (mounts[0].products / FOLDER / "a.jpg").write_bytes(b"old")
        wait_until((mounts[1].products / FOLDER / "a.jpg").exists, "the file is shown")
        yield mounts
        for mount in mounts:
            assert mount.unmount() == 0
    lockstep.assert_in_step()


@pytest.mark.pairs("file", "postgres")
def test_a_mode_that_is_set_while_another_writes_stays(here_and_there):
    here, there = (mount.products / FOLDER / "a.jpg" for mount in here_and_there)
    with open(here, "wb") as file:
        file.write(b"new")
        os.chmod(there, 0o600)
    wait_until(lambda: there.read_bytes() == b"new", "the new bytes are shown")
    assert [path.stat().st_mode & 0o777 for path in (here, there)] == [0o600, 0o600]
    with open(here, "wb") as file:  # what the writer sets itself holds
        file.write(b"newer")
        os.chmod(there, 0o640)
        os.fchmod(file.fileno(), 0o444)
    wait_until(lambda: there.stat().st_mode & 0o777 == 0o444, "the writer's mode is shown")


@pytest.mark.pairs("file", "postgres")
def test_who_renames_sees_what_another_wrote_before(here_and_there):
    """The same number of bytes each time, so that the size gives the kernel no reason to drop what it has."""
    here, there = (mount.products for mount in here_and_there)
    assert (here / FOLDER / "a.jpg").read_bytes() == b"old"
    (there / FOLDER / "a.jpg").write_bytes(b"new")
    os.rename(here / "p1/500ml", here / "p1/1kg")
    assert (here / "p1/1kg/hero-card/a.jpg").read_bytes() == b"new"
    wait_until((there / "p1/1kg/hero-card/a.jpg").exists, "the rename is shown")
    (there / "p1/1kg/hero-card/a.jpg").write_bytes(b"alt")
    os.rename(here / "p1/1kg/hero-card/a.jpg", here / "p1/1kg/hero-card/b.jpg")
    assert (here / "p1/1kg/hero-card/b.jpg").read_bytes() == b"alt"


@pytest.mark.pairs("file", "postgres")
def test_a_longer_version_is_read_to_its_end_at_once(here_and_there):
    here, there = (mount.products / FOLDER / "a.jpg" for mount in here_and_there)
    for size in range(4, 200, 4):
        assert there.stat().st_size == here.stat().st_size
        here.write_bytes(b"x" * size)
        assert there.read_bytes() == b"x" * size
        wait_until(lambda size=size: there.stat().st_size == size, "the size is shown")


# ---- how soon

CHANGES = 200


def seen_after(condition, limit_s=10) -> float:
    """Milliseconds until it holds; asks as fast as it can."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() < start + limit_s * SLOW, "not seen in time"
    return 1000 * (time.monotonic() - start)


@pytest.mark.pairs("file", "postgres")
def test_a_change_is_seen_by_the_others_within_100_ms(lockstep, record_property):
    """The watching kernel answers from its cache until it is told: asking again and again does not help it."""
    with mounts_of(lockstep, 2) as (here, there):
        folder = "p1/500ml/hero-card"
        (here.products / folder).mkdir(parents=True)
        name = here.products / folder / "a.jpg"
        name.write_bytes(b"1")
        watched = there.products / folder / "a.jpg"
        wait_until(watched.exists, "the first file is shown")
        took = []
        for size in range(2, CHANGES + 2):
            assert watched.stat().st_size == size - 1
            name.write_bytes(b"x" * size)
            took.append(seen_after(lambda size=size: watched.stat().st_size == size))
        took.sort()
        p50, p99 = statistics.median(took), took[int(0.99 * len(took))]
        record_property("p50_ms", f"{p50:.1f}")
        record_property("p99_ms", f"{p99:.1f}")
        print(f"a change is seen after {p50:.1f} ms (p50), {p99:.1f} ms (p99), {took[-1]:.1f} ms (most)")
        assert p50 < 100 * SLOW, took
        assert here.unmount() == there.unmount() == 0
    lockstep.assert_in_step()
