#!/bin/sh
# Runs the test suites and adds up what they count: run.sh [SUITE...]   (all of them without a word)
#
# A suite is one or more commands; each prints a last line `N passed, N failed[, N skipped]`. A command that says
# nothing of the kind, or fails without a failed test, counts as one failure. A failed suite does not stop the rest.
# From the Makefile: BUILD and DIST (where things were built), WRAP (a program to run C runners under), SLT_MODES, SOAK=1.
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
WRAP=${WRAP:-}
SLT_MODES=${SLT_MODES:-all}
export BUILD DIST SOAK="${SOAK:-}" HC_EXTENSION="$DIST/hybrid_cache" HC_TESTCLOCK="$BUILD/testclock.so"
all="library contract unit trace slt tcl model fault host crash fuzz hostile limits soak clients packages versions replay cluster docs"

# Thousands of small databases: on a disk most of the time would go to fsync().
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then
    export TMPDIR=/dev/shm
fi

passed=0 failed=0 skipped=0 # of everything
log=$BUILD/test.log         # of the command that runs
mkdir -p "$BUILD"

# run COMMAND...: runs it, shows what it prints, adds its counts to the suite's.
run() {
    { "$@" 2>&1; echo $? >"$log.rc"; } | tee "$log" | grep --line-buffered -v -E '^[0-9]+ passed, [0-9]+ failed'
    rc=$(cat "$log.rc")
    # shellcheck disable=SC2046 # three words, on purpose
    set -- $(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1 | tr -d ',a-z') || :
    if [ $# -lt 2 ]; then
        echo "no line \"N passed, N failed\" (exit code $rc)"
        set -- 0 1
    elif [ "$rc" -ne 0 ] && [ "$2" -eq 0 ]; then
        echo "exit code $rc without a failed test"
        set -- "$1" 1 "${3:-0}"
    fi
    p=$((p + $1)) f=$((f + $2)) s=$((s + ${3:-0}))
}

suite() {
    case $1 in
    library) run sh tests/tools/library.sh ;;
    contract) run sh tests/tools/contract.sh ;;
    unit)
        for program in tests/unit/*.c; do
            [ -e "$program" ] || continue
            program=${program%.c}
            echo "$(basename "$program"):"
            run $WRAP "$BUILD/${program#tests/}"
        done
        ;;
    trace)
        set -- --csv sql/data/apache10k.csv
        [ -z "$SOAK" ] || set -- "$@" "${TRACES:-../shared/traces}"/*.txt.gz
        run "$BUILD/trace/replay" --extension "$DIST/hybrid_cache" "$@"
        ;;
    slt)
        run $WRAP "$BUILD/slt/slt" --extension "$DIST/hybrid_cache" --mode "$SLT_MODES" tests/slt
        run "$BUILD/slt/slt" --extension "$DIST/hybrid_cache" --must-fail tests/slt/planted
        ;;
    tcl) run tclsh tests/tcl/all.tcl ;;
    model) run sh tests/model/run.sh ;;
    fault)
        run $WRAP "$BUILD/fault/fault" --extension "$DIST/hybrid_cache" ${SOAK:+--jobs 2}
        run $WRAP "$BUILD/fault/codes" --extension "$DIST/hybrid_cache"
        run $WRAP "$BUILD/fault/every" --extension "$DIST/hybrid_cache"
        ;;
    docs)
        run tclsh tests/docs/run.tcl
        run tclsh tests/docs/reference.tcl
        run tclsh tests/docs/race.tcl
        ;;
    *)
        if [ -f "tests/$1/run.sh" ]; then
            run sh "tests/$1/run.sh"
            return
        fi
        echo "unknown suite \"$1\" (known: $all)" >&2
        exit 2
        ;;
    esac
}

report() { # PASSED FAILED SKIPPED
    line="$1 passed, $2 failed"
    [ "$3" -eq 0 ] || line="$line, $3 skipped"
    echo "$line"
}

begin=$(date +%s)
summary=
# shellcheck disable=SC2048 # words, on purpose: no suite has a space in its name
for name in ${*:-$all}; do
    case $name in
    library | contract) ;;
    *) [ $# -gt 0 ] || [ -d "tests/$name" ] || continue ;;
    esac
    echo "== $name"
    start=$(date +%s)
    p=0 f=0 s=0
    suite "$name"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    line=$(printf '%-8s %5s s  %s' "$name" $(($(date +%s) - start)) "$(report $p $f $s)")
    echo "-- $line"
    summary="$summary$line
"
done

echo
echo "== $(($(date +%s) - begin)) s in all"
printf '%s' "$summary"
report $passed $failed $skipped
[ $failed -eq 0 ]
