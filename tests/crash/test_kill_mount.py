# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount is killed while it works: what close, rename and unlink acknowledged is there, the rest is old or new."""

import shutil
import signal
import subprocess

import pytest
from harness.crash import contents, contents_before, judge, prepare
from harness.images import make_tree, png
from harness.program import SLOW, wait_until

NEW = png("new bytes", 24)

# name -> (prefix of the fail points that it passes, what a shell runs below the product's folder, new bytes in $1)
ACTIONS = {
    "write_new": ("engine.put.", 'cp "$1" 500ml/hero-card/new.png'),
    "overwrite": ("engine.put.", 'cp "$1" 500ml/hero-card/image-a.png'),
    "unlink": ("engine.remove.", "rm 500ml/hero-card/image-a.png"),
    "rename_over": ("engine.rename.", "mv -f 500ml/hero-card/image-a.png 500ml/hero-card/image-b.png"),
    "rename_weight": ("engine.rename_folder.", "mv -T 500ml 750ml"),
    "replace_by_scratch": (
        "engine.put.",
        'cd 500ml/hero-card && cp "$1" .image-a.png.Ab12Cd && mv -f .image-a.png.Ab12Cd image-a.png',
    ),
    "rename_while_written": (
        "engine.put.",
        "cd 500ml/hero-card && python3 -c '\n"
        'import os; fd = os.open("image-a.png", os.O_WRONLY); os.write(fd, b"new text"); os.ftruncate(fd, 8)\n'
        'os.rename("image-a.png", "new.png"); os.close(fd)\'',
    ),
}


def effect(action, product, before):
    hero = f"products/{product}/500ml/hero-card/"
    if action == "write_new":
        return before | {hero + "new.png": NEW}
    if action == "rename_while_written":
        rest = {key: data for key, data in before.items() if key != hero + "image-a.png"}
        return rest | {hero + "new.png": b"new text"}
    if action in ("overwrite", "replace_by_scratch"):
        return before | {hero + "image-a.png": NEW}
    if action == "unlink":
        return {key: data for key, data in before.items() if key != hero + "image-a.png"}
    if action == "rename_over":
        rest = {key: data for key, data in before.items() if key != hero + "image-a.png"}
        return rest | {hero + "image-b.png": before[hero + "image-a.png"]}
    return {key.replace("/500ml/", "/750ml/"): data for key, data in before.items()}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_mount_killed_at_each_fail_point_comes_back_old_or_new(lockstep, folder, action):
    (folder / "new.png").write_bytes(NEW)
    fired = []
    prefix, script = ACTIONS[action]
    for count, point in enumerate(lockstep.failpoints(prefix)):
        name = f"p{count:03d}"
        before = prepare(lockstep, name)
        mount = lockstep.mount(failpoint=f"{point}=kill")
        done = subprocess.run(
            ["sh", "-c", script, "sh", folder / "new.png"],
            cwd=mount.products / name,
            capture_output=True,
            timeout=60 * SLOW,
        )
        acknowledged = done.returncode == 0
        if mount.process.poll() is None and acknowledged:
            assert mount.unmount() == 0
        else:
            assert mount.died_by_kill(), f"{action} failed at {point} without a kill: {mount.text()[-3000:]}"
            fired.append(point)
        lockstep.run("recover")
        after = effect(action, name, before)
        judge(lockstep, name, after if acknowledged else before, after, f"{action} at {point}")
    assert len(fired) >= 2, f"only {fired} fired"
    lockstep.run("scan", "--grace=0s", check=0)


def test_a_running_mount_settles_what_a_dead_process_has_left(lockstep, folder):
    (folder / "new.png").write_bytes(NEW)
    key = "products/p1/500ml/hero-card/new.png"
    before = prepare(lockstep, "p1")
    mount = lockstep.mount()
    killed = lockstep.run("put", folder / "new.png", key, failpoint="engine.put.uploaded=kill", check=None)
    assert killed.returncode == -signal.SIGKILL and lockstep.backend.get(key) == NEW
    assert len(lockstep.oracle.open_intents()) == 1
    # Nobody starts, and nobody touches this path meanwhile: no operation meets the dead one's claim.
    wait_until(lambda: not lockstep.oracle.open_intents(), "the journal is empty", 60)
    judge(lockstep, "p1", before, before, "a put that was killed")
    wait_until(lambda: "event=recovered" in mount.text(), "the mount says so")
    assert mount.text().count("event=recovered") == 1
    assert mount.unmount() == 0
    lockstep.assert_in_step()


def test_a_mount_killed_during_an_rsync_keeps_what_was_acknowledged(lockstep, folder):
    make_tree(folder / "source", "p1", "500ml", 200)
    mount = lockstep.mount()
    rsync = subprocess.Popen(
        ["rsync", "-a", f"{folder}/source/products/", f"{mount.products}/"], stderr=subprocess.DEVNULL
    )
    from harness.program import wait_until

    wait_until(lambda: len(lockstep.oracle.rows()) >= 40, "some files have arrived")
    mount.kill()
    rsync.wait(60 * SLOW)
    lockstep.run("recover")
    lockstep.oracle.assert_in_step()
    assert len(lockstep.oracle.rows()) >= 40
    again = lockstep.mount()
    done = subprocess.run(
        ["rsync", "-a", f"{folder}/source/products/", f"{again.products}/"], timeout=100 * SLOW, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert len(lockstep.oracle.objects()) == 200
    lockstep.assert_in_step()


def test_acknowledged_files_survive_kill_9(lockstep):
    mount = lockstep.mount()
    path = mount.products / "p1/500ml/hero-card"
    path.mkdir(parents=True)
    wanted = {}
    for i in range(20):
        (path / f"{i}.png").write_bytes(png(i))
        wanted[f"products/p1/500ml/hero-card/{i}.png"] = png(i)
    mount.kill()
    lockstep.run("recover")
    assert contents(lockstep, "p1") == wanted
    lockstep.assert_in_step()


def test_a_folder_rename_killed_in_the_middle_is_settled_by_the_next_mount(lockstep):
    before = prepare(lockstep, "p1")
    point = "engine.rename_folder.copied"
    mount = lockstep.mount(failpoint=f"{point}=kill")
    done = subprocess.run(
        ["mv", mount.products / "p1/500ml", mount.products / "p1/750ml"], capture_output=True, timeout=60
    )
    if mount.process.poll() is None and done.returncode == 0:
        pytest.fail(f"{point} did not fire")
    assert mount.died_by_kill()
    again = lockstep.mount()
    shown = {path.name for path in (again.products / "p1").iterdir()}
    assert shown in ({"500ml", "1kg"}, {"750ml", "1kg"})
    assert again.unmount() == 0
    judge(lockstep, "p1", before, effect("rename_weight", "p1", before), "next mount")


def test_contents_helper_sees_what_prepare_made(lockstep_file):
    """The judge itself: a lost byte must not go unnoticed."""
    before = prepare(lockstep_file, "p1")
    assert contents(lockstep_file, "p1") == before == contents_before("p1")
    shutil.rmtree(lockstep_file.backend.directory / "products/p1/1kg")
    with pytest.raises(AssertionError):
        judge(lockstep_file, "p1", before, before, "a lost object")
