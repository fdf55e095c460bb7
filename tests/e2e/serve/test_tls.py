# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS by a certificate file."""

import http.client
import json
import signal
import socket
import ssl

import pytest
from harness.program import wait_until
from harness.serve import Server
from harness.tools import tool

pytestmark = pytest.mark.pairs("file")


def make_pair(folder, *kind) -> None:
    """A new key and its certificate, as certbot would leave them."""
    words = ("openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "2")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    tool(*words, *names, "-keyout", "key.pem", "-out", "cert.pem", timeout=30, cwd=folder)


@pytest.fixture
def https(lockstep):
    make_pair(lockstep.folder, "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    lockstep.set_config("serve", "cert", "cert.pem")
    lockstep.set_config("serve", "key", "key.pem")
    return lockstep


def test_it_speaks_https_and_nothing_older_than_tls_1_2(https):
    server = Server(https).start()
    assert "listening on https://127.0.0.1:" in server.log.read_text()
    host, port = server.address.split(":")
    context = ssl.create_default_context(cafile=https.folder / "cert.pem")
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
    connection.request("GET", "/healthz")
    assert json.loads(connection.getresponse().read()) == {"status": "ok"}
    connection.close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)), socket.create_connection((host, int(port)), 30) as raw:
        old.wrap_socket(raw)
    plain = http.client.HTTPConnection(host, int(port), timeout=30)
    with pytest.raises((http.client.HTTPException, OSError)):
        plain.request("GET", "/healthz")
        plain.getresponse()
    plain.close()
    server.stop()
    assert "PRIVATE KEY" not in server.log.read_text()


def test_half_a_pair_of_files_and_foreign_keys_are_refused(https):
    tool("openssl", "genpkey", "-algorithm", "ed25519", "-out", "other.pem", timeout=30, cwd=https.folder)
    https.set_config("serve", "key", "other.pem")
    assert "belong together" in https.run("serve", "--listen", "127.0.0.1:0", check=4).stderr
    https.set_config("serve", "key", "absent.pem")
    assert "absent.pem" in https.run("serve", "--listen", "127.0.0.1:0", check=4).stderr
    https.set_config("serve", "key", "")
    assert "both cert and key" in https.run("serve", "--listen", "127.0.0.1:0", check=4).stderr


def test_sighup_shows_a_new_certificate_and_leaves_connections_open(https):
    server = Server(https).start()
    host, port = server.address.split(":")

    def connect():
        context = ssl.create_default_context(cafile=https.folder / "cert.pem")
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
        connection.request("GET", "/healthz")
        assert json.loads(connection.getresponse().read()) == {"status": "ok"}
        return connection

    def reload(event: str, times: int) -> None:
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log.read_text().count(f"event={event}") == times, "the files are read again")
        for connection in (old, new):  # asked now and then, or they would be cut as idle
            alive(connection)

    def alive(connection) -> None:
        before = connection.sock
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() and connection.sock is before, "a connection was lost"

    old = new = connect()
    first = old.sock.getpeercert(binary_form=True)
    make_pair(https.folder, "rsa:2048")  # of another kind as well
    with pytest.raises(ssl.SSLError):
        connect()  # not yet
    reload("certificate-read", 1)
    new = connect()
    second = new.sock.getpeercert(binary_form=True)
    assert first != second

    good = (https.folder / "key.pem").read_bytes()
    for times, bad in enumerate((b"", b"nonsense", good[: len(good) // 2]), 1):
        (https.folder / "key.pem").write_bytes(bad)
        reload("certificate-not-read", times)
        third = connect()
        assert third.sock.getpeercert(binary_form=True) == second
        third.close()
    tool("openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem", timeout=30, cwd=https.folder)
    reload("certificate-not-read", 4)
    assert "belong together" in server.log.read_text()
    (https.folder / "key.pem").write_bytes(good)
    reload("certificate-read", 2)
    for connection in (old, new, connect()):
        alive(connection)
        connection.close()
    server.stop()
    assert "PRIVATE KEY" not in server.log.read_text()
