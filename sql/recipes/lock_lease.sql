-- A lock with a deadline (a lease): INSERT OR IGNORE stores the entry only if nobody holds it, and changes() says
-- whether it did. A holder that dies loses the lock when its time is up.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;

.print Take it, for ten seconds:
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('lock:import', 'worker 1', 10);
SELECT CASE changes() WHEN 1 THEN 'worker 1 has it' ELSE 'worker 1 must wait' END;
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('lock:import', 'worker 2', 10);
SELECT CASE changes() WHEN 1 THEN 'worker 2 has it' ELSE 'worker 2 must wait' END;

.print Hold it longer, if it is still one's own:
UPDATE cache SET ttl = 60 WHERE key = 'lock:import' AND value = 'worker 1';
SELECT changes(), hybrid_cache_ttl('cache', 'lock:import') > 10;

.print Give it back, if it is still one's own:
DELETE FROM cache WHERE key = 'lock:import' AND value = 'worker 2';
SELECT changes();
DELETE FROM cache WHERE key = 'lock:import' AND value = 'worker 1';
SELECT changes();

.print An expired lock is nobody's:
INSERT INTO cache(key, value, expires) VALUES('lock:import', 'worker 1, which died', unixepoch() - 1);
INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('lock:import', 'worker 2', 10);
SELECT CASE changes() WHEN 1 THEN 'worker 2 has it' ELSE 'worker 2 must wait' END;
