-- Namespaces, and paging through keys in order.
--
-- When: several kinds of entries share a file; a program lists what is cached, page by page.
-- How: a prefix in the key (one cache, one set of limits), or one cache for each kind (own options, own statistics, own
--   `clear`). Pages go by the last key seen, not by OFFSET.
-- Traps:
--   * OFFSET n reads and throws away n rows, and skips or repeats some when others write in between.
--   * Keys are ordered as SQLite orders values: numbers, then text by its bytes, then blobs. So 'user:10' comes before
--     'user:9'; write numbers in text with leading zeros: printf('user:%06d', 9).
--   * A page reads L2 and fills no L1. Expired entries are left out, so a page may be followed by another one with
--     entries that a moment ago were on neither.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO cache(key, value) SELECT printf('user:%06d', i), 'user ' || i FROM n;
INSERT INTO cache(key, value) VALUES('page:/', '<h1>Home</h1>'), (7, 'a number'), (x'00', 'a blob');

.print Namespaces in use, and their sizes:
SELECT substr(key, 1, instr(key, ':')) AS namespace, count(*), sum(length(value)) AS bytes
FROM cache WHERE key GLOB '*:*' GROUP BY namespace;

.print The first page of five, and the page after the last key of it:
SELECT key FROM cache WHERE key GLOB 'user:*' ORDER BY key LIMIT 5;
.print
SELECT key FROM cache WHERE key GLOB 'user:*' AND key > 'user:000005' ORDER BY key LIMIT 5;
.print The last page, backwards:
SELECT key FROM cache WHERE key GLOB 'user:*' ORDER BY key DESC LIMIT 2;

.print Across all types of keys:
SELECT quote(key) FROM cache WHERE key NOT GLOB 'user:*' ORDER BY key;

.print A cache for each kind: options and clear of their own
CREATE VIRTUAL TABLE session USING hybrid_cache(ttl=3600, l1_entries=100);
INSERT INTO session(key, value) VALUES(1, 'Ada');
INSERT INTO session(session) VALUES('clear');
SELECT name, l2_count, hybrid_cache_option(name, 'ttl') FROM hybrid_cache_stats ORDER BY name;
