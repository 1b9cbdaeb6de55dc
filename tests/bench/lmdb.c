/*
** lmdb.c: LMDB as the reference for embedded reads. Without BENCH_LMDB there is none.
*/
#include "bench.h"

#ifdef BENCH_LMDB

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

struct Lmdb {
    MDB_env *environment;
    MDB_dbi dbi;
    MDB_txn *reader;
    const Keys *keys;
};

static volatile unsigned sink;

static void check(int rc) {
    if (rc)
        die("LMDB: %s", mdb_strerror(rc));
}

static MDB_val bytes(const char *data, size_t n) {
    return (MDB_val){.mv_size = n, .mv_data = (void *)(uintptr_t)data};
}

Lmdb *lmdb_open(const Keys *keys, const char *value, int value_n) {
    Lmdb *lmdb = need(sizeof *lmdb);
    MDB_txn *writer;
    lmdb->keys = keys;
    remove(file_path("reference.mdb"));
    check(mdb_env_create(&lmdb->environment));
    check(mdb_env_set_mapsize(lmdb->environment, (size_t)1 << 30));
    check(mdb_env_open(lmdb->environment, file_path("reference.mdb"), MDB_NOSUBDIR | MDB_NOSYNC, 0666));
    check(mdb_txn_begin(lmdb->environment, NULL, 0, &writer));
    check(mdb_dbi_open(writer, NULL, 0, &lmdb->dbi));
    for (size_t i = 0; i < keys->count; i++) {
        MDB_val key = bytes(keys->text[i], KEY_N), data = bytes(value, (size_t)value_n);
        check(mdb_put(writer, lmdb->dbi, &key, &data, 0));
    }
    check(mdb_txn_commit(writer));
    check(mdb_txn_begin(lmdb->environment, NULL, MDB_RDONLY, &lmdb->reader));
    mdb_txn_reset(lmdb->reader);
    return lmdb;
}

void lmdb_close(Lmdb *lmdb) {
    mdb_txn_abort(lmdb->reader);
    mdb_env_close(lmdb->environment);
    remove(file_path("reference.mdb"));
    remove(file_path("reference.mdb-lock"));
    free(lmdb);
}

void lmdb_get_in_transaction(void *context, size_t i) {
    Lmdb *lmdb = context;
    MDB_val key = bytes(lmdb->keys->text[i % lmdb->keys->count], KEY_N), data;
    check(mdb_get(lmdb->reader, lmdb->dbi, &key, &data));
    sink += ((unsigned char *)data.mv_data)[data.mv_size - 1];
}

void lmdb_begin(void *context) {
    check(mdb_txn_renew(((Lmdb *)context)->reader));
}

void lmdb_end(void *context) {
    mdb_txn_reset(((Lmdb *)context)->reader);
}

void lmdb_get(void *context, size_t i) {
    lmdb_begin(context);
    lmdb_get_in_transaction(context, i);
    lmdb_end(context);
}

#else

Lmdb *lmdb_open(const Keys *keys, const char *value, int value_n) {
    (void)keys;
    (void)value;
    (void)value_n;
    return NULL;
}

void lmdb_close(Lmdb *lmdb) {
    (void)lmdb;
}

void lmdb_get(void *lmdb, size_t i) {
    (void)lmdb;
    (void)i;
}

void lmdb_get_in_transaction(void *lmdb, size_t i) {
    (void)lmdb;
    (void)i;
}

void lmdb_begin(void *lmdb) {
    (void)lmdb;
}

void lmdb_end(void *lmdb) {
    (void)lmdb;
}

#endif
