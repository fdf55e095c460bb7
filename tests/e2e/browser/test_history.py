# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans, audit trail, trash, events, journal and mounts, as the dashboard shows them."""

import signal

import pytest
from harness.images import png, seed
from harness.program import SLOW, wait_until
from harness.stopping import stopped_at_their_points
from playwright.sync_api import expect

BOTH_CATALOGS = pytest.mark.pairs("file", "postgres")
ONE = pytest.mark.pairs("file")
FOLDER = "products/p1/500ml/hero-card"


@ONE
def test_the_history_of_scans_is_a_chart_and_a_table(lockstep, dashboard):
    keys = seed(lockstep, ("p1", "500ml", 12))
    for key in keys[:3]:
        lockstep.backend.delete(key)
        lockstep.run("scan", "--grace=0s", check=1)
    scans = [str(row[0]) for row in lockstep.oracle.query("select id from lockstep_scan order by id desc")]
    assert len(scans) >= 3
    dashboard.go("history")
    dashboard.until(lambda: dashboard.keys("scan-row") == scans, "all of them, newest first")
    expect(dashboard.row("scan-row", scans[0])).to_contain_text("3")
    chart = dashboard("chart")
    assert chart.evaluate("(svg) => svg.getBBox().width") > 100 and chart.get_attribute("role") == "img"
    expect(chart).to_contain_text("3 differences in the newest")


@BOTH_CATALOGS
def test_the_audit_trail_tells_what_was_done(lockstep, dashboard, scanned):
    dashboard.go("findings")
    dashboard.row("findings-row", scanned.orphan).get_by_test_id("remove").click()
    dashboard.confirm(scanned.orphan)
    dashboard.alert()
    dashboard.go("audit")
    expect(dashboard("audit-row").first).to_contain_text(scanned.orphan)
    trail = lockstep.json("log", "--json")
    for row, entry in zip(dashboard("audit-row").all(), trail, strict=False):
        expect(row).to_contain_text(entry["key"])
    assert dashboard("audit-row").count() == len(trail)


@BOTH_CATALOGS
def test_the_trash_gives_back_what_was_removed(lockstep, dashboard):
    seed(lockstep, ("p1", "500ml", 2))
    orphans = [f"{FOLDER}/orphan-{n}.png" for n in range(3)]
    for key in orphans:
        lockstep.backend.put(key, png(key))
    lockstep.run("sync", "--grace=0s", "--orphans=remove", "--max-change=100%", "--yes", check=(0, 1))
    assert not set(orphans) & set(lockstep.oracle.objects())
    dashboard.go("trash")
    expect(dashboard("trash-row")).to_have_count(3)
    dashboard("trash-row").filter(has_text=orphans[1]).get_by_test_id("restore").click()
    dashboard.confirm(orphans[1])
    dashboard.alert("1 file")
    expect(dashboard("trash-row")).to_have_count(2)
    assert lockstep.backend.get(orphans[1]) == png(orphans[1])
    assert orphans[0] not in lockstep.oracle.objects()


@ONE
def test_recent_events_are_listed(lockstep, server, dashboard):
    seed(lockstep, ("p1", "500ml", 2))
    key = f"{FOLDER}/new.png"
    lockstep.backend.put(key, png(key))
    for name, at in (("s3:ObjectCreated:Put", key), ("s3:ObjectRemoved:Delete", "elsewhere/no.png")):
        assert server.post("/webhooks/minio", {"EventName": name, "Key": f"any/{at}"}, role="webhook").status == 200

    def outcomes() -> list[tuple[str, str]]:
        return [(event["key"], event["outcome"]) for event in server.get("/admin/events").json["events"]]

    wait_until(lambda: (key, "created") in outcomes(), "the event has been acted on, and no longer waits")
    assert key in lockstep.oracle.rows()
    dashboard.go("events")
    # What the event is called says "created" as well.
    expect(dashboard("event-row").filter(has_text=key).locator(".badge")).to_have_text("created")


@BOTH_CATALOGS
def test_the_journal_shows_what_is_under_way_and_who_is_there(lockstep, dashboard):
    key, file = f"{FOLDER}/new.png", lockstep.folder / "new.png"
    file.write_bytes(png("new"))
    mount = lockstep.mount()
    stopped = lockstep.start("put", file, key, failpoint="engine.put.uploaded=stop")
    assert stopped_at_their_points([stopped]) and key in lockstep.backend.objects(), (
        "the object is there, its row is not"
    )
    dashboard.go("journal")
    expect(dashboard("intent-row")).to_have_count(1)
    expect(dashboard("intent-row")).to_contain_text(key)
    for kind, pid in (("serve", dashboard.server.process.pid), ("mount", mount.process.pid)):
        expect(dashboard("instance-row").filter(has_text=kind)).to_contain_text(str(pid))
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(20 * SLOW) == 0
    dashboard.page.reload()
    expect(dashboard("instance-row").first).to_be_visible()
    expect(dashboard("intent-row")).to_have_count(0)
    assert mount.unmount() == 0
