# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of products: counts of both sides, in each order, a page at a time."""

from urllib.parse import quote

from harness.images import png, seed

TABLE = "/admin/products/table"
COUNTS = ("variants", "images", "orphaned", "missing", "stale", "moved", "misfiled", "misplaced", "pending")


def table(server, query: str = "", limit: int = 2) -> tuple[dict[str, tuple], int | None]:
    """All rows in their order, each as its counts, and the scan."""
    rows, after = {}, ""
    while True:
        page = server.get(f"{TABLE}?limit={limit}{query}{after}", role="read").json
        assert len(page["products"]) <= limit
        for row in page["products"]:
            assert row["productId"] not in rows, "a row comes twice"
            rows[row["productId"]] = tuple(row[name] for name in COUNTS)
        if page["next"] is None:
            return rows, page["scan"]
        after = f"&after={quote(page['next'])}"


def test_the_table_shows_what_a_scan_found_in_each_product(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 6), ("p1", "1kg", 2), ("p10", "1kg", 3), ("p2", "1kg", 4), ("q", "2kg", 1))
    server.get("/admin/products/sync/check-all?grace=0s")
    rows, scan = table(server)
    assert list(rows) == ["p1", "p10", "p2", "q"] and scan is not None
    assert rows["p1"] == (2, 8, 0, 0, 0, 0, 0, 0, 0) and rows["q"] == (1, 1, 0, 0, 0, 0, 0, 0, 0)

    lockstep.backend.move(keys[0], "products/p1/500ml/info-card/elsewhere.png")
    lockstep.backend.put(keys[1], png("stale", side=20))
    lockstep.backend.put("products/p2/loose.png", png("misplaced"))
    lockstep.backend.put("products/only in the bucket/1kg/hero-card/a.png", png("a"))
    lockstep.backend.put("elsewhere/b.png", png("of no product"))
    lockstep.backend.delete(keys[-1])
    for scan_it in (
        lambda: server.get("/admin/products/sync/check-all?grace=0s"),
        lambda: lockstep.run("scan", "--grace=0s", "--share", check=1),
    ):
        scan_it()
        newest = server.get("/admin/scans?limit=1").json["scans"][0]
        for limit in (1, 2, 100):
            rows, scan = table(server, "", limit)
            assert scan == newest["id"]
            assert rows == {
                "only in the bucket": (0, 0, 1, 0, 0, 0, 0, 0, 0),
                "p1": (2, 8, 1, 1, 1, 1, 0, 0, 0),
                "p10": (1, 3, 0, 0, 0, 0, 0, 0, 0),
                "p2": (1, 4, 1, 0, 0, 0, 0, 1, 0),
                "q": (1, 1, 0, 1, 0, 0, 0, 0, 0),
            }
            assert list(rows) == sorted(rows)
            assert list(table(server, "&sort=-product", limit)[0]) == sorted(rows, reverse=True)
            assert list(table(server, "&sort=-problems", limit)[0]) == ["p1", "only in the bucket", "p2", "q", "p10"]
            assert list(table(server, "&search=P1", limit)[0]) == ["p1", "p10"]
            assert list(table(server, "&search=P&sort=-problems", limit)[0]) == ["p1", "p2", "p10"]
    lockstep.run("scan", "--grace=0s", "p2", check=1)
    assert table(server)[1] == newest["id"], "that of one product does not count"


def test_wrong_questions_to_the_table_are_refused(lockstep, server):
    seed(lockstep, ("p1", "500ml", 1))
    for wrong in (
        "sort=problems",
        "sort=",
        "limit=1001",
        "sort=-problems&after=p1",
        "sort=-problems&after=1",
        "sort=-problems&after=-1:x",
    ):
        server.get(f"{TABLE}?{wrong}").problem(400, "wrong-type")
    server.get(f"{TABLE}?offset=1").problem(400, "unknown-parameter")
    server.get(TABLE, role="webhook").problem(403, "role")
    assert server.get(f"{TABLE}?limit=0").json["products"][0]["productId"] == "p1"
