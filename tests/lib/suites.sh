#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What each suite does. tests/run.sh calls this with one name, under a deadline, with everything installed.
# A suite writes its counts with result/check (lib/common.sh), and all it prints goes to its log.
set -euo pipefail
SUITE=$1
# shellcheck source=tests/lib/common.sh
. "$ROOT/tests/lib/common.sh"
PY=$LOCKSTEP_TEST_VENV/bin/python
JOBS=$(nproc)
cd "$ROOT"

# These are called as conditions, where set -e does not work: each step says `|| return`.
bootstrap() { # ./configure, made anew only when what it is made from changed
    local lock=$LOCKSTEP_TEST_BUILD/bootstrap.lock
    if [ ! -x configure ] || [ ! -f Makefile.in ] || [ -n "$(find configure.ac m4/ls_*.m4 -newer configure)" ]; then
        timeout -k 5 180 flock "$lock" ./bootstrap || return
    fi
}

# Configure build-tests/NAME, anew when the arguments changed.
configured() { # NAME [CONFIGURE ARGUMENT…]
    local dir=$LOCKSTEP_TEST_BUILD/$1
    shift
    mkdir -p "$dir"
    bootstrap || return
    if [ ! -f "$dir/Makefile" ] || [ "$(cat "$dir/.arguments" 2>/dev/null)" != "$*" ]; then
        (cd "$dir" && timeout -k 5 180 "$ROOT/configure" --quiet --enable-werror --enable-failpoints "$@") || return
        echo "$*" >"$dir/.arguments"
    fi
}

build() { # NAME [CONFIGURE ARGUMENT…]
    configured "$@" || return
    timeout -k 5 400 make -C "$LOCKSTEP_TEST_BUILD/$1" -s --no-print-directory -j"$JOBS"
}

must() { # NAME COMMAND…: a check without which the rest of the suite makes no sense
    check "$@"
    if [ -s "$WORK/results/$SUITE.failed" ]; then exit 1; fi
}

# make check in build-tests/NAME; every cmocka test counts.
unit_tests() { # NAME
    local rc=0
    echo "--- make check in $1"
    (cd "$LOCKSTEP_TEST_BUILD/$1" && export LOCKSTEP_BIN=$PWD/lockstep &&
        timeout -k 5 600 make -s -j"$JOBS" -k check TESTS_ENVIRONMENT='timeout -k 5 300') || rc=$?
    "$PY" tests/lib/count_check.py "$LOCKSTEP_TEST_BUILD/$1" "$WORK/results/$SUITE" "$rc"
}

pytests() { # BUILD PYTEST-ARGUMENT…
    local name=$1 rc=0 xml
    shift
    xml=$(mktemp "$WORK/logs/$SUITE.XXXXXX.xml")
    LOCKSTEP_BIN=$LOCKSTEP_TEST_BUILD/$name/lockstep "$PY" -m pytest -c tests/pytest.ini --rootdir tests \
        --basetemp "$TMPDIR/pytest" -p no:cacheprovider --junitxml "$xml" "$@" || rc=$?
    "$PY" tests/lib/count_junit.py "$xml" "$WORK/results/$SUITE" "$rc"
}

c_sources() { git ls-files '*.c' '*.h' 2>/dev/null | grep . || find src include tests -name '*.[ch]'; }
sh_sources() {
    grep -rlE '^#!.*\b(ba)?sh\b|^# shellcheck shell=' --include='*' bootstrap tests examples .ci | grep -vE '\.(py|md|c|h)$'
}

tidy() {
    local flags
    configured clang CC=clang || return
    flags="-std=gnu17 -Isrc -Iinclude -I$LOCKSTEP_TEST_BUILD/clang -include config.h $(pkg-config --cflags fuse3 libpq libmicrohttpd gnutls)"
    export flags
    # shellcheck disable=SC2016 # the inner shell expands it
    c_sources | grep '^src/.*\.c$' | timeout -k 5 700 xargs -P "$JOBS" -n 3 \
        sh -c 'clang-tidy --quiet "$@" -- $flags 2>&1' clang-tidy >"$WORK/logs/clang-tidy.log" || {
        grep -v ' warnings\? .*generated\.$' "$WORK/logs/clang-tidy.log" | tail -n 200
        return 1
    }
}

suite_lint() {
    # shellcheck disable=SC2046
    check "clang-format" timeout 60 clang-format --dry-run -Werror $(c_sources)
    # shellcheck disable=SC2046
    check "shellcheck" timeout 60 shellcheck -x $(sh_sources)
    # Uninitialised variables: clang-tidy's analyser follows short circuits, cppcheck does not. Leaks: cppcheck knows
    # nothing of the cleanup attribute; ASan and memcheck look for real ones.
    check "cppcheck" timeout 200 cppcheck --quiet -j "$JOBS" --error-exitcode=1 --inline-suppr --std=c11 \
        --enable=warning,performance,portability --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=legacyUninitvar --suppress=uninitvar --suppress=uninitStructMember \
        --suppress=memleak --suppress=comparePointers:src/base/failpoint.c \
        --suppress='*:/usr/include/*' -Isrc -Iinclude --include=tests/lib/cppcheck.h src
    check "ruff format" timeout 60 "$LOCKSTEP_TEST_VENV/bin/ruff" format --no-cache --config tests/ruff.toml --check tests
    check "ruff check" timeout 60 "$LOCKSTEP_TEST_VENV/bin/ruff" check --no-cache --config tests/ruff.toml tests
    check "clang-tidy" tidy
}

suite_unit() {
    must "gcc build without a warning" build gcc
    unit_tests gcc
}

suite_clang() {
    check "clang build without a warning" build clang CC=clang
}

suite_e2e() {
    build gcc
    pytests gcc -n 3 tests/e2e --ignore tests/e2e/faults --ignore tests/e2e/hosts --ignore tests/e2e/browser \
        --ignore tests/e2e/valgrind
}

suite_hosts() {
    build gcc
    pytests gcc -n 3 tests/e2e/hosts
}

suite_crash() {
    build gcc
    pytests gcc -n 3 tests/crash
}

suite_faults() {
    build gcc
    pytests gcc -n 4 tests/e2e/faults
}

suite_browser() {
    build gcc
    pytests gcc -n 2 tests/e2e/browser
}

suite_posix() {
    build gcc
    pytests gcc -n 3 tests/posix
}

suite_mount() {
    build gcc
    pytests gcc -n 3 -m mount tests/e2e tests/posix --ignore tests/e2e/browser
}

sanitized() { # NAME LIST
    must "build with -fsanitize=$2" build "$1" --enable-sanitizers="$2"
    unit_tests "$1"
    LOCKSTEP_TEST_SLOW=4 pytests "$1" -n 2 -m mount tests/e2e --ignore tests/e2e/browser \
        -k 'not postgres and not attach or test_main_job or test_postgres'
    LOCKSTEP_TEST_SLOW=4 pytests "$1" -n 2 tests/e2e/serve -k 'not postgres and not minio and not memory'
}

suite_asan() {
    export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
    sanitized asan address,undefined
}

suite_tsan() {
    export TSAN_OPTIONS=second_deadlock_stack=1:halt_on_error=0:suppressions=$ROOT/tests/lib/tsan.supp
    sanitized tsan thread
}

suite_valgrind() {
    build gcc
    LOCKSTEP_TEST_SLOW=6 pytests gcc -m valgrind tests/e2e/valgrind
}

suite_scan() {
    build release CFLAGS='-O2 -g' --disable-failpoints
    pytests release tests/bench
}

distcheck() {
    mkdir -p "$LOCKSTEP_TEST_BUILD/dist"
    bootstrap || return
    cd "$LOCKSTEP_TEST_BUILD/dist" || return
    [ -f Makefile ] || timeout -k 5 180 "$ROOT/configure" --quiet || return
    VERBOSE=1 timeout -k 5 720 make -s -j"$JOBS" distcheck DISTCHECK_CONFIGURE_FLAGS='--quiet --enable-werror'
}

installs() {
    local dest
    dest=$(mktemp -d)
    (cd "$LOCKSTEP_TEST_BUILD/gcc" && timeout -k 5 120 make -s install DESTDIR="$dest") || return 1
    [ -x "$dest/usr/local/bin/lockstep" ] && [ -f "$dest/usr/local/include/lockstep/store.h" ] &&
        [ -f "$dest/usr/local/lib/pkgconfig/lockstep.pc" ] && [ -e "$dest/usr/local/lib/liblockstep.so" ] || return 1
    LD_LIBRARY_PATH=$dest/usr/local/lib timeout 10 "$dest/usr/local/bin/lockstep" version
}

suite_dist() {
    build gcc
    check "make distcheck" distcheck
    cd "$ROOT"
    check "make install DESTDIR" installs
}

suite_quickstart() {
    bootstrap
    check "examples/quickstart.sh" timeout -k 10 200 env LOCKSTEP_BUILD="$LOCKSTEP_TEST_BUILD/quickstart" \
        ./examples/quickstart.sh "$TMPDIR/quickstart-demo"
}

mkdir -p "$LOCKSTEP_TEST_BUILD"
"suite_$SUITE"
