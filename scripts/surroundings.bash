# Sourced by the other scripts: where we are, how we become root, how we say what we do.
# Leaves the caller in the top folder of the project.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=$PWD

# Debian gives ordinary users a PATH without the folders of ip, nft and depmod; rustup puts cargo where
# only login shells look.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:$HOME/.cargo/bin"

if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    for hint in "$@"; do printf '  help: %s\n' "$hint" >&2; done
    exit 1
}

# Runs a command as root; asks for a password only where somebody is there to type it.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        if [[ -t 0 && -z ${CI:-} ]]; then sudo "$@"; else sudo -n "$@"; fi
    else
        fail "'$1' must run as root, and sudo is not installed" 'run this as root'
    fi
}

# Package lists older than a day, or none at all, are fetched anew, once in a run.
refresh_package_lists() {
    [[ -z ${package_lists_fresh:-} ]] || return 0
    package_lists_fresh=yes
    if [[ -z $(find /var/lib/apt/lists -name '*Packages*' -mtime -1 -print -quit 2>/dev/null) ]]; then
        say 'fetching package lists'
        as_root apt-get update -qq
    fi
}

# Tests and benches make namespaces and packet sockets: cargo builds as the user and runs the programs
# as root.
run_programs_as_root() {
    [[ $EUID -ne 0 ]] || return 0
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    host=${host//-/_}
    # Relative, for cargo splits the value at blanks; it completes the path from here.
    export "CARGO_TARGET_${host^^}_RUNNER=scripts/as-root"
}
