"""SQLAlchemy: the extension is loaded in the pool's "connect" event. python3 pool_sqlalchemy.py EXTENSION FILE"""
import sys
import threading

from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import QueuePool


def make_engine(file, extension):
    # QueuePool keeps connections, with what their L1 holds, and lends each to one thread at a time, not always the
    # same. (Before SQLAlchemy 2.0 the default for a file is NullPool, which opens a connection for each use.)
    engine = create_engine(
        f"sqlite:///{file}",
        future=True,
        poolclass=QueuePool,
        pool_size=4,
        connect_args={"timeout": 60, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def load(connection, _record):
        connection.isolation_level = None  # no BEGIN but those written below
        connection.enable_load_extension(True)
        connection.load_extension(extension)
        connection.enable_load_extension(False)
        connection.execute("PRAGMA journal_mode = WAL")

    return engine


GET = text("SELECT hybrid_cache_get('cache', :key)")
PUT = text("INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(:key, :value, :ttl)")
CREATE_COUNTER = text("INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(:key, 0, 0)")
ADD_ONE = text("UPDATE cache SET value = value + 1 WHERE key = :key")


def get_or_compute(engine, key, ttl, compute):
    """On a hit no lock is taken. On a miss one thread or process computes, the others wait and find its answer."""
    with engine.connect() as db:
        value = db.execute(GET, {"key": key}).scalar()
    if value is None:
        with engine.begin() as db:
            db.exec_driver_sql("BEGIN IMMEDIATE")  # the write lock at once; engine.begin() ends with COMMIT
            value = db.execute(GET, {"key": key}).scalar()  # another one may have been faster
            if value is None:
                value = compute()
                db.execute(PUT, {"key": key, "value": value, "ttl": ttl})
    return value


def increment(engine, key):
    with engine.begin() as db:
        db.exec_driver_sql("BEGIN IMMEDIATE")
        db.execute(CREATE_COUNTER, {"key": key})
        db.execute(ADD_ONE, {"key": key})
        return db.execute(GET, {"key": key}).scalar()


def main(extension, file):
    engine = make_engine(file, extension)
    with engine.connect() as db:
        db.exec_driver_sql("CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=300)")
    with engine.connect() as a, engine.connect() as b, engine.connect() as c, engine.connect() as d:
        version = "SELECT hybrid_cache_version() IS NOT NULL"
        loaded = sum(db.exec_driver_sql(version).scalar() for db in (a, b, c, d))
        print("connections with the extension:", loaded)

    # Eight threads share the four connections. They meet before each page: all want it at once.
    tickets, computed = [], []
    barrier = threading.Barrier(8)

    def work():
        for page in range(5):

            def render():
                computed.append(page)
                return "<html>"

            barrier.wait()
            get_or_compute(engine, f"page:{page}", 60, render)
            for _ in range(10):
                tickets.append(increment(engine, "ticket"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("tickets drawn:", len(tickets), "different:", len(set(tickets)))
    print("pages computed:", len(computed), "different:", len(set(computed)))
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
