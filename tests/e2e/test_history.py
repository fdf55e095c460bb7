# SPDX-License-Identifier: GPL-3.0-or-later
"""What scans found stays readable: the newest with each finding, older ones with their counts."""

import json
import signal

KEY = "products/{}/500ml/hero-card/{}.jpg"


def drift(lockstep) -> None:
    for name in "abcd":
        lockstep.put(KEY.format("p1", name), name.encode())
    lockstep.put(KEY.format("p2", "e"), b"e")
    lockstep.backend.delete(KEY.format("p1", "a"))
    lockstep.backend.put(KEY.format("p1", "b"), b"overwritten")
    lockstep.backend.move(KEY.format("p1", "c"), KEY.format("p3", "c"))
    lockstep.backend.put(KEY.format("p2", "stray"), b"stray")


def findings_of(output: str) -> list[dict]:
    lines = [json.loads(line) for line in output.splitlines()]
    return [line for line in lines if line["kind"] not in ("totals", "error")]


def test_a_scan_is_read_back_as_it_was_printed(lockstep):
    drift(lockstep)
    printed = lockstep.run("scan", "--grace=0s", "--ndjson", check=1).stdout
    for_people = lockstep.run("scan", "--grace=0s", check=1).stdout
    newest, older, *_ = lockstep.json("history", "--json")
    assert newest["state"] == "complete" and newest["findingsKept"] and older["findingsKept"]
    got = lockstep.json("history", "--json", older["id"])
    assert got["findings"] == findings_of(printed)
    assert {f["kind"] for f in got["findings"]} == {"orphaned", "missing", "stale"}
    assert got["orphanedFiles"] == 2 and got["missingFiles"] == 2 and got["movedFiles"] == 1
    assert lockstep.run("history", newest["id"]).stdout == for_people


def test_a_shared_scan_is_in_the_history_as_well(lockstep):
    drift(lockstep)
    printed = lockstep.run("scan", "--share", "--grace=0s", "--ndjson", check=1).stdout
    (newest, *_) = lockstep.json("history", "--json", "-n", 1)
    assert newest["shared"]
    assert lockstep.json("history", "--json", newest["id"])["findings"] == findings_of(printed)
    assert "shared" in lockstep.run("history").stdout


def test_old_findings_go_and_their_counts_stay(lockstep):
    drift(lockstep)
    lockstep.run("scan", "--grace=0s", check=1)
    lockstep.run("sync", "--grace=0s", "--orphans=adopt", "--missing=drop", "--moved=relink", "--yes", check=1)
    lockstep.run("scan", "--grace=0s", "p1", check=1)
    lockstep.run("scan", "--grace=0s", check=1)
    last, of_p1, sync, first, *_ = lockstep.json("history", "--json")
    assert [scan["findingsKept"] for scan in (last, of_p1, sync, first)] == [True, True, True, False]
    assert of_p1["scope"] == "p1"
    assert first["orphanedFiles"] == sync["orphanedFiles"] == 2 and last["orphanedFiles"] == 0
    assert len(lockstep.json("history", "--json", sync["id"])["findings"]) == 5
    assert "only its counts" in lockstep.run("history", first["id"], check=4).stderr
    assert "no scan" in lockstep.run("history", 4711, check=4).stderr
    lockstep.run("history", "0", check=64)
    stored = lockstep.oracle.query("select distinct scan from lockstep_finding order by scan")
    assert stored == [(sync["id"],), (of_p1["id"],), (last["id"],)]


def test_a_scan_that_died_is_said_to_have_died(lockstep):
    drift(lockstep)
    process = lockstep.start("scan", "--grace=0s", failpoint="scan.findings.kept=kill")
    assert process.wait(60) == -signal.SIGKILL
    (newest, *_) = lockstep.json("history", "--json")
    assert newest["state"] == "died" and not newest["findingsKept"] and newest["endedAt"] is None
    assert ", died" in lockstep.run("status").stdout
    lockstep.run("history", newest["id"], check=4)
    lockstep.run("scan", "--grace=0s", check=1)
    _, died, *_ = lockstep.json("history", "--json")
    assert died["id"] == newest["id"] and died["state"] == "incomplete"
    assert lockstep.oracle.query("select 1 from lockstep_finding where scan = ?", died["id"]) == []
