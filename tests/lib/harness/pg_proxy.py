# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy between the program and PostgreSQL, on unix sockets: it passes on, cuts, falls silent, loses answers."""

import select
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

SOCKET = ".s.PGSQL.5432"


class PgProxy:
    """Listens in `folder`; clients name that as their host."""

    def __init__(self, target: str, folder: Path):
        self.target, self.folder = f"{target}/{SOCKET}", folder
        folder.mkdir()
        self.lock = threading.Lock()
        self.pairs: set = set()  # lock: of (client, server)
        self.closing, self.silent, self.refusing = threading.Event(), threading.Event(), threading.Event()
        self.lose = None  # lock: [COMMITs to pass before, "before" or "after"]
        self.fired = 0  # lock: how many connections were cut or refused, answers lost, bytes held back
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / SOCKET))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    # --- what it does to the connections

    def cut(self) -> int:
        """Close all that there are; how many."""
        with self.lock:
            pairs = list(self.pairs)
            self.fired += len(pairs)
        for pair in pairs:
            self._shut(pair)
        return len(pairs)

    def lose_commit(self, nth: int, when: str) -> None:
        """Cut the connection that sends the nth COMMIT from now on: before the server sees it, or after its answer."""
        with self.lock:
            self.lose, self.fired = [nth - 1, when], 0

    def close(self) -> None:
        self.closing.set()
        self.listener.close()
        self.cut()

    # --- passing on

    @staticmethod
    def _shut(pair) -> None:
        for end in pair:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                if self.refusing.is_set():
                    raise ConnectionRefusedError
                server.connect(self.target)
            except OSError:
                self._count()
                client.close()
                server.close()
                continue
            pair = client, server
            with self.lock:
                self.pairs.add(pair)
            threading.Thread(target=self._serve, args=(pair,), daemon=True).start()

    def _count(self) -> None:
        with self.lock:
            self.fired += 1

    def _commit(self, data: bytes) -> str:
        """What is to become of what a client sends: "", "before" or "after"."""
        with self.lock:
            if self.lose is None or b"COMMIT" not in data:
                return ""
            if self.lose[0] > 0:
                self.lose[0] -= 1
                return ""
            when, self.lose = self.lose[1], None
            self.fired += 1
            return when

    def _serve(self, pair) -> None:
        client, server = pair
        try:
            while not self.closing.is_set() and self._pass(client, server):
                pass
        except OSError:
            pass
        finally:
            with self.lock:
                self.pairs.discard(pair)
            client.close()
            server.close()

    def _pass(self, client, server) -> bool:
        ready, _, _ = select.select([client, server], [], [], 0.2)
        if ready and self.silent.is_set():
            self._count()
            while self.silent.is_set() and not self.closing.is_set():
                time.sleep(0.01)
        for end in ready:
            data = end.recv(1 << 16)
            when = self._commit(data) if end is client else ""
            if not data or when == "before":
                return False
            (server if end is client else client).sendall(data)
            if when == "after":
                server.recv(1 << 16)  # the answer, which the client never gets
                return False
        return True


def through(url: str, proxy: PgProxy) -> str:
    """The same database by way of the proxy."""
    host = url.partition("host=")[2].partition("&")[0]
    return url.replace(f"host={host}", f"host={proxy.folder}")


def of(url: str, folder: Path) -> PgProxy:
    return PgProxy(url.partition("host=")[2].partition("&")[0], folder)
