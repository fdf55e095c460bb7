#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An operator's work on lockstep, on other mounts and on the bare server, in one run on one machine.

Every round takes each system in turn, in another order each time; figures are medians over the rounds, and only ratios
of one run mean anything. A step is timed until the bucket shows its outcome; lockstep must show it at once, in bucket
and catalog, when the command returns. An outcome is checked by boto3 and sqlite3, never by the system that made it.
"""

import argparse
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from harness.backends import FileBackend, MinioBackend, Object
from harness.minio import running_minio
from harness.mount import Mount, mounted
from harness.program import Lockstep

SIZE = 32768
TYPES = ("hero-card", "info-card", "other-images")
STEPS = ("rsync", "cat", "mv", "rm", "find")
DEADLINE_S = 600
# step, what it is held against, at most so many times its time
TARGETS = (
    ("rsync", "ceiling", "put one at a time", 3.0),
    ("cat cold", "s3fs", "cat cold", 0.7),
    ("cat warm", "disk", "cat warm", 1.5),
    ("mv", "ceiling", "mv", 1.5),
    ("rm", "s3fs", "rm", 1.0),
    ("find cold", "bindfs", "find cold", 0.5),
    ("find warm", "bindfs", "find warm", 0.25),
)


def run(argv, **kwargs) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=DEADLINE_S, **kwargs)
    if done.returncode != 0:
        sys.exit(f"bench: {argv[0]}: status {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")


def seconds(argv) -> float:
    begin = time.monotonic()
    run(argv, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def fail(text: str) -> None:
    sys.exit(f"bench: wrong outcome: {text}")


# --- the systems


class Bench:
    """What all systems share: the server, the source tree, the figures."""

    def __init__(self, folder: Path, server, files: int):
        self.folder, self.server = folder, server
        self.per_type = max(1, files // 6)
        self.per_weight = 3 * self.per_type
        self.source = folder / "source"
        self.times: dict[str, dict[str, list[float]]] = {}
        for weight in ("500ml", "1kg"):
            for kind in TYPES:
                below = self.source / "products/p1" / weight / kind
                below.mkdir(parents=True)
                for i in range(self.per_type):
                    (below / f"f{i:05d}.jpg").write_bytes(os.urandom(SIZE))
        self.names = sorted(str(p.relative_to(self.source)) for p in self.source.rglob("*.jpg"))

    def note(self, system: str, step: str, took: float) -> None:
        self.times.setdefault(system, {}).setdefault(step, []).append(took)
        print(f"  {system:8s} {step:18s} {took:8.3f} s", flush=True)

    def median(self, system: str, step: str) -> float | None:
        times = self.times.get(system, {}).get(step)
        return statistics.median(times) if times else None

    def cat(self, system: str, step: str, root: Path) -> None:
        argv = ["cat", *(str(root / name) for name in self.names)]
        self.note(system, step, seconds(argv))


class Peer:
    """A mount of somebody else's; its bucket shows the paths."""

    late_s = 60.0  # how long the outcome may take to show up in the bucket

    def __init__(self, bench: Bench, name: str):
        self.bench, self.name = bench, name
        self.backend = MinioBackend(*bench.server)
        self.backend.client.create_bucket(Bucket=self.backend.bucket)
        self.root = bench.folder / f"mnt-{name}"
        self.root.mkdir(exist_ok=True)
        self.process: subprocess.Popen | None = None

    def argv(self) -> list[str]:
        endpoint, access, secret = self.bench.server
        if self.name == "s3fs":
            password = self.bench.folder / "s3fs.passwd"
            if not password.exists():
                password.touch(0o600)
                password.write_text(f"{access}:{secret}\n")
            options = f"url={endpoint},use_path_request_style,passwd_file={password},parallel_count=32,multireq_max=32"
            return ["s3fs", self.backend.bucket, str(self.root), "-f", "-o", options]
        words = "--s3-provider Minio --s3-env-auth --vfs-cache-mode full --vfs-write-back 1s --transfers 32"
        return [
            *("rclone", "mount", f":s3:{self.backend.bucket}", str(self.root), "--s3-endpoint", endpoint),
            *(*words.split(), "--dir-cache-time", "1h", "--config", os.devnull),
            *("--cache-dir", str(self.bench.folder / "rclone-cache")),
        ]

    def up(self) -> None:
        shutil.rmtree(self.bench.folder / "rclone-cache", ignore_errors=True)
        with open(self.bench.folder / f"{self.name}.log", "ab") as log:
            env = os.environ | self.backend.environment()
            self.process = subprocess.Popen(self.argv(), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_mounted(self.root, self.process)

    def down(self) -> None:
        unmount(self.root, self.process)

    def settle(self, begin: float, step: str, right) -> None:
        while not right(set(self.keys())):
            if time.monotonic() - begin > self.late_s:
                fail(f"{self.name}: {step}: the bucket does not show it")
            time.sleep(0.02)
        self.bench.note(self.name, step, time.monotonic() - begin)

    def keys(self):
        return (key for key in self.backend.objects() if not key.endswith("/"))

    def close(self) -> None:
        if self.process:
            self.down()
        self.backend.destroy()


class Ours(Peer):
    """lockstep: outcomes are looked at once, when the command has returned, on both sides."""

    def __init__(self, bench: Bench, backend=None):
        self.bench, self.name = bench, "lockstep"
        self.backend = backend or MinioBackend(*bench.server)
        self.folder = Path(tempfile.mkdtemp(dir=bench.folder))
        self.lockstep = Lockstep(self.folder, self.backend).init()
        self.mount: Mount | None = None

    def up(self) -> None:
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        self.mount = Mount(self.lockstep, (), ())
        self.mount.limit_s = DEADLINE_S
        self.mount.start()
        self.root = self.mount.path

    def down(self) -> None:
        status = self.mount.unmount() if self.mount else 0
        self.mount = None
        if status != 0:
            fail(f"lockstep: the mount ended with {status}")

    def settle(self, begin: float, step: str, right) -> None:
        self.bench.note(self.name, step, time.monotonic() - begin)
        keys = set(self.keys())
        if not right(keys):
            fail(f"lockstep: {step}: {len(keys)} objects, which is not the outcome")
        if problems := self.lockstep.oracle.problems():
            fail(f"lockstep: {step}: {problems[:5]}")

    def close(self) -> None:
        if self.mount:
            self.down()
        self.backend.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_mounted(root: Path, process: subprocess.Popen) -> None:
    end = time.monotonic() + 30
    while not mounted(root):
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"bench: {process.args[0]} did not mount")
        time.sleep(0.05)


def unmount(root: Path, process: subprocess.Popen) -> None:
    for _ in range(100):
        if not mounted(root) or subprocess.run(["fusermount3", "-u", root], capture_output=True).returncode == 0:
            break
        time.sleep(0.1)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def nothing(bench: Bench):
    """The source tree through a FUSE file system that asks nobody: the least that one takes which is told of opens."""
    root = bench.folder / "mnt-nothing"
    root.mkdir(exist_ok=True)
    build, program = Path(os.environ["LOCKSTEP_BIN"]).parent, "tests/bench/nothing_fs"
    run(["make", "-s", "-C", str(build), program], stdout=subprocess.DEVNULL)
    process = subprocess.Popen([build / program, bench.source, root], stdin=subprocess.DEVNULL)
    try:
        wait_mounted(root, process)
        yield root
    finally:
        unmount(root, process)


# --- the work


def work(bench: Bench, system: Peer, steps) -> None:
    """All steps on one mount; what a step needs is made without being timed."""
    n = bench.per_weight

    def count(keys, below: str) -> int:
        return sum(key.startswith(f"products/p1/{below}") for key in keys)

    system.up()
    begin = time.monotonic()
    run(["rsync", "-a", f"{bench.source}/products", f"{system.root}/"])
    system.settle(begin, "rsync", lambda keys: keys == set(bench.names))
    system.down()
    system.up()
    products = system.root / "products"
    if "cat" in steps:
        bench.cat(system.name, "cat cold", system.root)
        if system.name == "lockstep":  # in the same moment, or the machine's other work decides
            seconds(["cat", *(str(bench.source / name) for name in bench.names)])
            bench.cat("disk", "cat warm", bench.source)
            with nothing(bench) as root:
                seconds(["cat", *(str(root / name) for name in bench.names)])
                bench.cat("nothing", "cat warm", root)
        bench.cat(system.name, "cat warm", system.root)
    if "mv" in steps:
        begin = time.monotonic()
        run(["mv", str(products / "p1/500ml"), str(products / "p1/750ml")])
        system.settle(begin, "mv", lambda keys: count(keys, "750ml/") == n and count(keys, "500ml/") == 0)
    if "rm" in steps:
        begin = time.monotonic()
        run(["rm", "-r", str(products / "p1/1kg")])
        system.settle(begin, "rm", lambda keys: count(keys, "1kg/") == 0 and len(keys) == n)
    system.down()


def ceiling(bench: Bench) -> None:
    """The same objects with a plain client that keeps no catalog."""
    program = os.environ["LOCKSTEP_TEST_LIMIT"]
    backend = MinioBackend(*bench.server)
    backend.client.create_bucket(Bucket=backend.bucket)
    names = ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY")
    env = os.environ | {f"LOCKSTEP_TEST_S3_{name}": value for name, value in zip(names, bench.server, strict=True)}
    total, weight = 2 * bench.per_weight, bench.per_weight

    def limit(step: str, *words, left: int) -> None:
        argv = [program, words[0], backend.bucket, *map(str, words[1:])]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=DEADLINE_S)
        if done.returncode != 0:
            sys.exit(f"bench: {done.stderr}")
        bench.note("ceiling", step, float(done.stdout))
        if len(backend.all_keys()) != left:
            fail(f"the ceiling: {step}")

    limit("put one at a time", "put", total, SIZE, 1, left=total)
    limit("put 32 at a time", "put", total, SIZE, 32, left=total)
    limit("get 32 at a time", "get", total, 32, left=total)
    limit("mv", "move", weight, left=total)
    limit("rm", "remove", weight, left=total - weight)
    backend.destroy()


# --- find


@contextmanager
def tree(folder: Path, files: int):
    """A tmpfs with so many files, 12 a product, so nine folders a product."""
    root = folder / "tree"
    root.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1m", "lockstep-bench", str(root)])
    try:
        for i in range(files):
            kind = TYPES[i % 3]
            below = root / f"products/p{i // 12:06d}/{'500ml' if i % 12 < 6 else '1kg'}/{kind}"
            below.mkdir(parents=True, exist_ok=True)
            (below / f"f{i % 12:02d}.jpg").write_bytes(b"x")
        yield root
    finally:
        run(["umount", "-l", str(root)])


def find(bench: Bench, system: str, root: Path, files: int) -> None:
    for step in ("find cold", "find warm"):
        out = bench.folder / "find.txt"
        begin = time.monotonic()
        with open(out, "wb") as file:
            run(["find", "products", "-type", "f", "-size", "+0"], cwd=root, stdout=file)
        bench.note(system, step, time.monotonic() - begin)
        if out.read_bytes().count(b"\n") != files:
            fail(f"{system}: {step}")


def find_bindfs(bench: Bench, root: Path, files: int) -> None:
    target = bench.folder / "mnt-bindfs"
    target.mkdir(exist_ok=True)
    process = subprocess.Popen(["bindfs", "-f", str(root), str(target)], stdin=subprocess.DEVNULL)
    wait_mounted(target, process)
    try:
        find(bench, "bindfs", target, files)
    finally:
        unmount(target, process)


def find_ours(bench: Bench, root: Path, files: int) -> Ours:
    """An installation on the tree; find only needs the catalog's rows."""
    ours = Ours(bench, FileBackend(root))
    etag = "9dd4e461268c8034f5c8564e155c67a6"  # of "x"
    keys = (str(path.relative_to(root)) for path in root.glob("products/*/*/*/*"))
    ours.lockstep.oracle.insert_rows({key: Object(1, etag) for key in keys})
    connection = sqlite3.connect(ours.lockstep.catalog)
    connection.execute("pragma wal_checkpoint")
    connection.close()
    return ours


def find_rounds(bench: Bench, runs: int, files: int) -> None:
    with tree(bench.folder, files) as root:
        ours = find_ours(bench, root, files)

        def lockstep() -> None:
            ours.up()
            find(bench, "lockstep", ours.root, files)
            ours.down()

        for turn in range(runs):
            pair = [lockstep, lambda: find_bindfs(bench, root, files)]
            for system in pair if turn % 2 == 0 else reversed(pair):
                system()
        shutil.rmtree(ours.folder, ignore_errors=True)


# --- the whole


def rounds(bench: Bench, options, steps) -> None:
    for turn in range(options.runs):
        print(f"round {turn + 1} of {options.runs}", flush=True)
        systems = [lambda: ceiling(bench)]
        for name in [*options.peers, "lockstep"]:

            def one(name=name) -> None:
                system = Ours(bench) if name == "lockstep" else Peer(bench, name)
                try:
                    work(bench, system, steps)
                finally:
                    system.close()

            systems.append(one)
        for system in systems if turn % 2 == 0 else reversed(systems):
            system()


def report(bench: Bench, options) -> bool:
    """Print and write the ratios; were all targets met that could be looked at?"""
    print("\nmedians in seconds")
    for system, steps in bench.times.items():
        print(f"  {system:8s} " + ", ".join(f"{step} {statistics.median(t):.3f}" for step, t in steps.items()))
    if options.load > os.cpu_count():
        print(f"\nThe machine was busy with other work (load {options.load:.1f} at the start): the ratios mean little.")
    ratios = []
    print("\nratios")
    for step, base, base_step, most in TARGETS:
        mine, other = bench.median("lockstep", step), bench.median(base, base_step)
        if mine is None or not other:
            continue
        ratio = {"step": step, "against": f"{base}: {base_step}", "ratio": round(mine / other, 3), "target": most}
        ratio["met"] = mine / other <= most
        ratios.append(ratio)
        said = "met" if ratio["met"] else "MISSED"
        print(f"  {step:10s} {mine / other:6.2f} times {ratio['against']:28s} (target {most}) {said}")
    if options.json:
        machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "machine": platform.machine()}
        machine["load_at_start"] = options.load
        content = {"machine": machine, "runs": options.runs, "files": options.files, "ratios": ratios}
        options.json.write_text(json.dumps(content | {"seconds": bench.times}, indent=2) + "\n")
    return all(ratio["met"] for ratio in ratios)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(STEPS), help=f"steps, of {','.join(STEPS)}")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--peers", default="s3fs,rclone", help="mounts to compare with; what is not on PATH is left out"
    )
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--find-files", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--strict", action="store_true", help="a missed target is a failure")
    options = parser.parse_args()
    options.steps = [step for step in options.only.split(",") if step]
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"unknown steps: {', '.join(sorted(unknown))}")
    options.peers = [peer for peer in options.peers.split(",") if peer in ("s3fs", "rclone") and shutil.which(peer)]
    return options


def main() -> int:
    options = arguments()
    options.load = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="lockstep-bench."))
    try:
        with running_minio() as (server, _):
            bench = Bench(folder, server, options.files)
            if set(options.steps) - {"find"}:
                rounds(bench, options, options.steps)
            if "find" in options.steps and not (shutil.which("bindfs") and os.geteuid() == 0):
                print("find is left out: it needs bindfs, and root for a tmpfs", flush=True)
            elif "find" in options.steps:
                find_rounds(bench, options.runs, options.find_files)
        met = report(bench, options)
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
    return 0 if met or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
