#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The main job of lockstep in a few minutes, on a directory as the bucket and SQLite as the catalog:
#   examples/quickstart.sh [FOLDER]     (default ./quickstart-demo; it must not exist, and is removed at the end)
# Installs what the build needs (only what is missing), builds, and shows each step with a line that explains it.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
DEMO=${1:-./quickstart-demo}
BUILD=${LOCKSTEP_BUILD:-$ROOT/build-quickstart}

step() { printf '\n\033[1m%s\033[0m\n' "• $*"; }
run() {
    printf '  $ %s\n' "$*"
    timeout 60 "$@" 2>&1 | sed 's/^/    /'
    return "${PIPESTATUS[0]}"
}

# --- what the build needs

PACKAGES=(autoconf automake libtool pkg-config make gcc libc6-dev libfuse3-dev fuse3 libsqlite3-dev sqlite3
    libcurl4-openssl-dev libssl-dev libjansson-dev libexpat1-dev uthash-dev libpq-dev libmicrohttpd-dev libgnutls28-dev
    rsync python3)
missing=()
for package in "${PACKAGES[@]}"; do
    if ! dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then missing+=("$package"); fi
done
if [ ${#missing[@]} -gt 0 ]; then
    step "Installing what the build needs: ${missing[*]}"
    sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get -q update
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"
fi

step "Building into $BUILD"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd -P)
[ -x "$ROOT/configure" ] || "$ROOT/bootstrap" >"$BUILD/bootstrap.log" 2>&1 || { tail -n 20 "$BUILD/bootstrap.log" >&2; exit 1; }
[ -f "$BUILD/Makefile" ] || (cd "$BUILD" && "$ROOT/configure" --quiet)
make -C "$BUILD" -s --no-print-directory -j"$(nproc)"

# --- the demo's folder: everything happens in it, and it goes at the end, however the end comes

if [ -e "$DEMO" ]; then
    echo "quickstart: $DEMO is there already; name another folder" >&2
    exit 1
fi
mkdir -p "$DEMO"
DEMO=$(cd "$DEMO" && pwd -P)
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
    cd "$ROOT"
    if mountpoint -q "$DEMO/mnt"; then timeout 20 fusermount3 -u "$DEMO/mnt" || fusermount3 -u -z "$DEMO/mnt"; fi
    rm -rf "$DEMO"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
cd "$DEMO"
mkdir mnt photos
export PATH=$BUILD:$PATH

both_sides() { # rows and objects beside each other
    printf '    %-52s %s\n' "rows in catalog.db" "objects in bucket/"
    paste -d '|' \
        <(sqlite3 catalog.db 'select file_name from product_image order by file_name') \
        <(cd bucket && find products -type f 2>/dev/null | LC_ALL=C sort) |
        while IFS='|' read -r row object; do printf '    %-52s %s\n' "$row" "$object"; done
}

step "Sample images, made on the spot: two products, two weights"
python3 - photos <<'PY'
import os, random, struct, sys, zlib

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

def png(path, side=48):
    color = random.Random(path).randbytes(3)
    rows = b"".join(b"\0" + bytes((c * (x + y) // (2 * side)) for x in range(side) for c in color) for y in range(side))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
                  + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

for product, weight in (("honey", "500ml"), ("honey", "1kg"), ("olive-oil", "750ml")):
    for kind, name in (("hero-card", "front.png"), ("info-card", "label.png"), ("other-images", "side.png")):
        png(f"{sys.argv[1]}/products/{product}/{weight}/{kind}/{name}")
PY
find photos -name '*.png' | LC_ALL=C sort | sed 's/^/    /'

step "A directory as the bucket, SQLite as the catalog: init writes lockstep.conf and makes both"
run lockstep --config lockstep.conf init --store file:./bucket --catalog sqlite:./catalog.db

step "Mount it: the bucket becomes products/<id>/<weight>/<type>/<file>"
run lockstep mount mnt

step "rsync puts the images in; each one is an object and a row when rsync is told that it is written"
run rsync -a photos/products/ mnt/products/
both_sides

step "A second rsync finds nothing to do: times, modes and owners were kept"
run rsync -a --itemize-changes photos/products/ mnt/products/

step "mv of a weight folder is the variant's change of weight: every object and every row, in one operation"
run mv mnt/products/honey/500ml mnt/products/honey/450ml
both_sides

step "rm -r of a weight deletes the variant with all that belongs to it"
run rm -r mnt/products/honey/1kg
both_sides

step "Both sides are in step: scan exits 0"
run lockstep scan

step "Now other programs break it: a file appears, one vanishes, one is overwritten, one is moved, behind our back"
run cp photos/products/honey/1kg/hero-card/front.png bucket/products/honey/450ml/hero-card/surprise.png
run rm bucket/products/honey/450ml/info-card/label.png
run cp photos/products/honey/1kg/other-images/side.png bucket/products/honey/450ml/other-images/side.png
run mv bucket/products/olive-oil/750ml/hero-card/front.png bucket/products/olive-oil/750ml/hero-card/new-front.png

step "scan tells each as what it is, and exits 1 (--grace=0s: do not wait whether somebody is still at work)"
status=0
run lockstep scan --grace=0s || status=$?
[ "$status" = 1 ] || { echo "quickstart: scan should have exited with 1, not $status" >&2; exit 1; }

step "sync mends what it is told to: the row follows the moved object, the new file gets a row, the lost row goes"
run lockstep sync --moved=relink --orphans=adopt --missing=drop --stale=refresh --yes --grace=0s

step "In step again, seen from both sides and by scan"
both_sides
run lockstep scan --grace=0s

step "What happened stands in the audit trail"
run lockstep log -n 12

step "Unmount; the bucket is a plain directory of images, the catalog a plain SQLite file"
run fusermount3 -u mnt
step "Done. Next: README.md, 'lockstep help', and the same with MinIO."
