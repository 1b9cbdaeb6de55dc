#!/bin/sh
# The suite `replay`: statement replication (clock=caller), its rules, backups, shipped pages. SOAK=1 replays thousands of logs.
# From tests/tools/run.sh: BUILD, DIST, SOAK. Seeds are fixed, so a failure comes back; SEED=N begins at another one.
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
SEED=${SEED:-1}
extension=$DIST/hybrid_cache
case $extension in */*) ;; *) extension=./$extension ;; esac
if [ -n "${SOAK:-}" ]; then
    seeds=5000 clocks=200 commits=20000
else
    seeds=60 clocks=15 commits=1500
fi
passed=0 failed=0 skipped=0
directory=$(mktemp -d "${TMPDIR:-/tmp}/replay.XXXXXX") || exit 2
trap 'rm -rf "$directory"' EXIT
trap 'exit 2' HUP INT TERM
log=$directory/log

# run PROGRAM ARGUMENT...: shows what it prints, adds up its last line.
run() {
    { "$@" 2>&1; echo $? >"$log.rc"; } | tee "$log" | grep -v -E '^[0-9]+ passed, [0-9]+ failed'
    rc=$(cat "$log.rc")
    command="$*"
    # shellcheck disable=SC2046 # words, on purpose
    set -- $(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1 | tr -d ',a-z')
    if [ $# -lt 2 ]; then set -- 0 1; fi
    if [ "$rc" -ne 0 ] && [ "$2" -eq 0 ]; then set -- "$1" 1; fi
    if [ "$2" -gt 0 ]; then echo "FAILED ($2; exit code $rc): $command"; fi
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
}

verdict() { # WHAT COMMAND...: passes if the command succeeds
    what=$1
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $what"
        head -n 5 "$log"
    fi
}

fails() { # COMMAND...: it has to find something
    ! "$@" >"$log.red" 2>&1 && grep -q '^FAILED' "$log.red"
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1"
}

# ---- one process, a clock for each node

run "$BUILD/replay/rules" --extension "$extension"
run "$BUILD/replay/rules" --extension "$extension" --single-thread
run "$BUILD/replay/replay" --extension "$extension" --seed "$SEED" --seeds $seeds

# The same logs with clock=local have to differ, and each planted fault has to be found.
run "$BUILD/replay/replay" --extension "$extension" --clock local --seeds 5 --plant
for sed in tests/replay/plants/*.sed; do
    name=$(basename "$sed" .sed)
    plant=$BUILD/replay/plants/$name
    verdict "the rules do not see $name" fails "$BUILD/replay/rules" --extension "$plant"
    case $(head -n 1 "$sed") in
    *", D"*) run "$BUILD/replay/replay" --extension "$plant" --seeds 200 --plant ;;
    esac
done

# ---- processes under clocks of the operating system

apply() { # NAME NODE [COMMAND WORD...]: the logs on one node, started by that command
    name=$1 node=$2
    shift 2
    mkdir "$directory/$name"
    "$@" "$BUILD/replay/replay" --extension "${built:-$extension}" --seed "$SEED" --seeds $clocks --node "$node" \
        --apply "$directory/$name" ${portable:+"$portable"} || failed=$((failed + 1))
}

if command -v faketime >/dev/null; then
    apply now 0
    apply future 1 faketime -f '@2031-01-01 00:00:00 x1000'
    apply past 2 faketime -f '@1999-12-31 23:59:00'
    apply among 3 faketime -f '@2023-11-14 22:13:20 x100'
    for other in future past among; do
        verdict "under faketime: $other" diff -r "$directory/now" "$directory/$other"
    done
    built=$BUILD/replay/plants/default_clock
    apply planted-now 0
    apply planted-future 0 faketime -f '@2031-01-01 00:00:00'
    built=
    if diff -r "$directory/planted-now" "$directory/planted-future" >/dev/null; then
        failed=$((failed + 1))
        echo "FAILED a clock default is not found under faketime"
    else
        passed=$((passed + 1))
    fi
else
    skip "no faketime (Debian package faketime)"
fi

# ---- pages of a live cache

ship="$BUILD/replay/ship --extension $extension --seed $SEED"
# shellcheck disable=SC2086 # words, on purpose
{
    run $ship --commits $commits
    for plant in counter half; do
        verdict "ship does not see the planted $plant" fails $ship --commits 500 --plant $plant
    done
}
run tclsh tests/replay/backup.tcl

# ---- the table of the fleet

run sh tests/fleet/run.sh --check tests/fleet/README.md

# ---- another version of SQLite: HC_SQLITE is a directory with its libsqlite3.so.0; or the newest that the suite `versions`
# has fetched, if it has

newest=$BUILD/versions/newest/sqlite3.c
if [ -z "${HC_SQLITE:-}" ] && [ -f "$newest" ]; then
    HC_SQLITE=$BUILD/replay/newest
    mkdir -p "$HC_SQLITE"
    [ -f "$HC_SQLITE/libsqlite3.so.0" ] ||
        ${CC:-cc} -O1 -fPIC -shared -Wl,-soname,libsqlite3.so.0 -o "$HC_SQLITE/libsqlite3.so.0" "$newest" -lm -lpthread -ldl ||
        HC_SQLITE=
fi
if [ -n "${HC_SQLITE:-}" ]; then
    portable=--portable
    apply here 0
    apply there 1 env LD_LIBRARY_PATH="$HC_SQLITE"
    portable=
    for seed in "$directory"/here/*.txt; do
        verdict "another SQLite: $(basename "$seed")" cmp "$seed" "$directory/there/$(basename "$seed")"
    done
else
    skip "no second SQLite (the suite versions fetches one; or HC_SQLITE=directory of a libsqlite3.so.0)"
fi

line="$passed passed, $failed failed"
[ $skipped -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ $failed -eq 0 ]
