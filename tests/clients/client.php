<?php
// hybrid_cache from PHP: php -d sqlite3.extension_dir=DIRECTORY client.php EXTENSION FILE [ROUNDS PROCESSES]
//
// PHP loads extensions from the one directory that php.ini (or -d) names, and wants the file's name with its suffix.
declare(strict_types=1);

final class Cache
{
    public readonly SQLite3 $db;

    public function __construct(string $file, string $extension)
    {
        $this->db = new SQLite3($file);
        $this->db->enableExceptions(true);
        $this->db->busyTimeout(60000);
        $this->db->loadExtension($extension);
        $this->db->exec('PRAGMA journal_mode = WAL');
    }

    /** Binds each value by its PHP type; bytes come as a Blob, since PHP has only one type of string. */
    private function run(string $sql, mixed ...$values): SQLite3Result
    {
        $statement = $this->db->prepare($sql);
        foreach ($values as $i => $value) {
            if ($value instanceof Blob) {
                $statement->bindValue($i + 1, $value->bytes, SQLITE3_BLOB);
            } else {
                $statement->bindValue($i + 1, $value);
            }
        }
        return $statement->execute();
    }

    public function get(string $key): mixed
    {
        return $this->run("SELECT hybrid_cache_get('cache', ?)", $key)->fetchArray(SQLITE3_NUM)[0];
    }

    public function has(string $key): bool
    {
        return $this->run("SELECT hybrid_cache_has('cache', ?)", $key)->fetchArray(SQLITE3_NUM)[0] === 1;
    }

    /** Without a ttl the entry lives as long as the cache's option says. */
    public function put(string $key, mixed $value, ?float $ttl = null): void
    {
        $this->run('INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)', $key, $value, $ttl);
    }

    /**
     * On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer; nobody
     * can change the data in between, so no outdated answer is stored. (null counts as a miss here.)
     */
    public function getOrCompute(string $key, float $ttl, callable $compute): mixed
    {
        return $this->get($key) ?? $this->transaction(function () use ($key, $ttl, $compute) {
            $value = $this->get($key); // another process may have been faster
            if ($value === null) {
                $value = $compute();
                $this->put($key, $value, $ttl);
            }
            return $value;
        });
    }

    public function increment(string $key): int
    {
        return $this->transaction(function () use ($key) {
            $this->run('INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)', $key);
            $this->run('UPDATE cache SET value = value + 1 WHERE key = ?', $key);
            return $this->get($key);
        });
    }

    /** IMMEDIATE takes the write lock at once: what is read inside stays true until COMMIT. */
    private function transaction(callable $work): mixed
    {
        $this->db->exec('BEGIN IMMEDIATE');
        try {
            $result = $work();
            $this->db->exec('COMMIT');
            return $result;
        } catch (Throwable $error) {
            $this->db->exec('ROLLBACK');
            throw $error;
        }
    }
}

final class Blob
{
    public function __construct(public readonly string $bytes)
    {
    }
}

function tour(Cache $cache): void
{
    $db = $cache->db;
    echo 'loaded: hybrid_cache ', $db->querySingle('SELECT hybrid_cache_version()'), "\n";
    $db->exec("
        CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);
        CREATE TABLE sale(product TEXT, amount INTEGER);
        INSERT INTO sale VALUES('tea', 5), ('tea', 7);
        CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;
    ");

    $cache->put('name', 'Zoë 🦊', 60);
    echo 'put and get: ', $cache->get('name'), "\n";
    echo 'miss: ', $cache->get('nobody') ?? 'null', "\n";
    $cache->put('nothing', null);
    echo 'cached null: ', $cache->has('nothing') ? 'hit' : 'miss', "\n";

    foreach ([42, 1.5, 'text', new Blob("\x00\xff"), null] as $i => $value) {
        $cache->put("type:$i", $value);
    }
    $types = [];
    $rows = $db->query("SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key");
    while ($row = $rows->fetchArray(SQLITE3_NUM)) {
        $types[] = $row[0];
    }
    echo 'types: ', implode(' ', $types), "\n";
    echo 'blob: ', bin2hex($cache->get('type:3')), "\n";

    $total = function () use ($db): int {
        echo "computing\n";
        return $db->querySingle('SELECT sum(amount) FROM sale');
    };
    echo 'total: ' . $cache->getOrCompute('total', 60, $total) . "\n";
    echo 'total: ' . $cache->getOrCompute('total', 60, $total) . "\n";
    $db->exec("INSERT INTO sale VALUES('cocoa', 3)"); // the trigger removes the entry
    echo 'total: ' . $cache->getOrCompute('total', 60, $total) . "\n";

    $db->exec('BEGIN');
    $cache->put('name', 'Grace');
    echo 'in the transaction: ', $cache->get('name'), "\n";
    $db->exec('ROLLBACK');
    echo 'after the rollback: ', $cache->get('name'), "\n";

    echo 'increment: ', $cache->increment('visits'), "\n";
    echo 'increment: ', $cache->increment('visits'), "\n";

    // PHP runs a SELECT once to see whether it works and once more to fetch: counts of gets are twice what you expect.
    $db->querySingle("SELECT hybrid_cache_reset_stats('cache')");
    foreach (['name', 'total', 'visits', 'nobody'] as $key) {
        $cache->get($key);
    }
    $stats = $db->querySingle("SELECT * FROM hybrid_cache_stats('cache')", true);
    echo "statistics: {$stats['l2_count']} entries, hit ratio {$stats['hit_ratio']}\n";

    $mistakes = [
        "INSERT INTO cache(key, value) VALUES('name', 'Ada')",
        "INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')",
    ];
    foreach ($mistakes as $mistake) {
        try {
            $db->exec($mistake);
        } catch (Exception $error) {
            echo 'error: ', $error->getMessage(), "\n";
        }
    }
}

/** Run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice. */
function race(Cache $cache, int $rounds, int $processes): void
{
    for ($page = 1; $page <= $rounds; $page++) {
        $cache->increment('arrived');
        while ($cache->get('arrived') < $page * $processes) {
            // a hit that asks whether somebody has written costs next to nothing
        }
        $cache->getOrCompute("page:$page", 60, function () use ($page): string {
            echo "computing page $page\n";
            return '<html>';
        });
        for ($i = 0; $i < 10; $i++) {
            echo 'ticket ' . $cache->increment('ticket') . "\n";
        }
    }
}

[, $extension, $file] = $argv;
$cache = new Cache($file, $extension);
isset($argv[3]) ? race($cache, (int) $argv[3], (int) $argv[4]) : tour($cache);
$cache->db->close();
