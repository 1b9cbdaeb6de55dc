-- Counters, take, get-and-touch: read-modify-write without a race.
--
-- When: a value is changed depending on what it was. SQLite refuses ON CONFLICT DO UPDATE and RETURNING for every
--   virtual table; the forms below do the same.
-- How: one statement where one is enough; BEGIN IMMEDIATE around several. Both have the write lock before they look.
-- Traps: (everybody meets the first two at the first attempt; tests/docs/race.tcl has eight processes race the forms below)
--   * SELECT the value, add in the program, write it: two processes read the same value, one count is lost.
--   * UPDATE, and INSERT OR REPLACE if changes() is 0: both create it, one count is lost. INSERT OR IGNORE first.
--   * BEGIN alone: the read comes before the write lock, and the write fails with "database is locked" at once,
--     whatever the timeout. BEGIN IMMEDIATE waits.
--   * Set a busy timeout (.timeout, sqlite3_busy_timeout, Python's timeout=), or the loser gets an error.
--   * A counter is a cache entry: it can expire, and limits can evict it. What must not be lost belongs into a table.

.load ./dist/hybrid_cache
.timeout 10000
CREATE VIRTUAL TABLE cache USING hybrid_cache;

.print Increment or create, in one statement; value and deadline are read under the write lock:
INSERT OR REPLACE INTO cache(key, value, expires)
  SELECT 'hits', 1 + coalesce(max(value), 0), max(expires) FROM cache WHERE key = 'hits';
SELECT value FROM cache WHERE key = 'hits';

.print The same in two, if the result is wanted as of this very moment; the deadline of the first call stays here too:
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('hits', 0, 60);
UPDATE cache SET value = value + 1 WHERE key = 'hits';
SELECT value FROM cache WHERE key = 'hits';
COMMIT;

.print Take: read and remove, so that exactly one process gets it:
BEGIN IMMEDIATE;
SELECT value FROM cache WHERE key = 'hits';
DELETE FROM cache WHERE key = 'hits';
COMMIT;

.print Take without a transaction: read, then delete what was read; who changed a row has it
INSERT INTO cache(key, value) VALUES('job:1', 'resize 7.png');
SELECT key, value FROM cache WHERE key GLOB 'job:*' ORDER BY key LIMIT 1;
DELETE FROM cache WHERE key = 'job:1' AND value = 'resize 7.png';
SELECT iif(changes(), 'mine', 'taken by another');
DELETE FROM cache WHERE key = 'job:1' AND value = 'resize 7.png';
SELECT iif(changes(), 'mine', 'taken by another');

.print Get and touch: read, and let it live another hour:
INSERT INTO cache(key, value) VALUES('session:7', 'Ada');
BEGIN IMMEDIATE;
UPDATE cache SET ttl = 3600 WHERE key = 'session:7';
SELECT value, round(ttl) FROM cache WHERE key = 'session:7';
COMMIT;

.print Touch only what has little left, so that most reads stay reads:
UPDATE cache SET ttl = 3600 WHERE key = 'session:7' AND ttl < 1800;
SELECT changes();

.print Compare and set: store only if nobody has changed it since it was read
UPDATE cache SET value = 'Grace' WHERE key = 'session:7' AND value IS 'Ada';
SELECT changes();
UPDATE cache SET value = 'Joan' WHERE key = 'session:7' AND value IS 'Ada';
SELECT changes();
