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
