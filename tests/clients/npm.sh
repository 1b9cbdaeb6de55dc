#!/bin/sh
# Installs what the Node client needs into $BUILD/clients/node: better-sqlite3 as package-lock.json pins it, compiled
# here against the headers of the installed Node (nothing is fetched but from the npm registry).
set -eu

here=$(dirname "$0")
target=${BUILD:-build}/clients/node

works() { NODE_PATH=$target/node_modules node -e 'new (require("better-sqlite3"))(":memory:")' >/dev/null 2>&1; }

works && exit 0
echo "clients: npm ci in $target, and about a minute of compiling"
mkdir -p "$target"
cp "$here/package.json" "$here/package-lock.json" "$target"
cd "$target"
[ ! -f /usr/include/node/node.h ] || export npm_config_nodedir=/usr
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm run --silent build >build.log 2>&1 || {
    tail -n 20 build.log >&2
    exit 1
}
