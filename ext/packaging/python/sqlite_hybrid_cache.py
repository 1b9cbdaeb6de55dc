"""A persistent two-tier key-value cache inside SQLite, as a loadable extension.

    import sqlite3, sqlite_hybrid_cache

    db = sqlite3.connect("app.db")
    sqlite_hybrid_cache.load(db)        # each connection loads it
    db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=300)")

The Python must have been built with extension loading (Debian's is); otherwise its connections have no attribute
enable_load_extension.
"""

import os

__version__ = "@VERSION@"


def loadable_path() -> str:
    """The path of the library without its suffix, for load_extension(); HYBRID_CACHE_PATH names another."""
    return os.environ.get("HYBRID_CACHE_PATH") or os.path.join(os.path.dirname(__file__), "hybrid_cache")


def load(conn) -> None:
    """Loads the extension into a sqlite3 connection, and allows no further loading."""
    conn.enable_load_extension(True)
    try:
        conn.load_extension(loadable_path())
    finally:
        conn.enable_load_extension(False)
