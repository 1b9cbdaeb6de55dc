"""hybrid_cache from Python's own sqlite3: python3 client.py EXTENSION FILE [ROUNDS PROCESSES]"""
import sqlite3
import sys
from contextlib import contextmanager


def connect(file, extension):
    # isolation_level=None: Python opens no transactions of its own; BEGIN is written where it is meant.
    db = sqlite3.connect(file, timeout=60, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(extension)
    db.enable_load_extension(False)
    db.execute("PRAGMA journal_mode = WAL")
    return db


@contextmanager
def transaction(db):
    """IMMEDIATE takes the write lock at once: what is read inside stays true until COMMIT."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def put(db, key, value, ttl=None):
    """Without a ttl the entry lives as long as the cache's option says."""
    db.execute("INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)", (key, value, ttl))


def get(db, key, default=None):
    return db.execute("SELECT hybrid_cache_get('cache', ?, ?)", (key, default)).fetchone()[0]


def get_or_compute(db, key, ttl, compute):
    """On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer;
    nobody can change the data in between, so no outdated answer is stored. (None counts as a miss here.)"""
    value = get(db, key)
    if value is None:
        with transaction(db):
            value = get(db, key)  # another process may have been faster
            if value is None:
                value = compute()
                put(db, key, value, ttl)
    return value


def increment(db, key):
    with transaction(db):
        db.execute("INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)", (key,))
        db.execute("UPDATE cache SET value = value + 1 WHERE key = ?", (key,))
        return get(db, key)


def tour(db):
    print("loaded: hybrid_cache", db.execute("SELECT hybrid_cache_version()").fetchone()[0])
    db.executescript("""
        CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);
        CREATE TABLE sale(product TEXT, amount INTEGER);
        INSERT INTO sale VALUES('tea', 5), ('tea', 7);
        CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;
    """)

    put(db, "name", "Zoë 🦊", 60)
    print("put and get:", get(db, "name"))
    print("miss:", "null" if get(db, "nobody") is None else "found")
    put(db, "nothing", None)
    print("cached null:", "hit" if db.execute("SELECT hybrid_cache_has('cache', 'nothing')").fetchone()[0] else "miss")

    for number, value in enumerate([42, 1.5, "text", b"\x00\xff", None]):
        put(db, f"type:{number}", value)
    types = db.execute("SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key")
    print("types:", " ".join(name for (name,) in types))
    print("blob:", get(db, "type:3").hex())

    def total():
        print("computing")
        return db.execute("SELECT sum(amount) FROM sale").fetchone()[0]

    print("total:", get_or_compute(db, "total", 60, total))
    print("total:", get_or_compute(db, "total", 60, total))
    db.execute("INSERT INTO sale VALUES('cocoa', 3)")  # the trigger removes the entry
    print("total:", get_or_compute(db, "total", 60, total))

    db.execute("BEGIN")
    put(db, "name", "Grace")
    print("in the transaction:", get(db, "name"))
    db.execute("ROLLBACK")
    print("after the rollback:", get(db, "name"))

    print("increment:", increment(db, "visits"))
    print("increment:", increment(db, "visits"))

    db.execute("SELECT hybrid_cache_reset_stats('cache')")
    for key in ["name", "total", "visits", "nobody"]:
        get(db, key)
    entries, ratio = db.execute("SELECT l2_count, hit_ratio FROM hybrid_cache_stats('cache')").fetchone()
    print(f"statistics: {entries} entries, hit ratio {ratio}")

    try:
        db.execute("INSERT INTO cache(key, value) VALUES('name', 'Ada')")
    except sqlite3.IntegrityError as error:
        print("error:", error)
    try:
        db.execute("INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')")
    except sqlite3.Error as error:
        print("error:", error)


def race(db, rounds, processes):
    """Run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice."""
    for page in range(1, rounds + 1):

        def render():
            print("computing page", page)
            return "<html>"

        increment(db, "arrived")
        while get(db, "arrived") < page * processes:
            pass  # a hit that asks whether somebody has written costs next to nothing
        get_or_compute(db, f"page:{page}", 60, render)
        for _ in range(10):
            print("ticket", increment(db, "ticket"))


if __name__ == "__main__":
    connection = connect(sys.argv[2], sys.argv[1])
    if len(sys.argv) > 3:
        race(connection, int(sys.argv[3]), int(sys.argv[4]))
    else:
        tour(connection)
    connection.close()
