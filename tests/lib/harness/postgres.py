# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL database of its own for a test, and the judge that reads it with psycopg and psql."""

import csv
import io
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from .oracle import Oracle

SERVER_SH = Path(__file__).resolve().parents[1] / "pg_server.sh"


@contextmanager
def running_postgres(own: bool = False):
    """The url of the server that tests/run.sh started, else (or when it must be) of one of our own."""
    if not own and os.environ.get("LOCKSTEP_TEST_PG_URL"):
        yield os.environ["LOCKSTEP_TEST_PG_URL"]
        return
    folder = tempfile.mkdtemp(prefix="ls-pg.")
    started = subprocess.run([SERVER_SH, "start", folder], capture_output=True, text=True, timeout=120, check=True)
    try:
        yield started.stdout.strip()
    finally:
        subprocess.run([SERVER_SH, "stop", folder], timeout=120, check=True)


@contextmanager
def database(server: str):
    """A new, empty one; its url."""
    name = f"e2e_{os.getpid()}_{os.urandom(4).hex()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    try:
        yield server.replace("///postgres?", f"///{name}?")
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")


def plain(value):
    """As SQLite shows it: text for bytes, 0 and 1 for booleans."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode(errors="surrogateescape")
    return value


def translated(sql: str) -> str:
    """From sqlite3's marks of values to psycopg's."""
    return sql.replace("%", "%%").replace("?", "%s")


class PostgresOracle(Oracle):
    """The same questions; `catalog` is the database's url."""

    recorded = "known = true, "
    search_path = "public,lockstep"

    def connect(self):
        return psycopg.connect(self.catalog, options=f"-c search_path={self.search_path} -c lock_timeout=20000")

    def query(self, sql: str, *values) -> list[tuple]:
        with self.connect() as connection:
            rows = connection.execute(translated(sql), values).fetchall()
            return [tuple(map(plain, row)) for row in rows]

    @contextmanager
    def transaction(self):
        with self.connect() as connection, connection.pipeline():
            yield lambda sql, values=(): connection.execute(translated(sql), values)

    @contextmanager
    def locked(self):
        """The application has written and not committed yet: nobody else writes meanwhile."""
        with self.connect() as holder:
            holder.execute("insert into product (id) values ('locked')")
            yield
            holder.rollback()

    def shell_rows(self) -> dict[str, tuple[str, int]]:
        """key -> (etag, size) as psql prints them."""
        sql = (
            "select i.file_name, o.etag, o.size from product_image i "
            "join lockstep.lockstep_object o on o.key = i.file_name"
        )
        done = subprocess.run(
            ["psql", "-X", "--csv", "-t", "-c", sql, self.catalog],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=os.environ | {"PGOPTIONS": f"-c search_path={self.search_path}"},
        )
        return {key: (etag, int(size)) for key, etag, size in csv.reader(io.StringIO(done.stdout))}

    def end_sessions(self) -> int:
        """Cut every connection that the program has; how many there were."""
        with self.connect() as connection:
            (count,) = connection.execute(
                "select count(pg_terminate_backend(pid, 20000)) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            ).fetchone()
            return count

    def host(self) -> str:
        return parse_qs(urlsplit(self.catalog).query)["host"][0]
