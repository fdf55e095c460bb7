# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes share one scan: each key once, one result for all, whoever dies, stops or comes late."""

import hashlib
import json
import os
import signal
from collections import Counter

import pytest
from harness.backends import Object
from harness.program import SLOW, Lockstep
from harness.stopping import stopped_at_their_points

MANY, SOME = 20_000, 8_000
A_PRODUCT = 100
KEY = "products/p{:03d}/500ml/hero-card/image-{:02d}.jpg"
WAIT_S = 100 * SLOW


@pytest.fixture(params=["sqlite", "postgres"])
def make_shop(request, folder, file_backend):
    """An installation on a directory with n images, 100 a product, and some drift of every kind."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    lockstep = Lockstep(folder, file_backend, database=url)

    def make(n: int) -> Lockstep:
        lockstep.init()
        keys = [KEY.format(i // A_PRODUCT, i % A_PRODUCT) for i in range(n)]
        for at in range(0, n, A_PRODUCT):
            (file_backend.directory / keys[at]).parent.mkdir(parents=True)
        for key in keys:
            (file_backend.directory / key).write_bytes(key.encode())
        lockstep.oracle.insert_rows({key: Object(len(key), hashlib.md5(key.encode()).hexdigest()) for key in keys})
        drift(file_backend, keys)
        lockstep.set_config("scan", "takeover", "1s")
        return lockstep

    try:
        yield make
    finally:
        lockstep.close()


@pytest.fixture
def shop(make_shop):
    return make_shop(SOME)


def drift(backend, keys) -> None:
    for key in keys[50::1000]:
        backend.delete(key)
    for i, key in enumerate(keys[51::2000]):
        backend.put(key.replace("image-", "orphan-"), b"o%d" % i)
        backend.put(key, b"overwritten")
    for key in keys[60 : len(keys) * 3 // 4 : 1500]:  # to a product that lies in another range
        backend.move(key, key.replace("products/p", "products/p19"))
    backend.put("products/p042/too-high.jpg", b"misplaced")
    backend.put("elsewhere/a.jpg", b"of no product")
    backend.put(keys[777].replace("image-", "IMAGE-"), b"a twin")


ARGS = ("scan", "--grace=0s", "--ndjson")


def lines_of(text: str) -> list[str]:
    """The findings, and the totals without the times."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    totals = json.loads(lines[-1])
    assert totals["kind"] == "totals", text[-2000:]
    return lines[:-1] + [json.dumps({k: v for k, v in totals.items() if not k.endswith("At")}, sort_keys=True)]


def alone(shop) -> list[str]:
    """What one process finds by itself."""
    found = lines_of(shop.run(*ARGS, check=1, timeout=120).stdout)
    kinds = Counter(json.loads(line)["kind"] for line in found)
    assert kinds["orphaned"] >= 11 and kinds["missing"] >= 12 and kinds["stale"] >= 4, kinds
    assert sum(1 for line in found if '"moved":true' in line) >= 8, "the pairs lie in different ranges"
    return found


class Sharer:
    """A process that shares a scan. One that stops itself works with one thread, so that no other is stopped while it
    holds the catalog's write lock."""

    def __init__(self, shop, *words, failpoint=""):
        stops = "=stop" in failpoint
        shop.set_config("scan", "ranges", "1" if stops else "4")
        shop.set_config("scan", "takeover", "30s" if stops else "1s")
        self.process = shop.start(*(words or ARGS), "--share", failpoint=failpoint or ())
        self.log = shop.folder / f"process-{len(shop.processes) - 1}.log"

    def wait_stopped(self) -> "Sharer":
        stopped = stopped_at_their_points([self.process], WAIT_S)
        assert stopped, f"it did not reach its fail point: {self.log.read_text()}"
        return self

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def wait_killed(self) -> None:
        assert self.process.wait(WAIT_S) == -signal.SIGKILL, self.log.read_text()

    def lines(self, status: int = 1) -> list[str]:
        assert self.process.wait(WAIT_S) == status, self.log.read_text()
        return lines_of(self.log.read_text())


def ranges(shop) -> list[tuple]:
    return shop.oracle.query(
        "select number, state, instance, turn, objects_seen from lockstep_scan_range"
        " where scan = (select max(id) from lockstep_scan where shared) order by number"
    )


def done(shop) -> list[tuple]:
    return [line for line in ranges(shop) if line[0] > 0 and line[1] == "done"]


def shared_scans(shop) -> list[tuple]:
    return shop.oracle.query("select id, ended_ns <> 0, complete, findings from lockstep_scan where shared order by id")


def test_three_scan_each_key_once_and_print_what_one_finds(make_shop):
    shop = make_shop(MANY)
    expected = alone(shop)
    three = [Sharer(shop, failpoint="scan.share.taken=stop").wait_stopped() for _ in range(3)]
    for sharer in three:
        sharer.go_on()
    for sharer in three:
        assert sharer.lines() == expected
    (scan,) = shared_scans(shop)
    assert scan[1:] == (1, 1, "kept")
    parts = ranges(shop)
    assert len(parts) >= 9
    assert all(state == "done" and turn == 1 for _, state, _, turn, _ in parts), parts
    assert len({instance for _, _, instance, _, _ in parts}) == 3
    listed = len([key for key in shop.backend.all_keys() if not key.startswith(".lockstep/")])
    assert sum(objects for _, _, _, _, objects in parts) == listed


def test_one_of_three_is_killed_and_the_others_take_over_its_ranges(shop):
    expected = alone(shop)
    others = [Sharer(shop, failpoint="scan.share.taken=stop").wait_stopped() for _ in range(2)]
    killed = Sharer(shop, failpoint="scan.share.scanned=kill")
    killed.wait_killed()
    for sharer in others:
        sharer.go_on()
    for sharer in others:
        assert sharer.lines() == expected
    # More often than once where who took it was away for a second itself.
    assert max(turn for _, _, _, turn, _ in ranges(shop)) >= 2, "nothing was taken over"
    assert len(shared_scans(shop)) == 1


def test_a_stopped_one_is_taken_over_and_changes_nothing_when_it_goes_on(shop):
    expected = alone(shop)
    stopped = Sharer(shop, failpoint="scan.share.scanned=stop").wait_stopped()
    others = [Sharer(shop), Sharer(shop)]
    for sharer in others:
        assert sharer.lines() == expected
    # More often than once where who took it was away for a second itself.
    assert max(turn for _, _, _, turn, _ in ranges(shop)) >= 2, "nothing was taken over"

    def tables() -> tuple:
        return tuple(
            shop.oracle.query(f"select * from {table} order by 1, 2")
            for table in ("lockstep_scan", "lockstep_scan_range", "lockstep_finding")
        )

    before = tables()
    stopped.go_on()
    assert stopped.lines() == expected
    assert tables() == before
    assert "event=range-lost" in stopped.log.read_text()


def test_one_that_is_stopped_while_it_records_leaves_nothing_of_its_turn(shop):
    """Findings of a range go out in parts when there are many; those of an earlier turn do not stay."""
    product = shop.backend.directory / "products/p010/500ml/hero-card"
    for i in range(1500):
        (product / f"stray-{i:04d}.jpg").write_bytes(b"%d" % i)
    stopped = Sharer(shop, failpoint="scan.findings.kept=stop@2").wait_stopped()
    for i in range(1500):
        (product / f"stray-{i:04d}.jpg").unlink()
    other = Sharer(shop)
    found = other.lines()
    assert not [line for line in found if "stray" in line]
    assert found == alone(shop)
    stopped.go_on()
    assert stopped.lines() == found


def test_all_are_killed_and_the_next_goes_on_where_they_were(shop):
    expected = alone(shop)
    killed = [Sharer(shop, failpoint=f"scan.share.recorded=kill@{n}") for n in (1, 2)]
    for sharer in killed:
        sharer.wait_killed()
    before = done(shop)
    assert len(before) >= 2
    assert Sharer(shop).lines() == expected
    after = {line[0]: line for line in ranges(shop)}
    assert [after[line[0]] for line in before] == before, "what was done was done again"
    assert len(shared_scans(shop)) == 1


def test_the_work_that_is_left_is_done_by_another_when_its_process_dies(shop):
    expected = alone(shop)
    Sharer(shop, failpoint="scan.share.concluded=kill").wait_killed()
    assert all(line[1] == "done" for line in ranges(shop)[1:])
    assert Sharer(shop).lines() == expected
    assert ranges(shop)[0][3] == 2


def test_one_that_is_too_old_is_not_gone_on_with(shop):
    killed = Sharer(shop, failpoint="scan.share.recorded=kill@2")
    killed.wait_killed()
    shop.set_config("scan", "resume", "1ms")
    assert Sharer(shop).lines() == alone(shop)
    (old, new) = shared_scans(shop)
    assert old[1:3] == (1, 0)
    assert new[1:] == (1, 1, "kept")


def test_who_asks_for_something_else_is_refused_while_it_runs(shop):
    running = Sharer(shop, failpoint="scan.share.taken=stop").wait_stopped()
    for words in (["--grace=1h"], ["--grace=0s", "p001"], ["--grace=0s", "--json"]):
        refused = shop.run("scan", "--share", *words, check=4)
        assert "other options" in refused.stderr and "everything" in refused.stderr
    progress = shop.json("status", "--json")["runningScan"]
    assert progress["ranges"] >= 4 and progress["rangesDone"] == 0 and progress["processes"] == 1
    assert "shared scan" in shop.run("status").stdout
    running.go_on()
    running.lines()
    assert shop.json("status", "--json")["runningScan"] is None
    # what a dead one has left stands in nobody's way
    Sharer(shop, failpoint="scan.share.recorded=kill").wait_killed()
    shop.run("scan", "--share", "--grace=0s", "p001", check=(0, 1))


def test_products_and_synced_keys_are_shared_as_well(shop):
    expected = json.loads(shop.run("scan", "--json", "--grace=0s", "p000", "p001", check=1).stdout)
    stopped = Sharer(shop, "scan", "--json", "--grace=0s", "p001", "p000", "p001", failpoint="scan.share.taken=stop")
    stopped.wait_stopped()
    other = Sharer(shop, "scan", "--json", "--grace=0s", "p000", "p001")
    stopped.go_on()
    for sharer in (stopped, other):
        assert sharer.process.wait(WAIT_S) == 1
        text = sharer.log.read_text()
        assert json.loads(text[text.index("{") :])["results"] == expected["results"]
    assert len(expected["results"][0]["syncedFiles"]) > 90


@pytest.mark.pairs("postgres")
def test_it_is_shared_on_minio_too(lockstep):
    """On MinIO and PostgreSQL, with connections that are cut in the middle."""
    keys = [KEY.format(i // 50, i % 50) for i in range(600)]
    for key in keys:
        lockstep.backend.put(key, key.encode())
    lockstep.oracle.insert_rows(lockstep.backend.objects())
    lockstep.backend.delete(keys[5])
    lockstep.backend.put(KEY.format(3, 99), b"orphan")
    two = [Sharer(lockstep, failpoint="scan.share.taken=stop").wait_stopped() for _ in range(2)]
    assert lockstep.oracle.end_sessions() > 0
    for sharer in two:
        sharer.go_on()
    found = [sharer.lines() for sharer in two]
    assert found[0] == found[1] == lines_of(lockstep.run(*ARGS, check=1).stdout)
