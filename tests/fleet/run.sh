#!/bin/sh
# What one machine grows into: prints the table of README.md here (`sh tests/fleet/run.sh`), or, with --check FILE..., sees that
# every line of it is in each FILE. TRACES="a.txt.gz ..." adds traces. From tests/replay/run.sh: BUILD, DIST.
set -u

extension=${DIST:-dist}/hybrid_cache
case $extension in */*) ;; *) extension=./$extension ;; esac
# shellcheck disable=SC2086 # a list of files
figures() { "${BUILD:-build}/fleet/fleet" --extension "$extension" --csv sql/data/apache10k.csv --l1 200 ${TRACES:-}; }

if [ "${1:-}" != --check ]; then
    figures
    exit
fi
shift
output=$(mktemp "${TMPDIR:-/tmp}/fleet.XXXXXX") || exit 2
trap 'rm -f "$output"' EXIT
passed=0 failed=0
figures | grep '^|' >"$output"
for file; do
    while IFS= read -r line; do
        case $line in
        *" KB |"*) # how pages split is SQLite's own: measured with Debian 12's
            [ "$(sqlite3 -version | cut -d' ' -f1)" = 3.40.1 ] || continue
            ;;
        esac
        if grep -qxF -e "$line" "$file"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED $file does not have: $line"
        fi
    done <"$output"
done
[ -s "$output" ] || failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
