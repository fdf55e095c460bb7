# SPDX-License-Identifier: GPL-3.0-or-later
"""openapi.yaml against the running server: what it promises is what is answered, for good requests and for bad ones.

Schemathesis makes the requests from the document alone, so a route that is added there is tried here.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from harness.images import png, seed
from harness.program import SLOW
from harness.serve import Server

pytestmark = pytest.mark.pairs("file")
METHODS = ("get", "put", "post", "delete", "patch")
SEED, EXAMPLES = 8420, 5
# What a good request may meet besides success: a guard, a product that is not there, a file whose bytes are of another
# kind than its name says, a precondition that is not met. No schema can tell those.
REFUSALS = ["2xx", 304, 404, 409, 412, 413, 415, 416, 503]


def operations(server) -> list[tuple[str, str, dict]]:
    document = yaml.safe_load(server.get("/openapi.yaml", role="").body)
    paths = document["paths"].items()
    return [(method, path, item[method]) for path, item in paths for method in METHODS if method in item]


def settings(server) -> str:
    """Tokens of the right role. Wrong ones are limited (429), which the check for them does not expect: see below.

    Events may have members of any name, but not with a NUL in it (400), which a schema of OpenAPI 3.0 cannot say;
    nor can one in few words which action is for which kind of finding.
    """
    return f"""
headers = {{ Authorization = "Bearer {server.token("admin")}" }}
[checks]
ignored_auth.enabled = false
positive_data_acceptance.expected-statuses = {json.dumps(REFUSALS)}
[[operations]]
include-path = "/webhooks/minio"
headers = {{ Authorization = "Bearer {server.token("webhook")}" }}
checks.positive_data_acceptance.expected-statuses = {json.dumps([*REFUSALS, 400])}
[[operations]]
include-path = "/admin/findings/mend"
checks.positive_data_acceptance.expected-statuses = {json.dumps([*REFUSALS, 400])}
"""


@pytest.mark.timeout(300 * SLOW)
def test_schemathesis_finds_nothing(lockstep):
    seed(lockstep, ("p1", "500ml", 4))
    server = Server(lockstep).start()
    assert server.request("PUT", "/admin/products/p1/images/500ml/hero-card/a.png", png("a")).status == 201
    config = lockstep.folder / "schemathesis.toml"
    config.write_text(settings(server))
    argv = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", "--no-color"]
    argv += ["--seed", str(SEED), "--max-examples", str(EXAMPLES), "--mode", "all", "--continue-on-failure"]
    argv += ["--request-timeout", "30", f"http://{server.address}/openapi.yaml"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240 * SLOW, cwd=lockstep.folder)
    assert done.returncode == 0, f"{done.stdout[-12000:]}\n{done.stderr[-2000:]}\n{server.log.read_text()[-2000:]}"
    count = len(operations(server)) - 1  # it does not ask for the document itself once more
    assert f"Selected: {count}/{count}" in done.stdout and f"Tested: {count}" in done.stdout, done.stdout[-3000:]
    server.stop()
    lockstep.oracle.assert_in_step()


def test_each_operation_that_names_roles_wants_a_token(server):
    guarded = [(method, path) for method, path, operation in operations(server) if operation.get("security") != []]
    assert len(guarded) > 20
    for method, path in guarded:
        filled = path.replace("{type}", "hero-card").replace("{", "").replace("}", "")
        server.request(method.upper(), filled, role="").problem(401, "token")
