# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog's order of keys is that of the listing, whatever the database sorts by."""

import json
import os

import psycopg
import pytest
from harness.program import Lockstep

# Collations take some of these for equal, some for nothing at all, and put '/' behind or before the others.
WEIGHTS = (
    "1",
    "1 kg",
    "1!",
    "1.5",
    "1.5 kg",
    "10",
    "100",
    "100.5",
    "1A",
    "1a",
    "1ä",
    "1Ä",
    "A",
    "B",
    "a",
    "b",
    "ä",
    "Ä",
)
PRODUCTS = ("1", "1.5", "1 a", "1!", "10", "A", "a", "B", "b", "ä", "Ä", "aé", "ae", "Z")
NAMES = ("a b", "a.b", "a!b", "a-b", "ab", "A", "a", "B", "ä", "Ä", "å", "aé", "z", "Z")
COLLATIONS = {
    "en-US": "locale_provider icu icu_locale 'en-US' locale 'C.UTF-8'",
    "de-DE": "locale_provider icu icu_locale 'de-DE' locale 'C.UTF-8'",
    "C": "locale 'C'",
}


@pytest.fixture
def made(request, folder, minio_backend):
    """An installation whose database sorts by the collation of the parameter; None = SQLite."""
    name, url = f"order_{os.getpid()}_{os.urandom(4).hex()}", ""
    server = request.getfixturevalue("postgres_server") if request.param else ""
    if server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"create database {name} template template0 encoding 'UTF8' {COLLATIONS[request.param]}")
        url = server.replace("///postgres?", f"///{name}?")
    lockstep = Lockstep(folder, minio_backend, database=url)
    try:
        yield lockstep.init()
    finally:
        lockstep.close()
        if server:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"drop database if exists {name} with (force)")


def listed(lockstep) -> list[str]:
    """The keys in the listing's own order."""
    return [key for key in lockstep.backend.all_keys() if not key.startswith(".lockstep/")]


def scanned(lockstep, *words, check) -> list[str]:
    lines = map(json.loads, lockstep.run("scan", "--grace=0s", "--ndjson", *words, check=check).stdout.splitlines())
    return [line["key"] for line in lines if line["kind"] not in ("synced", "totals")]


@pytest.mark.parametrize("made", [None, *COLLATIONS], indirect=True, ids=["sqlite", *COLLATIONS])
def test_a_scan_goes_in_the_order_of_the_listing(made):
    lockstep = made
    if lockstep.database:
        # by bytes it comes last
        assert lockstep.oracle.query("select 'Ä' < 'b'") == [(int(collation_of(lockstep) != "C"),)]
    keys = [f"products/{p}/{w}/hero-card/n.jpg" for p in PRODUCTS for w in WEIGHTS]
    keys += [f"products/1/100/info-card/{n}.jpg" for n in NAMES]
    for key in keys:
        lockstep.backend.put(key, key.encode())
    in_order = sorted(keys, key=str.encode)
    assert listed(lockstep) == in_order
    assert in_order.index("products/1/100.5/hero-card/n.jpg") < in_order.index("products/1/100/hero-card/n.jpg")

    # each object an orphan; then both in step, which a wrong order on either side would make differences
    assert scanned(lockstep, check=1) == in_order
    lockstep.run("import")
    assert scanned(lockstep, check=0) == []
    assert lockstep.run("ls").stdout.splitlines() == in_order
    lockstep.run("scan", "--share", "--grace=0s", check=0)
    lockstep.run("scan", "--grace=0s", *PRODUCTS, check=0)
    for key in keys[::7]:
        lockstep.backend.delete(key)
    gone = [key for key in in_order if key in set(keys[::7])]
    assert scanned(lockstep, check=1) == gone
    assert scanned(lockstep, "--share", check=1) == gone


def collation_of(lockstep) -> str:
    ((provider, name),) = lockstep.oracle.query(
        "select datlocprovider, coalesce(daticulocale, datcollate) from pg_database where datname = current_database()"
    )
    assert provider in ("i", "c")
    return name
