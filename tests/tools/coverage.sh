#!/bin/sh
# Which lines and branches of ext/ the tests reach: coverage.sh [SUITE...], called by `make coverage`, which builds.
#
#   SUITE   unit, or one of run.sh; REPORT=1 runs none and reports what was reached before
#
# Counted are the extension as it is loaded and the unit programs, without assertions. The programs of the other
# suites are the ordinary ones in BUILD. A table by file, then what was not reached; the reasons are in tests/COVERAGE.md.
# The suites fuzz and packages have copies of ext/ of their own and do not count; crash and model reach nothing more.
set -u

BUILD=${BUILD:-build}
COVERAGE=${COVERAGE:-build/coverage}
export BUILD DIST="$COVERAGE/dist"
GCOV=${GCOV:-gcov}
command -v "$GCOV" >/dev/null 2>&1 || {
    echo "coverage: no gcov (Debian package gcc)" >&2
    exit 1
}
# All that makes a difference: no journal mode beyond these reaches another line.
export SLT_MODES="${SLT_MODES:-delete,wal,utf16le,utf16be,defensive,exclusive,sharedcache,shim,memdb}"

# What only newer hosts are asked: the Makefile compiles it in.
export NEWEST="$DIST/hybrid_cache"

suites=${*:-unit slt tcl fault host hostile limits soak trace versions}
failed=0
if [ -z "${REPORT:-}" ]; then
    find "$COVERAGE" -name "*.gcda" -exec rm -f {} +
    for suite in $suites; do
        programs=$BUILD
        [ "$suite" != unit ] || programs=$COVERAGE
        BUILD=$programs sh tests/tools/run.sh "$suite" >"$COVERAGE/$suite.log" 2>&1 || failed=1
        grep -E '^(-- |FAILED)' "$COVERAGE/$suite.log"
    done
fi

for notes in "$COVERAGE"/ext/*.gcno "$COVERAGE"/unit/*.gcno; do
    "$GCOV" --branch-counts --branch-probabilities --stdout "$notes" 2>/dev/null
done | LC_ALL=C awk -f tests/tools/coverage.awk >"$COVERAGE/report.txt"
echo
cat "$COVERAGE/report.txt"
[ "$failed" -eq 0 ] || echo "coverage: tests have failed, see $COVERAGE/*.log" >&2
exit "$failed"
