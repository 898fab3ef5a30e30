#!/usr/bin/env bash
# venv.sh FOLDER LOCK: make FOLDER a virtual environment with exactly what LOCK names and this project, editable.
#
# Does nothing, and needs no network, when that is what FOLDER already is. FOLDER is made anew when the lock
# changed, when it was moved, when its Python is gone or is not the one asked for, and when an earlier install was
# interrupted: what it is made of is written into it last.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$PWD/$1
lock=$2
python=$venv/bin/python
record=$venv/made-of
project_record=$venv/project-made-of

hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
version_of() { "$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null; }
# Somebody who watches sees the progress; a log gets what went wrong.
[[ -t 1 ]] && quiet=() || quiet=(--quiet)
pip() { env -u PYTHONPATH "$python" -m pip "$@" --disable-pip-version-check "${quiet[@]}"; }

made_of() { echo "$venv $1 $(hash_of "$lock")"; }

version=$(version_of "$python") || rm -f "$record"
if [[ -n ${PYTHON:-} || -z $version ]]; then
    base=$(scripts/python.sh)
    version=$(version_of "$base")
fi

if [[ ! -f $record || $(<"$record") != "$(made_of "$version")" ]]; then
    if [[ -z ${base:-} ]]; then
        base=$(scripts/python.sh)
        version=$(version_of "$base")
    fi
    echo "Making $1 with $version from $lock (a few minutes the first time) ..."
    rm -rf "$venv"
    "$base" -m venv "$venv"
    # Bytecode is made when a module is first imported; making all of it takes longer than unpacking.
    pip install --require-hashes --only-binary :all: --no-compile --requirement "$lock"
    made_of "$version" >"$record"
fi

if [[ ! -f $project_record || $(<"$project_record") != "$(hash_of pyproject.toml)" ]]; then
    pip install --no-index --no-deps --no-build-isolation --editable .
    hash_of pyproject.toml >"$project_record"
fi
