# SPDX-License-Identifier: GPL-3.0-or-later
"""The four routes of checking and mending, each result compared with store and database by other people's clients."""

from harness.images import png, seed

NOW = "?grace=0s"
ORPHAN = "products/p1/500ml/hero-card/orphan.png"
LISTS = ("orphanedFiles", "missingFiles", "syncedFiles", "errors")


def one(product: str, what: str = "sync/check") -> str:
    return f"/admin/products/{product}/images/{what}{NOW}"


ALL = f"/admin/products/sync/check-all{NOW}"
SYNC_ALL = f"/admin/products/sync/sync-all{NOW}"


def check_one(server, product):
    answer = server.get(one(product), role="read")
    assert answer.status == 200, answer
    assert answer.json["productId"] == product and all(isinstance(answer.json[name], list) for name in LISTS)
    return answer.json


def test_orphaned_files_are_reported_then_removed(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 6), ("p2", "1kg", 4))
    lockstep.backend.put(ORPHAN, png("orphan"))
    found = check_one(server, "p1")
    assert found["orphanedFiles"] == [ORPHAN] and found["missingFiles"] == [] and found["errors"] == []
    assert found["syncedFiles"] == sorted(keys[:6])
    assert check_one(server, "p2")["orphanedFiles"] == []

    answer = server.post(one("p1", "sync"), {"removeOrphaned": True, "recreateMissing": False})
    assert answer.status == 200 and answer.json["productId"] == "p1"
    assert answer.json["orphanedFiles"] == [ORPHAN] and answer.json["mended"]["removedOrphaned"] == 1
    assert ORPHAN not in lockstep.oracle.objects() and set(lockstep.oracle.rows()) == set(keys)
    assert check_one(server, "p1")["orphanedFiles"] == []
    lockstep.assert_in_step()
    trash = lockstep.json("trash", "list", "--json")
    assert [item["key"] for item in trash] == [ORPHAN], "what was removed can be had back"


def test_the_catalog_is_copied_once_for_many_products_and_each_time_for_all(lockstep, server):
    seed(lockstep, ("p1", "500ml", 2))

    def copies_after(path: str) -> int:
        lockstep.backend.put(ORPHAN, png("orphan"))
        assert server.post(path, {"removeOrphaned": True}).json["mended"]["removedOrphaned"] == 1
        return len(list(lockstep.folder.glob("*.backup-*")))

    assert [copies_after(path) for path in (one("p1", "sync"), one("p1", "sync"), SYNC_ALL)] == [1, 1, 2]
    assert copies_after(one("p1", "sync")) == 2
    assert len(lockstep.json("trash", "list", "--json")) == 4, "what was removed without a copy can be had back as well"
    lockstep.assert_in_step()


def test_missing_files_are_reported_then_their_rows_dropped(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 6), ("p2", "1kg", 4))
    for key in (keys[0], keys[7]):
        lockstep.backend.delete(key)
    assert check_one(server, "p1")["missingFiles"] == [keys[0]]

    answer = server.post(one("p1", "sync"), {"recreateMissing": True})
    assert answer.status == 200 and answer.json["mended"]["dropped"] == 1
    assert keys[0] not in lockstep.oracle.rows() and keys[7] in lockstep.oracle.rows(), "p2 was not asked for"
    answer = server.post(SYNC_ALL, {"recreateMissing": True})
    assert answer.status == 200 and answer.json["mended"]["dropped"] == 1
    lockstep.assert_in_step()


def test_recreate_missing_relinks_what_was_moved_and_adopts_orphans(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 6))
    moved_to = "products/p1/500ml/info-card/elsewhere.png"
    row = lockstep.oracle.rows()[keys[0]].id
    lockstep.backend.move(keys[0], moved_to)
    lockstep.backend.put(ORPHAN, png("orphan"))

    answer = server.post(one("p1", "sync"), {"removeOrphaned": False, "recreateMissing": True})
    assert answer.status == 200
    assert (answer.json["mended"]["relinked"], answer.json["mended"]["adopted"]) == (1, 1)
    rows = lockstep.oracle.rows()
    assert rows[moved_to].id == row and ORPHAN in rows and keys[0] not in rows
    lockstep.assert_in_step()


def test_with_both_switches_relinking_comes_before_removing(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 6))
    moved_to = "products/p1/500ml/info-card/elsewhere.png"
    lockstep.backend.move(keys[0], moved_to)
    lockstep.backend.put(ORPHAN, png("orphan"))

    answer = server.post(SYNC_ALL, {"removeOrphaned": True, "recreateMissing": True})
    mended = answer.json["mended"]
    assert (mended["relinked"], mended["removedOrphaned"], mended["adopted"]) == (1, 1, 0)
    assert moved_to in lockstep.oracle.rows() and ORPHAN not in lockstep.oracle.objects()
    lockstep.assert_in_step()


def test_without_a_switch_nothing_changes(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 3))
    lockstep.backend.put(ORPHAN, png("orphan"))
    lockstep.backend.delete(keys[0])
    before = lockstep.backend.all_keys(), lockstep.oracle.rows()
    for body in ({}, {"removeOrphaned": False, "recreateMissing": False}):
        assert server.post(SYNC_ALL, body).status == 200
    dry = server.post(SYNC_ALL, {"removeOrphaned": True, "recreateMissing": True, "dryRun": True})
    assert dry.json["mended"]["dryRun"] is True and dry.json["mended"]["removedOrphaned"] == 1
    assert (lockstep.backend.all_keys(), lockstep.oracle.rows()) == before


def test_check_all_counts_what_the_products_list(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 6), ("p2", "1kg", 4))
    lockstep.backend.put(ORPHAN, png("orphan"))
    lockstep.backend.delete(keys[7])
    found = server.get(ALL, role="read").json
    assert (found["totalProducts"], found["totalImages"], found["errors"]) == (2, 11, 0)
    assert (found["orphanedFiles"], found["missingFiles"], found["syncedFiles"]) == (1, 1, 9)
    assert [result["productId"] for result in found["results"]] == ["p1", "p2"]
    for name in ("orphanedFiles", "missingFiles", "syncedFiles"):
        assert sum(len(result[name]) for result in found["results"]) == found[name]
    assert found["results"][0]["orphanedFiles"] == [ORPHAN] and found["results"][1]["missingFiles"] == [keys[7]]
    for result in found["results"]:
        single = check_one(server, result["productId"])
        assert {name: single[name] for name in LISTS} == {name: result[name] for name in LISTS}


def test_a_guard_stops_what_would_destroy_much_until_it_is_confirmed(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 40))
    for key in keys[:20]:
        lockstep.backend.delete(key)
    before = lockstep.oracle.rows()
    problem = server.post(SYNC_ALL, {"recreateMissing": True}).problem(409, "guard")
    assert problem["guard"] == "max-change" and problem["plan"]["drop"] == 20 and problem["confirm"] == 20
    assert '"confirm": 20' in problem["detail"] and "--max" not in problem["detail"]
    server.post(SYNC_ALL, {"recreateMissing": True, "confirm": 19}).problem(409, "guard")
    assert lockstep.oracle.rows() == before
    answer = server.post(SYNC_ALL, {"recreateMissing": True, "confirm": problem["confirm"]})
    assert answer.status == 200 and answer.json["mended"]["dropped"] == 20
    lockstep.assert_in_step()


def test_an_emptied_bucket_is_not_followed(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 4))
    lockstep.backend.empty()
    problem = server.post(SYNC_ALL, {"recreateMissing": True, "confirm": 1000}).problem(409, "guard")
    assert problem["guard"] == "bucket" and '"allowEmpty": true' in problem["detail"]
    assert set(lockstep.oracle.rows()) == set(keys)


def test_young_objects_are_pending_unless_the_query_says_otherwise(lockstep, server):
    seed(lockstep, ("p1", "500ml", 2))
    lockstep.backend.put(ORPHAN, png("orphan"))
    found = server.get("/admin/products/p1/images/sync/check").json
    assert found["orphanedFiles"] == [] and found["pendingFiles"] == [ORPHAN]


def test_hostile_names_stay_data(lockstep, server):
    name = "<img src=x onerror=alert(1)>\"'\\ä.png"
    key = f"products/p 1&;%/500ml/hero-card/{name}"
    lockstep.backend.put(key, png("hostile"))
    found = server.get("/admin/products/p%201%26%3B%25/images/sync/check" + NOW).json
    assert found["orphanedFiles"] == [key] and found["productId"] == "p 1&;%"


def test_what_the_api_did_is_in_the_audit_trail(lockstep, server):
    seed(lockstep, ("p1", "500ml", 2))
    lockstep.backend.put(ORPHAN, png("orphan"))
    server.post(one("p1", "sync"), {"recreateMissing": True})
    lines = lockstep.json("log", "--json")
    assert [(line["op"], line["actor"]) for line in lines if line["key"] == ORPHAN] == [("adopt", "serve")]
