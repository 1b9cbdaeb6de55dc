#!/bin/sh
# The suite `crash`: writers killed with SIGKILL, and power that fails. Bounded form; SOAK=1 runs the long one (an hour).
# From tests/tools/run.sh: BUILD, DIST, SOAK. SEED=N tries another seed.
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
SEED=${SEED:-1}
extension=$DIST/hybrid_cache
passed=0 failed=0
log=$BUILD/crash.log

# run PROGRAM: shows what it prints, adds up its last line.
run() {
    "$BUILD/crash/$1" --extension "$extension" --seed "$SEED" >"$log" 2>&1
    rc=$?
    sed '$d' "$log"
    # shellcheck disable=SC2046 # two words, on purpose
    set -- $(tail -n 1 "$log" | sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p')
    [ $# -eq 2 ] || set -- 0 1
    [ "$rc" -eq 0 ] || [ "$2" -gt 0 ] || set -- "$1" 1
    passed=$((passed + $1)) failed=$((failed + $2))
}

run kill
run power

# The harness itself: without a sync a power failure loses what was acknowledged, and that has to show.
if "$BUILD/crash/power" --extension "$extension" --setting planted >"$log" 2>&1 ||
    ! grep -q '^FAILED planted' "$log"; then
    echo "FAILED power --setting planted: nothing was lost"
    failed=$((failed + 1))
else
    passed=$((passed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
