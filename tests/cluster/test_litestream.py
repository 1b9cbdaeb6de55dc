#!/usr/bin/python3
"""The cache through Litestream's VFS, a writer and a reader process with a directory between them:
test_litestream.py [--vfs FILE] [--extension FILE]

The VFS ships pages some time after they were committed; what the reader sees has to be one state of the writer's.
"""
import argparse
import glob
import os
import sqlite3
import subprocess
import sys

from cluster import COMPARE, Checks, Processes, wait_for

KEYS, ROUND, ROUNDS = 20, 50, 5
GET = "SELECT hybrid_cache_get('cache', ?)"


def connect(extension, path):
    database = sqlite3.connect(f"file:{path}?vfs=litestream", uri=True, isolation_level=None)
    database.enable_load_extension(True)
    database.load_extension(extension)
    return database


def write(extension):
    """A round for each line that the parent sends; pages are shipped when the connection is closed, and not before."""
    version = 0
    for _ in sys.stdin:
        database = connect(extension, "writer.db")
        database.execute("CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=0)")
        for _ in range(ROUND):
            version += 1
            database.execute("INSERT OR REPLACE INTO cache(key, value) VALUES(?, ?)", (f"key:{version % KEYS}", version))
        database.close()
        print(version, flush=True)


def read(extension):
    database = connect(extension, "reader.db")

    def value(sql, *values):
        rows = database.execute(sql, values).fetchone()
        return rows[0] if rows else None

    reads = differ = backwards = hits = newest = 0
    states = set()

    def once():
        nonlocal reads, differ, backwards, newest
        rows, by_table, by_function = database.execute(COMPARE, ("key:*",)).fetchone()
        differ += by_table + by_function
        # A bare call is a transaction of its own: what it answers is never older than the row seen before it.
        row = value("SELECT max(value) FROM cache_data")
        got = value(GET, f"key:{row % KEYS}") if row else None
        backwards += row is not None and (got < row or row < newest)
        newest = row or newest
        reads += 2 * rows + 1
        states.add(newest)
        return newest

    wait_for("the table", lambda: value("SELECT count(*) FROM sqlite_master WHERE name = 'cache_meta'"))
    for end in range(ROUND, ROUND * ROUNDS + 1, ROUND):
        wait_for(f"put {end}", lambda: once() == end)
        print(end, flush=True)
    database.execute("BEGIN")
    for _ in range(10):
        value(GET, "key:1")
    database.execute("COMMIT")
    hits = value("SELECT l1_hits FROM hybrid_cache_stats('cache')")
    print(reads, int(differ), backwards, len(states), hits, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vfs", default="".join(glob.glob("build/cluster/node_modules/litestream-vfs-linux-*/*.so")))
    parser.add_argument("--extension", default="dist/hybrid_cache")
    parser.add_argument("--role")
    arguments = parser.parse_args()
    vfs, extension = os.path.abspath(arguments.vfs), os.path.abspath(arguments.extension)
    if arguments.role:
        # The load registers the VFS for the process.
        first = sqlite3.connect(":memory:")
        first.enable_load_extension(True)
        first.load_extension(vfs)
        return (write if arguments.role == "writer" else read)(extension)

    checks = Checks()
    processes = Processes()
    command = [sys.executable, os.path.abspath(__file__), "--vfs", vfs, "--extension", extension, "--role"]

    def start(role, **settings):
        # Litestream reads its settings when it is loaded, hence from the environment of a new process.
        environment = dict(os.environ, LITESTREAM_REPLICA_URL="file://" + processes.path("replica"), **settings)
        process = subprocess.Popen(
            [*command, role],
            env=environment,
            cwd=processes.directory,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.running[role] = process
        return process

    def round_trip(number):
        print(number, file=writer.stdin, flush=True)
        return writer.stdout.readline()

    writer = start("writer", LITESTREAM_WRITE_ENABLED="true", LITESTREAM_SYNC_INTERVAL="1h")
    round_trip(1)
    reader = start("reader")
    for number in range(2, ROUNDS + 1):
        reader.stdout.readline()
        round_trip(number)
    reader.stdout.readline()
    answer = reader.stdout.readline().split()
    if checks.equal("the reader's answer", 5, len(answer)):
        reads, differ, backwards, states, hits = map(int, answer)
        checks.equal("reads that differ from their row", 0, differ)
        checks.equal("reads older than what was seen", 0, backwards)
        checks.equal("every round was seen", ROUNDS, states)
        checks.check("the L1 answered within a transaction", hits >= 9, hits)
        print(f"litestream: {reads} checked reads, {differ + backwards} stale, {states} states, {hits} L1 hits")
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
