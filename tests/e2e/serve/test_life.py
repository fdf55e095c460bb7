# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, readiness, stopping, memory."""

import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from harness.images import seed
from harness.program import SLOW, wait_until
from harness.serve import Server
from harness.stopping import is_stopped

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
    wait_until(lambda: is_stopped(stopped), "the scan has begun")
    stopped.send_signal(signal.SIGTERM)
    stopped.send_signal(signal.SIGCONT)
    asker.join(60 * SLOW)
    assert answers and answers[0].status == 200 and answers[0].json["syncedFiles"] == 30
    assert stopped.wait(40 * SLOW) == 0


@pytest.mark.pairs("file")
def test_systemd_passes_a_socket_and_is_told_of_states(lockstep):
    """The two protocols by hand: LISTEN_FDS with descriptor 3, datagrams to NOTIFY_SOCKET."""
    server = Server(lockstep)
    token = server.token("admin")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(lockstep.folder / "notify"))
    told.settimeout(30 * SLOW)
    listener = socket.create_server(("127.0.0.1", 0))
    server.log = lockstep.folder / "process-socket.log"
    words = ["sh", "-c", 'LISTEN_PID=$$ exec "$@" 3<&0 </dev/null', "sh", *lockstep.argv("serve")]
    environment = lockstep.environment() | {"LISTEN_FDS": "1", "NOTIFY_SOCKET": str(lockstep.folder / "notify")}
    with server.log.open("wb") as log:
        server.process = subprocess.Popen(
            words, stdin=listener, stdout=log, stderr=log, env=environment, cwd=lockstep.folder
        )
    lockstep.processes.append(server.process)
    assert told.recv(100) == b"READY=1"
    assert server.address == f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    assert server.get("/readyz", headers={"Authorization": f"Bearer {token}"}).status == 200
    assert told.recv(100) == b"WATCHDOG=1"
    server.process.send_signal(signal.SIGTERM)
    while (state := told.recv(100)) == b"WATCHDOG=1":
        pass
    assert state == b"STOPPING=1" and server.process.wait(40 * SLOW) == 0
    told.close()


@pytest.mark.pairs("file")
def test_sighup_reads_the_tokens_again(lockstep, server):
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "event=tokens-read" in server.log.read_text(), "the file is read again")
    assert server.get("/metrics").status == 200
    (lockstep.folder / "lockstep.tokens").write_text("nonsense\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "event=tokens-not-read" in server.log.read_text(), "the file is read again")
    assert server.get("/metrics").status == 200, "a file that is no good takes nobody's token"


@pytest.mark.pairs("file")
def test_a_large_answer_needs_no_more_memory_than_a_small_one(lockstep):
    """Peak memory after a check of everything, with few files in the lists and with many: 4 and 40 MB of keys."""
    tokens = {}

    def peak(n_from: int, n_to: int) -> int:
        more = (
            "with recursive number(n) as (select ? union all select n + 1 from number where n < ?)"
            " insert into product_image (product_id, variant_id, variant_weight, image_type, file_name)"
            " select product_id, variant_id, variant_weight, image_type,"
            " 'products/p1/500ml/hero-card/row-' || n || ? from number, (select * from product_image limit 1)"
        )
        lockstep.oracle.execute(more, n_from, n_to - 1, f"{'x' * 150}.png")
        lockstep.run("settle")  # so that the server does not do it meanwhile
        server = Server(lockstep)
        server.tokens = tokens
        server.start()
        answer = server.get(CHECK_ALL + "?grace=0s", timeout=140)
        assert answer.status == 200 and answer.json["missingFiles"] == n_to
        assert len(answer.json["results"][0]["missingFiles"]) == n_to
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        server.stop()
        return int(status.split("VmHWM:")[1].split()[0])

    seed(lockstep, ("p1", "500ml", 1))
    lockstep.set_config("settle", "insert", "ignore")
    small, large = peak(0, 20_000), peak(20_000, 200_000)
    print(f"{small} KiB with 20,000 images, {large} KiB with 200,000")
    assert large - small < 8 * 1024, f"{small} KiB with 20,000 images, {large} KiB with 200,000"
