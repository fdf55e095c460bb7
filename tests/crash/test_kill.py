# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at each fail point of each operation, and again at each fail point of the recovery.

Proves promises 1 to 3: after recovery every operation has happened wholly or not at all, in both places. Each case
first proves that its fault fired (the process died by SIGKILL); a fail point that no operation reaches fails the tests.
"""

import subprocess

import pytest
from harness.crash import NEW_BYTES, OPERATIONS, contents_before, judge, prepare, run_killed
from harness.images import png

# What only the mount does: folders, attributes, and the rename of a file that is being written.
FOLDER_WORK = """
mkdir "$1" "$1/1kg" "$1/1kg/hero-card" && echo x > "$1/1kg/hero-card/a.png" && chmod 700 "$1/1kg"
mv "$1/1kg/hero-card" "$1/1kg/info-card" && rm "$1/1kg/info-card/a.png" && rmdir "$1/1kg/info-card" "$1/1kg" "$1"
"""
DIRTY_RENAME = """
cd "$1/500ml/hero-card" && python3 -c '
import os; fd = os.open("image-a.png", os.O_WRONLY); os.write(fd, b"new text")
os.rename("image-a.png", "renamed.png"); os.close(fd)'
"""

ORPHAN = "products/{}/500ml/hero-card/orphan.png"


class Case:
    """One product per run within one installation, so that runs do not meet."""

    def __init__(self, lockstep, operation):
        self.lockstep, self.operation, self.count = lockstep, operation, 0
        self.file = lockstep.folder / "new.png"
        self.file.write_bytes(NEW_BYTES)
        self.points = lockstep.failpoints(operation.points)
        assert self.points, f"no fail point is called {operation.points}*"
        common = [point for point in lockstep.failpoints("engine.recover.") if point.count(".") == 2]
        self.recovery = common + lockstep.failpoints(operation.points.replace("engine.", "engine.recover."))

    def product(self):
        """A new product: its name, its contents before and after the operation."""
        self.count += 1
        name = f"p{self.count:03d}"
        before = prepare(self.lockstep, name)
        if self.operation.name == "put_over_orphan":
            key = ORPHAN.format(name)
            self.lockstep.backend.put(key, png("orphan"))
            before = before | {key: png("orphan")}
        return name, before, self.operation.effect(name, before)

    def words(self, name):
        return self.operation.words(name, self.file)

    def recover(self, name):
        self.lockstep.run("recover")
        if self.operation.name == "put_over_orphan":
            # Back in the old state the orphan is a foreign object again: adopted, for the judge.
            self.lockstep.run("sync", name, "--orphans=adopt", "--yes", "--grace=0s")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_killed_at_each_fail_point_recovery_leaves_old_or_new(lockstep, operation):
    case, fired = Case(lockstep, operation), []
    for point in case.points:
        for hit in (1, 2) if operation.multi else (1,):
            name, before, after = case.product()
            if not run_killed(lockstep, case.words(name), f"{point}=kill@{hit}"):
                break
            fired.append(point)
            case.recover(name)
            judge(lockstep, name, before, after, f"{operation.name} killed at {point}@{hit}")
    assert len(fired) >= 2, f"only {fired} fired for {operation.name}"
    lockstep.run("scan", "--grace=0s", check=0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_killed_again_in_the_recovery_the_next_recovery_settles_it(lockstep_file, operation):
    lockstep = lockstep_file
    case, fired = Case(lockstep, operation), 0
    for point in case.points:
        for recovery in case.recovery:
            name, before, after = case.product()
            if not run_killed(lockstep, case.words(name), f"{point}=kill"):
                break
            fired += run_killed(lockstep, ("recover",), f"{recovery}=kill")
            case.recover(name)
            judge(lockstep, name, before, after, f"{operation.name} killed at {point}, recovery at {recovery}")
    assert fired >= 1, f"no recovery of {operation.name} was ever killed"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_on_minio_a_chain_of_killed_recoveries_ends_settled(lockstep_minio, operation):
    """Each recovery is killed at the next point, always going on from what the last one left."""
    lockstep = lockstep_minio
    case, fired = Case(lockstep, operation), 0
    for point in case.points:
        name, before, after = case.product()
        if not run_killed(lockstep, case.words(name), f"{point}=kill"):
            continue
        for recovery in case.recovery:
            fired += run_killed(lockstep, ("recover",), f"{recovery}=kill")
        case.recover(name)
        judge(lockstep, name, before, after, f"{operation.name} killed at {point}, then a chain")
    assert fired >= 1, f"no recovery of {operation.name} was ever killed"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_an_error_at_each_fail_point_changes_nothing_or_all(lockstep, operation):
    """The same points with a failing function instead of a dying process."""
    case, fired = Case(lockstep, operation), 0
    for point in case.points:
        name, before, after = case.product()
        done = lockstep.run(*case.words(name), failpoint=f"{point}=error", check=None)
        assert done.returncode >= 0, f"{operation.name} died at {point}: {done.stderr[-3000:]}"
        fired += "event=failpoint" in done.stderr
        case.recover(name)
        judge(lockstep, name, before, after, f"{operation.name} with an error at {point}")
        if done.returncode == 0:
            judge(lockstep, name, after, after, f"{operation.name} said success with an error at {point}")
    assert fired >= 1, f"no error fired in {operation.name}"


# --- coverage: what else passes fail points


def _orphan(lockstep, name):
    lockstep.backend.put(ORPHAN.format(name), png(name))


def _trashed(lockstep, name):
    _orphan(lockstep, name)
    lockstep.run("sync", name, "--orphans=remove", *SYNC)


def _missing(lockstep, name):
    prepare(lockstep, name)
    lockstep.backend.delete(next(iter(contents_before(name))))


def _trash_id(lockstep, name):
    return lockstep.oracle.query("select id from lockstep_trash where key = ?", ORPHAN.format(name))[0][0]


SYNC = ("--yes", "--grace=0s", "--max-change=100%")


# prefix of the points -> (set-up, command)
def _changed_by_the_application(lockstep, name):
    """A weight is changed and a variant deleted by a foreign program; whatever it did before is settled."""
    lockstep.run("settle", check=(0, 1))
    prepare(lockstep, name)
    with lockstep.oracle.transaction() as execute:
        execute("update product_variant set weight = '750ml' where weight = '500ml' and product_id = ?", (name,))
        execute("delete from product_image where file_name like ?", (f"products/{name}/1kg/%",))
        execute("delete from product_variant where weight = '1kg' and product_id = ?", (name,))


OTHERS = {
    "engine.discard.": (_orphan, lambda ls, name: ("sync", name, "--orphans=remove", *SYNC)),
    "engine.mend.": (_missing, lambda ls, name: ("sync", name, "--missing=drop", *SYNC)),
    "engine.restore.": (_trashed, lambda ls, name: ("trash", "restore", _trash_id(ls, name))),
    "engine.purge.": (_trashed, lambda ls, name: ("trash", "purge", "--all", "--yes")),
    "engine.follow.": (_changed_by_the_application, lambda ls, name: ("settle",)),
    "engine.variant_create.": (lambda ls, name: None, lambda ls, name: ("variant", "create", name, "500ml")),
    "engine.variant_active.": (prepare, lambda ls, name: ("variant", "disable", name, "500ml")),
}


@pytest.mark.timeout(600)
def test_no_fail_point_of_the_engine_is_out_of_reach(lockstep_file):
    """Every engine.* point fires in an operation, in mending and trash, in the mount, or in a recovery of these."""
    lockstep = lockstep_file
    never = set(lockstep.failpoints("engine."))
    number = 0

    def kill_at(point, setup, words, recoveries):
        """Run with a kill at the point; then the recovery with a kill at each of its points not seen yet."""
        nonlocal number
        for recovery in [*sorted(recoveries & never), None]:
            number += 1
            name = f"q{number:04d}"
            setup(lockstep, name)
            if not run_killed(lockstep, words(lockstep, name), f"{point}=kill"):
                return
            never.discard(point)
            if recovery and run_killed(lockstep, ("recover",), f"{recovery}=kill"):
                never.discard(recovery)
            lockstep.run("recover")

    groups = dict(OTHERS)
    for operation in OPERATIONS:
        case = Case(lockstep, operation)

        def setup(lockstep, name, operation=operation):
            prepare(lockstep, name)
            if operation.name == "put_over_orphan":
                _orphan(lockstep, name)

        groups[operation.points + operation.name] = setup, lambda ls, name, case=case: case.words(name)
    for prefix, (setup, words) in groups.items():
        prefix = prefix[: prefix.rindex(".") + 1]
        recoveries = {p for p in never if p.startswith("engine.recover.") and p.count(".") == 2}
        recoveries |= {p for p in never if p.startswith(prefix.replace("engine.", "engine.recover."))}
        for point in lockstep.failpoints(prefix):
            if point in never or recoveries & never:
                kill_at(point, setup, words, recoveries)

    def kill_mount_at(point, script):
        """The script on a mount with a kill at the point; True when it fired."""
        nonlocal number
        number += 1
        name = f"q{number:04d}"
        if script is DIRTY_RENAME:
            prepare(lockstep, name)
        mount = lockstep.mount(failpoint=f"{point}=kill")
        argv = ["sh", "-c", script, "sh", name]
        subprocess.run(argv, cwd=mount.products, timeout=60, stderr=subprocess.DEVNULL)
        if mount.died_by_kill(timeout=2):
            never.discard(point)
            return True
        assert mount.process.wait(20) == 0
        return False

    for script in (FOLDER_WORK, DIRTY_RENAME):
        for point in sorted(p for p in never if not p.startswith("engine.recover.")):
            kill_mount_at(point, script)
    for recovery in sorted(never):
        for point in lockstep.failpoints(recovery.replace("engine.recover.", "engine.").rpartition(".")[0] + "."):
            if recovery in never and kill_mount_at(point, DIRTY_RENAME):
                if run_killed(lockstep, ("recover",), f"{recovery}=kill"):
                    never.discard(recovery)
                lockstep.run("recover")
    assert not never, f"no operation reaches {sorted(never)}"
