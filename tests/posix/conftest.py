# SPDX-License-Identifier: GPL-3.0-or-later
"""What the suites of others share: a mounted world on each pair."""

import pytest


@pytest.fixture
def mount(lockstep):
    """A mount, once on each pair of store and catalog."""
    return lockstep.mount()


@pytest.fixture
def type_folder(mount):
    """A folder of the layout that takes files of any name."""
    path = mount.products / "p1" / "500ml" / "other-images"
    path.mkdir(parents=True)
    return path
