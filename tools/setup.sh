#!/usr/bin/env bash
# Makes .venv from the lock file and builds the Rust core into it. Run through `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
lock_stamp=.stamps/lock

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

at_least() { # at_least WANTED FOUND
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

check_prerequisites() {
    command -v "$python" >/dev/null || fail "python3 is missing (3.11 or newer, with venv)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$python" --version) is too old: 3.11 or newer is needed (make PYTHON=python3.12)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "this Python has no venv (Debian: apt-get install python3-venv)"
    command -v cc >/dev/null || fail "a C compiler is missing (Debian: apt-get install build-essential)"
    command -v cargo >/dev/null || fail "cargo is missing (1.91 or newer)"
    local found
    found=$(cargo --version | cut -d' ' -f2)
    at_least 1.91 "$found" || fail "cargo $found is too old: 1.91 or newer is needed"
}

install_packages() {
    local wanted
    wanted=$(cksum requirements-dev.lock)
    if [ "$(cat "$lock_stamp" 2>/dev/null)" = "$wanted" ] && [ -x .venv/bin/python ]; then
        return
    fi
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --require-hashes --requirement requirements-dev.lock
    printf '%s\n' "$wanted" >"$lock_stamp"
}

build_core() {
    PATH=$PWD/.venv/bin:$PATH .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --no-index --no-deps --no-build-isolation --editable .
}

started=$SECONDS
mkdir -p .stamps
check_prerequisites
install_packages
packages=$((SECONDS - started))
build_core
# What the first run would otherwise pay for: our own bytecode, and the build still on its way to disk.
.venv/bin/python -m compileall -q src
sync
touch .stamps/ready
printf 'setup: %d s (packages %d s, Rust core %d s)\n' \
    $((SECONDS - started)) "$packages" $((SECONDS - started - packages)) >&2
