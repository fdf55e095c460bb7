# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real PNG files, made on the spot, each with different bytes."""

import os
import random
import struct
import zlib
from pathlib import Path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(seed: object, side: int = 8) -> bytes:
    """A valid RGB image whose pixels come from the seed."""
    pixels = random.Random(str(seed))
    rows = b"".join(b"\0" + pixels.randbytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


TYPES = ("hero-card", "info-card", "other-images")


def make_tree(root: Path, product: str, weight: str, count: int, mtime: int = 1_700_000_000) -> list[str]:
    """Write `count` images of one weight below root/products; returns their keys."""
    keys = []
    for i in range(count):
        key = f"products/{product}/{weight}/{TYPES[i % 3]}/image-{i:04d}.png"
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(key, side=4 + i % 9))
        os.utime(path, (mtime + i, mtime + i))
        keys.append(key)
    for folder in [root / "products", *(root / "products").rglob("*/")]:
        if folder.is_dir():
            os.utime(folder, (mtime - 100, mtime - 100))
    return keys


def seed(lockstep, *weights: tuple[str, str, int]) -> list[str]:
    """Put images into the bucket as a foreign program would, and let `lockstep import` make their rows."""
    keys = []
    for product, weight, count in weights:
        for i in range(count):
            key = f"products/{product}/{weight}/{TYPES[i % 3]}/image-{i:04d}.png"
            lockstep.backend.put(key, png(key, side=4 + i % 5))
            keys.append(key)
    lockstep.run("import")
    return keys
