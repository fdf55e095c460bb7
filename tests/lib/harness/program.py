# SPDX-License-Identifier: GPL-3.0-or-later
"""One installation under test: its folder, its config, and runs of the `lockstep` program with deadlines."""

import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from .mount import Mount
from .oracle import Oracle
from .postgres import PostgresOracle
from .shops import ShopOracle, attach, make_shop
from .tools import SLOW

PUBLIC_URL = "http://images.example.test/shop"
SANITIZER_MARKS = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:", "UndefinedBehavior")


def program() -> str:
    path = os.environ.get("LOCKSTEP_BIN", "")
    assert path and os.access(path, os.X_OK), f"LOCKSTEP_BIN must name the lockstep program under test, not {path!r}"
    return path


def wait_until(condition, what: str, timeout: float = 60) -> None:
    """Poll with a deadline; conditions of other processes give no event to wait for."""
    end = time.monotonic() + timeout * SLOW
    while not condition():
        assert time.monotonic() < end, f"waited {timeout * SLOW:.0f} s in vain: {what}"
        time.sleep(0.02)


class Lockstep:
    def __init__(self, folder: Path, backend, config_lines: tuple[str, ...] = (), database: str = "", shop: str = ""):
        self.folder, self.backend = folder, backend
        self.config = folder / "lockstep.conf"
        self.catalog = folder / "catalog.db"
        self.database = database  # the url of one on PostgreSQL; "": SQLite, in self.catalog
        self.shop = shop  # whose tables they are: see shops.py; "": lockstep's own
        if shop:
            self.oracle = ShopOracle(backend, database, PUBLIC_URL)
        elif database:
            self.oracle = PostgresOracle(backend, database, PUBLIC_URL)
        else:
            self.oracle = Oracle(backend, self.catalog, PUBLIC_URL)
        self.mounts: list[Mount] = []
        self.processes: list[subprocess.Popen] = []
        self.environ: dict[str, str] = {}
        self.extra = config_lines

    # --- set up

    @property
    def catalog_url(self) -> str:
        return self.database or f"sqlite:{self.catalog}"

    def init(self) -> "Lockstep":
        if self.shop:
            make_shop(self.database, self.shop)
            attach(self, self.shop)
        else:
            self.run("init", *self.backend.init_args(), "--catalog", self.catalog_url)
        self.set_config("store", "public_url", PUBLIC_URL)
        self.set_config("mount", "cache_dir", str(self.folder / "cache"))
        return self

    def set_config(self, section: str, key: str, value: str) -> None:
        """Set one key in the config, wherever init left it."""
        lines, out, here, done = self.config.read_text().splitlines(), [], "", False
        for line in lines:
            bare = line.strip()
            if bare.startswith("["):
                if here == section and not done:
                    out.append(f"{key} = {value}")
                    done = True
                here = bare.strip("[]")
            elif here == section and bare.partition("=")[0].strip() == key:
                line, done = f"{key} = {value}", True
            out.append(line)
        if not done:
            out += ([] if here == section else [f"[{section}]"]) + [f"{key} = {value}"]
        new = self.config.with_suffix(".new")
        new.write_text("\n".join(out) + "\n")
        new.replace(self.config)  # a process that has just been started may be reading it

    # --- run

    def argv(self, *args, failpoint: str | tuple[str, ...] = ()) -> list[str]:
        points = (failpoint,) if isinstance(failpoint, str) else failpoint
        armed = [word for point in points for word in ("--failpoint", point)]
        return [program(), "--config", str(self.config), *armed, *map(str, args)]

    def environment(self) -> dict[str, str]:
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "LOCKSTEP_CONFIG", "XDG_"))
        }
        env["HOME"] = str(self.folder)
        env["LC_ALL"] = "C.UTF-8"
        return env | self.backend.environment() | self.environ

    def run(
        self,
        *args,
        check: int | tuple[int, ...] | None = 0,
        timeout: float = 60,
        stdin: str = "",
        failpoint=(),
        env=None,
    ) -> subprocess.CompletedProcess:
        """Run to the end. `check` is the exit status (or several) that it must have; None accepts any."""
        argv = self.argv(*args, failpoint=failpoint)
        done = subprocess.run(
            argv,
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout * SLOW,
            env=self.environment() | (env or {}),
            cwd=self.folder,
        )
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        said = f"{' '.join(argv)}\nstatus {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        self.judge_output(done.stdout + done.stderr, said)
        if check is not None:
            wanted = (check,) if isinstance(check, int) else check
            assert done.returncode in wanted, f"status must be {check}: {said}"
        return done

    def judge_output(self, text: str, said: str) -> None:
        """No output whatever may hold a secret or a sanitizer's report."""
        secret = self.backend.environment().get("AWS_SECRET_ACCESS_KEY")
        assert not secret or secret not in text, f"the secret key was printed: {said}"
        assert not any(mark in text for mark in SANITIZER_MARKS), f"sanitizer: {said}"

    def start(self, *args, failpoint=()) -> subprocess.Popen:
        """Run in the background; stop() or the fixture ends it."""
        log = open(self.folder / f"process-{len(self.processes)}.log", "wb")  # noqa: SIM115
        process = subprocess.Popen(
            self.argv(*args, failpoint=failpoint),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self.environment(),
            cwd=self.folder,
        )
        log.close()
        self.processes.append(process)
        return process

    def json(self, *args, check=0, **kwargs):
        return json.loads(self.run(*args, check=check, **kwargs).stdout)

    def failpoints(self, prefix: str = "engine.") -> list[str]:
        return [name for name in self.run("failpoints").stdout.split() if name.startswith(prefix)]

    # --- short cuts

    def put(self, key: str, data: bytes, **kwargs) -> subprocess.CompletedProcess:
        source = self.folder / "put.tmp"
        source.write_bytes(data)
        return self.run("put", source, key, **kwargs)

    def get(self, key: str, **kwargs) -> bytes:
        target = self.folder / "get.tmp"
        self.run("get", key, target, **kwargs)
        return target.read_bytes()

    def scan_json(self, *args, check=(0, 1)):
        return self.json("scan", "--json", "--grace=0s", *args, check=check)

    def assert_in_step(self) -> None:
        """The outside judge and our own scan agree that nothing is wrong."""
        self.oracle.assert_in_step()
        self.run("scan", "--grace=0s", check=0, timeout=120)

    def mount(self, *options, failpoint=(), limit_s: float | None = None) -> Mount:
        """limit_s: when the watchdog bites, if it is not the usual time."""
        mount = Mount(self, options, failpoint)
        if limit_s:
            mount.limit_s = limit_s * SLOW
        self.mounts.append(mount)
        return mount.start()

    def close(self) -> None:
        """Unmount and end everything; complain about daemons that did not end well."""
        complaints = [text for mount in self.mounts for text in mount.clean()]
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
        for log in self.folder.glob("process-*.log"):
            text = log.read_text(errors="replace")
            self.judge_output(text, f"{log.name}: {text[-4000:]}")
        assert not complaints, "; ".join(complaints)
