#!/bin/sh
# Runs hybrid_cache from each language: run.sh [NAME...]   (all of them without a word; HC_VERBOSE=1 names each check)
#
# A client is run twice. Its tour has to print what expected.txt says, line by line. Then three processes of it meet in
# thirty rounds, where all want the same page and ten tickets each: each page is computed once, each ticket drawn once.
# A language that is not installed is skipped, with the name of its Debian package.
set -u

BUILD=${BUILD:-build}
extension=${HC_EXTENSION:-${DIST:-dist}/hybrid_cache}
case $extension in
/*) ;;
*) extension=$PWD/$extension ;;
esac
load=$extension # what a client is told to load
here=tests/clients
jars=/usr/share/java
python=${PYTHON:-/usr/bin/python3} # Debian's, which can load extensions
only=${*:-}

LC_ALL=C.UTF-8 # what they print is UTF-8
NODE_PATH=$BUILD/clients/node/node_modules
PYTHONDONTWRITEBYTECODE=1
HC_EXTENSION=$extension
export LC_ALL NODE_PATH PYTHONDONTWRITEBYTECODE HC_EXTENSION

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
version=$(cat VERSION)
sed "s/hybrid_cache VERSION/hybrid_cache $version/" "$here/expected.txt" >"$tmp/expected"

passed=0 failed=0 skipped=0

ok() {
    passed=$((passed + 1))
    [ -z "${HC_VERBOSE:-}" ] || echo "ok: $1"
}

# bad NAME [FILE]: with what there is to show
bad() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    [ $# -lt 2 ] || head -n 40 "$2" | sed 's/^/    /'
}

# same NAME EXPECTED ACTUAL: two files, line by line
same() {
    if diff "$2" "$3" >"$tmp/diff"; then
        ok "$1"
    else
        bad "$1 (< expected, > printed)" "$tmp/diff"
    fi
}

# wanted NAME PACKAGES PROBE...: is it asked for, and is it there?
wanted() {
    name=$1 packages=$2
    shift 2
    case " ${only:-$name} " in
    *" $name "*) ;;
    *) return 1 ;;
    esac
    "$@" >/dev/null 2>&1 && return 0
    skipped=$((skipped + 1))
    echo "skipped: $name (install $packages)"
    return 1
}

# Three processes at once. What must never happen: a ticket twice or not at all, a page computed twice or not at all.
race() { # NAME COMMAND...
    name=$1
    shift
    for process in 1 2 3; do
        timeout 120 "$@" "$load" "$tmp/$name.db" 30 3 >"$tmp/race.$process" 2>&1 &
    done
    wait
    sort "$tmp"/race.? >"$tmp/race"
    same "$name: three processes at once" "$tmp/race.expected" "$tmp/race"
}
{
    seq 900 | sed 's/^/ticket /'
    seq 30 | sed 's/^/computing page /'
} | sort >"$tmp/race.expected"

client() { # NAME COMMAND...
    name=$1
    shift
    timeout 120 "$@" "$load" "$tmp/$name.db" >"$tmp/out" 2>&1
    rc=$?
    [ $rc -eq 0 ] || echo "exit code $rc" >>"$tmp/out"
    same "$name: tour" "$tmp/expected" "$tmp/out"
    race "$name" "$@"
}

pool() { # NAME COMMAND...
    name=$1
    shift
    timeout 120 "$@" "$extension" "$tmp/$name.db" >"$tmp/out" 2>&1
    same "$name" "$here/expected_pool.txt" "$tmp/out"
}

# A file of unittest cases; each is counted.
unittest() { # NAME COMMAND...
    name=$1
    shift
    if timeout 120 "$@" >"$tmp/out" 2>&1; then
        ran=$(sed -n 's/^Ran \([0-9]*\) tests* .*/\1/p' "$tmp/out")
        [ "${ran:-0}" -gt 0 ] || bad "$name: no tests" "$tmp/out"
        passed=$((passed + ${ran:-0}))
    else
        bad "$name" "$tmp/out"
    fi
}

jar() { [ -f "$jars/$1.jar" ]; }
java_client() { command -v javac && jar sqlite-jdbc; }
java_pool() { java_client && jar HikariCP && jar slf4j-nop; }
python_module() { "$python" -c "import $1"; }
tcl_sqlite() { echo 'exit [catch {package require sqlite3}]' | tclsh; }
node_client() { node -e 'new (require("better-sqlite3"))(":memory:")'; }

# The shell prints an error to stderr, with the line and the code around the text; this script has both errors last.
if wanted sqlite3 sqlite3 command -v sqlite3; then
    sed "s|^\.load .*|.load '$extension'|" "$here/client.sql" >"$tmp/client.sql"
    sqlite3 "$tmp/sqlite3.db" <"$tmp/client.sql" >"$tmp/out" 2>"$tmp/errors"
    sed -e 's/^Runtime error near line [0-9]*: /error: /' -e 's/ ([0-9]*)$//' "$tmp/errors" >>"$tmp/out"
    same "sqlite3: tour" "$tmp/expected" "$tmp/out"
fi
if wanted python python3 test -x "$python"; then
    client python "$python" "$here/client.py"
    pool pool_python "$python" "$here/pool.py"
    unittest object_cache "$python" "$here/object_cache_test.py"
fi
if wanted sqlalchemy python3-sqlalchemy python_module sqlalchemy; then
    pool pool_sqlalchemy "$python" "$here/pool_sqlalchemy.py"
fi
if wanted django python3-django python_module django; then
    unittest django_cache "$python" "$here/django_cache_test.py"
fi
if wanted node "nodejs, npm, libnode-dev, g++, then run $here/npm.sh" node_client; then
    client node node "$here/client.js"
fi
if wanted tcl libsqlite3-tcl tcl_sqlite; then
    client tcl tclsh "$here/client.tcl"
fi
if wanted perl libdbd-sqlite3-perl perl -MDBD::SQLite -e 1; then
    client perl perl "$here/client.pl"
fi
if wanted ruby ruby-sqlite3 ruby -rsqlite3 -e 1; then
    client ruby ruby "$here/client.rb"
fi
if wanted php "php-cli php-sqlite3" php -r 'exit(class_exists("SQLite3") ? 0 : 1);'; then
    for suffix in so dylib dll; do # PHP wants a name in one directory, with the suffix
        [ ! -f "$extension.$suffix" ] || load=hybrid_cache.$suffix
    done
    client php php -d "sqlite3.extension_dir=$(dirname "$extension")" "$here/client.php"
    load=$extension
fi
if wanted java "default-jdk-headless libxerial-sqlite-jdbc-java" java_client; then
    if javac -d "$tmp/java" -cp "$jars/sqlite-jdbc.jar" "$here/Client.java" >"$tmp/out" 2>&1; then
        client java java -cp "$jars/sqlite-jdbc.jar:$tmp/java" Client
    else
        bad "java: javac" "$tmp/out"
    fi
fi
if wanted hikari "libhikaricp-java libslf4j-java" java_pool; then
    pool pool_hikari java -cp "$jars/sqlite-jdbc.jar:$jars/HikariCP.jar:$jars/slf4j-api.jar:$jars/slf4j-nop.jar" \
        "$here/Pool.java"
fi
if wanted c "libsqlite3-dev, then make tests" test -x "$BUILD/clients/loaded" -a -x "$BUILD/clients/static"; then
    client c_loaded "$BUILD/clients/loaded"
    client c_static "$BUILD/clients/static"
fi

if [ $skipped -eq 0 ]; then
    echo "$passed passed, $failed failed"
else
    echo "$passed passed, $failed failed, $skipped skipped"
fi
[ $failed -eq 0 ]
