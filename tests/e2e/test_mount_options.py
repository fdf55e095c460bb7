# SPDX-License-Identifier: GPL-3.0-or-later
"""How others start a mount: mount(8) and fstab, an ordinary user with fusermount3. Each in a mount namespace of its
own, so that neither /etc nor the mounts of the machine are touched."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from harness.images import png
from harness.mount import daemons_of
from harness.program import SLOW, program, wait_until
from harness.tools import LET_GO

pytestmark = [
    pytest.mark.mount,
    pytest.mark.skipif(os.geteuid() != 0, reason="mount(8) and namespaces need root"),
]

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[2]
AS_NOBODY = f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups"


class Namespace:
    """Runs shell scripts in a private mount namespace; $M is the mount point, $C the config.

    mount(8) gives its helpers a PATH of its own, so the program lies in /usr/local/bin there. Where only root may use
    /dev/fuse, the namespace has one that everybody may.
    """

    PREPARE = f"""
        own=
        {LET_GO}
        mount --bind bin /usr/local/bin
        if [ "$(stat -c %a /dev/fuse)" != 666 ]; then
            [ -e fuse ] || mknod fuse c 10 229
            chmod 666 fuse
            mount --bind fuse /dev/fuse
        fi
    """

    def __init__(self, lockstep):
        self.lockstep, self.path = lockstep, lockstep.folder / "there"
        self.path.mkdir()
        (lockstep.folder / "bin").mkdir()
        shutil.copy(program(), lockstep.folder / "bin/lockstep")  # where another user may read it
        (lockstep.folder / "bin/lockstep").chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess:
        folder = self.lockstep.folder
        env = self.lockstep.environment() | {
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "M": str(self.path),
            "C": str(self.lockstep.config),
        }
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-eu", "-c", self.PREPARE + script],
            capture_output=True,
            text=True,
            env=env,
            cwd=folder,
            timeout=100 * SLOW,
        )
        self.lockstep.judge_output(done.stdout + done.stderr, f"{script}\n{done.stdout}\n{done.stderr}")
        return done

    def ended(self) -> None:
        wait_until(lambda: not daemons_of(self.path), "the daemon ends after the unmount", 60)


@pytest.fixture
def namespace(lockstep_file):
    space = Namespace(lockstep_file)
    yield space
    for pid in daemons_of(space.path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_mount_8_mounts_by_the_configs_name(namespace, folder):
    (folder / "a.png").write_bytes(png("a"))
    done = namespace.run("""
        mount -t fuse.lockstep "$C" "$M" -o uid=1234,fmask=0137,noauto,x-test
        grep " $M " /proc/self/mountinfo
        mkdir -p "$M/products/p1/500ml/hero-card"
        cp a.png "$M/products/p1/500ml/hero-card/a.png"
        stat -c '%u %a' "$M/products/p1/500ml/hero-card/a.png"
        df "$M" >/dev/null
        umount "$M"
    """)
    assert done.returncode == 0, done
    assert " fuse.lockstep file:" in done.stdout and "\n1234 640\n" in done.stdout, done
    namespace.ended()
    namespace.lockstep.assert_in_step()
    assert namespace.lockstep.oracle.rows().keys() == {"products/p1/500ml/hero-card/a.png"}


def test_mount_8_hears_of_failures(namespace, folder):
    done = namespace.run("""
        for words in "-o nonsense $C $M" "-o uid=ann $C $M" "$C/nowhere $M" "$C.missing $M" "$C $M/nowhere"; do
            set +e
            mount -t fuse.lockstep $words
            echo "$? $words"
        done
        ! grep " $M " /proc/self/mountinfo
    """)
    assert done.returncode == 0, done
    statuses = [int(line.split()[0]) for line in done.stdout.splitlines()]
    assert len(statuses) == 5 and all(statuses) and statuses[0] == statuses[1] == 1, done
    assert "-o nonsense: there is no such option" in done.stderr and "-o uid=ann: wants a number" in done.stderr, done
    assert ".missing" in done.stderr
    namespace.ended()


def test_the_lines_of_the_example_fstab_mount(namespace, folder):
    lines = [line.lstrip("#") for line in (ROOT / "examples/fstab").read_text().splitlines()]
    options = [line.split()[3] for line in lines if re.match(r"/\S+\s+/\S+\s+fuse\.lockstep\s", line)]
    assert len(options) == 3
    for words in options:
        words = words.replace("/home/ann", str(folder))
        (folder / "fstab").write_text(f"{namespace.lockstep.config} {namespace.path} fuse.lockstep {words} 0 0\n")
        done = namespace.run('mount --fstab fstab "$M"; ls "$M"; grep " $M " /proc/self/mountinfo; umount "$M"')
        assert done.returncode == 0 and "products" in done.stdout, (words, done)
        assert (" ro," in done.stdout) == words.startswith("ro"), done
        namespace.ended()


def owned_by_nobody(folder):
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def test_an_ordinary_user_mounts_with_fusermount3(namespace, folder):
    (folder / "a.png").write_bytes(png("a"))
    owned_by_nobody(folder)
    done = namespace.run(f"""
        {AS_NOBODY} sh -eu -c '
            lockstep --config "$C" mount "$M"
            mkdir -p "$M/products/p1/500ml/hero-card"
            cp a.png "$M/products/p1/500ml/hero-card/a.png"
            mv "$M/products/p1/500ml" "$M/products/p1/1kg"
            cmp a.png "$M/products/p1/1kg/hero-card/a.png"
            stat -c "%u" "$M/products/p1/1kg/hero-card/a.png"
            fusermount3 -u "$M"
        '
    """)
    assert done.returncode == 0 and done.stdout.split() == [str(NOBODY)], done
    namespace.ended()
    namespace.lockstep.assert_in_step()
    assert namespace.lockstep.oracle.rows().keys() == {"products/p1/1kg/hero-card/a.png"}


@pytest.mark.parametrize("word", ["allow_other", "allow_root"])
def test_allow_other_of_an_ordinary_user_depends_on_fuse_conf(namespace, folder, word):
    owned_by_nobody(folder)
    (folder / "closed.conf").write_text("# user_allow_other\n")
    (folder / "open.conf").write_text("user_allow_other\n")
    for name in ("closed.conf", "open.conf"):
        os.chown(folder / name, 0, 0)
        (folder / name).chmod(0o644)
    done = namespace.run(f"""
        mount --bind closed.conf /etc/fuse.conf
        set +e
        {AS_NOBODY} lockstep --config "$C" mount -o {word} "$M"
        echo "status $?"
        set -e
        ! grep " $M " /proc/self/mountinfo
        umount /etc/fuse.conf
        mount --bind open.conf /etc/fuse.conf
        {AS_NOBODY} lockstep --config "$C" mount -o {word} "$M"
        ls "$M"
        {AS_NOBODY} fusermount3 -u "$M"
    """)
    assert done.returncode == 0 and done.stdout.split() == ["status", "4", "products"], done
    assert f"-o {word}" in done.stderr and "user_allow_other" in done.stderr, done
    namespace.ended()


def test_d_traces_on_standard_error_and_stays_in_the_foreground(lockstep_file):
    for words in (("-d",), ("-o", "debug")):
        mount = lockstep_file.mount(*words)
        os.listdir(mount.path)
        assert mount.unmount() == 0
        assert "LOOKUP" in mount.text() or "opcode" in mount.text(), mount.text()[-2000:]


def test_an_option_that_is_wrong_is_named_and_nothing_is_mounted(lockstep_file, folder):
    (folder / "m").mkdir()
    for word in ("alow_other", "uid=me", "ro,rw", "commit=later", "cache_dir=relative", "cache_size=much"):
        done = lockstep_file.run("mount", "-o", word, folder / "m", check=64)
        assert word.split(",")[0].split("=")[0] in done.stderr and "lockstep help mount" in done.stderr, done.stderr
    assert not daemons_of(folder / "m")
