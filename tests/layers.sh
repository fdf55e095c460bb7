#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Fail on an include that points upwards or sideways in the layers, and on a header that does not compile on its own.
# Before it looks at the tree it plants such includes in a scratch folder and checks that it finds each of them.
set -eu
cd "${srcdir:-.}"
CC=${CC:-cc}

# layer:what it may include beside itself. cli stands on everything.
allowed() {
    case $1 in
    base) echo "" ;;
    http) echo "base" ;;
    store) echo "base http" ;;
    catalog | layout) echo "base" ;;
    engine) echo "base http store catalog layout" ;;
    scan | settle) echo "base http store catalog layout engine" ;;
    mount | serve | mirror) echo "base http store catalog layout engine scan" ;;
    cli) echo "base http store catalog layout engine scan settle mount serve mirror" ;;
    *) return 1 ;;
    esac
}

# The layer of an included path as it is written in the source; nothing for the system's and config.h.
layer_of() {
    case $1 in
    lockstep/err.h | lockstep/version.h) echo base ;;
    lockstep/*.h) basename "$1" .h ;;
    */*) echo "${1%%/*}" ;;
    config.h) ;;
    *) echo "?" ;; # "file.h": includes are written from src/
    esac
}

# Print each wrong include below a tree as "file: includes what".
check_includes() {
    tree=$1
    find "$tree/src" "$tree/include" -name '*.[ch]' | sort | while read -r file; do
        name=${file#"$tree"/}
        case $name in
        src/version.c | include/lockstep/err.h | include/lockstep/version.h) own=base ;;
        include/lockstep/*.h) own=$(basename "$name" .h) ;;
        src/*/*) own=${name#src/} own=${own%%/*} ;;
        *) own="?" ;;
        esac
        if ! may=$(allowed "$own"); then
            echo "$name: belongs to no known layer"
            continue
        fi
        sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" | while read -r what; do
            target=$(layer_of "$what")
            [ -n "$target" ] || continue
            case " $own $may " in
            *" $target "*) ;;
            *) echo "$name: includes $what ($own may use: ${may:-nothing})" ;;
            esac
            # Who knows concrete back ends: compose.c, and the back ends themselves.
            case $what in
            */backends.h)
                case $name in
                src/cli/compose.c | src/store/* | src/catalog/*) ;;
                *) echo "$name: includes $what (only cli/compose.c knows concrete back ends)" ;;
                esac
                ;;
            esac
        done
    done
}

fuse_flags=$(pkg-config --cflags fuse3 libpq)

# Print each header below a tree that does not compile alone.
check_headers() {
    tree=$1
    {
        find "$tree/src" -name '*.h' | sort
        find "$tree/include" -name '*.h' | sort
    } | while read -r file; do
        # shellcheck disable=SC2086 # the flags are several words
        printf '#include "%s"\ntypedef int not_empty;\n' "$file" |
            $CC -std=gnu17 -D_GNU_SOURCE -I"$tree/src" -I"$tree/include" $fuse_flags -Wall -Wextra -Werror \
                -fsyntax-only -x c - 2>/dev/null ||
            echo "${file#"$tree"/}: does not compile on its own"
    done
}

self_test() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch/src/store" "$scratch/src/catalog" "$scratch/src/scan" "$scratch/include/lockstep"
    echo '#include "engine/engine.h"' >"$scratch/src/store/up.c"
    echo '#include "lockstep/catalog.h"' >"$scratch/src/store/sideways.c"
    echo '# include "lockstep/scan.h"' >"$scratch/include/lockstep/engine.h"
    echo '#include "up.h"' >"$scratch/src/store/relative.c"
    echo '#include "store/backends.h"' >"$scratch/src/scan/concrete.c"
    echo '#include "base/buf.h"' >"$scratch/src/catalog/down.c"
    echo 'size_t needs_stddef(void);' >"$scratch/src/store/alone.h"
    echo '#include <stddef.h>' >"$scratch/src/store/good.h"
    found=$(check_includes "$scratch"; check_headers "$scratch")
    for bad in src/store/up.c src/store/sideways.c include/lockstep/engine.h src/store/relative.c \
        src/scan/concrete.c src/store/alone.h; do
        case $found in
        *"$bad: "*) ;;
        *)
            echo "self-test: the planted fault in $bad was not found" >&2
            exit 99
            ;;
        esac
    done
    for good in src/catalog/down.c src/store/good.h; do
        case $found in
        *"$good: "*)
            echo "self-test: $good was blamed" >&2
            exit 99
            ;;
        esac
    done
}

self_test
wrong=$(check_includes .; check_headers .)
if [ -n "$wrong" ]; then
    printf '%s\n' "$wrong" >&2
    exit 1
fi
