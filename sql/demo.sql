-- The cache at work on the log of a real web server (sql/data/README.md): `make demo`.
-- By hand, from the top of the repository:   sqlite3 build/demo.db ".read sql/demo.sql"
-- It stops where a program would end; sql/demo_restart.sql goes on in a new process.

.bail on
.load ./dist/hybrid_cache
PRAGMA synchronous = OFF;

.print
.print ==== The data: requests to a web server, May 2015
CREATE TABLE log(url INTEGER, size INTEGER);
.import --csv --skip 1 sql/data/apache10k.csv log
CREATE INDEX log_url ON log(url);
CREATE TABLE page AS SELECT DISTINCT url, 'Page ' || url AS title FROM log;
CREATE UNIQUE INDEX page_url ON page(url);
SELECT printf('%,d requests for %,d different pages', count(*), count(DISTINCT url)) FROM log;

-- What is slow: "who asks for this page also asks for ...", from all the requests that came soon after it.
CREATE VIEW report(url, json) AS
  SELECT url, json_object(
    'title', title,
    'requests', (SELECT count(*) FROM log WHERE log.url = page.url),
    'also', (SELECT json_group_array(url) FROM (
      SELECT after.url FROM log AS here JOIN log AS after ON after.rowid BETWEEN here.rowid + 1 AND here.rowid + 5
      WHERE here.url = page.url AND after.url <> page.url
      GROUP BY after.url ORDER BY count(*) DESC, after.url LIMIT 3)))
  FROM page;

.print
.print ==== What is computed for each request: a report about the page, with those asked for soon after it
SELECT json FROM report WHERE url = 22;

-- One row for each answered request, and a stopwatch.
CREATE TABLE answer(run TEXT, url INTEGER, json TEXT);
CREATE TABLE stopwatch(run TEXT PRIMARY KEY, start REAL, stop REAL);

.print
.print ==== 1. Without a cache: a trigger computes the report for every request (a few seconds ...)
CREATE TABLE request(url INTEGER);
CREATE TRIGGER request_computed AFTER INSERT ON request BEGIN
  INSERT INTO answer SELECT 'no cache', url, json FROM report WHERE url = new.url;
END;
INSERT INTO stopwatch VALUES('no cache', julianday('now'), NULL);
INSERT INTO request SELECT url FROM log ORDER BY rowid;
UPDATE stopwatch SET stop = julianday('now') WHERE run = 'no cache';
SELECT printf('%,d requests in %.2f s', (SELECT count(*) FROM answer WHERE run = 'no cache'), (stop - start) * 86400)
FROM stopwatch WHERE run = 'no cache';

.print
.print ==== 2. The same requests; the trigger asks the cache first and computes on a miss only
DROP TRIGGER request_computed;
DELETE FROM request;
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=600);
CREATE TABLE run(name TEXT); -- which run it is that the trigger writes answers for
INSERT INTO run VALUES('empty cache');
CREATE TRIGGER request_cached AFTER INSERT ON request BEGIN
  INSERT OR IGNORE INTO cache(key, value)
    SELECT new.url, (SELECT json FROM report WHERE url = new.url) WHERE NOT hybrid_cache_has('cache', new.url);
  INSERT INTO answer SELECT name, new.url, hybrid_cache_get('cache', new.url) FROM run;
END;
INSERT INTO stopwatch VALUES('empty cache', julianday('now'), NULL);
INSERT INTO request SELECT url FROM log ORDER BY rowid;
UPDATE stopwatch SET stop = julianday('now') WHERE run = 'empty cache';
SELECT printf('%,d requests in %.2f s, %,d reports computed',
  (SELECT count(*) FROM answer WHERE run = 'empty cache'), (stop - start) * 86400,
  (SELECT puts FROM hybrid_cache_stats('cache')))
FROM stopwatch WHERE run = 'empty cache';

.print
.print ==== The process ends here; its memory, the L1 with it, is gone
