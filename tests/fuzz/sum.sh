#!/bin/sh
# Adds up what the long runs have executed, from libFuzzer's final statistics: sum.sh [LOG-DIRECTORY]
set -eu

dir=${1:-${FUZZ_DIR:-/tmp/fuzzrun}/log}
awk '
    FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\..*/, "", name); runs[name]++ }
    /^stat::number_of_executed_units:/ { executed[name] += $2; all += $2 }
    /^(WRONG|==[0-9]+== ?ERROR|SUMMARY)/ { if (/^SUMMARY/) found[name]++ }
    END {
        for (name in runs)
            printf "%-14s %12d executions %4d slices %3d ended by a finding\n", name, executed[name], runs[name], found[name]
        printf "%-14s %12d executions\n", "all", all
    }' "$dir"/*.log
# User and system time of the children of each long.sh, as `times` prints it: 1m2.5s 0m0.1s
cat "$dir"/*.times 2>/dev/null | awk '
    /m.*s/ { if (++line % 2 == 0) for (i = 1; i <= 2; i++) { split($i, part, "m"); seconds += part[1] * 60 + part[2] } }
    END { printf "%-14s %12.1f CPU hours\n", "time", seconds / 3600 }'
