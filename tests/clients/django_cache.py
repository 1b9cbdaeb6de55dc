"""A Django cache backend on hybrid_cache, in the database that the application uses anyway.

What is cached in a transaction is rolled back with it, a trigger on a table can invalidate, and a hit takes no lock.

settings.py:

    INSTALLED_APPS = [..., "django_cache.HybridCacheConfig"]        # loads the extension into every connection
    HYBRID_CACHE_EXTENSION = "/usr/local/lib/hybrid_cache"
    CACHES = {
        "default": {
            "BACKEND": "django_cache.HybridCache",
            "LOCATION": "cache",                                    # the table
            "TIMEOUT": 300,
            "OPTIONS": {"DATABASE": "default"},                     # the alias in DATABASES; this is the default
        }
    }

a migration:

    operations = [migrations.RunSQL("CREATE VIRTUAL TABLE cache USING hybrid_cache", "DROP TABLE cache")]
"""
import pickle

from django.apps import AppConfig
from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connections, transaction
from django.db.backends.signals import connection_created


class HybridCacheConfig(AppConfig):
    name = "django_cache"

    def ready(self):
        connection_created.connect(load_extension)


def load_extension(connection, **_):
    if connection.vendor == "sqlite":
        connection.connection.enable_load_extension(True)
        connection.connection.load_extension(settings.HYBRID_CACHE_EXTENSION)
        connection.connection.enable_load_extension(False)


class HybridCache(BaseCache):
    def __init__(self, table, params):
        super().__init__(params)
        self._table = table
        self._name = '"%s"' % table.replace('"', '""').replace("%", "%%")
        self._database = params.get("OPTIONS", {}).get("DATABASE", "default")

    def add(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        return self._put("INSERT OR IGNORE", key, value, timeout, version).rowcount > 0

    def set(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        self._put("INSERT OR REPLACE", key, value, timeout, version)

    def get(self, key, default=None, version=None):
        data = self._run("SELECT hybrid_cache_get(%s, %s)", self._table, self._key(key, version)).fetchone()[0]
        return default if data is None else _load(data)

    def touch(self, key, timeout=DEFAULT_TIMEOUT, version=None):
        sql = "UPDATE {} SET ttl = %s WHERE key = %s"
        return self._run(sql, self._ttl(timeout), self._key(key, version)).rowcount > 0

    def delete(self, key, version=None):
        return self._run("DELETE FROM {} WHERE key = %s", self._key(key, version)).rowcount > 0

    def has_key(self, key, version=None):
        return bool(self._run("SELECT hybrid_cache_has(%s, %s)", self._table, self._key(key, version)).fetchone()[0])

    def clear(self):
        self._run("INSERT INTO {}({}) VALUES('clear')")

    def incr(self, key, delta=1, version=None):
        # The UPDATE comes first: it takes the write lock, and so nothing can change before the SELECT.
        key = self._key(key, version)
        with transaction.atomic(using=self._database):
            sql = "UPDATE {} SET value = value + %s WHERE key = %s AND typeof(value) = 'integer'"
            if self._run(sql, delta, key).rowcount == 0:
                raise ValueError("Key '%s' not found, or not an integer" % key)
            return self._run("SELECT value FROM {} WHERE key = %s", key).fetchone()[0]

    def get_many(self, keys, version=None):
        names = {self._key(key, version): key for key in keys}
        sql = "SELECT key, value FROM {} WHERE key IN (%s)" % ", ".join(["%s"] * len(names))
        return {names[key]: _load(data) for key, data in self._run(sql, *names)}

    def set_many(self, data, timeout=DEFAULT_TIMEOUT, version=None):
        with transaction.atomic(using=self._database):
            return super().set_many(data, timeout, version)

    def delete_many(self, keys, version=None):
        with transaction.atomic(using=self._database):
            super().delete_many(keys, version)

    def _put(self, insert, key, value, timeout, version):
        sql = insert + " INTO {}(key, value, ttl) VALUES(%s, %s, %s)"
        return self._run(sql, self._key(key, version), _dump(value), self._ttl(timeout))

    def _run(self, sql, *parameters):
        cursor = connections[self._database].cursor()
        cursor.execute(sql.replace("{}", self._name), parameters)
        return cursor

    def _key(self, key, version):
        key = self.make_key(key, version=version)
        self.validate_key(key)
        return key

    def _ttl(self, timeout):
        """Django's None is "never", here 0; Django's 0 and less is "at once", here less than 0."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        if timeout is None:
            return 0
        return timeout if timeout > 0 else -1


def _dump(value):
    """Integers stay integers, so that SQL can count; everything else is pickled."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _load(data):
    return pickle.loads(data) if isinstance(data, bytes) else data
