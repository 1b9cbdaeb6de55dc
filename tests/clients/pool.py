"""A connection pool of Python's standard library: each connection loads the extension when it is made.

    python3 pool.py EXTENSION FILE
"""
import queue
import sqlite3
import sys
import threading
from contextlib import contextmanager

from client import get_or_compute, increment


class Pool:
    """Makes its connections at once and lends them out, last back first out: that one's L1 is the warmest."""

    def __init__(self, size, file, extension):
        self.idle = queue.LifoQueue()
        for _ in range(size):
            self.idle.put(self.connect(file, extension))

    @staticmethod
    def connect(file, extension):
        # Lent to one thread at a time, but not always to the same.
        db = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
        db.enable_load_extension(True)
        db.load_extension(extension)
        db.enable_load_extension(False)
        db.execute("PRAGMA journal_mode = WAL")
        return db

    @contextmanager
    def connection(self):
        db = self.idle.get()
        try:
            yield db
        finally:
            self.idle.put(db)

    def close(self):
        while not self.idle.empty():
            self.idle.get().close()


def main(extension, file):
    pool = Pool(4, file, extension)
    with pool.connection() as db:
        db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=300)")
    with pool.connection() as a, pool.connection() as b, pool.connection() as c, pool.connection() as d:
        loaded = sum(db.execute("SELECT hybrid_cache_version() IS NOT NULL").fetchone()[0] for db in (a, b, c, d))
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
            with pool.connection() as db:
                get_or_compute(db, f"page:{page}", 60, render)
            for _ in range(10):
                with pool.connection() as db:
                    tickets.append(increment(db, "ticket"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("tickets drawn:", len(tickets), "different:", len(set(tickets)))
    print("pages computed:", len(computed), "different:", len(set(computed)))
    pool.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
