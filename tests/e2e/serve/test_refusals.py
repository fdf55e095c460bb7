# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server refuses, with which status; and that it goes on answering meanwhile."""

import gzip
import socket
import time
from pathlib import Path

import pytest
from harness.images import seed
from harness.program import SLOW
from harness.serve import Server

pytestmark = pytest.mark.pairs("file")
CHECK = "/admin/products/p1/images/sync/check"
SYNC = "/admin/products/p1/images/sync"
JSON = {"Content-Type": "application/json"}


def test_what_is_wrong_with_a_body_is_told(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    server.post(SYNC, {"removeOrphand": True}).problem(400, "unknown-field")
    for wrong in ("yes", 1, None, [], {}):
        server.post(SYNC, {"removeOrphaned": wrong}).problem(400, "wrong-type")
    for wrong in (-1, 1.5, "3", True):
        server.post(SYNC, {"confirm": wrong}).problem(400, "wrong-type")
    for wrong in (b"[]", b"true", b'"x"'):
        server.post(SYNC, wrong, headers=JSON).problem(400, "no-object")
    doubled = b'{"removeOrphaned":false,"removeOrphaned":true}'
    for wrong in (b"", b"{", b"{}x", b"\xff", b'{"a":"\\u0000"}', doubled):
        server.post(SYNC, wrong, headers=JSON).problem(400, "no-json")
    server.post(SYNC, b'{"a":' * 100000, headers=JSON).problem(413, "too-long")
    server.post(SYNC, b"[" * 60000, headers=JSON).problem(400, "too-deep")
    server.post(SYNC, b"{}").problem(415, "content-type")
    server.post(SYNC, b"{}", headers={"Content-Type": "text/plain"}).problem(415, "content-type")
    packed = gzip.compress(b"{}")
    server.post(SYNC, packed, headers=JSON | {"Content-Encoding": "gzip"}).problem(415, "content-encoding")


def test_ids_paths_and_parameters_are_checked(server):
    server.get("/admin/products/unknown/images/sync/check").problem(404, "unknown-product")
    server.post("/admin/products/unknown/images/sync", {}).problem(404, "unknown-product")
    for wrong in ("..", ".", "%2e%2e", "a%2Fb", "%0a", "%ff", "x" * 256):
        server.get(f"/admin/products/{wrong}/images/sync/check").problem(400, "malformed-id")
    for wrong in ("%00", "%zz", "%a"):
        server.get(f"/admin/products/{wrong}/images/sync/check").problem(400, "invalid")
    server.get("/admin/products//images/sync/check").problem(404, "no-such-path")
    server.get(CHECK + "?grace=soon").problem(400, "wrong-type")
    server.get(CHECK + "?grce=1s").problem(400, "unknown-parameter")
    server.get(CHECK + "?grace=1s&grace=2s").problem(400, "doubled-parameter")
    for path in ("/admin", "/admin/products/sync/check-all/", "/x"):
        server.get(path).problem(404, "no-such-path")
    refused = server.request("DELETE", CHECK)
    refused.problem(405, "method")
    assert refused.headers["allow"] == "GET, HEAD"


def test_roles_bound_what_a_token_may_do(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    assert server.get(CHECK, role="read").status == 200
    server.post(SYNC, {}, role="read").problem(403, "role")
    for role in ("metrics", "webhook"):
        server.get(CHECK, role=role).problem(403, "role")
    for path in ("/healthz", "/readyz", "/openapi.yaml"):
        assert server.get(path, role="").status == 200
    unknown = server.get(CHECK, role="")
    unknown.problem(401, "token")
    assert unknown.headers["www-authenticate"].startswith("Bearer")
    secret = server.token("admin")
    for wrong in (f"Bearer {secret}x", f"Bearer {secret[:-1]}", "Bearer ", f"Basic {secret}", secret.upper()):
        server.get(CHECK, role="", headers={"Authorization": wrong}).problem(401, "token")
    assert secret not in (lockstep.folder / "lockstep.tokens").read_text() + server.log.read_text()


def test_a_revoked_token_is_refused_and_a_new_one_taken_without_a_restart(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    lockstep.run("token", "revoke", "test-admin")
    end = time.monotonic() + 60 * SLOW
    while server.get(CHECK).status != 401:
        assert time.monotonic() < end, "the revoked token is still taken"
    del server.tokens["admin"]
    server.token("admin")
    while server.get(CHECK).status == 401:
        assert time.monotonic() < end, "the new token is not taken"
        time.sleep(0.1)
    names = lockstep.run("token", "list").stdout
    assert "test-admin" in names and server.token("admin") not in names


def test_wrong_tokens_are_limited_and_right_ones_pass_all_the_same(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    wrong = {"Authorization": "Bearer lst_" + "0" * 64}
    statuses = [server.get(CHECK, role="", headers=wrong).status for _ in range(15)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert server.get(CHECK).status == 200
    server.get(CHECK, role="", headers=wrong).problem(429, "too-many-wrong-tokens")


def test_a_page_of_another_origin_can_change_nothing(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        server.post(SYNC, {}, headers=headers).problem(403, "cross-origin")
    own = {"Origin": f"http://{server.address}", "Sec-Fetch-Site": "same-origin"}
    assert server.post(SYNC, {}, headers=own).status == 200
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        server.get(CHECK, headers={"Host": host}).problem(421, "wrong-host")
    for host in ("localhost", "127.0.0.1:9", "[::1]:80"):
        assert server.get(CHECK, headers={"Host": host}).status == 200


def test_hosts_of_the_config_may_be_named(lockstep):
    lockstep.set_config("serve", "hosts", "shop.example, other.example")
    server = Server(lockstep).start()
    assert server.get("/healthz", headers={"Host": "Shop.example:443"}).status == 200
    server.get("/healthz", headers={"Host": "third.example"}).problem(421, "wrong-host")
    server.stop()


def test_it_listens_for_others_only_with_tokens(lockstep):
    for address in ("0.0.0.0:0", "[::]:0"):
        done = lockstep.run("serve", "--listen", address, check=4)
        assert "lockstep token add" in done.stderr
    for address in ("127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:70000", "::1:80", "127.0.0.1:http"):
        assert "ADDRESS:PORT" in lockstep.run("serve", "--listen", address, check=4).stderr


def test_without_tokens_only_health_is_answered(lockstep):
    server = Server(lockstep)
    server.tokens["admin"] = "lst_none"
    server.start()
    assert server.get("/healthz", role="").status == 200
    server.get(CHECK, role="").problem(401, "token")
    server.stop()


def test_slow_connections_keep_nobody_out(lockstep, server):
    """500 connections that send a request byte by byte, or read no answer."""
    seed(lockstep, ("p1", "500ml", 3))
    host, port = server.address.split(":")
    slow = []
    try:
        for number in range(500):
            connection = socket.create_connection((host, int(port)), timeout=10)
            head = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n" + "X: " * (number % 3)
            connection.sendall(head.encode() if number % 2 else b"POST " + SYNC.encode())
            slow.append(connection)
        for _ in range(5):
            began = time.monotonic()
            answer = server.get(CHECK)
            assert answer.status == 200 and len(answer.json["syncedFiles"]) == 3
            assert time.monotonic() - began < 15 * SLOW, "it waited until they were cut off, after 20 s"
        # They are cut off although they go on sending.
        end = time.monotonic() + 60 * SLOW
        while True:
            try:
                for connection in slow[:50]:
                    connection.sendall(b"x")
                time.sleep(0.2)
                assert time.monotonic() < end, "slow connections stay"
            except OSError:
                break
    finally:
        for connection in slow:
            connection.close()
    assert server.get(CHECK).status == 200


def test_requests_that_break_off_take_nothing_along(server):
    """The standard descriptors are what they were: none was closed by a request that never came to be one."""
    host, port = server.address.split(":")
    folder = Path(f"/proc/{server.process.pid}/fd")

    def descriptors() -> list[Path]:
        return [(folder / name).readlink() for name in ("0", "1", "2")]

    assert server.get("/healthz").status == 200
    before = descriptors()
    for part in (b"", b"GET", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: x"):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(part)
        assert server.get("/healthz").status == 200
    assert descriptors() == before
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 15 * SLOW, "they held up the end"


@pytest.mark.parametrize("token", ("right", "wrong"))
def test_a_body_that_does_not_come_holds_up_the_end_for_some_seconds_at_most(server, token):
    """Accepted or refused, the server waits for it: its sender is there and says nothing more."""
    host, port = server.address.split(":")
    secret = server.token("admin") if token == "right" else "lst_" + "0" * 64
    head = f"POST {SYNC} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head += "Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 "), "it does not wait for the body"
        connection.sendall(b'{"a')
        begin = time.monotonic()
        server.stop()
        assert "event=draining requests=1" in server.log.read_text(), "it had not come so far"
        assert time.monotonic() - begin < 15 * SLOW, "it is not hurried: 3 s instead of 20"


def test_oversized_headers_and_bodies_end_the_request(server):
    assert server.get("/healthz", headers={"X-Long": "x" * 60000}).status == 431
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        token = server.token("admin")
        connection.sendall(
            f"POST {SYNC} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert server.get("/healthz").status == 200
