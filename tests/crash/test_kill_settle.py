# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL of the settler at each fail point of what it does: another one finishes, and everything is done exactly once.

Each case proves that its fault fired. A product a case, within one installation.
"""

import pytest
from harness.images import png
from harness.program import wait_until

POINTS = ("settle.", "engine.follow.", "engine.discard.", "engine.mend.")


def key(product: str, weight: str, name: str) -> str:
    return f"products/{product}/{weight}/hero-card/{name}.png"


class Shop:
    """What the application does to one product, and what must come of it."""

    def __init__(self, lockstep, product: str):
        self.lockstep, self.product = lockstep, product
        self.stay, self.gone, self.new = (key(product, "500ml", name) for name in ("stay", "gone", "new"))
        for each in (self.stay, self.gone):
            lockstep.put(each, png(each))
        lockstep.backend.put(self.new, png(self.new))

    def change(self) -> None:
        with self.lockstep.oracle.transaction() as execute:
            execute(
                "insert into product_image (product_id, variant_id, variant_weight, image_type, file_name, image_url)"
                " select product_id, id, weight, 'hero-card', ?, ? from product_variant where product_id = ?",
                (self.new, f"{self.lockstep.oracle.public_url}/{self.new}", self.product),
            )
            execute("delete from product_image where file_name = ?", (self.gone,))
            execute("update product_variant set weight = '750ml' where product_id = ?", (self.product,))

    def judge(self, point: str) -> None:
        mine = f"products/{self.product}/"
        objects = {name for name in self.lockstep.backend.objects() if name.startswith(mine)}
        assert objects == {key(self.product, "750ml", "stay"), key(self.product, "750ml", "new")}, point
        assert self.lockstep.backend.get(key(self.product, "750ml", "stay")) == png(self.stay), point
        trash = self.lockstep.oracle.query("select count(*) from lockstep_trash where key = ?", self.trash_key())
        assert trash == [(1,)], f"{point}: not exactly one copy in trash"

    def trash_key(self):
        return self.gone.encode() if self.lockstep.database else self.gone


def settled(lockstep) -> bool:
    return lockstep.json("status", "--json")["settling"]["behind"] == 0


def epoch(lockstep) -> int:
    return lockstep.json("status", "--json")["settling"]["epoch"]


@pytest.mark.timeout(600)
def test_the_next_process_goes_on_exactly_once(lockstep):
    lockstep.run("settle")
    points = [point for prefix in POINTS for point in lockstep.failpoints(prefix)]
    reached = set()
    for number, point in enumerate(points):
        shop = Shop(lockstep, f"p{number:03d}")
        shop.change()
        done = lockstep.run("settle", failpoint=f"{point}=kill", check=None)
        if done.returncode == -9:
            reached.add(point)
        lockstep.run("settle")
        assert settled(lockstep), point
        shop.judge(point)
    never = set(points) - reached
    # This one is met where rows could not be changed together.
    assert not {point for point in never if point.startswith("settle.")}, f"not reached: {sorted(never)}"
    assert len(reached) >= len(points) - 2, f"not reached: {sorted(never)}"
    lockstep.assert_in_step()


@pytest.mark.mount
@pytest.mark.timeout(600)
@pytest.mark.pairs("file", "postgres")
def test_another_mount_takes_over_and_finishes_exactly_once(lockstep):
    points = [*lockstep.failpoints("settle."), "engine.follow.copied", "engine.follow.committed"]
    lockstep.run("settle")
    for number, point in enumerate(points):
        shop = Shop(lockstep, f"p{number:03d}")
        before = epoch(lockstep)
        leader = lockstep.mount(failpoint=f"{point}=kill")
        wait_until(lambda before=before: epoch(lockstep) > before, "the mount takes the role")
        spare = lockstep.mount()
        shop.change()
        assert leader.died_by_kill(), f"{point} did not fire: {leader.text()[-2000:]}"
        wait_until(lambda: settled(lockstep), f"{point}: the other mount settles: {spare.text()[-3000:]}", 40)
        wait_until(lambda: not lockstep.oracle.open_intents(), f"{point}: the journal drains", 40)
        shop.judge(point)
        assert spare.unmount() == 0
    lockstep.assert_in_step()
