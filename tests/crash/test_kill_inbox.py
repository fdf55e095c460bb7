# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL of the server at each fail point of taking an event and working it off: the next one finishes.

Who got no answer tells again, as MinIO does. Each case proves that its fault fired; a product a case, within one
installation.
"""

import http.client

import pytest
from harness.images import png
from harness.program import wait_until
from harness.serve import Server

POINTS = ("inbox.", "engine.mend.")
CREATED, REMOVED = "s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"


class Drift:
    """What somebody does to one product in the bucket, and what must come of it."""

    def __init__(self, lockstep, product: str):
        self.lockstep = lockstep
        self.folder = f"products/{product}/500ml/hero-card/"
        self.stays, self.changed, self.gone, self.new = (f"{self.folder}{name}.png" for name in "abcd")
        for key in (self.stays, self.changed, self.gone):
            lockstep.put(key, png(key))

    def make(self) -> None:
        self.lockstep.backend.put(self.new, png(self.new))
        self.lockstep.backend.put(self.changed, png("changed", 20))
        self.lockstep.backend.delete(self.gone)

    def tell(self, server) -> None:
        """Twice, and of what is none."""
        bucket = getattr(self.lockstep.backend, "bucket", "any")
        kinds = {self.new: CREATED, self.changed: CREATED, self.gone: REMOVED, self.stays: REMOVED}
        records = [
            {"eventName": kind, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
            for key, kind in (*kinds.items(), *kinds.items())
        ]
        answer = server.post("/webhooks/minio", {"Records": records}, role="webhook")
        assert answer.status == 200, answer

    def judge(self, point: str) -> None:
        rows = {key: row for key, row in self.lockstep.oracle.rows().items() if key.startswith(self.folder)}
        objects = self.lockstep.backend.objects()
        assert set(rows) == {self.stays, self.changed, self.new}, point
        assert rows[self.changed].etag == objects[self.changed].etag, point
        assert {key for key in objects if key.startswith(self.folder)} == set(rows), point


def inbox(lockstep) -> int:
    return lockstep.oracle.query("select count(*) from lockstep_event")[0][0]


@pytest.mark.timeout(600)
def test_the_next_server_goes_on(lockstep):
    points = [point for prefix in POINTS for point in lockstep.failpoints(prefix)]
    tokens: dict[str, str] = {}
    assert len(points) >= 6
    for number, point in enumerate(points):
        drift = Drift(lockstep, f"p{number:03d}")
        drift.make()
        server = Server(lockstep)
        server.tokens = tokens
        server.token("webhook")
        server.start(failpoint=f"{point}=kill")
        unanswered = False
        try:
            drift.tell(server)
        except (OSError, http.client.HTTPException):
            unanswered = True
        wait_until(lambda process=server.process: process.poll() is not None, f"{point}: it dies")
        assert server.process.returncode == -9, f"{point}: {server.log.read_text()}"
        again = Server(lockstep)
        again.tokens = tokens
        again.start()
        if unanswered:
            drift.tell(again)
        wait_until(lambda: inbox(lockstep) == 0 and not lockstep.oracle.open_intents(), f"{point}: it goes on", 40)
        drift.judge(point)
        again.stop()
    lockstep.assert_in_step()
