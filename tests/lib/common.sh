# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Helpers that the runner and the suites share: results, one MinIO, and the sweep that ends what tests left behind.

# --- results: lines "pass N", "fail N", "skip N" in results/SUITE; sentences in results/SUITE.{failed,skipped}

result() { # KIND N
    [ "$2" = 0 ] || echo "$1 $2" >>"$WORK/results/$SUITE"
}

# Run a command as one named test of the current suite: its output goes to the suite's log.
check() { # NAME COMMAND…
    local name=$1
    shift
    echo "--- $name"
    if "$@"; then
        result pass 1
    else
        echo "FAILED: $name (status $?)"
        result fail 1
        echo "$name" >>"$WORK/results/$SUITE.failed"
    fi
}

result_sum() { # SUITE KIND
    [ -f "$WORK/results/$1" ] || {
        echo 0
        return
    }
    awk -v k="$2" '$1 == k { n += $2 } END { print n + 0 }' "$WORK/results/$1"
}

result_show() { # SUITE: what failed, and the end of its log
    echo "---- $1: failed"
    if [ -s "$WORK/results/$1.failed" ]; then sed 's/^/     /' "$WORK/results/$1.failed"; fi
    echo "---- $1: the end of its log"
    tail -n "${LOCKSTEP_TEST_TAIL:-150}" "$WORK/logs/$1.log" | cut -c1-400
    echo "----"
}

result_skips() { # SUITE: each skipped test with its reason
    if [ -s "$WORK/results/$1.skipped" ]; then sed 's/^/   skipped: /' "$WORK/results/$1.skipped"; fi
}

# --- the sweep

# Process ids of everything that carries this run's mark, but this shell and its ancestors, and the shared MinIO.
# A process that holds a secret hides its environment from other users: it shows the work folder in its arguments.
marked_pids() {
    local dir pid self=$BASHPID
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        case $pid in "$$" | "$self" | "$PPID" | "${MINIO_PID:-}") continue ;; esac
        if grep -qzF "LOCKSTEP_TEST_RUN=$LOCKSTEP_TEST_RUN" "$dir/environ" 2>/dev/null ||
            grep -qzF "$WORK/tmp/" "$dir/cmdline" 2>/dev/null; then
            echo "$pid"
        fi
    done
}

unmount_below() { # DIR: every mount below it, the deepest first
    local mp tries
    awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while IFS= read -r mp; do
        mp=$(printf '%b' "$mp")
        for tries in 1 2; do
            timeout 5 fusermount3 -u -z "$mp" 2>/dev/null || timeout 5 umount -l "$mp" 2>/dev/null || true
            [ "$tries" = 1 ] || break
        done
    done
}

end_marked() {
    local pids tries
    for tries in 1 2 3 4 5 6; do
        pids=$(marked_pids)
        [ -n "$pids" ] || return 0
        if [ "$tries" -lt 3 ]; then
            # shellcheck disable=SC2086
            kill $pids 2>/dev/null || true
        else
            # shellcheck disable=SC2086
            kill -KILL $pids 2>/dev/null || true
        fi
        sleep 0.5
    done
}

# After a suite: its mounts and processes go, the shared MinIO stays.
sweep_suite() {
    unmount_below "$WORK"
    end_marked
    unmount_below "$WORK"
    chmod -R u+w "$WORK/tmp" 2>/dev/null || true
    timeout 120 rm -rf --one-file-system "$WORK/tmp" 2>/dev/null || true
    mkdir -p "$WORK/tmp"
}

sweep() { # at the end: everything
    sweep_suite
    if [ -n "${MINIO_PID:-}" ]; then
        kill "$MINIO_PID" 2>/dev/null || true
        wait "$MINIO_PID" 2>/dev/null || true
        MINIO_PID=
    fi
}

# --- MinIO

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Start one on a free port, its data in memory where there is room, and export where it is.
minio_start() {
    local tries waited port base=$WORK
    if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 6000000 ]; then base=/dev/shm; fi
    [ -z "${MINIO_DATA:-}" ] || rm -rf "$MINIO_DATA"
    MINIO_DATA=$(mktemp -d "$base/lockstep-minio.XXXXXX")
    LOCKSTEP_TEST_S3_ACCESS_KEY=lockstep-$(od -An -N6 -tx8 /dev/urandom | tr -d ' ' | cut -c1-12)
    LOCKSTEP_TEST_S3_SECRET_KEY=secret-$(od -An -N16 -tx8 /dev/urandom | tr -d ' \n')
    for tries in 1 2 3; do
        port=$(free_port)
        MINIO_ROOT_USER=$LOCKSTEP_TEST_S3_ACCESS_KEY MINIO_ROOT_PASSWORD=$LOCKSTEP_TEST_S3_SECRET_KEY MINIO_BROWSER=off \
            "$LOCKSTEP_TEST_MINIO" server --quiet --address "127.0.0.1:$port" "$MINIO_DATA" \
            </dev/null >"$WORK/logs/minio.log" 2>&1 &
        MINIO_PID=$!
        LOCKSTEP_TEST_S3_ENDPOINT=http://127.0.0.1:$port
        for waited in $(seq 150); do
            kill -0 "$MINIO_PID" 2>/dev/null || break
            if minio_alive; then
                export LOCKSTEP_TEST_S3_ENDPOINT LOCKSTEP_TEST_S3_ACCESS_KEY LOCKSTEP_TEST_S3_SECRET_KEY MINIO_PID MINIO_DATA
                echo "== MinIO answers after $waited tenths of a second"
                return 0
            fi
            sleep 0.1
        done
        kill "$MINIO_PID" 2>/dev/null || true
        echo "MinIO did not start (try $tries); its log ends with:" >&2
        tail -5 "$WORK/logs/minio.log" >&2
    done
    MINIO_PID=
    return 1
}

minio_alive() { curl -fsS -m 5 -o /dev/null "$LOCKSTEP_TEST_S3_ENDPOINT/minio/health/ready" 2>/dev/null; }

# --- PostgreSQL

# Start the run's server, which no suite's sweep ends, and export its url.
pg_start() {
    local base=/tmp
    if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 1000000 ]; then base=/dev/shm; fi
    [ -n "${PG_DIR:-}" ] || PG_DIR=$(mktemp -d "$base/lockstep-pg.XXXXXX")
    LOCKSTEP_TEST_PG_URL=$(timeout 120 "$ROOT/tests/lib/pg_server.sh" start "$PG_DIR") || {
        echo "PostgreSQL did not start" >&2
        return 1
    }
    export LOCKSTEP_TEST_PG_URL
    echo "== PostgreSQL answers"
}

pg_alive() { "$LOCKSTEP_TEST_PG/pg_isready" -q -t 5 -h "$PG_DIR"; }

pg_stop() { [ -z "${PG_DIR:-}" ] || timeout 60 "$ROOT/tests/lib/pg_server.sh" stop "$PG_DIR" || true; }
