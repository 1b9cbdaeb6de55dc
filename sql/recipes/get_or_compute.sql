-- Get or compute: the expensive query runs only on a miss, and one statement does it.
--
-- `WHERE NOT hybrid_cache_has(...)` keeps SQLite from evaluating the subquery while the entry is live; OR IGNORE
-- settles the race with another process that computed the same. `has` is no use of the entry, so the statistics
-- count one get per request.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;
CREATE TABLE sale(product TEXT, amount INTEGER);
INSERT INTO sale VALUES('pen', 3), ('ink', 20), ('pen', 4), ('paper', 9);

.print The first request computes:
INSERT OR IGNORE INTO cache(key, value, ttl)
  SELECT 'top', (SELECT json_group_array(product) FROM (SELECT product FROM sale GROUP BY product ORDER BY sum(amount) DESC)), 60
  WHERE NOT hybrid_cache_has('cache', 'top');
SELECT changes() AS computed, value FROM cache WHERE key = 'top';

.print The second does not, although the table has changed (for that see trigger_invalidation.sql):
INSERT INTO sale VALUES('pen', 50);
INSERT OR IGNORE INTO cache(key, value, ttl)
  SELECT 'top', (SELECT json_group_array(product) FROM (SELECT product FROM sale GROUP BY product ORDER BY sum(amount) DESC)), 60
  WHERE NOT hybrid_cache_has('cache', 'top');
SELECT changes() AS computed, value FROM cache WHERE key = 'top';

.print Where storing the answer does not matter, one expression is enough:
SELECT coalesce(hybrid_cache_get('cache', 'total'), (SELECT sum(amount) FROM sale));
