"""What object_cache.py promises: python3 object_cache_test.py

HC_EXTENSION names the extension (without it: ./dist/hybrid_cache).
"""
import logging
import os
import sqlite3
import tempfile
import threading
import time
import unittest

from object_cache import HybridCache

EXTENSION = os.path.abspath(os.environ.get("HC_EXTENSION", "./dist/hybrid_cache"))


class HybridCacheTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "cache.db")
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def open(self, **options):
        cache = HybridCache(self.path, EXTENSION, **options)
        self.addCleanup(cache.close)
        return cache

    def tool(self, sql, *parameters):
        """Another program that writes into the storage."""
        db = sqlite3.connect(self.path, timeout=60)
        with db:
            db.execute(sql, parameters)
        db.close()

    def until_none(self, cache, key):
        deadline = time.monotonic() + 30
        while cache.get(key) is not None:
            self.assertLess(time.monotonic(), deadline, "still there")

    def test_set_and_get(self):
        cache = self.open()
        for value in ["text", 42, 1.5, None, b"\x00", {"strike": 150.0, "calls": [1, 2]}, (1, 2)]:
            cache.set("key", value)
            self.assertEqual(cache.get("key", "default"), value)

    def test_miss(self):
        cache = self.open()
        self.assertIsNone(cache.get("nothing"))
        self.assertEqual(cache.get("nothing", "default"), "default")

    def test_overwrite(self):
        cache = self.open()
        cache.set("key", "old")
        cache.set("key", "new")
        self.assertEqual(cache.get("key"), "new")
        self.assertEqual(cache.stats()["l2_count"], 1)

    def test_delete(self):
        cache = self.open()
        cache.set("key", "value")
        cache.delete("key")
        cache.delete("nothing")
        self.assertIsNone(cache.get("key"))

    def test_clear(self):
        cache = self.open()
        cache.set("a", 1)
        cache.set("b", 2)
        cache.clear()
        self.assertIsNone(cache.get("a"))
        self.assertEqual((cache.stats()["l1_count"], cache.stats()["l2_count"]), (0, 0))

    def test_l1_hit(self):
        cache = self.open()
        cache.set("key", "value")
        cache.get("key")
        self.assertEqual((cache.stats()["l1_hits"], cache.stats()["l2_hits"]), (1, 0))

    def test_l2_hit_is_promoted(self):
        self.open().set("key", "value")
        cache = self.open()
        self.assertEqual(cache.get("key"), "value")
        self.assertEqual(cache.get("key"), "value")
        stats = cache.stats()
        self.assertEqual((stats["l2_hits"], stats["promotions"], stats["l1_hits"]), (1, 1, 1))

    def test_stats(self):
        cache = self.open()
        cache.set("key", "value")
        cache.get("key")
        cache.get("nothing")
        stats = cache.stats()
        self.assertEqual((stats["l1_count"], stats["l2_count"]), (1, 1))
        self.assertEqual((stats["gets"], stats["misses"], stats["hit_ratio"]), (2, 1, 0.5))

    def test_survives_a_restart(self):
        cache = HybridCache(self.path, EXTENSION)
        cache.set("key", "value")
        cache.close()
        self.assertEqual(self.open().get("key"), "value")

    def test_instances_share_l2(self):
        first, second = self.open(), self.open()
        first.set("key", "one")
        self.assertEqual(second.get("key"), "one")
        first.set("key", "two")
        self.assertEqual(second.get("key"), "two")
        second.delete("key")
        self.assertIsNone(first.get("key"))

    def test_l2_ttl(self):
        cache = self.open(l2_ttl=0.05)
        cache.set("key", "value")
        self.until_none(cache, "key")

    def test_own_ttl(self):
        cache = self.open()
        cache.set("key", "value", ttl=0.05)
        self.until_none(cache, "key")

    def test_l1_ttl(self):
        cache = self.open(l1_ttl=0.01)
        cache.set("key", "value")
        deadline = time.monotonic() + 30
        while cache.stats()["l2_hits"] == 0:
            self.assertEqual(cache.get("key"), "value")
            self.assertLess(time.monotonic(), deadline, "never read from L2 again")

    def test_lru_eviction(self):
        cache = self.open(l1_entries=3)
        for key in "abc":
            cache.set(key, key)
        cache.get("a")
        cache.set("d", "d")  # pushes out b
        self.assertEqual((cache.stats()["l1_count"], cache.stats()["l1_evicted"]), (3, 1))
        cache.get("a")
        self.assertEqual(cache.stats()["l2_hits"], 0)
        self.assertEqual(cache.get("b"), "b")
        self.assertEqual(cache.stats()["l2_hits"], 1)

    def test_expired_rows_go(self):
        cache = self.open()
        for number in range(8):
            cache.set(f"old:{number}", number, ttl=-1)
        for number in range(40):  # writing sweeps, a few rows at a time
            cache.set(f"new:{number}", number)
        self.assertEqual((cache.stats()["l2_count"], cache.stats()["expired"]), (40, 8))

    def test_bytes_that_are_no_pickle(self):
        cache = self.open()
        cache.set("key", "value")
        cache._run("UPDATE cache SET value = ? WHERE key = 'key'", b"\x80\x05no")
        self.assertEqual(cache.get("key", "default"), "default")
        self.assertEqual(cache.stats()["l2_count"], 0)

    def test_a_damaged_row_is_a_miss(self):
        self.open().set("key", "value")
        self.tool("UPDATE cache_data SET value = x'80'")
        cache = self.open()
        self.assertEqual(cache.get("key", "default"), "default")
        self.assertEqual(cache.stats()["corrupt"], 1)

    def test_what_cannot_be_pickled(self):
        cache = self.open()
        cache.set("key", "before")
        cache.set("key", threading.Lock())
        self.assertIsNone(cache.get("key"))

    def test_trouble_with_the_file(self):
        cache = self.open()
        cache.set("key", "value")
        self.tool("DROP TABLE cache_data")
        cache.set("key", "other")
        cache.get("other")
        cache.delete("key")
        cache.clear()
        self.assertIsNone(cache.get("nothing"))

    def test_threads(self):
        cache = self.open()
        wrong = []
        start = threading.Barrier(8)

        def work(me):
            start.wait()
            for number in range(100):
                key = f"{me}:{number % 10}"
                cache.set(key, (me, number))
                if cache.get(key) != (me, number):
                    wrong.append(key)

        threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(cache.stats()["l2_count"], 80)


if __name__ == "__main__":
    unittest.main()
