# SPDX-License-Identifier: GPL-3.0-or-later
"""A MinIO of one's own: for runs without tests/run.sh, and for tests that stop it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager

ARN = "arn:minio:sqs::lockstep:webhook"


@contextmanager
def own_port():
    """For who is about to start: bound and never listening, so that the kernel gives it to nobody else meanwhile."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so does who listens there
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def _start(server: str, port: int, data: str, access: str, secret: str, settings: dict[str, str]):
    return subprocess.Popen(
        [server, "server", "--quiet", "--address", f"127.0.0.1:{port}", data],
        env=os.environ | {"MINIO_ROOT_USER": access, "MINIO_ROOT_PASSWORD": secret, "MINIO_BROWSER": "off"} | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _ready(endpoint: str, process, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{endpoint}/minio/health/ready", timeout=2).close()
            return process.poll() is None
        except OSError:
            time.sleep(0.1)
    return False


def _end(process) -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@contextmanager
def running_minio(**settings: str):
    """settings: of its environment. Yields ((endpoint, access key, secret key), process)."""
    server = os.environ.get("LOCKSTEP_TEST_MINIO") or shutil.which("minio")
    assert server, "no MinIO: run tests/run.sh, or set LOCKSTEP_TEST_MINIO"
    data = tempfile.mkdtemp(prefix="lockstep-minio.")
    access, secret = "lockstep-" + secrets.token_hex(4), secrets.token_hex(16)
    with own_port() as port:
        process = _start(server, port, data, access, secret, settings)
        try:
            endpoint = f"http://127.0.0.1:{port}"
            assert _ready(endpoint, process, 120), "MinIO did not start"
            yield (endpoint, access, secret), process
        finally:
            _end(process)
            shutil.rmtree(data, ignore_errors=True)


def webhook_settings(port: int, token: str, queue) -> dict[str, str]:
    """Of a MinIO that posts its events to a server on this port, and keeps them in `queue` while it is away."""
    return {
        "MINIO_NOTIFY_WEBHOOK_ENABLE_lockstep": "on",
        "MINIO_NOTIFY_WEBHOOK_ENDPOINT_lockstep": f"http://127.0.0.1:{port}/webhooks/minio",
        "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_lockstep": token,
        "MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_lockstep": str(queue),
    }


def announce(backend, *events: str) -> None:
    """Let MinIO tell its webhook target of what happens in this bucket."""
    kinds = list(events or ("s3:ObjectCreated:*", "s3:ObjectRemoved:*"))
    backend.client.put_bucket_notification_configuration(
        Bucket=backend.bucket,
        NotificationConfiguration={"QueueConfigurations": [{"Id": "lockstep", "QueueArn": ARN, "Events": kinds}]},
    )
