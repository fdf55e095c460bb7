# SPDX-License-Identifier: GPL-3.0-or-later
"""The overview and the findings of kept scans by API calls, beside what the command line says."""

from urllib.parse import quote

from harness.images import png, seed
from harness.program import wait_until

ORPHAN = "products/p1/500ml/hero-card/orphan.png"
MISPLACED = "products/p2/loose.png"
MOVED_TO = "products/p1/500ml/info-card/elsewhere.png"
LAST = "/admin/scans/last/findings"


def damage(lockstep) -> dict[str, list[str]]:
    """One difference of each kind; the keys by the word that selects them."""
    keys = seed(lockstep, ("p1", "500ml", 8), ("p2", "1kg", 4))
    lockstep.backend.put(ORPHAN, png("orphan"))
    lockstep.backend.put(MISPLACED, png("misplaced"))
    lockstep.backend.delete(keys[1])
    lockstep.backend.put(keys[2], png("other bytes", side=20))
    lockstep.backend.move(keys[3], MOVED_TO)
    return {
        "orphaned": sorted([ORPHAN, MISPLACED, MOVED_TO]),
        "missing": sorted([keys[1], keys[3]]),
        "stale": [keys[2]],
        "moved": [MOVED_TO],
        "misplaced": [MISPLACED],
        "misfiled": [],
        "pending": [],
    }


def walk(server, path: str, limit: int) -> list[dict]:
    found, after = [], ""
    while True:
        page = server.get(f"{path}{'&' if '?' in path else '?'}limit={limit}{after}", role="read").json
        assert len(page["findings"]) <= limit
        found += page["findings"]
        if page["next"] is None:
            return found
        assert page["next"] == page["findings"][-1]["key"]
        after = f"&after={quote(page['next'])}"


def test_a_scan_by_the_api_and_one_by_cron_both_keep_what_they_found(lockstep, server):
    server.get(LAST).problem(404, "not-found")
    kinds = damage(lockstep)
    for scan in (
        lambda: server.get("/admin/products/sync/check-all?grace=0s"),
        lambda: lockstep.run("scan", "--grace=0s", check=1),
        lambda: lockstep.run("scan", "--grace=0s", "--share", check=1),
    ):
        scan()
        newest = server.get("/admin/scans?limit=1").json["scans"][0]
        page = server.get(LAST, role="read").json
        assert page["scan"] == newest["id"] and newest["state"] == "complete" and newest["findingsKept"] is True
        assert [f["key"] for f in page["findings"]] == sorted(kinds["orphaned"] + kinds["missing"] + kinds["stale"])
        shown = lockstep.json("history", "--json", str(page["scan"]))
        assert page["findings"] == shown["findings"]
        assert walk(server, f"/admin/scans/{page['scan']}/findings", 2) == shown["findings"]
        for kind, count in {"orphaned": "orphanedFiles", "missing": "missingFiles", "moved": "movedFiles"}.items():
            assert len(walk(server, f"{LAST}?kind={kind}", 100)) == newest[count] == len(kinds[kind])


def test_findings_are_chosen_by_kind_and_by_the_beginning_of_their_keys(lockstep, server):
    kinds = damage(lockstep)
    server.get("/admin/products/sync/check-all?grace=0s")
    for kind, keys in kinds.items():
        for limit in (1, 100):
            assert [f["key"] for f in walk(server, f"{LAST}?kind={kind}", limit)] == keys, kind
    everything = walk(server, LAST, 100)
    for prefix in ("products/p1/", "products/p2", ORPHAN, "products/p1/500ml/hero-card/o", "q", ""):
        below = [f for f in everything if f["key"].startswith(prefix)]
        assert walk(server, f"{LAST}?prefix={quote(prefix)}", 2) == below, prefix
    for wrong in ("kind=synced", "kind=", "kind=lost", "limit=-1", "limit=1001"):
        server.get(f"{LAST}?{wrong}").problem(400, "wrong-type")
    server.get("/admin/scans/4242/findings").problem(404, "not-found")
    for wrong in ("first", "0", "-1", "1x", "99999999999999999999"):
        assert server.get(f"/admin/scans/{wrong}/findings").status == 400


def test_findings_of_a_scan_of_one_product_are_kept_and_are_not_the_last_ones(lockstep, server):
    kinds = damage(lockstep)
    server.get("/admin/products/sync/check-all?grace=0s")
    whole = server.get(LAST).json["scan"]
    for _ in range(3):
        lockstep.run("scan", "--grace=0s", "p2", check=1)
    newest = server.get("/admin/scans?limit=1").json["scans"][0]
    assert newest["scope"] == "p2" and newest["id"] > whole
    assert [f["key"] for f in walk(server, f"/admin/scans/{newest['id']}/findings", 10)] == [MISPLACED]
    assert server.get(LAST).json["scan"] == whole
    overview = server.get("/admin/overview").json
    assert overview["lastScan"]["id"] == overview["lastComplete"]["id"] == whole
    assert overview["lastComplete"]["orphanedFiles"] == len(kinds["orphaned"])


def test_the_overview_tells_what_is_there(lockstep, server):
    fresh = server.get("/admin/overview", role="read").json
    assert (fresh["products"], fresh["images"], fresh["role"], fresh["webhook"]) == (0, 0, "read", False)
    assert fresh["lastScan"] is None and fresh["lastComplete"] is None
    assert fresh["journal"] == {"open": 0, "oldestSeconds": None}
    assert set(fresh["events"].values()) == {0} and len(fresh["events"]) == 7

    seed(lockstep, ("p1", "500ml", 3), ("p2", "1kg", 4))
    server.token("webhook")
    server.process.send_signal(1)
    wait_until(lambda: server.get("/admin/overview").json["webhook"], "the tokens are read again")
    server.get("/admin/products/sync/check-all")
    status = lockstep.json("status", "--json")
    now = server.get("/admin/overview").json
    assert (now["products"], now["images"], now["role"], now["webhook"]) == (2, 7, "admin", True)
    assert (now["store"], now["catalog"], now["maxChange"]) == (status["store"], status["catalog"], "20%")
    assert now["lastScan"] == now["lastComplete"] == status["lastScan"]
    assert now["lastScan"]["state"] == "complete" and now["lastScan"]["syncedFiles"] == 7
    assert now["version"] in lockstep.run("--version").stdout
    server.get("/admin/overview", role="metrics").problem(403, "role")
    server.get("/admin/overview", role="").problem(401, "token")


def test_the_journal_tells_operations_and_whether_their_process_lives(lockstep, server):
    seed(lockstep, ("p1", "500ml", 2), ("p2", "1kg", 3))
    idle = server.get("/admin/journal", role="read").json
    assert idle["intents"] == [] and [(i["kind"], i["alive"]) for i in idle["instances"]].count(("serve", True)) == 1
    lockstep.run("mv", "products/p2/1kg", "products/p2/2kg", failpoint="engine.rename_folder.copied=kill", check=-9)
    # PostgreSQL notices a moment later that its client is gone.
    wait_until(lambda: not server.get("/admin/journal").json["intents"][0]["alive"], "the operation's process is dead")
    (moved,) = server.get("/admin/journal", role="read").json["intents"]
    assert (moved["op"], moved["state"], moved["objects"], moved["alive"]) == ("rename", "open", 3, False)
    assert (moved["key"], moved["dest"]) == ("products/p2/1kg", "products/p2/2kg")
    journal = server.get("/admin/overview").json["journal"]
    assert journal["open"] == 1 and journal["oldestSeconds"] >= 0
    lockstep.run("recover")
    assert server.get("/admin/journal").json["intents"] == []
    lockstep.assert_in_step()
