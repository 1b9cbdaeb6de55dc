-- Invalidation in your own transaction: triggers on the base table delete the cache entry, so that the entry is gone
-- exactly if the change is committed.
--
-- When: the cached value comes from rows that SQL statements change.
-- How: AFTER UPDATE and AFTER DELETE triggers, and AFTER INSERT where a missing row is cached as well
--   (negative_caching.sql). The view below writes them for a table of yours.
-- Traps:
--   * The price: from then on only programs that have loaded the extension can write that table (shown at the end).
--     Where that is too much, let the entries expire, or make the triggers TEMP in the programs that do load it.
--   * An UPDATE may change the key itself: forget old and new.
--   * INSERT OR REPLACE deletes the row in its way without a DELETE trigger, unless PRAGMA recursive_triggers is on. An
--     INSERT trigger catches that for the same primary key, not for a row in the way of another UNIQUE column.
--   * A trigger cannot reach a cache in another file; a TEMP trigger can (separate_cache_file.sql).
--   * Between computing and storing, the row may change: do both in one transaction, or one statement
--     (get_or_compute.sql), so that no old value is stored after the trigger has run.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;
CREATE TABLE user(id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO user VALUES(42, 'Ada');

CREATE TRIGGER user_changed AFTER UPDATE ON user BEGIN
  DELETE FROM cache WHERE key IN ('user:' || old.id, 'user:' || new.id);
END;
CREATE TRIGGER user_gone AFTER DELETE ON user BEGIN
  DELETE FROM cache WHERE key = 'user:' || old.id;
END;

INSERT INTO cache(key, value) SELECT 'user:' || id, name FROM user;

.print A change that is rolled back takes nothing out of the cache:
BEGIN;
UPDATE user SET name = 'Grace' WHERE id = 42;
SELECT 'inside', hybrid_cache_get('cache', 'user:42', 'not cached');
ROLLBACK;
SELECT 'after', hybrid_cache_get('cache', 'user:42', 'not cached');

.print A change that is committed does:
UPDATE user SET name = 'Grace' WHERE id = 42;
SELECT 'after', hybrid_cache_get('cache', 'user:42', 'not cached');

.print
.print This view writes the triggers for any table with a primary key, a row for each trigger:
CREATE TEMP VIEW cache_trigger(name, sql) AS
  WITH event(verb, side) AS (VALUES('INSERT', 'new'), ('UPDATE', 'old'), ('UPDATE', 'new'), ('DELETE', 'old')),
    key(name, verb, text) AS (
      SELECT base.name, verb, printf('%Q', base.name) || (
        SELECT group_concat(printf(' || '':'' || %s."%w"', side, name), '')
        FROM (SELECT name FROM pragma_table_info(base.name) WHERE pk > 0 ORDER BY pk))
      FROM sqlite_master AS base, event WHERE type = 'table')
  SELECT name, printf('CREATE TRIGGER "%w_cache_%s" AFTER %s ON "%w" BEGIN DELETE FROM cache WHERE key IN (%s); END;',
                      name, lower(verb), verb, name, group_concat(text, ', '))
  FROM key WHERE text IS NOT NULL GROUP BY name, verb;

CREATE TABLE price(shop TEXT, item TEXT, cents INTEGER, PRIMARY KEY(shop, item));
SELECT sql FROM cache_trigger WHERE name = 'price';

.print
.print They run as they are:
.once build/triggers.sql
SELECT sql FROM cache_trigger WHERE name = 'price';
.read build/triggers.sql
INSERT INTO price VALUES('north', 'tea', 250);
INSERT INTO cache(key, value) SELECT 'price:' || shop || ':' || item, cents FROM price;
REPLACE INTO price VALUES('north', 'tea', 260);
SELECT cents, hybrid_cache_get('cache', 'price:north:tea', 'not cached') FROM price;

.print
.print The price: a program without the extension can still read these tables, and no longer write them
.shell sqlite3 app.db "SELECT name FROM user"
.shell sqlite3 app.db "UPDATE user SET name = 'Joan'" 2>&1; true
