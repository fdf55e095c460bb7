#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make bench`: install what is missing, make an optimised build without fail points, and run bench.py with it.
# Arguments are bench.py's; `make bench BENCH_ARGS="--only mv,rm --runs 3"` passes them on. serve.sh uses it for another.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd -P)
export ROOT
export LOCKSTEP_TEST_BUILD=${LOCKSTEP_TEST_BUILD:-$ROOT/build-tests}
export LOCKSTEP_TEST_CACHE=${LOCKSTEP_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockstep-tests}
unset MAKEFLAGS MAKELEVEL MFLAGS
# shellcheck source=tests/lib/install.sh
. "$ROOT/tests/lib/install.sh"
install_all
BENCH=${BENCH:-bench}
case $BENCH in
bench) install_debian s3fs bindfs ;;
serve) install_debian wrk ;;
esac
install_paths

build=$LOCKSTEP_TEST_BUILD/release
mkdir -p "$build"
[ -x "$ROOT/configure" ] || (cd "$ROOT" && ./bootstrap)
cd "$build"
[ -f Makefile ] || "$ROOT/configure" --quiet CFLAGS='-O2 -g' --disable-failpoints
make -s -j"$(nproc)"
export LOCKSTEP_BIN=$build/lockstep
exec "$LOCKSTEP_TEST_VENV/bin/python" "$ROOT/tests/bench/$BENCH.py" "$@"
