-- hybrid_cache from the sqlite3 shell: sqlite3 FILE < client.sql
.load ./dist/hybrid_cache
.timeout 60000

SELECT 'loaded: hybrid_cache ' || hybrid_cache_version();
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);
CREATE TABLE sale(product TEXT, amount INTEGER);
INSERT INTO sale VALUES('tea', 5), ('tea', 7);
CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;

-- Put: a key, a value, and if need be how many seconds it lives.
INSERT OR REPLACE INTO cache(key, value, ttl) VALUES('name', 'Zoë 🦊', 60);
SELECT 'put and get: ' || hybrid_cache_get('cache', 'name');
SELECT 'miss: ' || hybrid_cache_get('cache', 'nobody', 'null');
INSERT OR REPLACE INTO cache(key, value) VALUES('nothing', NULL);
SELECT 'cached null: ' || iif(hybrid_cache_has('cache', 'nothing'), 'hit', 'miss');

INSERT INTO cache(key, value)
  VALUES('type:0', 42), ('type:1', 1.5), ('type:2', 'text'), ('type:3', x'00ff'), ('type:4', NULL);
SELECT 'types: ' || group_concat(type, ' ')
  FROM (SELECT typeof(value) AS type FROM cache WHERE key GLOB 'type:*' ORDER BY key);
SELECT 'blob: ' || lower(hex(hybrid_cache_get('cache', 'type:3')));

-- Get or compute: one statement, so nothing can come between the look, the sum and the put.
INSERT OR IGNORE INTO cache(key, value, ttl)
  SELECT 'total', (SELECT sum(amount) FROM sale), 60 WHERE NOT hybrid_cache_has('cache', 'total');
SELECT 'computing' WHERE changes() > 0;
SELECT 'total: ' || value FROM cache WHERE key = 'total';

INSERT OR IGNORE INTO cache(key, value, ttl)
  SELECT 'total', (SELECT sum(amount) FROM sale), 60 WHERE NOT hybrid_cache_has('cache', 'total');
SELECT 'computing' WHERE changes() > 0;
SELECT 'total: ' || value FROM cache WHERE key = 'total';

-- The trigger removes the entry together with the change that makes it wrong.
INSERT INTO sale VALUES('cocoa', 3);
INSERT OR IGNORE INTO cache(key, value, ttl)
  SELECT 'total', (SELECT sum(amount) FROM sale), 60 WHERE NOT hybrid_cache_has('cache', 'total');
SELECT 'computing' WHERE changes() > 0;
SELECT 'total: ' || value FROM cache WHERE key = 'total';

BEGIN;
INSERT OR REPLACE INTO cache(key, value) VALUES('name', 'Grace');
SELECT 'in the transaction: ' || hybrid_cache_get('cache', 'name');
ROLLBACK;
SELECT 'after the rollback: ' || hybrid_cache_get('cache', 'name');

-- Increment: IMMEDIATE takes the write lock at once, so that no other process can come in between.
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('visits', 0, 0);
UPDATE cache SET value = value + 1 WHERE key = 'visits';
SELECT 'increment: ' || hybrid_cache_get('cache', 'visits');
COMMIT;

BEGIN IMMEDIATE;
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('visits', 0, 0);
UPDATE cache SET value = value + 1 WHERE key = 'visits';
SELECT 'increment: ' || hybrid_cache_get('cache', 'visits');
COMMIT;

-- Statistics are this connection's.
SELECT 1 WHERE hybrid_cache_reset_stats('cache');
SELECT 1 WHERE 'found' IN (hybrid_cache_get('cache', 'name'), hybrid_cache_get('cache', 'total'),
                           hybrid_cache_get('cache', 'visits'), hybrid_cache_get('cache', 'nobody'));
SELECT 'statistics: ' || l2_count || ' entries, hit ratio ' || hit_ratio FROM hybrid_cache_stats('cache');

-- Two mistakes; the shell prints what is wrong and goes on.
INSERT INTO cache(key, value) VALUES('name', 'Ada');
INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow');
