# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that got lost: scans count the drift that none announced, and only that."""

import os
import time

import pytest
from harness.images import png, seed
from harness.program import wait_until
from harness.serve import Server
from harness.stopping import stopped

from .test_metrics import figures
from .test_webhook import CREATED, FOLDER, body, inbox, post, record


def told(lockstep, *args):
    return lockstep.scan_json(*args)["unannouncedFiles"]


def begin(lockstep, server) -> list[str]:
    """Images in step, a first event, a first scan: from now on drift can be told."""
    keys = seed(lockstep, ("p1", "500ml", 6))
    assert told(lockstep) is None, "no event ever came"
    post(server, body(record(lockstep, CREATED, keys[5])))
    wait_until(lambda: inbox(lockstep) == 0, "the inbox is worked off")
    assert told(lockstep) is None, "nothing to compare with"
    lockstep.run("scan", "p1", check=0)
    assert lockstep.json("history", "--json", "-n", "1")[0]["unannouncedFiles"] is None, "of a part nothing is told"
    return keys


def lose(lockstep, keys) -> None:
    """Somebody changes the bucket, and nobody tells."""
    lockstep.backend.put(f"{FOLDER}/lost.png", png("lost"))
    lockstep.backend.put(keys[0], png("changed", 20))
    lockstep.backend.delete(keys[1])


def test_drift_that_no_event_announced_is_counted_once(lockstep, server):
    keys = begin(lockstep, server)
    lose(lockstep, keys)
    assert lockstep.scan_json()["unannouncedFiles"] == 3
    assert "lockstep_events_unannounced" in {name for name, _ in figures(server)}
    assert figures(server)["lockstep_events_unannounced", ""] == 3
    assert server.get("/admin/scans?limit=1").json["scans"][0]["unannouncedFiles"] == 3
    assert told(lockstep) == 0, "it is not new any more"
    # What is announced is mended, so there is nothing to count.
    new = f"{FOLDER}/new.png"
    lockstep.backend.put(new, png("new"))
    post(server, body(record(lockstep, CREATED, new)))
    wait_until(lambda: new in lockstep.oracle.rows(), "the event is worked off")
    assert server.get("/admin/products/sync/check-all?grace=0s").json["unannouncedFiles"] == 0
    # A sync counts what its scan found, before it mends.
    lockstep.backend.move(keys[2], f"{FOLDER}/moved.png")
    lockstep.backend.put(f"{FOLDER}/late.png", png("late"))
    done = lockstep.run("sync", "--grace=0s", "--orphans=adopt", "--moved=relink", "--stale=refresh", check=(0, 1))
    assert "2 of them are new and were announced by no event" in done.stdout
    assert [row["unannouncedFiles"] for row in lockstep.json("history", "--json", "-n", "3")] == [2, 0, 0]


def test_a_young_object_is_counted_when_it_has_come_of_age(lockstep, server):
    begin(lockstep, server)
    lockstep.backend.put(f"{FOLDER}/lost.png", png("lost"))
    young = lockstep.json("scan", "--json", "--grace=1h", check=(0, 1))
    assert (young["pendingFiles"], young["unannouncedFiles"]) == (1, 0)
    assert told(lockstep) == 1


def test_an_event_that_waits_is_none_that_got_lost(lockstep, server):
    keys = begin(lockstep, server)
    assert told(lockstep) == 0
    lose(lockstep, keys)
    values = (time.time_ns(), CREATED, event_key(lockstep))
    with stopped(server.process):
        lockstep.oracle.execute("insert into lockstep_event (at_ns, kind, key) values (?, ?, ?)", *values)
        assert told(lockstep) == 2
    wait_until(lambda: inbox(lockstep) == 0, "the inbox is worked off")


def event_key(lockstep):
    key = f"{FOLDER}/lost.png"
    return key.encode() if lockstep.database else key


def test_nothing_is_told_while_nobody_takes_events(lockstep, server):
    keys = begin(lockstep, server)
    assert told(lockstep) == 0
    server.stop()
    lose(lockstep, keys)
    assert told(lockstep) is None


@pytest.mark.pairs("file")
def test_what_the_application_did_is_not_the_buckets(lockstep):
    lockstep.set_config("settle", "delete", "ignore")
    server = Server(lockstep).start()
    keys = begin(lockstep, server)
    for key in keys:
        os.utime(lockstep.backend.directory / key, (time.time() - 3600,) * 2)
    lockstep.run("sync", "--grace=0s", "--stale=refresh")
    lockstep.oracle.execute("delete from product_image where file_name = ?", keys[0])
    found = lockstep.scan_json()
    assert (found["orphanedFiles"], found["unannouncedFiles"]) == (1, 0)
    server.stop()


@pytest.mark.pairs("file")
@pytest.mark.parametrize("policy", ["report", "ignore"])
def test_where_events_are_not_acted_on_nothing_is_told(lockstep, policy):
    server = Server(lockstep).start()
    keys = begin(lockstep, server)
    assert told(lockstep) == 0
    server.stop()
    lockstep.set_config("serve", "events", policy)
    again = Server(lockstep)
    again.tokens = server.tokens
    again.start()
    lose(lockstep, keys)
    assert told(lockstep) is None
    again.stop()
