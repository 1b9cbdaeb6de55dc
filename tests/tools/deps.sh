#!/bin/sh
# Finds what is missing for a task and installs it: deps.sh [GROUP...]
#
#   GROUP   build (compiler and headers), demo, test (the default: these three), lint, fuzz, valgrind, peers
#
# Nothing is asked of the system while everything is there. What is missing is installed with apt-get (through sudo
# where that is needed); where that cannot be done, the packages are named by their Debian names and the exit code is 1.
set -u

CC=${CC:-cc}
groups=${*:-build demo test}

has() { command -v "$1" >/dev/null 2>&1; }
# shellcheck disable=SC2086 # both may be several words
header() { printf '#include <stdio.h>\n#include <%s>\n' "$1" | $CC ${CPPFLAGS:-} -E -o /dev/null - >/dev/null 2>&1; }
tcl_package() { has tclsh && printf 'exit [catch {package require %s}]\n' "$1" | tclsh; }
python_module() { /usr/bin/python3 -c "import $1" >/dev/null 2>&1; }
libfuzzer() { printf 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }\n' | clang -fsanitize=fuzzer -x c -o /dev/null - >/dev/null 2>&1; }
compiler() { has "${CC%% *}" && header stdlib.h; }

# need PACKAGES PROBE...: remembers the packages if the probe fails.
need() {
    packages=$1
    shift
    "$@" || missing="$missing $packages"
}

find_missing() {
    missing=
    for group in $groups; do
        case $group in
        build)
            case $CC in
            *clang*) need "clang libc6-dev" compiler ;;
            *) need "gcc libc6-dev" compiler ;;
            esac
            need libsqlite3-dev header sqlite3ext.h
            need libxxhash-dev header xxhash.h
            ;;
        demo) need sqlite3 has sqlite3 ;;
        test)
            need tcl has tclsh
            need libsqlite3-tcl tcl_package sqlite3
            need procps has ps # and with it /bin/kill
            ;;
        lint)
            need gcc has gcc
            need clang has clang
            need clang-format has clang-format
            need clang-tidy has clang-tidy
            need cppcheck has cppcheck
            need shellcheck has shellcheck
            ;;
        fuzz) need "clang libclang-rt-14-dev" libfuzzer ;; # only for `make fuzzers`
        valgrind) need "valgrind libc6-dbg" has valgrind ;;
        peers) # what `make bench` compares with where it is installed
            need liblmdb-dev header lmdb.h
            need redis-server has redis-server
            need memcached has memcached
            need python3-diskcache python_module diskcache
            ;;
        *)
            echo "deps: unknown group \"$group\" (known: build demo test lint fuzz valgrind peers)" >&2
            exit 2
            ;;
        esac
    done
}

give_up() {
    echo "deps: $1" >&2
    echo "deps: please install these Debian packages, or what they are called on your system:$missing" >&2
    exit 1
}

find_missing
[ -z "$missing" ] && exit 0

has apt-get || give_up "no apt-get here"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    has sudo || give_up "not root, and no sudo"
    as_root=sudo
    [ -t 0 ] || as_root="sudo -n" # nobody there to type a password
fi

echo "deps: missing:$missing"
echo "deps: ${as_root:+$as_root }apt-get update"
$as_root apt-get update -qq || echo "deps: apt-get update failed; trying with the package lists that are there" >&2
echo "deps: ${as_root:+$as_root }apt-get install --no-install-recommends$missing"
# shellcheck disable=SC2086 # a list of words, on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing ||
    give_up "apt-get install failed"

find_missing
[ -z "$missing" ] || give_up "installed, and still not usable"
echo "deps: done"
