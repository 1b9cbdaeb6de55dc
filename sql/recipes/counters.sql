-- Counters. SQLite refuses ON CONFLICT DO UPDATE and RETURNING for every virtual table; the two-step forms below,
-- inside BEGIN IMMEDIATE, do the same without a race: whoever holds the write lock reads and writes undisturbed.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;

.print Increment or create; the deadline of the first call stays, as a rate limit wants it:
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('hits:/', 0, 60);
UPDATE cache SET value = value + 1 WHERE key = 'hits:/';
SELECT value FROM cache WHERE key = 'hits:/';
COMMIT;

.print And again:
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('hits:/', 0, 60);
UPDATE cache SET value = value + 1 WHERE key = 'hits:/';
SELECT value FROM cache WHERE key = 'hits:/';
COMMIT;

.print A rate limit of three a minute: the third call passes, the fourth changes nothing:
UPDATE cache SET value = value + 1 WHERE key = 'hits:/' AND value < 3;
SELECT iif(changes(), 'allowed', 'refused');
UPDATE cache SET value = value + 1 WHERE key = 'hits:/' AND value < 3;
SELECT iif(changes(), 'allowed', 'refused');

.print Take: read and remove, so that exactly one process gets it:
BEGIN IMMEDIATE;
SELECT value FROM cache WHERE key = 'hits:/';
DELETE FROM cache WHERE key = 'hits:/';
COMMIT;
SELECT hybrid_cache_has('cache', 'hits:/');

.print Get and touch: read, and let it live another hour:
INSERT INTO cache(key, value) VALUES('session:7', 'Ada');
UPDATE cache SET ttl = 3600 WHERE key = 'session:7';
SELECT value, hybrid_cache_ttl('cache', 'session:7') > 300 FROM cache WHERE key = 'session:7';
