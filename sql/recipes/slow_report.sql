-- Memoising a slow view: a report with parameters, computed once for each of them.
--
-- When: a view or a JSON report is asked for more often than its tables change.
-- How: the parameters go into the key; the statement of get_or_compute.sql stores, a second view reads. Two ways to
--   keep it right: a version in the key, or a tag and a trigger.
-- Traps:
--   * Everything the answer depends on belongs into the key: parameters, language, rights of whoever asks.
--   * A view cannot store anything: the one below computes on a miss, again and again until the statement has run.
--   * Old versions stay until they expire or are evicted: give them a ttl or the cache a limit (l2_entries).

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=600, l2_entries=10000);
CREATE TABLE sale(region TEXT, product TEXT, amount INTEGER);
INSERT INTO sale VALUES('north', 'pen', 3), ('north', 'ink', 20), ('south', 'pen', 4), ('south', 'paper', 9);

-- The slow view, one row for each region.
CREATE VIEW report(region, json) AS
  SELECT region, json_object('total', sum(amount), 'best', (
    SELECT product FROM sale AS s WHERE s.region = sale.region ORDER BY amount DESC LIMIT 1))
  FROM sale GROUP BY region;

-- What the report is as of: a number that moves with every change of the table, here by triggers.
CREATE TABLE version(name TEXT PRIMARY KEY, number INTEGER);
INSERT INTO version VALUES('sale', 1);
CREATE TRIGGER sale_inserted AFTER INSERT ON sale BEGIN UPDATE version SET number = number + 1 WHERE name = 'sale'; END;

-- The same report from the cache; COALESCE computes on a miss only.
CREATE VIEW fast_report(region, json) AS
  SELECT region, coalesce(
    hybrid_cache_get('cache', 'report:' || region || ':' || number),
    (SELECT json FROM report WHERE report.region = asked.region))
  FROM (SELECT DISTINCT region FROM sale) AS asked, version WHERE version.name = 'sale';

.print Stored once for each region:
INSERT OR IGNORE INTO cache(key, value)
  SELECT 'report:' || asked.region || ':' || number, (SELECT json FROM report WHERE report.region = asked.region)
  FROM (SELECT DISTINCT region FROM sale) AS asked, version
  WHERE version.name = 'sale' AND NOT hybrid_cache_has('cache', 'report:' || asked.region || ':' || number);
SELECT changes();
SELECT * FROM fast_report ORDER BY region;
SELECT gets, misses FROM hybrid_cache_stats('cache');

.print After a change the version is another, and so is the key:
INSERT INTO sale VALUES('south', 'ink', 40);
SELECT * FROM fast_report ORDER BY region;
SELECT key FROM cache WHERE key GLOB 'report:south:*';

.print Only what has changed: a tag for what the entry was made from, and a trigger that deletes by it
INSERT INTO cache(key, value, tag) SELECT 'summary:' || region, json, 'sale in ' || region FROM report;
CREATE TRIGGER sale_region AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE tag = 'sale in ' || new.region; END;
INSERT INTO sale VALUES('north', 'paper', 1);
SELECT key, value FROM cache WHERE key GLOB 'summary:*' ORDER BY key;
