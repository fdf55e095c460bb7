# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift that other programs caused: found as what it is, mended by its option, and then nothing is left to do."""

import json

import pytest
from harness.images import png, seed

ORPHAN = "products/p1/500ml/hero-card/orphan.png"
MOVED_TO = "products/p2/250ml/info-card/moved.png"
STRAY = "products/p1/stray.png"


@pytest.fixture
def drifted(lockstep):
    """30 images in step, then one of each kind of drift. Returns lockstep and the keys by kind."""
    keys = seed(lockstep, ("p1", "500ml", 20), ("p2", "1kg", 10))
    lockstep.assert_in_step()
    deleted, overwritten, moved, misfiled = keys[0], keys[4], keys[8], keys[25]
    backend = lockstep.backend
    backend.put(ORPHAN, png("orphan"))
    backend.delete(deleted)
    backend.put(overwritten, png("somebody else", 30))
    backend.move(moved, MOVED_TO)
    backend.put(STRAY, png("stray"))
    lockstep.oracle.execute("update product_image set variant_weight = '999' where file_name = ?", misfiled)
    return lockstep, {"deleted": deleted, "overwritten": overwritten, "moved": moved, "misfiled": misfiled}


ALL_OPTIONS = (
    "--moved=relink",
    "--orphans=adopt",
    "--missing=drop",
    "--stale=refresh",
    "--misfiled=refile",
    "--misplaced=remove",
)


def counts(found) -> dict[str, int]:
    names = ("synced", "orphaned", "missing", "stale", "misfiled", "moved", "misplaced", "pending")
    return {name: found[f"{name}Files"] for name in names}


def state(lockstep):
    """Everything that a run could change, but for the records of the scans themselves."""
    tables = ("product", "product_variant", "product_image", "lockstep_object", "lockstep_trash", "lockstep_audit")
    return lockstep.backend.all_keys(), [lockstep.oracle.query(f"select * from {table} order by 1") for table in tables]


def test_each_kind_is_found_in_the_overall_shape(drifted):
    lockstep, _ = drifted
    found = lockstep.scan_json(check=1)
    assert counts(found) == {
        "synced": 26,
        "orphaned": 3,
        "missing": 2,
        "stale": 1,
        "misfiled": 1,
        "moved": 1,
        "misplaced": 1,
        "pending": 0,
    }
    assert found["totalImages"] == 33 and found["totalProducts"] == 2
    assert found["complete"] is True and found["errors"] in (0, [])
    assert sorted(result["productId"] for result in found["results"]) == ["p1", "p2"]


def test_each_kind_is_found_in_the_shape_of_one_product(drifted):
    lockstep, keys = drifted
    p1 = lockstep.scan_json("p1", check=1)
    assert p1["productId"] == "p1" and p1["errors"] == []
    assert ORPHAN in p1["orphanedFiles"] and STRAY in p1["orphanedFiles"]
    assert p1["missingFiles"] == sorted([keys["deleted"], keys["moved"]])
    assert p1["staleFiles"] == [keys["overwritten"]]
    assert len(p1["syncedFiles"]) == 17 and keys["overwritten"] not in p1["syncedFiles"]
    p2 = lockstep.scan_json("p2", check=1)
    assert p2["orphanedFiles"] == [MOVED_TO]
    assert p2["misfiledFiles"] == [keys["misfiled"]]
    assert len(p2["syncedFiles"]) == 9


def test_ndjson_and_the_summary_name_the_same_keys(drifted):
    lockstep, keys = drifted
    lines = [json.loads(line) for line in lockstep.run("scan", "--ndjson", "--grace=0s", check=1).stdout.splitlines()]
    text = lockstep.run("scan", "--grace=0s", check=1).stdout
    for key in (ORPHAN, MOVED_TO, STRAY, *keys.values()):
        assert any(key in line.values() for line in lines), f"{key} is in no line of --ndjson"
        assert key in text, f"{key} is not in the text"


def test_young_foreign_objects_are_pending_by_default(drifted):
    lockstep, _ = drifted
    found = lockstep.json("scan", "--json", check=(0, 1))
    assert found["orphanedFiles"] == 0 and found["pendingFiles"] >= 2


def test_a_dry_run_changes_nothing(drifted):
    lockstep, _ = drifted
    before = state(lockstep)
    lockstep.run("sync", "--dry-run", "--grace=0s", *ALL_OPTIONS, check=1)
    assert state(lockstep) == before


def test_nothing_is_mended_without_a_yes_when_nobody_can_be_asked(drifted):
    lockstep, _ = drifted
    before = state(lockstep)
    done = lockstep.run("sync", "--grace=0s", *ALL_OPTIONS, check=None)
    assert done.returncode != 0 and state(lockstep) == before


def test_sync_without_options_keeps_everything(drifted):
    lockstep, _ = drifted
    before = state(lockstep)
    lockstep.run("sync", "--yes", "--grace=0s", check=1)
    assert state(lockstep) == before


def test_each_option_mends_its_kind_and_no_other(drifted):
    lockstep, keys = drifted
    oracle = lockstep.oracle

    def sync(option, left):
        lockstep.run("sync", "--yes", "--grace=0s", option, check=1 if left else 0)
        assert counts(lockstep.scan_json(check=1 if left else 0)) == left

    left = counts(lockstep.scan_json(check=1))
    moved_row = oracle.rows()[keys["moved"]].id

    left |= {"moved": 0, "missing": 1, "orphaned": 2, "synced": 27}
    sync("--moved=relink", left)
    assert oracle.rows()[MOVED_TO].id == moved_row and keys["moved"] not in oracle.rows()

    left |= {"orphaned": 1, "synced": 28}
    sync("--orphans=adopt", left)
    assert ORPHAN in oracle.rows() and STRAY not in oracle.rows()

    left |= {"missing": 0}
    sync("--missing=drop", left)
    assert keys["deleted"] not in oracle.rows()

    left |= {"stale": 0, "synced": 29}
    sync("--stale=refresh", left)

    left |= {"misfiled": 0, "synced": 30}
    sync("--misfiled=refile", left)

    lockstep.run("sync", "--yes", "--grace=0s", "--misplaced=remove", check=0)
    assert STRAY not in oracle.objects()
    lockstep.assert_in_step()


def test_all_options_at_once_mend_everything_and_a_second_run_changes_nothing(drifted):
    lockstep, _ = drifted
    lockstep.run("sync", "--yes", "--grace=0s", *ALL_OPTIONS, check=0)
    lockstep.assert_in_step()
    before = state(lockstep)
    lockstep.run("sync", "--yes", "--grace=0s", *ALL_OPTIONS, check=0)
    assert state(lockstep) == before


def test_removed_orphans_lie_in_trash_and_come_back(drifted):
    lockstep, _ = drifted
    data = lockstep.backend.get(ORPHAN)
    lockstep.run("sync", "--yes", "--grace=0s", "--moved=relink", "--orphans=remove", check=1)
    objects = lockstep.oracle.objects()
    assert ORPHAN not in objects and MOVED_TO in objects and STRAY in objects
    trash_id = trash_ids(lockstep)[ORPHAN]
    lockstep.run("trash", "restore", trash_id)
    assert lockstep.backend.get(ORPHAN) == data
    assert ORPHAN not in trash_ids(lockstep)


def test_purged_trash_is_gone_for_good(drifted):
    lockstep, _ = drifted
    lockstep.run("sync", "--yes", "--grace=0s", "--misplaced=remove", check=1)
    assert list(trash_ids(lockstep)) == [STRAY]
    internal = [key for key in lockstep.backend.all_keys() if key.startswith(".lockstep/trash/")]
    assert internal
    lockstep.run("trash", "purge", "--all", "--yes")
    assert trash_ids(lockstep) == {}
    assert not [key for key in lockstep.backend.all_keys() if key.startswith(".lockstep/trash/")]


def trash_ids(lockstep) -> dict[str, str]:
    return {key: trash_id for trash_id, key in lockstep.oracle.query("select id, key from lockstep_trash")}


def test_case_twins_are_reported_without_being_called_a_difference(lockstep):
    lockstep.put("products/p1/500ml/hero-card/a.png", b"a")
    lockstep.put("products/p1/500ml/hero-card/A.png", b"A")
    assert lockstep.scan_json(check=0)["twinFiles"] == 2
    assert "case" in lockstep.run("scan", "--grace=0s", check=0).stdout


def test_a_bucket_in_step_scans_with_exit_0_and_zero_counts(lockstep):
    seed(lockstep, ("p1", "500ml", 5))
    found = lockstep.scan_json(check=0)
    assert counts(found) == {
        name: 5 if name == "synced" else 0
        for name in ("synced", "orphaned", "missing", "stale", "misfiled", "moved", "misplaced", "pending")
    }
    lockstep.run("scan", "--quiet", check=0)


# --- guards


def test_an_emptied_bucket_loses_no_row(lockstep):
    seed(lockstep, ("p1", "500ml", 25))
    rows = lockstep.oracle.rows()
    lockstep.backend.empty()
    for more in ((), ("--max-change=100%",)):
        done = lockstep.run("sync", "--missing=drop", "--orphans=remove", "--yes", "--grace=0s", *more, check=3)
        assert done.stderr.strip(), "the guard says nothing"
        assert lockstep.oracle.rows() == rows


def test_a_bucket_without_images_but_with_our_own_folder_loses_no_row(lockstep):
    keys = seed(lockstep, ("p1", "500ml", 8))
    rows = lockstep.oracle.rows()
    for key in keys:
        lockstep.backend.delete(key)
    lockstep.run("sync", "--missing=drop", "--yes", "--grace=0s", check=3)
    assert lockstep.oracle.rows() == rows


def test_a_foreign_bucket_is_not_mended(lockstep, folder, request):
    seed(lockstep, ("p1", "500ml", 5))
    rows = lockstep.oracle.rows()
    backend = lockstep.backend
    if backend.name == "file":
        other = type(backend)(folder / "other")
        other.directory.mkdir()
    else:
        other = type(backend)(backend.endpoint, backend.access_key, backend.secret_key)
        other.client.create_bucket(Bucket=other.bucket)
    try:
        other.put("products/px/1kg/hero-card/x.png", b"theirs")
        lockstep.set_config("store", "url", other.url)
        lockstep.run("sync", "--missing=drop", "--orphans=remove", "--yes", "--grace=0s", "--max-change=100%", check=3)
        assert lockstep.oracle.rows() == rows
        assert list(other.objects()) == ["products/px/1kg/hero-card/x.png"]
    finally:
        other.destroy()


def test_max_change_stops_a_run_before_it_changes_anything(lockstep):
    keys = seed(lockstep, ("p1", "500ml", 40))
    for key in keys[:11]:
        lockstep.backend.delete(key)
    before = state(lockstep)
    done = lockstep.run("sync", "--missing=drop", "--yes", "--grace=0s", check=3)
    assert "max-change" in done.stderr, "the message does not say how to override"
    assert state(lockstep) == before
    lockstep.run("sync", "--missing=drop", "--yes", "--grace=0s", "--max-change=11", check=0)
    assert len(lockstep.oracle.rows()) == 29
    lockstep.assert_in_step()


def test_ten_changes_are_always_allowed(lockstep):
    keys = seed(lockstep, ("p1", "500ml", 20))
    for key in keys[:10]:
        lockstep.backend.delete(key)
    lockstep.run("sync", "--missing=drop", "--yes", "--grace=0s", check=0)
    lockstep.assert_in_step()
