# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Sync Status and Sync All Now: what is shown, asked and done, compared with store and database."""

import signal

import pytest
from harness.images import png, seed
from harness.program import wait_until
from harness.stopping import is_stopped
from playwright.sync_api import expect

BOTH_CATALOGS = pytest.mark.pairs("file", "postgres")
ONE = pytest.mark.pairs("file")


def judged(lockstep) -> dict[str, int]:
    """The cards' figures by other people's clients."""
    objects, rows = lockstep.oracle.objects(), lockstep.oracle.rows()
    both = objects.keys() & rows.keys()
    stale = {key for key in both if (rows[key].etag, rows[key].size) != (objects[key].etag, objects[key].size)}
    misfiled = {key for key in both if rows[key].variant_weight != rows[key].weight}
    return {
        "total": len(objects.keys() | rows.keys()),
        "synced": len(both - stale - misfiled),
        "orphaned": len(objects.keys() - rows.keys()),
        "missing": len(rows.keys() - objects.keys()),
        "stale": len(stale),
        "misfiled": len(misfiled),
    }


def shown(dashboard) -> dict[str, int]:
    names = ("total", "synced", "orphaned", "missing", "stale", "misfiled")
    return {name: dashboard.figure(f"card-{name}") for name in names}


def preview(dashboard, *choices: str) -> None:
    """Ask what a sync of everything would do."""
    dashboard("sync-all").click()
    for choice in ("dialog-remove-orphaned", "dialog-recreate-missing", "dialog-remove-misplaced"):
        dashboard(choice).set_checked(choice in choices)
    dashboard("dialog-preview").click()
    expect(dashboard("dialog-plan")).to_be_visible()


def state(lockstep):
    tables = ("product", "product_variant", "product_image", "lockstep_object", "lockstep_trash", "lockstep_audit")
    return lockstep.backend.all_keys(), [lockstep.oracle.query(f"select * from {table} order by 1") for table in tables]


@BOTH_CATALOGS
def test_a_check_shows_what_the_judge_counts_and_changes_nothing(lockstep, dashboard, drift):
    before = state(lockstep)
    dashboard("check").click()
    dashboard.alert()
    dashboard.made_anew()
    assert shown(dashboard) == judged(lockstep)
    assert (dashboard.figure("card-moved"), dashboard.figure("card-misplaced")) == (1, 1)
    assert state(lockstep) == before
    lockstep.backend.put("products/p2/1kg/hero-card/late.png", png("late"))
    dashboard("check").click()
    dashboard.until(lambda: shown(dashboard) == judged(lockstep), "the new orphan is counted")


@BOTH_CATALOGS
def test_sync_all_says_what_it_will_do_and_does_just_that(lockstep, dashboard, drift):
    kept = {key: lockstep.backend.get(key) for key in lockstep.oracle.objects()}
    row = lockstep.oracle.rows()[drift.moved].id
    before = state(lockstep)
    preview(dashboard, "dialog-remove-orphaned", "dialog-recreate-missing")
    plan = {name: dashboard.planned(name) for name in ("removed", "relinked", "dropped", "kept")}
    assert plan["removed"] == plan["relinked"] == plan["dropped"] == 1
    for key in (drift.orphan, drift.lost):
        expect(dashboard("dialog-plan")).to_contain_text(key)
    dashboard("dialog-cancel").click()
    expect(dashboard("dialog")).to_be_hidden()
    assert state(lockstep) == before, "neither the preview nor leaving it changes anything"

    preview(dashboard, "dialog-remove-orphaned", "dialog-recreate-missing")
    dashboard.confirm()
    for result in ("Removed: 1 file", "Relinked: 1 record", "Dropped: 1 record"):
        expect(dashboard("alert").filter(has_text=result)).to_be_visible()
    left = judged(lockstep)
    differences = left["total"] - left["synced"]
    expect(dashboard("alert").filter(has_text=f"Checked {left['total']} images: {differences} diff")).to_be_visible()
    rows, objects = lockstep.oracle.rows(), lockstep.oracle.objects()
    assert drift.orphan not in objects and drift.lost not in rows
    assert rows[drift.moved_to].id == row and drift.moved not in rows
    assert drift.stray in objects, "what fits no layout is removed by its own switch only"
    for key in set(kept) - {drift.orphan}:
        assert lockstep.backend.get(key) == kept[key]
    dashboard.until(lambda: shown(dashboard) == judged(lockstep), "the cards follow")


@ONE
def test_without_removing_orphans_get_their_rows(lockstep, dashboard, drift):
    preview(dashboard, "dialog-recreate-missing")
    assert dashboard.planned("recreated") == 1
    dashboard.confirm(drift.orphan)
    dashboard.alert("Recreated: 1 record")
    assert {drift.orphan, drift.moved_to} <= set(lockstep.oracle.rows())
    assert lockstep.json("trash", "list", "--json") == []


@BOTH_CATALOGS
def test_past_the_guard_the_number_must_be_typed(lockstep, dashboard):
    keys = seed(lockstep, ("p1", "500ml", 40))
    for key in keys[:20]:
        lockstep.backend.delete(key)
    before = lockstep.oracle.rows()
    preview(dashboard, "dialog-recreate-missing")
    expect(dashboard("dialog-typed")).to_be_visible()
    expect(dashboard("dialog")).to_contain_text("20")
    for wrong in ("", "19", "200", "x"):
        dashboard("dialog-typed").fill(wrong)
        dashboard("dialog-confirm").click(force=True)
        expect(dashboard("dialog")).to_be_visible()
    assert lockstep.oracle.rows() == before
    dashboard("dialog-typed").fill("20")
    dashboard("dialog-confirm").click()
    dashboard.alert("Dropped: 20 records")
    assert set(lockstep.oracle.rows()) == set(keys[20:])
    lockstep.assert_in_step()


@ONE
def test_an_emptied_bucket_is_not_followed(lockstep, dashboard):
    keys = seed(lockstep, ("p1", "500ml", 4))
    lockstep.backend.empty()
    dashboard("sync-all").click()
    dashboard("dialog-recreate-missing").check()
    dashboard("dialog-preview").click()
    expect(dashboard("dialog")).to_contain_text("bucket lacks its mark")
    expect(dashboard("dialog-confirm")).to_be_hidden()
    assert set(lockstep.oracle.rows()) == set(keys)


@ONE
def test_progress_is_shown_while_a_check_runs_and_only_then(lockstep, browse, server, drift):
    server.stop()
    server.args = ("--listen", server.address)
    server.start(failpoint="store.list.called=stop")
    dashboard = browse().sign_in()
    expect(dashboard("progress")).to_be_hidden()
    dashboard("check").click()
    wait_until(lambda: is_stopped(server.process), "the scan has begun")
    expect(dashboard("progress")).to_be_visible()
    expect(dashboard("progress").locator("progress, [role=progressbar]").first).to_be_visible()
    server.process.send_signal(signal.SIGCONT)
    dashboard.alert()
    expect(dashboard("progress")).to_be_hidden()
    dashboard.made_anew()
    assert shown(dashboard) == judged(lockstep)


@ONE
def test_what_a_check_found_is_there_after_a_reload_and_in_other_tabs(lockstep, dashboard, browse, drift):
    dashboard("check").click()
    dashboard.alert()
    dashboard.page.reload()
    expect(dashboard("card-orphaned")).to_be_visible()
    other = browse().sign_in("read")
    assert shown(dashboard) == shown(other) == judged(lockstep)
