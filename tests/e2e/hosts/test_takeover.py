# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that dies in the middle of an operation, or is cut off from the catalog and comes back.

Host a runs commands that stop at each fail point of each operation, all at once, each on a product of its own. Host b
has a mount, which is never restarted: it must find out by itself and settle what a has left, once.
"""

import os
import signal
import subprocess
from dataclasses import dataclass

import pytest
from harness.crash import NEW_BYTES, OPERATIONS, contents, judge, prepare
from harness.hosts import hosts
from harness.images import png
from harness.program import SLOW, wait_until
from harness.stopping import stopped_at_their_points

pytestmark = [pytest.mark.mount, pytest.mark.pairs("postgres"), pytest.mark.timeout(200 * SLOW)]

LOOK_S = 10  # how often a mount looks for what others have left
GROUPS = {
    "put": ["put_new", "put_same_name", "put_over_orphan"],
    "remove": ["remove", "remove_many", "variant_delete"],
    "rename": ["rename_file", "rename_over_existing"],
    "folder": ["rename_folder", "variant_rename"],
}
# Behind the last look whether the operation is still ours: what is sent then arrives after another has settled it.
LATE = ".sending"
# Where the outcome is decided already: the call succeeds whoever does the rest.
DECIDED = (".committed", ".deleted", ".closed")


@pytest.fixture
def a_and_b(lockstep):
    with hosts(lockstep, "a", "b") as made:
        yield made


class Victim:
    """A command of host a, stopped at a fail point."""

    def __init__(self, a, operation, point, product, before):
        self.a, self.operation, self.point, self.product, self.before = a, operation, point, product, before
        self.after = operation.effect(product, before)
        self.log = a.folder / f"process-{len(a.processes)}.log"
        self.process = a.start(*operation.words(product, a.folder / "new.png"), failpoint=f"{point}=stop")

    @property
    def said(self):
        return f"{self.operation.name} at {self.point}: {self.log.read_text()[-2000:]}"


def stop_at_each_point(a, group, only: str = "") -> list[Victim]:
    """A command for each point of each operation of the group; `only`: those points that the others leave out."""
    (a.folder / "new.png").write_bytes(NEW_BYTES)
    wanted = []
    for operation in (operation for operation in OPERATIONS if operation.name in GROUPS[group]):
        for point in a.failpoints(operation.points):
            if point.endswith(only or LATE) != bool(only):
                continue
            product = f"p{len(wanted):02d}"
            before = prepare(a, product)
            if operation.name == "put_over_orphan":
                key = f"products/{product}/500ml/hero-card/orphan.png"
                a.backend.put(key, png("orphan"))
                before = before | {key: png("orphan")}
            wanted.append((operation, point, product, before))
    victims = [Victim(a, *words) for words in wanted]
    fired = those_that_stopped(victims)
    names = {victim.operation.name for victim in fired}
    assert names == set(GROUPS[group]), [victim.said for victim in victims]
    assert len(fired) >= (1 if only else 2) * len(names), [victim.said for victim in victims]
    return fired


def those_that_stopped(victims) -> list[Victim]:
    stopped = stopped_at_their_points([victim.process for victim in victims], 100)
    return [victim for victim in victims if victim.process in stopped]


def settled_by(mount, lockstep, left: int) -> None:
    """The journal drains, and it was b's mount that did it."""
    assert left > 0
    wait_until(lambda: not lockstep.oracle.open_intents(), f"the mount of b settles {left} intents", LOOK_S + 80)
    # An intent is closed first, and then said to be.
    wait_until(lambda: mount.text().count("event=recovered ") >= left, "it says so of each")
    assert mount.text().count("event=recovered ") == left


def settled_once(lockstep) -> None:
    """No intent has a line too many in the audit trail."""
    twice = lockstep.oracle.query(
        "select intent, key, count(*) from lockstep_audit where intent is not null"
        " group by intent, key, dest having count(*) > 1"
    )
    assert not twice, twice


def adopt_orphans(lockstep, victims) -> None:
    """The old state of these has an object without a row: adopted, for the judge."""
    if any(victim.operation.name == "put_over_orphan" for victim in victims):
        lockstep.run("sync", "--orphans=adopt", "--yes", "--grace=0s", "--max-change=100%", check=(0, 1))


@pytest.mark.parametrize("group", GROUPS)
def test_a_host_that_dies_is_recovered_by_the_other_once(lockstep, a_and_b, group):
    a, b = a_and_b
    mount = b.mount()
    fired = stop_at_each_point(a, group)
    left = len(lockstep.oracle.open_intents())
    for victim in fired:
        victim.process.kill()
    for victim in fired:
        assert victim.process.wait(20) == -signal.SIGKILL
    settled_by(mount, lockstep, left)
    settled_once(lockstep)
    adopt_orphans(lockstep, fired)
    for victim in fired:
        judge(lockstep, victim.product, victim.before, victim.after, victim.said)
        shown = {path.name for path in (mount.products / victim.product).rglob("*.png")}
        assert shown == {key.rpartition("/")[2] for key in contents(lockstep, victim.product)}, victim.said
    assert mount.unmount() == 0
    lockstep.assert_in_step()


def both_sides(lockstep) -> dict:
    """All that an operation can change, one entry each."""
    oracle = lockstep.oracle
    found = {("row", key): row for key, row in oracle.rows().items()}
    found |= {("object", key): lockstep.backend.get(key) for key in lockstep.backend.all_keys()}
    found |= {("variant", *key): active for key, active in oracle.variants().items()}
    found |= {("trail", row[0]): row[1:] for row in oracle.query("select * from lockstep_audit")}
    found |= {("intent", row[0]): row[1:] for row in oracle.open_intents()}
    return found


def difference(before: dict, after: dict) -> dict:
    names = before.keys() | after.keys()
    return {name: after.get(name, "gone") for name in sorted(names, key=str) if before.get(name) != after.get(name)}


@pytest.mark.parametrize("cut", ["liveness", "sessions"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_host_that_was_cut_off_and_comes_back_changes_nothing(lockstep, a_and_b, group, cut):
    a, b = a_and_b
    mount = b.mount()
    fired = stop_at_each_point(a, group)
    left = len(lockstep.oracle.open_intents())
    assert (a.end_liveness() if cut == "liveness" else a.end_sessions()) >= len(fired)
    settled_by(mount, lockstep, left)
    before = both_sides(lockstep)
    for victim in fired:
        victim.process.send_signal(signal.SIGCONT)
    statuses = {victim: victim.process.wait(60 * SLOW) for victim in fired}
    assert difference(before, both_sides(lockstep)) == {}
    for victim, status in statuses.items():
        if victim.point.endswith(DECIDED):
            assert status == 0, victim.said
        else:
            assert status == 4 and "another has" in victim.said, (status, victim.said)
    settled_once(lockstep)
    adopt_orphans(lockstep, fired)
    for victim in fired:
        judge(lockstep, victim.product, victim.before, victim.after, victim.said)
    assert mount.unmount() == 0
    lockstep.assert_in_step()


def test_what_arrives_after_another_has_settled_it_is_settled_anew(lockstep, a_and_b):
    """A store knows no fence, so the bytes come through; but both sides are in step again when the command ends."""
    a, b = a_and_b
    mount = b.mount()
    fired = stop_at_each_point(a, "put", LATE)
    left = len(lockstep.oracle.open_intents())
    assert a.end_sessions() >= len(fired)
    settled_by(mount, lockstep, left)
    for victim in fired:
        victim.process.send_signal(signal.SIGCONT)
    for victim in fired:
        status = victim.process.wait(60 * SLOW)
        # The store itself refuses to put something over an orphan that was not looked at.
        assert ("event=came-late" in victim.said) == (victim.operation.name != "put_over_orphan"), victim.said
        # The old bytes are gone where the new ones came over them: that has happened then.
        assert status == (0 if victim.operation.name == "put_same_name" else 4), victim.said
    adopt_orphans(lockstep, fired)
    for victim in fired:
        judge(lockstep, victim.product, victim.before, victim.after, victim.said)
        for name in (mount.products / victim.product).rglob("*.png"):
            assert name.read_bytes() == lockstep.backend.get(f"products/{name.relative_to(mount.products)}")
    assert mount.unmount() == 0
    lockstep.assert_in_step()


# ---- what nobody waits for: objects that go to trash, come back from there, or are purged

ORPHAN = "products/{}/500ml/hero-card/orphan.png"
SYNC = ("--yes", "--grace=0s", "--max-change=100%")


def orphan(lockstep, product) -> None:
    lockstep.backend.put(ORPHAN.format(product), png(product))


def trashed(lockstep, product) -> None:
    orphan(lockstep, product)
    lockstep.run("sync", product, "--orphans=remove", *SYNC)


def trash_id(lockstep, product) -> str:
    return lockstep.oracle.query("select id from lockstep_trash where key = ?", ORPHAN.format(product))[0][0]


# prefix of the fail points -> (set-up, command)
UPKEEP = {
    "engine.discard.": (orphan, lambda lockstep, product: ("sync", product, "--orphans=remove", *SYNC)),
    "engine.restore.": (trashed, lambda lockstep, product: ("trash", "restore", trash_id(lockstep, product))),
}


@dataclass
class Command:
    """As crash.Operation, for Victim."""

    name: str
    said: tuple

    def words(self, product, file):
        return self.said

    def effect(self, product, before):
        return before


@pytest.mark.parametrize("end", ["dies", "comes back"])
def test_what_a_sync_or_a_restore_leaves_is_settled_by_the_other_once(lockstep, a_and_b, end):
    a, b = a_and_b
    mount, wanted = b.mount(), []
    for prefix, (setup, words) in UPKEEP.items():
        for point in a.failpoints(prefix):
            product = f"p{len(wanted):02d}"
            setup(a, product)
            wanted.append((Command(prefix, words(a, product)), point, product, {}))
    fired = those_that_stopped([Victim(a, *words) for words in wanted])
    assert {victim.operation.name for victim in fired} == set(UPKEEP) and len(fired) >= 6
    left = len(lockstep.oracle.open_intents())
    assert a.end_liveness() >= len(fired)
    settled_by(mount, lockstep, left)
    before = both_sides(lockstep)
    for victim in fired:
        victim.process.send_signal(signal.SIGKILL if end == "dies" else signal.SIGCONT)
    for victim in fired:
        victim.process.wait(60 * SLOW)
    assert difference(before, both_sides(lockstep)) == {}
    settled_once(lockstep)
    # Each object is where it was, or where it was to go, and nowhere else.
    keys, rows = lockstep.backend.all_keys(), lockstep.oracle.query("select trash_key from lockstep_trash")
    in_trash = sorted(key for key in keys if key.startswith(".lockstep/trash/"))
    assert in_trash == sorted(key for (key,) in rows)
    for victim in fired:
        name = ORPHAN.format(victim.product)
        assert (name in keys) + len([key for key in in_trash if key.endswith(name)]) == 1, victim.said
    assert mount.unmount() == 0


# ---- mounts

# fail point -> what a shell does below the product's folder
MOUNTED = {
    "engine.put.intent_written": "cp '{}' 500ml/hero-card/image-a.png",
    "engine.put.uploaded": "cp '{}' 500ml/hero-card/new.png",
    "engine.rename.intent_written": "mv 500ml/hero-card/image-a.png 500ml/hero-card/moved.png",
    "engine.rename_folder.copied": "mv -T 500ml 750ml",
    "engine.remove.committed": "rm 500ml/hero-card/image-a.png",
}


def test_a_mount_that_was_cut_off_fails_one_call_and_goes_on(lockstep, a_and_b):
    a, b = a_and_b
    (a.folder / "new.png").write_bytes(NEW_BYTES)
    products = {point: f"p{i}" for i, point in enumerate(MOUNTED)}
    for product in products.values():
        prepare(lockstep, product)
    watching = b.mount()
    mounts = {point: a.mount(failpoint=f"{point}=stop") for point in MOUNTED}
    calls = {}
    for point, mount in mounts.items():
        os.listdir(mount.products / products[point])
        calls[point] = subprocess.Popen(
            ["sh", "-c", MOUNTED[point].format(a.folder / "new.png")],
            cwd=mount.products / products[point],
            stderr=subprocess.PIPE,
            text=True,
        )
    said = {point: mount.text() for point, mount in mounts.items()}
    stopped = stopped_at_their_points([mount.process for mount in mounts.values()])
    assert len(stopped) == len(MOUNTED), said
    assert a.end_sessions() > len(MOUNTED)
    wait_until(lambda: not lockstep.oracle.open_intents(), "the mount of b settles what was left", LOOK_S + 80)
    before = both_sides(lockstep)
    for mount in mounts.values():
        mount.process.send_signal(signal.SIGCONT)
    for point, call in calls.items():
        _, text = call.communicate(timeout=60 * SLOW)
        # Removed is removed, whoever deletes the object.
        assert (call.returncode == 0) == (point == "engine.remove.committed"), (point, text, mounts[point].text())
        assert difference(before, both_sides(lockstep)) == {}, mounts[point].text()
    for point, mount in mounts.items():
        (mount.products / products[point] / "1kg/info-card").mkdir()
        (mount.products / products[point] / "1kg/info-card/later.png").write_bytes(b"later")
        assert (watching.products / products[point] / "1kg/info-card/later.png").read_bytes() == b"later"
        assert mount.unmount() == 0
    assert watching.unmount() == 0
    lockstep.assert_in_step()
