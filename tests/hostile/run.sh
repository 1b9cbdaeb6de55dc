#!/bin/sh
# The suite `hostile`: trust (hostile.test), every bit of a stored row flipped (flips), numbers at the
# borders of their types in the storage (numbers), chosen keys (flood).
set -u

BUILD=${BUILD:-build}
passed=0 failed=0
log=$BUILD/hostile/log

run() {
    echo "$1:"
    shift
    "$@" >"$log" 2>&1
    rc=$?
    grep -v -E '^[0-9]+ passed, ' "$log"
    # shellcheck disable=SC2046 # three words, on purpose
    set -- $(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1 | tr -d ',a-z')
    if [ $# -lt 2 ] || { [ "$rc" -ne 0 ] && [ "$2" -eq 0 ]; }; then
        echo "it ended with exit code $rc and without a verdict"
        set -- "${1:-0}" 1
    fi
    passed=$((passed + $1)) failed=$((failed + $2))
}

run trust tclsh tests/hostile/hostile.test
run flips "$BUILD/hostile/flips"
run numbers "$BUILD/hostile/numbers"
run flood "$BUILD/hostile/flood"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
