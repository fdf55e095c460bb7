# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at each fail point of each operation, and again at each fail point of the recovery.

Proves promises 1 to 3: after recovery every operation has happened wholly or not at all, in both places. Each case
first proves that its fault fired (the process died by SIGKILL); a fail point that no operation reaches fails the tests.
"""

import subprocess

import pytest
from harness.crash import NEW_BYTES, OPERATIONS, contents_before, judge, prepare, run_killed
from harness.images import png

FOLDER_WORK = """
mkdir "$1" "$1/1kg" "$1/1kg/hero-card" && echo x > "$1/1kg/hero-card/a.png" && chmod 700 "$1/1kg"
mv "$1/1kg/hero-card" "$1/1kg/info-card" && rm "$1/1kg/info-card/a.png" && rmdir "$1/1kg/info-card" "$1/1kg" "$1"
"""

ORPHAN = "products/{}/500ml/hero-card/orphan.png"


class Case:
    """One product per run within one installation, so that runs do not meet."""

    def __init__(self, lockstep, operation):
        self.lockstep, self.operation, self.count = lockstep, operation, 0
        self.file = lockstep.folder / "new.png"
        self.file.write_bytes(NEW_BYTES)
        self.points = [p for p in lockstep.failpoints("engine.") if not p.startswith("engine.recover")]
        self.recovery = lockstep.failpoints("engine.recover")
        self.ready = None

    def product(self):
        """A prepared product with its contents before and after; one that was not used up is given again."""
        if self.ready is None:
            self.count += 1
            name = f"p{self.count:03d}"
            before = prepare(self.lockstep, name)
            if self.operation.name == "put_over_orphan":
                key = ORPHAN.format(name)
                self.lockstep.backend.put(key, png("orphan"))
                before = before | {key: png("orphan")}
            self.ready = name, before, self.operation.effect(name, before)
        return self.ready

    def used(self):
        self.ready = None

    def words(self, name):
        return self.operation.words(name, self.file)

    def settle_orphan(self, name):
        """The orphan of put_over_orphan is a foreign object when the old state is back: adopt it."""
        if self.operation.name == "put_over_orphan":
            self.lockstep.run("sync", name, "--orphans=adopt", "--yes", "--grace=0s", check=(0, 1))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_killed_at_each_fail_point_recovery_leaves_old_or_new(lockstep, operation):
    case, fired = Case(lockstep, operation), []
    for point in case.points:
        for hit in (1, 2) if operation.multi else (1,):
            name, before, after = case.product()
            if not run_killed(lockstep, case.words(name), f"{point}=kill@{hit}"):
                case.used()
                break
            fired.append(point)
            lockstep.run("recover")
            case.settle_orphan(name)
            judge(lockstep, name, before, after, f"{operation.name} killed at {point}@{hit}")
            case.used()
    assert len(fired) >= 2, f"only {fired} fired for {operation.name}"
    lockstep.run("scan", "--grace=0s", check=0)


@pytest.mark.timeout(500)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_killed_again_in_the_recovery_the_next_recovery_settles_it(lockstep_file, operation):
    lockstep = lockstep_file
    case, fired = Case(lockstep, operation), 0
    for point in case.points:
        reached = True
        for recovery in case.recovery:
            if not reached:
                break
            name, before, after = case.product()
            reached = run_killed(lockstep, case.words(name), f"{point}=kill")
            case.used()
            if not reached:
                break
            if run_killed(lockstep, ("recover",), f"{recovery}=kill"):
                fired += 1
            lockstep.run("recover")
            case.settle_orphan(name)
            judge(lockstep, name, before, after, f"{operation.name} killed at {point}, recovery at {recovery}")
    assert fired >= 1, f"no recovery of {operation.name} was ever killed"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_on_minio_a_chain_of_killed_recoveries_ends_settled(lockstep_minio, operation):
    """Each recovery is killed at the next point, always going on from what the last one left."""
    lockstep = lockstep_minio
    case, fired = Case(lockstep, operation), 0
    for point in case.points:
        name, before, after = case.product()
        case.used()
        if not run_killed(lockstep, case.words(name), f"{point}=kill"):
            continue
        for recovery in case.recovery:
            fired += run_killed(lockstep, ("recover",), f"{recovery}=kill")
        lockstep.run("recover")
        case.settle_orphan(name)
        judge(lockstep, name, before, after, f"{operation.name} killed at {point}, then a chain")
    assert fired >= 1, f"no recovery of {operation.name} was ever killed"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_an_error_at_each_fail_point_changes_nothing_or_all(lockstep, operation):
    """The same points with a failing function instead of a dying process."""
    case, fired = Case(lockstep, operation), 0
    for point in case.points:
        name, before, after = case.product()
        done = lockstep.run(*case.words(name), failpoint=f"{point}=error", check=None)
        assert done.returncode >= 0, f"{operation.name} died at {point}: {done.stderr[-3000:]}"
        fired += "event=failpoint" in done.stderr
        case.used()
        lockstep.run("recover")
        case.settle_orphan(name)
        judge(lockstep, name, before, after, f"{operation.name} with an error at {point}")
        if done.returncode == 0:
            judge(lockstep, name, after, after, f"{operation.name} said success with an error at {point}")
    assert fired >= 1, f"no error fired in {operation.name}"


@pytest.mark.timeout(400)
def test_no_fail_point_is_out_of_reach(lockstep_file):
    """Every engine.* point fires in some operation, in mending and trash, or in a recovery."""
    lockstep = lockstep_file
    never = set(lockstep.failpoints("engine."))
    number = 0

    def try_all(words, setup=None):
        """Run once for each point not seen yet; the state is made anew for each."""
        nonlocal number
        for point in sorted(never):
            number += 1
            name = f"q{number:04d}"
            if setup:
                setup(name)
            if run_killed(lockstep, words(name), f"{point}=kill"):
                never.discard(point)
                lockstep.run("recover")

    for operation in OPERATIONS:
        case = Case(lockstep, operation)

        def words(name, case=case):
            return case.words(name)

        def setup(name, operation=operation):
            prepare(lockstep, name)
            if operation.name == "put_over_orphan":
                lockstep.backend.put(ORPHAN.format(name), png("orphan"))

        try_all(words, setup)

    def orphan(name):
        lockstep.backend.put(ORPHAN.format(name), png(name))

    def missing(name):
        prepare(lockstep, name)
        lockstep.backend.delete(next(iter(contents_before(name))))

    def stale(name):
        prepare(lockstep, name)
        lockstep.backend.put(next(iter(contents_before(name))), b"other")

    def moved(name):
        prepare(lockstep, name)
        lockstep.backend.move(next(iter(contents_before(name))), ORPHAN.format(name))

    def misfiled(name):
        prepare(lockstep, name)
        lockstep.oracle.execute("update product_image set image_type = 'info-card' where product_id = ?", name)

    sync = ("--yes", "--grace=0s", "--max-change=100%")
    for setup, option in (
        (orphan, "--orphans=adopt"),
        (orphan, "--orphans=remove"),
        (missing, "--missing=drop"),
        (stale, "--stale=refresh"),
        (moved, "--moved=relink"),
        (misfiled, "--misfiled=refile"),
    ):
        if not never:
            break
        try_all(lambda name, option=option: ("sync", name, option, *sync), setup)

    def trashed(name):
        orphan(name)
        lockstep.run("sync", name, "--orphans=remove", *sync)

    def trash_id(name):
        return lockstep.oracle.query("select id from lockstep_trash where key = ?", ORPHAN.format(name))[0][0]

    try_all(lambda name: ("trash", "restore", trash_id(name)), trashed)
    try_all(lambda name: ("trash", "purge", "--all", "--yes"), trashed)
    try_all(lambda name: ("variant", "disable", name, "500ml"), lambda name: prepare(lockstep, name))
    try_all(lambda name: ("variant", "create", name, "500ml"))

    # What only the mount does: folders and attributes.
    for point in sorted(p for p in never if not p.startswith("engine.recover")):
        number += 1
        mount = lockstep.mount(failpoint=f"{point}=kill")
        subprocess.run(
            ["sh", "-c", FOLDER_WORK, "sh", f"q{number:04d}"], cwd=mount.products, timeout=60, stderr=subprocess.DEVNULL
        )
        if mount.process.poll() is not None and mount.died_by_kill():
            never.discard(point)
        else:
            assert mount.unmount() == 0

    # The recovery's own points: after a kill at any point of any operation.
    for operation in OPERATIONS:
        case = Case(lockstep, operation)
        for point in case.points:
            for recovery in sorted(p for p in never if p.startswith("engine.recover")):
                number += 1
                name = f"q{number:04d}"
                prepare(lockstep, name)
                if not run_killed(lockstep, case.words(name), f"{point}=kill"):
                    break
                if run_killed(lockstep, ("recover",), f"{recovery}=kill"):
                    never.discard(recovery)
                lockstep.run("recover")
    assert not never, f"no operation reaches {sorted(never)}"
