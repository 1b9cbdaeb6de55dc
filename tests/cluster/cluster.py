"""What the cluster tests share: checks that count themselves, processes that end with the test, and what is
asked of every engine."""
import atexit
import hashlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

DEADLINE = 60  # seconds for anything that happens by itself; only a failure takes that long

# Every function and every way to read, as (name, number of arguments): a call. `functions_are_all_here` compares the
# names with what the engine has, so that a new function cannot be forgotten.
FUNCTIONS = {
    ("hybrid_cache_get", 2): "hybrid_cache_get('cache', 'a')",
    ("hybrid_cache_get", 3): "hybrid_cache_get('cache', 'nothing', 'default')",
    ("hybrid_cache_has", 2): "hybrid_cache_has('cache', 'a')",
    ("hybrid_cache_ttl", 2): "hybrid_cache_ttl('cache', 'a')",
    ("hybrid_cache_stale", 2): "hybrid_cache_stale('cache', 'a')",
    ("hybrid_cache_tier", 2): "hybrid_cache_tier('cache', 'a')",
    ("hybrid_cache_stats", 1): "hybrid_cache_stats('cache')",
    ("hybrid_cache_option", 2): "hybrid_cache_option('cache', 'ttl')",
    ("hybrid_cache_clear_l1", 1): "hybrid_cache_clear_l1('cache')",
    ("hybrid_cache_reset_stats", 1): "hybrid_cache_reset_stats('cache')",
    ("hybrid_cache_memory_limit", 0): "hybrid_cache_memory_limit()",
    ("hybrid_cache_memory_limit", 1): "hybrid_cache_memory_limit('64M')",
    ("hybrid_cache_version", 0): "hybrid_cache_version()",
}
READS = [f"SELECT {call}" for call in FUNCTIONS.values()] + [
    "SELECT value, ttl, tag FROM cache WHERE key = 'a'",
    "SELECT value FROM cache WHERE key IN ('a', 'b', 'nothing')",
    "SELECT count(*) FROM cache WHERE key GLOB 'a*'",
    "SELECT count(*) FROM cache WHERE tag = 'staff'",
    "SELECT count(*) FROM cache WHERE expires < 0",
    "SELECT key FROM cache ORDER BY key LIMIT 3",
    "SELECT * FROM hybrid_cache_stats",
    "SELECT * FROM hybrid_cache_mrc('cache')",
    *[f"SELECT {call}, count(*) FROM cache" for call in FUNCTIONS.values()],
]
OURS = "SELECT name, narg FROM pragma_function_list WHERE name LIKE 'hybrid_cache%' AND type = 's'"

# One statement, hence one snapshot: what the cache says through the L1 beside the row that it stands for. The column
# alone is read first, since that is what goes through the L1. Bound is a GLOB on the keys.
COMPARE = """
  SELECT count(*), total(c.value IS NOT d.value), total(hybrid_cache_get('cache', d.key) IS NOT d.value)
  FROM cache_data d CROSS JOIN cache c ON c.key = d.key WHERE d.key GLOB ?"""


class Checks:
    """Counts, and says what failed."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, condition, detail=""):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {name}" + (f": {detail}" if detail != "" else ""), flush=True)
        return bool(condition)

    def equal(self, name, expected, actual):
        return self.check(name, expected == actual, f"expected {expected!r}, got {actual!r}")

    def skip(self, what):
        self.skipped += 1
        print(f"skipped: {what}", flush=True)

    def finish(self):
        line = f"{self.passed} passed, {self.failed} failed"
        print(line + (f", {self.skipped} skipped" if self.skipped else ""), flush=True)
        return 1 if self.failed else 0


class TimedOut(Exception):
    pass


def wait_for(what, question, deadline=DEADLINE):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + deadline
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimedOut(f"{what}: not after {deadline} s")
        time.sleep(0.01)


def free_ports(count):
    """Ports of the loopback address that nobody has. They are taken at once, so that no two are the same.

    Below the range from which the system gives ports to clients: such a client could have taken one again meanwhile.
    """
    sockets = []
    while len(sockets) < count:
        candidate = socket.socket()
        try:
            candidate.bind(("127.0.0.1", random.randrange(10240, 32000)))
            sockets.append(candidate)
        except OSError:
            candidate.close()
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Processes:
    """Programs that are started, their logs, and a directory for their files. All is gone when the test ends."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="hybrid_cache_cluster.")
        self.running = {}
        self.owner = os.getpid()  # a forked reader must not end what its parent has started
        atexit.register(self.end)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, name, *command):
        with open(self.path(name + ".log"), "ab") as log:
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def alive(self, name):
        return self.running[name].poll() is None

    def kill(self, name, number=signal.SIGKILL):
        """Ends one process, by its id; its exit code."""
        process = self.running.pop(name)
        process.send_signal(number)
        try:
            return process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"still there {DEADLINE} s after signal {number}"

    def log(self, name):
        with open(self.path(name + ".log"), errors="replace") as log:
            return log.read()

    def end(self):
        if os.getpid() != self.owner:
            return
        for name in list(self.running):
            self.kill(name)
        shutil.rmtree(self.directory, ignore_errors=True)


def l2_digest(path):
    """A hash of all shadow tables in a database file, row by row and type by type."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    try:
        digest = hashlib.sha256()
        tables = [
            name
            for (name,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND (name GLOB '*_data' OR name GLOB '*_meta')"
                " ORDER BY name"
            )
        ]
        for table in tables:
            digest.update(f"{table}\n".encode())
            for row in database.execute(f'SELECT * FROM "{table}" ORDER BY id'):
                digest.update(f"{row!r}\n".encode())
        return digest.hexdigest() if tables else None
    finally:
        database.close()


def damage_in(path, extension):
    """What SQLite and the extension's own checks find in a copy of a database file: None if nothing."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.enable_load_extension(True)
        database.load_extension(extension)
        found = database.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            return found
        database.execute("INSERT INTO cache(cache) VALUES('check')")
        return None
    except sqlite3.Error as error:
        return str(error)
    finally:
        database.close()


def check_the_checks(checks, path, extension):
    """The two above see one changed value in a copy that nobody needs any more."""
    before = l2_digest(path)
    database = sqlite3.connect(path, isolation_level=None)
    database.enable_load_extension(True)
    database.load_extension(extension)
    database.execute("UPDATE cache_data SET value = 'changed' WHERE key = 'a'")
    database.close()
    checks.check("a changed value is seen by l2_digest", l2_digest(path) != before)
    checks.check("a changed value is seen by damage_in", damage_in(path, extension))
