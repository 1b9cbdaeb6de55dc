#!/bin/sh
# Counts the instructions of one operation: instructions.sh [OPERATION...]
#
# Where times are noisy, these are not. Each operation is run under callgrind with two lengths; the difference, divided
# by the difference of the lengths, is what one costs, SQLite's part included (the kernel's is not). Prints a Markdown
# table, and leaves the profiles in $BUILD/bench: callgrind_annotate shows which functions the instructions are in.
#
#   BUILD, DIST   as in the Makefile
set -eu

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
SHORT=1000
LONG=3000
TAB=$(printf '\t')

bench=$BUILD/bench/bench
command -v valgrind >/dev/null || { echo "instructions: valgrind is needed (Debian package valgrind)" >&2; exit 1; }

# total OPERATION COUNT: the instructions of the whole run
total() {
    profile=$BUILD/bench/callgrind.$1
    valgrind --tool=callgrind --callgrind-out-file="$profile" "$bench" --extension "$DIST/hybrid_cache" \
        --dir "$BUILD/bench/data" --single "$1" "$2" >"$profile.log" 2>&1 || { cat "$profile.log" >&2; exit 1; }
    sed -n 's/^totals: *//p; s/^summary: *//p' "$profile" | tail -n 1
}

echo "| operation | instructions |"
echo "|---|---|"
"$bench" --singles | while IFS=$TAB read -r name what; do
    case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
    short=$(total "$name" "$SHORT")
    long=$(total "$name" "$LONG")
    echo "| $what | $(((long - short) / (LONG - SHORT))) |"
done
