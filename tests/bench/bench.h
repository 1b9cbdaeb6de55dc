/*
** bench.h: what the parts of the benchmark share.
**
** A row measures a few sides that do the same work, ours first, in slices that
** take turns, so that whatever else the machine does meets all of them. Of each
** side the median over the rounds is reported, and the quartiles as its spread.
** The ratio of two sides is the median of the ratios within the rounds: on a busy
** machine it is far steadier than the quotient of the medians.
*/
#ifndef BENCH_H
#define BENCH_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* ---------------------------------------------------------------- harness.c */

typedef struct Settings {
    const char *extension;       /* as load_extension() wants it */
    const char *directory;       /* where the databases are made */
    const char *python, *script; /* the interpreter that sees Debian's modules, and what it runs: peers.py */
    /*
    ** Look-ups: many slices, so short that most are not interrupted. Writes: slices that are
    ** long enough for each to have its share of checkpoints.
    */
    int rounds, write_rounds;
    double slice_ns, write_slice_ns;
    int quick;
    int big;            /* 10^7 rows as well */
    const char *pragma; /* what all connections set: "cache_size=-65536"; NULL = nothing */
} Settings;

extern Settings settings;

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
double clock_ns(void);
/* Allocates or dies. */
void *need(size_t bytes);

#define MOST_ROUNDS 151

typedef struct Figure {
    double median, low, high; /* low and high: the quartiles */
} Figure;

/* Sorts the samples. */
Figure figure_of(double *samples, int count);
/* One that was not sampled. */
Figure figure_single(double value);

/*
** One of the things compared. The samples are nanoseconds of one operation.
** Either `op` does one (i counts up over all slices), or `timed` does one and
** returns how long the part of it took that counts.
*/
typedef struct Side {
    const char *name;
    void *context;
    void (*op)(void *context, size_t i);
    double (*timed)(void *context, size_t i);
    void (*begin)(void *context); /* before and after each slice, outside the time; may be NULL */
    void (*end)(void *context);
    double per; /* operations that one call stands for; 0 = 1 */
    size_t slice, next;
    double samples[MOST_ROUNDS];
    int rounds;
    Figure ns;
} Side;

/* Warms up, finds the length of a slice, and lets the sides take turns. */
void measure(Side *sides, int count);
void measure_writes(Side *sides, int count);
/* The median of a's time over b's, round by round. */
double side_ratio(const Side *a, const Side *b);
/* "get-wal: round 3 of 15" on stderr, where that is a terminal. */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_row(const char *name, int at, int of);

/* ----------------------------------------------------------------- output.c */

typedef enum Rule {
    RULE_NONE,    /* shown as "so many times as fast" */
    RULE_SHARE,   /* shown as "so many times as much" */
    RULE_FASTER,  /* the peer's time is at least `target` times ours */
    RULE_COST,    /* our figure is at most `target` times the peer's */
    RULE_MORE,    /* our figure is more than `target` times the peer's */
    RULE_AT_MOST, /* our figure itself; no peer */
    RULE_AT_LEAST
} Rule;

/*
** One line of the table. `peer` may be NULL. `charted`: a bar in the chart.
** Times are given in nanoseconds under the unit "us"; other units as they are.
*/
typedef struct Line {
    const char *what, *unit;
    Figure ours;
    const char *peer_name;
    const Figure *peer;
    double ratio; /* ours over the peer's; 0 = the quotient of the medians */
    Rule rule;
    double target;
    int charted;
} Line;

void report(const Line *line);
/* The common case: sides[0] against sides[i], microseconds. */
void report_sides(const char *what, const Side *sides, int i, Rule rule, double target, int charted);

/* The row that the next lines belong to. */
void output_row(const char *name);
/* A remark under the table. */
void output_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_table(void);
void output_csv(const char *path);
void output_svg(const char *path);
/* How many lines had a target, and how many of them held. */
void output_count(int *targets, int *held);

/* ------------------------------------------------------------------ store.c */

/* A text key: 16 characters, spread over the key space in whatever order they are made. */
#define KEY_N 16
typedef char KeyText[KEY_N + 1];

typedef struct Keys {
    size_t count;
    KeyText *text; /* in the order in which they are looked up: each once, shuffled */
} Keys;

void key_text(KeyText out, uint64_t id, int present);
/* `total` keys exist; at most a million of them are looked up. present = 0: keys that nobody stores. */
void keys_make(Keys *keys, size_t total, int present);
void keys_free(Keys *keys);

typedef enum Kind {
    KIND_FUNCTION, /* SELECT hybrid_cache_get('cache', ?1) */
    KIND_SELECT,   /* SELECT value FROM cache WHERE key = ?1 */
    KIND_PLAIN,    /* the table a user would write by hand */
    KIND_TWIN,     /* the same WITHOUT ROWID */
    KIND_FLOOR     /* SELECT ?1: what any statement costs */
} Kind;

/* What a store is made of; zero is the common case: WAL, text values of 100 bytes, 1000 keys, default options. */
typedef struct Shape {
    const char *journal;
    const char *options; /* of the cache, beside ttl=86400 */
    int value_n, blob;
    size_t entries;
} Shape;

typedef struct Store {
    Kind kind;
    sqlite3 *db;
    sqlite3_stmt *get, *put;
    const Keys *keys;
    const char *value;
    int value_n, blob;
    double now; /* the time that the plain table compares with */
} Store;

void exec(sqlite3 *db, const char *sql);
sqlite3_stmt *prepare(sqlite3 *db, const char *sql);
/* The first column of the first row, as a number. */
double query(sqlite3 *db, const char *sql);
/* A figure of hybrid_cache_stats(). */
double statistic(Store *store, const char *name);
/* The path of a file of ours, in a buffer that the next call but three reuses. */
const char *file_path(const char *file);
void file_remove(const char *file);
double file_size(const char *file);

/* A new database file with its table, filled; then opened. */
void store_create(Store *store, Kind kind, const char *file, const Shape *shape, const Keys *keys);
/* One more connection to the same file. */
void store_open(Store *store, Kind kind, const char *file, const Shape *shape, const Keys *keys);
void store_close(Store *store);

/* For Side: one look-up that must hit, one that must miss, one put, a transaction of so many puts. */
#define PUTS_PER_TRANSACTION 1000
void store_get(void *store, size_t i);
void store_miss(void *store, size_t i);
void store_put(void *store, size_t i);
void store_put_transaction(void *store, size_t i);
void store_begin(void *store);
void store_commit(void *store);
/* Gets every key once. */
void store_warm(Store *store);

/* ------------------------------------------------------------------- lmdb.c */

/* NULL where LMDB was not there when this was compiled. */
typedef struct Lmdb Lmdb;
Lmdb *lmdb_open(const Keys *keys, const char *value, int value_n);
void lmdb_close(Lmdb *lmdb);
void lmdb_get(void *lmdb, size_t i);
void lmdb_get_in_transaction(void *lmdb, size_t i);
void lmdb_begin(void *lmdb);
void lmdb_end(void *lmdb);

/* ---------------------------------------------------------------- sockets.c */

typedef enum Protocol { PROTOCOL_REDIS, PROTOCOL_MEMCACHED } Protocol;
typedef enum Transport { TRANSPORT_TCP, TRANSPORT_UNIX } Transport;

/*
** A server of our own on loopback, filled with the keys, and one connection to it.
** NULL where it is not installed.
*/
typedef struct Remote Remote;
Remote *remote_open(Protocol protocol, Transport transport, const Keys *keys, const char *value, int value_n);
/* Stops the server too. */
void remote_close(Remote *remote);
void remote_get(void *remote, size_t i);
void remote_put(void *remote, size_t i);

/* ----------------------------------------------------------------- single.c */

/* The operations there are, one a line: name, tab, what it is. */
void single_list(void);
/* Sets up, does one operation so many times, and leaves. */
void single_run(const char *name, size_t count);

/* ----------------------------------------------------------------- rows_*.c */

typedef struct Row {
    const char *name;
    const char *about;
    void (*run)(void);
} Row;

/* Each ends with a row without a name. */
extern const Row rows_hit[];    /* what one look-up costs */
extern const Row rows_write[];  /* what one put costs */
extern const Row rows_others[]; /* other connections and processes */
extern const Row rows_scale[];  /* many rows, many entries, memory, files, start-up */
extern const Row rows_peers[];  /* other caches */

#endif
