-- A cache with something of everything for sql/inspect.sql to show, all at times that do not move.
.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0);
INSERT INTO cache(key, value, tag) VALUES
  ('page:/', '<h1>Home</h1>', 'layout 7'),
  ('page:/about', '<h1>About us</h1>', 'layout 7'),
  (404, NULL, NULL);
INSERT INTO cache(key, value, expires) VALUES('session:7', x'00ff', 4102444800), ('session:8', 0.5, 4102444801);
INSERT INTO cache(key, value) VALUES('gone', 'what nobody has purged yet');
UPDATE cache_data SET expires = 1431000000 WHERE key = 'gone';
