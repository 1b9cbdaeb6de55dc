#!/usr/bin/python3
"""Gets and puts through Python: hybrid_cache, by the sqlite3 module, against diskcache.

    peers.py [--extension PATH] [--dir DIR] [--rounds N]

The two take turns in short slices. Prints one line for each comparison, its fields separated by tabs: what, the peer, our
median and quartiles in nanoseconds, the peer's, the median of the rounds' ratios (ours over the peer's), how many times as
fast as the peer we want to be. `bench` (row diskcache) makes a line of its table of each. Where diskcache is not
installed, one line without tabs says so.
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import sys
import time

try:
    import diskcache
except ImportError:
    diskcache = None

KEYS = [f"key:{i * 0x9E3779B97F4B & 0xFFFFFFFFFFFF:012x}" for i in range(1000)]
VALUE = ("abcdefghijklmnopqrstuvwxyz" * 4)[:100]
TTL = 86400
SLICE_GETS, SLICE_PUTS = 2000, 1000  # many puts: each slice has its share of checkpoints


class Ours:
    """What a user would write around the table."""

    def __init__(self, path, extension):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.enable_load_extension(True)
        self.db.load_extension(extension)
        self.db.execute("PRAGMA journal_mode=wal")
        self.db.execute("PRAGMA synchronous=NORMAL")  # as diskcache has it
        self.db.execute("CREATE VIRTUAL TABLE cache USING hybrid_cache")
        self.execute = self.db.execute

    def get(self, key):
        return self.execute("SELECT hybrid_cache_get('cache', ?)", (key,)).fetchone()[0]

    def set(self, key, value, expire):
        self.execute("REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)", (key, value, expire))

    def close(self):
        self.db.close()


def gets(cache):
    get = cache.get
    for key in KEYS * (SLICE_GETS // len(KEYS)):
        if get(key) != VALUE:
            sys.exit(f"peers.py: {type(cache).__name__} does not return what was stored")


def puts(cache):
    put = cache.set
    for key in KEYS[:SLICE_PUTS]:
        put(key, VALUE, expire=TTL)


def measure(work, count, ours, peer, rounds):
    """The nanoseconds of one operation, round by round; who begins changes each time."""
    samples = {ours: [], peer: []}
    for turn in range(rounds + 1):
        for cache in (ours, peer) if turn % 2 else (peer, ours):
            start = time.perf_counter_ns()
            work(cache)
            samples[cache].append((time.perf_counter_ns() - start) / count)
    return samples[ours][1:], samples[peer][1:]  # the first round warms up


def compare(what, work, count, ours, peer, rounds, target):
    times = measure(work, count, ours, peer, rounds)
    figures = []
    for samples in times:
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        figures += [median, low, high]
    ratio = statistics.median(a / b for a, b in zip(*times))
    print(what, "diskcache", *(f"{figure:.1f}" for figure in figures), f"{ratio:.5f}", target, sep="\t", flush=True)


def main():
    arguments = argparse.ArgumentParser(description="hybrid_cache against diskcache, through Python")
    arguments.add_argument("--extension", default="dist/hybrid_cache")
    arguments.add_argument("--dir", default="build/bench/data")
    arguments.add_argument("--rounds", type=int, default=31)
    options = arguments.parse_args()
    if diskcache is None:
        print("no Python module diskcache here: `make deps DEPS=peers` installs it")
        return
    directory = os.path.join(options.dir, "python")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    ours = Ours(os.path.join(directory, "cache.db"), os.path.abspath(options.extension))
    peer = diskcache.Cache(os.path.join(directory, "diskcache"))
    for cache in ours, peer:
        for key in KEYS:
            cache.set(key, VALUE, expire=TTL)
    compare("get through Python", gets, SLICE_GETS, ours, peer, options.rounds, 4)
    compare("put through Python", puts, SLICE_PUTS, ours, peer, options.rounds, 2)
    ours.close()
    peer.close()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
