-- Get or compute: the expensive query runs only on a miss, and one statement does it.
--
-- When: anything that is slow to compute and may be a little old.
-- How: INSERT OR IGNORE ... SELECT key, (expensive), ttl WHERE NOT hybrid_cache_has(...), then read the value. The
--   condition keeps SQLite from evaluating the subquery while the entry is live. `has` is no use of the entry, so the
--   statistics count one get per request.
-- Traps:
--   * The expensive part must be a scalar subquery of the SELECT list. In the FROM clause it may run before the
--     condition is looked at.
--   * A subquery without a row gives NULL, which is cached too (negative_caching.sql).
--   * The write lock is held while it computes: of N processes one computes and the others wait for it
--     (one_rebuild.sql has the form in which nobody waits). Set a busy timeout.
--   * The statement opens a write transaction even on a hit. Where hits are many, ask with hybrid_cache_get first and
--     run it on a miss only.
--   * JSON comes back from a cache as text: write json(hybrid_cache_get(...)) to put it into other JSON.

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

.print JSON in JSON, as text and as what it is:
SELECT json_object('top', hybrid_cache_get('cache', 'top')), json_object('top', json(hybrid_cache_get('cache', 'top')));
