-- A lock with a deadline (a lease): INSERT OR IGNORE stores the entry only if nobody holds it, and changes() says
-- whether it did.
--
-- When: one of several processes shall do a thing. All of them see the same file, and the machine is one.
-- How: take it with INSERT OR IGNORE and your own name as the value; prolong and give back only if it is still yours.
-- Traps:
--   * A holder that dies loses the lock when its time is up; a holder that is slow loses it as well, and does not
--     notice. Ask before the last step, in the transaction that writes the result (shown below).
--   * The name must be unique to the holder, not to the machine: hex(randomblob(8)).
--   * Do not hold a lease inside one long transaction: nobody else sees it before COMMIT.
--   * `clear`, l2_entries and l2_bytes may take a lease away: give locks a cache of their own, without limits.
--   * changes() speaks of this connection's last statement: ask it at once, on the same connection.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE lock USING hybrid_cache;
CREATE TABLE import(line TEXT);

.print Take it, for ten seconds:
INSERT OR IGNORE INTO lock(key, value, ttl) VALUES('import', 'worker 1', 10);
SELECT CASE changes() WHEN 1 THEN 'worker 1 has it' ELSE 'worker 1 must wait' END;
INSERT OR IGNORE INTO lock(key, value, ttl) VALUES('import', 'worker 2', 10);
SELECT CASE changes() WHEN 1 THEN 'worker 2 has it' ELSE 'worker 2 must wait' END;

.print Hold it longer, if it is still one's own:
UPDATE lock SET ttl = 60 WHERE key = 'import' AND value = 'worker 1';
SELECT changes(), hybrid_cache_ttl('lock', 'import') > 10;

.print Write the result, if it is still one's own:
BEGIN IMMEDIATE;
INSERT INTO import SELECT 'the result' WHERE (SELECT value FROM lock WHERE key = 'import') = 'worker 1';
SELECT changes();
COMMIT;

.print Give it back, if it is still one's own:
DELETE FROM lock WHERE key = 'import' AND value = 'worker 2';
SELECT changes();
DELETE FROM lock WHERE key = 'import' AND value = 'worker 1';
SELECT changes();

.print An expired lock is nobody's:
INSERT INTO lock(key, value, expires) VALUES('import', 'worker 1, which died', unixepoch() - 1);
INSERT OR IGNORE INTO lock(key, value, ttl) VALUES('import', 'worker 2', 10);
SELECT CASE changes() WHEN 1 THEN 'worker 2 has it' ELSE 'worker 2 must wait' END;

.print And its former holder, back from a long pause, writes nothing:
BEGIN IMMEDIATE;
INSERT INTO import SELECT 'the result' WHERE (SELECT value FROM lock WHERE key = 'import') = 'worker 1';
SELECT changes();
COMMIT;
