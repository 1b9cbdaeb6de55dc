-- Rate limits: three requests a minute, by a fixed and by a sliding window.
--
-- When: per user, address or key; all processes on one file count together.
-- How: fixed: a counter whose deadline is that of the window's first request. Sliding: one entry for each request,
--   which lives as long as the window; the limit is the number of those alive.
-- Traps:
--   * A fixed window lets twice the limit pass around its edge. The sliding one does not, and stores and counts up to
--     `limit` entries for each user.
--   * Count and insert must be one statement, or inside BEGIN IMMEDIATE (counters.sql).
--   * Every request writes. With synchronous=OFF in a file of its own (separate_cache_file.sql) that is cheap.
--   * jitter shortens windows, and l2_entries may evict counters: give rate limits a cache of their own.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE rate USING hybrid_cache(ttl=60);

.print Fixed window, first to fourth request:
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO rate(key, value) VALUES('ada', 0);
UPDATE rate SET value = value + 1 WHERE key = 'ada' AND value < 3;
SELECT iif(changes(), 'allowed', 'refused');
COMMIT;
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO rate(key, value) VALUES('ada', 0);
UPDATE rate SET value = value + 1 WHERE key = 'ada' AND value < 3;
SELECT iif(changes(), 'allowed', 'refused');
COMMIT;
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO rate(key, value) VALUES('ada', 0);
UPDATE rate SET value = value + 1 WHERE key = 'ada' AND value < 3;
SELECT iif(changes(), 'allowed', 'refused');
COMMIT;
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO rate(key, value) VALUES('ada', 0);
UPDATE rate SET value = value + 1 WHERE key = 'ada' AND value < 3;
SELECT iif(changes(), 'allowed', 'refused');
COMMIT;
.print How long to wait, as an answer with "Retry-After" wants it:
SELECT hybrid_cache_ttl('rate', 'ada') BETWEEN 1 AND 60;

.print Sliding window, first to fourth request (a process has a number of its own, here random):
INSERT INTO rate(key, value)
  SELECT 'bob:' || hex(randomblob(8)), 1 WHERE (SELECT count(*) FROM rate WHERE key GLOB 'bob:*') < 3;
SELECT iif(changes(), 'allowed', 'refused');
INSERT INTO rate(key, value)
  SELECT 'bob:' || hex(randomblob(8)), 1 WHERE (SELECT count(*) FROM rate WHERE key GLOB 'bob:*') < 3;
SELECT iif(changes(), 'allowed', 'refused');
INSERT INTO rate(key, value)
  SELECT 'bob:' || hex(randomblob(8)), 1 WHERE (SELECT count(*) FROM rate WHERE key GLOB 'bob:*') < 3;
SELECT iif(changes(), 'allowed', 'refused');
INSERT INTO rate(key, value)
  SELECT 'bob:' || hex(randomblob(8)), 1 WHERE (SELECT count(*) FROM rate WHERE key GLOB 'bob:*') < 3;
SELECT iif(changes(), 'allowed', 'refused');

.print When the minute of the oldest is over (here it is made to be), there is room for one:
UPDATE rate SET ttl = -1 WHERE key = (SELECT key FROM rate WHERE key GLOB 'bob:*' ORDER BY expires LIMIT 1);
INSERT INTO rate(key, value)
  SELECT 'bob:' || hex(randomblob(8)), 1 WHERE (SELECT count(*) FROM rate WHERE key GLOB 'bob:*') < 3;
SELECT iif(changes(), 'allowed', 'refused');
INSERT INTO rate(key, value)
  SELECT 'bob:' || hex(randomblob(8)), 1 WHERE (SELECT count(*) FROM rate WHERE key GLOB 'bob:*') < 3;
SELECT iif(changes(), 'allowed', 'refused');
