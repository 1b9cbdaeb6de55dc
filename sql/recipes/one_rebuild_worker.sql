-- One of the processes of one_rebuild.sql.
.load ./dist/hybrid_cache
.timeout 10000
CREATE TEMP TABLE me AS SELECT hex(randomblob(8)) AS name;

-- The lease, only where the value is missing. An INSERT has the write lock before it looks, so nobody is in between.
INSERT OR IGNORE INTO cache(key, value, ttl)
  SELECT 'lease:report', name, 30 FROM me WHERE NOT hybrid_cache_has('cache', 'report');

-- The expensive part, if the lease is ours. A TEMP table takes no lock on app.db.
CREATE TEMP TABLE fresh AS
  SELECT 'new: ' || (SELECT sum(amount) FROM sale) AS value FROM me WHERE name = hybrid_cache_get('cache', 'lease:report');

-- Store it and give the lease back, if it is still ours.
BEGIN IMMEDIATE;
INSERT OR REPLACE INTO cache(key, value)
  SELECT 'report', value FROM fresh, me WHERE name = hybrid_cache_get('cache', 'lease:report');
DELETE FROM cache WHERE key = 'lease:report' AND value = (SELECT name FROM me);
COMMIT;

-- The answer: the live value, else the stale one.
INSERT INTO answer SELECT (SELECT count(*) FROM fresh), hybrid_cache_stale('cache', 'report');
