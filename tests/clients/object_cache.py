"""A cache for Python objects, as thin as it gets: all that it does is SQL on a hybrid_cache table.

    cache = HybridCache("cache.db", "./dist/hybrid_cache")
    cache.set("option_chain_AAPL", chain)
    chain = cache.get("option_chain_AAPL")     # None when there is none
    cache.stats()["l1_count"]

One instance serves the threads of a process; instances and processes with the same file share its L2. Trouble with the
file is logged and makes a get a miss; the program goes on.
"""
import logging
import pickle
import sqlite3
import threading

log = logging.getLogger(__name__)


class HybridCache:
    def __init__(self, path, extension, l1_ttl=30, l2_ttl=300, l1_entries=1000):
        self._lock = threading.Lock()  # a connection does one thing at a time
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._db.enable_load_extension(True)
        self._db.load_extension(extension)
        self._db.enable_load_extension(False)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A cache that is there already keeps the options it was created with.
        self._db.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache("
            f"ttl={float(l2_ttl)}, l1_ttl={float(l1_ttl)}, l1_entries={int(l1_entries)}, on_error=degrade)"
        )

    def get(self, key, default=None):
        data = self._run("SELECT hybrid_cache_get('cache', ?)", key)
        if data is None:
            return default
        try:
            return pickle.loads(data)
        except Exception:  # whatever the bytes make pickle do
            log.exception("cannot unpickle %r; removed", key)
            self.delete(key)
            return default

    def set(self, key, value, ttl=None):
        try:
            data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception:
            log.exception("cannot pickle %r; not cached", key)
            self.delete(key)  # rather nothing than the value before
        else:
            self._run("INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)", key, data, ttl)

    def delete(self, key):
        self._run("DELETE FROM cache WHERE key = ?", key)

    def clear(self):
        self._run("INSERT INTO cache(cache) VALUES('clear')")

    def stats(self):
        with self._lock:
            cursor = self._db.execute("SELECT * FROM hybrid_cache_stats('cache')")
            return dict(zip([column[0] for column in cursor.description], cursor.fetchone()))

    def close(self):
        self._db.close()

    def _run(self, sql, *parameters):
        """The first column of the first row; None where there is none, or where SQLite fails."""
        try:
            with self._lock:
                row = self._db.execute(sql, parameters).fetchone()
        except sqlite3.Error:
            log.exception("%s", sql)
            return None
        return row[0] if row else None
