# SPDX-License-Identifier: GPL-3.0-or-later
"""The scanner against a ceiling: 100,000 objects on MinIO, and flat memory from 10,000 to 200,000 entries.

The ceiling is what tests/bench/limit, a plain client that shares no code with lockstep, needs for listing the same
bucket in the same minute, one page after the other or in four key ranges side by side, whichever is faster.
"""

import hashlib
import os
import subprocess
import time

import pytest
from harness.program import program

OBJECTS = int(os.environ.get("LOCKSTEP_TEST_SCAN_OBJECTS", "100000"))
RATIO = 1.3
FEWEST_TURNS, MOST_TURNS = 3, 9
TURNS_UNTIL_S = 300  # since the test began; then no further turn than the fewest begins
FEW, MANY = 30_000, 200_000
MOST_GROWTH_KIB = 8 * 1024


def limit(*words) -> float:
    path = os.environ.get("LOCKSTEP_TEST_LIMIT", "")
    assert os.access(path, os.X_OK), "LOCKSTEP_TEST_LIMIT must name the built tests/bench/limit"
    done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def timed_scan(lockstep, *words) -> float:
    begin = time.monotonic()
    done = lockstep.run("scan", "--grace=0s", *words, check=0, timeout=200)
    took = time.monotonic() - begin
    assert f"{OBJECTS} synced, 0 orphaned, 0 missing" in done.stdout
    return took


@pytest.mark.timeout(420)
def test_a_scan_takes_at_most_1_3_times_the_fastest_listing(lockstep_minio, minio_server, monkeypatch, record_property):
    lockstep, last_begin = lockstep_minio, time.monotonic() + TURNS_UNTIL_S
    for name, value in zip(("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"), minio_server, strict=True):
        monkeypatch.setenv(f"LOCKSTEP_TEST_S3_{name}", value)
    bucket = lockstep.backend.bucket
    monkeypatch.setattr(lockstep.backend, "destroy", lambda: None)  # it goes with the server; deleting takes minutes
    put = limit("put", bucket, OBJECTS, 512)
    lockstep.oracle.insert_rows(lockstep.backend.objects())
    found = lockstep.json("scan", "--json", "--grace=0s", check=0, timeout=200)
    assert found["syncedFiles"] == found["totalImages"] == OBJECTS

    listings, ranges, scans = [], [], []

    def ratio() -> float:
        return min(scans) / min(listings + ranges)

    # What else the machine does only ever adds time, to each side: the least that a side ever took is what it needs.
    # More turns bring both closer to that, so they are taken while the ratio is over the bound, which stays what it is.
    # The listings have two tries a turn and the scan one, which is to the scan's disadvantage.
    for turn in range(MOST_TURNS):
        if turn >= FEWEST_TURNS and (ratio() <= RATIO or time.monotonic() > last_begin):
            break
        # The server gets slower with each listing it has cached: who comes first alternates.
        steps = [
            lambda: ranges.append(limit("ranges", bucket, OBJECTS, 4)),
            lambda: scans.append(timed_scan(lockstep)),
        ]
        for step in steps if turn % 2 == 0 else reversed(steps):
            step()
        listings.append(limit("list", bucket, OBJECTS))
    text = (
        f"{OBJECTS} objects: put {put:.1f} s, list {listings}, ranges {ranges}, "
        f"scan {[round(took, 3) for took in scans]}: {ratio():.2f} times the fastest listing"
    )
    print(text)
    record_property("scan", text)
    assert ratio() <= RATIO, text


# --- memory


def peak_kib(lockstep, *words) -> int:
    """Run a command and return its peak RSS."""
    report = lockstep.folder / "time.txt"
    argv = ["/usr/bin/env", "python3", "-c", PEAK, str(report), program(), "--config", str(lockstep.config), *words]
    done = subprocess.run(argv, env=lockstep.environment(), cwd=lockstep.folder, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return int(report.read_text())


PEAK = """
import os, resource, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def fill(lockstep, first: int, last: int) -> None:
    """Small objects in a directory, as a foreign program puts them there."""
    root = lockstep.backend.directory
    for i in range(first, last):
        folder = root / f"products/p{i // 100:05d}/{'1kg' if i % 2 else '500ml'}/hero-card"
        if i % 100 < 2:
            folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"image-{i % 100:02d}.png", "wb") as out:
            out.write(b"%d" % i)


@pytest.mark.timeout(420)
def test_the_memory_of_a_scan_does_not_grow_with_the_bucket(lockstep_file, record_property):
    lockstep = lockstep_file
    fill(lockstep, 0, FEW)
    lockstep.oracle.insert_rows(lockstep.backend.objects())
    few = peak_kib(lockstep, "scan", "--grace=0s", "--quiet")
    fill(lockstep, FEW, MANY)
    known = lockstep.oracle.rows().keys()
    lockstep.oracle.insert_rows({k: o for k, o in lockstep.backend.objects().items() if k not in known})
    assert len(lockstep.oracle.query("select 1 from product_image")) == MANY
    many = peak_kib(lockstep, "scan", "--grace=0s", "--quiet")
    text = f"peak RSS: {few} KiB with {FEW} entries, {many} KiB with {MANY}"
    print(text)
    record_property("memory", text)
    assert many - few < MOST_GROWTH_KIB, text


@pytest.mark.timeout(420)
def test_the_memory_of_a_scan_does_not_grow_with_the_differences(lockstep_file):
    """30,000 and 100,000 orphans: suspects are kept on disk.

    With few, not every thread has come to its buffers and arenas; so the most that few take is held against the least
    that many do.
    """
    lockstep = lockstep_file
    fill(lockstep, 0, FEW)
    few = [orphan_peak(lockstep) for _ in range(2)]
    fill(lockstep, FEW, 100_000)
    many = [orphan_peak(lockstep) for _ in range(2)]
    assert min(many) - max(few) < MOST_GROWTH_KIB, f"peak RSS: {few} KiB with {FEW} orphans, {many} KiB with 100,000"


def orphan_peak(lockstep) -> int:
    report = lockstep.folder / "time.txt"
    argv = ["python3", "-c", PEAK, str(report), program(), "--config", str(lockstep.config), "scan", "--grace=0s"]
    done = subprocess.run(argv, env=lockstep.environment(), cwd=lockstep.folder, stdout=subprocess.DEVNULL, timeout=240)
    assert done.returncode == 1
    return int(report.read_text())


def test_the_yardstick_sees_the_bytes_it_put(lockstep_minio, minio_server, monkeypatch):
    """The ceiling lists real objects: count and etags agree with boto3."""
    for name, value in zip(("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"), minio_server, strict=True):
        monkeypatch.setenv(f"LOCKSTEP_TEST_S3_{name}", value)
    bucket = lockstep_minio.backend.bucket
    limit("put", bucket, 24, 64)
    objects = lockstep_minio.backend.objects()
    assert len(objects) == 24
    key = next(iter(objects))
    assert objects[key].etag == hashlib.md5(lockstep_minio.backend.get(key)).hexdigest()
