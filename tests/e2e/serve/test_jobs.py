# SPDX-License-Identifier: GPL-3.0-or-later
"""Long requests as jobs: started, followed, asked for their answer, and what a restart leaves of them."""

import json
import signal

import pytest
from harness.images import png, seed
from harness.program import wait_until
from harness.serve import Server

CHECK_ALL = "/admin/products/sync/check-all?grace=0s"
SYNC_ALL = "/admin/products/sync/sync-all?grace=0s"
ORPHAN = "products/p1/500ml/hero-card/orphan.png"


def ended(server, path: str) -> dict:
    wait_until(lambda: server.get(path).json["state"] in ("done", "aborted"), f"{path} ends")
    return server.get(path).json


def events(server, path: str) -> list[tuple[str, dict]]:
    """The whole stream."""
    answer = server.get(f"{path}/events")
    assert answer.status == 200 and answer.headers["content-type"] == "text/event-stream"
    found = []
    for block in answer.body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_a_job_ends_with_the_answer_that_the_route_gives(lockstep, server):
    seed(lockstep, ("p1", "500ml", 6))
    lockstep.backend.put(ORPHAN, png("orphan"))
    begun = server.get(f"{CHECK_ALL}&async=1", role="read")
    path = begun.headers["location"]
    assert begun.status == 202 and begun.json["state"] in ("queued", "running", "done")
    job = ended(server, path)
    assert (job["state"], job["status"], job["result"]) == ("done", 200, f"{path}/result")
    assert job["kind"] == "GET /admin/products/sync/check-all" and job["startedBy"] == "test-read"
    result, now = server.get(job["result"]).json, server.get(CHECK_ALL).json
    differs = ("startedAt", "endedAt")
    assert {k: v for k, v in result.items() if k not in differs} == {k: v for k, v in now.items() if k not in differs}

    path = server.post(f"{SYNC_ALL}&async=1", {"removeOrphaned": True}).headers["location"]
    assert ended(server, path)["status"] == 200
    assert server.get(f"{path}/result").json["mended"]["removedOrphaned"] == 1
    assert ORPHAN not in lockstep.oracle.objects()
    lockstep.assert_in_step()


def test_a_refusal_is_the_answer_of_a_job_as_well(lockstep, server):
    for key in seed(lockstep, ("p1", "500ml", 40))[:20]:
        lockstep.backend.delete(key)
    path = server.post(f"{SYNC_ALL}&async=1", {"recreateMissing": True}).headers["location"]
    assert ended(server, path)["status"] == 409
    assert server.get(f"{path}/result").problem(409, "guard")["confirm"] == 20
    # What can be told at once is.
    server.post(f"{SYNC_ALL}&async=1", {"recreateMissing": 1}).problem(400, "wrong-type")
    server.get("/admin/products/../images/sync/check?async=1").problem(400, "malformed-id")
    server.get("/admin/products/sync/check-all?async=1&grace=soon").problem(400, "wrong-type")
    assert len(server.get("/admin/jobs").json["jobs"]) == 1


@pytest.mark.pairs("file")
def test_a_stream_follows_a_job_to_its_end(lockstep, server):
    seed(lockstep, ("p1", "500ml", 3))
    path = server.get(f"{CHECK_ALL}&async=1").headers["location"]
    told = events(server, path)
    assert [name for name, _ in told[:-1]] == ["progress"] * (len(told) - 1) and told[-1][0] == "end"
    assert told[-1][1] == server.get(path).json and told[-1][1]["state"] == "done"
    assert events(server, path) == [told[-1]], "of a job that has ended there is only the end to tell"
    for what in ("", "/result", "/events"):
        server.get(f"/admin/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV{what}").problem(404, "not-found")
    server.get(f"{CHECK_ALL}&async=yes").problem(400, "wrong-type")
    server.get("/admin/products/p1/images?async=1").problem(400, "unknown-parameter")


@pytest.mark.pairs("file")
def test_jobs_survive_a_restart_as_done_or_aborted(lockstep):
    seed(lockstep, ("p1", "500ml", 3))
    server = Server(lockstep).start()
    done = server.get(f"{CHECK_ALL}&async=1").headers["location"]
    assert ended(server, done)["state"] == "done"
    result = server.get(f"{done}/result").json
    server.stop()
    server.start()
    with lockstep.oracle.locked():  # so that the job waits
        cut = server.get(f"{CHECK_ALL}&async=1").headers["location"]
        wait_until(lambda: server.get(cut).json["state"] == "running", "the job has begun")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(20)

    server.start()
    assert [job["id"] for job in server.get("/admin/jobs").json["jobs"]] == [cut[-26:], done[-26:]]
    assert server.get(done).json["state"] == "done" and server.get(f"{done}/result").json == result
    job = server.get(cut).json
    assert (job["state"], job["status"], job["result"]) == ("aborted", 0, None) and job["endedAt"]
    server.get(f"{cut}/result").problem(409, "no-answer-yet")
    server.stop()
    folder = lockstep.folder / "lockstep.jobs"
    assert folder.stat().st_mode & 0o777 == 0o700 and all(f.stat().st_mode & 0o077 == 0 for f in folder.iterdir())


@pytest.mark.pairs("file")
def test_many_streams_follow_one_job_to_its_end(lockstep):
    """A hundred of them at most: one more is refused, unless others have ended by then."""
    seed(lockstep, ("p1", "500ml", 3))
    server = Server(lockstep).start()
    open_streams = []
    with lockstep.oracle.locked():  # so that the job waits, for ten seconds at most
        path = server.get(f"{CHECK_ALL}&async=1").headers["location"]
        for _ in range(101):
            connection = server.connect()
            connection.request("GET", f"{path}/events", headers={"Authorization": f"Bearer {server.token('admin')}"})
            open_streams.append(connection)
        answers = [connection.getresponse() for connection in open_streams]
        refused = [answer.status for answer in answers].count(503)
        assert refused == 1 or (refused == 0 and server.get(path).json["state"] == "done")
    for answer in answers:
        assert answer.status == 503 or (answer.status == 200 and answer.read().decode().count("event: end\n") == 1)
    server.stop()


@pytest.mark.pairs("file")
def test_only_the_newest_jobs_are_kept(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    paths = []
    for _ in range(105):
        paths.append(server.get("/admin/products/p1/images/sync/check?async=1").headers["location"])
        ended(server, paths[-1])
    kept = [job["id"] for job in server.get("/admin/jobs").json["jobs"]]
    assert kept == [path[-26:] for path in paths[:4:-1]]
    server.get(paths[0]).problem(404, "not-found")
    assert len(list((lockstep.folder / "lockstep.jobs").iterdir())) == 200
