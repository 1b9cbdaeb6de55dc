#!/bin/sh
# What others get - one C file, static library, installation, Debian package, npm package, wheel, source tarball - is
# made, put where it belongs in an empty directory, and used from there. README.md beside this file.
set -u

BUILD=${BUILD:-build}
DIST=${DIST:-dist}
CC=${CC:-cc}
work=$(mktemp -d)
work=$(cd "$work" && pwd -P)
trap 'rm -rf "$work"' EXIT
version=$(cat VERSION)
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); }
fail() { # NAME [TEXT]
    failed=$((failed + 1))
    echo "FAILED $1"
    [ $# -lt 2 ] || printf '%s\n' "$2" | sed 's/^/  /'
}
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1"
}
check() { # NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then pass; else fail "$1" "expected: $2
actual:   $3"; fi
}
ok() { # NAME COMMAND...: exit code 0, and nothing said
    name=$1
    shift
    if "$@" >"$work/log" 2>&1 && [ ! -s "$work/log" ]; then pass; else fail "$name" "$(cat "$work/log")"; fi
}
has() { command -v "$1" >/dev/null 2>&1; }
sh3() { sqlite3 -batch -init /dev/null "$@" 2>&1; }
works() { # NAME LIBRARY: it loads, has the right version, caches
    check "$1" "$version|v|1" "$(sh3 :memory: ".load $2" "CREATE VIRTUAL TABLE c USING hybrid_cache" \
        "INSERT INTO c(key, value) VALUES('k', 'v')" \
        "SELECT hybrid_cache_version(), hybrid_cache_get('c', 'k'), hybrid_cache_tier('c', 'k')")"
}
# make, for another place: nothing of the tree's own build and dist is touched.
again() { make --no-print-directory -s Q=@ "$@" 2>&1; }
strict="-std=c11 -O2 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
symbols() { nm --defined-only "$@" | sed -n 's/.* [A-TV-Z] //p'; }

# ---- one C file

mkdir "$work/one"
cp "$DIST/hybrid_cache.c" "$DIST/hybrid_cache.h" "$work/one/"
for compiler in gcc clang; do
    if ! has $compiler; then
        skip "no $compiler (Debian package $compiler)"
        continue
    fi
    # shellcheck disable=SC2086 # words, on purpose
    for mode in "" "-DSQLITE_CORE"; do
        ok "one file: $compiler $mode" $compiler $strict $mode -fPIC -c -o "$work/one/part.o" "$work/one/hybrid_cache.c"
        check "one file: names, $compiler $mode" sqlite3_hybridcache_init "$(symbols "$work/one/part.o")"
    done
done
ok "one file: as its head says" "$CC" -O2 -fPIC -shared -o "$work/one/hybrid_cache.so" "$work/one/hybrid_cache.c"
works "one file: loads" "$work/one/hybrid_cache"
if [ -x "$BUILD/slt/slt" ]; then
    line=$("$BUILD/slt/slt" --extension "$work/one/hybrid_cache" --mode wal,delete tests/slt | tail -n 1)
    echo "  slt on the one-file library: $line"
    case $line in
    *" passed, 0 failed"*) passed=$((passed + ${line%% *})) ;;
    *) fail "slt on the one-file library" "$line" ;;
    esac
fi
check "one file: no absolute path in it" "" "$(grep -nF "$PWD" "$DIST/hybrid_cache.c")"
check "one file: both licences" 2 "$(grep -c -E 'MIT License|BSD 2-Clause License' "$DIST/hybrid_cache.c")"

# ---- installation, and the static library through pkg-config

root=$work/root
again install DESTDIR="$root" prefix=/opt/hc BUILD="$BUILD" DIST="$DIST" >"$work/log" || fail "install" "$(cat "$work/log")"
check "install: what" "include/hybrid_cache.h lib/hybrid_cache.so lib/libhybrid_cache.a lib/pkgconfig/hybrid_cache.pc share/man/man7/hybrid_cache.7" \
    "$(cd "$root/opt/hc" && find . -type f | sed 's|^\./||' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
if has pkg-config; then
    config() { PKG_CONFIG_LIBDIR="$root/opt/hc/lib/pkgconfig:$(pkg-config --variable pc_path pkg-config)" pkg-config "$@" hybrid_cache; }
    check "pkg-config: version" "$version" "$(config --modversion)"
    check "pkg-config: the library" /opt/hc/lib/hybrid_cache.so "$(config --variable=loadable)"
    works "install: loads" "$root$(config --variable=loadable)"
    # shellcheck disable=SC2046,SC2086
    ok "static: links as pkg-config says" $CC $strict $(config --define-variable=prefix="$root/opt/hc" \
        --define-variable=libdir="$root/opt/hc/lib" --define-variable=includedir="$root/opt/hc/include" --cflags) \
        -o "$work/linked" tests/packages/linked.c \
        $(config --define-variable=libdir="$root/opt/hc/lib" --libs)
    check "static: every connection has it" "linked|1|$version
linked|1|$version" "$("$work/linked" 2>&1)"
else
    skip "no pkg-config (Debian package pkg-config)"
fi
check "static: names" sqlite3_hybridcache_init "$(symbols "$root/opt/hc/lib/libhybrid_cache.a")"
page=$root/opt/hc/share/man/man7/hybrid_cache.7
if has mandoc; then
    check "man page: mandoc" "" "$(mandoc -Tlint -Wstyle "$page" 2>&1 | grep -v 'outdated mandoc.db')"
else
    skip "no mandoc (Debian package mandoc)"
fi
if has groff; then
    check "man page: groff" "" "$(groff -mdoc -Tutf8 -ww "$page" 2>&1 >/dev/null)"
else
    skip "no groff (Debian package groff)"
fi
for word in $(sh3 :memory: ".load $DIST/hybrid_cache" "SELECT DISTINCT name FROM pragma_function_list WHERE name GLOB 'hybrid_cache*'"); do
    if grep -q "$word" "$page"; then pass; else fail "man page: function $word"; fi
    if grep -q "\"$word\"" sqlpkg.json; then pass; else fail "sqlpkg.json: symbol $word"; fi
done
# The text of an error lists the commands, and the options among them.
words=$(sh3 :memory: ".load $DIST/hybrid_cache" "CREATE VIRTUAL TABLE c USING hybrid_cache" \
    "INSERT INTO c(c) VALUES('no such')" | sed -n 's/.*the commands are //p' | tr -d ,)
check "man page: there are commands" 16 "$(echo "$words" | wc -w | tr -d ' ')"
for word in $words; do
    if grep -q -E "^\.It Cm $word( No = |\$)" "$page"; then pass; else fail "man page: $word"; fi
done
again uninstall DESTDIR="$root" prefix=/opt/hc BUILD="$BUILD" DIST="$DIST" >/dev/null
check "uninstall leaves nothing" "" "$(find "$root" -type f -o -type l)"
again install DESTDIR="$root" prefix=/usr libdir=/usr/lib/here includedir=/usr/include/hc mandir=/usr/man \
    BUILD="$BUILD" DIST="$DIST" >/dev/null
check "install: directories of one's own" "$root/usr/include/hc/hybrid_cache.h $root/usr/lib/here/hybrid_cache.so $root/usr/man/man7/hybrid_cache.7" \
    "$(find "$root" -name '*.h' -o -name '*.so' -o -name '*.7' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"

# ---- Debian package

if ! has dpkg-buildflags || ! has dpkg-deb; then
    skip "no dpkg-buildflags (Debian package dpkg-dev)"
else
    file=$(again deb BUILD="$BUILD/packages" DIST="$work/deb" | tail -n 1)
    arch=$(dpkg --print-architecture)
    check "deb: name" "$work/deb/libsqlite3-mod-hybrid-cache_${version}_$arch.deb" "$file"
    check "deb: version" "$version" "$(dpkg-deb -f "$file" Version)"
    check "deb: depends on libc alone" "libc6" "$(dpkg-deb -f "$file" Depends | sed 's/ .*//')"
    if has lintian; then
        check "deb: lintian" "" "$(lintian --fail-on none "$file" 2>&1 | grep -v 'root privileges')"
    else
        skip "no lintian (Debian package lintian)"
    fi
    if dpkg -s libsqlite3-mod-hybrid-cache >/dev/null 2>&1; then
        skip "libsqlite3-mod-hybrid-cache is installed here: left alone"
    elif [ "$(id -u)" -eq 0 ] && dpkg -i "$file" >"$work/log" 2>&1; then
        check "deb: installed, by name alone" "$version|v|1" "$(cd "$work" && works x hybrid_cache >/dev/null
            sh3 :memory: ".load hybrid_cache" "CREATE VIRTUAL TABLE c USING hybrid_cache" \
                "INSERT INTO c(key, value) VALUES('k', 'v')" \
                "SELECT hybrid_cache_version(), hybrid_cache_get('c', 'k'), hybrid_cache_tier('c', 'k')")"
        files=$(dpkg -L libsqlite3-mod-hybrid-cache | grep -E 'hybrid[-_]cache')
        dpkg -r libsqlite3-mod-hybrid-cache >"$work/log" 2>&1 || fail "deb: removed" "$(cat "$work/log")"
        # shellcheck disable=SC2086
        check "deb: nothing left" "" "$(ls -d $files 2>/dev/null)"
    else
        dpkg-deb -x "$file" "$work/x"
        works "deb: unpacked (not root)" "$(find "$work/x" -type l -name hybrid_cache.so)"
    fi
fi

# ---- npm package and wheel

file=$(again npm BUILD="$BUILD" DIST="$DIST" | tail -n 1)
check "npm: name" "$DIST/sqlite-hybrid-cache-$version.tgz" "$file"
mkdir -p "$work/npm/node_modules/sqlite-hybrid-cache"
if ! has node; then
    skip "no node (Debian package nodejs)"
else
    if has npm; then
        (cd "$work/npm" && echo '{}' >package.json &&
            npm install --offline --ignore-scripts --no-audit --no-fund "$OLDPWD/$file") >"$work/log" 2>&1 ||
            fail "npm install" "$(cat "$work/log")"
    else
        tar -xzf "$file" -C "$work/npm/node_modules/sqlite-hybrid-cache" --strip-components=1
    fi
    node_says() { (cd "$work/npm" && node -e "$1" 2>&1); }
    check "npm: version" "$version" "$(node_says 'console.log(require("./node_modules/sqlite-hybrid-cache/package.json").version)')"
    works "npm: getLoadablePath()" "$(node_says 'console.log(require("sqlite-hybrid-cache").getLoadablePath())')"
    check "npm: another place" "$work/one/hybrid_cache.so" \
        "$(HYBRID_CACHE_PATH=$work/one/hybrid_cache.so node_says 'console.log(require("sqlite-hybrid-cache").getLoadablePath())')"
    check "npm: nothing there" "sqlite-hybrid-cache: no library for" "$(HYBRID_CACHE_PATH=/none node_says \
        'try { require("sqlite-hybrid-cache").getLoadablePath() } catch (e) { console.log(e.message.slice(0, 35)) }')"
fi

python=/usr/bin/python3
if ! has $python; then
    skip "no $python (Debian package python3)"
else
    file=$(again wheel BUILD="$BUILD" DIST="$DIST" PYTHON=$python | tail -n 1)
    case $file in
    "$DIST/sqlite_hybrid_cache-$version-py3-none-"*.whl) pass ;;
    *) fail "wheel: name" "$file" ;;
    esac
    if $python -m pip --version >/dev/null 2>&1; then # pip refuses a wheel whose RECORD or platform is wrong
        $python -m pip install -q --no-index --no-deps --root-user-action=ignore --target "$work/python" "$file" \
            >"$work/log" 2>&1 || fail "wheel: pip install" "$(cat "$work/log")"
    else
        skip "no pip (Debian package python3-pip): unpacked without it"
        $python -m zipfile -e "$file" "$work/python"
    fi
    check "wheel: load()" "$version True v 1 not authorized" "$(cd "$work" && PYTHONPATH=$work/python $python -c '
import os, sqlite3, sqlite_hybrid_cache as h
db = sqlite3.connect(":memory:")
h.load(db)
db.execute("CREATE VIRTUAL TABLE c USING hybrid_cache")
db.execute("INSERT INTO c(key, value) VALUES(?, ?)", ("k", "v"))
row = db.execute("SELECT hybrid_cache_get(?, ?), hybrid_cache_tier(?, ?)", ("c", "k", "c", "k")).fetchone()
try:
    db.load_extension(h.loadable_path()); end = "loading is still allowed"
except sqlite3.OperationalError as e:
    end = str(e)
print(h.__version__, os.path.exists(h.loadable_path() + ".so"), *row, end)' 2>&1)"
    check "wheel: RECORD" "good" "$($python - "$file" <<'END' 2>&1
import base64, csv, hashlib, io, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
record = next(n for n in wheel.namelist() if n.endswith("/RECORD"))
rows = list(csv.reader(io.StringIO(wheel.read(record).decode())))
assert sorted(r[0] for r in rows) == sorted(wheel.namelist())
for name, digest, size in rows:
    if name != record:
        data = wheel.read(name)
        assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        assert int(size) == len(data)
print("good")
END
)"
fi

# ---- source tarball: two checkouts, one sum; it builds

if ! has git || ! git rev-parse --verify -q HEAD >/dev/null; then
    skip "no git, or no repository: the source tarball"
else
    for copy in a b; do
        git clone -q --no-hardlinks . "$work/$copy" 2>"$work/log" || fail "clone" "$(cat "$work/log")"
    done
    # Later, in another zone, with other permissions, with files that are not committed.
    (cd "$work/b" && touch -d '2031-02-03' VERSION README.md && echo x >untracked && umask 077 && mkdir -p dist &&
        TZ=Asia/Tokyo make -s dist >/dev/null 2>&1)
    (cd "$work/a" && make -s dist >/dev/null 2>&1)
    committed=$(git show HEAD:VERSION)
    tarball=dist/hybrid_cache-$committed.tar.gz
    check "dist: the same bytes" "$(sha256sum <"$work/a/$tarball")" "$(sha256sum <"$work/b/$tarball")"
    check "dist: what is tracked" "$(git ls-tree -r --name-only HEAD)" \
        "$(tar -tzf "$work/a/$tarball" | sed -n "s|^hybrid_cache-$committed/||; /[^/]\$/p" | LC_ALL=C sort)"
    tar -xzf "$work/a/$tarball" -C "$work"
    (cd "$work/hybrid_cache-$committed" && make -s >"$work/log" 2>&1) || fail "dist: make" "$(cat "$work/log")"
    check "dist: unpacked, it builds" "$committed" \
        "$(sh3 :memory: ".load $work/hybrid_cache-$committed/dist/hybrid_cache" "SELECT hybrid_cache_version()")"
fi

# ---- the version, which only VERSION knows

check "version: the library" "$version" "$(sh3 :memory: ".load $DIST/hybrid_cache" "SELECT hybrid_cache_version()")"
check "version: the one file" "$version" "$(sed -n 's/^#define HC_VERSION "\(.*\)"/\1/p' "$DIST/hybrid_cache.c" | head -n 1)"
check "version: sqlpkg.json" "$version" "$(sed -n 's/.*"version": "\(.*\)".*/\1/p' sqlpkg.json)"
check "version: nowhere else" "" "$(grep -rnF "$version" Makefile ext --include='*' | grep -v '\.svg:')"

line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
