-- Giving file space back: what was purged, deleted or cleared leaves free pages in the file, which later writes use.
--
-- When: the file was much larger than it will be again. In a steady state there is nothing to do: free pages are used
--   before the file grows, and l2_bytes bounds it from the start.
-- How: PRAGMA auto_vacuum = INCREMENTAL before the first table of the file, then PRAGMA incremental_vacuum(pages) bit by
--   bit, each a short transaction; or VACUUM, which writes the whole file anew.
-- Traps:
--   * auto_vacuum must be set before the first CREATE. On a file that has tables: set it, then VACUUM once.
--   * incremental_vacuum frees one page a step: run it to its end. Python: executescript(), since execute() frees
--     one page.
--   * VACUUM needs free disk space for a second copy, no open transaction, and locks everybody else out of writing.
--   * In WAL mode the file shrinks at the next checkpoint: PRAGMA wal_checkpoint(TRUNCATE).
--   * A cache in a file of its own can also be dropped with the file.

PRAGMA auto_vacuum = INCREMENTAL;
.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=60);
CREATE VIEW pages AS SELECT page_count AS pages, freelist_count AS free FROM pragma_page_count, pragma_freelist_count;

.print Pages of the file, and free ones among them: empty, then with 1000 entries of 1 KB
SELECT * FROM pages;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO cache(key, value, ttl) SELECT i, zeroblob(1000), iif(i <= 900, 60, 3600) FROM n;
SELECT * FROM pages;

.print 900 of them have expired, as of two minutes from now; purge removes the rows and leaves the pages
INSERT INTO cache(cache, expires) VALUES('purge', unixepoch() + 120);
SELECT last_purge FROM hybrid_cache_stats('cache');
SELECT * FROM pages;

.print Give back at most 100 pages, then the rest:
PRAGMA incremental_vacuum(100);
SELECT * FROM pages;
PRAGMA incremental_vacuum;
SELECT * FROM pages;

.print The same for clear:
INSERT INTO cache(cache) VALUES('clear');
SELECT * FROM pages;
PRAGMA incremental_vacuum;
SELECT * FROM pages;

.print Free pages are used before the file grows: 100 entries come and go ten times
INSERT INTO cache(key, value) SELECT value, zeroblob(1000) FROM generate_series(1, 100);
SELECT * FROM pages;
DELETE FROM cache;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT OR REPLACE INTO cache(key, value) SELECT i % 100, zeroblob(1000) FROM n;
SELECT * FROM pages;

.print A file made without auto_vacuum: VACUUM
INSERT INTO cache(cache) VALUES('clear');
VACUUM;
SELECT * FROM pages;
INSERT INTO cache(cache) VALUES('check');
