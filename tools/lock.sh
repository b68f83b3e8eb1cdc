#!/usr/bin/env bash
# Resolves the two lock files from the ranges in pyproject.toml. Run through `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile OUTPUT ARGUMENT...
    local output=$1
    shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --output-file "$output" "$@" pyproject.toml
}

compile requirements.lock
compile requirements-dev.lock --constraint requirements.lock --extra token --group dev
sed -i '/-c requirements.lock$/d' requirements-dev.lock
