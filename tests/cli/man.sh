#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Each command has a manual page, and each option that `lockstep help COMMAND` names stands in it (and the other way round).
set -eu
man=${srcdir:-.}/doc/man
program=${LOCKSTEP_BIN:-./lockstep}
wrong=0

# The long options of a text on standard input, one a line. "\-" and "Fl Fl" are roff's ways to write them.
options() { grep -o -- '--[a-z][a-z-]*' | sort -u; }
page_options() { sed -n 's/Fl Fl \([a-z][a-z-]*\)/--\1/gp' "$1" | options; }

commands=$("$program" help | sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p')
[ "$(echo "$commands" | wc -w)" -ge 15 ] || {
    echo "found only these commands: $commands" >&2
    exit 99
}
for command in $commands; do
    page=$man/lockstep-$command.1
    if [ ! -f "$page" ]; then
        echo "no page $page" >&2
        wrong=1
        continue
    fi
    grep -q "Xr lockstep-$command 1" "$man/lockstep.1" || {
        echo "lockstep.1 does not name $command" >&2
        wrong=1
    }
    said=$("$program" help "$command" | options || true)
    written=$(page_options "$page" || true)
    for option in $said; do
        echo "$written" | grep -qx -- "$option" || {
            echo "$page lacks $option" >&2
            wrong=1
        }
    done
    for option in $written; do
        case $option in --config | --failpoint | --enable-failpoints) continue ;; esac
        echo "$said" | grep -qx -- "$option" || {
            echo "\`lockstep help $command\` lacks $option of $page" >&2
            wrong=1
        }
    done
done
exit $wrong
