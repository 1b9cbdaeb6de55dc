-- Stale while revalidate: with `grace`, an expired entry can still be handed out while one process makes the new one.
--
-- When: an answer that is a little too old is better than a slow one, or than none while the source is down.
-- How: every reader asks for the live value; on a miss it tries to take a short lease. Who gets it computes; everybody
--   else goes on with the stale value and waits for nothing. With processes: one_rebuild.sql.
-- Traps:
--   * `grace` belongs to the cache: purge spares an expired entry that long, and l2_count and the file with it.
--   * To SELECT, has and get an expired entry is gone. Only hybrid_cache_stale sees it, and says not how old it is: put
--     the time into the value if you need it.
--   * UPDATE does not find an expired entry: make it anew with INSERT OR REPLACE.
--   * DELETE ends both: what a trigger has invalidated is not served stale.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=60, grace=3600);

-- An entry that ran out ten seconds ago.
INSERT INTO cache(key, value, expires) VALUES('report', 'old figures', unixepoch() - 10);

.print Expired for a get, still there for who asks for it:
SELECT hybrid_cache_get('cache', 'report', 'not cached'), hybrid_cache_stale('cache', 'report');

.print The first process takes the lease and will compute, the second does not get it:
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('lease:report', 'process 1', 10);
SELECT CASE changes() WHEN 1 THEN 'compute' ELSE 'serve stale' END;
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('lease:report', 'process 2', 10);
SELECT CASE changes() WHEN 1 THEN 'compute' ELSE 'serve stale' END, hybrid_cache_stale('cache', 'report');

.print The new value takes the place of the stale one, and the lease is given back in the same transaction:
BEGIN;
INSERT OR REPLACE INTO cache(key, value) VALUES('report', 'new figures');
DELETE FROM cache WHERE key = 'lease:report' AND value = 'process 1';
COMMIT;
SELECT hybrid_cache_get('cache', 'report'), hybrid_cache_stale('cache', 'report');

.print The source is down: on a failure keep the old value for another minute instead of asking again at once
INSERT OR REPLACE INTO cache(key, value, expires) VALUES('report', 'old figures', unixepoch() - 10);
INSERT OR REPLACE INTO cache(key, value, ttl) SELECT 'report', hybrid_cache_stale('cache', 'report'), 60;
SELECT hybrid_cache_get('cache', 'report');

.print What is deleted is gone, grace or not:
DELETE FROM cache WHERE key = 'report';
SELECT coalesce(hybrid_cache_stale('cache', 'report'), 'not there');
