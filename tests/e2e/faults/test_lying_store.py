# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that MinIO never gives but S3 servers and networks do. Each test proves that its fault fired."""

import email.utils
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from harness.images import png, seed
from harness.program import SLOW
from harness.proxy import Answer, Change, Lose, error, error_xml, list_page

KEY = "products/p1/500ml/hero-card/a.png"
OTHER = "products/p1/500ml/info-card/b.png"


def once(predicate, action):
    """A rule that acts on the first request for which the predicate holds."""
    done = []

    def rule(request):
        if not done and predicate(request):
            done.append(request)
            return action
        return None

    return rule


def always(predicate, action):
    return lambda request: action if predicate(request) else None


def settled(lockstep, proxy):
    """After the fault: recovery, then the oracle."""
    proxy.set_rule(None)
    lockstep.run("recover")
    lockstep.assert_in_step()


def test_a_copy_that_answers_200_with_an_error_fails_and_leaves_the_source(behind, proxy):
    seed(behind, ("p1", "500ml", 3))
    before = behind.oracle.objects()
    proxy.set_rule(always(lambda r: r.is_copy, Answer(200, error_xml("InternalError"))))
    done = behind.run("variant", "rename", "p1", "500ml", "1kg", check=None)
    assert proxy.fired and done.returncode == 4
    settled(behind, proxy)
    assert behind.oracle.objects() == before


def test_one_copy_of_a_folder_that_fails_undoes_the_others(behind, proxy):
    seed(behind, ("p1", "500ml", 12))
    before = behind.oracle.objects()
    proxy.set_rule(always(lambda r: r.is_copy and "image-0007" in r.path, error(403, "AccessDenied")))
    done = behind.run("variant", "rename", "p1", "500ml", "1kg", check=None)
    assert proxy.fired and done.returncode == 4 and "image-0007" in done.stderr
    settled(behind, proxy)
    assert behind.oracle.objects() == before


@pytest.mark.parametrize("kind", ["is_put", "is_copy", "is_delete"])
@pytest.mark.parametrize("words", ["put", "overwrite", "mv", "rename", "rm"])
def test_a_lost_answer_has_no_double_effect(behind, proxy, folder, kind, words):
    seed(behind, ("p1", "500ml", 3))
    first = "products/p1/500ml/hero-card/image-0000.png"
    (folder / "new.png").write_bytes(png("new", 20))
    argv = {
        "put": ("put", folder / "new.png", KEY),
        "overwrite": ("put", folder / "new.png", first),
        "mv": ("mv", first, OTHER),
        "rename": ("variant", "rename", "p1", "500ml", "1kg"),
        "rm": ("rm", first),
    }[words]
    needs = {"put": {"is_put"}, "overwrite": {"is_put"}, "mv": {"is_copy", "is_delete"}, "rm": {"is_delete"}}
    before = behind.oracle.objects()
    proxy.set_rule(once(lambda r: getattr(r, kind), Lose()))
    done = behind.run(*argv, check=(0, 4))
    fired = proxy.fired
    settled(behind, proxy)
    assert fired or kind not in needs.get(words, {"is_copy", "is_delete"}), "no answer was lost"
    if done.returncode == 0:
        assert behind.oracle.objects() != before
    else:
        assert len(behind.oracle.objects()) in (len(before) - 1, len(before), len(before) + 1)


def test_a_partial_batch_delete_settles_per_key(behind, proxy):
    keys = seed(behind, ("p1", "500ml", 6))
    refused = keys[1]
    bucket = behind.backend.bucket

    def rule(request):
        named = re.findall(rb"<Key>([^<]*)</Key>", request.body) if request.is_batch_delete else []
        named = [key.decode() for key in named]
        if request.method == "DELETE" and request.path == f"/{bucket}/{refused}":
            return error(403, "AccessDenied")
        if refused not in named:
            return None
        for key in named:
            if key != refused:
                behind.backend.delete(key)
        rest = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in named if key != refused)
        body = (
            f"<DeleteResult>{rest}<Error><Key>{refused}</Key><Code>AccessDenied</Code><Message>locked</Message></Error>"
            "</DeleteResult>"
        )
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    proxy.set_rule(rule)
    done = behind.run("rm", *keys[:3], check=None)
    assert proxy.fired and done.returncode == 4 and refused in done.stderr
    behind.run("recover", check=None)
    assert refused in behind.oracle.objects() and refused in behind.oracle.rows(), "the refused one comes back"
    settled(behind, proxy)
    assert set(keys[3:]) <= set(behind.oracle.objects())


# --- listings


def incomplete(behind, proxy, bounded):
    """Both scan and sync say `incomplete`, and nothing is mended."""
    rows = behind.oracle.rows()
    with bounded(60):
        found = behind.json("scan", "--json", "--grace=0s", check=2)
    assert proxy.fired and found["complete"] is False and found["missingFiles"] == 0
    with bounded(60):
        behind.run("sync", "--missing=drop", "--orphans=remove", "--yes", "--grace=0s", check=2)
    assert behind.oracle.rows() == rows
    settled(behind, proxy)


def paged(behind, fault, size=5):
    """Listings come in small pages, and from the second page on `fault(request, objects)` may answer instead."""
    objects = behind.backend.objects()

    def rule(request):
        if not request.is_list:
            return None
        second = "continuation-token" in request.query
        return (fault(request, objects) if second else None) or list_page(objects, request, size)

    return rule


def test_small_pages_alone_are_no_fault(behind, proxy):
    seed(behind, ("p1", "500ml", 40))
    proxy.set_rule(paged(behind, lambda request, objects: None))
    behind.run("scan", "--grace=0s", check=0)
    assert proxy.fired > 5


@pytest.mark.parametrize("status,code", [(500, "InternalError"), (403, "AccessDenied")])
def test_a_second_page_that_fails_makes_the_scan_incomplete(behind, proxy, bounded, status, code):
    seed(behind, ("p1", "500ml", 40))
    proxy.set_rule(paged(behind, lambda request, objects: error(status, code)))
    incomplete(behind, proxy, bounded)


def test_a_token_that_repeats_makes_the_scan_incomplete(behind, proxy, bounded):
    seed(behind, ("p1", "500ml", 40))
    objects = behind.backend.objects()
    proxy.set_rule(lambda r: list_page(objects, r, 5, token="always-the-same") if r.is_list else None)
    incomplete(behind, proxy, bounded)


def test_an_endless_listing_makes_the_scan_incomplete(behind, proxy, bounded):
    """New tokens for ever, the same keys again and again."""
    seed(behind, ("p1", "500ml", 40))
    objects = behind.backend.objects()
    numbers = iter(range(10**9))

    def rule(request):
        if not request.is_list:
            return None
        request.query.pop("continuation-token", None)
        return list_page(objects, request, 5, token=f"token-{next(numbers)}")

    proxy.set_rule(rule)
    incomplete(behind, proxy, bounded)


def test_a_listing_cut_in_its_middle_makes_the_scan_incomplete(behind, proxy, bounded):
    seed(behind, ("p1", "500ml", 40))

    def cut(status, headers, body):
        return Answer(status, body[: len(body) * 2 // 3], headers)

    proxy.set_rule(always(lambda r: r.is_list, Change(cut)))
    incomplete(behind, proxy, bounded)


def test_a_connection_that_ends_within_a_listing_makes_the_scan_incomplete(behind, proxy, bounded):
    seed(behind, ("p1", "500ml", 40))
    proxy.set_rule(always(lambda r: r.is_list, Change(lambda s, h, b: Answer(s, b, h, cut=len(b) // 2))))
    incomplete(behind, proxy, bounded)


def test_a_doctype_in_a_listing_is_rejected(behind, proxy, bounded):
    seed(behind, ("p1", "500ml", 40))
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'

    def add(status, headers, body):
        head, _, rest = body.partition(b"?>")
        return Answer(status, head + b"?>" + laughs + rest, headers)

    proxy.set_rule(always(lambda r: r.is_list, Change(add)))
    incomplete(behind, proxy, bounded)


def test_an_answer_without_end_is_capped(behind, proxy, bounded):
    seed(behind, ("p1", "500ml", 4))
    flood = b"<ListBucketResult>" + b"<Contents><Key>x</Key></Contents>" * 4_000_000
    proxy.set_rule(always(lambda r: r.is_list, Answer(200, flood)))
    incomplete(behind, proxy, bounded)


def test_an_absurd_content_length_is_an_error(behind, proxy, bounded):
    behind.put(KEY, b"bytes")
    lie = Answer(200, b"x", {"Content-Length": str(2**63), "X-Test-Lies": "1", "ETag": '"abc"'}, cut=1)
    proxy.set_rule(always(lambda r: r.is_get and KEY in r.path, lie))
    with bounded(40):
        done = behind.run("get", KEY, "out.png", check=None)
    assert proxy.fired and done.returncode == 4
    settled(behind, proxy)


# --- errors that pass, and those that do not


@pytest.mark.parametrize("status,code", [(503, "SlowDown"), (500, "InternalError")])
def test_a_burst_of_server_errors_is_waited_out(behind, proxy, status, code):
    seed(behind, ("p1", "500ml", 6))
    bursts = iter(range(5))
    proxy.set_rule(lambda r: error(status, code) if next(bursts, None) is not None else None)
    behind.run("variant", "rename", "p1", "500ml", "1kg", check=0)
    assert proxy.fired == 5
    settled(behind, proxy)


def test_server_errors_without_end_are_an_error_within_the_deadline(behind, proxy, bounded):
    behind.put(KEY, b"old")
    proxy.set_rule(always(lambda r: r.is_put, error(503, "SlowDown")))
    with bounded():
        done = behind.put(KEY, b"new", check=None)
    assert proxy.fired and done.returncode == 4 and "503" in done.stderr
    settled(behind, proxy)
    assert behind.backend.get(KEY) == b"old"


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_to_another_host_is_not_followed(behind, proxy, status):
    behind.put(KEY, b"old")
    visitors = []
    trap = socket.create_server(("127.0.0.1", 0))
    port = trap.getsockname()[1]

    def watch():
        try:
            while True:
                visitors.append(trap.accept()[0].recv(4096))
        except OSError:
            return

    threading.Thread(target=watch, daemon=True).start()
    elsewhere = Answer(status, error_xml("TemporaryRedirect"), {"Location": f"http://localhost:{port}/elsewhere"})
    proxy.set_rule(always(lambda r: r.is_put or r.is_get, elsewhere))
    try:
        assert behind.put(KEY, b"new", check=None).returncode == 4
        assert behind.run("get", KEY, "out", check=None).returncode == 4
        assert proxy.fired
    finally:
        trap.close()
    assert visitors == [], "a signed request went to another host"
    settled(behind, proxy)
    assert behind.backend.get(KEY) == b"old"


def test_a_clock_that_is_off_is_named_in_the_error(behind, proxy):
    # A HEAD's answer has no body that could name the code; every server says what time it takes it to be, though.
    skewed = error(403, "RequestTimeTooSkewed")
    skewed.headers["Date"] = email.utils.formatdate(time.time() + 20 * 60, usegmt=True)
    proxy.set_rule(always(lambda r: True, skewed))
    done = behind.put(KEY, b"new", check=None)
    assert proxy.fired and done.returncode == 4 and "clock" in done.stderr.lower()
    settled(behind, proxy)


def test_a_body_cut_short_is_never_taken_for_the_file(behind, proxy, folder):
    data = os.urandom(200_000)
    behind.put(KEY, data)
    proxy.set_rule(always(lambda r: r.is_get, Change(lambda s, h, b: Answer(s, b, h, cut=len(b) // 2))))
    done = behind.run("get", KEY, folder / "out.png", check=None)
    assert proxy.fired and done.returncode == 4
    assert not (folder / "out.png").exists() or (folder / "out.png").read_bytes() == data
    settled(behind, proxy)


def test_a_refused_put_is_an_error_of_the_put(behind, proxy):
    proxy.set_rule(always(lambda r: r.is_put and "a.png" in r.path, error(403, "AccessDenied")))
    done = behind.put(KEY, b"x", check=None)
    assert proxy.fired and done.returncode == 4 and "AccessDenied" in done.stderr and KEY in done.stderr
    settled(behind, proxy)
    assert behind.oracle.objects() == {}


# --- through the mount


def test_close_tells_that_the_store_refused(behind, proxy):
    mount = behind.mount()
    path = mount.products / "p1/500ml/hero-card"
    path.mkdir(parents=True)
    proxy.set_rule(always(lambda r: r.is_put and "a.png" in r.path, error(403, "AccessDenied")))
    done = subprocess.run(["sh", "-c", f"echo x > '{path}/a.png'"], capture_output=True, timeout=60 * SLOW)
    copied = subprocess.run(["cp", "/etc/hostname", f"{path}/a.png"], capture_output=True, timeout=60 * SLOW)
    assert proxy.fired and copied.returncode != 0, (done, copied)
    proxy.set_rule(None)
    assert mount.unmount() == 0
    settled(behind, proxy)
    assert behind.oracle.objects() == {}


def test_mv_tells_that_a_copy_failed_and_nothing_moved(behind, proxy):
    seed(behind, ("p1", "500ml", 6))
    before = behind.oracle.objects()
    mount = behind.mount()
    proxy.set_rule(always(lambda r: r.is_copy and "image-0003" in r.path, Answer(200, error_xml("InternalError"))))
    with pytest.raises(OSError):
        os.rename(mount.products / "p1/500ml", mount.products / "p1/1kg")
    assert proxy.fired and os.listdir(mount.products / "p1") == ["500ml"]
    proxy.set_rule(None)
    assert mount.unmount() == 0
    settled(behind, proxy)
    assert behind.oracle.objects() == before


def test_a_read_of_a_cut_body_is_eio_and_later_the_whole_file(behind, proxy):
    data = os.urandom(300_000)
    behind.put(KEY, data)
    mount = behind.mount()
    proxy.set_rule(always(lambda r: r.is_get, Change(lambda s, h, b: Answer(s, b, h, cut=len(b) // 2))))
    with pytest.raises(OSError):
        (mount.path / KEY).read_bytes()
    assert proxy.fired
    proxy.set_rule(None)
    assert (mount.path / KEY).read_bytes() == data
