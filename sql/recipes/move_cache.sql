-- Moving a cache to another file, under another name, or out of the way.
--
-- When: the cache shall leave the application's database (separate_cache_file.sql), or come along to another machine.
-- How: CREATE in the new file with the present options, INSERT ... SELECT of key, value, expires and tag, DROP. An
--   INSERT ... SELECT reads `expires` as an absolute time, so deadlines are kept to the letter.
-- Traps:
--   * Without `expires` in the list every entry would start a new life of `ttl` seconds; without `tag`, tags are lost.
--   * The options in sqlite_schema are those of CREATE; what was changed since is in cache_meta (used below).
--   * What has expired does not come along, nor does what is in its grace. Statistics and L1 start anew.
--   * DROP TABLE needs the extension; without it: "no such module". The file shrinks with VACUUM (give_space_back.sql).
--   * Copying the file is enough where everything shall move: VACUUM INTO, the backup API, or cp of a closed database.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=600, jitter=0.1);
INSERT INTO cache(cache, value) VALUES('l1_entries', 5000);
INSERT INTO cache(key, value, ttl, tag) VALUES('a', 1, 60, 'staff'), ('b', x'00ff', 0, NULL), (3, NULL, 900, NULL);
INSERT INTO cache(key, value, ttl) VALUES('over', 1, -1);

.print The statement that makes the same cache elsewhere:
SELECT 'CREATE VIRTUAL TABLE side.cache USING hybrid_cache(' || options || ');' FROM cache_meta WHERE id = 1;

.print Make it, copy, compare, drop the old one, all in one transaction:
ATTACH 'cache.db' AS side;
.once build/create.sql
SELECT 'CREATE VIRTUAL TABLE side.cache USING hybrid_cache(' || options || ');' FROM cache_meta WHERE id = 1;
BEGIN IMMEDIATE;
.read build/create.sql
INSERT INTO side.cache(key, value, expires, tag) SELECT key, value, expires, tag FROM main.cache;
SELECT count(*), sum(new.expires = old.expires), sum(new.value IS old.value), sum(new.tag IS old.tag)
FROM main.cache AS old JOIN side.cache AS new ON new.key = old.key;
DROP TABLE main.cache;
COMMIT;

.print The name now means the cache in the other file:
SELECT quote(key), quote(value), tag FROM cache ORDER BY key;
SELECT hybrid_cache_option('cache', 'ttl'), hybrid_cache_option('cache', 'l1_entries'), hybrid_cache_option('cache', 'jitter');

.print Another name:
ALTER TABLE side.cache RENAME TO pages;
SELECT hybrid_cache_get('pages', 'a'), name FROM side.sqlite_schema WHERE name LIKE 'pages%' AND type = 'table';

.print A copy of the whole file brings the cache along:
VACUUM side INTO 'copy.db';
ATTACH 'copy.db' AS copy;
SELECT count(*) FROM copy.pages;
