#!/usr/bin/env bash
# lock.sh [--upgrade]: write requirements/*.lock anew from pyproject.toml, for Python 3.11 to 3.13 on any platform.
#
# Versions already locked are kept where pyproject.toml still allows them, unless --upgrade is given. One version of
# each package serves every Python (fewest): what was tested on one is what runs on the others.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv_version=0.13.9
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
"$(scripts/python.sh)" -m venv "$tool"
"$tool/bin/pip" install --quiet --disable-pip-version-check "uv==$uv_version"

compile() {
    local output=$1
    shift
    echo "Locking $output ..."
    "$tool/bin/uv" pip compile pyproject.toml --quiet --no-config --output-file "$output" \
        --universal --python-version 3.11 --fork-strategy fewest --no-build \
        --constraint requirements/constraints.in --generate-hashes --custom-compile-command "make lock" "$@"
}
compile requirements/dev.lock --group build --group dev --extra tensorflow --extra reports --extra onnx --extra kserve "$@"
# The server that the remote classifier is tested against shares no environment with what it serves.
compile requirements/server.lock --group build --group server "$@"
# The demo's environment is part of the tests': the same versions, the lesser set.
compile requirements/base.lock --group build --constraint requirements/dev.lock "$@"
