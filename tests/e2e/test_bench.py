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
