#!/bin/sh
# Writes the extension as one C file to standard output: amalgamate.sh SCHEMA_H XXHASH_H >hybrid_cache.c
#
# What the parts share becomes static, so that a program has one name of ours: sqlite3_hybridcache_init. xxHash comes
# in whole, with its licence, so that SQLite's headers are all the file needs. Names that two parts use for themselves
# (file-local functions, macros) are told apart by the preprocessor.
set -eu

schema=$1
xxhash=$2
[ -r "$xxhash" ] || { echo "amalgamate: xxhash.h is needed (Debian package libxxhash-dev)" >&2; exit 1; }
cd "$(dirname "$0")/../.."

# The names of file-local functions that occur in more than one part.
twice=$(awk '/^static / && /^[^=;]*[ *][a-z_0-9]+\(/ {
    sub(/\(.*/, ""); sub(/.*[ *]/, "")
    if (!(($0, FILENAME) in seen)) { seen[$0, FILENAME]; if (++count[$0] == 2) print }
}' ext/*.c | sort | tr '\n' ' ')

# A part that defines a shared table stands before those that read it: C has no forward declaration of a static array
# without its size. tsort takes pairs "this one first, then that one".
parts=$(
    for part in ext/*.c; do
        echo "$part $part"
        sed -n 's/^const .*[ *]\(hc_[a-z0-9_]*\)[^(]* = .*/\1/p' "$part" | while read -r table; do
            grep -lw "$table" ext/*.c | sed "s|^|$part |"
        done
    done | tsort
)

cat <<END
/*
** hybrid_cache $(cat VERSION), a two-tier key-value cache inside SQLite, in one file.
** Made from the files of ext/ by \`make amalgamation\`: to change it, change those.
**
** As a loadable extension:   cc -O2 -fPIC -shared -o hybrid_cache.so hybrid_cache.c
** Linked into a program:     cc -O2 -DSQLITE_CORE -c hybrid_cache.c      (see hybrid_cache.h)
**
$(sed 's/^/** /; s/ *$//' LICENSE)
*/
#ifndef HC_VERSION
#define HC_VERSION "$(cat VERSION)"
#endif

#include "sqlite3ext.h"
#ifndef SQLITE_CORE
static const sqlite3_api_routines *sqlite3_api;
#endif

/* Not every part of it is used by the others. */
#if defined(__GNUC__)
#define HC_PRIVATE static __attribute__((unused))
#else
#define HC_PRIVATE static
#endif
END

# shellcheck disable=SC2086 # lists of words, on purpose
awk -v schema="$schema" -v xxhash="$xxhash" -v twice="$twice" '
function banner(name) { printf "\n/* ======== %s ======== */\n\n", name }

# Foreign code, as it is: it is not held to our warnings.
function verbatim(file,    line) {
    print "#if defined(__GNUC__)"
    print "#pragma GCC diagnostic push"
    print "#pragma GCC diagnostic ignored \"-Wpedantic\""
    print "#pragma GCC diagnostic ignored \"-Wconversion\""
    print "#pragma GCC diagnostic ignored \"-Wsign-conversion\""
    print "#pragma GCC diagnostic ignored \"-Wshadow\""
    print "#pragma GCC diagnostic ignored \"-Wunused-function\""
    print "#endif"
    while ((getline line < file) > 0) print line
    close(file)
    print "#if defined(__GNUC__)"
    print "#pragma GCC diagnostic pop"
    print "#endif"
}

function part(file,    line, name, path, macros, i, n, word, unit) {
    banner(file == schema ? "sql/schema.sql" : file)
    unit = file
    sub(/.*\//, "", unit); sub(/\.[ch]$/, "", unit)
    if (file ~ /\.c$/) {
        n = split(twice, word, " ")
        for (i = 1; i <= n; i++) printf "#define %s %s_%s\n", word[i], unit, word[i]
    }
    while ((getline line < file) > 0) {
        if (line ~ /^SQLITE_EXTENSION_INIT[13]/) continue
        if (line ~ /^extern const /) continue
        if (line ~ /^#include "/) {
            name = line; sub(/^#include "/, "", name); sub(/".*/, "", name)
            path = name == "schema.h" ? schema : "ext/" name
            if (!(path in included)) {
                included[path] = 1
                part(path)
                printf "\n/* ======== %s, continued ======== */\n", file
            }
            continue
        }
        if (line ~ /^#include </) {
            if (line ~ /<xxhash.h>/) verbatim(xxhash)
            else if (line ~ /<sqlite3.h>/) print "#include \"sqlite3.h\""
            else if (line !~ /<sqlite3ext.h>/) print line
            continue
        }
        if (file ~ /\.c$/ && line ~ /^#define [A-Za-z]/ && line !~ /^#define (SQLITE_|HC_|XXH_)/) {
            name = line; sub(/^#define /, "", name); sub(/[^A-Za-z0-9_].*/, "", name)
            macros = macros " " name
        }
        if (line ~ /^[A-Za-z].*[ *]hc_[a-z0-9_]+\(/ && line !~ /^(static|typedef)/) line = "HC_PRIVATE " line
        else if (line ~ /^static inline /) sub(/^static/, "HC_PRIVATE", line)
        else if (line ~ /^const .*[ *]hc_[a-z0-9_]+(\[\])? = /) line = "HC_PRIVATE " line
        print line
    }
    close(file)
    if (file ~ /\.c$/) {
        for (i = 1; i <= n; i++) print "#undef " word[i]
        n = split(macros, word, " ")
        for (i = 1; i <= n; i++) print "#undef " word[i]
    }
}

BEGIN { for (i = 1; i < ARGC; i++) part(ARGV[i]) }' $parts
