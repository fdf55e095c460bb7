# SPDX-License-Identifier: GPL-3.0-or-later
"""A MinIO of one's own: on a free port, with credentials of its own, gone at the end."""

import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def minio(data: Path):
    """Yield (endpoint, access key, secret key)."""
    program = os.environ.get("LOCKSTEP_TEST_MINIO") or shutil.which("minio")
    assert program, "no MinIO: run tests/run.sh, or set LOCKSTEP_TEST_MINIO"
    data.mkdir(parents=True, exist_ok=True)
    access, secret = "lockstep-" + secrets.token_hex(4), secrets.token_hex(16)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "server", "--quiet", "--address", f"127.0.0.1:{port}", str(data)],
        env=os.environ | {"MINIO_ROOT_USER": access, "MINIO_ROOT_PASSWORD": secret, "MINIO_BROWSER": "off"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{endpoint}/minio/health/ready", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, "MinIO did not start"
                time.sleep(0.1)
        yield endpoint, access, secret
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(data, ignore_errors=True)
