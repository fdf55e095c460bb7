# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the tests of one pytest run from its JUnit file.

usage: count_junit.py XML RESULTS-FILE PYTEST-STATUS
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main() -> int:
    xml, results, status = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    passed, failed, skipped = 0, [], []
    try:
        cases = list(ElementTree.parse(xml).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    for case in cases:
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif (skip := case.find("skipped")) is not None:
            skipped.append(f"{name}: {skip.get('message')}")
        else:
            # A test that runs somebody's suite says how many checks that made.
            passed += int(next((p.get("value") for p in case.iter("property") if p.get("name") == "checks"), 1))
    if status and not failed:
        failed = [f"pytest ended with status {status} (crashed, interrupted or found no test)"]
    with open(results, "a") as out:
        out.write(f"pass {passed}\nfail {len(failed)}\nskip {len(skipped)}\n")
    for suffix, lines in (("failed", failed), ("skipped", skipped)):
        with open(f"{results}.{suffix}", "a") as out:
            out.writelines(f"{line}\n" for line in lines)
    return 0


sys.exit(main())
