"""What Django documents for cache backends, asked of django_cache.py: python3 django_cache_test.py

HC_EXTENSION names the extension (without it: ./dist/hybrid_cache).
"""
import os
import pickle
import tempfile
import threading
import time
import unittest
import warnings

import django
from django.conf import settings

directory = tempfile.TemporaryDirectory()
settings.configure(
    INSTALLED_APPS=["django_cache.HybridCacheConfig"],
    HYBRID_CACHE_EXTENSION=os.path.abspath(os.environ.get("HC_EXTENSION", "./dist/hybrid_cache")),
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(directory.name, "app.db"),
            "OPTIONS": {"timeout": 60},
        },
    },
    CACHES={
        "default": {"BACKEND": "django_cache.HybridCache", "LOCATION": "cache", "TIMEOUT": 300},
        "prefixed": {"BACKEND": "django_cache.HybridCache", "LOCATION": "cache", "KEY_PREFIX": "other"},
        "second": {"BACKEND": "django_cache.HybridCache", "LOCATION": "100% \"sec'ond\"", "VERSION": 2},
        "forever": {"BACKEND": "django_cache.HybridCache", "LOCATION": "cache", "TIMEOUT": None},
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from django.core.cache import cache, caches  # noqa: E402 (needs the settings)
from django.db import connection, transaction  # noqa: E402


def sql(text, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if cursor.description else None


def seconds_left(key, version=1):
    return sql("SELECT hybrid_cache_ttl('cache', %s)", f":{version}:{key}")[0][0]


class Unpicklable:
    def __reduce__(self):
        raise pickle.PicklingError("no")


class CacheTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sql("PRAGMA journal_mode = WAL")
        sql("CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache")
        sql('CREATE VIRTUAL TABLE IF NOT EXISTS "100%% ""sec\'ond""" USING hybrid_cache')

    def setUp(self):
        for alias in settings.CACHES:
            caches[alias].clear()

    def until_gone(self, key):
        deadline = time.monotonic() + 30
        while cache.get(key) is not None:
            self.assertLess(time.monotonic(), deadline, "still there")

    # -- one entry

    def test_set_get_delete(self):
        cache.set("key", "value")
        self.assertEqual(cache.get("key"), "value")
        self.assertTrue(cache.delete("key"))
        self.assertFalse(cache.delete("key"))
        self.assertIsNone(cache.get("key"))

    def test_default_of_a_miss(self):
        self.assertEqual(cache.get("nothing", "default"), "default")
        self.assertIsNone(cache.get("nothing"))

    def test_none_is_a_value(self):
        cache.set("none", None)
        self.assertIsNone(cache.get("none", "default"))
        self.assertIn("none", cache)
        self.assertFalse(cache.add("none", "value"))
        self.assertIsNone(cache.get("none", "default"))

    def test_types(self):
        for value in ["", "Zoë 🦊", "nul\0nul", b"", b"\x00\xff", 0, -1, 2**63 - 1, -(2**63), 2**63, 10**40, 1.5,
                      float("inf"), True, False, [1, [2]], {"a": {"b": None}}, (1,), {1, 2}, CacheTest]:
            with self.subTest(value=value):
                cache.set("value", value)
                self.assertEqual(cache.get("value"), value)
                self.assertIs(type(cache.get("value")), type(value))

    def test_unpicklable(self):
        cache.set("key", "before")
        self.assertRaises(pickle.PicklingError, cache.set, "key", Unpicklable())
        self.assertEqual(cache.get("key"), "before")

    def test_copies(self):
        value = {"list": [1]}
        cache.set("key", value)
        value["list"].append(2)
        self.assertEqual(cache.get("key"), {"list": [1]})
        cache.get("key")["list"].append(3)
        self.assertEqual(cache.get("key"), {"list": [1]})

    def test_add(self):
        self.assertTrue(cache.add("key", "first"))
        self.assertFalse(cache.add("key", "second"))
        self.assertEqual(cache.get("key"), "first")

    def test_has_key(self):
        cache.set("key", 0)
        self.assertTrue(cache.has_key("key"))  # noqa: W601 (Django's method)
        self.assertIn("key", cache)
        self.assertNotIn("other", cache)

    def test_keys(self):
        warnings.simplefilter("ignore")  # that memcached would not take them
        for key in ["with space", "ключ", "%s", "a'b\"c", "x" * 200]:
            with self.subTest(key=key):
                cache.set(key, key)
                self.assertEqual(cache.get(key), key)

    # -- timeouts

    def test_default_timeout(self):
        cache.set("key", 1)
        self.assertTrue(290 < seconds_left("key") <= 300)
        caches["forever"].set("key", 1)
        self.assertEqual(seconds_left("key"), 0)

    def test_timeout(self):
        cache.set("key", 1, 1000)
        self.assertTrue(990 < seconds_left("key") <= 1000)
        cache.set("key", 1, 60 * 60 * 24 * 30 + 1)  # where memcached would take it for a date
        self.assertTrue(seconds_left("key") > 60 * 60 * 24 * 29)

    def test_timeout_none_is_never(self):
        cache.set("key", 1, None)
        self.assertEqual(seconds_left("key"), 0)
        self.assertEqual(cache.get("key"), 1)

    def test_timeout_zero_and_negative_are_at_once(self):
        for timeout in [0, -1, -1e9]:
            cache.set("key", "value")
            cache.set("key", "value", timeout)
            self.assertIsNone(cache.get("key"))
            cache.add("other", "value", timeout)
            self.assertIsNone(cache.get("other"))

    def test_expiry(self):
        cache.set("key", "value", 0.05)
        self.until_gone("key")
        self.assertNotIn("key", cache)
        self.assertFalse(cache.touch("key"))
        self.assertFalse(cache.delete("key"))
        self.assertRaises(ValueError, cache.incr, "key")
        self.assertTrue(cache.add("key", "again"))
        self.assertEqual(cache.get("key"), "again")

    def test_touch(self):
        cache.set("key", "value", 10)
        self.assertTrue(cache.touch("key", 1000))
        self.assertTrue(990 < seconds_left("key") <= 1000)
        self.assertTrue(cache.touch("key"))
        self.assertTrue(290 < seconds_left("key") <= 300)
        self.assertTrue(cache.touch("key", None))
        self.assertEqual(seconds_left("key"), 0)
        self.assertEqual(cache.get("key"), "value")
        self.assertTrue(cache.touch("key", 0))
        self.assertIsNone(cache.get("key"))
        self.assertFalse(cache.touch("nothing"))

    # -- numbers

    def test_incr_and_decr(self):
        cache.set("answer", 41)
        self.assertEqual(cache.incr("answer"), 42)
        self.assertEqual(cache.incr("answer", 10), 52)
        self.assertEqual(cache.decr("answer"), 51)
        self.assertEqual(cache.decr("answer", 10), 41)
        self.assertEqual(cache.incr("answer", -1), 40)
        self.assertEqual(cache.get("answer"), 40)

    def test_incr_of_a_missing_key(self):
        self.assertRaises(ValueError, cache.incr, "nothing")
        self.assertRaises(ValueError, cache.decr, "nothing")
        self.assertNotIn("nothing", cache)

    def test_incr_of_what_is_no_integer(self):
        cache.set("text", "41")
        self.assertRaises(ValueError, cache.incr, "text")
        self.assertEqual(cache.get("text"), "41")

    def test_incr_keeps_the_timeout(self):
        cache.set("answer", 41, 1000)
        cache.incr("answer")
        self.assertTrue(990 < seconds_left("answer") <= 1000)

    def test_incr_by_threads(self):
        cache.set("n", 0, None)
        numbers = []
        start = threading.Barrier(4)

        def work():
            start.wait()
            for _ in range(50):
                numbers.append(caches["default"].incr("n"))
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(numbers), list(range(1, 201)))

    # -- many

    def test_many(self):
        self.assertEqual(cache.set_many({"a": 1, "b": None, "c": "3"}), [])
        self.assertEqual(cache.get_many(["a", "b", "c", "d"]), {"a": 1, "b": None, "c": "3"})
        self.assertEqual(cache.get_many(iter(["a"])), {"a": 1})
        self.assertEqual(cache.get_many([]), {})
        cache.delete_many(["a", "b", "d"])
        self.assertEqual(cache.get_many(["a", "b", "c"]), {"c": "3"})

    def test_many_timeout(self):
        cache.set_many({"a": 1, "b": 2}, 1000)
        self.assertTrue(990 < seconds_left("a") <= 1000)
        cache.set_many({"a": 1, "b": 2}, 0)
        self.assertEqual(cache.get_many(["a", "b"]), {})

    def test_set_many_is_all_or_nothing(self):
        self.assertRaises(pickle.PicklingError, cache.set_many, {"a": 1, "b": Unpicklable()})
        self.assertNotIn("a", cache)

    def test_clear(self):
        cache.set_many({"a": 1, "b": 2})
        cache.clear()
        self.assertEqual(cache.get_many(["a", "b"]), {})

    # -- get_or_set

    def test_get_or_set(self):
        self.assertEqual(cache.get_or_set("key", "value", 1000), "value")
        self.assertEqual(cache.get_or_set("key", "other"), "value")
        self.assertTrue(990 < seconds_left("key") <= 1000)
        self.assertEqual(cache.get_or_set("called", lambda: "result"), "result")
        self.assertEqual(cache.get_or_set("called", lambda: self.fail("computed again")), "result")

    def test_get_or_set_of_none(self):
        self.assertIsNone(cache.get_or_set("none", None))

    # -- versions, prefixes, tables

    def test_versions(self):
        cache.set("key", "one")
        cache.set("key", "two", version=2)
        self.assertEqual(cache.get("key"), "one")
        self.assertEqual(cache.get("key", version=1), "one")
        self.assertEqual(cache.get("key", version=2), "two")
        self.assertTrue(cache.delete("key", version=2))
        self.assertEqual(cache.get("key"), "one")
        self.assertFalse(cache.has_key("key", version=2))  # noqa: W601
        self.assertEqual(cache.get_many(["key"], version=2), {})

    def test_incr_version(self):
        cache.set("key", "value", version=2)
        self.assertEqual(cache.incr_version("key", version=2), 3)
        self.assertIsNone(cache.get("key", version=2))
        self.assertEqual(cache.get("key", version=3), "value")
        self.assertEqual(cache.decr_version("key", version=3), 2)
        self.assertEqual(cache.get("key", version=2), "value")
        self.assertRaises(ValueError, cache.incr_version, "nothing")

    def test_prefix(self):
        cache.set("key", "value")
        self.assertNotIn("key", caches["prefixed"])
        caches["prefixed"].set("key", "other")
        self.assertEqual(cache.get("key"), "value")

    def test_another_table(self):
        second = caches["second"]
        cache.set("n", 1)
        second.set("n", 5)
        self.assertEqual(second.incr("n"), 6)
        self.assertEqual(second.get_many(["n"]), {"n": 6})
        self.assertTrue(second.touch("n", None))
        self.assertEqual(second.get("n", version=2), 6)
        self.assertEqual(cache.get("n"), 1)
        second.clear()
        self.assertNotIn("n", second)

    # -- what other backends do not have

    def test_a_rollback_takes_the_cache_along(self):
        cache.set("key", "before")
        with self.assertRaises(ZeroDivisionError):
            with transaction.atomic():
                cache.set("key", "inside")
                self.assertEqual(cache.get("key"), "inside")
                cache.set("new", 1)
                1 / 0
        self.assertEqual(cache.get("key"), "before")
        self.assertNotIn("new", cache)

    def test_a_trigger_invalidates(self):
        sql("CREATE TABLE sale(amount)")
        sql("CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = ':1:total'; END")
        cache.set("total", 12)
        sql("INSERT INTO sale VALUES(3)")
        self.assertNotIn("total", cache)

    def test_other_threads_see_it(self):
        cache.set("key", "old")
        seen = []

        def work():
            seen.append(caches["default"].get("key"))
            main_may_write.set()
            main_has_written.wait(30)
            seen.append(caches["default"].get("key"))
            connection.close()

        main_may_write, main_has_written = threading.Event(), threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        main_may_write.wait(30)
        cache.set("key", "new")
        main_has_written.set()
        thread.join()
        self.assertEqual(seen, ["old", "new"])


if __name__ == "__main__":
    unittest.main()
