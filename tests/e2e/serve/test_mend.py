# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that somebody picked are mended one by one; objects are looked at before. Both sides by other clients."""

from urllib.parse import quote

import pytest
from harness.images import png, seed

MEND = "/admin/findings/mend"
CHECK = "/admin/products/sync/check-all?grace=0s"
ORPHANS = [f"products/p1/500ml/hero-card/orphan-{n}.png" for n in range(3)]
MISPLACED = "products/p1/loose.png"
MOVED_TO = "products/p1/500ml/info-card/elsewhere.png"


def mend(server, action: str, *items: tuple[str, str]) -> list[tuple[str, str, str | None]]:
    answer = server.post(MEND, {"action": action, "items": [{"kind": kind, "key": key} for kind, key in items]})
    assert answer.status == 200, answer
    results = [(result["key"], result["outcome"], result["detail"]) for result in answer.json["results"]]
    assert [key for key, _, _ in results] == [key for _, key in items]
    for outcome in ("mended", "skipped", "failed"):
        assert answer.json[outcome] == sum(result[1] == outcome for result in results)
    assert all((detail is None) == (outcome == "mended") for _, outcome, detail in results)
    return results


def test_each_kind_is_mended_by_its_actions_and_the_rest_is_left_alone(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 9), ("p2", "1kg", 3))
    for key in (*ORPHANS, MISPLACED):
        lockstep.backend.put(key, png(key))
    lockstep.backend.delete(keys[1])
    lockstep.backend.delete(keys[4])
    lockstep.backend.put(keys[2], png("stale", side=20))
    lockstep.backend.move(keys[3], MOVED_TO)
    row = lockstep.oracle.rows()[keys[3]].id
    server.get(CHECK)

    assert mend(server, "adopt", ("orphaned", ORPHANS[0])) == [(ORPHANS[0], "mended", None)]
    assert mend(server, "remove", ("orphaned", ORPHANS[1]), ("misplaced", MISPLACED)) == [
        (ORPHANS[1], "mended", None),
        (MISPLACED, "mended", None),
    ]
    assert mend(server, "drop", ("missing", keys[1])) == [(keys[1], "mended", None)]
    assert mend(server, "refresh", ("stale", keys[2])) == [(keys[2], "mended", None)]
    assert mend(server, "relink", ("moved", MOVED_TO), ("missing", keys[3]))[0][1] == "mended"
    rows = lockstep.oracle.rows()
    assert rows[MOVED_TO].id == row and keys[3] not in rows and keys[1] not in rows and keys[4] in rows
    assert ORPHANS[0] in rows and ORPHANS[2] not in rows
    objects = lockstep.oracle.objects()
    assert ORPHANS[2] in objects and ORPHANS[1] not in objects and MISPLACED not in objects
    trash = {item["key"]: item["reason"] for item in lockstep.json("trash", "list", "--json")}
    assert trash == {ORPHANS[1]: "orphaned", MISPLACED: "misplaced"}
    audit = {entry["key"]: entry["op"] for entry in lockstep.json("log", "--json", "-n", "6")}
    assert audit[ORPHANS[0]] == "adopt" and audit[keys[1]] == "drop" and audit[keys[2]] == "refresh"
    assert audit[keys[3]] == "relink" and {audit[ORPHANS[1]], audit[MISPLACED]} == {"discard"}
    assert mend(server, "adopt", ("orphaned", ORPHANS[2])), "the rest"
    assert mend(server, "drop", ("missing", keys[4]))
    lockstep.assert_in_step()


def test_what_has_changed_since_the_scan_is_skipped_with_a_reason(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 9))
    for key in ORPHANS:
        lockstep.backend.put(key, png(key))
    for key in keys[:2]:
        lockstep.backend.delete(key)
    server.get(CHECK)
    lockstep.backend.delete(ORPHANS[0])
    lockstep.backend.put(ORPHANS[1], png("somebody overwrote it", side=20))
    lockstep.backend.put(keys[0], png("it came back"))
    before = lockstep.backend.all_keys(), lockstep.oracle.rows()
    for action in ("adopt", "remove"):
        gone, changed = mend(server, action, ("orphaned", ORPHANS[0]), ("orphaned", ORPHANS[1]))
        assert gone[1] == changed[1] == "skipped" and "changed" in changed[2]
    assert mend(server, "drop", ("missing", keys[0]))[0][1] == "skipped"
    for key in (ORPHANS[2], "products/p1/500ml/hero-card/never.png"):
        assert mend(server, "drop", ("missing", key))[0][1] == "skipped", "it is nothing like that"
    assert "neither" in mend(server, "adopt", ("orphaned", "products/p1/500ml/hero-card/never.png"))[0][2]
    assert (lockstep.backend.all_keys(), lockstep.oracle.rows()) == before
    twice = mend(server, "remove", ("orphaned", ORPHANS[2]), ("orphaned", ORPHANS[2]))
    assert [outcome for _, outcome, _ in twice] == ["mended", "skipped"] and "twice" in twice[1][2]


def test_halves_of_a_moved_pair_are_relinked_and_nothing_else(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 3))
    lockstep.backend.move(keys[0], MOVED_TO)
    server.get(CHECK)
    for action, kind, key in (
        ("adopt", "orphaned", MOVED_TO),
        ("remove", "orphaned", MOVED_TO),
        ("drop", "missing", keys[0]),
    ):
        assert "moved pair" in mend(server, action, (kind, key))[0][2]
    assert mend(server, "relink", ("missing", keys[1]))[0][1] == "skipped"
    assert mend(server, "relink", ("orphaned", MOVED_TO)) == [(MOVED_TO, "mended", None)]
    lockstep.assert_in_step()


def test_a_key_that_no_scan_told_of_is_looked_at_now(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 3))
    server.get(CHECK)
    lockstep.backend.delete(keys[0])
    lockstep.backend.put(ORPHANS[0], png("too young to be told from work in progress"))
    assert "grace" in mend(server, "adopt", ("orphaned", ORPHANS[0]))[0][2]
    assert mend(server, "drop", ("missing", keys[0])) == [(keys[0], "mended", None)]
    assert set(lockstep.oracle.rows()) == set(keys[1:])


def test_five_hundred_at_once_and_no_more(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 3))
    many = [f"products/p1/500ml/other-images/{'n' * 200}-{n:03}.png" for n in range(500)]
    for key in many:
        lockstep.backend.put(key, b"GIF89a" + key.encode())
    server.get(CHECK)
    results = mend(server, "adopt", *(("orphaned", key) for key in many))
    assert {outcome for _, outcome, _ in results} == {"mended"}
    assert set(lockstep.oracle.rows()) == {*keys, *many}
    items = [{"kind": "orphaned", "key": key} for key in [*many, "one more"]]
    server.post(MEND, {"action": "remove", "items": items}).problem(400, "too-many")


@pytest.mark.pairs("file")
def test_wrong_requests_are_refused_before_anything_is_done(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    lockstep.backend.put(ORPHANS[0], png("orphan"))
    server.get(CHECK)
    good = {"kind": "orphaned", "key": ORPHANS[0]}
    for body, code in (
        ({"items": [good]}, "missing-field"),
        ({"action": "adopt"}, "missing-field"),
        ({"items": [good], "action": "burn"}, "wrong-type"),
        ({"items": good, "action": "adopt"}, "wrong-type"),
        ({"items": [good, ORPHANS[0]], "action": "adopt"}, "wrong-type"),
        ({"items": [good, {"kind": "orphaned"}], "action": "adopt"}, "wrong-type"),
        ({"items": [good, {**good, "key": ""}], "action": "adopt"}, "wrong-type"),
        ({"items": [good, {**good, "key": "x" * 1024}], "action": "adopt"}, "wrong-type"),
        ({"items": [good, {**good, "why": "x"}], "action": "adopt"}, "wrong-type"),
        ({"items": [good, {**good, "kind": "missing"}], "action": "adopt"}, "wrong-action"),
        ({"items": [good, {**good, "kind": "pending"}], "action": "remove"}, "wrong-action"),
        ({"items": [{**good, "kind": "synced"}], "action": "refresh"}, "wrong-action"),
    ):
        server.post(MEND, body).problem(400, code)
    server.post(MEND, {"items": [good], "action": "adopt"}, role="read").problem(403, "role")
    assert server.post(MEND, {"items": [], "action": "adopt"}).json["results"] == []
    assert ORPHANS[0] not in lockstep.oracle.rows()
    assert "own" in mend(server, "remove", ("orphaned", ".lockstep/bucket-id"))[0][2]
    lockstep.backend.delete(".lockstep/bucket-id")
    server.post(MEND, {"items": [good], "action": "remove"}).problem(409, "guard")
    assert ORPHANS[0] in lockstep.backend.all_keys()


def test_an_object_is_shown_by_its_whole_key(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 1))
    image, text = png("orphan", side=30), b"<script>alert(1)</script>"
    odd = "products/a b/ü&?#%/loose.png"
    lockstep.backend.put(ORPHANS[0], image)
    lockstep.backend.put(MISPLACED, text)
    lockstep.backend.put(odd, b"")

    def get(key, **headers):
        return server.get(f"/admin/objects?key={quote(key, safe='')}", role="read", headers=headers)

    shown = get(ORPHANS[0])
    assert shown.status == 200 and shown.body == image and shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"] == "inline; filename*=UTF-8''orphan-0.png"
    assert shown.headers["content-security-policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert get(keys[0]).status == 200
    part = get(ORPHANS[0], Range="bytes=3-9")
    assert part.status == 206 and part.body == image[3:10] and part.headers["content-type"] == "image/png"
    assert part.headers["content-range"] == f"bytes 3-9/{len(image)}"
    get(ORPHANS[0], Range="bytes=99999-").problem(416, "range")
    same = get(ORPHANS[0], **{"If-None-Match": shown.headers["etag"]})
    assert same.status == 304 and same.body == b""

    saved = get(MISPLACED)
    assert saved.body == text and saved.headers["content-type"] == "application/octet-stream", "the name does not count"
    assert saved.headers["content-disposition"].startswith("attachment;")
    assert get(odd).body == b""
    get("products/p1/nothing").problem(404, "not-found")
    get(".lockstep/bucket-id").problem(404, "not-found")
    for query in ("", "?key=", "?key=" + "x" * 1024):
        assert server.get(f"/admin/objects{query}").status == 400
    server.get(f"/admin/objects?key={MISPLACED}", role="").problem(401, "token")
