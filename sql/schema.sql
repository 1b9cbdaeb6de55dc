-- The shadow tables of one cache: what CREATE VIRTUAL TABLE ... USING hybrid_cache makes.
-- The build embeds this file; {schema} and {name} stand for the names of the cache, {n} for
-- nothing or a number that keeps a name free (a renamed cache leaves its index names behind).
-- Both tables can be read without the extension (sql/inspect.sql); write to them through the cache.

-- One row an entry.
CREATE TABLE "{schema}"."{name}_data"(
  id INTEGER PRIMARY KEY,   -- write order: eviction sweeps in this order
  key UNIQUE,               -- as given; no affinity, so 1 and '1' are two keys
  expires,                  -- Unix time in seconds, INTEGER or REAL; 253402300799 = never
  due DEFAULT 0,            -- not later than expires: when a purge looks at the row. A deadline that moves away leaves it alone
  tag,                      -- TEXT or NULL
  size INTEGER,             -- bytes of key, value and tag, and 64 for the row: what l2_bytes counts
  used INTEGER,             -- 1 = was read since the sweep passed last: it gets a second chance
  sum INTEGER,              -- checksum of key, expires, tag and value (xxHash); NULL = not checked
  value                     -- any type, as given; last, so that the other columns need no overflow page
);
CREATE INDEX "{schema}"."{name}_data_due{n}" ON "{name}_data"(due);
CREATE INDEX "{schema}"."{name}_data_tag{n}" ON "{name}_data"(tag) WHERE tag IS NOT NULL;

-- Two rows: id 1 has all columns but the last, id 2 the last one only.
CREATE TABLE "{schema}"."{name}_meta"(
  id INTEGER PRIMARY KEY,
  format INTEGER,           -- 2: the number of this layout
  store INTEGER,            -- tells this cache from one of the same name made before or after it
  seed INTEGER,             -- of the hash that puts keys into buckets, the same for every process
  options TEXT,             -- 'ttl=300, l1_ttl=30, ...'
  state BLOB,               -- little-endian 64-bit words: version, entries, bytes, hand, changes, 3 reserved, 256 buckets
  changes INTEGER           -- changes of the data table, whoever made them. `state` has those that the cache made: where
                            -- the difference moves, every L1 forgets what it has
);

-- Writes past the cache are counted with the others. No expression here calls a function: SQLite would then
-- keep a statement journal for each row, at three times the cost.
CREATE TRIGGER "{schema}"."{name}_data_insert{n}" AFTER INSERT ON "{name}_data"
  BEGIN UPDATE "{name}_meta" SET changes = changes + 1 WHERE id = 2; END;
CREATE TRIGGER "{schema}"."{name}_data_update{n}" AFTER UPDATE OF id, key, expires, tag, size, sum, value ON "{name}_data"
  BEGIN UPDATE "{name}_meta" SET changes = changes + 1 WHERE id = 2; END;
CREATE TRIGGER "{schema}"."{name}_data_delete{n}" AFTER DELETE ON "{name}_data"
  BEGIN UPDATE "{name}_meta" SET changes = changes + 1 WHERE id = 2; END;
