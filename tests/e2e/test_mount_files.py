# SPDX-License-Identifier: GPL-3.0-or-later
"""Files through the mount: what cp, editors, touch, chmod, truncate, append and rename do reaches both sides."""

import errno
import os
import shutil
import stat
import subprocess

import pytest
from harness.images import make_tree, png
from harness.program import SLOW

pytestmark = pytest.mark.mount


def sh(*argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, f"{argv}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture
def mount(lockstep):
    return lockstep.mount()


@pytest.fixture
def heroes(mount):
    """A folder for files."""
    path = mount.products / "p1/500ml/hero-card"
    path.mkdir(parents=True)
    return path


KEY = "products/p1/500ml/hero-card/a.png"


def test_a_written_file_is_in_store_and_catalog_when_close_returns(lockstep, heroes):
    data = png("a", 64)
    (heroes / "a.png").write_bytes(data)
    assert lockstep.backend.get(KEY) == data
    assert list(lockstep.oracle.rows()) == [KEY]
    lockstep.assert_in_step()


def test_fsync_commits_before_close(lockstep, heroes):
    with open(heroes / "a.png", "wb") as out:
        out.write(b"first half")
        out.flush()
        os.fsync(out.fileno())
        assert lockstep.backend.get(KEY) == b"first half"
        out.write(b", second half")
    assert lockstep.backend.get(KEY) == b"first half, second half"
    lockstep.assert_in_step()


def test_cp_a_keeps_bytes_modes_and_times(lockstep, mount, folder):
    make_tree(folder / "source", "p1", "500ml", 12)
    os.chmod(folder / "source/products/p1/500ml/hero-card/image-0000.png", 0o600)
    sh("cp", "-a", folder / "source/products/p1", f"{mount.products}/")
    sh("diff", "-r", folder / "source/products", mount.products)
    for path in (folder / "source/products").rglob("*"):
        there = mount.products / path.relative_to(folder / "source/products")
        a, b = path.stat(), there.stat()
        assert (a.st_mode, a.st_mtime_ns, a.st_uid, a.st_gid) == (b.st_mode, b.st_mtime_ns, b.st_uid, b.st_gid), there
    lockstep.assert_in_step()


def test_an_empty_file_is_an_object_of_no_bytes(lockstep, heroes):
    (heroes / "empty.png").touch()
    assert lockstep.backend.get("products/p1/500ml/hero-card/empty.png") == b""
    lockstep.assert_in_step()


def test_append_and_truncate_change_object_and_row(lockstep, heroes):
    path = heroes / "a.png"
    path.write_bytes(b"0123456789")
    with open(path, "ab") as out:
        out.write(b"abc")
    assert lockstep.backend.get(KEY) == b"0123456789abc"
    os.truncate(path, 4)
    assert lockstep.backend.get(KEY) == b"0123" and path.read_bytes() == b"0123"
    os.truncate(path, 6)
    assert lockstep.backend.get(KEY) == b"0123\0\0"
    with open(path, "r+b") as out:
        out.seek(2)
        out.write(b"XY")
    assert lockstep.backend.get(KEY) == b"01XY\0\0"
    lockstep.assert_in_step()


def test_truncate_to_nothing_and_rewrite_is_one_new_object(lockstep, heroes):
    path = heroes / "a.png"
    path.write_bytes(b"old")
    path.write_bytes(b"quite new")
    assert lockstep.backend.get(KEY) == b"quite new" == path.read_bytes()
    lockstep.assert_in_step()


def test_a_large_file_arrives_whole(lockstep, heroes):
    data = os.urandom(40_000_000)
    (heroes / "a.png").write_bytes(data)
    assert lockstep.backend.get(KEY) == data
    lockstep.assert_in_step()
    assert (heroes / "a.png").read_bytes() == data


def test_touch_chmod_and_chown_persist_across_a_remount(lockstep, mount, heroes):
    path, weight = heroes / "a.png", mount.products / "p1/500ml"
    path.write_bytes(png("a"))
    before = lockstep.oracle.objects()
    sh("touch", "-d", "2001-02-03 04:05:06.789 UTC", path)
    os.chmod(path, 0o640)
    sh("touch", "-d", "2002-02-03 04:05:06 UTC", weight)
    os.chmod(weight, 0o750)
    wanted = 0o640
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    assert mount.unmount() == 0
    again = lockstep.mount()
    found = (again.products / "p1/500ml/hero-card/a.png").stat()
    assert found.st_mtime_ns == 981_173_106_789_000_000
    assert stat.S_IMODE(found.st_mode) == wanted
    if os.geteuid() == 0:
        assert (found.st_uid, found.st_gid) == (1234, 2345)
    folder = (again.products / "p1/500ml").stat()
    assert (folder.st_mtime, stat.S_IMODE(folder.st_mode)) == (1_012_709_106, 0o750)
    assert {key: obj.etag for key, obj in before.items()} == {
        key: obj.etag for key, obj in lockstep.oracle.objects().items()
    }
    lockstep.assert_in_step()


def test_rename_over_an_existing_name_leaves_the_new_bytes(lockstep, heroes):
    (heroes / "a.png").write_bytes(b"old")
    (heroes / "b.png").write_bytes(b"new")
    os.rename(heroes / "b.png", heroes / "a.png")
    assert os.listdir(heroes) == ["a.png"]
    assert (heroes / "a.png").read_bytes() == b"new" == lockstep.backend.get(KEY)
    lockstep.assert_in_step()


def test_a_file_moves_between_types_weights_and_products(lockstep, mount, heroes):
    (heroes / "a.png").write_bytes(b"bytes")
    for target in ("p1/500ml/info-card", "p1/1kg/info-card", "p2/1kg/other-images"):
        (mount.products / target).mkdir(parents=True, exist_ok=True)
        source = next(path for path in mount.products.rglob("a.png"))
        sh("mv", source, mount.products / target)
        assert list(lockstep.oracle.rows()) == [f"products/{target}/a.png"]
        lockstep.assert_in_step()


def test_a_product_folder_is_renamed_with_all_below_it(lockstep, mount, folder):
    make_tree(folder / "source", "p1", "500ml", 6)
    make_tree(folder / "source", "p1", "1kg", 6)
    sh("cp", "-r", folder / "source/products/p1", mount.products)
    os.rename(mount.products / "p1", mount.products / "p7")
    assert os.listdir(mount.products) == ["p7"]
    assert {key.split("/")[1] for key in lockstep.oracle.rows()} == {"p7"}
    lockstep.assert_in_step()


def test_unlink_removes_both_sides(lockstep, heroes):
    (heroes / "a.png").write_bytes(b"a")
    (heroes / "b.png").write_bytes(b"b")
    (heroes / "a.png").unlink()
    assert list(lockstep.oracle.objects()) == ["products/p1/500ml/hero-card/b.png"]
    lockstep.assert_in_step()


@pytest.mark.parametrize("name", [".a.png.Xy12Zw", ".a.png.swp", "a.png~", "._a.png", ".DS_Store", "a.png.part"])
def test_scratch_names_stay_local_until_they_get_a_real_name(lockstep, heroes, name):
    (heroes / name).write_bytes(b"scratch")
    assert (heroes / name).read_bytes() == b"scratch" and name in os.listdir(heroes)
    assert lockstep.oracle.objects() == {} and lockstep.oracle.rows() == {}
    os.rename(heroes / name, heroes / "a.png")
    assert list(lockstep.oracle.objects()) == [KEY]
    assert lockstep.backend.get(KEY) == b"scratch"
    lockstep.assert_in_step()


def test_a_scratch_file_that_is_removed_leaves_nothing(lockstep, mount, heroes):
    (heroes / "a.png").write_bytes(b"a")
    os.rename(heroes / "a.png", heroes / "a.png~")
    os.rename(heroes / "a.png~", heroes / "a.png")
    (heroes / ".b.png.123456").write_bytes(b"b")
    (heroes / ".b.png.123456").unlink()
    assert mount.unmount() == 0
    assert list(lockstep.oracle.objects()) == [KEY]
    lockstep.assert_in_step()


def test_editors_that_write_a_new_file_and_rename_it(lockstep, heroes):
    path = heroes / "notes.txt"
    path.write_text("one\ntwo\n")
    sh("sed", "-i", "s/two/three/", path)
    assert path.read_text() == "one\nthree\n"
    sh("vim.tiny", "-u", "NONE", "-N", "-es", "-c", "set backup writebackup", "-c", "%s/one/zero/", "-c", "wq", path)
    assert path.read_text() == "zero\nthree\n"
    assert lockstep.backend.get("products/p1/500ml/hero-card/notes.txt") == b"zero\nthree\n"
    assert [key for key in lockstep.oracle.objects() if not key.endswith("notes.txt")] == []
    lockstep.assert_in_step()


def test_rsync_inplace_and_delete_follow_the_source(lockstep, mount, folder):
    source = folder / "source"
    make_tree(source, "p1", "500ml", 9)
    sh("rsync", "-a", f"{source}/products/", f"{mount.products}/")
    (source / "products/p1/500ml/hero-card/image-0000.png").write_bytes(png("changed", 20))
    (source / "products/p1/500ml/hero-card/image-0003.png").unlink()
    sh("rsync", "-a", "--inplace", "--delete", f"{source}/products/", f"{mount.products}/")
    sh("diff", "-r", f"{source}/products", mount.products)
    assert len(lockstep.oracle.objects()) == 8
    lockstep.assert_in_step()


def test_mkdir_and_rmdir_make_and_remove_product_and_variant_rows(lockstep, mount):
    (mount.products / "p9").mkdir()
    assert lockstep.oracle.products() == {"p9"}
    (mount.products / "p9/1kg").mkdir()
    assert lockstep.oracle.variants() == {("p9", "1kg"): 1}
    (mount.products / "p9/1kg/hero-card").mkdir()
    assert os.listdir(mount.products / "p9/1kg") == ["hero-card"]
    with pytest.raises(OSError) as full:
        (mount.products / "p9").rmdir()
    assert full.value.errno == errno.ENOTEMPTY
    (mount.products / "p9/1kg/hero-card").rmdir()
    (mount.products / "p9/1kg").rmdir()
    assert lockstep.oracle.variants() == {}
    (mount.products / "p9").rmdir()
    assert lockstep.oracle.products() == set()
    assert lockstep.oracle.objects() == {}


def test_only_known_types_and_nothing_deeper_can_be_made(mount, heroes):
    for bad in ("p1/500ml/unknown-type", "p1/500ml/hero-card/deeper", "../elsewhere"):
        with pytest.raises(OSError):
            (mount.products / bad).mkdir()
    for bad in ("stray.png", "p1/stray.png", "p1/500ml/stray.png"):
        with pytest.raises(OSError):
            (mount.products / bad).write_bytes(b"x")


def test_links_and_special_files_are_refused(heroes):
    (heroes / "a.png").write_bytes(b"a")
    for make in (
        lambda: os.symlink("a.png", heroes / "link"),
        lambda: os.link(heroes / "a.png", heroes / "hard"),
        lambda: os.mkfifo(heroes / "pipe"),
    ):
        with pytest.raises(OSError) as refused:
            make()
        assert refused.value.errno == errno.EPERM
    assert os.listdir(heroes) == ["a.png"]


def test_rm_r_of_a_weight_removes_variant_objects_and_rows(lockstep, mount, folder):
    make_tree(folder / "source", "p1", "500ml", 9)
    sh("cp", "-r", f"{folder}/source/products/p1", mount.products)
    shutil.rmtree(mount.products / "p1/500ml")
    assert lockstep.oracle.objects() == {} and lockstep.oracle.variants() == {}
    lockstep.assert_in_step()


def test_df_and_stat_answer(mount):
    sh("df", mount.path)
    sh("stat", mount.path, mount.products)
    assert "products" in os.listdir(mount.path)


def test_odd_file_names_survive_the_round_trip(lockstep, mount, heroes):
    names = ["a b.png", "a+b.png", "50%.png", "%2F.png", "ä-é.png", "'; DROP TABLE--.png", "<img src=x>.png", "#?&.png"]
    for name in names:
        (heroes / name).write_bytes(name.encode())
    assert sorted(os.listdir(heroes)) == sorted(names)
    assert mount.unmount() == 0
    again = lockstep.mount().products / "p1/500ml/hero-card"
    for name in names:
        assert (again / name).read_bytes() == name.encode()
    os.rename(again.parent, again.parent.parent / "1 kg + 50%")
    lockstep.oracle.assert_in_step()


def test_many_writers_at_once_lose_nothing(lockstep, heroes):
    from concurrent.futures import ThreadPoolExecutor

    def write(i):
        (heroes / f"image-{i}.png").write_bytes(png(i))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    assert len(lockstep.oracle.objects()) == 64
    lockstep.assert_in_step()


def test_what_the_command_line_changes_is_seen_in_the_mount(lockstep, heroes):
    (heroes / "a.png").write_bytes(b"from the mount")
    assert lockstep.get(KEY) == b"from the mount"
    lockstep.put(KEY, b"from the command line")
    lockstep.put("products/p1/500ml/hero-card/b.png", b"another")
    from harness.program import wait_until

    wait_until(lambda: (heroes / "a.png").read_bytes() == b"from the command line", "the mount shows the new bytes")
    wait_until(lambda: sorted(os.listdir(heroes)) == ["a.png", "b.png"], "the mount shows the new name")
