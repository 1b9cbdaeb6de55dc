#!/bin/sh
# The suite `limits`: more of everything (limits), limits that are lower than usual (lowered), and a SQLite whose own
# limits are as high as they go (large; where `make deps DEPS=versions` has fetched one). SOAK=1: the long forms.
set -u

BUILD=${BUILD:-build}
passed=0 failed=0 skipped=0
log=$BUILD/limits/log

run() {
    echo "$(basename "$1"):"
    "$@" >"$log" 2>&1
    rc=$?
    grep -v -E '^[0-9]+ passed, ' "$log"
    # shellcheck disable=SC2046 # words, on purpose
    set -- $(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1 | tr -d ',a-z')
    if [ $# -lt 2 ] || { [ "$rc" -ne 0 ] && [ "$2" -eq 0 ]; }; then
        echo "it ended with exit code $rc and without a verdict"
        set -- "${1:-0}" 1
    fi
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
}

run "$BUILD/limits/limits"
run "$BUILD/limits/lowered"
if [ -x "$BUILD/limits/large" ]; then
    run "$BUILD/limits/large"
else
    echo "skipped: no SQLite in $BUILD/versions to build the large host of (make deps DEPS=versions; Debian packages nodejs and npm)"
    skipped=$((skipped + 1))
fi
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
