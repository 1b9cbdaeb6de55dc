#!/bin/sh
# Plants a bug at a time in a copy of the sources, and says after how many executions a fuzz target has found it:
# plant.sh [NAME...]     (needs clang; libFuzzer begins with the corpus, with seed 1)
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# One line each: name, target, file, sed program.
plants() {
    cat <<'PLANTS'
blob-length|shadow|ext/l2.c|s/sqlite3_column_bytes(stmt, 5) != STATE_BYTES/0/
no-checksum|shadow|ext/l2.c|s/row->has_sum && row->sum != hc_row_sum(row)/0/
option-range|options|ext/options.c|s/number >= option->low && number <= option->high/number >= option->low/
enters-twice|shadow|ext/cache.c|s/if (cache->busy++)/if (cache->busy++ > 1000)/
rollback-forgets-nothing|sql|ext/transaction.c|s/hc_l1_remove_hash(l1, transaction->journal\[--transaction->journal_count\])/transaction->journal_count--/
entry-too-short|sql|ext/l1.c|s/ + value->n + TERMINATOR + key->n + tag_n)/ + value->n + key->n + tag_n)/
PLANTS
}

cp -a "$here/." "$copy/"
cd "$copy"
make -s fuzzers >/dev/null
plants | while IFS='|' read -r name target file edit; do
    case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
    cp -p "$file" "$copy/original"
    sed -i "$edit" "$file"
    if cmp -s "$file" "$copy/original"; then
        echo "$name: the plant does not fit $file any more"
        exit 1
    fi
    make -s fuzzers >/dev/null
    mkdir -p "$copy/new"
    build/libfuzzer/fuzz/fuzz_"$target" -seed=1 -runs=2000000 -max_total_time=300 -timeout=10 -max_len=600 -entropic=0 -print_final_stats=1 \
        -artifact_prefix="$copy/new/" "$copy/new" "tests/fuzz/corpus/$target" >"$copy/log" 2>&1 || :
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$copy/log")
    if grep -q '^SUMMARY' "$copy/log"; then
        echo "$name: found by fuzz_$target after $runs executions: $(grep -a -m 1 -E '^WRONG|^SUMMARY|runtime error' "$copy/log" | cut -c 1-140)"
    else
        echo "$name: not found by fuzz_$target in $runs executions"
    fi
    rm -rf "$copy/new"
    cp "$copy/original" "$file"
done
