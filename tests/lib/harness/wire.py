# SPDX-License-Identifier: GPL-3.0-or-later
"""A wire between the program and a server: it passes bytes on, as they come, until somebody pulls it out.

Somebody on the wire may answer in the server's place.
"""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Wire:
    """Clients connect to `endpoint`."""

    def __init__(self, endpoint: str):
        target = urlsplit(endpoint)
        self.target = target.hostname, target.port
        self.lock = threading.Lock()
        self.left: dict = {}  # lock: by socket: directions in which it still passes on
        self.out = threading.Event()
        self.cuts = 0  # lock: connections that were cut or refused
        self.answer = None  # of (client, first bytes of the request): true when it has answered
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def pull_out(self) -> None:
        """Cut all connections, and each new one."""
        with self.lock:
            self.out.set()
            ends = list(self.left)
            self.cuts += len(ends) // 2
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def put_in(self) -> None:
        self.out.clear()

    def close(self) -> None:
        self.listener.close()
        self.pull_out()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.out.is_set():
                    raise ConnectionRefusedError
                server = socket.create_connection(self.target)
            except OSError:
                with self.lock:
                    self.cuts += 1
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server) -> None:
        if self.answer and self.answer(client, client.recv(4096, socket.MSG_PEEK)):
            client.close()
            server.close()
            return
        with self.lock:
            if cut := self.out.is_set():  # it was pulled out meanwhile
                self.cuts += 1
            else:
                self.left |= {client: 2, server: 2}
        if cut:
            client.close()
            server.close()
            return
        threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
        self._pass(client, server)

    def _pass(self, source, sink) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)  # the other direction may go on
        with self.lock:
            self.left[source] -= 1
            self.left[sink] -= 1
            done = [end for end in (source, sink) if self.left[end] == 0]
            for end in done:
                del self.left[end]
        for end in done:
            end.close()
