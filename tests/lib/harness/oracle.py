# SPDX-License-Identifier: GPL-3.0-or-later
"""The independent judge: reads store and catalog with other people's clients and states the invariants."""

import json
import re
import sqlite3
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

KEY = re.compile(r"^products/([^/]+)/([^/]+)/(hero-card|info-card|other-images)/([^/]+)$")

ROWS = """
select i.file_name, i.image_url, i.image_type, i.variant_weight, i.product_id, v.weight as weight,
       v.product_id as variant_product, p.id as product, o.size, o.etag, o.mtime_ns, o.mode, o.uid, o.gid,
       v.is_active, i.id as id, v.id as variant_id
from product_image i
left join product_variant v on v.id = i.variant_id
left join product p on p.id = i.product_id
left join lockstep_object o on o.key = i.file_name and o.etag <> ''
"""


@dataclass(frozen=True)
class Row:
    file_name: str
    image_url: str
    image_type: str
    variant_weight: str
    product_id: str
    weight: str
    variant_product: str
    product: str
    size: int
    etag: str
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    is_active: int
    id: object
    variant_id: object


class Oracle:
    has_url = True
    recorded = ""  # what says that something is recorded of an object

    def __init__(self, backend, catalog: Path, public_url: str):
        self.backend, self.catalog, self.public_url = backend, catalog, public_url

    # --- the catalog

    def query(self, sql: str, *values) -> list[tuple]:
        connection = sqlite3.connect(self.catalog, timeout=20)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    @contextmanager
    def transaction(self):
        """A foreign program's; yields what executes a statement in it: f(sql, values)."""
        connection = sqlite3.connect(self.catalog, timeout=20)
        try:
            with connection:
                yield connection.execute
        finally:
            connection.close()

    def execute(self, sql: str, *values) -> None:
        """What a foreign program writes into the catalog."""
        with self.transaction() as execute:
            execute(sql, values)

    @contextmanager
    def locked(self):
        """Nobody else writes meanwhile."""
        holder = sqlite3.connect(self.catalog, timeout=20, isolation_level=None)
        try:
            holder.execute("begin exclusive")
            yield
        finally:
            holder.close()

    def insert_rows(self, objects) -> None:
        """Rows of many objects at once, as an application's own bulk load would write them."""
        with self.transaction() as execute:
            known = set()
            for key, obj in objects.items():
                product, weight, kind, _ = KEY.match(key).groups()
                if (product, weight) not in known:
                    execute("insert into product (id) values (?) on conflict do nothing", (product,))
                    execute(
                        "insert into product_variant (product_id, weight) values (?, ?) on conflict do nothing",
                        (product, weight),
                    )
                    known.add((product, weight))
                url = (f"{self.public_url}/{key}",) if self.has_url else ()
                execute(
                    "insert into product_image (product_id, variant_id, variant_weight, image_type, file_name"
                    + (", image_url" if url else "")
                    + ") values (?, (select id from product_variant where product_id = ? and weight = ?), ?, ?, ?"
                    + (", ?)" if url else ")"),
                    (product, product, weight, weight, kind, key, *url),
                )
                execute(
                    "insert into lockstep_object (key, size, etag, mtime_ns, mode, uid, gid, content_type)"
                    " values (?, ?, ?, 0, 420, 0, 0, 'image/jpeg') on conflict (key) do update"
                    f" set {self.recorded}size = excluded.size, etag = excluded.etag, mode = excluded.mode,"
                    " content_type = excluded.content_type",
                    (key, obj.size, obj.etag),
                )

    def rows(self) -> dict[str, Row]:
        return {row[0]: Row(*row) for row in self.query(ROWS)}

    def shell_rows(self) -> dict[str, tuple[str, int]]:
        """key -> (etag, size) as the sqlite3 shell prints them."""
        sql = "select i.file_name, o.etag, o.size from product_image i join lockstep_object o on o.key = i.file_name"
        done = subprocess.run(
            ["sqlite3", "-json", "-readonly", str(self.catalog), sql], capture_output=True, timeout=60, check=True
        )
        return {row["file_name"]: (row["etag"], row["size"]) for row in json.loads(done.stdout or b"[]")}

    def variants(self) -> dict[tuple[str, str], int]:
        """(product, weight) -> is_active"""
        return {
            (row[0], row[1]): row[2] for row in self.query("select product_id, weight, is_active from product_variant")
        }

    def products(self) -> set[str]:
        return {row[0] for row in self.query("select id from product")}

    def open_intents(self) -> list[tuple]:
        return self.query("select * from lockstep_intent")

    # --- the store

    def objects(self):
        return self.backend.objects()

    # --- what must hold

    def problems(self, drift_expected: bool = False) -> list[str]:
        """Every sentence is a broken invariant."""
        objects, rows = self.backend.objects(), self.rows()
        bad = []
        for key in sorted(rows.keys() - objects.keys()):
            bad.append(f"dangling row: {key} has no object")
        for key in sorted(objects.keys() - rows.keys()):
            bad.append(f"unexplained object: {key} has no row")
        for key in sorted(objects.keys() & rows.keys()):
            row, obj = rows[key], objects[key]
            if (row.etag, row.size) != (obj.etag, obj.size):
                bad.append(f"{key}: row says {row.etag}/{row.size}, store says {obj.etag}/{obj.size}")
        for row in rows.values():
            bad += self._column_problems(row)
        for intent in self.open_intents():
            bad.append(f"open intent: {intent}")
        for (key,) in self.query(
            "select key from lockstep_object where key not in (select file_name from product_image)"
        ):
            bad.append(f"side row without an image: {key}")
        bad += [f"unfinished upload: {key}" for key in self.backend.uploads()]
        if drift_expected:
            bad = [text for text in bad if not text.startswith(("dangling", "unexplained"))]
        return bad

    def _column_problems(self, row: Row) -> list[str]:
        match = KEY.match(row.file_name)
        if not match:
            return [f"row with a key outside the layout: {row.file_name}"]
        product, weight, kind, _ = match.groups()
        want = {
            "product_id": product,
            "product": product,
            "variant_product": product,
            "weight": weight,
            "variant_weight": weight,
            "image_type": kind,
        }
        bad = [
            f"{row.file_name}: {column} is {getattr(row, column)!r}, not {value!r}"
            for column, value in want.items()
            if getattr(row, column) != value
        ]
        if self.has_url and unquote(row.image_url) != f"{self.public_url}/{row.file_name}":
            bad.append(f"{row.file_name}: image_url is {row.image_url!r}")
        return bad

    def assert_in_step(self) -> None:
        bad = self.problems()
        assert not bad, "invariants broken:\n  " + "\n  ".join(bad[:25]) + f"\n  ({len(bad)} in all)"

    def assert_tree(self, root: Path) -> None:
        """The mount's products folder shows exactly the objects, with their bytes."""
        shown = {}
        for path in sorted(root.rglob("*")):
            if path.is_file():
                shown[f"products/{path.relative_to(root)}"] = path.stat().st_size
        assert shown == {key: obj.size for key, obj in self.backend.objects().items()}
