# SPDX-License-Identifier: GPL-3.0-or-later
"""A running `lockstep serve`, and requests to it with Python's own HTTP client."""

import http.client
import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from .program import SLOW, wait_until


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    def problem(self, status: int, code: str) -> dict:
        """It must be this problem."""
        said = f"{self.status} {self.body[:500]!r}"
        assert self.status == status and self.headers["content-type"] == "application/problem+json", said
        assert self.json["status"] == status and self.json["code"] == code and self.json["detail"], said
        return self.json


class Server:
    def __init__(self, lockstep, *args):
        self.lockstep = lockstep
        self.tokens: dict[str, str] = {}
        self.args = args

    def token(self, role: str) -> str:
        if role not in self.tokens:
            self.tokens[role] = self.lockstep.run("token", "add", "--role", role, f"test-{role}").stdout.strip()
        return self.tokens[role]

    def start(self, failpoint=()) -> "Server":
        self.token("admin")
        self.process = self.lockstep.start("serve", "--listen", "127.0.0.1:0", *self.args, failpoint=failpoint)
        self.log = self.lockstep.folder / f"process-{len(self.lockstep.processes) - 1}.log"
        wait_until(lambda: self.address or self.process.poll() is not None, "the server says its address")
        assert self.process.poll() is None, self.log.read_text()
        return self

    @property
    def address(self) -> str:
        found = re.search(r"^listening on https?://(\S+)$", self.log.read_text(), re.M)
        return found.group(1) if found else ""

    def connect(self, timeout: float = 30) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=timeout * SLOW)

    def request(self, method: str, path: str, body=None, headers=None, role: str = "admin", timeout: float = 30):
        """body: bytes as they are, an iterator of bytes in chunks, anything else as JSON. role "": without a token."""
        headers = dict(headers or {})
        if role:
            headers.setdefault("Authorization", f"Bearer {self.token(role)}")
        if body is not None and not isinstance(body, bytes | Iterator):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def get(self, path: str, **kwargs) -> Answer:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body, **kwargs) -> Answer:
        return self.request("POST", path, body, **kwargs)

    def stop(self, sig=signal.SIGTERM) -> None:
        """It must end well by itself."""
        self.process.send_signal(sig)
        assert self.process.wait(40 * SLOW) == 0, self.log.read_text()
