-- The cache in a file of its own, beside the application's database.
--
-- Why: backups and replicas of app.db stay small, tools without the extension never meet the cache, and the cache may
-- be less careful than the data: with synchronous=OFF a put waits for no disk. A power cut may then damage cache.db,
-- never app.db; delete it and start anew.

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

.print A trigger that lives in app.db cannot name a table of another file; a TEMP trigger can:
CREATE TEMP TRIGGER user_changed AFTER UPDATE ON main.user BEGIN
  DELETE FROM cache WHERE key = 'user:' || old.id;
END;
UPDATE user SET name = 'Grace' WHERE id = 42;
SELECT name, hybrid_cache_get('cache', 'user:42', 'not cached') FROM user;

.print Nothing of the cache is in app.db:
SELECT count(*) FROM main.sqlite_schema WHERE name LIKE 'cache%';
