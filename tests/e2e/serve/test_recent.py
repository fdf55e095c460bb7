# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest events of the bucket and what became of them."""

import pytest
from harness.images import png, seed
from harness.program import wait_until
from harness.stopping import stopped_at_their_points

from .test_webhook import CREATED, FOLDER, REMOVED, body, inbox, post, record


def recent(server) -> list[tuple[str, str, str]]:
    answer = server.get("/admin/events", role="read").json
    assert len(answer["events"]) <= 200
    assert [e["at"] for e in answer["events"]] == sorted((e["at"] for e in answer["events"]), reverse=True)
    return [(e["name"], e["key"], e["outcome"]) for e in answer["events"]]


def test_each_event_is_shown_with_what_became_of_it(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 2))
    new = f"{FOLDER}/new.png"
    assert server.get("/admin/events").json == {"events": [], "waiting": 0}
    lockstep.backend.put(new, png("new"))
    lockstep.backend.delete(keys[0])
    same = record(lockstep, CREATED, keys[1], 7)
    post(server, body(record(lockstep, CREATED, new), record(lockstep, REMOVED, keys[0]), same, same))
    post(server, body(record(lockstep, CREATED, "products/loose.png")))
    post(server, body(record(lockstep, CREATED, ".lockstep/trash/x")))
    wait_until(lambda: inbox(lockstep) == 0 and len(recent(server)) == 6, "the inbox is worked off")
    assert sorted(recent(server)) == sorted(
        [
            (CREATED, new, "created"),
            (REMOVED, keys[0], "dropped"),
            (CREATED, keys[1], "unchanged"),
            (CREATED, keys[1], "duplicate"),
            (CREATED, "products/loose.png", "left"),
            (CREATED, ".lockstep/trash/x", "foreign"),
        ]
    )
    assert server.get("/admin/events").json["waiting"] == 0
    counted = server.get("/admin/overview").json["events"]
    assert (counted["received"], counted["acted"], counted["duplicate"], counted["foreign"]) == (5, 2, 1, 1)


@pytest.mark.pairs("file")
def test_the_newest_two_hundred_are_remembered(lockstep, server):
    for start in (0, 150):
        post(server, body(*[record(lockstep, CREATED, f"products/{n}.png") for n in range(start, start + 150)]))
    shown = {key for _, key, _ in recent(server)}
    assert shown == {f"products/{n}.png" for n in range(100, 300)}


@pytest.mark.pairs("file")
def test_events_that_wait_are_shown_as_waiting(lockstep, server):
    """The operation that covers the key was killed; nobody settles it meanwhile."""
    key = f"{FOLDER}/covered.png"
    file = lockstep.folder / "covered.png"
    file.write_bytes(png("covered"))
    stopped = lockstep.start("put", file, key, failpoint="engine.put.uploaded=stop")
    assert stopped_at_their_points([stopped]) and key in lockstep.backend.all_keys()
    post(server, body(record(lockstep, CREATED, key)))
    assert recent(server) == [(CREATED, key, "waiting")]
    assert server.get("/admin/events").json["waiting"] == server.get("/admin/overview").json["events"]["waiting"] == 1
    intents = server.get("/admin/journal").json["intents"]
    assert [(i["op"], i["key"], i["alive"]) for i in intents] == [("put", key, True)]
    stopped.send_signal(18)
    wait_until(lambda: [outcome for _, _, outcome in recent(server)] == ["unchanged"], "it is worked off")
