# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end-to-end, crash and fault tests share. Nothing here uses lockstep's own code."""
