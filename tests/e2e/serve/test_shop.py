# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop: a MinIO that posts its events to a running server, files that come and go behind its back, the application
in its own tables on PostgreSQL, and an administrator's API calls. Each outcome is compared with bucket and database."""

import shutil

import pytest
from harness.backends import FileBackend, MinioBackend
from harness.images import png, seed
from harness.minio import own_port, running_minio, webhook_settings
from harness.program import Lockstep, wait_until
from harness.serve import Server

from .test_webhook import events

pytestmark = pytest.mark.pairs("postgres", "attached")

ORPHAN, SECOND = "products/p1/500ml/hero-card/orphan.png", "products/p1/500ml/info-card/second.png"
VARIANTS = "/admin/products/p1/variants"


class Shop:
    def __init__(self, lockstep, server):
        self.lockstep, self.server = lockstep, server
        self.bucket, self.oracle = lockstep.backend, lockstep.oracle

    def await_told(self, result: str, count: int) -> None:
        wait_until(lambda: events(self.server)[result] >= count, f"MinIO has told: {count} {result}", 60)
        assert events(self.server)[result] == count

    def check(self, product: str = "p1") -> dict:
        answer = self.server.get(f"/admin/products/{product}/images/sync/check?grace=0s", role="read")
        assert answer.status == 200 and answer.json["errors"] == [], answer
        return answer.json

    def differences(self) -> tuple[list[str], list[str]]:
        """Orphaned and missing files; what is in step must be told as the judge sees it."""
        found, objects, rows = self.check(), self.bucket.objects(), self.oracle.rows()
        mine = {key for key in objects.keys() | rows.keys() if key.startswith("products/p1/")}
        assert found["syncedFiles"] == sorted(mine & objects.keys() & rows.keys())
        assert found["orphanedFiles"] == sorted((mine & objects.keys()) - rows.keys())
        assert found["missingFiles"] == sorted((mine & rows.keys()) - objects.keys())
        return found["orphanedFiles"], found["missingFiles"]

    def sync(self, removeOrphaned: bool = False, recreateMissing: bool = False) -> dict[str, int]:
        """What was mended, by its name."""
        answer = self.server.post(
            "/admin/products/p1/images/sync?grace=0s",
            {"removeOrphaned": removeOrphaned, "recreateMissing": recreateMissing},
        )
        assert answer.status == 200 and answer.json["productId"] == "p1" and answer.json["errors"] == [], answer
        return {
            name: count
            for name, count in answer.json["mended"].items()
            if count and name not in ("dryRun", "remaining")
        }

    def change(self, method: str, weight: str, body=None) -> int:
        return self.server.request(method, f"{VARIANTS}/{weight}", body).status

    def images_of(self, weight: str) -> int:
        """As the application asks: through its variant."""
        ((count,),) = self.oracle.query(
            "select count(*) from product_image i join product_variant v on v.id = i.variant_id"
            " where v.product_id = 'p1' and v.weight = ?",
            weight,
        )
        return count

    def in_step(self) -> None:
        assert self.differences() == ([], [])
        self.lockstep.assert_in_step()


@pytest.fixture
def open_shop(folder, pair, database_url):
    """A function that opens it; `policy`: what the server does about those of MinIO."""
    (folder / "tokens").mkdir()
    maker = Lockstep(folder / "tokens", FileBackend(folder / "tokens/bucket")).init()
    token = maker.run("token", "add", "--role", "webhook", "minio").stdout.strip()
    with own_port() as port, running_minio(**webhook_settings(port, token, folder / "queue")) as (access, _):
        shop_tables = "prisma" if pair == "attached" else ""
        lockstep = Lockstep(folder, MinioBackend(*access), database=database_url, shop=shop_tables)

        def start(policy: str) -> Shop:
            lockstep.init()
            shutil.copy2(folder / "tokens/lockstep.tokens", folder / "lockstep.tokens")
            seed(lockstep, ("p1", "500ml", 6), ("p2", "1kg", 4))
            lockstep.run("events", "setup", "--apply")
            lockstep.set_config("serve", "events", policy)
            return Shop(lockstep, Server(lockstep, "--listen", f"127.0.0.1:{port}").start())

        try:
            yield start
        finally:
            lockstep.close()


def test_orphaned_files_are_told_of_checked_and_removed_or_given_rows(open_shop):
    shop = open_shop("report")
    rows = shop.oracle.rows()
    shop.bucket.put(ORPHAN, png("orphan"))
    shop.await_told("reported", 1)
    assert shop.differences() == ([ORPHAN], []) and shop.oracle.rows() == rows
    assert shop.sync() == {} and shop.differences() == ([ORPHAN], [])

    assert shop.sync(removeOrphaned=True) == {"removedOrphaned": 1}
    assert ORPHAN not in shop.bucket.objects() and shop.oracle.rows() == rows
    shop.await_told("unchanged", 1)  # its removal was our own
    shop.in_step()

    shop.bucket.put(ORPHAN, png("orphan", 12))
    shop.await_told("reported", 2)
    assert shop.sync(recreateMissing=True) == {"adopted": 1}
    row, there = shop.oracle.rows()[ORPHAN], shop.bucket.objects()[ORPHAN]
    assert (row.product_id, row.weight, row.image_type) == ("p1", "500ml", "hero-card")
    assert (row.etag, row.size) == (there.etag, there.size) and shop.images_of("500ml") == 7
    shop.in_step()


def test_missing_files_are_told_of_checked_and_their_rows_dropped(open_shop):
    shop = open_shop("report")
    first, second, *_ = sorted(key for key in shop.oracle.rows() if key.startswith("products/p1/"))
    there = shop.bucket.get(second)
    for key in (first, second):
        shop.bucket.delete(key)
    shop.await_told("reported", 2)
    assert shop.differences() == ([], [first, second])
    assert shop.sync(removeOrphaned=True) == {} and shop.differences() == ([], [first, second])

    # One comes back in time: nothing is lost then.
    shop.bucket.put(second, there)
    assert shop.sync(recreateMissing=True) == {"dropped": 1}
    assert first not in shop.oracle.rows() and second in shop.oracle.rows() and shop.images_of("500ml") == 5
    assert len([key for key in shop.oracle.rows() if "/p2/" in key]) == 4
    shop.in_step()


def test_a_file_that_was_moved_keeps_its_row_and_orphans_go_with_both_switches(open_shop):
    shop = open_shop("report")
    key = min(shop.oracle.rows())
    row = shop.oracle.rows()[key]
    shop.bucket.move(key, SECOND)
    shop.bucket.put(ORPHAN, png("orphan"))
    shop.await_told("reported", 3)
    assert shop.differences() == ([ORPHAN, SECOND], [key])
    assert shop.sync(removeOrphaned=True, recreateMissing=True) == {"relinked": 1, "removedOrphaned": 1}
    rows = shop.oracle.rows()
    assert rows[SECOND].id == row.id and rows[SECOND].image_type == "info-card" and key not in rows
    assert ORPHAN not in shop.bucket.objects()
    shop.in_step()


def test_a_weight_changes_and_a_variant_goes_with_all_that_is_its(open_shop):
    shop = open_shop("act")
    before = {key: row for key, row in shop.oracle.rows().items() if key.startswith("products/p1/")}
    files = {key: shop.bucket.get(key) for key in before}
    assert shop.change("PATCH", "500ml", {"weight": "750ml"}) == 200
    after = {key: row for key, row in shop.oracle.rows().items() if key.startswith("products/p1/")}
    assert {key.replace("/750ml/", "/500ml/"): shop.bucket.get(key) for key in after} == files
    assert {row.id for row in after.values()} == {row.id for row in before.values()}, "the rows are the same ones"
    assert shop.oracle.variants()["p1", "750ml"] and ("p1", "500ml") not in shop.oracle.variants()
    shop.in_step()
    # MinIO tells of six copies and six removals of our own: both sides agree by then.
    shop.await_told("unchanged", 12)
    assert shop.oracle.rows().keys() == after.keys() | {key for key in shop.oracle.rows() if "/p2/" in key}

    assert shop.change("PATCH", "750ml", {"isActive": False}) == 200 and not shop.oracle.variants()["p1", "750ml"]
    assert len(shop.bucket.objects()) == 10
    assert shop.change("DELETE", "750ml") == 204
    assert ("p1", "750ml") not in shop.oracle.variants() and shop.images_of("750ml") == 0
    assert all(key.startswith("products/p2/") for key in [*shop.bucket.objects(), *shop.oracle.rows()])
    assert len(shop.bucket.objects()) == len(shop.oracle.rows()) == 4
    shop.await_told("unchanged", 18)
    shop.in_step()


def test_events_keep_the_application_right_and_the_application_the_bucket(open_shop):
    shop = open_shop("act")
    first, second, *_ = sorted(key for key in shop.oracle.rows() if key.startswith("products/p1/"))
    # Behind the application's back, in the bucket.
    shop.bucket.put(ORPHAN, png("orphan"))
    shop.bucket.delete(first)
    wait_until(lambda: ORPHAN in shop.oracle.rows() and first not in shop.oracle.rows(), "the rows follow", 60)
    shop.in_step()
    # Behind the bucket's back, in the application's tables.
    shop.oracle.execute("delete from product_image where file_name = ?", second)
    wait_until(lambda: second not in shop.bucket.objects(), "the object follows", 60)
    shop.oracle.execute("update product_variant set weight = '1l' where product_id = 'p1'")
    wait_until(lambda: ORPHAN.replace("500ml", "1l") in shop.bucket.objects(), "the objects follow", 60)
    wait_until(lambda: not shop.oracle.problems(), "all of them, and nothing is left where they were", 60)
    assert len(shop.check()["syncedFiles"]) == shop.images_of("1l") == 5 and len(shop.bucket.objects()) == 9
    assert all("/500ml/" not in key for key in shop.bucket.objects())
    shop.in_step()
