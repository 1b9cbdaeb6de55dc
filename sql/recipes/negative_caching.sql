-- Negative caching: "there is no such thing" is worth remembering too, usually for a shorter time. A cached NULL is a
-- hit; four ways to tell it from a miss.
--
-- When: keys that do not exist are asked for again and again.
-- How: store NULL (or a mark of your own) with a short ttl; has, ttl, a default or a SELECT tell it from a miss.
-- Traps:
--   * coalesce(hybrid_cache_get(...), compute) takes a cached NULL for a miss and computes each time. Use a mark, such
--     as an empty blob x'', or the forms below.
--   * What is created later must delete the entry: an AFTER INSERT trigger (trigger_invalidation.sql).
--   * Whoever can invent keys can fill the cache with NULLs: set l2_entries.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;
CREATE TABLE user(id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO user VALUES(42, 'Ada');

-- The scalar subquery gives NULL where there is no such user; that NULL lives 10 seconds, a name 300.
INSERT INTO cache(key, value, ttl)
  SELECT 'user:' || asked.value, user.name, iif(user.id IS NULL, 10, 300)
  FROM json_each('[42, 43]') AS asked LEFT JOIN user ON user.id = asked.value;

.nullvalue NULL
.print A hit, a cached NULL, a miss; the last two look alike:
SELECT hybrid_cache_get('cache', 'user:42'), hybrid_cache_get('cache', 'user:43'), hybrid_cache_get('cache', 'user:44');

.print has tells them apart (two look-ups: put them into one transaction, or another process may be in between):
SELECT hybrid_cache_has('cache', 'user:42'), hybrid_cache_has('cache', 'user:43'), hybrid_cache_has('cache', 'user:44');

.print So does a default that cannot be a value, in one look-up:
SELECT hybrid_cache_get('cache', 'user:43', x'00'), quote(hybrid_cache_get('cache', 'user:44', x'00'));

.print And so does a SELECT, which gives one row or none:
SELECT key, value FROM cache WHERE key IN ('user:43', 'user:44');

.print In a join, a hit without a value and no hit:
SELECT asked.value, cache.key IS NOT NULL AS hit, cache.value
FROM json_each('["user:42", "user:43", "user:44"]') AS asked LEFT JOIN cache ON cache.key = asked.value;
