# SPDX-License-Identifier: GPL-3.0-or-later
"""Other hosts on the same database and bucket: each has a folder, a config, a cache and a host name of its own."""

import signal
from contextlib import contextmanager

from .program import Lockstep

# The processes of a host carry its name, so that its sessions can be told from others' and cut.
RENAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')


class Host(Lockstep):
    def __init__(self, first: Lockstep, name: str):
        super().__init__(first.folder / name, first.backend, database=first.database)
        self.name, self.catalog = name, first.catalog
        self.oracle = first.oracle
        self.folder.mkdir()
        self.config.write_text(first.config.read_text())
        self.set_config("mount", "cache_dir", str(self.folder / "cache"))
        self.environ = first.environ | {"PGAPPNAME": name}

    def argv(self, *args, failpoint=()) -> list[str]:
        return [*RENAMED, self.name, *super().argv(*args, failpoint=failpoint)]

    def end_sessions(self, which: str = "true") -> int:
        """Cut this host's connections to PostgreSQL, those that fit; how many there were."""
        with self.oracle.connect() as connection:
            (count,) = connection.execute(
                "select count(pg_terminate_backend(pid, 20000)) from pg_stat_activity a"
                f" where datname = current_database() and application_name = %s and {which}",
                (self.name,),
            ).fetchone()
            return count

    def end_liveness(self) -> int:
        """Cut only the sessions that prove that its processes live."""
        return self.end_sessions(
            "exists (select 1 from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.objsubid = 2)"
        )


@contextmanager
def hosts(first: Lockstep, *names: str):
    made = [Host(first, name) for name in names]
    try:
        yield made
    finally:
        for host in made:
            for process in [*host.processes, *(mount.process for mount in host.mounts)]:
                if process and process.poll() is None:
                    process.send_signal(signal.SIGCONT)
        complaints = []
        for host in made:
            try:
                host.close()
            except AssertionError as error:
                complaints.append(str(error))
        assert not complaints, "\n".join(complaints)
