-- From a hand-written key-value table to a cache, with the old statements still running.
--
-- When: there is a table kv(key, value, expires), and a job that deletes what has expired.
-- How: copy what is alive; then put a view with the old name over the cache, and INSTEAD OF triggers, until all programs
--   speak to the cache itself.
-- Traps:
--   * expires NULL means "never" in many such tables, and "now + ttl" here: write 253402300799 for never.
--   * Milliseconds have to be divided by 1000.0, dates go through unixepoch().
--   * `WHERE expires > ?` in old statements is harmless: what has expired is not there anyway.
--   * Through the view: changes() is 0 after a write, and ON CONFLICT DO UPDATE is refused; INSERT OR REPLACE works.
--   * Every program that uses the view has to load the extension.

.load ./dist/hybrid_cache
CREATE TABLE kv(key TEXT PRIMARY KEY, value, expires REAL);
INSERT INTO kv VALUES('alive', 'a', unixepoch() + 60), ('over', 'b', unixepoch() - 60), ('for ever', x'00ff', NULL);

.print Copy and replace, in one transaction:
BEGIN IMMEDIATE;
CREATE VIRTUAL TABLE cache USING hybrid_cache;
INSERT INTO cache(key, value, expires)
  SELECT key, value, coalesce(expires, 253402300799) FROM kv WHERE expires IS NULL OR expires > unixepoch();
SELECT changes() || ' entries';
DROP TABLE kv;
CREATE VIEW kv(key, value, expires) AS SELECT key, value, nullif(expires, 253402300799) FROM cache;
CREATE TRIGGER kv_insert INSTEAD OF INSERT ON kv BEGIN
  INSERT OR REPLACE INTO cache(key, value, expires) VALUES(new.key, new.value, coalesce(new.expires, 253402300799));
END;
CREATE TRIGGER kv_update INSTEAD OF UPDATE ON kv BEGIN
  UPDATE cache SET value = new.value, expires = coalesce(new.expires, 253402300799) WHERE key = old.key;
END;
CREATE TRIGGER kv_delete INSTEAD OF DELETE ON kv BEGIN
  DELETE FROM cache WHERE key = old.key;
END;
COMMIT;
SELECT key, quote(value), CASE WHEN expires IS NULL THEN 'never' WHEN expires - unixepoch() BETWEEN 58 AND 60 THEN 'in a minute' END
FROM kv ORDER BY key;

.print Old statements go on:
INSERT OR REPLACE INTO kv(key, value, expires) VALUES('new', 1, unixepoch() + 60);
INSERT OR REPLACE INTO kv(key, value, expires) VALUES('new', 2, unixepoch() + 60);
UPDATE kv SET value = 3 WHERE key = 'new';
SELECT value FROM kv WHERE key = 'new' AND expires > unixepoch();
DELETE FROM kv WHERE expires <= unixepoch();
DELETE FROM kv WHERE key = 'alive';
SELECT group_concat(key) FROM (SELECT key FROM kv ORDER BY key);

.print And a look-up through the view is served from memory:
SELECT hybrid_cache_tier('cache', 'new'), value FROM kv WHERE key = 'new';
SELECT gets - misses - l2_hits - l1_hits AS lost, l1_hits > 0 AS from_memory FROM hybrid_cache_stats('cache');
