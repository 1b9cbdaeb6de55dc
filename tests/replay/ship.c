/*
** ship.c: pages of a live cache, shipped to a second file that a reader has open with a warm L1.
**
**     ship --extension dist/hybrid_cache [--commits 1500] [--seed 1] [--plant counter|half]
**
** Three processes. The writer changes the cache in WAL mode and never waits, but for checkpoints: before one it waits until
** all was shipped, as Litestream makes it wait with a lock. The shipper (this process) copies the frames of whole transactions
** from the WAL into the second file, as LiteFS does: under SQLite's own file lock, the change counter moved by hand. The reader
** has the second file open, rollback-journal mode, read-only, and compares in each statement what L1 says with the table, and
** the newest value with the number of transactions that the shipper says are there.
** Every so often, and at the end, the shipper copies the second file and has `check` look at it: a restore.
**
** Planted: `counter` leaves the change counter alone, so that the reader's L1 hears of nothing; `half` stops a transaction
** short of its last page.
*/
#define _GNU_SOURCE
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define FRAME (24 + PAGE)
#define HEADER 32
#define KEYS 50
#define CHECKPOINT_EVERY 400 /* commits */
#define RESTORE_EVERY 100    /* transactions shipped */

/* Where SQLite locks a file: one byte pending, one reserved, 510 shared. */
#define LOCK_FIRST 0x40000000
#define LOCK_BYTES 512

static const char *extension, *plant = "";
static char directory[280], primary[320], wal[330], replica[320], restored[320];
static uint64_t seed = 1;
static atomic_long *announced; /* shared: the transactions that are in the second file */

static _Noreturn void die(const char *what, sqlite3 *db) {
    fprintf(stderr, "ship: %s: %s\n", what, db ? sqlite3_errmsg(db) : strerror(errno));
    exit(2);
}

static sqlite3 *connect_to(const char *path, int flags) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        die(path, db);
    sqlite3_busy_timeout(db, 60000);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension, "sqlite3_hybridcache_init", NULL) != SQLITE_OK)
        die(extension, db);
    return db;
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, db);
}

static void send_byte(int to, char byte) {
    if (write(to, &byte, 1) != 1)
        die("pipe", NULL);
}

static char receive_byte(int from) {
    char byte = 0;
    return read(from, &byte, 1) == 1 ? byte : 0;
}

/* ---- the writer: three keys in step, and others that come and go */

static void writer(int commits, int to, int from) {
    uint64_t random = seed;
    sqlite3 *db = connect_to(primary, SQLITE_OPEN_READWRITE);
    run(db, "PRAGMA synchronous = off; PRAGMA wal_autocheckpoint = 0");
    for (int i = 1; i <= commits; i++) {
        char *sql = sqlite3_mprintf("BEGIN; UPDATE cache SET value = %d WHERE key IN ('a', 'b', 'c');"
                                    "REPLACE INTO cache(key, value, tag) VALUES('k%u', zeroblob(%u), 't%u');"
                                    "DELETE FROM cache WHERE key = 'k%u'; %s; COMMIT",
                                    i, random_below(&random, KEYS), random_below(&random, 6000),
                                    random_below(&random, 5), random_below(&random, KEYS),
                                    random_below(&random, 20) ? "" : "DELETE FROM cache WHERE tag = 't1'");
        run(db, sql);
        sqlite3_free(sql);
        /* A transaction whose frames may be in the WAL, but that never committed. */
        if (random_below(&random, 10) == 0)
            run(db,
                "PRAGMA cache_size = 2; BEGIN; UPDATE cache SET value = -1; UPDATE cache SET tag = 'undone'; ROLLBACK;"
                "PRAGMA cache_size = -2000");
        if (i % CHECKPOINT_EVERY == 0) {
            send_byte(to, 'c');
            receive_byte(from);
            run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
    send_byte(to, 'e');
    receive_byte(from);
    sqlite3_close(db);
}

/* ---- the reader */

/* L1 against the rows beside it, in one statement; and the three keys that change together. */
static const char *const comparison =
    "SELECT (SELECT count(*) FROM cache_data d WHERE hybrid_cache_get('cache', d.key) IS NOT d.value),"
    "(SELECT count(DISTINCT hybrid_cache_get('cache', column1)) FROM (VALUES('a'), ('b'), ('c'))),"
    "(SELECT count(*) FROM cache_data), (SELECT value FROM cache WHERE key = 'a')";

static int reader(int from, int out) {
    sqlite3 *db = connect_to(replica, SQLITE_OPEN_READONLY);
    sqlite3_stmt *compare = NULL;
    struct pollfd stop = {.fd = from, .events = POLLIN};
    long long reads = 0, wrong = 0, torn = 0, older = 0, newest = 0, hits = 0;
    if (sqlite3_prepare_v2(db, comparison, -1, &compare, NULL) != SQLITE_OK)
        die(comparison, db);
    for (int last = 0; !last;) {
        long least = atomic_load(announced);
        last = poll(&stop, 1, 0) > 0; /* one more look after the end */
        if (sqlite3_step(compare) != SQLITE_ROW)
            die("read", db);
        wrong += sqlite3_column_int64(compare, 0);
        torn += sqlite3_column_int64(compare, 1) != 1;
        reads += sqlite3_column_int64(compare, 2) + 3;
        older += sqlite3_column_int64(compare, 3) < (least > newest ? least : newest);
        newest = sqlite3_column_int64(compare, 3);
        sqlite3_reset(compare);
    }
    sqlite3_finalize(compare);
    if (sqlite3_prepare_v2(db, "SELECT l1_hits FROM hybrid_cache_stats", -1, &compare, NULL) == SQLITE_OK &&
        sqlite3_step(compare) == SQLITE_ROW)
        hits = sqlite3_column_int64(compare, 0);
    sqlite3_finalize(compare);
    char line[200];
    int n = snprintf(line, sizeof line, "%lld %lld %lld %lld %lld %lld\n", reads, hits, wrong, torn, older, newest);
    if (write(out, line, (size_t)n) != n)
        die("pipe", NULL);
    return sqlite3_close(db) == SQLITE_OK ? 0 : 2;
}

/* ---- the shipper */

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_big_endian(unsigned char *at, uint32_t word) {
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(word >> (24 - 8 * i));
}

typedef struct Shipper {
    int from, to; /* WAL and second file; `to` is never closed while it is used: that would drop its locks */
    unsigned char salts[8];
    long frames;       /* shipped of the present WAL */
    uint32_t counter;  /* the change counter of the second file */
    long transactions; /* shipped in all */
    long pages;
    long restores, bad_restores;
} Shipper;

static void lock_file(int file, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = LOCK_FIRST, .l_len = LOCK_BYTES};
    while (fcntl(file, F_SETLKW, &lock) != 0) {
        if (errno != EINTR)
            die("lock", NULL);
    }
}

/* What SQLite compares to see whether a file has changed: the counter, the size, the free list. */
#define CHANGE_BYTES 16

/* One transaction: its frames from the shipped ones up to, not including, `end`. */
static void apply(Shipper *shipper, long end, uint32_t size_in_pages) {
    static unsigned char frame[FRAME], first[PAGE], told[CHANGE_BYTES];
    lock_file(shipper->to, F_WRLCK);
    if (pread(shipper->to, first, PAGE, 0) != PAGE)
        die(replica, NULL);
    memcpy(told, first + 24, CHANGE_BYTES);
    for (long i = shipper->frames; i < end - (strcmp(plant, "half") == 0 && end - shipper->frames > 1); i++) {
        if (pread(shipper->from, frame, FRAME, HEADER + i * FRAME) != FRAME)
            die(wal, NULL);
        uint32_t number = big_endian(frame);
        if (number == 1)
            memcpy(first, frame + 24, PAGE);
        else if (pwrite(shipper->to, frame + 24, PAGE, (off_t)(number - 1) * PAGE) != PAGE)
            die(replica, NULL);
        shipper->pages++;
    }
    /* Rollback-journal mode, and the counter that says that something was committed. */
    shipper->counter++;
    first[18] = first[19] = 1;
    put_big_endian(first + 24, shipper->counter);
    put_big_endian(first + 28, size_in_pages);
    put_big_endian(first + 92, shipper->counter);
    if (strcmp(plant, "counter") == 0)
        memcpy(first + 24, told, CHANGE_BYTES);
    if (pwrite(shipper->to, first, PAGE, 0) != PAGE || ftruncate(shipper->to, (off_t)size_in_pages * PAGE) != 0)
        die(replica, NULL);
    lock_file(shipper->to, F_UNLCK);
    shipper->frames = end;
    shipper->transactions++;
    atomic_store(announced, shipper->transactions);
}

/*
** Ships what has been committed. A frame counts if it has the salts of the WAL's header, which frames of a log that was there
** before have not. The writer may be in the middle of the last one: its page could still be on the way. So only frames up to
** the newest commit that SQLite's own index knows would be safe; here the transaction after next proves the one before whole,
** and `all` is said only while the writer waits.
*/
static int ship(Shipper *shipper, int all) {
    unsigned char header[HEADER], head[24];
    int shipped = 0;
    if (pread(shipper->from, header, HEADER, 0) != HEADER)
        return 0;
    if (memcmp(header + 16, shipper->salts, 8) != 0) {
        memcpy(shipper->salts, header + 16, 8);
        shipper->frames = 0;
    }
    long commit = 0;
    uint32_t size = 0;
    for (long i = shipper->frames;; i++) {
        if (pread(shipper->from, head, sizeof head, HEADER + i * FRAME) != (ssize_t)sizeof head ||
            memcmp(head + 8, shipper->salts, 8) != 0)
            break;
        if (big_endian(head + 4) == 0)
            continue;
        /* The writer goes on only when a commit is whole, so the start of another proves this one. */
        if (commit && commit > shipper->frames) {
            apply(shipper, commit, size);
            shipped++;
        }
        commit = i + 1;
        size = big_endian(head + 4);
    }
    if (all && commit > shipper->frames) {
        apply(shipper, commit, size);
        shipped++;
    }
    return shipped;
}

static void copy_file(int from, const char *path) {
    char bytes[65536];
    ssize_t n;
    int to = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    off_t at = 0;
    if (to < 0)
        die(path, NULL);
    while ((n = pread(from, bytes, sizeof bytes, at)) > 0) {
        if (write(to, bytes, (size_t)n) != n)
            die(path, NULL);
        at += n;
    }
    close(to);
}

/* A restored file is whole: SQLite's own check, ours, and the counters against the rows. */
static void restore(Shipper *shipper) {
    sqlite3_stmt *stmt = NULL;
    copy_file(shipper->to, restored);
    sqlite3 *db = connect_to(restored, SQLITE_OPEN_READWRITE);
    int right = sqlite3_exec(db, "INSERT INTO cache(cache) VALUES('check')", NULL, NULL, NULL) == SQLITE_OK;
    static const char *const sql =
        "SELECT integrity_check = 'ok', l2_count = (SELECT count(*) FROM cache_data),"
        "l2_bytes = (SELECT sum(size) FROM cache_data) FROM pragma_integrity_check, hybrid_cache_stats";
    right = right && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW;
    for (int i = 0; i < 3 && right; i++)
        right = sqlite3_column_int(stmt, i) == 1;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    remove(restored);
    shipper->restores++;
    shipper->bad_restores += !right;
}

static long long dump_hash(const char *path) {
    sqlite3 *db = connect_to(path, SQLITE_OPEN_READWRITE);
    sqlite3_stmt *stmt = NULL;
    long long hash = 0;
    if (sqlite3_prepare_v2(
            db,
            "SELECT quote(key) || quote(value) || quote(expires) || quote(tag) || id || sum FROM cache_data "
            "UNION ALL SELECT hex(state) || options FROM cache_meta WHERE id = 1",
            -1, &stmt, NULL) != SQLITE_OK)
        die("dump", db);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (const unsigned char *c = sqlite3_column_text(stmt, 0); *c; c++)
            hash = (long long)((unsigned long long)hash * 1099511628211u ^ *c);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return hash;
}

static void prepare_files(void) {
    sqlite3 *db = connect_to(primary, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    run(db, "PRAGMA page_size = 4096; PRAGMA journal_mode = wal;"
            "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, l1_ttl=0);"
            "INSERT INTO cache(key, value) VALUES('a', 0), ('b', 0), ('c', 0); PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(db);
    int from = open(primary, O_RDONLY);
    if (from < 0)
        die(primary, NULL);
    copy_file(from, replica);
    close(from);
    db = connect_to(replica, SQLITE_OPEN_READWRITE); /* the second file begins as a restored backup */
    run(db, "PRAGMA journal_mode = delete");
    sqlite3_close(db);
}

static void remove_all(void) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    const char *const files[] = {primary, replica, restored};
    for (int i = 0; i < 12; i++) {
        char name[500];
        snprintf(name, sizeof name, "%s%s", files[i / 4], suffixes[i % 4]);
        remove(name);
    }
    rmdir(directory);
}

int main(int argc, char **argv) {
    int commits = 1500, to_writer[2], from_writer[2], to_reader[2], from_reader[2];
    const char *temporary = getenv("TMPDIR");
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--extension") == 0)
            extension = argv[i + 1];
        else if (strcmp(argv[i], "--commits") == 0)
            commits = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--plant") == 0)
            plant = argv[i + 1];
    }
    snprintf(directory, sizeof directory, "%s/ship.XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!extension || !mkdtemp(directory) || pipe(to_writer) || pipe(from_writer) || pipe(to_reader) ||
        pipe(from_reader))
        die("usage: ship --extension FILE [--commits N] [--seed N] [--plant counter|half]", NULL);
    snprintf(primary, sizeof primary, "%s/primary.db", directory);
    snprintf(wal, sizeof wal, "%s-wal", primary);
    snprintf(replica, sizeof replica, "%s/replica.db", directory);
    snprintf(restored, sizeof restored, "%s/restored.db", directory);
    prepare_files();
    announced = mmap(NULL, sizeof *announced, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (announced == MAP_FAILED)
        die("mmap", NULL);

    pid_t writer_pid = fork();
    if (writer_pid == 0) {
        close(to_reader[1]);
        close(from_reader[1]);
        close(from_writer[0]);
        close(to_writer[1]);
        writer(commits, from_writer[1], to_writer[0]);
        _exit(0);
    }
    pid_t reader_pid = fork();
    if (reader_pid == 0) {
        close(to_reader[1]);
        close(from_writer[1]);
        close(to_writer[1]);
        _exit(reader(to_reader[0], from_reader[1]));
    }
    if (writer_pid < 0 || reader_pid < 0)
        die("fork", NULL);
    close(from_writer[1]);
    close(from_reader[1]);

    Shipper shipper = {.from = -1, .to = open(replica, O_RDWR)};
    unsigned char counter[4];
    if (shipper.to < 0 || pread(shipper.to, counter, 4, 24) != 4)
        die(replica, NULL);
    shipper.counter = big_endian(counter);
    struct pollfd word = {.fd = from_writer[0], .events = POLLIN};
    long next_restore = RESTORE_EVERY;
    for (char said = 0; said != 'e';) {
        if (shipper.from < 0)
            shipper.from = open(wal, O_RDONLY);
        said = poll(&word, 1, shipper.from < 0 ? 10 : 0) > 0 ? receive_byte(from_writer[0]) : ' ';
        if (said == 0)
            break; /* the writer is gone */
        if (shipper.from >= 0)
            ship(&shipper, said != ' ');
        if (shipper.transactions >= next_restore) {
            restore(&shipper);
            next_restore = shipper.transactions + RESTORE_EVERY;
        }
        if (said == 'e')
            break;
        if (said == 'c')
            send_byte(to_writer[1], 'g');
    }
    restore(&shipper);
    close(to_reader[1]); /* the end, for the reader */
    char line[200] = "";
    FILE *report = fdopen(from_reader[0], "r");
    int reported = report && fgets(line, sizeof line, report) != NULL;
    int reader_status = 0, writer_status = 0;
    waitpid(reader_pid, &reader_status, 0);
    send_byte(to_writer[1], 'g');
    waitpid(writer_pid, &writer_status, 0);
    close(shipper.to);

    long long reads = 0, hits = 0, wrong = 1, torn = 1, older = 1, newest = 0;
    if (reported)
        sscanf(line, "%lld %lld %lld %lld %lld %lld", &reads, &hits, &wrong, &torn, &older, &newest);
    int equal = dump_hash(primary) == dump_hash(replica);
    printf("ship: %ld transactions, %ld pages; %lld reads checked (%lld L1 hits), %lld stale, %lld torn, %lld back in "
           "time; "
           "%ld restores, %ld bad\n",
           shipper.transactions, shipper.pages, reads, hits, wrong, torn, older, shipper.restores,
           shipper.bad_restores);
    int right[] = {reported && reader_status == 0 && writer_status == 0,
                   wrong == 0 && torn == 0 && older == 0,
                   hits > 0 && newest == commits,
                   shipper.bad_restores == 0,
                   equal,
                   shipper.transactions == commits};
    static const char *const names[] = {"a process failed",
                                        "the reader saw what is not in its file",
                                        "the reader has no L1 hits, or not the last commit",
                                        "a restored file is damaged",
                                        "the two files differ at the end",
                                        "transactions shipped and committed are not as many"};
    int failed = 0;
    for (int i = 0; i < 6; i++) {
        if (!right[i])
            printf("FAILED ship: %s\n", names[i]);
        failed += !right[i];
    }
    remove_all();
    printf("%d passed, %d failed\n", 6 - failed, failed);
    return failed > 0;
}
