# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all Python tests: both stores, a MinIO, a lockstep installation that cleans up after itself."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from harness.backends import FileBackend, MinioBackend
from harness.minio import running_minio
from harness.postgres import database, running_postgres
from harness.program import Lockstep
from harness.tools import LONG, SLOW


def pytest_configure(config):
    # A hung test must not take the others along; sanitizers and valgrind get more time.
    config.option.timeout = 150 * SLOW * (100 if LONG else 1)


# A directory and MinIO with SQLite, MinIO with PostgreSQL. LOCKSTEP_TEST_PAIRS names others instead.
PAIRS = tuple(os.environ.get("LOCKSTEP_TEST_PAIRS", "file minio postgres").split())
# Where the tables are an application's (see harness/shops.py) these run as well; all of them would take too long.
ATTACHED = ("test_main_job", "test_drift", "test_coherence", "test_kill")


def pytest_generate_tests(metafunc):
    """Tests run on every pair, or on those of their mark: pytest.mark.pairs("file", "minio")."""
    if "pair" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("pairs")
        # Without `lockstep` itself it is a MinIO that misbehaves, see e2e/faults.
        usual = PAIRS if "lockstep" in metafunc.fixturenames else PAIRS[1:]
        if "lockstep" in metafunc.fixturenames and metafunc.module.__name__.split(".")[-1] in ATTACHED:
            usual += () if "attached" in usual else ("attached",)
        metafunc.parametrize("pair", mark.args if mark else usual)


def pytest_collection_modifyitems(config, items):
    """Tests marked `long` belong to the long form only: they are no part of the normal one, so not skipped in it."""
    left_out = [] if LONG else [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def minio_server():
    """(endpoint, access key, secret key): of the MinIO that tests/run.sh started, else of one of our own."""
    if os.environ.get("LOCKSTEP_TEST_S3_ENDPOINT"):
        yield tuple(os.environ[f"LOCKSTEP_TEST_S3_{name}"] for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"))
        return
    with running_minio() as (server, _):
        yield server


@pytest.fixture(scope="session")
def postgres_server():
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server):
    """The url of an empty database."""
    with database(postgres_server) as url:
        yield url


@pytest.fixture
def database_url(request, pair):
    """For Lockstep(database=…)."""
    return request.getfixturevalue("postgres") if pair in ("postgres", "attached") else ""


@pytest.fixture
def folder():
    """A short path of our own: mount points and sockets dislike long ones."""
    path = Path(tempfile.mkdtemp(prefix="ls."))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def file_backend(folder):
    return FileBackend(folder / "bucket")


@pytest.fixture
def minio_backend(minio_server):
    backend = MinioBackend(*minio_server)
    yield backend
    backend.destroy()


def _installation(folder, backend, url="", shop=""):
    lockstep = Lockstep(folder, backend, database=url, shop=shop)
    try:
        lockstep.init()
        yield lockstep
    finally:
        lockstep.close()


@pytest.fixture
def lockstep(request, pair):
    """An initialised, empty installation, once on each pair of store and catalog that the test's mark names."""
    return request.getfixturevalue(f"lockstep_{pair}")


@pytest.fixture
def lockstep_file(folder, file_backend):
    yield from _installation(folder, file_backend)


@pytest.fixture
def lockstep_minio(folder, minio_backend):
    yield from _installation(folder, minio_backend)


@pytest.fixture
def lockstep_postgres(folder, minio_backend, postgres):
    """On MinIO and PostgreSQL, as shops have it."""
    yield from _installation(folder, minio_backend, postgres)


@pytest.fixture
def lockstep_attached(folder, minio_backend, postgres):
    """On MinIO and the own tables of an application in PostgreSQL."""
    yield from _installation(folder, minio_backend, postgres, "prisma")


@pytest.fixture
def lockstep_snake(folder, minio_backend, postgres):
    """The same, another application."""
    yield from _installation(folder, minio_backend, postgres, "snake")
