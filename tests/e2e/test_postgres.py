# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL as the catalog: connections that are cut, drift and its mending, what is said and where it is kept."""

import os
import subprocess

import pytest
from harness.images import make_tree

KEY = "products/p1/500ml/hero-card/{}.jpg"


@pytest.fixture
def lockstep(lockstep_postgres):
    return lockstep_postgres


def put(lockstep, name, text):
    path = lockstep.folder / "bytes"
    path.write_text(text)
    lockstep.run("put", path, KEY.format(name))


@pytest.mark.mount
def test_a_mount_goes_on_when_its_connections_were_cut(lockstep, folder):
    make_tree(folder / "source", "p1", "500ml", 20)
    mount = lockstep.mount()
    subprocess.run(["cp", "-r", f"{folder}/source/products/.", mount.products], check=True, timeout=100)
    assert lockstep.oracle.end_sessions() > 0
    (mount.products / "p1/500ml/hero-card/after.jpg").write_bytes(b"after")
    assert lockstep.oracle.end_sessions() > 0
    os.rename(mount.products / "p1/500ml", mount.products / "p1/1kg")
    lockstep.oracle.assert_in_step()
    lockstep.oracle.assert_tree(mount.products)
    assert mount.unmount() == 0
    lockstep.run("scan", "--grace=0s", check=0)


def test_drift_is_found_and_mended_and_the_rows_are_kept_before(lockstep):
    put(lockstep, "a", "one")
    put(lockstep, "b", "two")
    lockstep.oracle.execute("delete from product_image where file_name = ?", KEY.format("a"))
    lockstep.run("scan", "--grace=0s", check=1)
    lockstep.run("sync", "--grace=0s", "--orphans=adopt", "--yes", "--max-change=100%", check=0)
    lockstep.oracle.assert_in_step()
    (backup,) = lockstep.folder.glob("lockstep-catalog.backup-*")
    assert "COPY product_image FROM stdin;" in backup.read_text()


def test_keys_order_by_bytes_whatever_the_database_sorts_by(lockstep):
    names = ["a b", "a.b", "a!b", "ä", "A", "a", "B", "b", "aé"]
    for name in names:
        put(lockstep, name, name)
    keys = sorted(map(KEY.format, names), key=str.encode)
    assert lockstep.run("ls").stdout.splitlines() == keys
    lockstep.run("scan", "--grace=0s", check=0)


def test_an_update_of_the_application_that_was_rolled_back_does_nothing(lockstep):
    put(lockstep, "a", "one")
    before = lockstep.oracle.query("select * from lockstep_change order by seq")
    with lockstep.oracle.connect() as connection:
        connection.execute("update product_image set file_name = 'elsewhere'")
        connection.execute("delete from product_image")
        connection.rollback()
    assert lockstep.oracle.query("select * from lockstep_change order by seq") == before
    lockstep.oracle.assert_in_step()


def test_pg_variables_and_the_service_file_name_the_server(lockstep):
    put(lockstep, "a", "one")
    host = lockstep.oracle.host()
    name = lockstep.catalog_url.split("///")[1].split("?")[0]
    lockstep.set_config("catalog", "url", f"postgresql:///{name}")
    env = {"PGHOST": host, "PGUSER": "postgres"}
    assert lockstep.run("ls", env=env).stdout.split() == [KEY.format("a")]
    service = lockstep.folder / "service.conf"
    service.write_text(f"[shop]\nhost={host}\nuser=postgres\ndbname={name}\n")
    lockstep.set_config("catalog", "url", "postgresql://?service=shop")
    assert lockstep.run("ls", env={"PGSERVICEFILE": str(service)}).stdout.split() == [KEY.format("a")]


def test_a_password_is_refused_in_the_url_and_shown_nowhere(lockstep):
    other = lockstep.folder / "other.conf"
    done = subprocess.run(
        [*lockstep.argv()[:1], "--config", other, "init", *lockstep.backend.init_args()]
        + ["--catalog", "postgresql://shop:geheim@localhost/shop"],
        capture_output=True,
        text=True,
        timeout=60,
        env=lockstep.environment(),
    )
    assert done.returncode != 0 and not other.exists()
    assert "pgpass" in done.stderr and "geheim" not in done.stdout + done.stderr
