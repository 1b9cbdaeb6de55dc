# frozen_string_literal: true

# hybrid_cache from Ruby's sqlite3: ruby client.rb EXTENSION FILE [ROUNDS PROCESSES]
require 'sqlite3'

# Lets key-value code read as such; the database stays reachable as #db.
class Cache
  attr_reader :db

  def initialize(file, extension)
    @db = SQLite3::Database.new(file)
    @db.busy_timeout = 60_000
    @db.enable_load_extension(true)
    @db.load_extension(extension)
    @db.enable_load_extension(false)
    @db.execute('PRAGMA journal_mode = WAL')
  end

  def get(key)
    @db.get_first_value("SELECT hybrid_cache_get('cache', ?)", [key])
  end

  def has?(key)
    @db.get_first_value("SELECT hybrid_cache_has('cache', ?)", [key]) == 1
  end

  # Without a ttl the entry lives as long as the cache's option says. A String in BINARY encoding becomes a BLOB.
  def put(key, value, ttl = nil)
    @db.execute('INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)', [key, value, ttl])
  end

  # On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer; nobody can
  # change the data in between, so no outdated answer is stored. (nil counts as a miss here.)
  def get_or_compute(key, ttl)
    value = get(key)
    return value unless value.nil?

    transaction do
      value = get(key) # another process may have been faster
      put(key, value = yield, ttl) if value.nil?
    end
    value
  end

  def increment(key)
    value = nil
    transaction do
      @db.execute('INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)', [key])
      @db.execute('UPDATE cache SET value = value + 1 WHERE key = ?', [key])
      value = get(key)
    end
    value
  end

  # Immediate takes the write lock at once: what is read inside stays true until the commit.
  def transaction(&work)
    @db.transaction(:immediate, &work)
  end
end

def tour(cache)
  db = cache.db
  puts "loaded: hybrid_cache #{db.get_first_value('SELECT hybrid_cache_version()')}"
  db.execute_batch(<<~SQL)
    CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);
    CREATE TABLE sale(product TEXT, amount INTEGER);
    INSERT INTO sale VALUES('tea', 5), ('tea', 7);
    CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;
  SQL

  cache.put('name', 'Zoë 🦊', 60)
  puts "put and get: #{cache.get('name')}"
  puts "miss: #{cache.get('nobody') || 'null'}"
  cache.put('nothing', nil)
  puts "cached null: #{cache.has?('nothing') ? 'hit' : 'miss'}"

  [42, 1.5, 'text', "\x00\xff".b, nil].each_with_index { |value, i| cache.put("type:#{i}", value) }
  types = db.execute("SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key")
  puts "types: #{types.join(' ')}"
  puts "blob: #{cache.get('type:3').unpack1('H*')}"

  total = lambda do
    puts 'computing'
    db.get_first_value('SELECT sum(amount) FROM sale')
  end
  puts "total: #{cache.get_or_compute('total', 60, &total)}"
  puts "total: #{cache.get_or_compute('total', 60, &total)}"
  db.execute("INSERT INTO sale VALUES('cocoa', 3)") # the trigger removes the entry
  puts "total: #{cache.get_or_compute('total', 60, &total)}"

  db.transaction
  cache.put('name', 'Grace')
  puts "in the transaction: #{cache.get('name')}"
  db.rollback
  puts "after the rollback: #{cache.get('name')}"

  puts "increment: #{cache.increment('visits')}"
  puts "increment: #{cache.increment('visits')}"

  db.execute("SELECT hybrid_cache_reset_stats('cache')")
  %w[name total visits nobody].each { |key| cache.get(key) }
  entries, ratio = db.get_first_row("SELECT l2_count, hit_ratio FROM hybrid_cache_stats('cache')")
  puts "statistics: #{entries} entries, hit ratio #{ratio}"

  [
    "INSERT INTO cache(key, value) VALUES('name', 'Ada')",
    "INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')"
  ].each do |mistake|
    db.execute(mistake)
  rescue SQLite3::Exception => e
    puts "error: #{e.message}"
  end
end

# Run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice.
def race(cache, rounds, processes)
  1.upto(rounds) do |page|
    cache.increment('arrived')
    nil while cache.get('arrived') < page * processes # a hit that asks whether somebody has written is cheap
    cache.get_or_compute("page:#{page}", 60) do
      puts "computing page #{page}"
      '<html>'
    end
    10.times { puts "ticket #{cache.increment('ticket')}" }
  end
end

extension, file, rounds, processes = ARGV
cache = Cache.new(file, extension)
rounds ? race(cache, rounds.to_i, processes.to_i) : tour(cache)
cache.db.close
