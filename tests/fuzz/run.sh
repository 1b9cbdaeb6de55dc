#!/bin/sh
# The suite `fuzz`: the corpus, what was found, and a few thousand mutations of both through each target, with the
# sanitizers where the compiler has them. SOAK=1: a hundred times as many. The long form is long.sh.
set -u

BUILD=${BUILD:-build}
here=tests/fuzz
passed=0 failed=0
rounds=1
[ -z "${SOAK:-}" ] || rounds=100

# target MUTATIONS DICTIONARY
target() {
    keep=${TMPDIR:-/tmp}/fuzz-input-of-$1
    set -- "$1" "$2" ${3:+--dictionary "$here/$3"}
    name=$1 mutations=$(($2 * rounds))
    shift 2
    # shellcheck disable=SC2046 # a directory may not be there
    if "$BUILD/fuzz/fuzz_$name" --mutate "$mutations" --seed 1 --keep "$keep" "$@" "$here/corpus/$name" \
        $([ -d "$here/found/$name" ] && echo "$here/found/$name") >"$BUILD/fuzz/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "$name: $(cat "$BUILD/fuzz/$name.log")"
    else
        failed=$((failed + 1))
        echo "FAILED $name; the input is $keep"
        head -n 40 "$BUILD/fuzz/$name.log"
    fi
}

target options 50000 options.dict
target sql 300 sql.dict
target shadow 600
target image 600
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
