#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A PostgreSQL server for tests: pg_server.sh start|stop|end|crash DIR
#
# start makes a cluster in DIR (unless it is there), starts it and prints its url; stop ends it and removes DIR; end ends
# it in good order, crash without a checkpoint, so that the next start recovers. It listens on a unix socket in DIR only.
# Its databases sort by ICU's en-US, not by bytes: whatever relies on the database's collation shows. PostgreSQL refuses
# to run as root: it runs as postgres or nobody then. LOCKSTEP_TEST_PG is the folder of the server's programs.
set -euo pipefail

verb=$1 dir=$2
bin=${LOCKSTEP_TEST_PG:-/usr/lib/postgresql/15/bin}
as=()
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
fi
# The run's mark stays off it: the sweep after a suite leaves the server alone. Nothing else of ours concerns it.
run() { (cd "$dir" && "${as[@]}" env -i PATH="$bin:$PATH" LC_ALL=C.UTF-8 "$@"); }

case $verb in
start)
    if [ ! -e "$dir/data/PG_VERSION" ]; then
        mkdir -p "$dir/data"
        chmod 711 "$dir"
        [ ${#as[@]} = 0 ] || chown -R "$user" "$dir"
        run initdb -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --locale-provider=icu \
            --icu-locale=en-US --no-sync --no-instructions >/dev/null
        cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 200
log_min_duration_statement = 5000
CONF
    fi
    for _ in 1 2 3 4 5; do
        if run pg_ctl -D "$dir/data" -l "$dir/log" -t 60 -w start >/dev/null </dev/null; then
            echo "postgresql:///postgres?host=$dir&user=postgres"
            exit 0
        fi
        sleep 1 # what a killed server left may need a moment to end
    done
    tail -n 20 "$dir/log" >&2
    exit 1
    ;;
end)
    run pg_ctl -D "$dir/data" -m fast -w -t 60 stop >/dev/null
    ;;
crash)
    run pg_ctl -D "$dir/data" -m immediate -w -t 60 stop >/dev/null
    ;;
stop)
    [ ! -e "$dir/data/postmaster.pid" ] || run pg_ctl -D "$dir/data" -m immediate -w -t 60 stop >/dev/null || true
    rm -rf "$dir"
    ;;
*)
    echo "usage: pg_server.sh start|stop|end|crash DIR" >&2
    exit 64
    ;;
esac
