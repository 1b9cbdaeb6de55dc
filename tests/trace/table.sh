#!/bin/sh
# The last part of `make bench`: hit ratios on the traces, and how well hybrid_cache_mrc() foretells them. BUILD, DIST and
# TRACES (the folder with the traces) as in the Makefile and tests/tools/run.sh.
set -eu

traces=${TRACES:-../shared/traces}
set -- --csv sql/data/apache10k.csv
if [ -d "$traces" ]; then
    set -- "$@" "$traces/web07.txt.gz" "$traces/orm-busy-dev.txt.gz" "$traces/corda.txt.gz"
else
    echo "no traces in $traces (TRACES=...): apache10k and the generated patterns only"
fi
echo
echo "replaying access traces, a minute or so"
"${BUILD:-build}/trace/replay" --extension "${DIST:-dist}/hybrid_cache" "$@"
