# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit trail, the history of scans and the trash by API calls, beside what the command line says."""

from harness.images import png, seed

NOW = "?grace=0s"


def pages(server, path: str, name: str, more: str) -> list:
    """All pages of a list, two items each."""
    found, at = [], ""
    while True:
        page = server.get(f"{path}?limit=2{at}", role="read").json
        assert len(page[name]) <= 2
        found += page[name]
        if page["next"] is None:
            return found
        at = f"&{more}={page['next']}"


def test_the_audit_trail_is_that_of_the_command_line(lockstep, server):
    seed(lockstep, ("p1", "500ml", 3), ("p2", "1kg", 2))
    listed = pages(server, "/admin/audit", "entries", "before")
    assert listed == lockstep.json("log", "--json") and len(listed) == 5
    below = server.get("/admin/audit?prefix=products/p2/").json["entries"]
    assert [entry["key"] for entry in below] == [e["key"] for e in listed if e["key"].startswith("products/p2/")]
    server.get("/admin/audit?before=-1").problem(400, "wrong-type")


def test_scans_are_kept_with_what_they_found(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 3))
    server.post("/admin/products/p1/images/sync", {})
    assert server.get("/admin/products/p1/images/sync/check").status == 200  # a question, which leaves nothing behind
    lockstep.backend.delete(keys[0])
    server.get(f"/admin/products/sync/check-all{NOW}")
    scans = pages(server, "/admin/scans", "scans", "before")
    newest, one, _ = scans  # before it, that of the import
    assert (newest["scope"], newest["complete"], newest["missingFiles"], newest["syncedFiles"]) == ("", True, 1, 2)
    assert (one["scope"], one["missingFiles"], one["syncedFiles"]) == ("p1", 0, 3)
    assert newest["startedAt"] <= newest["endedAt"]
    assert [scan["id"] for scan in scans] == sorted((scan["id"] for scan in scans), reverse=True)


def test_what_was_removed_is_restored_or_purged(lockstep, server):
    seed(lockstep, ("p1", "500ml", 2))
    orphans = [f"products/p1/500ml/hero-card/orphan-{n}.png" for n in range(5)]
    for key in orphans:
        lockstep.backend.put(key, png(key))
    assert server.post(f"/admin/products/sync/sync-all{NOW}", {"removeOrphaned": True}).status == 200
    items = pages(server, "/admin/trash", "items", "after")
    assert sorted(item["key"] for item in items) == orphans and all(item["reason"] == "orphaned" for item in items)
    assert items == lockstep.json("trash", "list", "--json")

    first = next(item for item in items if item["key"] == orphans[0])
    assert server.post(f"/admin/trash/{first['id']}/restore", None).status == 204
    assert lockstep.backend.get(orphans[0]) == png(orphans[0])
    server.post(f"/admin/trash/{first['id']}/restore", None).problem(404, "not-found")
    server.post(f"/admin/trash/{items[-1]['id']}/restore", None, role="read").problem(403, "role")

    for wrong in ({}, {"olderThan": "never"}):
        problem = server.post("/admin/trash/purge", wrong)
        assert problem.status == 400
    assert server.post("/admin/trash/purge", {"olderThan": "1h"}).json == {"removed": 0}
    purged = server.post("/admin/trash/purge", {"olderThan": "0s", "prefix": orphans[1]})
    assert purged.json == {"removed": 1}
    assert server.post("/admin/trash/purge", {"olderThan": "0s"}).json == {"removed": 3}
    assert server.get("/admin/trash").json["items"] == []
    assert not [key for key in lockstep.backend.all_keys() if key.startswith(".lockstep/trash/")]
