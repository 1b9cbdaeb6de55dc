#!/bin/sh
# The soak: a few seconds, or ten minutes with SOAK=1. BUILD and DIST as in the Makefile.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if [ -n "${SOAK:-}" ]; then
    set -- --seconds "${SOAK_SECONDS:-600}" --reads 1000000 --seed "$(date +%s)"
else
    set -- --seconds 4 --reads 100000 --seed 1
fi
"${BUILD:-build}/soak/soak" --extension "${DIST:-dist}/hybrid_cache" --dir "$dir" "$@"
