# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench` works: a few files, one round, every outcome checked by the bench itself; no figure is judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench/bench.py"


@pytest.mark.timeout(300)
def test_the_bench_checks_outcomes_and_writes_its_figures(folder):
    figures = folder / "bench.json"
    words = ["--only", "rsync,cat,mv,rm", "--runs", "1", "--files", "12", "--peers", "", "--json", str(figures)]
    env = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, BENCH, *words], env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    content = json.loads(figures.read_text())
    assert set(content["seconds"]["lockstep"]) == {"rsync", "cat cold", "cat warm", "mv", "rm"}
    assert content["seconds"]["nothing"].keys() == {"cat warm"}
    assert {"put one at a time", "mv", "rm"} <= set(content["seconds"]["ceiling"])
    assert {(ratio["step"], ratio["against"].split(":")[0]) for ratio in content["ratios"]} == {
        ("rsync", "ceiling"),
        ("cat warm", "disk"),
        ("mv", "ceiling"),
    }


@pytest.mark.timeout(300)
def test_the_bench_of_serve_measures_each_system_at_each_number_of_connections(folder):
    figures = folder / "serve.json"
    # Long enough for an answer on each connection of a busy machine: what has not ended by then is not counted.
    words = ["--images", "240", "--runs", "1", "--seconds", "3", "--connections", "1,2", "--json", str(figures)]
    argv = [sys.executable, BENCH.with_name("serve.py"), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    measured = json.loads(figures.read_text())["figures"]
    systems = ("MinIO's listing", "MinIO, PostgreSQL", "directory, SQLite")
    steps = {(system, images, n) for system in systems for images in (12, 1000) for n in (1, 2)}
    assert {(f["system"], f["images"], f["connections"]) for f in measured} == steps and len(measured) == len(steps)
    assert all(f["requests"] > 0 and f["wrong"] == 0 and f["p99_ms"] >= f["p50_ms"] > 0 for f in measured)
