-- A dashboard of all caches of this connection, as text with bars.
--
-- When: something is slow, or the question is whether a cache is worth its memory.
-- How: hybrid_cache_stats is a table-valued function with a row for each cache; the views below only format it. Paste
--   them into the program that is to be watched: counters are those of the connection that asks.
-- Traps:
--   * Another connection has its own L1 and counters: a fresh shell shows 0 gets. l2_count and l2_bytes are the file's.
--   * hybrid_cache_reset_stats('cache') starts counting anew, for figures of a minute instead of a lifetime.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE page USING hybrid_cache(l1_entries=40, l2_entries=200);
CREATE VIRTUAL TABLE session USING hybrid_cache(ttl=3600);

-- Some life: 160 pages, the low numbers asked for more often, some that do not exist; a few sessions.
INSERT INTO page(key, value) SELECT value, printf('%.*c', 200, 'x') FROM generate_series(1, 160);
SELECT count(hybrid_cache_get('page', (i.value * j.value) % 177)) FROM generate_series(1, 40) AS i, generate_series(1, 40) AS j;
INSERT INTO session(key, value) VALUES('ada', 1), ('bob', 2), ('eve', 3);
SELECT count(*) FROM generate_series(1, 20) WHERE hybrid_cache_get('session', 'ada') AND hybrid_cache_get('session', 'eve');
DELETE FROM session WHERE key = 'bob';

-- Figures with the whole they are a part of, and a line with a bar of 30 characters for each.
CREATE TEMP VIEW figure(cache, row, label, part, whole) AS
  SELECT name, 1, 'hits in memory', l1_hits, gets FROM hybrid_cache_stats UNION ALL
  SELECT name, 2, 'hits on disk', l2_hits, gets FROM hybrid_cache_stats UNION ALL
  SELECT name, 3, 'misses', misses, gets FROM hybrid_cache_stats UNION ALL
  SELECT name, 4, 'memory: entries', l1_count, hybrid_cache_option(name, 'l1_entries') FROM hybrid_cache_stats UNION ALL
  SELECT name, 5, 'memory: bytes', l1_bytes, hybrid_cache_option(name, 'l1_bytes') FROM hybrid_cache_stats UNION ALL
  SELECT name, 6, 'file: entries', l2_count, hybrid_cache_option(name, 'l2_entries') FROM hybrid_cache_stats UNION ALL
  SELECT name, 7, 'file: bytes', l2_bytes, hybrid_cache_option(name, 'l2_bytes') FROM hybrid_cache_stats;
CREATE TEMP VIEW dashboard(line) AS
  SELECT printf('%-8s %-16s %10s  ', iif(row = 1, cache, ''), label, printf('%,d', part)) ||
    CASE WHEN whole > 0
      THEN substr('##############################', 1, part * 30 / whole) ||
        substr('..............................', 1, 30 - part * 30 / whole) || printf(' %5.1f %%', 100.0 * part / whole)
      ELSE 'no limit' END
  FROM figure ORDER BY cache, row;

.print
SELECT line FROM dashboard;

.print
.print Why entries left, and what went wrong:
.mode column
SELECT name, expired, l1_evicted, l2_evicted, invalidated, rolled_back, oversize, l2_errors, corrupt, coalesce(last_error, '-') AS last_error
FROM hybrid_cache_stats ORDER BY name;
