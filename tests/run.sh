#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run the test suites: tests/run.sh [OPTION…] [SUITE…]
#
# Decides which suites run, in which order and for how long at most; what a suite does stands in lib/suites.sh, what it
# needs is installed by lib/install.sh. Every suite runs in a process of its own under a hard deadline, all of them
# under a second one; what a suite leaves behind (mounts, processes, folders) is removed after it, also when it failed.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
export ROOT
# shellcheck source=tests/lib/common.sh
. "$ROOT/tests/lib/common.sh"
# shellcheck source=tests/lib/install.sh
. "$ROOT/tests/lib/install.sh"

# name  deadline in seconds  what it shows
SUITES='
lint        900  clang-format, clang-tidy, cppcheck, shellcheck and ruff find nothing
unit        480  gcc build with -Werror; make check: every cmocka test, the stores contract on a real MinIO among them
clang       240  clang build with -Werror: no warning
e2e         900  the main job, drift, scan during work, guards, trash, variants, CLI, on every pair of store and catalog, by an outside oracle
crash       900  SIGKILL at each fail point of each operation, and again in the recovery; the oracle checks the invariants
hosts       480  many mounts on one database and bucket; hosts that die or are cut off; PostgreSQL that fails
faults      600  lying, slow, dead stores; lost answers; wrong credentials; locked and full catalogs
browser     480  headless Chromium clicks through the dashboard of a running serve; store and database by the oracle; axe; no CSP violation
posix       600  suites of others through the mount, on every pair: pjdfstest, rename rules, fsx, fio, stress-ng, bonnie++, rsync, git
asan        900  AddressSanitizer and UBSan: unit tests and mount tests
tsan        900  ThreadSanitizer: unit tests and mount tests
valgrind    300  mount, work, unmount under memcheck: no leak
scan        720  100,000 objects on MinIO against the fastest plain client; flat memory
dist        900  make distcheck; make install DESTDIR
quickstart  240  examples/quickstart.sh from start to end
mount       900  every test that works through a mount; only when named: its parts are in e2e, faults and posix
'
GLOBAL_DEADLINE=${LOCKSTEP_TEST_DEADLINE:-4800}
ONLY_WHEN_NAMED=' mount '
LONG_FACTOR=20 # what --long multiplies the deadlines with

usage() {
    cat <<EOF
usage: tests/run.sh [--list] [--help] [--keep] [--no-install] [--long] [SUITE…]

  --list        list the suites and what each shows
  --keep        keep the work folder (logs of every suite) also when all passed
  --no-install  do not look for missing packages
  --long        the long form of the suites that have one (fsx, fio, stress-ng, bonnie++ and others): hours
Without a SUITE all of them run but those that say otherwise. Folders: \$LOCKSTEP_TEST_BUILD for builds (default ./build-tests),
\$LOCKSTEP_TEST_CACHE for downloads (default ~/.cache/lockstep-tests).
EOF
}

keep=0 install=1 long=0 wanted=()
while [ $# -gt 0 ]; do
    case $1 in
    --list)
        printf '%s' "$SUITES" | awk 'NF { n = $1; d = $2; $1 = $2 = ""; printf "%-11s %5ds %s\n", n, d, $0 }'
        exit 0
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    --keep) keep=1 ;;
    --no-install) install=0 ;;
    --long) long=1 ;;
    -*)
        usage >&2
        exit 64
        ;;
    *)
        if ! printf '%s' "$SUITES" | awk -v n="$1" '$1 == n { found = 1 } END { exit !found }'; then
            echo "tests/run.sh: no suite is called '$1' (see --list)" >&2
            exit 64
        fi
        wanted+=("$1")
        ;;
    esac
    shift
done

WORK=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-tests.XXXXXX")
chmod 755 "$WORK"
mkdir "$WORK/results" "$WORK/logs" "$WORK/tmp"
# Every process that the tests start inherits this mark; the cleanup ends those that carry it and no others.
LOCKSTEP_TEST_RUN=run-$$-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
export WORK LOCKSTEP_TEST_RUN
export LOCKSTEP_TEST_BUILD=${LOCKSTEP_TEST_BUILD:-$ROOT/build-tests}
export LOCKSTEP_TEST_CACHE=${LOCKSTEP_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockstep-tests}
export TMPDIR=$WORK/tmp
unset LOCKSTEP_CONFIG MAKEFLAGS AWS_PROFILE AWS_SESSION_TOKEN LOCKSTEP_TESTS_LONG
if [ "$long" = 1 ]; then
    export LOCKSTEP_TESTS_LONG=1
    GLOBAL_DEADLINE=$((GLOBAL_DEADLINE * LONG_FACTOR))
fi
failed_any=1

# shellcheck disable=SC2317 # the trap calls it
finish() {
    trap - EXIT INT TERM HUP
    sweep "$WORK"
    rm -rf "${MINIO_DATA:-}"
    pg_stop
    if [ "$keep" = 1 ] || [ "$failed_any" != 0 ]; then
        rm -rf "$WORK/tmp"
        echo "logs are kept in $WORK/logs"
    else
        rm -rf "$WORK"
    fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

SECONDS=0
if [ "$install" = 1 ]; then
    # shellcheck disable=SC2016 # the inner shell expands it
    timeout -k 10 1500 bash -c '. "$ROOT/tests/lib/install.sh"; install_all "$@"' install "${wanted[@]}" </dev/null || {
        echo "tests/run.sh: installing what is missing failed" >&2
        echo "0 passed, 1 failed"
        exit 1
    }
fi
install_paths
echo "== what the tests need is there (${SECONDS}s)"

# One MinIO for all suites that need one; each test makes buckets of its own in it.
minio_start || {
    echo "0 passed, 1 failed"
    exit 1
}

# And one PostgreSQL; each test program makes databases of its own in it.
pg_start || {
    echo "0 passed, 1 failed"
    exit 1
}

passed=0 failed=0 skipped=0 summary=
while read -r name limit _; do
    [ -n "$name" ] || continue
    if [ ${#wanted[@]} -gt 0 ]; then
        case " ${wanted[*]} " in *" $name "*) ;; *) continue ;; esac
    else
        case $ONLY_WHEN_NAMED in *" $name "*) continue ;; esac
    fi
    if [ "$long" = 1 ]; then limit=$((limit * LONG_FACTOR)); fi
    left=$((GLOBAL_DEADLINE - SECONDS))
    if [ "$left" -lt 20 ]; then
        echo "== $name: not run, the whole run reached its deadline of ${GLOBAL_DEADLINE}s"
        failed=$((failed + 1))
        continue
    fi
    [ "$left" -ge "$limit" ] || limit=$left
    echo "== $name (at most ${limit}s)"
    begin=$SECONDS rc=0
    # timeout puts the suite into a process group of its own and ends all of it.
    timeout -k 15 "$limit" bash "$ROOT/tests/lib/suites.sh" "$name" </dev/null >"$WORK/logs/$name.log" 2>&1 || rc=$?
    sweep_suite
    took=$((SECONDS - begin))
    p=$(result_sum "$name" pass) f=$(result_sum "$name" fail) s=$(result_sum "$name" skip)
    if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
        echo "$name: ended by its deadline of ${limit}s: something hung" | tee -a "$WORK/logs/$name.log"
        f=$((f + 1))
    elif [ "$rc" != 0 ] && [ "$f" = 0 ]; then
        f=1
    elif [ $((p + f + s)) = 0 ]; then
        echo "$name: ran no test" | tee -a "$WORK/logs/$name.log"
        f=1
    fi
    [ "$f" = 0 ] || result_show "$name"
    result_skips "$name"
    line="$name: $p passed, $f failed, $s skipped in ${took}s"
    echo "   $line"
    summary="$summary  $line"$'\n'
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if ! minio_alive; then
        echo "tests/run.sh: the MinIO of this run died; a new one is started" >&2
        minio_start || failed=$((failed + 1))
    fi
    if ! pg_alive; then
        echo "tests/run.sh: the PostgreSQL of this run died; it is started again" >&2
        pg_start || failed=$((failed + 1))
    fi
done <<EOF
$SUITES
EOF

echo
printf '%s' "$summary"
echo "  all of it took ${SECONDS}s"
[ "$failed" != 0 ] || failed_any=0
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
exit "$failed_any"
