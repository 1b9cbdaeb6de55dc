-- The cache in a file of its own, beside the application's database.
--
-- When: backups and replicas of app.db should stay small, tools without the extension should never meet the cache, or
--   the cache may be less careful than the data: with synchronous=OFF a put waits for no disk.
-- How: ATTACH, three pragmas, and the schema name in CREATE.
-- Traps:
--   * A power cut may damage cache.db, never app.db: delete cache.db (and its -wal, -shm) and start anew.
--   * A rollback undoes both files. But in WAL mode SQLite commits one file after the other: a crash in the middle of
--     COMMIT may leave one of them committed. An entry may be gone without its change (harmless), or be left although
--     the row has changed. Let entries expire, or clear the cache after a crash.
--   * ATTACH and synchronous hold for the connection: do both in the "on connect" hook, as the loading itself.
--   * A trigger in app.db cannot name a table of another file; a TEMP trigger can, and is made by each connection.
--     Programs that do not make it, invalidate nothing.

.open app.db
.load ./dist/hybrid_cache
PRAGMA journal_mode = WAL;
CREATE TABLE user(id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO user VALUES(42, 'Ada');

ATTACH 'cache.db' AS side;
PRAGMA side.journal_mode = WAL;
PRAGMA side.synchronous = OFF;
CREATE VIRTUAL TABLE side.cache USING hybrid_cache;

.print The name alone is enough while no other schema has a cache of that name:
INSERT INTO cache(key, value) SELECT 'user:' || id, name FROM user;
SELECT hybrid_cache_get('cache', 'user:42'), hybrid_cache_get('side.cache', 'user:42');

.print A transaction spans both files:
BEGIN;
UPDATE user SET name = 'Grace' WHERE id = 42;
DELETE FROM cache WHERE key = 'user:42';
ROLLBACK;
SELECT name, hybrid_cache_get('cache', 'user:42') FROM user;

.print A trigger that lives in app.db cannot name a table of another file:
CREATE TRIGGER user_changed AFTER UPDATE ON user BEGIN
  DELETE FROM side.cache WHERE key = 'user:' || old.id;
END;

.print A TEMP trigger can:
CREATE TEMP TRIGGER user_changed AFTER UPDATE ON main.user BEGIN
  DELETE FROM cache WHERE key = 'user:' || old.id;
END;
UPDATE user SET name = 'Grace' WHERE id = 42;
SELECT name, hybrid_cache_get('cache', 'user:42', 'not cached') FROM user;

.print Nothing of the cache is in app.db:
SELECT count(*) FROM main.sqlite_schema WHERE name LIKE 'cache%';
