# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and variants by API calls, each outcome compared with store and database."""

import hashlib

import pytest
from harness.images import png, seed

JPEG = b"\xff\xd8\xff\xe0" + b"jpeg" * 50
FOLDER = "/admin/products/p1/images/500ml/hero-card"


def key_of(name: str) -> str:
    return f"products/p1/500ml/hero-card/{name}"


@pytest.fixture
def shop(lockstep, server):
    """A product with a weight and three images."""
    return lockstep, server, seed(lockstep, ("p1", "500ml", 3))


def put(server, path, data, **headers):
    return server.request("PUT", path, data, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_an_upload_makes_object_and_row(shop):
    lockstep, server, _ = shop
    data = png("new", 20)
    answer = put(server, f"{FOLDER}/new%20one.png", data)
    assert answer.status == 201, answer
    etag = hashlib.md5(data).hexdigest()
    assert answer.json["key"] == key_of("new one.png") and answer.json["etag"] == etag
    assert answer.json["fileName"] == "new one.png" and answer.json["contentType"] == "image/png"
    assert answer.headers["etag"] == f'"{etag}"'
    assert lockstep.backend.get(key_of("new one.png")) == data
    assert lockstep.oracle.rows()[key_of("new one.png")].image_url == answer.json["url"]
    lockstep.assert_in_step()


def test_a_replacement_is_conditional_where_it_is_told_to_be(shop):
    lockstep, server, keys = shop
    path, first, second = f"{FOLDER}/image-0000.png", png("first", 12), png("second", 14)
    row = lockstep.oracle.rows()[keys[0]].id
    put(server, path, first, If_None_Match="*").problem(409, "exists")
    answer = put(server, path, first)
    assert answer.status == 200
    put(server, path, second, If_Match='"0123"').problem(412, "conflict")
    assert lockstep.backend.get(keys[0]) == first
    assert put(server, path, second, If_Match=answer.headers["etag"]).status == 200
    assert lockstep.backend.get(keys[0]) == second and lockstep.oracle.rows()[keys[0]].id == row
    for wrong in ({"If_None_Match": '"x"'}, {"If_Match": "*"}, {"If_Match": '"a", "b"'}, {"If_Match": 'W/"a"'}):
        put(server, path, first, **wrong).problem(400, "condition")
    lockstep.assert_in_step()


def test_another_name_can_take_an_images_place(shop):
    lockstep, server, keys = shop
    row = lockstep.oracle.rows()[keys[0]].id
    answer = put(server, f"{FOLDER}/better.jpg?replaces={keys[0]}", JPEG)
    assert answer.status == 201
    assert lockstep.oracle.rows()[key_of("better.jpg")].id == row and keys[0] not in lockstep.oracle.objects()
    lockstep.assert_in_step()


def test_only_images_of_the_promised_kind_are_taken(shop):
    lockstep, server, keys = shop
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    put(server, f"{FOLDER}/a.svg", svg).problem(415, "file-name")
    put(server, f"{FOLDER}/a.png", svg).problem(415, "no-image")
    put(server, f"{FOLDER}/a.png", b"").problem(415, "no-image")
    put(server, f"{FOLDER}/a.png", JPEG).problem(415, "wrong-kind")
    put(server, f"{FOLDER}/a.png", png("a"), Content_Type="image/jpeg").problem(415, "wrong-kind")
    put(server, "/admin/products/p1/images/500ml/no-such-type/a.png", png("a")).problem(404, "unknown-type")
    put(server, f"{FOLDER}/..%2Fa.png", png("a")).problem(400, "malformed-id")
    put(server, "/admin/products/p2/images/500ml/hero-card/a.png", png("a")).problem(404, "not-found")
    put(server, "/admin/products/p1/images/1kg/hero-card/a.png", png("a")).problem(404, "not-found")
    assert set(lockstep.oracle.objects()) == set(keys) == set(lockstep.oracle.rows())


@pytest.mark.pairs("file")
def test_an_upload_is_bounded(lockstep, server):
    server.stop()
    lockstep.set_config("serve", "max_upload", "100K")
    seed(lockstep, ("p1", "500ml", 1))
    server.start()
    body = png("large", 400)
    assert len(body) > 200 * 1024
    put(server, f"{FOLDER}/large.png", body).problem(413, "too-long")
    put(server, f"{FOLDER}/large.png", iter([body[:150000], body[150000:]])).problem(413, "too-long")
    post(server, ("weight", None, b"500ml"), ("type", None, b"hero-card"), ("file", "large.png", body)).problem(
        413, "too-long"
    )
    assert put(server, f"{FOLDER}/small.png", png("small", 100)).status == 201
    lockstep.assert_in_step()


def form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, dict]:
    """(name, file name or None, bytes) as multipart/form-data."""
    body = b""
    for name, file, data in parts:
        named = f'; filename="{file}"' if file is not None else ""
        body += f'--edge\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + data + b"\r\n"
    return body + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


def post(server, *parts):
    body, headers = form(*parts)
    return server.request("POST", "/admin/products/p1/images", body, headers=headers)


def test_a_form_uploads_as_well(shop):
    lockstep, server, keys = shop
    data = png("form", 60)
    where = (("weight", None, b"500ml"), ("type", None, b"hero-card"))
    answer = post(server, *where, ("file", "from form.png", data))
    assert answer.status == 201 and answer.json["key"] == key_of("from form.png")
    assert lockstep.backend.get(key_of("from form.png")) == data
    assert post(server, ("file", "first.jpg", JPEG), *where).status == 201, "parts come in any order"
    post(server, *where, ("file", "first.jpg", JPEG)).problem(409, "exists")
    post(server, *where, ("file", "a.png", JPEG)).problem(415, "wrong-kind")
    post(server, *where, ("file", "../a.png", data)).problem(400, "malformed-id")
    post(server, *where, ("image", "a.png", data)).problem(400, "form")
    post(server, *where, ("file", "a.png", data), ("file", "b.png", data)).problem(400, "form")
    post(server, *where, ("weight", None, b"1kg"), ("file", "a.png", data)).problem(400, "form")
    post(server, *where, ("other", None, b"x"), ("file", "a.png", data)).problem(400, "unknown-field")
    post(server, ("weight", None, b"x" * 300), ("file", "a.png", data)).problem(400, "form")
    post(server, where[0], ("file", "a.png", data)).problem(400, "missing-field")
    post(server, *where).problem(400, "missing-field")
    server.request("POST", "/admin/products/p1/images", data, headers={"Content-Type": "image/png"}).problem(
        415, "content-type"
    )
    assert set(lockstep.oracle.rows()) == {*keys, key_of("from form.png"), key_of("first.jpg")}
    lockstep.assert_in_step()


def test_bytes_come_whole_or_in_part_or_not_at_all(shop):
    lockstep, server, keys = shop
    data = lockstep.backend.get(keys[0])
    path = f"{FOLDER}/image-0000.png"
    answer = server.get(path, role="read")
    assert answer.status == 200 and answer.body == data and answer.headers["content-type"] == "image/png"
    etag = answer.headers["etag"]
    assert server.get(path, headers={"If-None-Match": f'"other", {etag}'}).status == 304
    assert server.get(path, headers={"If-None-Match": '"other"'}).status == 200
    size = len(data)
    for header, part in (
        ("bytes=0-9", data[:10]),
        ("bytes=10-", data[10:]),
        ("bytes=-7", data[-7:]),
        (f"bytes=5-{size + 100}", data[5:]),
    ):
        ranged = server.get(path, headers={"Range": header})
        assert ranged.status == 206 and ranged.body == part, header
        begin = data.index(part)
        assert ranged.headers["content-range"] == f"bytes {begin}-{begin + len(part) - 1}/{size}"
    beyond = server.get(path, headers={"Range": f"bytes={size}-"})
    beyond.problem(416, "range")
    assert beyond.headers["content-range"] == f"bytes */{size}"
    stale = server.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert stale.status == 200 and stale.body == data
    head = server.request("HEAD", path)
    assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) == size
    server.get(f"{FOLDER}/absent.png").problem(404, "not-found")


def test_a_removal_takes_row_and_object(shop):
    lockstep, server, keys = shop
    path = f"{FOLDER}/image-0000.png"
    server.request("DELETE", path, headers={"If-Match": '"other"'}).problem(412, "conflict")
    server.request("DELETE", path, role="read").problem(403, "role")
    assert keys[0] in lockstep.oracle.rows()
    assert server.request("DELETE", path).status == 204
    assert keys[0] not in lockstep.oracle.rows() and keys[0] not in lockstep.oracle.objects()
    server.request("DELETE", path).problem(404, "not-found")
    lockstep.assert_in_step()


def test_images_and_products_are_listed_page_by_page(lockstep, server):
    keys = seed(lockstep, ("p1", "500ml", 5), ("p1.5", "1kg", 1), ("p2", "1kg", 4))
    found, path = [], "/admin/products/p1/images?limit=2"
    while path:
        page = server.get(path, role="read").json
        assert len(page["images"]) <= 2
        found += page["images"]
        path = page["next"] and f"/admin/products/p1/images?limit=2&after={page['next']}"
    assert [image["key"] for image in found] == sorted(keys[:5])
    rows = lockstep.oracle.rows()
    for image in found:
        row = rows[image["key"]]
        assert (image["size"], image["etag"], image["url"]) == (row.size, row.etag, row.image_url)
        assert (image["productId"], image["weight"], image["type"]) == ("p1", "500ml", row.image_type)
    assert [p["productId"] for p in server.get("/admin/products").json["products"]] == ["p1", "p1.5", "p2"]
    first = server.get("/admin/products?limit=1").json
    assert first == {"products": [{"productId": "p1"}], "next": "p1"}
    server.get("/admin/products?limit=many").problem(400, "wrong-type")
    server.get("/admin/products/p3/images").problem(404, "unknown-product")


def test_a_variants_life(shop):
    lockstep, server, keys = shop
    base = "/admin/products/p1/variants"
    answer = server.post(base, {"weight": "1kg"})
    assert answer.status == 201 and answer.json["weight"] == "1kg" and answer.json["isActive"] is True
    server.post(base, {"weight": "1kg"}).problem(409, "exists")
    server.post(base, {}).problem(400, "missing-field")
    server.post(base, {"weight": "a/b"}).problem(400, "invalid")
    assert [v["weight"] for v in server.get(base, role="read").json["variants"]] == ["1kg", "500ml"]

    answer = server.request("PATCH", f"{base}/500ml", {"weight": "450 ml", "isActive": False})
    assert answer.status == 200 and (answer.json["weight"], answer.json["isActive"]) == ("450 ml", False)
    renamed = [key.replace("/500ml/", "/450 ml/") for key in keys]
    assert set(lockstep.oracle.objects()) == set(lockstep.oracle.rows()) == set(renamed)
    assert lockstep.oracle.variants()["p1", "450 ml"] in (0, False)
    server.request("PATCH", f"{base}/500ml", {"isActive": True}).problem(404, "not-found")
    server.request("PATCH", f"{base}/450%20ml", {"active": True}).problem(400, "unknown-field")
    lockstep.oracle.assert_in_step()

    assert server.request("DELETE", f"{base}/450%20ml").status == 204
    assert lockstep.oracle.objects() == {} and set(lockstep.oracle.variants()) == {("p1", "1kg")}
    server.request("DELETE", f"{base}/450%20ml").problem(404, "not-found")
    lockstep.assert_in_step()
