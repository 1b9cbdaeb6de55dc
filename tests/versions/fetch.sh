#!/bin/sh
# Puts the amalgamations of sqlite.txt into BUILD/versions/{below,oldest,newest}: sqlite3.c, sqlite3.h, sqlite3ext.h.
# Through `npm pack`, which runs nothing of the package; a file that has not the hash written there is refused.
set -eu

cd "$(dirname "$0")/../.."
out=${BUILD:-build}/versions
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -v '^#' tests/versions/sqlite.txt | while read -r name version package sum; do
    have=$(sed -n 's/^#define SQLITE_VERSION  *"\(.*\)"/\1/p' "$out/$name/sqlite3.h" 2>/dev/null || :)
    [ "$have" != "$version" ] || continue
    echo "versions: SQLite $version from npm package $package"
    (cd "$work" && npm pack --silent --force "$package" >name 2>npm.log </dev/null) ||
        { cat "$work/npm.log" >&2; exit 1; }
    file=$work/$(tail -n 1 "$work/name")
    if ! echo "$sum  $file" | sha512sum --check --status; then
        echo "versions: the tarball of $package is not the one that was pinned" >&2
        exit 1
    fi
    rm -rf "$work/package" "$work/sqlite"
    tar -xzf "$file" -C "$work" package/deps
    mkdir "$work/sqlite"
    if [ -f "$work/package/deps/sqlite3.tar.gz" ]; then
        tar -xzf "$work/package/deps/sqlite3.tar.gz" -C "$work/sqlite"
    else
        mv "$work"/package/deps/sqlite3/sqlite3*.[ch] "$work/sqlite"
    fi
    rm -rf "${out:?}/$name"
    mkdir "$out/$name"
    mv "$work"/sqlite/sqlite3.c "$work"/sqlite/sqlite3.h "$work"/sqlite/sqlite3ext.h "$out/$name"
done
