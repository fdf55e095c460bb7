# SPDX-License-Identifier: GPL-3.0-or-later
"""`lockstep listen` on a real MinIO: what its stream tells reaches the rows, and a gap is said."""

import json
import queue
import signal
import time
from contextlib import suppress

import pytest
from harness.images import png, seed
from harness.program import SLOW, wait_until
from harness.wire import Wire

from .test_webhook import CREATED, FOLDER, inbox, settled


class Listener:
    def __init__(self, lockstep):
        self.process = lockstep.start("listen")
        self.log = lockstep.folder / f"process-{len(lockstep.processes) - 1}.log"
        wait_until(lambda: self.said("listening to") or self.process.poll() is not None, "it listens")
        assert self.process.poll() is None, self.text

    @property
    def text(self) -> str:
        return self.log.read_text()

    def said(self, words: str) -> bool:
        return words in self.text

    def stop(self, sig=signal.SIGTERM) -> None:
        self.process.send_signal(sig)
        assert self.process.wait(20 * SLOW) == 0, self.text


@pytest.mark.pairs("minio", "postgres")
def test_what_the_stream_tells_reaches_the_rows(lockstep):
    keys = seed(lockstep, ("p1", "500ml", 6))
    odd = f"{FOLDER}/a b+c%20ä.png"
    listener = Listener(lockstep)
    lockstep.backend.put(odd, png("odd"))
    lockstep.backend.put(keys[0], png("changed", 20))
    lockstep.backend.delete(keys[1])
    lockstep.backend.move(keys[2], f"{FOLDER}/moved.png")
    lockstep.backend.put("elsewhere/x.png", png("not ours"))
    wanted = {odd, keys[0], f"{FOLDER}/moved.png", *keys[3:]}
    wait_until(lambda: set(lockstep.oracle.rows()) == wanted and inbox(lockstep) == 0, "the rows follow", 60)
    # Our own operations are told as well, and mean nothing.
    lockstep.run("mv", odd, f"{FOLDER}/renamed.png")
    lockstep.run("rm", keys[3])
    wait_until(lambda: inbox(lockstep) == 0, "the inbox is worked off")
    lockstep.backend.delete("elsewhere/x.png")
    listener.stop()
    lockstep.assert_in_step()
    assert not listener.said("event=gap") and not listener.said("event=malformed")


@pytest.mark.pairs("minio")
def test_many_changes_at_once_are_all_heard(lockstep):
    listener = Listener(lockstep)
    keys = [f"products/p{i % 5}/500ml/hero-card/image-{i:04d}.png" for i in range(400)]
    for key in keys:
        lockstep.backend.put(key, png(key))
    for key in keys[::3]:
        lockstep.backend.delete(key)
    settled(lockstep, 60)
    listener.stop(signal.SIGINT)


def test_a_gap_is_said_and_what_it_hid_is_found_by_a_scan(lockstep_minio):
    lockstep = lockstep_minio
    keys = seed(lockstep, ("p1", "500ml", 3))
    wire = Wire(lockstep.backend.endpoint)
    lockstep.set_config("store", "endpoint", wire.endpoint)
    lockstep.set_config("store", "deadline", "3s")
    listener = Listener(lockstep)
    lockstep.backend.put(f"{FOLDER}/first.png", png("first"))
    wait_until(lambda: f"{FOLDER}/first.png" in lockstep.oracle.rows(), "the first is heard")
    assert lockstep.json("scan", "--json", "--grace=0s")["unannouncedFiles"] is None
    wire.pull_out()
    wait_until(lambda: listener.said("event=stream-lost"), "it notices")
    lockstep.backend.put(f"{FOLDER}/missed.png", png("missed"))
    lockstep.backend.delete(keys[0])
    wire.put_in()
    wait_until(lambda: listener.said("event=gap"), "it is there again", 60)
    assert wire.cuts > 0 and "lockstep scan" in listener.text
    lockstep.backend.put(f"{FOLDER}/later.png", png("later"))
    wait_until(lambda: f"{FOLDER}/later.png" in lockstep.oracle.rows(), "the later one is heard", 60)
    found = lockstep.scan_json()
    assert (found["orphanedFiles"], found["missingFiles"], found["unannouncedFiles"]) == (1, 1, 2)
    lockstep.run("sync", "--yes", "--grace=0s", "--orphans=adopt", "--missing=drop")
    listener.stop()
    lockstep.assert_in_step()
    wire.close()


def test_the_policy_is_kept_and_what_cannot_be_followed_is_said(lockstep_minio):
    lockstep = lockstep_minio
    lockstep.set_config("serve", "events", "report")
    listener = Listener(lockstep)
    lockstep.backend.put(f"{FOLDER}/new.png", png("new"))
    wait_until(lambda: listener.said("event=would"), "it says what it would do")
    listener.stop()
    assert lockstep.oracle.rows() == {}
    lockstep.set_config("serve", "events", "ignore")
    assert "events = ignore" in lockstep.run("listen", check=4).stderr
    lockstep.run("listen", "more", check=64)


def test_a_directory_cannot_be_listened_to(lockstep_file):
    assert "a directory tells nobody" in lockstep_file.run("listen", check=4).stderr


def answer_with(client, kind: str, *pieces: bytes) -> None:
    client.recv(65536)
    client.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
    for piece in pieces:
        client.sendall(piece)


class PromptStream:
    """A server that sends each event at once, and blanks while there are none, as MinIO is meant to."""

    def __init__(self, bucket: str):
        self.bucket, self.lines, self.streams, self.there = bucket, queue.Queue(), 0, 0

    def __call__(self, client, head: bytes) -> bool:
        if b"events=" not in head.split(b"\r\n")[0]:
            return False
        self.streams += 1
        self.there += 1
        with suppress(OSError):
            answer_with(client, "text/event-stream", b" ")
            while True:
                client.settimeout(0.3)
                with suppress(TimeoutError):
                    if not client.recv(1):
                        break  # it has had enough
                client.sendall(self.lines.get() if not self.lines.empty() else b" ")
        self.there -= 1
        return True

    def tell(self, kind: str, key: str) -> None:
        told = {"eventName": kind, "s3": {"bucket": {"name": self.bucket}, "object": {"key": key}}}
        text = json.dumps({"Records": [told]}).encode() + b"\n"
        for piece in (text[:20], b"", text[20:]):
            self.lines.put(piece)


def test_one_stream_is_enough_where_each_event_comes_at_once(lockstep_minio):
    lockstep = lockstep_minio
    wire = Wire(lockstep.backend.endpoint)
    wire.answer = stream = PromptStream(lockstep.backend.bucket)
    lockstep.set_config("store", "endpoint", wire.endpoint)
    listener = Listener(lockstep)
    # The second is begun as well when the first blank takes more than a second to come.
    wait_until(lambda: stream.there == 1, "one stream is left")
    for name in ("first", "second+%20"):
        key = f"{FOLDER}/{name}.png"
        lockstep.backend.put(key, png(name))
        stream.lines.put(b"no JSON\n")
        stream.tell(CREATED, key)
        wait_until(lambda key=key: key in lockstep.oracle.rows(), "it is heard")
    begun = stream.streams
    time.sleep(4)  # longer than streams live that take turns
    assert (stream.streams, stream.there) == (begun, 1)
    assert listener.said("event=malformed") and not listener.said("event=gap")
    listener.stop()
    wire.close()


def test_a_server_without_a_stream_is_told_from_one_that_has_it(lockstep_minio):
    wire = Wire(lockstep_minio.backend.endpoint)
    listing = b"<?xml version='1.0'?><ListBucketResult></ListBucketResult>"

    def list_instead(client, head: bytes) -> bool:
        if b"events=" not in head.split(b"\r\n")[0]:
            return False
        answer_with(client, "application/xml", listing)
        return True

    wire.answer = list_instead
    lockstep_minio.set_config("store", "endpoint", wire.endpoint)
    said = lockstep_minio.run("listen", check=4).stderr
    assert "no stream of the bucket's events" in said and "lockstep events setup" in said
    wire.close()
