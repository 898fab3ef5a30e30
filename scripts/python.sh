#!/usr/bin/env bash
# Print the Python to use: $PYTHON, else the first of 3.13, 3.12, 3.11 and python3 that is in range and has venv.
set -euo pipefail

# Exit code 0: fit; 1: works but is out of range; 2: lacks venv; else: does not run.
probe='
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
try:
    import ensurepip, venv
except ImportError:
    sys.exit(2)
'
# The current folder must not lend the probe its modules.
fit() { (cd / && "$1" -c "$probe") >/dev/null 2>&1; }

lacking=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if ! path=$(command -v "$candidate"); then
        continue
    fi
    code=0
    fit "$path" || code=$?
    case $code in
        0) echo "$path"; exit 0 ;;
        2) lacking=${lacking:-$("$path" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')} ;;
    esac
done

if [[ -n $lacking ]]; then
    echo "python.sh: $lacking lacks the venv module; install it: sudo apt-get install $lacking-venv" >&2
elif [[ -n ${PYTHON:-} ]]; then
    echo "python.sh: PYTHON=$PYTHON is not a working Python 3.11, 3.12 or 3.13; name one, or leave PYTHON unset" >&2
else
    echo "python.sh: no Python 3.11, 3.12 or 3.13 found; install one: sudo apt-get install python3 python3-venv" \
        "(or name it: make PYTHON=/path/to/python3.12)" >&2
fi
exit 1
