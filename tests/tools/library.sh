#!/bin/sh
# What the built library promises to whoever loads it: one exported symbol, no dependency but libc, its version,
# and that a name with `lib` before it works as well. DIST says where it is.
set -u

if [ "$(uname -s)" != Linux ]; then
    echo "0 passed, 0 failed, 1 skipped" # nm and readelf as they are here know ELF only
    exit 0
fi

library=${DIST:-dist}/hybrid_cache.so
passed=0 failed=0

check() { # NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
    fi
}

words() { tr -s '\n' ' ' | sed 's/ $//'; }

check "exported symbols" "T sqlite3_hybridcache_init" \
    "$(nm -D --defined-only "$library" | cut -d' ' -f2- | words)"
check "libraries needed" "libc.so.6" \
    "$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | words)"
check "no text relocations, no executable stack" "" \
    "$(readelf -dlW "$library" | grep -E 'TEXTREL|GNU_STACK.*RWE')"
check "version" "$(cat VERSION)" \
    "$(sqlite3 :memory: ".load ./${library%.so}" "SELECT hybrid_cache_version()" 2>&1)"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp "$library" "$copy/libhybrid_cache.so"
check "loads as libhybrid_cache" "$(cat VERSION)" \
    "$(sqlite3 :memory: ".load $copy/libhybrid_cache" "SELECT hybrid_cache_version()" 2>&1)"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
