#!/bin/sh
# `make demo`: the two halves of the demo, each in a process of its own, on a new database in build/.
set -eu

mkdir -p build
rm -f build/demo.db*
sqlite3 -batch build/demo.db ".read sql/demo.sql"
sqlite3 -batch build/demo.db ".read sql/demo_restart.sql"
