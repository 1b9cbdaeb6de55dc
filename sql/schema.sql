-- The shadow tables of one cache: what CREATE VIRTUAL TABLE ... USING hybrid_cache makes.
-- The build embeds this file; {schema} and {name} stand for the names of the cache, {n} for
-- nothing or a number that keeps an index name free (a renamed cache leaves its index names behind).
-- Both tables can be read without the extension (sql/inspect.sql); write to them through the cache.

-- One row an entry.
CREATE TABLE "{schema}"."{name}_data"(
  id INTEGER PRIMARY KEY,   -- write order: eviction sweeps in this order
  key UNIQUE,               -- as given; no affinity, so 1 and '1' are two keys
  expires,                  -- Unix time in seconds, INTEGER or REAL; 253402300799 = never
  tag,                      -- TEXT or NULL
  size INTEGER,             -- bytes of key, value and tag, and 64 for the row: what l2_bytes counts
  used INTEGER,             -- 1 = was read since the sweep passed last: it gets a second chance
  sum INTEGER,              -- checksum of key, expires, tag and value (xxHash); NULL = not checked
  value                     -- any type, as given; last, so that the other columns need no overflow page
);
CREATE INDEX "{schema}"."{name}_data_expires{n}" ON "{name}_data"(expires);
CREATE INDEX "{schema}"."{name}_data_tag{n}" ON "{name}_data"(tag) WHERE tag IS NOT NULL;

-- One row, id 1.
CREATE TABLE "{schema}"."{name}_meta"(
  id INTEGER PRIMARY KEY,
  format INTEGER,           -- 1: the number of this layout
  store INTEGER,            -- tells this cache from one of the same name made before or after it
  seed INTEGER,             -- of the hash that puts keys into buckets, the same for every process
  options TEXT,             -- 'ttl=300, l1_ttl=30, ...'
  state BLOB                -- little-endian 64-bit words: version, entries, bytes, hand, swept, 3 reserved, 256 buckets
);
