#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check-one by wrk beside MinIO's own listing of the same prefixes, in one run on one machine.

120,000 images, 12 a product, and one product of 1,000; on MinIO with PostgreSQL and in a directory with SQLite. MinIO's
listing is the plain one of a client that keeps no catalog: anonymous, so that wrk need not sign. All connections are
kept alive. The systems alternate, round by round; figures are medians over the rounds, and only ratios of one run
mean anything.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from harness.backends import FileBackend, MinioBackend
from harness.minio import running_minio
from harness.postgres import database, running_postgres
from harness.program import Lockstep
from harness.serve import Server

PER_PRODUCT, PER_LARGE, LARGE = 12, 1000, "large"
LUA = Path(__file__).with_suffix(".lua")
CHECK = "/admin/products/{}/images/sync/check"
LIST = "/{}?list-type=2&encoding-type=url&prefix=products/{}/"
BODY = b"\xff\xd8\xff" + bytes(509)


def fail(text: str) -> None:
    sys.exit(f"bench: {text}")


def key(product: str, number: int) -> str:
    """As tests/bench/limit has them."""
    kinds = ("hero-card", "info-card", "other-images")
    weight = "1kg" if number % PER_PRODUCT < PER_PRODUCT // 2 else "500ml"
    return f"products/{product}/{weight}/{kinds[number % 3]}/image-{number:02d}.jpg"


def fill_bucket(backend: MinioBackend, images: int) -> None:
    names = ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY")
    values = (backend.endpoint, backend.access_key, backend.secret_key)
    env = os.environ | {f"LOCKSTEP_TEST_S3_{name}": value for name, value in zip(names, values, strict=True)}
    backend.client.create_bucket(Bucket=backend.bucket)
    argv = [os.environ["LOCKSTEP_TEST_LIMIT"], "put", backend.bucket, str(images), "512"]
    subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, timeout=1800, check=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: backend.put(key(LARGE, n), BODY), range(PER_LARGE)))
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{backend.bucket}"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    backend.client.put_bucket_policy(Bucket=backend.bucket, Policy=policy)


def fill_directory(backend: FileBackend, images: int) -> None:
    for number in range(images):
        backend.put(key(f"p{number // PER_PRODUCT:06d}", number % PER_PRODUCT), BODY)
    for number in range(PER_LARGE):
        backend.put(key(LARGE, number), BODY)


class Site:
    """An installation whose catalog has what is in its store, and its server."""

    def __init__(self, name: str, folder: Path, backend, url: str, images: int):
        folder.mkdir()
        self.name = name
        self.lockstep = Lockstep(folder, backend, database=url).init()
        self.lockstep.oracle.insert_rows(backend.objects())
        self.lockstep.run("settle", timeout=1200)
        self.server = Server(self.lockstep).start()
        answer = self.server.get("/admin/products/sync/check-all?grace=0s", timeout=1200)
        if answer.status != 200 or answer.json["syncedFiles"] != images + PER_LARGE:
            fail(f"{name}: {answer.status} {answer.body[:300]!r}")
        self.origin, self.secret = f"http://{self.server.address}", self.server.token("read")

    def path(self, product: str) -> str:
        return CHECK.format(product)


class Bare:
    """MinIO itself, without a catalog."""

    name, secret = "MinIO's listing", ""

    def __init__(self, backend: MinioBackend):
        self.origin, self.bucket = backend.endpoint, backend.bucket

    def path(self, product: str) -> str:
        return LIST.format(self.bucket, product)


def wrk(system, product: str, products: int, connections: int, seconds: int) -> dict:
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(LUA), system.origin, "--"]
    argv += [system.path(product), str(products), system.secret]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 120)
    if done.returncode != 0:
        fail(f"wrk: {done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["wrong"] or not found["requests"]:
        fail(f"{system.name}: {found}")
    return found | {"per_s": found["requests"] / found["seconds"]}


def measure(systems, options) -> list[dict]:
    figures = []
    steps = [(product, n) for product in ("p%s", LARGE) for n in options.connections]
    for turn in range(options.runs):
        for product, connections in steps:
            for system in systems if turn % 2 == 0 else reversed(systems):
                found = wrk(system, product, options.images // PER_PRODUCT, connections, options.seconds)
                images = PER_LARGE if product == LARGE else PER_PRODUCT
                figures.append({"system": system.name, "images": images, "connections": connections} | found)
                print(
                    f"  {system.name:22s} {images:5d} images, {connections:3d} connections: {found['per_s']:8.1f}/s,"
                    f" median {found['p50_ms']:8.2f} ms, p99 {found['p99_ms']:8.2f} ms",
                    flush=True,
                )
    return figures


def report(figures: list[dict], options) -> None:
    def median(of: str, name: str, images: int, n: int) -> float:
        same = [f[of] for f in figures if (f["system"], f["images"], f["connections"]) == (name, images, n)]
        return statistics.median(same)

    print("\n| images | connections | system | requests/s | of MinIO's | p99 |\n|---|---|---|---|---|---|")
    rows = []
    for name, images, n in dict.fromkeys((f["system"], f["images"], f["connections"]) for f in figures):
        rows.append((images, n, name, median("per_s", name, images, n), median("p99_ms", name, images, n)))
    for images, n, name, per_s, p99_ms in sorted(rows, key=lambda row: row[:2]):
        ratio = per_s / median("per_s", Bare.name, images, n) if options.minio else float("nan")
        print(f"| {images} | {n} | {name} | {per_s:.0f} | {ratio:.2f} | {p99_ms:.1f} ms |")
    if options.load > os.cpu_count():
        print(f"\nThe machine was busy with other work (load {options.load:.1f} at the start): the ratios mean little.")
    if options.json:
        machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "machine": platform.machine()}
        content = {"machine": machine | {"load_at_start": options.load}, "images": options.images, "runs": options.runs}
        options.json.write_text(json.dumps(content | {"seconds": options.seconds, "figures": figures}, indent=2) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=120_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--connections", default="1,8,64")
    parser.add_argument("--only", choices=("minio", "file"), help="one pair of store and catalog")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--hold", action="store_true", help="measure nothing, and leave all up until a line is read")
    options = parser.parse_args()
    options.connections = [int(n) for n in options.connections.split(",")]
    options.minio = options.only != "file"
    return options


def main() -> int:
    options = arguments()
    options.load = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="lockstep-bench."))
    systems = []
    try:
        with ExitStack() as stack:
            if options.minio:
                server, _ = stack.enter_context(running_minio())
                backend = MinioBackend(*server)
                fill_bucket(backend, options.images)
                url = stack.enter_context(database(stack.enter_context(running_postgres(own=True))))
                systems += [Bare(backend), Site("MinIO, PostgreSQL", folder / "minio", backend, url, options.images)]
                stack.callback(systems[-1].server.stop)
            if options.only != "minio":
                backend = FileBackend(folder / "bucket")
                fill_directory(backend, options.images)
                systems.append(Site("directory, SQLite", folder / "file", backend, "", options.images))
                stack.callback(systems[-1].server.stop)
            if options.hold:
                for system in systems:
                    print(system.name, system.origin, system.path("p000001"), system.secret, flush=True)
                sys.stdin.readline()
                return 0
            report(measure(systems, options), options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
