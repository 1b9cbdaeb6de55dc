#!/bin/sh
# The extension in other SQLites, from other compilers, on other machines (README.md beside this file).
#
#   run.sh          the same file in the oldest and the newest SQLite, refusal below the floor, a newer format: quick
#   ALL=1 run.sh    every host, compiler and machine: `make versions`
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
ALL=${ALL:-}
here=$PWD
out=$BUILD/versions
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); }
fail() { # NAME [TEXT]
    failed=$((failed + 1))
    echo "FAILED $1"
    [ $# -lt 2 ] || printf '%s\n' "$2" | sed 's/^/  /'
}
skip() { # TEXT
    skipped=$((skipped + 1))
    echo "skipped: $1"
}
check() { # NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then pass; else fail "$1" "expected: $2
actual:   $3"; fi
}
has() { command -v "$1" >/dev/null 2>&1; }

build() { # TARGET...: quiet unless it fails
    make -s -j2 -f tests/versions/hosts.mk BUILD="$BUILD" DIST="$DIST" QUIET=@ "$@" >"$work/make.log" 2>&1 && return
    fail "build of $*" "$(tail -n 20 "$work/make.log")"
    return 1
}

# slt NAME MODES EXTENSION COMMAND...: the scripts, with what they count.
slt() {
    name=$1 in_modes=$2 file=$3
    shift 3
    "$@" --extension "$file" --mode "$in_modes" tests/slt >"$work/slt.log" 2>&1
    last=$(tail -n 1 "$work/slt.log")
    printf '  %-28s %s\n' "$name" "$last"
    # shellcheck disable=SC2046 # words, on purpose
    set -- $(echo "$last" | grep -E '^[0-9]+ passed, [0-9]+ failed' | tr -d ',a-z')
    if [ $# -lt 2 ] || [ "$1" -eq 0 ]; then
        fail "slt of $name" "$(tail -n 5 "$work/slt.log")"
    else
        passed=$((passed + $1)) failed=$((failed + $2))
        [ "$2" -eq 0 ] || grep -v -E '^[0-9]+ passed' "$work/slt.log" | head -n 40
    fi
}

for name in below oldest newest; do
    if [ ! -f "$out/$name/sqlite3.c" ]; then
        skip "no SQLite in $out (make deps DEPS=versions fetches it; Debian packages nodejs and npm)"
        echo "0 passed, 0 failed, 1 skipped"
        exit 0
    fi
done

extension=$here/$DIST/hybrid_cache
case $DIST in /*) extension=$DIST/hybrid_cache ;; esac
host() { echo "$here/$out/hosts/$1/$2"; }

# The mode memdb needs SQLite 3.36.
old="delete,wal,truncate,persist,memory,utf16le,utf16be,memjournal,exclusive,shim,shim+wal,defensive"
old="$old,trusted_schema_off,sharedcache,wal+exclusive"
modes=wal,delete,defensive modes_old=wal,delete,defensive
[ -z "$ALL" ] || modes=all modes_old=$old

# ---- the file that was built against Debian's SQLite, in three others

if build below oldest newest; then
    text=$("$(host below shell)" "$work/below.db" "$extension" "SELECT 1")
    check "refused below 3.31" "error: error during initialization: hybrid_cache needs SQLite 3.31.0 or later, this is 3.29.0" "$text"
    [ ! -s "$work/below.db" ] || fail "a refused load leaves the file alone"
    slt "oldest" "$modes_old" "$extension" "$(host oldest slt)"
    slt "newest" "$modes" "$extension" "$(host newest slt)"
fi

# ---- a file of a format that this version does not know: refused with a clear text, and left as it was

newer() { # SHELL
    db=$work/newer.db
    rm -f "$db"
    "$1" "$db" "$extension" "CREATE VIRTUAL TABLE cache USING hybrid_cache" \
        "INSERT INTO cache(key, value) VALUES('k', 'v')" "UPDATE cache_meta SET format = format + 1" >/dev/null
    before=$(sha256sum <"$db")
    for sql in "SELECT * FROM cache" "SELECT value FROM cache WHERE key = 'k'" "DELETE FROM cache" \
        "INSERT INTO cache(key, value) VALUES('k2', 'v')" "UPDATE cache SET value = 1" \
        "INSERT INTO cache(cache) VALUES('rebuild')" "INSERT INTO cache(cache) VALUES('check')" \
        "SELECT hybrid_cache_option('cache', 'ttl')"; do
        text=$("$1" "$db" "$extension" "$sql")
        case $text in
        *'hybrid_cache: "cache" was written by a newer version (format '*'): upgrade the extension'*) pass ;;
        *) fail "newer format: $sql" "$text" ;;
        esac
    done
    check "newer format: a look-up is a miss" "NULL" \
        "$("$1" "$db" "$extension" "SELECT hybrid_cache_get('cache', 'k')")"
    # These fail as well.
    for sql in "INSERT INTO cache(cache) VALUES('clear')" "INSERT INTO cache(cache) VALUES('purge')" \
        "INSERT INTO cache(cache, value) VALUES('ttl', 5)"; do
        case $("$1" "$db" "$extension" "$sql") in
        error:*) pass ;;
        *) fail "newer format: $sql is refused" ;;
        esac
    done
    check "newer format: the file is untouched" "$before" "$(sha256sum <"$db")"
    check "newer format: DROP TABLE works" "0" \
        "$("$1" "$db" "$extension" "DROP TABLE cache" "SELECT count(*) FROM sqlite_master")"
}
[ ! -x "$(host newest shell)" ] || newer "$(host newest shell)"

finish() {
    line="$passed passed, $failed failed"
    [ $skipped -eq 0 ] || line="$line, $skipped skipped"
    echo "$line"
    [ $failed -eq 0 ]
    exit
}
[ -n "$ALL" ] || finish

# ---- every host with the file as it is distributed, and with what other headers and compilers make of it

if build extension-oldest extension-newest; then
    for built in oldest newest; do
        for in in oldest newest; do
            slt "headers $built in $in" wal,delete "$here/$out/extensions/$built/hybrid_cache" "$(host $in slt)"
        done
        slt "headers $built in Debian's" wal,delete "$here/$out/extensions/$built/hybrid_cache" "$BUILD/slt/slt"
    done
fi
if ! has clang; then
    skip "no clang (Debian package clang)"
elif build extension-clang extension-clang-oldest linked-lean; then
    slt "clang in newest" "$modes" "$here/$out/extensions/clang/hybrid_cache" "$(host newest slt)"
    slt "clang, old headers, in newest" wal,delete "$here/$out/extensions/clang-oldest/hybrid_cache" "$(host newest slt)"
    slt "clang, linked-lean" wal,delete linked "$(host linked-lean slt)"
fi
for name in lean single multi undeprecated; do
    build $name && slt "$name" wal,delete,memory,shim "$extension" "$(host $name slt)"
done
for name in linked linked-oldest; do
    build $name && slt "$name" wal,delete,memory,shim linked "$(host $name slt)"
done

# ---- machines of another word size and byte order

# exchange NAME SHELL EXTENSION: that machine and this one read and write one file in turns.
here_sh() { "$(host newest shell)" "$1" "$extension" "$2" 2>&1; }
rows="SELECT quote(key), quote(value), expires, quote(tag) FROM cache ORDER BY key"
state="SELECT l2_count, l2_bytes, corrupt, l2_errors FROM hybrid_cache_stats"
exchange() {
    name=$1 there=$2 its=$3
    for encoding in UTF-8 UTF-16le UTF-16be; do
        for journal in delete wal; do
            db=$work/exchange.db
            rm -f "$db"
            create="PRAGMA encoding = '$encoding'; PRAGMA journal_mode = $journal;
                CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, l2_entries=100)"
            fill="INSERT INTO cache(key, value, expires, tag) VALUES(1, -2, 3e9, 'a'), ('1', 2.5, 3e9, NULL),
                (1.5, NULL, 4102444800.25, 'a'), (x'00ff', x'', 3e9, char(228)), ('text', 'Gr' || char(252, 223, 128512), 3e9, 'b')"
            change="UPDATE cache SET value = value || '!' WHERE key = 'text'; UPDATE cache SET ttl = 0 WHERE key = 1;
                INSERT INTO cache(key, value) VALUES('added', zeroblob(5000)); DELETE FROM cache WHERE key = '1';
                INSERT INTO cache(cache) VALUES('check')"
            $there "$db" "$its" "$create" "$fill" >/dev/null 2>&1
            check "$name, $encoding, $journal: rows" "$($there "$db" "$its" "$rows" 2>&1)" "$(here_sh "$db" "$rows")"
            check "$name, $encoding, $journal: five" "5" "$(here_sh "$db" "SELECT count(*) FROM cache")"
            check "$name, $encoding, $journal: check, change" "" "$(here_sh "$db" "$change")"
            check "$name, $encoding, $journal: changed rows" "$(here_sh "$db" "$rows")" \
                "$($there "$db" "$its" "$rows" 2>&1)"
            check "$name, $encoding, $journal: state" "$(here_sh "$db" "$state")" \
                "$($there "$db" "$its" "$state" 2>&1)"
            check "$name, $encoding, $journal: check there" "" \
                "$($there "$db" "$its" "INSERT INTO cache(cache) VALUES('check')" 2>&1)"
            # Into L1 and out of it again: a hit is the row, on either machine.
            hit="SELECT hybrid_cache_get('cache', 'text') = (SELECT value FROM cache WHERE key = 'text'),
                hybrid_cache_tier('cache', 'text'), hybrid_cache_get('cache', 'text') = 'Gr' || char(252, 223, 128512) || '!'"
            check "$name, $encoding, $journal: both tiers" "1|1|1" "$($there "$db" "$its" "$hit" 2>&1)"
            check "$name, $encoding, $journal: change there" "" "$($there "$db" "$its" "DELETE FROM cache WHERE tag = 'a';
                REPLACE INTO cache(key, value) VALUES('text', 'there'); INSERT INTO cache(cache) VALUES('check')" 2>&1)"
            check "$name, $encoding, $journal: seen here" "3|there" "$(here_sh "$db" "INSERT INTO cache(cache) VALUES('check');
                SELECT count(*), hybrid_cache_get('cache', 'text') FROM cache")"
        done
    done
}

if ! has i686-linux-gnu-gcc; then
    skip "no 32-bit compiler (Debian packages gcc-i686-linux-gnu and libc6-dev-i386-cross)"
elif build extension-32bit 32bit 32bit-oldest; then
    libc=/usr/i686-linux-gnu/lib
    run="$libc/ld-linux.so.2 --library-path $libc"
    its=$here/$out/extensions/32bit/hybrid_cache
    # shellcheck disable=SC2086 # a command of several words
    {
        slt "32 bits" "$modes" "$its" $run "$(host 32bit slt)"
        slt "32 bits, oldest" wal,delete "$its" $run "$(host 32bit-oldest slt)"
    }
    exchange "32 bits" "$run $(host 32bit shell)" "$its"
fi

if ! has s390x-linux-gnu-gcc || ! has qemu-s390x; then
    skip "no big-endian machine (Debian packages gcc-s390x-linux-gnu, libc6-dev-s390x-cross and qemu-user)"
elif build extension-bigendian bigendian bigendian-oldest; then
    run="qemu-s390x -L /usr/s390x-linux-gnu"
    its=$here/$out/extensions/bigendian/hybrid_cache
    # shellcheck disable=SC2086
    {
        slt "big-endian" wal,delete,memory,utf16le,utf16be "$its" $run "$(host bigendian slt)"
        slt "big-endian, oldest" wal,delete "$its" $run "$(host bigendian-oldest slt)"
    }
    exchange "big-endian" "$run $(host bigendian shell)" "$its"
fi

# ---- Windows

wine=$(command -v wine64 || command -v /usr/lib/wine/wine64 || command -v wine)
if ! has x86_64-w64-mingw32-gcc; then
    skip "no compiler for Windows (Debian package gcc-mingw-w64-x86-64)"
elif build windows; then
    check "windows: one exported symbol" "sqlite3_hybridcache_init" \
        "$(x86_64-w64-mingw32-objdump -p "$(host windows hybrid_cache.dll)" | sed -n '/Ordinal\/Name/,/^$/s/.*\] //p')"
    if [ -z "$wine" ]; then
        skip "no wine (Debian package wine64)"
    else
        # A prefix of its own: nothing of the user's is touched.
        export WINEPREFIX="$work/wine" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
        in_wine() { (cd "$(host windows .)" && "$wine" ./shell.exe "$@" </dev/null 2>/dev/null | tr -d '\r'); }
        in_wine :memory: - "SELECT 1" >/dev/null # makes the prefix
        its=./hybrid_cache
        exchange "windows" in_wine "$its"
    fi
fi

finish
