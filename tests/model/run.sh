#!/bin/sh
# The suite `model`: the model test in its configurations, the order test, threads under TSan, and each of them with
# a planted fault that it has to find. Bounded form; SOAK=1 runs the long one (hours).
# From tests/tools/run.sh: BUILD, DIST, SOAK. Seeds are fixed, so a failure comes back; SEED=N tries others.
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
SEED=${SEED:-1}
extension=$DIST/hybrid_cache
case $extension in */*) ;; *) extension=./$extension ;; esac

if [ -n "${SOAK:-}" ]; then
    ops=10000000 reads=10000000 each=200000
else
    ops=50000 reads=250000 each=10000
fi
passed=0 failed=0 skipped=0
log=$BUILD/model.log
mkdir -p "$BUILD"

# run PROGRAM ARGUMENT...: shows what it prints, adds up its last line.
run() {
    { "$@" 2>&1; echo $? >"$log.rc"; } | tee "$log" | grep -v -E '^[0-9]+ passed, [0-9]+ failed$'
    rc=$(cat "$log.rc")
    command="$*"
    # shellcheck disable=SC2046 # two words, on purpose
    set -- $(tail -n 1 "$log" | sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p')
    if [ $# -lt 2 ]; then set -- 0 1; fi
    if [ "$rc" -ne 0 ] && [ "$2" -eq 0 ]; then set -- "$1" 1; fi
    if [ "$2" -gt 0 ]; then echo "FAILED ($2; exit code $rc): $command"; fi
    passed=$((passed + $1)) failed=$((failed + $2))
}

model="$BUILD/model/model --extension $extension --seed $SEED"
order="$BUILD/model/order --extension $extension --seed $SEED"

# The harness itself: a plain table in place of the cache agrees, and each fault in a stand-in for the L1 is found.
run $model --plain --ops 20000
run $model --plain --ops 20000 --mode delete
for fault in foreign rollback ttl; do
    run $model --plain --plant $fault --ops 400000
done
run $order --plain --plant --reads 20000

run $model --ops $ops --mode wal
run $model --ops $ops --mode delete
run $model --ops $ops --mode wal --grace 10
run $model --ops $ops --mode wal --l2-entries 10
run $model --plant relaxed --ops 400000

run $order --reads $reads
run $order --plant --reads 30000

# Extension and test with -fsanitize=thread; SQLite itself is the system's, so what is found is ours.
tsan=$BUILD/tsan
if echo 'int main(void){return 0;}' | ${CC:-cc} -fsanitize=thread -x c -o "$BUILD/tsan.probe" - 2>/dev/null &&
    "$BUILD/tsan.probe" 2>/dev/null; then
    if make --no-print-directory -s BUILD="$tsan" DIST="$tsan/dist" CFLAGS='-O1 -g -fsanitize=thread' STRICT= \
        loadable "$tsan/model/threads" >"$log" 2>&1; then
        TSAN_OPTIONS="suppressions=tests/model/tsan.supp halt_on_error=0 exitcode=66"
        export TSAN_OPTIONS
        run "$tsan/model/threads" --extension "$tsan/dist/hybrid_cache" --ops $each
    else
        cat "$log"
        failed=$((failed + 1))
    fi
else
    echo "no ThreadSanitizer with ${CC:-cc}: threads run without it"
    skipped=1
    run "$BUILD/model/threads" --extension "$extension" --ops $each
fi
rm -f "$BUILD/tsan.probe" "$log" "$log.rc"

line="$passed passed, $failed failed"
[ $skipped -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ $failed -eq 0 ]
