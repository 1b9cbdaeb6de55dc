-- Looks into a cache's tables without the extension:
--
--     sqlite3 -readonly app.db ".read sql/inspect.sql"
--
-- For a cache of another name than `cache`, replace cache_data and cache_meta. What the columns mean: sql/schema.sql.

.mode box

.print Entries by what has become of them; bytes are those of key, value and tag, and 64 for the row
SELECT CASE WHEN expires = 253402300799 THEN 'never expires'
            WHEN expires > unixepoch() THEN 'live'
            ELSE 'expired, not yet purged' END AS state,
       count(*) AS entries,
       sum(size) AS bytes
FROM cache_data GROUP BY state ORDER BY state;

.print
.print The largest entries
SELECT key, typeof(value) AS type, size AS bytes, tag
FROM cache_data ORDER BY size DESC, key LIMIT 5;

.print
.print The next to expire
SELECT key, datetime(expires, 'unixepoch') AS expires
FROM cache_data WHERE expires > unixepoch() AND expires < 253402300799 ORDER BY cache_data.expires, key LIMIT 5;

.print
.print Tags
SELECT coalesce(tag, '(none)') AS tag, count(*) AS entries, sum(size) AS bytes
FROM cache_data GROUP BY cache_data.tag ORDER BY entries DESC, tag;

.print
.print Options
SELECT substr(value, 1, instr(value, '=') - 1) AS option, substr(value, instr(value, '=') + 1) AS value
FROM cache_meta, json_each('["' || replace(options, ', ', '","') || '"]');
