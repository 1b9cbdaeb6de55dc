#!/bin/sh
# The suite `host`: the extension in hosts whose routines fail, or are missing, or are older. Where there is the newest
# SQLite (make deps DEPS=versions), in that one as well what only newer hosts are asked: whether they were interrupted.
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
# The extension as the newest headers make it.
newest=${NEWEST:-}
passed=0 failed=0 skipped=0
log=$BUILD/host/log

run() {
    "$@" >"$log" 2>&1
    rc=$?
    grep -v -E '^[0-9]+ passed, ' "$log"
    # shellcheck disable=SC2046 # words, on purpose
    set -- $(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1 | tr -d ',a-z')
    if [ $# -lt 2 ] || { [ "$rc" -ne 0 ] && [ "$2" -eq 0 ]; }; then
        echo "it ended with exit code $rc and without a verdict"
        set -- "${1:-0}" 1
    fi
    passed=$((passed + $1)) failed=$((failed + $2))
}

run ${WRAP:-} "$BUILD/host/host" --extension "$DIST/hybrid_cache"
if [ ! -f "$BUILD/versions/newest/sqlite3.c" ]; then
    echo "skipped: no SQLite in $BUILD/versions/newest (make deps DEPS=versions fetches it; Debian packages nodejs and npm)"
    skipped=1
else
    targets=newest-host
    [ -n "$newest" ] || targets="newest-host extension-newest"
    # shellcheck disable=SC2086 # words, on purpose
    if make -s -f tests/versions/hosts.mk BUILD="$BUILD" DIST="$DIST" QUIET=@ $targets; then
        run "$BUILD/versions/hosts/newest/host" --extension "${newest:-$BUILD/versions/extensions/newest/hybrid_cache}" \
            --routine is_interrupted
    else
        failed=$((failed + 1))
    fi
fi
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
