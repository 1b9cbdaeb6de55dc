-- Invalidation in your own transaction: triggers on the base table delete the cache entry, so that the entry is gone
-- exactly if the change is committed.
--
-- The price: from then on only programs that have loaded the extension can write that table.

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
.print This query writes the triggers for any table with a one-column key (here: user, id):
WITH target(name, pk) AS (VALUES('user', 'id')), event(verb, rows) AS (VALUES('UPDATE', 'old new'), ('DELETE', 'old'))
SELECT printf('CREATE TRIGGER "%w_%s" AFTER %s ON "%w" BEGIN DELETE FROM cache WHERE key IN (%s); END;',
              name, lower(verb), verb, name,
              (SELECT group_concat(printf('%Q || %s."%w"', name || ':', value, pk), ', ')
               FROM json_each('["' || replace(rows, ' ', '","') || '"]')))
FROM target, event;
