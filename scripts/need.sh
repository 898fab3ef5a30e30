#!/usr/bin/env bash
# need.sh PACKAGE...: install what is missing of these packages of the distribution, where that is allowed.
#
# A name that ends in a question mark is left out where the distribution has no such package: what wants it does without.
# A program that is there under a package's name counts as the package (a mosquitto built by hand, say).
# As root, or where sudo asks for no password, apt-get installs the rest. Elsewhere this prints the command for
# the administrator and fails.
set -euo pipefail

export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"  # mosquitto lies in /usr/sbin, which a user's PATH lacks

installed() {
    command -v "$1" >/dev/null ||
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing=()
for package; do
    installed "${package%\?}" || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
    echo "need.sh: missing: ${missing[*]%\?} (the names are Debian's); install them with this system's package manager" >&2
    exit 1
fi
if ((EUID == 0)); then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "need.sh: missing: ${missing[*]%\?}; ask an administrator to run:" >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]%\?}" >&2
    exit 1
fi

echo "Installing ${missing[*]%\?} ..."
apt() {
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}
fail() {
    echo "need.sh: apt-get could not install ${missing[*]%\?}; its message is above" >&2
    exit 1
}
apt update || fail
wanted=()
for package in "${missing[@]}"; do
    if [[ $package == *\? ]] && ! apt-cache show "${package%\?}" >/dev/null 2>&1; then
        echo "need.sh: this distribution has no package ${package%\?}; tests that want it will skip"
    else
        wanted+=("${package%\?}")
    fi
done
((${#wanted[@]})) || exit 0
apt install --yes --no-install-recommends "${wanted[@]}" || fail
