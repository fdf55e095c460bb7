# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the bucket: posted by hand in any order and number, and by a real MinIO."""

import json
import random
import shutil
import signal
import time
import urllib.parse
from contextlib import closing

import pytest
from harness.backends import FileBackend, MinioBackend
from harness.images import png, seed
from harness.minio import announce, own_port, running_minio, webhook_settings
from harness.program import SLOW, Lockstep, wait_until
from harness.serve import Server
from harness.stopping import stopped, stopped_at_their_points

from .test_metrics import figures

CREATED, REMOVED = "s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"
FOLDER = "products/p1/500ml/hero-card"


def bucket_of(lockstep) -> str:
    return getattr(lockstep.backend, "bucket", "any")


def record(lockstep, kind: str, key: str, sequencer: int = 1, bucket: str = "") -> dict:
    """As MinIO writes it."""
    entry = {"key": urllib.parse.quote_plus(key), "sequencer": f"{sequencer:016X}"}
    if kind == CREATED:
        entry |= {
            "size": 3,
            "eTag": "0" * 32,
            "contentType": "image/png",
            "userMetadata": {"content-type": "image/png"},
        }
    s3 = {"s3SchemaVersion": "1.0", "bucket": {"name": bucket or bucket_of(lockstep), "arn": "arn"}, "object": entry}
    return {"eventVersion": "2.0", "eventSource": "minio:s3", "eventName": kind, "s3": s3}


def body(*records: dict) -> dict:
    first = records[0]
    key = f"{first['s3']['bucket']['name']}/{urllib.parse.unquote_plus(first['s3']['object']['key'])}"
    return {"EventName": first["eventName"], "Key": key, "Records": list(records)}


def post(server, what) -> None:
    answer = server.post("/webhooks/minio", what, role="webhook", timeout=60)
    assert answer.status == 200, answer


def events(server) -> dict[str, int]:
    return {
        labels.removeprefix('result="').rstrip('"'): int(value)
        for (name, labels), value in figures(server).items()
        if name == "lockstep_events_total"
    }


def inbox(lockstep) -> int:
    table = "lockstep.lockstep_event" if lockstep.database else "lockstep_event"
    return lockstep.oracle.query(f"SELECT count(*) FROM {table}")[0][0]


def in_step(lockstep) -> bool:
    return inbox(lockstep) == 0 and not lockstep.oracle.problems()


def settled(lockstep, timeout: float = 60) -> None:
    wait_until(lambda: in_step(lockstep), "the inbox is worked off, and both sides are in step", timeout)
    lockstep.assert_in_step()


def adds_up(server) -> dict[str, int]:
    """Each event that was kept has become exactly one thing. It is counted when it has left the inbox."""
    found = {}

    def all_counted() -> bool:
        found.update(events(server))
        return sum(n for name, n in found.items() if name not in ("received", "foreign", "failed")) == found["received"]

    wait_until(all_counted, "each event is counted once")
    return found


def test_created_changed_and_removed_objects_get_their_rows(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 3))
    new, odd = f"{FOLDER}/new.png", f"{FOLDER}/a b+c%20ä.png"
    for key in (new, odd):
        lockstep.backend.put(key, png(key))
    lockstep.backend.put(keys[0], png("changed", 20))
    lockstep.backend.delete(keys[1])
    post(
        server, body(record(lockstep, CREATED, new), record(lockstep, CREATED, odd), record(lockstep, CREATED, keys[0]))
    )
    post(server, {"EventName": REMOVED, "Key": f"{bucket_of(lockstep)}/{keys[1]}"})
    post(server, body(record(lockstep, CREATED, keys[2])))
    settled(lockstep)
    assert set(lockstep.oracle.rows()) == {keys[0], keys[2], new, odd}
    found = adds_up(server)
    assert (found["created"], found["refreshed"], found["dropped"], found["unchanged"]) == (2, 1, 1, 1)
    assert found["received"] == 5 and found["foreign"] == found["failed"] == found["left"] == 0


def test_lying_and_repeated_events_change_nothing(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 2))
    before = lockstep.oracle.rows()
    nowhere = f"{FOLDER}/nowhere.png"
    lies = [record(lockstep, REMOVED, key, at) for key in keys for at in (9, 9, 3, 12)]
    post(server, body(*lies, record(lockstep, CREATED, nowhere), record(lockstep, CREATED, nowhere)))
    wait_until(lambda: inbox(lockstep) == 0, "the inbox is worked off")
    assert lockstep.oracle.rows() == before
    found = adds_up(server)
    assert found["received"] == 10 and found["unchanged"] == 3
    assert (found["duplicate"], found["reordered"], found["merged"]) == (3, 2, 2)
    lockstep.assert_in_step()


def test_own_operations_events_do_nothing(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 1))
    path = "/admin/products/p1/images/500ml/hero-card/own.png"
    assert server.request("PUT", path, png("own")).status == 201
    assert server.request("DELETE", f"/admin/{keys[0].replace('/500ml', '/images/500ml')}").status == 204
    post(server, body(record(lockstep, CREATED, f"{FOLDER}/own.png"), record(lockstep, REMOVED, keys[0])))
    wait_until(lambda: inbox(lockstep) == 0, "the inbox is worked off")
    found = adds_up(server)
    assert found["unchanged"] == found["received"] == 2
    assert set(lockstep.oracle.rows()) == {f"{FOLDER}/own.png"}
    lockstep.assert_in_step()


def test_what_is_not_ours_is_not_kept(lockstep_minio):
    server = Server(lockstep_minio).start()
    there = f"{FOLDER}/there.png"
    lockstep_minio.backend.put(there, png("there"))
    foreign = [
        record(lockstep_minio, CREATED, there, bucket="another"),
        record(lockstep_minio, CREATED, ".lockstep/trash/x"),
        record(lockstep_minio, "s3:ObjectAccessed:Head", there),
    ]
    post(server, body(*foreign))
    assert inbox(lockstep_minio) == 0 and events(server)["foreign"] == 3 and events(server)["received"] == 0
    assert lockstep_minio.oracle.rows() == {}
    lockstep_minio.backend.put("elsewhere/x.png", png("x"))
    post(server, body(record(lockstep_minio, CREATED, "elsewhere/x.png")))
    wait_until(lambda: events(server)["left"] == 1, "a key that fits no layout is left")
    assert lockstep_minio.oracle.rows() == {}
    server.stop()


@pytest.mark.pairs("file")
def test_malformed_bodies_and_wrong_tokens_keep_nothing(lockstep, server):
    good = record(lockstep, CREATED, f"{FOLDER}/new.png")
    escape = json.loads(json.dumps(good).replace("new.png", "new%zz"))
    for wrong in (
        {},
        {"Records": 3},
        {"EventName": CREATED, "Key": "no-slash"},
        body(good, escape),
        body(good) | {"Records": [good, None]},
    ):
        server.post("/webhooks/minio", wrong, role="webhook").problem(400, "event")
    headers = {"Content-Type": "application/json"}
    server.request("POST", "/webhooks/minio", b"[]", headers=headers, role="webhook").problem(400, "no-object")
    server.request("POST", "/webhooks/minio", b"{", headers=headers, role="webhook").problem(400, "no-json")
    for role in ("admin", "read", "metrics"):
        server.post("/webhooks/minio", body(good), role=role).problem(403, "role")
    assert server.post("/webhooks/minio", body(good), role="").status == 401
    assert inbox(lockstep) == 0 and sum(events(server).values()) == 0


@pytest.mark.pairs("file")
def test_long_bodies_are_kept_up_to_the_limit_and_refused_in_time_above_it(lockstep, server):
    record_bytes = len(json.dumps(record(lockstep, CREATED, f"{FOLDER}/image-0000.png"))) + 2
    many = 1_000_000 // record_bytes
    told = [record(lockstep, CREATED, f"{FOLDER}/image-{i:04d}.png") for i in range(many)]
    assert 900_000 < len(json.dumps(body(*told))) < 1 << 20
    post(server, body(*told))
    assert events(server)["received"] == many
    server.post("/webhooks/minio", body(*told, *told), role="webhook").problem(413, "too-long")
    assert events(server)["received"] == many
    # A body that only says that it is long is refused before it comes.
    with closing(server.connect()) as connection:
        token = server.token("webhook")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.putrequest("POST", "/webhooks/minio")
        for name, value in (headers | {"Content-Length": str(1 << 30)}).items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 413
    # Others keep to the usual limit.
    server.post("/admin/products/sync/sync-all", {"x": "y" * 100_000}).problem(413, "too-long")


@pytest.mark.pairs("file")
def test_the_limit_of_a_body_is_the_configs(lockstep):
    lockstep.set_config("serve", "max_events", "4K")
    server = Server(lockstep).start()
    told = [record(lockstep, CREATED, f"{FOLDER}/image-{i:04d}.png") for i in range(20)]
    post(server, body(told[0]))
    problem = server.post("/webhooks/minio", body(*told), role="webhook").problem(413, "too-long")
    assert "4096 bytes" in problem["detail"]
    server.stop()


@pytest.mark.pairs("file")
@pytest.mark.parametrize(("policy", "result"), [("ignore", "foreign"), ("report", "reported"), ("act", "created")])
def test_the_policy_says_whether_anything_is_done(lockstep, policy, result):
    key = f"{FOLDER}/new.png"
    lockstep.backend.put(key, png("new"))
    lockstep.set_config("serve", "events", policy)
    server = Server(lockstep).start()
    post(server, body(record(lockstep, CREATED, key)))
    wait_until(lambda: events(server)[result] == 1, f"{policy}: {result}")
    assert inbox(lockstep) == 0 and (set(lockstep.oracle.rows()) == {key}) == (policy == "act")
    server.stop()


def test_the_inbox_outlives_a_store_that_is_away(folder):
    with running_minio() as (access, process):
        lockstep = Lockstep(folder, MinioBackend(*access)).init()
        try:
            keys = seed(lockstep, ("p1", "500ml", 2))
            lockstep.set_config("store", "deadline", "1s")
            server = Server(lockstep).start()
            lockstep.set_config("store", "deadline", "30s")  # of all others
            lockstep.backend.delete(keys[0])
            lockstep.backend.put(f"{FOLDER}/new.png", png("new"))
            with stopped(process):
                post(server, body(record(lockstep, REMOVED, keys[0]), record(lockstep, CREATED, f"{FOLDER}/new.png")))
                wait_until(lambda: events(server)["failed"] > 0, "the store does not answer", 60)
                assert inbox(lockstep) == 2 and set(lockstep.oracle.rows()) == set(keys)
            settled(lockstep, 60)
            adds_up(server)
            server.stop()
        finally:
            lockstep.close()


def test_a_bucket_that_is_gone_drops_no_row(lockstep_minio):
    keys = seed(lockstep_minio, ("p1", "500ml", 2))
    backend = lockstep_minio.backend
    server = Server(lockstep_minio).start()
    objects = {key: backend.get(key) for key in backend.all_keys()}
    backend.empty()
    backend.client.delete_bucket(Bucket=backend.bucket)
    post(server, body(*(record(lockstep_minio, REMOVED, key) for key in keys)))
    wait_until(lambda: events(server)["failed"] > 0, "the bucket is not there")
    assert set(lockstep_minio.oracle.rows()) == set(keys) and inbox(lockstep_minio) == 2
    # It comes back whole: who looked while it is there and empty would be right to drop the rows.
    with stopped(server.process):
        backend.client.create_bucket(Bucket=backend.bucket)
        for key, data in objects.items():
            backend.put(key, data)
    settled(lockstep_minio)
    assert set(lockstep_minio.oracle.rows()) == set(keys)
    server.stop()


def test_a_key_that_an_operation_works_on_waits_for_it(lockstep, server):
    key, file = f"{FOLDER}/new.png", lockstep.folder / "new.png"
    file.write_bytes(png("new"))
    stopped = lockstep.start("put", file, key, failpoint="engine.put.uploaded=stop")
    assert stopped_at_their_points([stopped]) and key in lockstep.backend.objects(), (
        "the object is there, its row is not"
    )
    post(server, body(record(lockstep, CREATED, key)))
    time.sleep(1.5)
    assert inbox(lockstep) == 1 and lockstep.oracle.rows() == {}
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(20 * SLOW) == 0
    settled(lockstep)
    assert set(lockstep.oracle.rows()) == {key} and adds_up(server)["unchanged"] == 1


def test_an_operation_that_died_is_recovered_first(lockstep, server):
    key, file = f"{FOLDER}/new.png", lockstep.folder / "new.png"
    file.write_bytes(png("new"))
    lockstep.run("put", file, key, failpoint="engine.put.uploaded=kill", check=-9)
    post(server, body(record(lockstep, CREATED, key)))
    settled(lockstep)
    assert set(lockstep.oracle.rows()) <= {key} and adds_up(server)["received"] == 1


def test_no_key_keeps_the_others_waiting(lockstep, server):
    key = f"{FOLDER}/new.png"
    lockstep.backend.put(key, png("new"))
    odd = [f"{FOLDER}/../x.png", f"{FOLDER}//x.png", "/", "..", f"{FOLDER}/\x01.png", f"{FOLDER}/" + "x" * 300]
    told = [record(lockstep, CREATED, name) for name in (*odd, "placeholder", key)]
    told[-2]["s3"]["object"]["key"] = "products%2Fp1%2F500ml%2Fhero-card%2F%FF%C3.png"
    post(server, body(*told))
    settled(lockstep)
    found = adds_up(server)
    assert found["created"] == 1 and found["left"] == len(odd) + 1 and found["failed"] == 0


def test_a_burst_doubled_and_shuffled_converges_over_a_killed_server(lockstep, server):
    rng = random.Random(5)
    count, kept = 500, 300
    keys = [f"products/p{i % 7}/{i % 3}kg/hero-card/image-{i:04d}.png" for i in range(count)]
    for key in keys:
        lockstep.backend.put(key, png(key))
    told = [record(lockstep, rng.choice((CREATED, REMOVED)), key, 10 + at) for key in keys for at in range(10)]
    told += told
    rng.shuffle(told)
    bodies = [body(*told[at : at + 100]) for at in range(0, len(told), 100)]
    assert len(told) == 10_000
    for part in bodies[:30]:
        post(server, part)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(20)
    for key in keys[kept:]:
        lockstep.backend.delete(key)
    again = Server(lockstep)
    again.tokens = server.tokens
    again.start()
    for part in bodies[30:]:
        post(again, part)
    post(again, body(*(record(lockstep, REMOVED, key, 30) for key in keys[kept:])))
    settled(lockstep, 120)
    assert set(lockstep.oracle.rows()) == set(keys[:kept]) == set(lockstep.backend.objects())
    # What the first one had received and not worked off is worked off by the second.
    wait_until(lambda: sum(events(again).values()) >= 2 * events(again)["received"], "all that it received is counted")
    found = events(again)
    assert found["received"] == 7000 + count - kept and found["failed"] == found["left"] == 0
    assert sum(found.values()) - 2 * found["received"] in range(3001)
    again.stop()


def test_a_real_minio_tells_a_server_that_is_at_times_away(folder, pair, database_url):
    (folder / "tokens").mkdir()
    maker = Lockstep(folder / "tokens", FileBackend(folder / "tokens/bucket")).init()
    token = maker.run("token", "add", "--role", "webhook", "minio").stdout.strip()
    with own_port() as port, running_minio(**webhook_settings(port, token, folder / "queue")) as (access, _):
        lockstep = Lockstep(folder, MinioBackend(*access), database=database_url).init()
        try:
            shutil.copy2(folder / "tokens/lockstep.tokens", folder / "lockstep.tokens")
            play_shop(lockstep, port)
        finally:
            lockstep.close()


def play_shop(lockstep, port: int) -> None:
    keys = seed(lockstep, ("p1", "500ml", 6))
    announce(lockstep.backend, "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectAccessed:*")
    server = Server(lockstep, "--listen", f"127.0.0.1:{port}").start()
    odd = f"{FOLDER}/a b+c%20ä.png"
    lockstep.backend.put(odd, png("odd"))
    lockstep.backend.put(keys[0], png("changed", 20))
    lockstep.backend.delete(keys[1])
    wait_until(lambda: events(server)["dropped"] == 1 and events(server)["created"] == 1, "MinIO tells", 60)
    settled(lockstep, 60)
    assert set(lockstep.oracle.rows()) == {odd, keys[0], *keys[2:]}
    # Our own operations are told as well, and mean nothing.
    assert server.request("PUT", "/admin/products/p1/images/500ml/hero-card/own.png", png("own")).status == 201
    wait_until(lambda: events(server)["unchanged"] >= 1, "MinIO tells of our own upload", 60)
    adds_up(server)
    server.stop()
    # While nobody listens MinIO keeps what it has to tell.
    lockstep.backend.delete(keys[2])
    lockstep.backend.put(f"{FOLDER}/late.png", png("late"))
    again = Server(lockstep, "--listen", f"127.0.0.1:{port}")
    again.tokens = server.tokens
    again.start()
    settled(lockstep, 60)
    assert set(lockstep.oracle.rows()) == {odd, keys[0], *keys[3:], f"{FOLDER}/own.png", f"{FOLDER}/late.png"}
    again.stop()
