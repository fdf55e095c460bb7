# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan beside running work reports nothing: neither by luck (racing) nor when the work is stopped at each step."""

import signal
import subprocess

import pytest
from harness.images import make_tree, png, seed
from harness.program import SLOW
from harness.stopping import stopped_at_their_points

FIELDS = ("orphaned", "missing", "stale", "misfiled", "moved", "misplaced", "pending")


def assert_silent(lockstep):
    found = lockstep.scan_json(check=0)
    assert not any(found[f"{name}Files"] for name in FIELDS if name != "pending"), found
    return found


def scans_beside(lockstep, *argv) -> int:
    """How many scans began while a command was at work; it may have ended before the first one."""
    process, scans = subprocess.Popen(argv), 0
    try:
        while process.poll() is None:
            assert_silent(lockstep)
            scans += 1
        assert process.wait(60 * SLOW) == 0
    finally:
        process.kill()
        process.wait()
    return scans


@pytest.mark.mount
def test_scans_during_an_rsync_report_nothing(lockstep, folder):
    make_tree(folder / "source", "p1", "500ml", 250)
    mount, scans, turn = lockstep.mount(), 0, 0
    while scans < 2 and turn < 10:
        turn += 1
        scans += scans_beside(lockstep, "rsync", "-a", f"{folder}/source/products/p1/", f"{mount.products}/p{turn}/")
    assert scans >= 2, "no scan took place beside the rsync"
    lockstep.assert_in_step()


@pytest.mark.mount
def test_scans_during_a_folder_rename_report_nothing(lockstep):
    seed(lockstep, ("p1", "500ml", 300))
    product, names = lockstep.mount().products / "p1", ("500ml", "1kg", "2kg")
    scans = turn = 0
    while turn < 3 or (scans < 2 and turn < 30):
        scans += scans_beside(lockstep, "mv", product / names[turn % 3], product / names[(turn + 1) % 3])
        turn += 1
    assert scans >= 2, "no scan took place beside the renames"
    lockstep.assert_in_step()


# name -> (prefix of its fail points, command)
OPERATIONS = {
    "put": ("engine.put.", lambda folder: ("put", folder / "new.png", "products/p1/500ml/hero-card/new.png")),
    "overwrite": (
        "engine.put.",
        lambda folder: ("put", folder / "new.png", "products/p1/500ml/hero-card/image-0000.png"),
    ),
    "remove": ("engine.remove.", lambda folder: ("rm", "products/p1/500ml/hero-card/image-0000.png")),
    "rename": ("engine.rename_folder.", lambda folder: ("variant", "rename", "p1", "500ml", "750ml")),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_scan_beside_an_operation_stopped_at_any_step_reports_nothing(lockstep, folder, operation):
    """SIGSTOP at each fail point in turn; the scan runs meanwhile; then the operation goes on and succeeds."""
    seed(lockstep, ("p1", "500ml", 6))
    (folder / "new.png").write_bytes(png("new", 20))
    fired = []
    prefix, command = OPERATIONS[operation]
    for point in lockstep.failpoints(prefix):
        (folder / "new.png").write_bytes(png(point, 20))
        process = lockstep.start(*command(folder), failpoint=f"{point}=stop")
        if stopped_at_their_points([process]):
            fired.append(point)
            assert_silent(lockstep)
            process.send_signal(signal.SIGCONT)
        assert process.wait(30 * SLOW) == 0, f"{operation} after a stop at {point}"
        # put things back for the next point
        if operation == "put":
            lockstep.run("rm", "products/p1/500ml/hero-card/new.png")
        elif operation == "remove":
            lockstep.put("products/p1/500ml/hero-card/image-0000.png", png("again"))
        elif operation == "rename":
            lockstep.run("variant", "rename", "p1", "750ml", "500ml")
    assert len(fired) >= 2, f"only {fired} fired"
    lockstep.assert_in_step()


def test_the_result_of_recovery_is_not_an_alarm_either(lockstep, folder):
    """A killed operation leaves a dead intent; the next scan recovers it first and then sees nothing."""
    seed(lockstep, ("p1", "500ml", 6))
    (folder / "new.png").write_bytes(png("new"))
    killed = 0
    for point in lockstep.failpoints("engine.put."):
        done = lockstep.run(
            "put", folder / "new.png", "products/p1/500ml/hero-card/n.png", failpoint=f"{point}=kill", check=None
        )
        killed += done.returncode == -signal.SIGKILL
        assert_silent(lockstep)
    assert killed, "no fail point of put fired"
    lockstep.oracle.assert_in_step()
