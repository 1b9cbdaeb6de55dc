-- Tags and prefixes: two ways to name a group of entries, both with an index behind them.
--
-- When: one change makes many entries wrong.
-- How: a tag is stored beside the key, one for each entry: DELETE ... WHERE tag = ?. A prefix is part of the key:
--   DELETE ... WHERE key GLOB 'page:*'. A third way takes no DELETE at all: a number in the key that is counted up.
-- Traps:
--   * One tag an entry. Where an entry belongs to several groups, put the others into a table of your own (below).
--   * In GLOB the characters * ? [ have a meaning: a prefix that users type goes into the range form (below).
--   * LIKE 'page:%' finds 'PAGE:' as well, and `_` stands for any character.
--   * INSERT OR REPLACE makes the tag new: not given, it is NULL. UPDATE keeps it.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;

INSERT INTO cache(key, value, tag) VALUES
  ('page:/',        '<h1>Home</h1>',  'layout 7'),
  ('page:/about',   '<h1>About</h1>', 'layout 7'),
  ('page:/contact', '<h1>Write</h1>', 'layout 8'),
  ('user:42',       'Ada',            NULL);

.print What carries a tag:
SELECT key FROM cache WHERE tag = 'layout 7' ORDER BY key;

.print What has a prefix:
SELECT key FROM cache WHERE key GLOB 'page:*' ORDER BY key;

.print The same for any prefix, whatever is in it: a range from the prefix to the greatest text that begins so
SELECT key FROM cache WHERE key >= 'page:' AND key < 'page:' || char(1114111) ORDER BY key;

.print Groups at a glance:
SELECT coalesce(tag, '(none)'), count(*) FROM cache GROUP BY tag ORDER BY tag;

.print An entry of several groups: a table beside the cache, and a DELETE that goes through it
CREATE TABLE made_from(source TEXT, key, PRIMARY KEY(source, key)) WITHOUT ROWID;
INSERT INTO made_from VALUES('user:42', 'page:/contact'), ('menu', 'page:/contact');
DELETE FROM cache WHERE key IN (SELECT key FROM made_from WHERE source = 'menu');
SELECT changes();

.print Layout 7 is no more, and all that was made with it:
DELETE FROM cache WHERE tag = 'layout 7';
SELECT changes();

.print The other pages go by their prefix:
INSERT INTO cache(key, value) VALUES('page:/new', '<h1>New</h1>');
DELETE FROM cache WHERE key GLOB 'page:*';
SELECT changes(), (SELECT group_concat(key) FROM cache);
