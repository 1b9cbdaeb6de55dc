-- One rebuild among N processes: eight of them find the entry expired at the same time, and one computes.
--
-- When: the value takes long to make, and many processes want it the moment it expires (a stampede).
-- How: sql/recipes/one_rebuild_worker.sql, which each of them runs: take a lease *where the value is missing*, in one
--   statement; compute outside of any write transaction; store and give the lease back in one. Who has no lease serves
--   the stale value (`grace`).
-- Traps:
--   * "Is it missing?" and "take the lease" must be one statement. Asked one after the other, somebody may have
--     computed, stored and given back the lease in between, and it is computed twice.
--   * The lease must live longer than the computing takes; a second one computes as well otherwise.
--   * get_or_compute.sql computes once as well, but with the write lock held: the other seven wait for it.
--   * On the very first request nothing stale is there: wait and ask again, or compute as well.
-- tests/docs/race.tcl has eight processes do it many times over.

.load ./dist/hybrid_cache
PRAGMA journal_mode = WAL;
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=60, grace=3600);
CREATE TABLE sale(amount INTEGER);
INSERT INTO sale VALUES(3), (20), (4);
CREATE TABLE answer(computed INTEGER, value TEXT);
INSERT INTO cache(key, value, expires) VALUES('report', 'old: 23', unixepoch() - 10);

.shell for worker in 1 2 3 4 5 6 7 8; do sqlite3 -batch app.db ".read sql/recipes/one_rebuild_worker.sql" & done; wait

.print Processes, rebuilds, processes without an answer:
SELECT count(*), sum(computed), sum(value IS NULL) FROM answer;
.print What is cached now, and whether a lease is left:
SELECT hybrid_cache_get('cache', 'report'), hybrid_cache_has('cache', 'lease:report');
