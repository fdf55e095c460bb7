# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL by TCP with TLS and a password: who is let in, who is refused and told why, where no password is found."""

import os
import resource
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from harness.backends import FileBackend
from harness.images import png
from harness.minio import own_port
from harness.postgres import SERVER_SH, running_postgres
from harness.program import Lockstep

pytestmark = pytest.mark.timeout(120)

KEY = "products/p1/500ml/hero-card/a.png"


def openssl(folder: Path, *words) -> None:
    subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True, timeout=60)


def make_ca(folder: Path, name: str) -> None:
    openssl(
        folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}",
        "-keyout", f"{name}.key", "-out", f"{name}.pem",
    )  # fmt: skip


def make_certificate(folder: Path, ca: str, host: str) -> None:
    """server.pem and server.key, for one host's name."""
    (folder / "ext").write_text(f"subjectAltName=DNS:{host}\n")
    openssl(
        folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}",
        "-keyout", "server.key", "-out", "server.csr",
    )  # fmt: skip
    openssl(
        folder, "x509", "-req", "-in", "server.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
        "-days", 2, "-extfile", "ext", "-out", "server.pem",
    )  # fmt: skip


@dataclass
class Server:
    folder: Path  # has ca.pem and wrong.pem
    port: int
    password: str
    admin: str  # a url of the superuser's


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server that takes TCP connections only with TLS, and the user `shop` only with a password."""
    folder = tmp_path_factory.mktemp("tls")
    make_ca(folder, "ca")
    make_ca(folder, "wrong")
    make_certificate(folder, "ca", "localhost")
    password = "geheim" + secrets.token_hex(12)
    with own_port() as port, running_postgres(own=True) as admin:
        home = Path(admin.partition("host=")[2].partition("&")[0])
        owner = (home / "data").stat()
        for name in ("server.pem", "server.key"):
            shutil.copy(folder / name, home / "data" / name)
            os.chmod(home / "data" / name, 0o600)
            os.chown(home / "data" / name, owner.st_uid, owner.st_gid)
        with open(home / "data/postgresql.conf", "a") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\n")
            conf.write("ssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n")
        with open(home / "data/pg_hba.conf", "w") as hba:
            hba.write("local all postgres trust\nhostssl all shop 127.0.0.1/32 scram-sha-256\n")
        for verb in ("end", "start"):
            subprocess.run([SERVER_SH, verb, home], check=True, timeout=120, capture_output=True)
        admin = f"{admin}&port={port}"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"create role shop login password '{password}'")
        yield Server(folder, port, password, admin)


@pytest.fixture
def shop(tls, folder):
    """Not initialised yet."""
    name = f"shop_{secrets.token_hex(4)}"
    with psycopg.connect(tls.admin, autocommit=True) as connection:
        connection.execute(f"create database {name} owner shop")
    lockstep = Lockstep(
        folder, FileBackend(folder / "bucket"), database=tls.admin.replace("///postgres?", f"///{name}?")
    )
    lockstep.tls, lockstep.name = tls, name
    yield lockstep
    lockstep.close()
    with psycopg.connect(tls.admin, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def url(shop, host="localhost", ca="ca") -> str:
    where = f"postgresql://shop@{host}:{shop.tls.port}/{shop.name}"
    return f"{where}?sslmode=verify-full&sslrootcert={shop.tls.folder}/{ca}.pem"


def pgpass(shop, password: str) -> dict[str, str]:
    path = shop.folder / "pgpass"
    path.write_text(f"*:{shop.tls.port}:*:shop:{password}\n")
    path.chmod(0o600)
    return {"PGPASSFILE": str(path)}


def initialise(shop, where: str, check=0):
    return shop.run("init", *shop.backend.init_args(), "--catalog", where, check=check)


def put_and_get(shop):
    shop.put(KEY, png("a"))
    assert shop.get(KEY) == png("a")
    with shop.oracle.connect() as connection:
        (count,) = connection.execute("select count(*) from product_image").fetchone()
    assert count == 1


def test_verify_full_and_a_password_file(shop):
    shop.environ |= pgpass(shop, shop.tls.password)
    initialise(shop, url(shop))
    put_and_get(shop)
    shop.run("scan", "--grace=0s", check=0)


def test_pg_variables_say_everything(shop):
    shop.environ |= {
        "PGHOST": "localhost",
        "PGPORT": str(shop.tls.port),
        "PGUSER": "shop",
        "PGPASSWORD": shop.tls.password,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": f"{shop.tls.folder}/ca.pem",
    }
    initialise(shop, f"postgresql:///{shop.name}")
    put_and_get(shop)


def test_a_service_file_says_everything(shop):
    service = shop.folder / "service.conf"
    service.write_text(
        f"[shop]\nhost=localhost\nport={shop.tls.port}\nuser=shop\ndbname={shop.name}\npassword={shop.tls.password}\n"
        f"sslmode=verify-full\nsslrootcert={shop.tls.folder}/ca.pem\n"
    )
    shop.environ["PGSERVICEFILE"] = str(service)
    initialise(shop, "postgresql:///?service=shop")
    put_and_get(shop)


@pytest.mark.parametrize(
    ("host", "ca", "says"),
    [
        ("localhost", "wrong", "certificate verify failed"),
        ("127.0.0.1", "ca", "does not match host name"),
        ("localhost", "none", "does not exist"),
    ],
)
def test_a_server_that_cannot_prove_who_it_is_is_refused(shop, host, ca, says):
    shop.environ |= pgpass(shop, shop.tls.password)
    done = initialise(shop, url(shop, host, ca), check=4)
    assert says in done.stderr and shop.tls.password not in done.stdout + done.stderr
    assert f"host={host}" in done.stderr
    with shop.oracle.connect() as connection:
        assert connection.execute("select to_regclass('lockstep.lockstep_meta')").fetchone() == (None,)


@pytest.mark.parametrize("what", ["wrong", "none", "plain"])
def test_who_has_no_password_or_no_tls_is_refused_and_told_so(shop, what):
    where = url(shop)
    if what != "none":
        shop.environ |= pgpass(shop, "wrong" + shop.tls.password)
    if what == "plain":
        where = f"postgresql://shop@localhost:{shop.tls.port}/{shop.name}?sslmode=disable"
    done = initialise(shop, where, check=4)
    said = {"wrong": "password authentication failed", "none": "no password supplied", "plain": "no encryption"}
    assert said[what] in done.stderr
    assert shop.tls.password not in done.stdout + done.stderr


def test_the_password_is_nowhere(shop):
    """Not in arguments, log, status, config, errors, nor in a core file; the mount is encrypted in all its sessions.

    It ends by SIGSEGV, so it is not one of those that the sanitizers run (they have the mark `mount`).
    """
    secret = shop.tls.password
    shop.environ |= pgpass(shop, secret)
    initialise(shop, url(shop))
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    mount = shop.mount()
    (mount.products / "p1/500ml/hero-card").mkdir(parents=True)
    (mount.products / "p1/500ml/hero-card/a.png").write_bytes(png("a"))
    with shop.oracle.connect() as connection:
        sessions = connection.execute(
            "select s.ssl, s.version from pg_stat_activity a join pg_stat_ssl s using (pid)"
            " where a.usename = 'shop' and a.datname = current_database()"
        ).fetchall()
    assert len(sessions) >= 3 and all(ssl and version >= "TLSv1.2" for ssl, version in sessions), sessions
    with open(f"/proc/{mount.process.pid}/cmdline", "rb") as line:
        assert secret.encode() not in line.read()
    said = [shop.run(*words).stdout for words in (("status",), ("status", "--json"), ("log",), ("--verbose", "ls"))]
    mount.expect_death = True
    mount.process.send_signal(signal.SIGSEGV)
    mount.process.wait(20)
    mount.detach()
    texts = [*said, shop.config.read_text(), mount.text()]
    assert not any(secret in text for text in texts)
    left = [path for path in shop.folder.rglob("*") if path.is_file() and path.name != "pgpass"]
    assert shop.config in left and not any(secret.encode() in path.read_bytes() for path in left), left
    assert not [path for path in left if path.name.startswith("core")], "a process that knows a password dumps no core"
    shop.run("recover")
