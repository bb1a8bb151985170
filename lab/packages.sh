# Sourced by lab/run and lab/test: what they need from the machine, and how they get it.

say() { printf '== %s\n' "$*"; }

cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/cellbed"
# The build cache stands outside the clone: a fresh clone compiles cellbed alone.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
mkdir -p "$CARGO_TARGET_DIR"

# locked NAME COMMAND... — runs it while nobody else who uses the same build cache runs something under that name.
locked() {
    local lock="$CARGO_TARGET_DIR/.cellbed-$1"
    shift
    if ! command -v flock >/dev/null 2>&1; then
        "$@"
        return
    fi
    exec 9>>"$lock"
    flock -n 9 || { say "waiting for another clone that works in $CARGO_TARGET_DIR"; flock 9; }
    # What the command starts and leaves behind must not keep the lock.
    "$@" 9>&-
    exec 9>&-
}

# own_build PROFILE — forgets what another clone built of cellbed itself. Cargo names a package's results alike in all
# clones and goes by the age of files: it would take the other's program for this one's.
own_build() {
    local owner="$CARGO_TARGET_DIR/.cellbed-clone-$1"
    if [ "$(cat "$owner" 2>/dev/null)" != "$PWD" ]; then
        cargo clean --quiet --locked --profile "$1" --package cellbed
        [ ! -d fuzz ] || cargo clean --quiet --locked --profile "$1" --package cellbed-fuzz
        printf '%s\n' "$PWD" >"$owner"
    fi
}

# build_release FEATURE... — leaves the program in $release, where no other clone puts its own.
build_release() {
    release="$CARGO_TARGET_DIR/clones/$(printf '%s' "$PWD" | cksum | tr " " -)/cellbed"
    locked release release_from_here "$@"
}

release_from_here() {
    own_build release
    cargo build --release --locked "$@" --bin cellbed
    mkdir -p "${release%/*}"
    # A program that runs cannot be written over, but replaced.
    cp "$CARGO_TARGET_DIR/release/cellbed" "$release.new"
    mv "$release.new" "$release"
}

# need COMMAND:PACKAGE... — installs the Debian package of every command that is not there. Where that is
# not possible, says what to install; the caller decides whether it can go on.
need() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair#*:}")
    done
    install_packages "${missing[@]}"
}

# need_file PATH PACKAGE — the same for a package without a command.
need_file() {
    [ -e "$1" ] || install_packages "$2"
}

install_packages() {
    [ $# -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! { command -v sudo && sudo -n true; } >/dev/null 2>&1; then
            say "missing, and only root may install it: apt-get install $*"
            return 1
        fi
        as_root=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        say "missing, and this is no Debian: $*"
        return 1
    fi
    say "installing $*"
    # Wireshark asks whether everybody may capture; nobody is there to answer, and no is its default.
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends)
    "${as_root[@]}" "${install[@]}" "$@" </dev/null >/dev/null 2>&1 ||
        { "${as_root[@]}" apt-get update -q </dev/null >/dev/null &&
            "${as_root[@]}" "${install[@]}" "$@" </dev/null; } ||
        { say "could not install $*"; return 1; }
}

# Whether card readers can be built in (the feature `pcsc`).
has_libpcsclite() {
    command -v pkg-config >/dev/null 2>&1 && pkg-config --exists libpcsclite
}

need_readers() {
    has_libpcsclite || { install_packages pkg-config libpcsclite-dev && has_libpcsclite; }
}

# The toolchain is the user's: rustup installs it, and what it installs may not be in PATH yet.
need_cargo() {
    command -v cargo >/dev/null 2>&1 || PATH="${HOME:-}/.cargo/bin:$PATH"
    if ! command -v cargo >/dev/null 2>&1; then
        say "missing: cargo. Install the Rust toolchain with rustup, see https://rustup.rs"
        exit 96
    fi
    need cc:gcc cc:libc6-dev || exit 96
}
