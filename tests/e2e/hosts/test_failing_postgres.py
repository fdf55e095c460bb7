# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL is restarted, killed, cut off or silent while a mount is at work, and commands run beside it.

What was acknowledged is there afterwards, in both places; what was not is old or new; every call ends in time with a
clear errno; the mount goes on by itself.
"""

import errno
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from harness import calls
from harness.images import seed
from harness.pg_proxy import of, through
from harness.postgres import SERVER_SH, database, running_postgres
from harness.program import SLOW, Lockstep, wait_until

pytestmark = [pytest.mark.mount, pytest.mark.pairs("postgres"), pytest.mark.timeout(240 * SLOW)]

DEADLINE_S = 3  # of the catalog, in these tests
# A wait for another connection or writer, then an answer that does not come, and what a request does before and after.
LIMIT_S = 4 * DEADLINE_S + 8


@pytest.fixture(scope="module")
def own_server():
    """A server that these tests may stop."""
    with running_postgres(own=True) as url:
        yield url


@pytest.fixture
def shop(folder, minio_backend, own_server):
    """Its program reaches the server through a proxy, the judge does not."""
    with database(own_server) as url:
        lockstep = Lockstep(folder, minio_backend, database=url)
        lockstep.proxy = of(url, folder / "proxy")
        lockstep.server = Path(own_server.partition("host=")[2].partition("&")[0])
        try:
            lockstep.init()
            lockstep.set_config("catalog", "url", through(url, lockstep.proxy))
            lockstep.set_config("catalog", "deadline", f"{DEADLINE_S}s")
            lockstep.set_config("catalog", "busy_timeout", f"{DEADLINE_S}s")
            yield lockstep
        finally:
            lockstep.close()
            lockstep.proxy.close()


def server(shop, verb) -> None:
    subprocess.run([SERVER_SH, verb, shop.server], check=True, timeout=120, capture_output=True)


def restart(shop) -> None:
    server(shop, "end")
    server(shop, "start")


def kill(shop) -> None:
    postmaster = int((shop.server / "data/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    server(shop, "start")


def cut_again_and_again(shop) -> None:
    end = time.monotonic() + 2
    while time.monotonic() < end:
        shop.proxy.cut()
        time.sleep(0.1)


def refuse_and_cut(shop) -> None:
    shop.proxy.refusing.set()
    shop.proxy.cut()
    time.sleep(2)
    shop.proxy.refusing.clear()


def silence(shop) -> None:
    shop.proxy.silent.set()
    time.sleep(2 * DEADLINE_S)
    shop.proxy.silent.clear()
    assert shop.proxy.fired > 0


FAULTS = [restart, kill, cut_again_and_again, refuse_and_cut, silence]


class Work(threading.Thread):
    """One kind of call on a product of its own, again and again; keeps what each call may have left."""

    def __init__(self, products: Path):
        super().__init__(daemon=True)
        self.kind = type(self).__name__.lower()
        self.product = products / self.kind
        self.hero = self.product / "500ml/hero-card"
        self.done = self.failed = 0
        self.longest = 0.0
        self.errors: set = set()
        self.stop = threading.Event()
        self.may: dict[str, set] = {}  # name -> what it may hold; None: that it is not there

    def run(self):
        number = 0
        while not self.stop.is_set():
            number += 1
            start, failed = time.monotonic(), 0
            try:
                self.act(number)
            except OSError as error:
                failed = error.errno
            self.longest = max(self.longest, time.monotonic() - start)
            if failed:
                self.failed += 1
                self.errors.add(failed)
                time.sleep(0.05)
            else:
                self.done += 1
            self.note(number, not failed)

    def prepare(self):
        self.hero.mkdir(parents=True)

    def note(self, number: int, acknowledged: bool):
        pass

    def judge(self, found: dict):
        """found: name below the product -> bytes, in the store."""
        for name, possible in self.may.items():
            assert found.get(name) in possible, (self.kind, name, found.get(name), possible)


class Create(Work):
    def act(self, number):
        (self.hero / f"{number}.jpg").write_bytes(b"%d" % number)

    def note(self, number, acknowledged):
        wanted = b"%d" % number
        self.may[f"500ml/hero-card/{number}.jpg"] = {wanted} if acknowledged else {wanted, None}


class Overwrite(Work):
    def prepare(self):
        super().prepare()
        (self.hero / "a.jpg").write_bytes(b"0")
        self.may["500ml/hero-card/a.jpg"] = {b"0"}

    def act(self, number):
        (self.hero / "a.jpg").write_bytes(b"%d" % number)

    def note(self, number, acknowledged):
        name, wanted = "500ml/hero-card/a.jpg", b"%d" % number
        self.may[name] = {wanted} if acknowledged else self.may[name] | {wanted}


class Unlink(Work):
    def prepare(self):
        super().prepare()
        for number in range(1, 400):
            (self.hero / f"{number}.jpg").write_bytes(b"x")
            self.may[f"500ml/hero-card/{number}.jpg"] = {b"x"}

    def act(self, number):
        if number < 400:
            os.unlink(self.hero / f"{number}.jpg")
        else:
            time.sleep(0.02)

    def note(self, number, acknowledged):
        if number < 400:
            self.may[f"500ml/hero-card/{number}.jpg"] = {None} if acknowledged else {b"x", None}


class Rename(Work):
    """Of a file, to and fro; a failed one may have happened, so the name is looked for."""

    names = "500ml/hero-card/a.jpg", "500ml/hero-card/b.jpg"

    def prepare(self):
        super().prepare()
        (self.product / self.names[0]).write_bytes(b"x")

    def act(self, number):
        here, there = self.names if (self.product / self.names[0]).exists() else self.names[::-1]
        os.rename(self.product / here, self.product / there)

    def judge(self, found):
        assert list(found.values()) == [b"x"] and set(found) <= set(self.names), (self.kind, found)


class Weight(Rename):
    names = "500ml", "1kg"

    def prepare(self):
        self.hero.mkdir(parents=True)
        for number in range(8):
            (self.hero / f"{number}.jpg").write_bytes(b"%d" % number)

    def judge(self, found):
        assert len({name.partition("/")[0] for name in found}) == 1, (self.kind, found)
        assert sorted(found.values()) == [b"%d" % number for number in range(8)], (self.kind, found)


class Mkdir(Work):
    def act(self, number):
        (self.product / f"{number}g").mkdir()

    def note(self, number, acknowledged):
        if acknowledged:
            self.may[f"{number}g"] = {"folder"}

    def judge(self, found):
        missing = [name for name in self.may if not (self.product / name).is_dir()]
        assert not missing, missing


class Look(Work):
    def prepare(self):
        super().prepare()
        (self.hero / "a.jpg").write_bytes(b"look")

    def act(self, number):
        assert os.listdir(self.hero) == ["a.jpg"]
        assert (self.hero / "a.jpg").stat().st_size == 4
        assert (self.hero / "a.jpg").read_bytes() == b"look"
        os.statvfs(self.hero)


KINDS = [Create, Overwrite, Unlink, Rename, Weight, Mkdir, Look]


def products_of(lockstep) -> dict[str, dict]:
    found: dict = {}
    for key in lockstep.backend.objects():
        _, product, name = key.split("/", 2)
        found.setdefault(product, {})[name] = lockstep.backend.get(key)
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_what_was_acknowledged_survives_and_the_mount_goes_on(shop, fault):
    mount = shop.mount(limit_s=200)  # the work takes a minute where the machine is busy
    work = [kind(mount.products) for kind in KINDS]
    for each in work:
        each.prepare()
    for each in work:
        each.start()
    wait_until(lambda: all(each.done >= 3 for each in work), "every kind of call is at work")
    scan = shop.start("scan", "--grace=0s")
    sync = shop.start("sync", "--grace=0s", "--yes", "--orphans=adopt")
    fault(shop)
    before = {each: each.done for each in work}
    wait_until(lambda: all(each.done >= before[each] + 5 for each in work), "every kind of call works again", 60)
    for each in work:
        each.stop.set()
    for each in work:
        each.join(LIMIT_S * SLOW)
        assert not each.is_alive(), each.kind
    for command in (scan, sync):
        assert command.wait(60 * SLOW) in (0, 1, 2, 4), (shop.folder / "process-0.log").read_text()
    took = {each.kind: round(each.longest, 1) for each in work}
    assert max(took.values()) < LIMIT_S * SLOW, took
    allowed = {errno.EIO, errno.EBUSY}
    said = {each.kind: {errno.errorcode[code] for code in each.errors} for each in work}
    assert all(each.errors <= allowed | ({errno.ENOENT, errno.EEXIST} if each.failed else set()) for each in work), said
    calls.settled(shop)
    found = products_of(shop)
    for each in work:
        each.judge(found.get(each.kind, {}))
    shop.oracle.assert_tree(mount.products)
    assert mount.unmount() == 0
    shop.assert_in_step()


@pytest.mark.parametrize("how", ["down", "silent"])
def test_each_call_ends_in_time_while_postgres_is_away(shop, how):
    bytes_before = calls.prepare(shop)
    mount = shop.mount()
    event = shop.proxy.refusing if how == "down" else shop.proxy.silent
    event.set()
    if how == "down":
        assert shop.proxy.cut() > 0
    # What the kernel remembers it may answer by itself for a second; nothing else can be said.
    codes = calls.CALLS | {"list": "os.listdir(p)"}
    until = time.monotonic() + LIMIT_S * SLOW
    running = {name: calls.run(mount.products / name, code) for name, code in codes.items()}
    said = {name: calls.ended(process, until) for name, process in running.items()}
    wait_until(lambda: "event=changes_not_followed" in mount.text(), "the log says that it cannot follow", 60)
    event.clear()
    assert shop.proxy.fired > 0
    for name, (status, text) in said.items():
        kept = (0,) if name in ("list", "stat", "statfs", "read") else ()
        assert status in (errno.EIO, errno.EBUSY, *kept), (name, status, text, mount.text()[-4000:])
    calls.settled(shop)
    calls.everything_works(shop, mount, bytes_before)


def test_a_file_that_is_being_written_asks_nobody(shop):
    mount = shop.mount()
    hero = mount.products / "p1/500ml/hero-card"
    hero.mkdir(parents=True)
    with open(hero / "a.jpg", "wb", buffering=0) as file:
        shop.proxy.refusing.set()
        assert shop.proxy.cut() > 0
        wait_until(lambda: "event=changes_not_followed" in mount.text(), "the log says that it cannot follow", 60)
        for size in (1, 2, 3):  # a write makes the kernel forget the attributes
            file.write(b"x")
            assert os.fstat(file.fileno()).st_size == size
        shop.proxy.refusing.clear()
    assert (hero / "a.jpg").read_bytes() == b"xxx"
    assert mount.unmount() == 0
    shop.assert_in_step()


COMMITS = 3
SEVERAL_STEPS = ("read", "list", "statfs", "stat", "tree", "rmdir", "fsync")


def effects(shop, name) -> tuple:
    rows = {key: row.etag for key, row in shop.oracle.rows().items() if key.startswith(f"products/{name}/")}
    weights = {weight for product, weight in shop.oracle.variants() if product == name}
    modes = {row.mode for key, row in shop.oracle.rows().items() if key.startswith(f"products/{name}/")}
    folders = shop.oracle.query("select path from lockstep_folder where path like ?", f"products/{name}/%")
    return rows, weights, modes, folders


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_outcome_of_a_commit_whose_answer_is_lost_is_found_out(shop, when):
    """Cut at each COMMIT of each call: success means that it happened, an error that it did not; nothing is left."""
    # One step each, so that it has happened or not; mkdir makes one folder, not two.
    steps = {name: code for name, code in calls.CALLS.items() if name not in SEVERAL_STEPS}
    steps["mkdir"] = "os.mkdir(p + '/1kg')"
    cases = {f"{name}-{nth}": (code, nth) for name, code in steps.items() for nth in range(1, COMMITS + 1)}
    seed(shop, *((product, "500ml", 2) for product in cases))
    mount = shop.mount()
    fired, wrong = set(), {}
    for product, (code, nth) in cases.items():
        was = effects(shop, product)
        shop.proxy.lose_commit(nth, when)
        status, text = calls.ended(calls.run(mount.products / product, code), time.monotonic() + LIMIT_S * SLOW)
        if shop.proxy.fired:
            fired.add(product)
        now = effects(shop, product)
        if status not in (0, errno.EIO, errno.EBUSY) or (status == 0) == (was == now):
            wrong[product] = errno.errorcode.get(status, status), text, was, now
    shop.proxy.lose_commit(10**9, when)
    assert not wrong, f"{wrong}\n{mount.text()[-4000:]}"
    assert {product.partition("-")[0] for product in fired} == set(steps) and len(fired) >= 1.5 * len(steps)
    calls.settled(shop)
    shop.assert_in_step()
    assert mount.unmount() == 0
