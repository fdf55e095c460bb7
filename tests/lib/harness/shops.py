# SPDX-License-Identifier: GPL-3.0-or-later
"""Shops whose own tables lockstep is attached to, and the judge that reads them: see tests/lib/shops."""

import subprocess
from pathlib import Path

import psycopg

from .postgres import PostgresOracle

SHOPS = Path(__file__).resolve().parents[1] / "shops"

# What a person must add to the proposal: (section, key, value).
ANSWERS = {
    "prisma": (
        ("map.product", "constant.title", '"New product"'),
        ("map.variant", "constant.priceFactor", "1.5"),
        ("map.image", "constant.altText", '""'),
    ),
    "snake": (),
}

# The Prisma shop by the names of lockstep's own schema, so that tests can be written once.
JUDGE = """
create schema judge;
create view judge.product as
    select "id" as id, "createdAt" as created_at, "title" as title, "updatedAt" as updated_at from "Product";
alter view judge.product alter title set default 'by hand', alter updated_at set default now();
create view judge.product_variant as
    select "id" as id, "productId" as product_id, "weight" as weight, "isActive" as is_active,
        "priceFactor" as price_factor, "createdAt" as created_at, "updatedAt" as updated_at from "ProductVariant";
create view judge.product_image as
    select "id" as id, "productId" as product_id, "variantId" as variant_id, "variantWeight" as variant_weight,
        "imageType" as image_type, "fileName" as file_name, null::text as image_url, "altText" as alt_text,
        "createdAt" as created_at, "updatedAt" as updated_at from "ProductImage";
alter view judge.product_image alter id set default 'hand' || gen_random_uuid(), alter alt_text set default 'by hand',
    alter updated_at set default now();
alter view judge.product_variant alter id set default 'hand' || gen_random_uuid(), alter price_factor set default 1,
    alter updated_at set default now();
"""


def make_shop(url: str, shop: str) -> None:
    """The application's tables in an empty database."""
    script = (SHOPS / f"{shop}.sql").read_text() + (JUDGE if shop == "prisma" else "")
    with psycopg.connect(url) as connection:
        connection.execute(script)


def attach(lockstep, shop: str) -> None:
    """As a person does it: let it propose, answer what it asks, attach."""
    done = lockstep.run("init", "--attach", *lockstep.backend.init_args(), "--catalog", lockstep.database, check=(0, 1))
    assert done.returncode == (1 if ANSWERS[shop] else 0), done.stderr
    for section, key, value in ANSWERS[shop]:
        assert key in done.stderr, f"nobody asked for {key}"
        lockstep.set_config(section, key, value)
    lockstep.run("attach")


def schema(url: str) -> str:
    """All that pg_dump knows of the database but its rows."""
    done = subprocess.run(["pg_dump", "--schema-only", url], capture_output=True, text=True, timeout=60, check=True)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


class ShopOracle(PostgresOracle):
    """The judge of a lockstep that is attached to the Prisma shop."""

    search_path = "judge,public,lockstep"
    has_url = False
