#!/bin/sh
# Counts the instructions of one operation: instructions.sh [OPERATION...]
#
# Where times are noisy, these are not. Each operation is run under callgrind with two lengths; the difference, divided
# by the difference of the lengths, is what one costs, SQLite's part included (the kernel's is not). Prints a Markdown
# table, ours beside the plain table's, and leaves the profiles in $BUILD/bench: callgrind_annotate shows which functions
# the instructions are in. Without an operation it counts all of them, and puts the table into ext/README.md.
#
#   BUILD, DIST   as in the Makefile
set -eu

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
SHORT=1000
LONG=3000
TAB=$(printf '\t')
README=ext/README.md

bench=$BUILD/bench/bench
command -v valgrind >/dev/null || { echo "instructions: valgrind is needed (Debian package valgrind)" >&2; exit 1; }

# total OPERATION COUNT: the instructions of the whole run
total() {
    profile=$BUILD/bench/callgrind.$1
    valgrind --tool=callgrind --callgrind-out-file="$profile" "$bench" --extension "$DIST/hybrid_cache" \
        --dir "$BUILD/bench/data" --single "$1" "$2" >"$profile.log" 2>&1 || { cat "$profile.log" >&2; exit 1; }
    sed -n 's/^totals: *//p; s/^summary: *//p' "$profile" | tail -n 1
}

# count OPERATION: of one, with a comma at the thousands
count() {
    short=$(total "$1" "$SHORT")
    long=$(total "$1" "$LONG")
    echo "$(((long - short) / (LONG - SHORT)))" | sed 's/\([0-9]\)\([0-9][0-9][0-9]\)$/\1,\2/'
}

# The name of the plain table's operation that does the same.
plain() {
    case $1 in
    select | l2) echo plain-get ;;
    select-txn) echo plain-get-txn ;;
    *) echo "plain-$1" ;;
    esac
}

table=$BUILD/bench/instructions.md
{
    echo "| operation | instructions | plain table |"
    echo "|---|---:|---:|"
    "$bench" --singles | while IFS=$TAB read -r name what; do
        case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
        case $name in
        plain-*) [ $# -gt 0 ] || continue; peer= ;;
        floor) peer= ;;
        *) peer=$(count "$(plain "$name")") ;;
        esac
        echo "  counting $name" >&2
        echo "| $what | $(count "$name") | $peer |"
    done
} >"$table"
cat "$table"
[ $# -eq 0 ] || exit 0
awk -v table="$table" '
    /^\| operation \| instructions \|/ { while ((getline line < table) > 0) print line; inside = 1; next }
    inside && /^\|/ { next }
    { inside = 0; print }' "$README" >"$BUILD/bench/readme.md"
cat "$BUILD/bench/readme.md" >"$README"
echo "put into $README" >&2
