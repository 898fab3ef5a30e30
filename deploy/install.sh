#!/usr/bin/env bash
# install.sh: install Vestibule as a systemd service on Debian or Ubuntu, from this folder; as root.
#
#     deploy/install.sh                     install, or upgrade to what this folder holds
#     deploy/install.sh --uninstall         remove the program; configuration, secrets and state stay
#     deploy/install.sh --uninstall --purge remove those too
#
# It may be run again at any time: what is there already is left as it is, and an interrupted run is made good. Each
# release has a folder of its own under /opt/vestibule, with a link to the current one; the one before is kept, so that
# the link can be set back. DESTDIR=FOLDER puts everything under FOLDER and leaves users and services alone.
set -euo pipefail

fail() { echo "install.sh: $*" >&2; exit 1; }
say() { echo "install.sh: $*"; }

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=${DESTDIR:-}
opt=$root/opt/vestibule
etc=$root/etc/vestibule
state=$root/var/lib/vestibule
units=$root/etc/systemd/system
command_link=$root/usr/local/bin/vestibule

uninstall=
purge=
for argument; do
    case $argument in
        --uninstall) uninstall=1 ;;
        --purge) purge=1 ;;
        *) fail "unknown argument $argument; use --uninstall, --purge, or none" ;;
    esac
done
[[ -z $purge || -n $uninstall ]] || fail "--purge goes with --uninstall"
[[ -n $root || $EUID == 0 ]] || fail "must be run as root: sudo $0 $*"

# Whether users and services of this machine are ours to change.
on_machine() { [[ -z $root ]]; }
with_systemd() { on_machine && [[ -d /run/systemd/system ]]; }
instances() { systemctl list-units --all --plain --no-legend 'vestibule.service' 'vestibule@*.service' 'vestibule-web.service' |
    cut -d' ' -f1; }

remove() {
    if with_systemd; then
        for unit in $(instances); do
            systemctl disable --now --quiet "$unit" || true
        done
    fi
    rm -f "$units/vestibule.service" "$units/vestibule@.service" "$units/vestibule-web.service" "$command_link"
    rm -rf "$opt"
    with_systemd && systemctl daemon-reload
    if [[ -n $purge ]]; then
        # The staff page's user exists only while it runs, so systemd keeps its folder under private.
        rm -rf "$etc" "$state" "$state-web" "${state%/*}/private/vestibule-web"
        if on_machine && getent passwd vestibule >/dev/null; then
            userdel vestibule
        fi
        say "removed, with configuration, secrets and state"
    else
        say "removed; $etc and $state are kept (--purge removes them too)"
    fi
}

make_user() {
    on_machine || return 0
    # The unit names these groups; a small system may lack them.
    for group in video render; do
        getent group "$group" >/dev/null || groupadd --system "$group"
    done
    getent passwd vestibule >/dev/null ||
        useradd --system --user-group --no-create-home --home-dir /var/lib/vestibule --shell /usr/sbin/nologin vestibule
}

# Sets `release` to the folder of this release, made if it is not there whole. (Not by $(...), where a failure would
# not end the script.)
make_release() {
    local python id
    python=$("$source_dir/scripts/python.sh")
    id=$(cd "$source_dir" && find pyproject.toml requirements/base.lock daemon models -type f ! -path '*__pycache__*' \
        -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
    release=$opt/releases/$id
    if [[ ! -f $release/complete ]]; then
        say "making $release (a few minutes) ..."
        rm -rf "$release"
        mkdir -p "$opt/releases"
        "$python" -m venv "$release"
        local pip=("$release/bin/python" -m pip install --disable-pip-version-check --quiet)
        "${pip[@]}" --require-hashes --only-binary :all: --requirement "$source_dir/requirements/base.lock"
        # A copy, so that building leaves nothing in the folder it is installed from.
        local copy
        copy=$(mktemp -d)
        cp -R "$source_dir"/{pyproject.toml,README.md,LICENSE,daemon,models} "$copy"
        "${pip[@]}" --no-index --no-deps --no-build-isolation "$copy"
        rm -rf "$copy"
        mkdir -p "$release/share"
        cp "$source_dir/config.example.toml" "$source_dir"/docs/{operations,staff-page}.md "$release/share/"
        touch "$release/complete"
    fi
}

# Points a link at a folder in one step: there is no moment without it.
point() {
    ln -sfn "$2" "$1.new"
    mv -T "$1.new" "$1"
}

put_files() {
    install -d -m 0755 "$units" "$(dirname "$command_link")"
    install -m 0644 "$source_dir"/systemd/{vestibule.service,vestibule@.service,vestibule-web.service} "$units/"
    install -d -m 0750 "$etc"
    install -d -m 0700 "$etc/secrets" "$etc/web-secrets"
    if [[ ! -e $etc/vestibule.toml ]]; then
        install -m 0640 "$source_dir/config.example.toml" "$etc/vestibule.toml"
    fi
    if on_machine; then
        chown root:vestibule "$etc" "$etc/vestibule.toml"
    fi
    ln -sfn /opt/vestibule/current/bin/vestibule "$command_link"
}

remove_old_releases() {
    local keep=("$@") folder
    for folder in "$opt"/releases/*; do
        [[ " ${keep[*]} " == *" $(basename "$folder") "* ]] || rm -rf "$folder"
    done
}

start() {
    with_systemd || { say "no systemd runs here; installed without starting anything"; return 0; }
    systemctl daemon-reload
    systemctl enable --quiet vestibule.service
    for unit in $(instances); do
        # An upgrade: what ran goes on with the new release.
        systemctl is-active --quiet "$unit" && systemctl restart "$unit" && say "$unit restarted"
    done
    if ! systemctl is-active --quiet vestibule.service; then
        say "name your cameras in /etc/vestibule/vestibule.toml, then: systemctl start vestibule"
    fi
}

if [[ -n $uninstall ]]; then
    remove
    exit 0
fi
if on_machine; then
    "$source_dir/scripts/need.sh" python3-venv
fi
make_user
make_release
before=$(readlink "$opt/current" 2>/dev/null || true)
point "$opt/current" "releases/$(basename "$release")"
put_files
if [[ $before != "releases/$(basename "$release")" ]]; then
    remove_old_releases "$(basename "$release")" "$(basename "${before:-none}")"
    say "installed $(basename "$release")${before:+, $(basename "$before") is kept}"
fi
start
