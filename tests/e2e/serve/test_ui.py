# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard's files as the server sends them. What they do in a browser is tested in tests/e2e/browser."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src/serve/ui"
FILES = sorted(path.name for path in SOURCE.iterdir())
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}

pytestmark = pytest.mark.pairs("file")


def ask(server, path: str, **headers):
    return server.get(path, role="", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_every_file_is_served_as_it_lies_in_the_source_to_anybody(server):
    for name in FILES:
        answer = ask(server, f"/ui/{name}")
        assert answer.status == 200 and answer.body == (SOURCE / name).read_bytes(), name
        assert answer.headers["content-type"].split(";")[0] == TYPES[Path(name).suffix], name
    page = ask(server, "/")
    assert page.status == 200 and page.body == (SOURCE / "index.html").read_bytes()
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_a_file_that_is_known_is_not_sent_again(server):
    for path in ("/", "/ui/app.js"):
        first = ask(server, path)
        etag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-cache"
        again = ask(server, path, If_None_Match=f'"x", {etag}')
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
        assert ask(server, path, If_None_Match='"another"').status == 200
    assert ask(server, "/").headers["etag"] != ask(server, "/ui/app.js").headers["etag"]


def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline(server):
    for path in ("/", "/ui/app.js", "/ui/style.css", "/ui/icon.svg"):
        headers = ask(server, path).headers
        rules = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
        assert rules == STRICT, path
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in headers
    # Of all else that the server sends nothing can run.
    assert server.get("/admin/scans").headers["content-security-policy"].startswith("default-src 'none'")
    assert server.get("/admin/scans").headers["cache-control"] == "no-store"


def test_there_is_no_other_file(server):
    for name in ("app.js.map", "assets.c", "..%2Fopenapi.yaml", "%2E%2E", "%00", "INDEX.html"):
        answer = ask(server, f"/ui/{name}")
        assert answer.status in (400, 404) and answer.headers["content-type"] == "application/problem+json", name
    ask(server, "/ui/").problem(404, "no-such-path")
    ask(server, "/ui").problem(404, "no-such-path")
    server.request("POST", "/", {}, role="").problem(405, "method")
    assert server.request("HEAD", "/", role="").body == b""


def test_the_files_name_nothing_from_elsewhere_and_write_no_markup():
    for name in FILES:
        source = (SOURCE / name).read_text()
        found = set(re.findall(r"https?://[^\s\"'`)]+", source)) - {"http://www.w3.org/2000/svg"}
        assert not found, (name, found)
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            ".style.",
        ):
            assert word not in source, (name, word)
    page = (SOURCE / "index.html").read_text()
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)", page)


def test_every_file_is_part_of_a_release():
    listed = set(re.findall(r"src/serve/ui/(\S+)", (SOURCE.parent / "local.mk").read_text()))
    assert listed == set(FILES)


def test_modules_import_only_what_there_is():
    exported = {
        name: set(
            re.findall(r"^export (?:async )?(?:const|let|class|function\*?) (\w+)", (SOURCE / name).read_text(), re.M)
        )
        for name in FILES
        if name.endswith(".js")
    }
    seen = {"app.js"}
    for name in exported:
        for names, module in re.findall(r'^import (.+?) from "\./([\w.]+)";', (SOURCE / name).read_text(), re.M):
            assert module in exported, (name, module)
            seen.add(module)
            wanted = (
                set()
                if names.startswith("*")
                else {one.strip() for one in names.strip("{} ").split(",") if one.strip()}
            )
            assert wanted <= exported[module], (name, module, wanted - exported[module])
    assert seen == set(exported), "a module that nobody uses"


def test_every_text_is_used_and_every_used_text_is_there():
    sources = {name: (SOURCE / name).read_text() for name in FILES if name.endswith(".js")}
    texts = sources["text.js"].partition("export const text = {")[2]
    groups = set(re.findall(r"^  (\w+)(?:,|: ?[{(\"\[])", texts, re.M))
    used = {
        word
        for name, source in sources.items()
        if name != "text.js"
        for word in re.findall(r"(?<!/)\btext\.(\w+)", source)
    }
    assert used == groups, (used - groups, groups - used)
