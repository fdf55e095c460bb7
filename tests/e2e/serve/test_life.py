# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, readiness, stopping, memory."""

import signal
import threading
from pathlib import Path

import pytest
from harness.images import png, seed
from harness.program import wait_until
from harness.serve import Server
from harness.tools import sized

CHECK_ALL = "/admin/products/sync/check-all"


def test_ready_means_that_both_sides_answer(lockstep, server):
    assert server.get("/readyz").json == {"status": "ready"}
    assert server.get("/healthz").json == {"status": "ok"}


@pytest.mark.pairs("file")
def test_a_port_that_is_taken_is_told(lockstep, server):
    done = lockstep.run("serve", "--listen", server.address, check=4)
    assert server.address in done.stderr and "another port" in done.stderr


@pytest.mark.pairs("file", "postgres")
def test_sigterm_lets_a_running_request_finish(lockstep):
    seed(lockstep, ("p1", "500ml", 30))
    server = Server(lockstep).start()
    stopped = lockstep.start("serve", "--listen", "127.0.0.1:0", failpoint="store.list.called=stop")
    log = lockstep.folder / f"process-{len(lockstep.processes) - 1}.log"
    server.stop()
    wait_until(lambda: "listening on http" in log.read_text(), "the second server listens")
    server.process, server.log = stopped, log
    answers = []
    asker = threading.Thread(target=lambda: answers.append(server.get(CHECK_ALL)))
    asker.start()
    state = Path(f"/proc/{stopped.pid}/stat")
    wait_until(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", "the scan has begun")
    stopped.send_signal(signal.SIGTERM)
    stopped.send_signal(signal.SIGCONT)
    asker.join(60)
    assert answers and answers[0].status == 200 and answers[0].json["syncedFiles"] == 30
    assert stopped.wait(40) == 0


@pytest.mark.pairs("file")
def test_a_large_answer_needs_no_more_memory_than_a_small_one(lockstep):
    """Peak memory after a check of everything, with few images and with many."""
    tokens, many = {}, sized(60_000, 200_000)

    def peak(n_from: int, n_to: int) -> int:
        folder = lockstep.backend.directory / "products/p1/500ml/hero-card"
        folder.mkdir(parents=True, exist_ok=True)
        data = png("same")
        for number in range(n_from, n_to):
            (folder / f"{number:06d}.png").write_bytes(data)
        server = Server(lockstep)
        server.tokens = tokens
        server.start()
        answer = server.get(CHECK_ALL + "?grace=0s", timeout=140)
        assert answer.status == 200 and answer.json["orphanedFiles"] == n_to
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        server.stop()
        return int(status.split("VmHWM:")[1].split()[0])

    small, large = peak(0, 2000), peak(2000, many)
    print(f"{small} KiB with 2,000 images, {large} KiB with {many}")
    assert large - small < 8 * 1024, f"{small} KiB with 2,000 images, {large} KiB with {many}"
