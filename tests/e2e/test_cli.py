# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: files, variants, import, init, statuses; both sides judged from outside."""

import json
import os
import urllib.error
import urllib.request

import pytest
from harness.images import png, seed
from harness.program import wait_until

KEY = "products/p1/500ml/hero-card/a.png"


def test_put_get_ls_mv_rm_url(lockstep):
    data = png("a", 40)
    lockstep.put(KEY, data)
    assert lockstep.backend.get(KEY) == data and lockstep.get(KEY) == data
    assert KEY in lockstep.run("ls").stdout
    assert KEY in lockstep.run("ls", "products/p1/").stdout
    assert KEY not in lockstep.run("ls", "products/p2/").stdout
    lockstep.oracle.assert_in_step()
    other = "products/p1/500ml/info-card/b.png"
    lockstep.run("mv", KEY, other)
    assert list(lockstep.oracle.objects()) == [other]
    lockstep.oracle.assert_in_step()
    lockstep.run("rm", other)
    assert lockstep.oracle.objects() == {}
    lockstep.assert_in_step()


@pytest.mark.pairs("minio", "postgres")
def test_an_url_that_expires_opens_a_private_object_until_then(lockstep):
    key = "products/p1/500ml/hero-card/ä b+c%.png"
    lockstep.put(key, png("a"))
    url = lockstep.run("url", "--expires=1h", key).stdout.strip()
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.read() == png("a")
    for wrong in (url.partition("?")[0], url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(wrong, timeout=20)
    short = lockstep.run("url", "--expires=1s", key).stdout.strip()
    wait_until(lambda: status_of(short) == 403, "it has expired", 20)


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_directory_has_no_urls_that_expire(lockstep_file):
    assert "local directory" in lockstep_file.run("url", "--expires=1h", KEY, check=4).stderr


def test_put_over_an_existing_name_replaces_bytes_and_row(lockstep):
    lockstep.put(KEY, b"old")
    before = lockstep.oracle.rows()[KEY].id
    lockstep.put(KEY, b"newer")
    assert lockstep.oracle.rows()[KEY].id == before
    assert lockstep.backend.get(KEY) == b"newer"
    lockstep.assert_in_step()


def test_a_key_outside_the_layout_is_refused(lockstep):
    for key in ("products/p1/a.png", "products/p1/500ml/unknown/a.png", "a.png", "products/p1/../hero-card/a.png"):
        done = lockstep.put(key, b"x", check=None)
        assert done.returncode != 0 and done.stderr.strip(), key
    assert lockstep.oracle.objects() == {}


def test_rm_of_many_keys_is_all_or_nothing(lockstep):
    keys = seed(lockstep, ("p1", "500ml", 6))
    done = lockstep.run("rm", *keys[:3], "products/p1/500ml/hero-card/no-such.png", check=None)
    assert done.returncode != 0 and "no-such.png" in done.stderr
    assert len(lockstep.oracle.objects()) == 6
    lockstep.run("rm", *keys[:3])
    assert len(lockstep.oracle.objects()) == 3
    lockstep.assert_in_step()


def test_mv_over_an_existing_key_leaves_the_sources_bytes(lockstep):
    other = "products/p1/500ml/hero-card/b.png"
    lockstep.put(KEY, b"a")
    lockstep.put(other, b"b")
    lockstep.run("mv", other, KEY)
    assert lockstep.backend.get(KEY) == b"b" and list(lockstep.oracle.objects()) == [KEY]
    lockstep.assert_in_step()


def test_the_life_of_a_variant(lockstep):
    seed(lockstep, ("p1", "500ml", 9), ("p2", "1kg", 3))
    lockstep.run("variant", "create", "p1", "2kg")
    assert ("p1", "2kg") in lockstep.oracle.variants()
    before = lockstep.oracle.objects()

    lockstep.run("variant", "disable", "p1", "500ml")
    assert lockstep.oracle.variants()[("p1", "500ml")] == 0
    lockstep.run("variant", "enable", "p1", "500ml")
    assert lockstep.oracle.variants()[("p1", "500ml")] == 1
    assert lockstep.oracle.objects() == before

    ids = {row.id for row in lockstep.oracle.rows().values()}
    lockstep.run("variant", "rename", "p1", "500ml", "750ml")
    rows = lockstep.oracle.rows()
    assert {row.id for row in rows.values()} == ids, "a rename made new rows"
    assert sum(row.variant_weight == row.weight == "750ml" for row in rows.values()) == 9
    assert sorted(obj.etag for obj in lockstep.oracle.objects().values()) == sorted(o.etag for o in before.values())
    lockstep.assert_in_step()

    done = lockstep.run("variant", "rename", "p1", "750ml", "2kg", check=None)
    if done.returncode == 0:  # an empty variant may be taken over; nothing may be lost
        lockstep.run("variant", "rename", "p1", "2kg", "750ml")
    assert len(lockstep.oracle.objects()) == 12

    lockstep.run("variant", "delete", "p1", "750ml")
    assert ("p1", "750ml") not in lockstep.oracle.variants()
    assert {key.split("/")[1] for key in lockstep.oracle.objects()} == {"p2"}
    lockstep.assert_in_step()


def test_variant_commands_on_missing_ones_fail_and_change_nothing(lockstep):
    seed(lockstep, ("p1", "500ml", 3))
    for words in (("rename", "p1", "9kg", "8kg"), ("delete", "p1", "9kg"), ("enable", "nope", "1kg")):
        done = lockstep.run("variant", *words, check=None)
        assert done.returncode not in (0, 64) and done.stderr.strip(), words
    lockstep.assert_in_step()


def test_import_fills_an_empty_catalog_from_the_bucket_and_repeats_harmlessly(lockstep):
    keys = seed(lockstep, ("p1", "500ml", 30), ("p1", "1kg", 5), ("p2", "1kg", 5))
    assert sorted(lockstep.oracle.rows()) == sorted(keys)
    assert set(lockstep.oracle.variants()) == {("p1", "500ml"), ("p1", "1kg"), ("p2", "1kg")}
    lockstep.assert_in_step()
    ids = {key: row.id for key, row in lockstep.oracle.rows().items()}
    lockstep.run("import")
    assert {key: row.id for key, row in lockstep.oracle.rows().items()} == ids
    lockstep.assert_in_step()


def test_log_and_status_tell_what_happened(lockstep):
    lockstep.put(KEY, b"a")
    lockstep.run("rm", KEY)
    log = lockstep.run("log").stdout
    assert log.count(KEY) >= 2 and "put" in log and "remove" in log
    assert lockstep.run("status").stdout.strip()
    json.loads(lockstep.run("status", "--json").stdout)
    lockstep.run("recover")


def test_two_puts_of_one_key_at_once_leave_one_of_them_whole(lockstep, folder):
    for i in range(6):
        (folder / f"{i}.png").write_bytes(png(i, 30))
    processes = [lockstep.start("put", folder / f"{i}.png", KEY) for i in range(6)]
    statuses = [process.wait(60) for process in processes]
    assert 0 in statuses, statuses
    assert lockstep.backend.get(KEY) in [png(i, 30) for i in range(6)]
    lockstep.assert_in_step()


# --- init and configuration


def test_init_makes_bucket_schema_and_config(lockstep):
    assert lockstep.config.exists() and lockstep.catalog.exists() != bool(lockstep.database)
    assert lockstep.oracle.rows() == {}
    lockstep.run("scan", check=0)


def test_init_never_writes_over_a_config(lockstep):
    before = lockstep.config.read_bytes()
    done = lockstep.run("init", *lockstep.backend.init_args(), "--catalog", "sqlite:other.db", check=None)
    assert done.returncode != 0 and lockstep.config.name in done.stderr
    assert lockstep.config.read_bytes() == before
    assert not (lockstep.folder / "other.db").exists()


def test_relative_paths_count_from_the_configs_folder(lockstep_file, folder):
    place = folder / "place"
    place.mkdir()
    config = place / "lockstep.conf"
    lockstep_file.config = config
    lockstep_file.run("init", "--store", "file:./bucket", "--catalog", "sqlite:./catalog.db")
    assert (place / "bucket").is_dir() and (place / "catalog.db").exists()
    lockstep_file.run("put", config, KEY)
    assert (place / "bucket" / KEY).read_bytes() == config.read_bytes()


def test_the_default_public_url_is_endpoint_and_bucket(lockstep_minio):
    config = lockstep_minio.config.read_text()
    lockstep_minio.config.write_text("".join(line for line in config.splitlines(True) if "public_url" not in line))
    lockstep_minio.put(KEY, b"a")
    backend = lockstep_minio.backend
    assert lockstep_minio.oracle.rows()[KEY].image_url == f"{backend.endpoint}/{backend.bucket}/{KEY}"


def test_the_config_is_found_where_the_manual_says(lockstep_file, folder):
    import subprocess

    from harness.program import program

    lockstep = lockstep_file
    lockstep.put(KEY, b"a")
    env = lockstep.environment()

    def ls(cwd, **more):
        return subprocess.run([program(), "ls"], cwd=cwd, env=env | more, capture_output=True, text=True, timeout=20)

    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    assert KEY in ls(folder).stdout  # ./lockstep.conf
    assert KEY in ls(elsewhere, LOCKSTEP_CONFIG=str(lockstep.config)).stdout
    assert ls(elsewhere).returncode != 0
    (folder / "xdg/lockstep").mkdir(parents=True)
    text = lockstep.config.read_text().replace("file:./", f"file:{folder}/").replace("sqlite:./", f"sqlite:{folder}/")
    (folder / "xdg/lockstep/lockstep.conf").write_text(text)
    assert KEY in ls(elsewhere, XDG_CONFIG_HOME=str(folder / "xdg")).stdout


def test_unknown_keys_and_sections_name_file_and_line(lockstep_file):
    good = lockstep_file.config.read_text()
    for bad in ("[stoer]\nurl = x\n", "[scan]\ngrase = 15m\n", "[scan]\ngrace = soon\n"):
        lockstep_file.config.write_text(good + bad)
        line = len((good + bad).splitlines())
        done = lockstep_file.run("scan", check=None)
        assert done.returncode not in (0, 1, 2, 3), bad
        assert lockstep_file.config.name in done.stderr, done.stderr
        assert str(line) in done.stderr or str(line - 1) in done.stderr, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("frobnicate",),
        ("scan", "--no-such-option"),
        ("put",),
        ("mv", "products/a"),
        ("sync", "--orphans=burn"),
        ("scan", "--grace=soon"),
        ("variant", "create", "p1"),
        ("variant", "explode", "p1", "1kg"),
        ("trash", "burn"),
        ("sync", "--max-change=lots"),
        ("init",),
        ("url", "--expires=8d", KEY),
        ("url", "--expires=0s", KEY),
    ],
)
def test_wrong_usage_is_status_64(lockstep_file, words):
    done = lockstep_file.run(*words, check=64)
    assert done.stderr.strip()


def test_help_and_version_are_status_0(lockstep_file):
    assert "scan" in lockstep_file.run("help").stdout
    assert lockstep_file.run("version").stdout.strip()
    for command in ("init", "mount", "scan", "sync", "import", "recover", "status", "log", "trash", "variant", "put"):
        assert command in lockstep_file.run("help", command).stdout


def test_no_config_is_a_clear_error(lockstep_file):
    os.rename(lockstep_file.config, f"{lockstep_file.config}.away")
    done = lockstep_file.run("scan", check=None)
    assert done.returncode not in (0, 1, 2, 3) and "lockstep.conf" in done.stderr


def test_fail_points_cannot_be_armed_by_the_environment(lockstep_file):
    point = lockstep_file.failpoints("engine.put.")[0]
    for name in ("LOCKSTEP_FAILPOINT", "LOCKSTEP_FAILPOINTS"):
        lockstep_file.put(KEY, name.encode(), env={name: f"{point}=kill"})
