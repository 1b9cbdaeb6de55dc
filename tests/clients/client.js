// hybrid_cache from Node with better-sqlite3: node client.js EXTENSION FILE [ROUNDS PROCESSES]
const Database = require('better-sqlite3');

function connect(file, extension) {
  const db = new Database(file, { timeout: 60000 });
  db.loadExtension(extension); // needs no permission first
  db.pragma('journal_mode = WAL');
  return db;
}

class Cache {
  constructor(db) {
    this.db = db;
    // Prepared once, like any statement that runs often. pluck() gives the first column instead of a row.
    this.getOne = db.prepare("SELECT hybrid_cache_get('cache', ?)").pluck();
    this.hasOne = db.prepare("SELECT hybrid_cache_has('cache', ?)").pluck();
    this.putOne = db.prepare('INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)');
    this.createCounter = db.prepare('INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)');
    this.addOne = db.prepare('UPDATE cache SET value = value + 1 WHERE key = ?');
  }

  // IMMEDIATE takes the write lock at once: what is read inside stays true until the commit.
  transaction(work) {
    return this.db.transaction(work).immediate();
  }

  get(key) {
    return this.getOne.get(key); // null on a miss
  }

  // A number is bound as a real; for an integer in the cache give a BigInt, as in 42n.
  put(key, value, ttl = null) {
    this.putOne.run(key, value, ttl);
  }

  has(key) {
    return this.hasOne.get(key) === 1;
  }

  // On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer; nobody
  // can change the data in between, so no outdated answer is stored. (null counts as a miss here.)
  getOrCompute(key, ttl, compute) {
    const value = this.get(key);
    if (value !== null) return value;
    return this.transaction(() => {
      let value = this.get(key); // another process may have been faster
      if (value === null) {
        value = compute();
        this.put(key, value, ttl);
      }
      return value;
    });
  }

  increment(key) {
    return this.transaction(() => {
      this.createCounter.run(key);
      this.addOne.run(key);
      return this.get(key);
    });
  }
}

function tour(db) {
  console.log('loaded: hybrid_cache', db.prepare('SELECT hybrid_cache_version()').pluck().get());
  db.exec(`
    CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);
    CREATE TABLE sale(product TEXT, amount INTEGER);
    INSERT INTO sale VALUES('tea', 5), ('tea', 7);
    CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;
  `);
  const cache = new Cache(db);

  cache.put('name', 'Zoë 🦊', 60);
  console.log('put and get:', cache.get('name'));
  console.log('miss:', cache.get('nobody'));
  cache.put('nothing', null);
  console.log('cached null:', cache.has('nothing') ? 'hit' : 'miss');

  [42n, 1.5, 'text', Buffer.from([0x00, 0xff]), null].forEach((value, i) => cache.put(`type:${i}`, value));
  const types = db.prepare("SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key").pluck().all();
  console.log('types:', types.join(' '));
  console.log('blob:', cache.get('type:3').toString('hex'));

  const total = () => {
    console.log('computing');
    return db.prepare('SELECT sum(amount) FROM sale').pluck().get();
  };
  console.log('total:', cache.getOrCompute('total', 60, total));
  console.log('total:', cache.getOrCompute('total', 60, total));
  db.exec("INSERT INTO sale VALUES('cocoa', 3)"); // the trigger removes the entry
  console.log('total:', cache.getOrCompute('total', 60, total));

  db.exec('BEGIN');
  cache.put('name', 'Grace');
  console.log('in the transaction:', cache.get('name'));
  db.exec('ROLLBACK');
  console.log('after the rollback:', cache.get('name'));

  console.log('increment:', cache.increment('visits'));
  console.log('increment:', cache.increment('visits'));

  db.prepare("SELECT hybrid_cache_reset_stats('cache')").get();
  for (const key of ['name', 'total', 'visits', 'nobody']) cache.get(key);
  const stats = db.prepare("SELECT * FROM hybrid_cache_stats('cache')").get();
  console.log(`statistics: ${stats.l2_count} entries, hit ratio ${stats.hit_ratio}`);

  for (const mistake of [
    "INSERT INTO cache(key, value) VALUES('name', 'Ada')",
    "INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')",
  ]) {
    try {
      db.exec(mistake);
    } catch (error) {
      console.log('error:', error.message);
    }
  }
}

// Run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice.
function race(db, rounds, processes) {
  const cache = new Cache(db);
  for (let page = 1; page <= rounds; page++) {
    cache.increment('arrived');
    while (cache.get('arrived') < page * processes); // a hit that asks whether somebody has written is cheap
    cache.getOrCompute(`page:${page}`, 60, () => {
      console.log('computing page', page);
      return '<html>';
    });
    for (let i = 0; i < 10; i++) console.log('ticket', cache.increment('ticket'));
  }
}

const [extension, file, rounds, processes] = process.argv.slice(2);
const db = connect(file, extension);
if (rounds) race(db, Number(rounds), Number(processes));
else tour(db);
db.close();
