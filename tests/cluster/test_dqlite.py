#!/usr/bin/python3
"""The cache on three dqlite nodes: test_dqlite.py [--host PROGRAM] [--extension FILE] [--only PART,...] [--latency MS]

PROGRAM is tests/cluster/dqlite_host.c, built; FILE, the extension, is for the nodes' files after the fact. SOAK=1
reads 200,000 times instead of 5,000, and lets the killed node miss 12,000 puts.
"""
import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time

import cluster
from cluster import COMPARE, FUNCTIONS, OURS, READS, Checks, Processes, TimedOut, l2_digest, wait_for
from dqlite_client import Client, Failure

DATABASE = "demo"


class Nodes:
    """Three nodes on loopback, and who leads them."""

    def __init__(self, processes, host, latency):
        self.processes = processes
        self.host = host
        self.latency = latency
        self.addresses = {f"node{i + 1}": f"127.0.0.1:{port}" for i, port in enumerate(cluster.free_ports(3))}

    def start(self, name):
        self.processes.start(name, self.host, name[-1], self.addresses[name], self.processes.path(name), self.latency)
        wait_for(f"{name} listens", lambda: self.listens(name))

    def listens(self, name):
        if not self.processes.alive(name):
            raise TimedOut(f"{name} has ended:\n{self.processes.log(name)}")
        try:
            Client(self.addresses[name]).close()
            return True
        except OSError:
            return False

    def form(self):
        for name in self.addresses:
            self.start(name)
        with self.leader() as leader:
            for name in ("node2", "node3"):
                leader.add(int(name[-1]), self.addresses[name])

    def try_leader(self):
        """A connection to who leads now, with the database open; None while there is nobody."""
        for address in self.addresses.values():
            try:
                with Client(address) as node:
                    leader = node.leader()
                if leader:
                    connection = Client(leader)
                    try:
                        return connection.open(DATABASE)
                    except (Failure, OSError):
                        connection.close()
            except (Failure, OSError):
                pass
        return None

    def leader(self):
        return wait_for("a leader", self.try_leader)

    def all_run(self):
        return all(name in self.processes.running and self.processes.alive(name) for name in self.addresses)

    def ask(self, question):
        """What `question` answers, given a connection to the leader; asked again if that one loses its office."""
        for attempt in (1, 2, 3):
            try:
                with self.leader() as leader:
                    return question(leader)
            except (Failure, OSError) as error:
                if attempt == 3:
                    raise
                print(f"dqlite: asked again: {error}", flush=True)

    def name_of(self, address):
        return next(name for name, own in self.addresses.items() if own == address)

    def copy(self, name):
        """The path of a copy of the database as this node has it, leader or not; None while it has none."""
        try:
            with Client(self.addresses[name]) as node:
                files = node.dump(DATABASE)
        except (Failure, OSError):
            return None
        for file, data in files.items():
            with open(self.processes.path(f"{name}.copy" + file.removeprefix(DATABASE)), "wb") as copy:
                copy.write(data)
        return self.processes.path(f"{name}.copy")

    def digests(self):
        copies = [self.copy(name) for name in self.addresses]
        return [copy and l2_digest(copy) for copy in copies]

    def equal(self):
        """True once all three nodes hold the same L2. Nobody writes meanwhile."""

        def question():
            digests = self.digests()
            return digests[0] and len(set(digests)) == 1

        try:
            return wait_for("the same L2 on all nodes", question)
        except TimedOut:
            return False


# ---- the parts of the test


def part_create(checks, nodes, leader):
    checks.equal("three voters", ["voter"] * 3, [role for _, _, role in leader.cluster()])
    leader.execute("CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=0, grace=0)")
    leader.execute("INSERT OR REPLACE INTO cache(key, value, tag) VALUES('a', 'one', 'staff')")
    leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('b', ?)", b"\0\1\2")
    checks.equal("get", "one", leader.value("SELECT hybrid_cache_get('cache', 'a')"))
    checks.equal("get through the table", [("one", "staff")], leader.query("SELECT value, tag FROM cache WHERE key = 'a'"))
    checks.equal("a blob", b"\0\1\2", leader.value("SELECT value FROM cache WHERE key = 'b'"))
    leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('null', NULL), (1.5, 2.5)")
    checks.equal("a cached NULL", None, leader.value("SELECT hybrid_cache_get('cache', 'null', 'missing')"))
    checks.equal("a miss", "missing", leader.value("SELECT hybrid_cache_get('cache', 'nul', 'missing')"))
    checks.equal("reals", 2.5, leader.value("SELECT value FROM cache WHERE key = 1.5"))
    checks.equal("in memory", 1, leader.value("SELECT hybrid_cache_tier('cache', 'a')"))
    follower = next(address for address in nodes.addresses.values() if address != leader.address)
    with Client(follower) as node:
        try:
            node.open(DATABASE).query("SELECT hybrid_cache_get('cache', 'a')")
            checks.check("a follower answers no SQL", False)
        except Failure as error:
            checks.equal("a follower names itself", 10250, error.code)


def part_transactions(checks, nodes, leader):
    get = "SELECT hybrid_cache_get('cache', ?)"
    leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('t', 1)")
    leader.execute("BEGIN")
    leader.execute("UPDATE cache SET value = 2 WHERE key = 't'")
    checks.equal("own write", 2, leader.value(get, "t"))
    leader.execute("ROLLBACK")
    checks.equal("after ROLLBACK", 1, leader.value(get, "t"))
    leader.execute("BEGIN")
    leader.execute("UPDATE cache SET value = 3 WHERE key = 't'")
    leader.execute("SAVEPOINT s")
    leader.execute("DELETE FROM cache WHERE key = 't'")
    checks.equal("deleted in a savepoint", None, leader.value(get, "t"))
    leader.execute("ROLLBACK TO s")
    leader.execute("COMMIT")
    checks.equal("after ROLLBACK TO and COMMIT", 3, leader.value(get, "t"))

    leader.execute("CREATE TABLE IF NOT EXISTS sales(product TEXT, amount INTEGER)")
    leader.execute(
        "CREATE TRIGGER IF NOT EXISTS sales_changed AFTER INSERT ON sales BEGIN DELETE FROM cache WHERE key = 'totals'; END"
    )
    leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('totals', 12)")
    with nodes.leader() as other:
        checks.equal("another connection reads it", 12, other.value(get, "totals"))
        leader.execute("BEGIN")
        leader.execute("INSERT INTO sales VALUES('tea', 5)")
        checks.equal("the trigger has invalidated", None, leader.value(get, "totals"))
        leader.execute("ROLLBACK")
        checks.equal("and is undone with its row", 12, leader.value(get, "totals"))
        leader.execute("INSERT INTO sales VALUES('tea', 5)")
        checks.equal("the trigger's commit", None, leader.value(get, "totals"))
        checks.equal("on the other connection", None, other.value(get, "totals"))


def part_outside(checks, nodes, leader):
    """Who writes to the data table directly is noticed by the L1 of other connections, and undone with the transaction."""
    get = "SELECT hybrid_cache_get('cache', 'out')"
    leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('out', 1)")
    with nodes.leader() as other:
        checks.equal("before", (1, 1), (leader.value(get), other.value(get)))
        leader.execute("BEGIN")
        leader.execute("DELETE FROM cache_data WHERE key = 'out'")
        checks.equal("own direct write", None, leader.value(get))
        leader.execute("ROLLBACK")
        checks.equal("after ROLLBACK", (1, 1), (leader.value(get), other.value(get)))
        leader.execute("DELETE FROM cache_data WHERE key = 'out'")
        checks.equal("after a direct write", (None, None), (leader.value(get), other.value(get)))
    leader.execute("INSERT INTO cache(cache) VALUES('rebuild')")


def part_expiry(checks, nodes, leader):
    leader.execute("INSERT OR REPLACE INTO cache(key, value, ttl) VALUES('long', 'x', 1000)")
    ttl = leader.value("SELECT hybrid_cache_ttl('cache', 'long')")
    checks.check("ttl counts down from 1000", 0 < ttl <= 1000, ttl)
    leader.execute("CREATE VIRTUAL TABLE IF NOT EXISTS short USING hybrid_cache(ttl=0.3)")
    rows = ", ".join(f"('short:{i}', {i})" for i in range(50))
    leader.execute("INSERT OR REPLACE INTO short(key, value) VALUES" + rows)
    checks.equal("stored", 50, leader.value("SELECT json_extract(hybrid_cache_stats('short'), '$.l2_count')"))
    wait_for("expiry", lambda: leader.value("SELECT hybrid_cache_get('short', 'short:7') IS NULL"))
    wait_for("expiry of all", lambda: leader.value("SELECT count(*) FROM short") == 0)
    leader.execute("INSERT INTO short(short) VALUES('purge')")
    checks.equal("purged by command", (0, 50), leader.query("SELECT l2_count, last_purge FROM hybrid_cache_stats('short')")[0])


def part_limits(checks, nodes, leader):
    leader.execute("DROP TABLE IF EXISTS small")
    leader.execute("CREATE VIRTUAL TABLE small USING hybrid_cache(ttl=0, l2_entries=100)")
    for i in range(150):
        leader.execute("INSERT OR REPLACE INTO small(key, value) VALUES(?, ?)", f"k{i}", i)
    count = leader.value("SELECT count(*) FROM small_data")
    checks.check("l2_entries holds", 90 <= count <= 100, count)
    checks.equal("the last one written is there", 149, leader.value("SELECT hybrid_cache_get('small', 'k149')"))
    evicted = leader.value("SELECT l2_evicted FROM hybrid_cache_stats('small')")
    checks.equal("evictions are counted", 150 - count, evicted)


def part_functions(checks, nodes, leader):
    """Each read, then a write: a SELECT that had written would end the leader at that write."""
    checks.equal("every function is called", sorted(FUNCTIONS), sorted(leader.query(OURS)))
    for read in READS:
        try:
            leader.query(read)
            leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('after', ?)", read)
            checks.equal(f"a write after {read}", read, leader.value("SELECT hybrid_cache_get('cache', 'after')"))
        except (Failure, OSError) as error:
            nodes.leader().close()
            if nodes.all_run():
                raise
            checks.check(f"a write after {read}", False, error)
            return


KEYS, PUTS = 20, 100  # keys that are written to; puts before a reader may end


def write_on(nodes, announced, end):
    """Puts, in each key a version that only grows, announced once it is acknowledged; every tenth is undone first."""
    version = 0
    with nodes.leader() as leader:
        while not end.is_set():
            version += 1
            key = version % KEYS
            if version % 10 == 0:
                leader.execute("BEGIN")
                leader.execute("UPDATE cache SET value = -1 WHERE key = ?", f"pair:{key}")
                leader.execute("ROLLBACK")
            leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES(?, ?)", f"pair:{key}", version)
            announced[key] = version


def part_reads(checks, nodes, leader):
    """A reader against a writer in another process: no read is older than an announced put, none differs from its row."""
    singles = 100000 if os.environ.get("SOAK") else 2500
    for key in range(KEYS):
        leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES(?, 0)", f"pair:{key}")
    announced = multiprocessing.Array("q", KEYS)
    end = multiprocessing.Event()
    writer = multiprocessing.Process(target=write_on, args=(nodes, announced, end), daemon=True)
    writer.start()
    chosen = random.Random(1)
    reads = compared = stale = undone = differ = different_get = 0
    try:
        wait_for("the writer's first puts", lambda: min(announced))
        begin = time.monotonic()
        forms = ("SELECT hybrid_cache_get('cache', ?)", "SELECT value FROM cache WHERE key = ?")
        while reads < singles or announced[0] < PUTS:
            key = chosen.randrange(KEYS)
            floor = announced[key]
            got = leader.value(forms[reads % 2], f"pair:{key}")
            reads += 1
            stale += got is None or 0 <= got < floor
            undone += got is not None and got < 0
        while compared < singles:
            rows, by_table, by_function = leader.query(COMPARE, "pair:*")[0]
            compared += 2 * rows
            differ += by_table
            different_get += by_function
        seconds = time.monotonic() - begin
    finally:
        end.set()
        writer.join(cluster.DEADLINE)
    writes = max(announced)
    hits, invalidated = leader.query("SELECT l1_hits, invalidated FROM hybrid_cache_stats('cache')")[0]
    checks.equal("reads older than an announced put", 0, stale)
    checks.equal("reads of what was rolled back", 0, undone)
    checks.equal("SELECTs that differ from their row", 0, differ)
    checks.equal("gets that differ from their row", 0, different_get)
    checks.check("the L1 answered", hits > (reads + compared) / 4, hits)
    checks.check("the writer was heard", invalidated > 0 and writes >= PUTS, (invalidated, writes))
    stale_in_all = stale + undone + differ + different_get
    print(
        f"dqlite: {reads + compared} checked reads, {stale_in_all:.0f} stale, {hits} L1 hits, {invalidated} entries"
        f" invalidated, beside {writes} puts in {seconds:.1f} s"
    )


class Load(threading.Thread):
    """Puts without end through whoever leads; a put without an answer is put again."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.acknowledged = []  # the moment of each
        self.end = False

    def run(self):
        connection = None
        while not self.end:
            try:
                connection = connection or self.nodes.try_leader()
                if connection:
                    key = f"load:{len(self.acknowledged)}"
                    connection.execute("INSERT OR REPLACE INTO cache(key, value) VALUES(?, ?)", key, key)
                    self.acknowledged.append(time.monotonic())
            except (Failure, OSError):
                connection.close()
                connection = None


class Watch(threading.Thread):
    """Reads what was acknowledged last, from whoever leads: a miss is a stale read."""

    def __init__(self, nodes, load):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.load = load
        self.reads = self.stale = 0

    def run(self):
        connection = None
        while not self.load.end:
            try:
                connection = connection or self.nodes.try_leader()
                if connection and self.load.acknowledged:
                    key = f"load:{len(self.load.acknowledged) - 1}"
                    self.stale += connection.value("SELECT hybrid_cache_get('cache', ?)", key) != key
                    self.reads += 1
            except (Failure, OSError):
                connection.close()
                connection = None


def part_failover(checks, nodes, leader):
    old = nodes.name_of(leader.address)
    load = Load(nodes)
    watch = Watch(nodes, load)
    # So many that the log does not reach back to where the old node left: it is sent the whole database.
    puts, deadline = (12000, 600) if os.environ.get("SOAK") else (300, cluster.DEADLINE)
    load.start()
    watch.start()
    wait_for("load", lambda: len(load.acknowledged) >= 300 and watch.reads >= 100)
    killed = time.monotonic()
    nodes.processes.kill(old)
    # What was acknowledged before, and one that was on its way.
    before = len(load.acknowledged) + 1

    def serves(new):
        first = new.value("SELECT hybrid_cache_get('cache', 'a')")
        return new.address, first, time.monotonic() - killed, new.value("SELECT hybrid_cache_tier('cache', 'a')")

    address, first, served, tier = nodes.ask(serves)
    checks.check("another node leads", address != leader.address)
    checks.equal("the new leader serves what was cached", "one", first)
    checks.equal("from its memory the second time", 1, tier)

    seen = watch.reads
    wait_for(
        "load on the new leader",
        lambda: len(load.acknowledged) >= before + puts and watch.reads >= seen + 100,
        deadline,
    )
    load.end = True
    load.join(cluster.DEADLINE)
    watch.join(cluster.DEADLINE)
    took = load.acknowledged[before] - killed
    get = "SELECT hybrid_cache_get('cache', ?)"
    expected = [f"load:{i}" for i in range(len(load.acknowledged))]
    lost = nodes.ask(lambda new: [key for key in expected if new.value(get, key) != key])
    checks.equal("acknowledged puts that are lost", [], lost)
    checks.equal("reads older than an acknowledged put, before and after", 0, watch.stale)
    print(
        f"dqlite: leader killed after {before - 1} puts; first get from the new one after {served:.3f} s, first put after"
        f" {took:.3f} s; {len(expected)} acknowledged puts, {len(lost)} lost; {watch.reads} reads beside, {watch.stale} stale"
    )

    begin = time.monotonic()
    nodes.start(old)
    checks.check("the old node rejoins with the same L2", nodes.equal())
    print(f"dqlite: the old node is back with the same L2 after {time.monotonic() - begin:.3f} s")
    nodes.ask(lambda new: new.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('rejoined', 1)"))
    checks.check("and follows what is written then", nodes.equal())
    nodes.ask(lambda new: new.execute("INSERT INTO cache(cache) VALUES('check')"))


def part_restart(checks, nodes, leader):
    """All nodes end and begin again: what was cached is still there."""
    leader.execute("INSERT OR REPLACE INTO cache(key, value) VALUES('before', 'all of them ended')")
    for name in nodes.addresses:
        checks.equal(f"{name} ends cleanly", 0, nodes.processes.kill(name, signal.SIGTERM))
    begin = time.monotonic()
    for name in nodes.addresses:
        nodes.start(name)
    value = nodes.ask(lambda new: new.value("SELECT hybrid_cache_get('cache', 'before')"))
    checks.equal("what was cached before", "all of them ended", value)
    print(f"dqlite: three nodes ended and started; first get after {time.monotonic() - begin:.3f} s")


def part_copies(checks, nodes, extension):
    checks.check("the L2 of all nodes is the same", nodes.equal())
    for name in nodes.addresses:
        checks.equal(f"damage in the file of {name}", None, cluster.damage_in(nodes.copy(name), extension))
    cluster.check_the_checks(checks, nodes.copy("node1"), extension)


def part_shell(checks, nodes):
    """The shell of Debian's go-dqlite, which the README uses."""
    shell = "/usr/bin/dqlite"
    if not os.access(shell, os.X_OK):
        checks.skip("no dqlite shell (Debian package go-dqlite)")
        return
    servers = ",".join(nodes.addresses.values())
    done = subprocess.run(
        [shell, "-s", servers, DATABASE, "SELECT hybrid_cache_get('cache', 'a')"],
        capture_output=True,
        text=True,
        timeout=cluster.DEADLINE,
        check=False,
    )
    checks.equal("the dqlite shell", "one", done.stdout.strip())


def part_end(checks, nodes):
    for name in nodes.addresses:
        checks.check(f"{name} still runs", nodes.processes.alive(name))
    for name in list(nodes.processes.running):
        checks.equal(f"{name} ends cleanly at SIGTERM", 0, nodes.processes.kill(name, signal.SIGTERM))
    for name in nodes.addresses:
        log = nodes.processes.log(name)
        checks.check(f"no assertion in the log of {name}", "Assertion" not in log and "assert" not in log, log[-500:])


PARTS = {
    "transactions": part_transactions,
    "outside": part_outside,
    "expiry": part_expiry,
    "limits": part_limits,
    "functions": part_functions,
    "reads": part_reads,
    "failover": part_failover,
    "restart": part_restart,
}


def run_part(checks, nodes, part):
    """On a busy machine a leader can be late and lose its office. As long as every node runs, the part begins again."""
    for attempt in (1, 2, 3):
        try:
            with nodes.leader() as leader:
                return part(checks, nodes, leader)
        except (Failure, OSError) as error:
            nodes.leader().close()
            if attempt == 3 or not nodes.all_run():
                raise
            print(f"dqlite: {part.__name__} begins again: {error}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="build/cluster/dqlite_host")
    parser.add_argument("--extension", default="dist/hybrid_cache")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--latency", default="50")
    arguments = parser.parse_args()
    checks = Checks()
    nodes = Nodes(Processes(), os.path.abspath(arguments.host), arguments.latency)
    try:
        nodes.form()
        with nodes.leader() as leader:
            part_create(checks, nodes, leader)
        for name in arguments.only.split(","):
            begin = time.monotonic()
            run_part(checks, nodes, PARTS[name])
            print(f"dqlite: {name}: {time.monotonic() - begin:.1f} s", flush=True)
        if nodes.all_run():
            part_shell(checks, nodes)
            part_copies(checks, nodes, os.path.abspath(arguments.extension))
    except (TimedOut, Failure, OSError) as error:
        checks.check("dqlite", False, error)
    part_end(checks, nodes)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
