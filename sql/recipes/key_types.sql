-- Keys and numbers from loosely typed programs.
--
-- When: always worth knowing: the same number reaches SQLite as INTEGER from one language and as TEXT from another.
-- How: a key is compared by value and type: 1 and 1.0 are one key; 1, '1' and x'31' are three. Decide on one type, and
--   CAST where keys enter.
-- Traps:
--   * A miss after a put, from another language or another query, is nearly always this. typeof(key) tells.
--   * Perl's DBD::SQLite and PHP's PDO bind a number as text unless told its type: the key is '5'. In Tcl it depends on
--     how the variable was used last. Node's better-sqlite3 binds 5 as 5.0, which is the same key.
--   * A key read from a column has that column's type: an INTEGER column finds 5, a TEXT column finds '5'.
--   * Text with bytes from elsewhere: 'é' as one character and as e with an accent are two keys.
-- Numbers that are no keys are forgiving: ttl, options and arguments of commands may be text. `expires` may not, since
-- '2030-01-01' would be the year 2030 in seconds.

.load ./dist/hybrid_cache
CREATE VIRTUAL TABLE cache USING hybrid_cache;

.print 1 and 1.0 are one key, the others are their own:
INSERT INTO cache(key, value) VALUES(1, 'integer'), ('1', 'text'), (x'31', 'blob');
SELECT quote(key), typeof(key), value FROM cache ORDER BY key;
SELECT hybrid_cache_get('cache', 1.0), hybrid_cache_get('cache', '1');
INSERT INTO cache(key, value) VALUES(1.0, 'real');

.print A parameter has the type it was bound with; CAST settles it:
.parameter init
.parameter set :id "'42'"
INSERT INTO cache(key, value) VALUES(CAST(:id AS INTEGER), 'Ada');
SELECT coalesce(hybrid_cache_get('cache', :id), 'no such text'), hybrid_cache_get('cache', CAST(:id AS INTEGER));

.print Or keys that are text whatever comes in:
INSERT INTO cache(key, value) VALUES('user:' || :id, 'Ada'), ('user:' || 43, 'Grace');
SELECT key FROM cache WHERE key GLOB 'user:*' ORDER BY key;

.print A join compares with the type of the column:
CREATE TABLE visit(id INTEGER, code TEXT);
INSERT INTO visit VALUES(1, '1');
SELECT (SELECT value FROM cache WHERE key = visit.id), (SELECT value FROM cache WHERE key = visit.code) FROM visit;

.print ttl as text is a number; what is none is refused:
INSERT INTO cache(key, value, ttl) VALUES('session', 1, '60');
SELECT round(ttl) FROM cache WHERE key = 'session';
INSERT INTO cache(key, value, ttl) VALUES('soon', 1, '60 seconds');
INSERT INTO cache(cache, value) VALUES('ttl', '120');
SELECT hybrid_cache_option('cache', 'ttl');

.print expires is a number; a date goes through unixepoch:
INSERT INTO cache(key, value, expires) VALUES('date', 1, '2030-01-01');
INSERT INTO cache(key, value, expires) VALUES('date', 1, unixepoch('2030-01-01'));
SELECT datetime(expires, 'unixepoch') FROM cache WHERE key = 'date';
