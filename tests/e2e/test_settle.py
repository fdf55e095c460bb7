# SPDX-License-Identifier: GPL-3.0-or-later
"""The application changes its rows with its own client; a mount, or `lockstep settle`, does the same in the bucket."""

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.images import png, seed
from harness.program import wait_until as poll
from harness.tools import sized

HERO = "products/p1/500ml/hero-card/image-0000.png"
INFO = "products/p1/500ml/info-card/image-0001.png"
STRANGER = ("p2", "2l")  # a weight that nobody has business with

INSERT = (
    "insert into product_image (product_id, variant_id, variant_weight, image_type, file_name, image_url) "
    "select product_id, id, weight, 'hero-card', ?, ? from product_variant where product_id = 'p1' and weight = '500ml'"
)


def wait_until(condition, what: str) -> None:
    poll(condition, what, 60)


def behind(lockstep) -> int:
    return lockstep.json("status", "--json")["settling"]["behind"]


def strangers(lockstep) -> list[tuple]:
    """Whole rows of what nothing may touch."""
    return [
        lockstep.oracle.query(f"select * from {table} where {where}")
        for table, where in (
            ("product", "id = 'p2'"),
            ("product_variant", "product_id = 'p2'"),
            ("product_image", "product_id = 'p2' order by file_name"),
        )
    ]


class Shop:
    """An application with transactions, and whoever settles what it does."""

    def __init__(self, lockstep, settle):
        self.lockstep, self.settle = lockstep, settle
        self.untouched = strangers(lockstep)

    def does(self, *statements: tuple) -> None:
        with self.lockstep.oracle.transaction() as execute:
            for sql, *values in statements:
                execute(sql, tuple(values))
        self.settle()

    def gives_up(self, *statements: tuple) -> None:
        class GivenUp(Exception):
            pass

        with pytest.raises(GivenUp), self.lockstep.oracle.transaction() as execute:
            for sql, *values in statements:
                execute(sql, tuple(values))
            raise GivenUp

    def has(self, *keys: str) -> None:
        """These are the first product's objects, with their bytes, and all is in step."""
        assert {key for key in self.lockstep.objects() if key.startswith("products/p1/")} == set(keys)

    def ends(self) -> None:
        self.lockstep.assert_in_step()
        assert strangers(self.lockstep) == self.untouched


def by_mount(lockstep):
    mount = lockstep.mount()
    wait_until(lambda: lockstep.json("status", "--json")["settling"]["begun"], "the mount has taken the role")
    return lambda: wait_until(lambda: behind(lockstep) == 0, f"the mount settles: {mount.text()[-2000:]}")


def by_command(lockstep):
    lockstep.run("settle")
    return lambda: lockstep.run("settle", "--once")


def by_serve(lockstep):
    lockstep.start("serve", "--listen", "127.0.0.1:0")
    wait_until(lambda: lockstep.json("status", "--json")["settling"]["begun"], "the daemon has taken the role")
    return lambda: wait_until(lambda: behind(lockstep) == 0, "the daemon settles")


WAYS = [pytest.param(by_mount, marks=pytest.mark.mount), by_command, by_serve]


@pytest.fixture(params=WAYS, ids=["mount", "command", "serve"])
def shop(request, lockstep):
    seed(lockstep, ("p1", "500ml", 2), ("p1", "1kg", 1), (*STRANGER, 3))
    lockstep.objects = lockstep.backend.objects
    yield Shop(lockstep, request.param(lockstep))


KILO = "products/p1/1kg/hero-card/image-0000.png"


def test_a_weight_is_changed(shop):
    shop.does(("update product_variant set weight = '750ml' where weight = '500ml' and product_id = 'p1'",))
    moved = [key.replace("500ml", "750ml") for key in (HERO, INFO)]
    shop.has(*moved, KILO)
    assert shop.lockstep.backend.get(moved[0]) == png(HERO, side=4)
    shop.ends()


def test_rows_are_deleted_one_then_the_variant_then_the_product(shop):
    shop.does(("delete from product_image where file_name = ?", HERO))
    shop.has(INFO, KILO)
    of_variant = "(select id from product_variant where product_id = 'p1' and weight = '500ml')"
    shop.does(
        (f"delete from product_image where variant_id in {of_variant}",),
        ("delete from product_variant where product_id = 'p1' and weight = '500ml'",),
    )
    shop.has(KILO)
    shop.does(
        ("delete from product_image where product_id = 'p1'",),
        ("delete from product_variant where product_id = 'p1'",),
        ("delete from product where id = 'p1'",),
    )
    shop.has()
    trashed = shop.lockstep.json("trash", "list", "--json")
    assert sorted(item["key"] for item in trashed) == sorted([HERO, INFO, KILO])
    shop.ends()


def test_an_image_is_inserted(shop):
    key = HERO.replace("image-0000", "new")
    shop.lockstep.backend.put(key, png("new"))
    shop.does((INSERT, key, f"{shop.lockstep.oracle.public_url}/{key}"))
    row, obj = shop.lockstep.oracle.rows()[key], shop.lockstep.objects()[key]
    assert (row.etag, row.size) == (obj.etag, obj.size)
    shop.ends()


def test_a_key_is_changed(shop):
    key = HERO.replace("image-0000", "renamed ä+%")
    shop.does(("update product_image set file_name = ? where file_name = ?", key, HERO))
    shop.has(key, INFO, KILO)
    shop.ends()


def test_what_is_rolled_back_does_nothing(shop):
    before = shop.lockstep.objects()
    shop.gives_up(
        ("update product_variant set weight = '750ml' where weight = '500ml'",),
        ("update product_image set file_name = ? where file_name = ?", "products/p1/750ml/hero-card/x.png", HERO),
        ("delete from product_image where file_name = ?", INFO),
    )
    shop.does(("update product_variant set is_active = is_active where weight = '500ml'",))
    assert shop.lockstep.objects() == before
    shop.ends()


def test_a_larger_transaction_is_settled_as_one(shop):
    new, kept = HERO.replace("image-0000", "new"), INFO.replace("500ml", "750ml")
    shop.lockstep.backend.put(new, png("new"))
    shop.does(
        ("update product_variant set weight = 'x' where weight = '500ml'",),
        ("update product_variant set weight = '500ml' where weight = 'x'",),
        (INSERT, new, f"{shop.lockstep.oracle.public_url}/{new}"),
        ("delete from product_image where file_name = ?", HERO),
        ("update product_variant set weight = '750ml' where weight = '500ml'",),
        ("delete from product_image where file_name = ?", KILO),
    )
    shop.has(new.replace("500ml", "750ml"), kept)
    shop.ends()


def test_a_policy_is_respected(lockstep):
    seed(lockstep, ("p1", "500ml", 2), (*STRANGER, 1))
    lockstep.run("settle")
    lockstep.set_config("settle", "delete", "ignore")
    lockstep.set_config("settle", "weight", "report")
    with lockstep.oracle.transaction() as execute:
        execute("update product_variant set weight = '750ml' where weight = '500ml'")
        execute("delete from product_image where file_name = ?", (HERO,))
    done = lockstep.run("settle", "--once")
    assert "event=would" in done.stderr and "p1/500ml" in done.stderr, done.stderr
    assert {HERO, INFO} < set(lockstep.backend.objects())
    assert behind(lockstep) == 0


def test_what_changed_meanwhile_is_left_for_a_scan(lockstep):
    seed(lockstep, ("p1", "500ml", 2))
    lockstep.run("settle")
    lockstep.backend.put(HERO, png("newer"))
    lockstep.oracle.execute("delete from product_image where file_name = ?", HERO)
    done = lockstep.run("settle", check=1)
    assert "event=left" in done.stderr and HERO in done.stderr
    assert lockstep.backend.get(HERO) == png("newer")
    assert lockstep.scan_json(check=1)["orphanedFiles"] == 1


@pytest.mark.mount
def test_another_mount_takes_over_when_the_settler_dies(lockstep):
    seed(lockstep, ("p1", "500ml", 4))
    first = lockstep.mount()
    leader = lambda: lockstep.json("status", "--json")["settling"]["leader"]  # noqa: E731
    wait_until(lambda: lockstep.json("status", "--json")["settling"]["begun"], "the first mount settles")
    before = leader()
    second = lockstep.mount()
    first.kill()
    lockstep.oracle.execute("delete from product_image where file_name = ?", HERO)
    wait_until(lambda: leader() != before and behind(lockstep) == 0, f"another takes over: {second.text()[-2000:]}")
    assert HERO not in lockstep.backend.objects()
    lockstep.assert_in_step()


@pytest.mark.pairs("postgres")
def test_a_stopped_settler_that_was_taken_over_changes_nothing_afterwards(lockstep):
    seed(lockstep, ("p1", "500ml", 4))
    lockstep.run("settle")
    lockstep.oracle.execute("update product_variant set weight = '750ml' where weight = '500ml'")
    stopped = lockstep.start("settle", failpoint="engine.follow.copied=stop")
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)
    lockstep.oracle.end_sessions()  # as a server does with a host that was cut off
    lockstep.run("settle")
    moved = lockstep.backend.objects()
    assert all(key.startswith("products/p1/750ml/") for key in moved)
    # The application goes on: the old weight is used again, with other bytes under a name of before.
    lockstep.put(HERO, png("new"))
    objects, rows = lockstep.backend.objects(), lockstep.oracle.rows()
    cursor = lockstep.json("status", "--json")["settling"]
    stopped.send_signal(signal.SIGCONT)
    stopped.wait(60)
    assert lockstep.backend.objects() == objects
    assert lockstep.oracle.rows() == rows
    assert lockstep.json("status", "--json")["settling"]["cursor"] == cursor["cursor"]
    lockstep.assert_in_step()


@pytest.mark.pairs("postgres")
def test_a_settler_that_was_killed_is_not_in_the_way_while_its_session_ends(lockstep):
    seed(lockstep, ("p1", "500ml", 2))
    lockstep.run("settle")
    lockstep.oracle.execute("delete from product_image where file_name = ?", HERO)
    stopped = lockstep.start("settle", failpoint="settle.acted=stop")
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)
    sessions = lockstep.oracle.query(
        "select distinct pid from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    # The server is slow to notice: who asks meanwhile waits for that, and does not say that another process settles.
    for (pid,) in sessions:
        os.kill(pid, signal.SIGSTOP)
    notices = threading.Timer(1, lambda: [os.kill(pid, signal.SIGCONT) for (pid,) in sessions])
    notices.start()
    try:
        stopped.kill()
        stopped.wait(60)
        lockstep.run("settle")
    finally:
        notices.join()
    assert behind(lockstep) == 0
    assert HERO not in lockstep.backend.objects()
    lockstep.assert_in_step()


def test_a_followed_catalog_is_settled_until_sigterm(lockstep):
    seed(lockstep, ("p1", "500ml", 2))
    process = lockstep.start("settle", "--follow")
    wait_until(lambda: lockstep.json("status", "--json")["settling"]["begun"], "it settles")
    assert "another process settles" in lockstep.run("settle").stdout
    lockstep.oracle.execute("delete from product_image where file_name = ?", HERO)
    wait_until(lambda: HERO not in lockstep.backend.objects() and behind(lockstep) == 0, "the object goes")
    process.terminate()
    assert process.wait(30) == 0
    lockstep.assert_in_step()


@pytest.mark.mount
def test_while_the_store_is_away_it_waits(lockstep_minio, minio_server):
    lockstep = lockstep_minio
    seed(lockstep, ("p1", "500ml", 2))
    lockstep.run("settle")
    good = lockstep.config.read_text()
    lockstep.set_config("store", "endpoint", "http://127.0.0.1:9")
    lockstep.set_config("store", "deadline", "2s")
    lockstep.oracle.execute("delete from product_image where file_name = ?", HERO)
    assert behind(lockstep) == 1
    assert lockstep.run("settle", check=4).returncode == 4
    assert behind(lockstep) == 1
    lockstep.config.write_text(good)
    lockstep.run("settle")
    assert behind(lockstep) == 0
    assert HERO not in lockstep.backend.objects()
    lockstep.assert_in_step()


@pytest.mark.timeout(900)
@pytest.mark.pairs("file", "postgres")
def test_many_rows_at_once(lockstep):
    """A burst: deleted and renamed in one transaction each; the process stays small."""
    count = sized(1_000, 10_000)
    small = png("small", 2)
    keys = [f"products/p1/500ml/hero-card/image-{i:05d}.png" for i in range(count)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: lockstep.backend.put(key, small), keys))
    lockstep.run("import", timeout=300)
    lockstep.run("settle")
    lockstep.oracle.execute("update product_variant set weight = '750ml' where weight = '500ml'")
    assert peak_kib(lockstep, "settle") < 160 * 1024
    assert behind(lockstep) == 0
    objects = lockstep.backend.objects()
    assert len(objects) == count and all(key.startswith("products/p1/750ml/") for key in objects)
    lockstep.oracle.execute("delete from product_image")
    assert peak_kib(lockstep, "settle") < 160 * 1024
    assert lockstep.backend.objects() == {}
    lockstep.run("scan", "--grace=0s", timeout=300)


def peak_kib(lockstep, *words) -> int:
    """Run a command to its good end; its largest resident set."""
    argv = ["/usr/bin/env", "python3", "-c", MEASURE, *lockstep.argv(*words)]
    done = subprocess.run(argv, capture_output=True, timeout=600, env=lockstep.environment(), cwd=lockstep.folder)
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout.split()[-1])


MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""
