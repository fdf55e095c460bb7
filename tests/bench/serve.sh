#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make bench-serve`: as bench.sh, for serve.py. `make bench-serve BENCH_ARGS="--runs 1 --json figures.json"` passes
# arguments on.
set -euo pipefail
BENCH=serve exec "$(dirname "$0")/bench.sh" "$@"
