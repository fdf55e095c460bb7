# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that the crash tests kill, each with what may be found afterwards: the old state or the new one, whole."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from .images import png

A, B, C = (f"image-{name}.png" for name in "abc")


@dataclass(frozen=True)
class Operation:
    """`words` gives the command for one product; `effect` turns the contents before into those after."""

    name: str
    words: Callable
    effect: Callable
    points: str  # prefix of the fail points that the operation passes
    multi: bool = False  # works on several objects: also killed at the second hit of a point


def _key(product: str, weight: str, name: str, kind: str = "hero-card") -> str:
    return f"products/{product}/{weight}/{kind}/{name}"


def contents_before(product: str) -> dict[str, bytes]:
    """Two weights; the first has three files."""
    keys = [_key(product, "500ml", A), _key(product, "500ml", B), _key(product, "500ml", C, "info-card")]
    keys.append(_key(product, "1kg", A))
    return {key: png(key) for key in keys}


NEW_BYTES = png("new bytes", 24)


def _with(before, key, data):
    return before | {key: data}


def _without(before, *keys):
    return {key: data for key, data in before.items() if key not in keys}


def _moved(before, old, new):
    return {(new + key[len(old) :] if key.startswith(old) else key): data for key, data in before.items()}


OPERATIONS = [
    Operation(
        "put_new",
        lambda p, f: ("put", f, _key(p, "500ml", "new.png")),
        lambda p, c: _with(c, _key(p, "500ml", "new.png"), NEW_BYTES),
        "engine.put.",
    ),
    Operation(
        "put_same_name",
        lambda p, f: ("put", f, _key(p, "500ml", A)),
        lambda p, c: _with(c, _key(p, "500ml", A), NEW_BYTES),
        "engine.put.",
    ),
    Operation(
        "remove",
        lambda p, f: ("rm", _key(p, "500ml", A)),
        lambda p, c: _without(c, _key(p, "500ml", A)),
        "engine.remove.",
    ),
    Operation(
        "remove_many",
        lambda p, f: ("rm", _key(p, "500ml", A), _key(p, "500ml", B), _key(p, "1kg", A)),
        lambda p, c: _without(c, _key(p, "500ml", A), _key(p, "500ml", B), _key(p, "1kg", A)),
        "engine.remove.",
        multi=True,
    ),
    Operation(
        "rename_file",
        lambda p, f: ("mv", _key(p, "500ml", A), _key(p, "500ml", "other.png")),
        lambda p, c: _moved(c, _key(p, "500ml", A), _key(p, "500ml", "other.png")),
        "engine.rename.",
    ),
    Operation(
        "rename_over_existing",
        lambda p, f: ("mv", _key(p, "500ml", A), _key(p, "500ml", B)),
        lambda p, c: _with(_without(c, _key(p, "500ml", A)), _key(p, "500ml", B), c[_key(p, "500ml", A)]),
        "engine.rename.",
    ),
    Operation(
        "rename_folder",
        lambda p, f: ("mv", f"products/{p}/500ml/hero-card", f"products/{p}/500ml/other-images"),
        lambda p, c: _moved(c, f"products/{p}/500ml/hero-card/", f"products/{p}/500ml/other-images/"),
        "engine.rename_folder.",
        multi=True,
    ),
    Operation(
        "variant_rename",
        lambda p, f: ("variant", "rename", p, "500ml", "750ml"),
        lambda p, c: _moved(c, f"products/{p}/500ml/", f"products/{p}/750ml/"),
        "engine.rename_folder.",
        multi=True,
    ),
    Operation(
        "variant_delete",
        lambda p, f: ("variant", "delete", p, "500ml"),
        lambda p, c: {key: data for key, data in c.items() if "/500ml/" not in key},
        "engine.remove.",
        multi=True,
    ),
    Operation(
        "put_over_orphan",
        lambda p, f: ("put", f, _key(p, "500ml", "orphan.png")),
        lambda p, c: _with(c, _key(p, "500ml", "orphan.png"), NEW_BYTES),
        "engine.put.",
    ),
]


def prepare(lockstep, product: str) -> dict[str, bytes]:
    """Make the product's images in the store and let them be adopted; returns the contents."""
    before = contents_before(product)
    for key, data in before.items():
        lockstep.backend.put(key, data)
    lockstep.run("sync", product, "--orphans=adopt", "--yes", "--grace=0s")
    return before


def contents(lockstep, product: str) -> dict[str, bytes]:
    keys = [key for key in lockstep.oracle.objects() if key.startswith(f"products/{product}/")]
    return {key: lockstep.backend.get(key) for key in keys}


def run_killed(lockstep, words, *points: str) -> bool:
    """Run with a kill at the points; True when it fired. Anything but success or SIGKILL is a failure."""
    done = lockstep.run(*words, failpoint=tuple(points), check=(0, -signal.SIGKILL))
    return done.returncode == -signal.SIGKILL


def judge(lockstep, product: str, before: dict, after: dict, said: str) -> None:
    """Wholly old or wholly new, and all the oracle's invariants."""
    found = contents(lockstep, product)
    assert found in (before, after), (
        f"{said}: neither old nor new: "
        f"lost {sorted(before.keys() - found.keys())}, extra {sorted(found.keys() - before.keys())}, "
        f"changed {sorted(key for key in found.keys() & before.keys() if found[key] != before[key])}"
    )
    bad = lockstep.oracle.problems()
    assert not bad, f"{said}: {bad[:10]}"
