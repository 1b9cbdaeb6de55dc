#!/bin/sh
# The long form: runs libFuzzer binaries in turn until a time, in slices: long.sh UNTIL SLICE BINARY...
#
#   UNTIL    as date(1) understands it, such as 18:30
#   SLICE    seconds that each binary runs before the next one has its turn
#   BINARY   fuzz_sql and so on, made by `make fuzzers`; copies of them are run, so that they can be built anew meanwhile
#
# Corpora, logs and what was found go to $FUZZ_DIR (/tmp/fuzzrun): corpus/TARGET, log/, crash/TARGET. sum.sh adds up.
# FUZZ_NICE is the niceness (19). -entropic=0: libFuzzer would spend two thirds of the time on its own statistics.
# A target whose last ten slices all found something rests.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=${FUZZ_DIR:-/tmp/fuzzrun}
until=$(date -d "$1" +%s)
slice=$2
shift 2

for binary; do
    target=${binary##*_}
    mkdir -p "$dir/bin" "$dir/log" "$dir/corpus/$target" "$dir/crash/$target"
    [ "$binary" = "$dir/bin/${binary##*/}" ] || cp "$binary" "$dir/bin/"
done

n=0
while :; do
    ran=
    for binary; do
        name=${binary##*/} target=${binary##*_}
        left=$((until - $(date +%s)))
        [ "$left" -gt 5 ] || exit 0
        [ "$left" -lt "$slice" ] || left=$slice
        [ "$(cat "$dir/bin/$name.found" 2>/dev/null || echo 0)" -lt 10 ] || continue
        ran=yes
        n=$((n + 1))
        set +e
        nice -n "${FUZZ_NICE:-19}" "$dir/bin/$name" -max_total_time="$left" -print_final_stats=1 -print_funcs=0 \
            -entropic=0 -timeout=60 -rss_limit_mb=3000 \
            -max_len="$(case $target in options) echo 64 ;; image) echo 32768 ;; *) echo 600 ;; esac)" \
            "-dict=$here/$(case $target in options) echo options ;; *) echo sql ;; esac).dict" \
            -artifact_prefix="$dir/crash/$target/" -verbosity=0 \
            "$dir/corpus/$target" "$here/corpus/$target" >"$dir/log/$name.$$.$n.log" 2>&1
        rc=$?
        set -e
        times >"$dir/log/$$.times" # of all children so far: the second line
        if [ "$rc" -eq 0 ]; then
            echo 0 >"$dir/bin/$name.found"
        else
            echo $(($(cat "$dir/bin/$name.found" 2>/dev/null || echo 0) + 1)) >"$dir/bin/$name.found"
        fi
    done
    [ -n "$ran" ] || exit 1
done
