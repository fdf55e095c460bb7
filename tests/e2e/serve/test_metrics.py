# SPDX-License-Identifier: GPL-3.0-or-later
"""/metrics: what is counted, and that no name that somebody chose gets into it."""

import json
import re
from pathlib import Path

import pytest
from harness.images import png, seed
from harness.serve import Server

FAILURES = {"io", "transient", "outcome-unknown", "corrupt", "no-space"}
LINE = re.compile(r"^([a-z_]+)(?:\{([^}]*)\})? (-?[0-9.e+]+)$")


def figures(server) -> dict[tuple[str, str], float]:
    answer = server.get("/metrics", role="metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found, typed = {}, {}
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in typed, f"{name} is declared twice"
            typed[name] = kind
        elif not line.startswith("# HELP "):
            match = LINE.match(line)
            assert match, f"no line of Prometheus's format: {line}"
            name, labels, value = match.groups()
            assert re.sub("_(bucket|sum|count)$", "", name) in typed or name in typed, line
            assert (name, labels or "") not in found, f"given twice: {line}"
            found[name, labels or ""] = float(value)
    return found


def test_scans_findings_operations_and_store_calls_are_counted(lockstep, server):
    keys = seed(lockstep, ("secret-product", "500ml", 5))
    lockstep.backend.put("products/secret-product/500ml/hero-card/orphan.png", png("orphan"))
    lockstep.backend.delete(keys[0])
    before = figures(server)
    assert before["lockstep_scans_total", 'outcome="complete"'] == 0
    assert server.get("/admin/products/sync/check-all?grace=0s").status == 200
    after = figures(server)
    assert after["lockstep_scans_total", 'outcome="complete"'] == 1
    assert after["lockstep_scan_duration_seconds_count", ""] == 1
    kinds = {"synced": 4, "orphaned": 1, "missing": 1, "stale": 0, "misplaced": 0}
    for kind, n in kinds.items():
        assert after["lockstep_findings", f'kind="{kind}"'] == n
    assert after["lockstep_last_scan_images", ""] == 6
    assert 0 <= after["lockstep_last_scan_age_seconds", ""] < 120
    assert after["lockstep_store_calls_total", 'op="list"'] > before["lockstep_store_calls_total", 'op="list"']

    server.post("/admin/products/sync/sync-all?grace=0s", {"removeOrphaned": True, "recreateMissing": True})
    mended = figures(server)
    assert mended["lockstep_operations_total", 'op="discard",outcome="ok"'] == 1
    assert mended["lockstep_operations_total", 'op="catalog",outcome="ok"'] == 1
    assert mended["lockstep_operation_duration_seconds_count", 'op="discard"'] == 1
    assert mended["lockstep_journal_intents", ""] == 0
    lockstep.assert_in_step()


def test_requests_are_counted_by_route_and_not_by_path(lockstep, server):
    seed(lockstep, ("secret-product", "500ml", 1))
    route = 'method="GET",route="/admin/products/:id/images/sync/check"'
    for _ in range(3):
        assert server.get("/admin/products/secret-product/images/sync/check").status == 200
    server.get("/admin/products/secret-nothing/images/sync/check").problem(404, "unknown-product")
    server.get("/secret-path").problem(404, "no-such-path")
    server.get("/admin/products/sync/check-all", role="", headers={"Authorization": "Bearer secret-token"})
    found = figures(server)
    assert found["lockstep_http_requests_total", f'{route},status="2xx"'] == 3
    assert found["lockstep_http_requests_total", f'{route},status="4xx"'] == 1
    assert found["lockstep_http_requests_total", 'method="",route="none",status="4xx"'] == 1
    assert found["lockstep_http_wrong_tokens_total", ""] == 1
    buckets = [
        value for (name, labels), value in found.items() if name.endswith("duration_seconds_bucket") and route in labels
    ]
    assert buckets == sorted(buckets) and buckets[-1] == 4
    assert "secret" not in server.get("/metrics").body.decode()
    server.get("/metrics", role="webhook").problem(403, "role")


@pytest.mark.pairs("file")
def test_the_openapi_document_has_the_routes_that_there_are_and_no_others(server):
    document, path, said = server.get("/openapi.yaml", role="").body.decode(), "", set()
    for line in document.partition("\ncomponents:\n")[0].splitlines():
        if match := re.match(r"^  (/\S*):$", line):
            path = match.group(1)
        elif match := re.match(r"^    (get|post|put|patch|delete):$", line):
            said.add((match.group(1).upper(), path))
    labels = re.findall(r'http_requests_total\{method="(\w+)",route="(/[^"]*)"', server.get("/metrics").body.decode())
    there = {(method, re.sub(r":(\w+)", r"{\1}", route)) for method, route in labels}
    assert said == there and len(there) > 10


@pytest.mark.pairs("file")
def test_the_examples_ask_for_figures_that_there_are(lockstep, server):
    (key,) = seed(lockstep, ("p1", "500ml", 1))
    # What no event announced is told when there was an event, and a scan since.
    event = {"EventName": "s3:ObjectCreated:Put", "Key": f"any/{key}"}
    assert server.post("/webhooks/minio", event, role="webhook").status == 200
    for _ in range(2):
        assert server.get("/admin/products/sync/check-all").status == 200
    there = figures(server).keys()
    folder = Path(__file__).parents[3] / "examples/prometheus"
    panels = json.loads((folder / "grafana.json").read_text())["panels"]
    shown = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    told = (folder / "alerts.yml").read_text()
    asked = set(re.findall(r"\blockstep_[a-z_]+", shown + told))
    assert len(asked) > 15 and asked - {name for name, _ in there} == set()
    wanted = re.findall(r"\b(lockstep_[a-z_]+)\{(\w+)(=~|!=|=)\"([^\"]*)\"\}", shown + told)
    matchers = re.findall(r"\blockstep_[a-z_]+\{", shown + told)
    assert len(wanted) == len(matchers) > 6, "one is written otherwise"
    for metric, label, sign, value in wanted:
        values = {found for name, labels in there if name == metric for found in re.findall(f'{label}="(.*?)"', labels)}
        # what fails is counted under the class of its error, once there is one
        known = values | (FAILURES if metric == "lockstep_operations_total" else set())
        assert set(value.split("|") if sign == "=~" else [value]) <= known, f"{metric}: {label}={value}"


@pytest.mark.pairs("file")
def test_living_processes_are_counted_by_kind(lockstep, server):
    def living(kind: str) -> float:
        return figures(server)["lockstep_instances", f'kind="{kind}"']

    assert (living("serve"), living("mount")) == (1, 0)
    other = Server(lockstep)
    other.tokens = server.tokens
    other.start()
    assert living("serve") == 2
    other.process.kill()
    other.process.wait()
    assert living("serve") == 1, "the dead are not counted"
