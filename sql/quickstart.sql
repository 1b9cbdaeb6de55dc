.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);

INSERT INTO cache(key, value) VALUES('user:42', 'Ada');
INSERT OR REPLACE INTO cache(key, value, ttl, tag) VALUES('user:43', 'Grace', 60, 'staff');
SELECT value FROM cache WHERE key = 'user:42';
SELECT hybrid_cache_get('cache', 'user:43');
SELECT hybrid_cache_get('cache', 'user:44', 'not cached');
SELECT key, value FROM cache WHERE key GLOB 'user:*' ORDER BY key;

DELETE FROM cache WHERE tag = 'staff';
SELECT hybrid_cache_has('cache', 'user:43');
SELECT gets, l1_hits, l2_hits, misses FROM hybrid_cache_stats('cache');
