-- The second half of the demo, in a new process: see sql/demo.sql.

.bail on
.load ./dist/hybrid_cache
PRAGMA synchronous = OFF;

.print
.print ==== 3. A new process, the same database file: is page 22 still there, and in which tier?
SELECT printf('before the first get: tier %d (1 memory, 2 disk)', hybrid_cache_tier('cache', 22));
SELECT hybrid_cache_get('cache', 22);
SELECT printf('after it:             tier %d', hybrid_cache_tier('cache', 22));

.print
.print ==== All requests once more, with what the first process left on disk
UPDATE run SET name = 'after restart';
INSERT INTO stopwatch VALUES('after restart', julianday('now'), NULL);
INSERT INTO request SELECT url FROM log ORDER BY rowid;
UPDATE stopwatch SET stop = julianday('now') WHERE run = 'after restart';

.mode box
SELECT run,
       printf('%.2f s', (stop - start) * 86400) AS time,
       printf('%.1f times', (SELECT stop - start FROM stopwatch WHERE run = 'no cache') / (stop - start)) AS 'as fast',
       count(*) AS answers,
       sum(answer.json IS NOT computed.json) AS 'wrong answers'
FROM stopwatch JOIN answer USING(run)
  JOIN (SELECT DISTINCT url, json FROM answer WHERE run = 'no cache') AS computed USING(url)
GROUP BY run ORDER BY start;
.mode list

.print
.print ==== 4. A trigger on your own table invalidates, inside your transaction
CREATE TRIGGER page_changed AFTER UPDATE ON page BEGIN
  DELETE FROM cache WHERE key = old.url;
END;
SELECT 'before:          ' || hybrid_cache_get('cache', 22);
BEGIN;
UPDATE page SET title = 'The front page' WHERE url = 22;
SELECT 'in transaction:  ' || hybrid_cache_get('cache', 22, 'not cached');
ROLLBACK;
SELECT 'rolled back:     ' || hybrid_cache_get('cache', 22, 'not cached');
UPDATE page SET title = 'The front page' WHERE url = 22;
SELECT 'committed:       ' || hybrid_cache_get('cache', 22, 'not cached');
INSERT INTO request VALUES(22);
SELECT 'next request:    ' || hybrid_cache_get('cache', 22, 'not cached');

.print
.print ==== 5. What this connection did, and what is stored
.mode box
SELECT gets, l1_hits, l2_hits, misses, printf('%.2f %%', 100 * hit_ratio) AS 'hit ratio', puts, deletes
FROM hybrid_cache_stats('cache');
SELECT promotions, l1_evicted, l1_count, l1_bytes, l2_count, l2_bytes, expired, rolled_back
FROM hybrid_cache_stats('cache');
