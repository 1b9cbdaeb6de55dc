-- Tags and prefixes: two ways to name a group of entries, both with an index behind them.
--
-- A tag is stored beside the key, one for each entry; a prefix is part of the key.

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

.print Groups at a glance:
SELECT coalesce(tag, '(none)'), count(*) FROM cache GROUP BY tag ORDER BY tag;

.print Layout 7 is no more, and all that was made with it:
DELETE FROM cache WHERE tag = 'layout 7';
SELECT changes();

.print The other pages go by their prefix:
DELETE FROM cache WHERE key GLOB 'page:*';
SELECT changes(), (SELECT group_concat(key) FROM cache);
