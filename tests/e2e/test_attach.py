# SPDX-License-Identifier: GPL-3.0-or-later
"""Attached to an application's own tables: Prisma's and a snake_case shop's (tests/lib/shops)."""

import os
import subprocess

import psycopg
import pytest
from harness.images import make_tree
from harness.program import Lockstep, wait_until
from harness.shops import attach, make_shop, schema

KEY = "products/p1/500ml/hero-card/{}.jpg"
MENDS = ("--orphans=adopt", "--missing=drop", "--stale=refresh", "--moved=relink", "--misfiled=refile")

# Rows of the application's that are none of lockstep's business, and how it keeps them.
OTHERS = {
    "prisma": """
insert into "Category" values ('c1', 'Oils');
insert into "Product" ("id", "title", "price", "stock", "categoryId", "updatedAt")
    values ('other', 'Vinegar', 3.50, 7, 'c1', '2020-01-02 03:04:05.678');
insert into "ProductVariant" ("id", "productId", "weight", "priceFactor", "updatedAt")
    values ('ckother', 'other', '9kg', 2.25, '2020-01-02 03:04:05.678');
insert into "Order" ("variantId", "customer") values ('ckother', 'somebody');
""",
    "snake": """
insert into products (slug, title, updated_at) values ('other', 'Vinegar', '2020-01-02 03:04:05.678+00');
insert into product_variants (product_id, weight, updated_at) values (1, '9kg', '2020-01-02 03:04:05.678+00');
insert into product_variants (product_id, weight, deleted_at) values (1, '8kg', '2020-01-02 03:04:05.678+00');
insert into orders (product_variant_id, customer) values (1, 'somebody');
""",
}
ROWS = {
    "prisma": (
        """select c::text from "Category" c""",
        """select p::text from "Product" p where "id" = 'other'""",
        """select v::text from "ProductVariant" v where "productId" = 'other'""",
        """select o::text from "Order" o""",
    ),
    "snake": (
        "select p::text from products p where slug = 'other'",
        "select v::text from product_variants v where product_id = 1",
        "select o::text from orders o",
    ),
}
KEYS = {
    "prisma": """select "fileName" from "ProductImage" order by 1""",
    "snake": "select file_name from product_images where deleted_at is null order by 1",
}


@pytest.fixture
def beside(folder, minio_backend, postgres):
    """Makes a shop's tables, and a lockstep that is not attached to them yet."""
    made = []

    def make(shop):
        made.append(Lockstep(folder, minio_backend, database=postgres, shop=shop))
        make_shop(postgres, shop)
        return made[0]

    yield make
    made[0].close()


@pytest.fixture(params=["prisma", "snake"])
def shop(request, beside):
    """Attached, with rows of the application's around."""
    lockstep = beside(request.param)
    with psycopg.connect(lockstep.database) as connection:
        connection.execute(OTHERS[request.param])
    attach(lockstep, request.param)
    return lockstep


def ask(lockstep, sql, *values):
    with psycopg.connect(lockstep.database) as connection:
        cursor = connection.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def others(lockstep):
    return [ask(lockstep, sql) for sql in ROWS[lockstep.shop]]


def in_step(lockstep, count):
    """Bucket, the application's rows and the scan agree."""
    objects = lockstep.oracle.objects()
    assert sorted(objects) == sorted(key for (key,) in ask(lockstep, KEYS[lockstep.shop]))
    assert len(objects) == count
    recorded = ask(lockstep, "select key, size, etag from lockstep.lockstep_object where known")
    assert {key: (size, etag) for key, size, etag in recorded} == {
        key: (obj.size, obj.etag) for key, obj in objects.items()
    }
    lockstep.run("scan", "--grace=0s", check=0)


@pytest.mark.mount
def test_the_main_job_leaves_the_applications_other_rows_as_they_are(shop, folder):
    before = others(shop)
    make_tree(folder / "source", "p1", "500ml", 60)
    make_tree(folder / "source", "p1", "1kg", 60)
    mount = shop.mount()
    subprocess.run(["rsync", "-a", f"{folder}/source/products/", f"{mount.products}/"], check=True, timeout=100)
    in_step(shop, 120)
    subprocess.run(["mv", mount.products / "p1/500ml", mount.products / "p1/750ml"], check=True, timeout=100)
    in_step(shop, 120)
    subprocess.run(["rm", "-r", mount.products / "p1/1kg"], check=True, timeout=100)
    in_step(shop, 60)
    assert sorted(os.listdir(mount.products)) == ["other", "p1"]
    assert os.listdir(mount.products / "p1") == ["750ml"] and os.listdir(mount.products / "other") == ["9kg"]
    with pytest.raises(OSError, match="not empty"):
        os.rmdir(mount.products / "other")
    subprocess.run(["rm", "-r", mount.products / "p1/750ml"], check=True, timeout=100)
    if shop.shop == "snake":  # its variants are still there, deleted softly
        with pytest.raises(PermissionError):
            os.rmdir(mount.products / "p1")
    else:
        os.rmdir(mount.products / "p1")
    assert mount.unmount() == 0
    in_step(shop, 0)
    assert others(shop) == before


@pytest.mark.mount
def test_what_the_application_commits_is_seen_by_a_mount(shop):
    shop.set_config("settle", "delete", "ignore")  # the scan is to find it
    shop.put(KEY.format("a"), b"one")
    mount = shop.mount()
    assert os.listdir(mount.products / "p1/500ml/hero-card") == ["a.jpg"]
    ask(
        shop,
        """delete from "ProductImage" """
        if shop.shop == "prisma"
        else "update product_images set deleted_at = now() where deleted_at is null",
    )
    wait_until(lambda: os.listdir(mount.products / "p1/500ml") == [], "the mount shows what the application did")
    assert mount.unmount() == 0
    assert shop.scan_json()["orphanedFiles"] == 1


# A weight is changed; a variant goes with its images, by cascade or softly; the product goes.
CHANGES = {
    "prisma": (
        """update "ProductVariant" set "weight" = '750ml' where "weight" = '500ml'""",
        """delete from "ProductVariant" where "weight" = '750ml'""",
        """delete from "Product" where "id" = 'p1'""",
    ),
    "snake": (
        "update product_variants set weight = '750ml' where weight = '500ml'",
        "with v as (update product_variants set deleted_at = now() where weight = '750ml' returning id) "
        "update product_images set deleted_at = now() where product_variant_id = (select id from v)",
        "update product_images set deleted_at = now() where deleted_at is null",
    ),
}


def test_what_the_application_changes_is_done_in_the_bucket(shop):
    weight, variant, product = CHANGES[shop.shop]
    for name in ("a", "b"):
        shop.put(KEY.format(name), name.encode())
    shop.put(KEY.format("c").replace("500ml", "1kg"), b"c")
    shop.run("settle")
    before = others(shop)
    ask(shop, weight)
    shop.run("settle")
    in_step(shop, 3)
    assert KEY.format("a").replace("500ml", "750ml") in shop.oracle.objects()
    ask(shop, variant)
    shop.run("settle")
    in_step(shop, 1)
    ask(shop, product)
    shop.run("settle")
    in_step(shop, 0)
    assert len(shop.json("trash", "list", "--json")) == 3
    assert others(shop) == before


def test_each_kind_of_drift_is_found_and_mended(shop):
    for name in ("gone", "orphan", "stale", "moved"):
        shop.put(KEY.format(name), name.encode())
    shop.backend.delete(KEY.format("gone"))
    shop.backend.put(KEY.format("stale"), b"overwritten")
    shop.backend.put(KEY.format("elsewhere"), shop.backend.get(KEY.format("moved")))
    shop.backend.delete(KEY.format("moved"))
    if shop.shop == "prisma":
        ask(shop, """delete from "ProductImage" where "fileName" = %s""", KEY.format("orphan"))
    else:
        ask(shop, "update product_images set deleted_at = now() where file_name = %s", KEY.format("orphan"))
    found = shop.scan_json()
    assert (found["orphanedFiles"], found["missingFiles"], found["staleFiles"]) == (2, 2, 1)
    shop.run("sync", "--grace=0s", *MENDS, "--yes", "--max-change=100%", check=0)
    in_step(shop, 3)


def test_a_row_that_disagrees_with_its_key_is_refiled(shop):
    shop.put(KEY.format("a"), b"a")
    shop.put("products/p1/1kg/info-card/b.jpg", b"b")
    if shop.shop == "prisma":
        ask(shop, """update "ProductImage" set "imageType" = 'other-images', "variantWeight" = '9kg'""")
    else:
        ask(shop, "update product_images set image_type = 'other-images', image_url = 'x'")
    assert shop.scan_json()["misfiledFiles"] == 2
    shop.run("sync", "--grace=0s", "--misfiled=refile", "--yes", "--max-change=100%", check=0)
    in_step(shop, 2)


def test_rows_that_were_there_before_are_taken_over_and_do_not_change(beside):
    lockstep = beside("snake")
    ask(lockstep, "insert into products (slug) values ('p1')")
    ask(lockstep, "insert into product_variants (product_id, weight) values (1, '500ml')")
    ask(
        lockstep,
        "insert into product_images (product_id, product_variant_id, image_type, file_name, image_url)"
        " select 1, 1, 'hero-card', 'products/p1/500ml/hero-card/' || n || '.jpg', 'x' from generate_series(1, 1200) n",
    )
    attach(lockstep, "snake")
    for n in range(1, 41):
        lockstep.backend.put(KEY.format(n), str(n).encode())
    lockstep.backend.put("products/p1/500ml/hero-card/ä ö.jpg", b"none")
    before = ask(lockstep, "select i::text from product_images i order by id")
    done = lockstep.run("import", "--from-catalog", check=1)
    assert done.stdout.startswith("40 recorded, 1160 without an object, 0 in use, 0 failed")
    assert ask(lockstep, "select i::text from product_images i order by id") == before
    assert ask(lockstep, "select count(*), sum(size) from lockstep.lockstep_object where known") == [(40, 9 + 62)]
    # What happens while the triggers are off is repaired.
    ask(lockstep, "set session_replication_role = replica; delete from product_images where id > 20; select 1")
    assert lockstep.run("attach", "--check", check=1).stderr.count("import --from-catalog") == 1
    lockstep.run("import", "--from-catalog", check=0)
    lockstep.run("attach", "--check", check=0)
    assert lockstep.scan_json()["missingFiles"] == 0


def test_import_from_the_catalog_is_for_the_own_tables_too(lockstep_file):
    lockstep = lockstep_file
    lockstep.put(KEY.format("a"), b"one")
    lockstep.backend.put(KEY.format("b"), b"three")
    for name in ("b", "missing"):
        lockstep.oracle.execute(
            "insert into product_image (product_id, variant_id, variant_weight, image_type, file_name, image_url)"
            " select product_id, variant_id, variant_weight, image_type, ?, ? from product_image where file_name = ?",
            KEY.format(name),
            f"{lockstep.oracle.public_url}/{KEY.format(name)}",
            KEY.format("a"),
        )
    assert lockstep.run("import", "--from-catalog", check=1).stdout.startswith("1 recorded, 1 without an object")
    assert lockstep.oracle.rows()[KEY.format("b")].size == 5
    assert lockstep.run("import", "--from-catalog", check=1).stdout.startswith("0 recorded, 1 without an object")
    assert "takes all rows" in lockstep.run("import", "--from-catalog", "p1", check=64).stderr


def test_a_change_of_other_columns_waits_for_nobody(lockstep_attached):
    lockstep = lockstep_attached
    lockstep.put(KEY.format("a"), b"one")
    with psycopg.connect(lockstep.database) as application:
        application.execute("""update "Product" set "stock" = 5""")
        application.execute("""update "ProductVariant" set "priceFactor" = 3""")
        lockstep.put(KEY.format("b"), b"two")  # it would be refused if it had to wait, because this goes on
        application.rollback()
    in_step(lockstep, 2)


@pytest.mark.mount
def test_detach_leaves_no_trace_and_is_refused_beside_a_mount(beside):
    lockstep = beside("prisma")
    before = schema(lockstep.database)
    attach(lockstep, "prisma")
    assert schema(lockstep.database) != before
    lockstep.put(KEY.format("a"), b"one")
    mount = lockstep.mount()
    assert "a mount of lockstep runs" in lockstep.run("detach", "--yes", check=4).stderr
    assert schema(lockstep.database) != before
    assert mount.unmount() == 0
    lockstep.run("detach", check=64)
    lockstep.run("detach", "--yes")
    assert schema(lockstep.database) == before
    assert len(ask(lockstep, KEYS["prisma"])) == 1
    lockstep.run("scan", check=4)
    lockstep.run("attach")
    lockstep.run("import", "--from-catalog", check=0)
    in_step(lockstep, 1)


def test_detach_is_refused_while_an_operation_is_open(lockstep_attached):
    lockstep = lockstep_attached
    lockstep.put(KEY.format("a"), b"one")
    lockstep.run("rm", KEY.format("a"), failpoint="engine.remove.committed=kill", check=-9)
    assert "operations are open: `lockstep recover`" in lockstep.run("detach", "--yes", check=4).stderr
    lockstep.run("recover")
    lockstep.run("detach", "--yes")


def test_a_role_with_the_printed_rights_is_enough(beside):
    lockstep = beside("snake")
    postgres = lockstep.database
    role = f"shop_{os.urandom(4).hex()}"
    ask(lockstep, f"create role {role} login")
    try:
        lockstep.database = postgres.replace("user=postgres", f"user={role}")
        refused = lockstep.run(
            "init", "--attach", *lockstep.backend.init_args(), "--catalog", lockstep.database, check=(1, 4)
        )
        assert "lacks a right" in refused.stderr or "can see" in refused.stderr
        grants = [line for line in lockstep.run("attach", "--check", check=1).stdout.splitlines() if "GRANT" in line]
        with psycopg.connect(postgres) as owner:
            for grant in grants:
                owner.execute(grant)
        lockstep.run("attach")
        lockstep.put(KEY.format("a"), b"one")
        lockstep.run("mv", "products/p1/500ml", "products/p1/1kg")
        lockstep.database = postgres
        in_step(lockstep, 1)
        ask(lockstep, "update product_images set file_name = replace(file_name, 'a.jpg', 'b.jpg')")  # as the owner
        lockstep.database = postgres.replace("user=postgres", f"user={role}")
        lockstep.run("detach", "--yes")
    finally:
        with psycopg.connect(postgres) as owner:
            owner.execute(f"drop owned by {role}")
            owner.execute(f"drop role {role}")


def test_an_enum_whose_words_are_no_folders_is_translated(beside):
    lockstep = beside("prisma")
    for word in ("hero-card", "info-card", "other-images"):
        ask(lockstep, f"""alter type "ImageType" rename value '{word}' to '{word.upper().replace("-", "_")}'""")
    attach(lockstep, "prisma")
    assert "type.hero-card = HERO_CARD\n" in lockstep.config.read_text()
    lockstep.put(KEY.format("a"), b"one")
    lockstep.put("products/p1/500ml/other-images/b.jpg", b"two")
    assert ask(lockstep, 'select "imageType"::text from "ProductImage" order by "fileName"') == [
        ("HERO_CARD",),
        ("OTHER_IMAGES",),
    ]
    in_step(lockstep, 2)


def test_a_password_is_refused_in_the_url_and_shown_nowhere(lockstep_attached):
    lockstep = lockstep_attached
    lockstep.set_config("catalog", "url", "postgresql://shop:geheim@localhost/shop")
    for command in (("attach",), ("attach", "--check"), ("detach", "--yes"), ("import", "--from-catalog")):
        done = lockstep.run(*command, check=4)
        assert "pgpass" in done.stderr and "geheim" not in done.stdout + done.stderr


HOSTILE = (
    ("map.image", "table", "everything", "a view"),
    ("map.image", "table", "pg_catalog.pg_class", "does not hold an application's tables"),
    ("map.image", "table", "lockstep.lockstep_object", "does not hold an application's tables"),
    ("map.image", "table", "pg_class", "no application's table"),
    ("map.image", "table", "ProductImage; drop table orders", "letters, digits"),
    ("map.image", "file_name", "file$$name", "letters, digits"),
    ("map.image", "file_name", "nothing", "no column nothing"),
    ("map.image", "file_name", "position", "has the type int4"),
    ("map.image", "image_url", "fileName", "two uses"),
    ("map.image", "file_name", "x" * 64, "longer than"),
    ("map.image", "table", "productimage", "there is no table"),
    ("map.image", "constant.nothing", "1", "no column nothing"),
    ("map.variant", "is_active", "weight", "two uses"),
    ("map.product", "name", "price", "has the type numeric"),
    ("map.variant", "nonsense", "x", "unknown key"),
)


@pytest.mark.parametrize("section, key, value, reason", HOSTILE)
def test_a_hostile_mapping_is_refused_with_its_place(lockstep_attached, section, key, value, reason):
    lockstep = lockstep_attached
    ask(lockstep, 'create view everything as select * from "ProductImage"')
    before = schema(lockstep.database)
    lockstep.set_config(section, key, value)
    lines = lockstep.config.read_text().splitlines()
    places = [f"{lockstep.config.name}:{n + 1}: " for n, line in enumerate(lines) if line == f"{key} = {value}"]
    for command in (("scan",), ("attach",), ("attach", "--check")):
        said = lockstep.run(*command, check=(1, 4)).stderr
        assert reason in said and any(place in said for place in places), said
    assert schema(lockstep.database) == before


@pytest.mark.mount
def test_another_mapping_is_refused_until_attach_takes_it(lockstep_attached):
    lockstep = lockstep_attached
    lockstep.put(KEY.format("a"), b"one")
    lockstep.backend.put(KEY.format("orphan"), b"none")
    lockstep.run("scan", "--grace=0s", check=1)
    lockstep.backend.delete(KEY.format("orphan"))
    before = lockstep.run("log").stdout
    last = ask(lockstep, "select max(seq) from lockstep.lockstep_change")
    mount = lockstep.mount()
    ask(lockstep, """alter table "ProductImage" add column "href" text""")
    lockstep.set_config("map.image", "image_url", "href")
    assert "another mapping" in lockstep.run("scan", check=4).stderr
    assert "another mapping" in lockstep.run("attach", "--check", check=1).stdout
    assert "a mount of lockstep runs" in lockstep.run("attach", check=4).stderr
    assert mount.unmount() == 0
    lockstep.run("attach")
    assert lockstep.run("log").stdout == before
    assert ask(lockstep, "select value::bigint from lockstep.lockstep_meta where name = 'change_floor'") > last
    assert ask(lockstep, "select key, size, known from lockstep.lockstep_object") == [(KEY.format("a"), 3, True)]
    assert ask(lockstep, "select count(*) from pg_namespace where nspname like 'lockstep%%'") == [(1,)]
    assert lockstep.scan_json()["misfiledFiles"] == 1  # its url is missing
    lockstep.run("sync", "--grace=0s", "--misfiled=refile", "--yes", "--max-change=100%", check=0)
    lockstep.put(KEY.format("b"), b"two")
    in_step(lockstep, 2)
    lockstep.run("attach", "--check")
    text = lockstep.config.read_text()
    lockstep.config.write_text(text[: text.index("[map.product]")])
    assert "it is attached to an application's tables" in lockstep.run("scan", check=4).stderr


def test_what_does_not_fit_is_explained_and_changes_nothing(lockstep_attached):
    lockstep = lockstep_attached
    lockstep.run("detach", "--yes")
    ask(lockstep, 'drop index "ProductImage_fileName_key"; drop index "ProductVariant_productId_weight_key"; select 1')
    ask(lockstep, 'drop index "ProductImage_variantId_idx"; select 1')
    before = schema(lockstep.database)
    said = lockstep.run("attach", check=1).stderr
    assert 'CREATE UNIQUE INDEX ON "public"."ProductImage" ("fileName");' in said
    assert 'CREATE UNIQUE INDEX ON "public"."ProductVariant" ("productId", "weight");' in said
    assert 'CREATE INDEX ON "public"."ProductImage" ("variantId");' in said
    assert schema(lockstep.database) == before
    for line in said.splitlines():
        if "CREATE" in line:
            ask(lockstep, line[line.index("CREATE") :])
    lockstep.run("attach")


def test_a_backup_brings_rows_back_without_deleting_any(lockstep_attached):
    lockstep = lockstep_attached
    for name in ("a", "b"):
        lockstep.put(KEY.format(name), name.encode())
    lockstep.backend.delete(KEY.format("a"))
    rows = ask(lockstep, 'select i::text from "ProductImage" i order by "id"')
    lockstep.run("sync", "--grace=0s", "--missing=drop", "--yes", "--max-change=100%", check=0)
    ask(lockstep, """insert into "Product" ("id", "title", "updatedAt") values ('new', 'New', now())""")
    (backup,) = lockstep.folder.glob("lockstep-catalog.backup-*")
    subprocess.run(
        ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-1", "-f", backup, lockstep.database], check=True, timeout=60
    )
    assert [row for (row,) in ask(lockstep, 'select "fileName" from "ProductImage" order by 1')] == [
        KEY.format("a"),
        KEY.format("b"),
    ]
    assert len(rows) == 2 and ask(lockstep, """select count(*) from "Product" """) == [(2,)]
    assert lockstep.scan_json()["missingFiles"] == 1
