#!/bin/sh
# The suites with AddressSanitizer and UBSan: asan.sh [SUITE...]   (without a word all but two; see `make asan`)
#
# Programs of ours are built with the sanitizers. A host that is not gets their library by LD_PRELOAD, from a script of
# its name in BUILD/hosts. The shells leave nothing behind at their end, so that leaks are looked for in them too; the
# languages leave much, and there the programs of ours have to do.
#
# AddressSanitizer reports to files, so that none is lost with an output that a test throws away: each file is a failure.
# UBSan knows no files here: it writes to stderr, and the process dies of a signal.
#
#   Left out      library, packages: they look at, and build, what is distributed, which has no sanitizer in it
#   Skipped       PHP loads extensions with RTLD_DEEPBIND, which the sanitizer refuses
set -u

BUILD=${BUILD:-build/asan}
DIST=${DIST:-$BUILD/dist}
CC=${CC:-cc}
here=$(pwd)
hosts=$here/$BUILD/hosts reports=$here/$BUILD/reports
all=$(sed -n 's/^all="\(.*\)"$/\1/p' tests/tools/run.sh | sed 's/library //; s/packages //')
flags="log_path=$reports/report:allocator_may_return_null=1:verify_asan_link_order=0" # faketime comes first
preload=$($CC -print-file-name=libasan.so)

# host NAME OPTIONS [PROGRAM]: a script in front of the program.
host() {
    program=${3:-$(command -v "$1")} || return 0
    # shellcheck disable=SC2016 # for the script that is written
    printf '#!/bin/sh\nASAN_OPTIONS=%s LD_PRELOAD=%s${LD_PRELOAD:+:$LD_PRELOAD} exec %s "$@"\n' "$flags:$2" "$preload" "$program" >"$hosts/$1"
}

rm -rf "$hosts" "$reports"
mkdir -p "$hosts" "$reports"
for name in tclsh sqlite3; do
    host $name detect_leaks=1
done
for name in node perl ruby; do
    host $name detect_leaks=0
done
host java detect_leaks=0:handle_segv=0
host python3 detect_leaks=0 /usr/bin/python3
printf '#!/bin/sh\nexit 1\n' >"$hosts/php"
# A test may start compilers, which leave everything behind: without the library.
for name in cc gcc clang x86_64-w64-mingw32-gcc; do
    program=$(command -v $name) || continue
    printf '#!/bin/sh\nunset LD_PRELOAD\nexec %s "$@"\n' "$program" >"$hosts/$name"
done
chmod +x "$hosts"/*

# What was fetched from npm for the other build serves this one.
for fetched in versions/below versions/oldest versions/newest clients/node cluster/node_modules; do
    [ ! -e "build/$fetched" ] || [ -e "$BUILD/$fetched" ] ||
        { mkdir -p "$BUILD/${fetched%/*}" && ln -s "$here/build/$fetched" "$BUILD/$fetched"; }
done

export BUILD DIST ASAN_OPTIONS="$flags" UBSAN_OPTIONS="print_stacktrace=1:abort_on_error=1"
export PATH="$hosts:$PATH" PYTHON="$hosts/python3" HOST_FLAGS="-g -fsanitize=address"
# shellcheck disable=SC2048,SC2086 # words, on purpose
sh tests/tools/run.sh ${*:-$all}
rc=$?
found=$(find "$reports" -type f | wc -l)
echo "reports of the sanitizers: $found"
find "$reports" -type f | head -n 5 | while read -r report; do
    echo "== $report"
    head -n 40 "$report"
done
[ "$found" -eq 0 ] && exit $rc
exit 1
