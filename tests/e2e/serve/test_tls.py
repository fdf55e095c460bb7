# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS by a certificate file."""

import http.client
import json
import socket
import ssl

import pytest
from harness.serve import Server
from harness.tools import tool

pytestmark = pytest.mark.pairs("file")


@pytest.fixture
def https(lockstep):
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    tool(*words, *names, "-keyout", "key.pem", "-out", "cert.pem", timeout=30, cwd=lockstep.folder)
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
