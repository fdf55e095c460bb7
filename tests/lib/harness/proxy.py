# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP proxy in front of the real MinIO that lies, loses answers, cuts bodies or falls silent, as a rule says.

A rule gets each request and returns None (pass it on) or an action. The proxy counts how often a rule acted, so that a
test can prove that its fault fired. It signs nothing: requests go through with the Host header that the client signed.
"""

import http.client
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class Request:
    method: str
    path: str  # "/bucket/key", decoded
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    number: int = 0  # how many requests this rule has seen before

    @property
    def has_key(self) -> bool:
        return bool(self.path[1:].partition("/")[2])

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and "list-type" in self.query

    @property
    def is_copy(self) -> bool:
        return self.method == "PUT" and "x-amz-copy-source" in self.headers

    @property
    def is_put(self) -> bool:
        return self.method == "PUT" and "x-amz-copy-source" not in self.headers and self.has_key

    @property
    def is_batch_delete(self) -> bool:
        return self.method == "POST" and "delete" in self.query

    @property
    def is_delete(self) -> bool:
        return self.is_batch_delete or (self.method == "DELETE" and self.has_key)

    @property
    def is_get(self) -> bool:
        return self.method == "GET" and self.has_key and not self.is_list


@dataclass
class Answer:
    """Instead of the server's answer. The body is sent as it is; `cut` closes the connection after so many bytes."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


class Lose:
    """Pass the request on, let the server do it, then close the connection without a word."""


@dataclass
class Change:
    """Pass the request on and change the answer: a function from (status, headers, body) to Answer."""

    function: object


class Silence:
    """Never answer."""


def error_xml(code: str, message: str = "as the test wants it") -> bytes:
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    )


def error(status: int, code: str) -> Answer:
    return Answer(status, error_xml(code), {"Content-Type": "application/xml"})


def list_page(objects, request: Request, size: int, token: str | None = "own") -> Answer:
    """A page of a listing made of `objects` ({key: Object}); the token is the last key, or what the caller says."""
    size = min(size, int(request.query.get("max-keys", size)))
    after = unquote(request.query.get("continuation-token", "")) or request.query.get("start-after", "")
    prefix = request.query.get("prefix", "")
    keys = sorted((k for k in objects if k.startswith(prefix) and k > after), key=str.encode)
    page = keys[:size]
    truncated = len(keys) > size or token not in (None, "own")
    entries = "".join(
        f"<Contents><Key>{quote(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{objects[key].etag}&quot;</ETag><Size>{objects[key].size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for key in page
    )
    following = ""
    if truncated:
        following = f"<NextContinuationToken>{escape(page[-1] if token == 'own' else token)}</NextContinuationToken>"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name><Prefix>{quote(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount><MaxKeys>{size}</MaxKeys>"
        f"<EncodingType>url</EncodingType><IsTruncated>{'true' if truncated else 'false'}</IsTruncated>"
        f"{following}{entries}</ListBucketResult>"
    )
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def handle_error(self, request, client_address):
        """Clients that go away are part of the tests."""


class Proxy:
    def __init__(self, endpoint: str):
        self.target = urlsplit(endpoint)
        self.rule = None
        self.silent = threading.Event()  # answer nothing at all while set
        self.refusing = threading.Event()  # set by down()
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.seen = self.fired = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            wbufsize = -1

            def log_message(self, *_):
                pass

            def handle_expect_100(self):
                try:
                    return super().handle_expect_100()
                finally:
                    self.wfile.flush()

            def _do(self):
                proxy.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _do

        # Bound and never listening: nobody else gets the port while the server is down.
        self.holder = socket.socket()
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.holder.bind(("127.0.0.1", 0))
        self.handler = Handler
        self.endpoint = f"http://127.0.0.1:{self.holder.getsockname()[1]}"
        self.up()

    def up(self) -> None:
        self.refusing.clear()
        self.server = _Server(self.holder.getsockname(), self.handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def down(self) -> None:
        """Connections are refused, those that are open end at their next request; until up()."""
        self.refusing.set()
        self.server.shutdown()
        self.server.server_close()

    def set_rule(self, rule) -> None:
        with self.lock:
            self.rule, self.seen, self.fired = rule, 0, 0

    def close(self) -> None:
        self.closing.set()
        self.silent.clear()
        self.server.shutdown()
        self.server.server_close()
        self.holder.close()

    # --- one request

    def handle(self, handler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        if self.refusing.is_set():
            handler.close_connection = True
            return
        split = urlsplit(handler.path)
        request = Request(
            handler.command,
            unquote(split.path),
            {k: v[0] for k, v in parse_qs(split.query, keep_blank_values=True).items()},
            {name.lower(): value for name, value in handler.headers.items()},
            body,
        )
        with self.lock:
            rule, request.number = self.rule, self.seen
            self.seen += 1
            action = rule(request) if rule else None
            if action is not None:
                self.fired += 1
        if self.silent.is_set() or isinstance(action, Silence):
            while not self.closing.is_set() and (self.silent.is_set() or isinstance(action, Silence)):
                time.sleep(0.05)
            handler.close_connection = True
            return
        if isinstance(action, Answer):
            self.answer(handler, action)
            return
        status, headers, data = self.forward(handler, body)
        if isinstance(action, Lose):
            handler.close_connection = True
            with suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
            return
        result = Answer(status, data, headers)
        if isinstance(action, Change):
            result = action.function(status, headers, data)
        self.answer(handler, result)

    def forward(self, handler, body: bytes):
        upstream = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=30)
        try:
            upstream.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body or None)
            reply = upstream.getresponse()
            data = reply.read()
            headers = {k: v for k, v in reply.getheaders() if k.lower() not in ("connection", "transfer-encoding")}
            return reply.status, headers, data
        finally:
            upstream.close()

    def answer(self, handler, answer: Answer) -> None:
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "content-length"}
        declared = next((v for k, v in answer.headers.items() if k.lower() == "content-length"), None)
        handler.send_response_only(answer.status)
        for name, value in headers.items():
            handler.send_header(name, value)
        # A HEAD answer declares a length without a body; a lying answer may declare what it likes.
        if declared is None or (handler.command != "HEAD" and "X-Test-Lies" not in headers):
            declared = str(len(answer.body))
        handler.send_header("Content-Length", declared)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
        handler.wfile.flush()
        if answer.cut is not None:
            handler.close_connection = True
            with suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
