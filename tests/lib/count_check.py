# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the cmocka tests of one `make check` from automake's .trs and .log files.

usage: count_check.py BUILD-DIR RESULTS-FILE MAKE-STATUS
A program that reports SKIP counts as failed: the runner gives the tests everything that they may need.
"""

import re
import sys
from pathlib import Path

OK = re.compile(r"^\[ +OK +\] (.+)$", re.M)
FAILED = re.compile(r"^\[ +FAILED +\] (?!\S+: \d+ test|\d+ test)(.+)$", re.M)
SKIPPED = re.compile(r"^\[ +SKIPPED +\] (?!\S+: \d+ test|\d+ test)(.+)$", re.M)


def count(trs: Path) -> tuple[int, list[str]]:
    """The number of tests that passed, and a sentence for each that did not."""
    name = trs.with_suffix("").name
    result = re.search(r"^:test-result: *(\S+)", trs.read_text(errors="replace"), re.M)
    verdict = result.group(1) if result else "no result"
    log_path = trs.with_suffix(".log")
    log = log_path.read_text(errors="replace") if log_path.exists() else ""
    ok = len(OK.findall(log))
    bad = [f"{name}: {test.strip()}" for test in sorted(set(FAILED.findall(log)) | set(SKIPPED.findall(log)))]
    if verdict != "PASS" and not bad:
        bad = [f"{name}: {verdict}"]
    if verdict == "PASS" and not ok:
        ok = 1  # a script: one test
    if bad:
        print(f"==== {log_path}\n{log[-6000:]}")
    return ok, bad


def main() -> int:
    build, results, status = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    passed, failed = 0, []
    for trs in sorted(build.rglob("*.trs")):
        ok, bad = count(trs)
        passed += ok
        failed += bad
    if not passed and not failed:
        failed = ["make check ran no test"]
    if status and not failed:
        failed = [f"make check ended with status {status} without a failed test (build error or deadline)"]
    with open(results, "a") as out:
        out.write(f"pass {passed}\nfail {len(failed)}\n")
    with open(f"{results}.failed", "a") as out:
        out.writelines(f"{line}\n" for line in failed)
    print(f"make check: {passed} passed, {len(failed)} failed")
    return 0


sys.exit(main())
