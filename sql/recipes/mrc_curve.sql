-- Which size does the L1 need? The miss-ratio curve, drawn as text.
--
-- When: the hit ratio disappoints, or memory is scarce.
-- How: hybrid_cache_mrc('cache') says what an LRU L1 of 1/8 to 16 times the present l1_entries would have hit, from this
--   connection's own reads. The query at the end draws it. Take the size where the curve gets flat.
-- Traps:
--   * It knows the connection that asks: run it in the program, after some thousand reads.
--   * It speaks of entries, not of bytes: where l1_bytes is met first (compare l1_bytes of the statistics), raise that.
--   * It shows memory hits of an LRU. What is not hit in memory is mostly found on disk (l2_hits).
--   * What was never read before cannot be hit at any size: the curve ends below 100 %.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache(l1_entries=200, ttl=0);

-- The reads: the log of a web server (sql/data/README.md).
CREATE TABLE log(url INTEGER, size INTEGER);
.import --csv --skip 1 sql/data/apache10k.csv log
INSERT INTO cache(key, value) SELECT DISTINCT url, 'page ' || url FROM log;
SELECT count(hybrid_cache_get('cache', url)) || ' reads' FROM log ORDER BY rowid;

.print
.print entries   hits in memory
SELECT printf('%7d  %5.1f %%  %s%s', entries, 100 * hit_ratio,
              substr('##################################################', 1, round(50 * hit_ratio)),
              iif(entries = hybrid_cache_option('cache', 'l1_entries'), '  <- now', ''))
FROM hybrid_cache_mrc('cache') ORDER BY entries;

.print
.print Measured at the present size, for comparison:
SELECT printf('%7d  %5.1f %%', hybrid_cache_option('cache', 'l1_entries'), 100.0 * l1_hits / gets) FROM hybrid_cache_stats('cache');

SELECT 'estimated within three points: ' || (abs(curve.hit_ratio - 1.0 * l1_hits / gets) < 0.03)
FROM hybrid_cache_mrc('cache') AS curve, hybrid_cache_stats('cache')
WHERE curve.entries = hybrid_cache_option('cache', 'l1_entries');

.print The smallest size with nine tenths of what the largest would hit, and how to take it:
SELECT min(entries) FROM hybrid_cache_mrc('cache')
WHERE hit_ratio >= 0.9 * (SELECT max(hit_ratio) FROM hybrid_cache_mrc('cache'));
INSERT INTO cache(cache, value)
  SELECT 'l1_entries', min(entries) FROM hybrid_cache_mrc('cache')
  WHERE hit_ratio >= 0.9 * (SELECT max(hit_ratio) FROM hybrid_cache_mrc('cache'));
SELECT hybrid_cache_option('cache', 'l1_entries');
