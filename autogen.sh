#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   ./autogen.sh                        makes ./configure (installs nothing)
#   ./autogen.sh run [DIR] [OPTION...]  builds in ./build and serves DIR (without: the demonstration
#                                       site in doc/site); OPTION: see build/scrubjay --help
#   ./autogen.sh check                  builds in ./build and runs all tests
#   ./autogen.sh bench [NAME...]        builds in ./build and compares with other servers: all parts, or
#                                       these (bench/README.md), in an hour; --quick: in three
#
# run, check and bench install the Debian packages that they miss, as root or by sudo, and say so.
# Running them again is quick: nothing is done twice.
# shellcheck disable=SC2015,SC2086 # lists of packages are words
set -eu
unset CDPATH
top=$(cd -- "$(dirname -- "$0")" && pwd)
build=$top/build

for_run='gcc libc6-dev make autoconf automake pkg-config libevent-dev libck-dev libxxhash-dev
    zlib1g-dev libbrotli-dev libzstd-dev libjansson-dev liburing-dev'
for_check='libcmocka-dev g++ python3 curl strace relacy-dev spin'

say() {
    printf 'autogen.sh: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

usage() {
    sed -n 's/^#   //p' "$0"
}

is_debian() {
    [ -e /etc/debian_version ] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

# missing PACKAGE...: those that are not installed
missing() {
    for package; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) printf ' %s' "$package" ;;
        esac
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# install PACKAGE...: what is missing of it.  A build made without a package is configured anew.
install() {
    is_debian || die "this is not Debian: install by hand what Debian calls" "$@" \
        "and then: ./autogen.sh && ./configure && make"
    packages=$(missing "$@")
    [ -n "$packages" ] || return 0
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "there is no sudo here; first, as root: apt-get install$packages"
    say "installing with apt-get:$packages"
    apt update || say "apt-get update failed; trying with the package lists that are there"
    apt install -y --no-install-recommends $packages ||
        die "apt-get could not install:$packages"
    rm -f "$build/Makefile"
}

bootstrap() {
    command -v autoreconf >/dev/null || die "autoconf is missing; on Debian: apt-get install" $for_run
    (cd "$top" && autoreconf -fi) || die "autoreconf failed"
}

# In ./build, and configured with a relative name: then the folder's own may hold spaces.
configure() {
    say "configuring in $build"
    mkdir -p "$build"
    (cd "$build" && ../configure) || die "configure failed; its log: $build/config.log"
}

compile() {
    [ -e "$top/configure" ] && [ -e "$top/Makefile.in" ] || bootstrap
    [ -e "$build/Makefile" ] || configure
    make -C "$build" -j "$(nproc)" --no-print-directory || die "make failed"
}

run() {
    install $for_run
    compile >&2
    case ${1-} in
    '' | -*) set -- "$top/doc/site" "$@" ;;
    esac
    directory=$1
    shift
    exec "$build/scrubjay" serve "$@" "$directory"
}

check() {
    install $for_run $for_check
    compile
    make -C "$build" -j "$(nproc)" --no-print-directory check VERBOSE=1 || die "make check failed"
}

# Installs servers to compare with, and keeps Debian from running them as services.
install_peers() {
    peers=$(missing "$@")
    [ -n "$peers" ] || return 0
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'as_root rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat >$policy && chmod +x $policy"
    fi
    install "$@"
    say "nginx, h2o, lighttpd and caddy, where they were installed, are services now, not started; to keep them" \
        "off after a restart of the machine: systemctl disable nginx h2o lighttpd caddy"
}

bench() {
    install $for_run python3
    packages=$("$top/bench/run" --packages "$@") || exit 2
    install_peers $packages
    compile
    make -C "$build" --no-print-directory bench BENCH="$*" || die "make bench failed"
}

case ${1-} in
'') bootstrap && say 'now: ./configure && make' ;;
run | check | bench) "$@" ;;
-h | --help | help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
