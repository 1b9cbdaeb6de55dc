/*
** coherence.c: may the L1 still speak? What must it forget?
*/
#include "coherence.h"

/* A stamp of an entry has 32 bits: before the moment wraps, everything is dropped once. */
#define LAST_MOMENT 0xfffffff0u

void hc_coherence_init(HcCoherence *coherence, sqlite3 *db, const char *schema) {
    memset(coherence, 0, sizeof *coherence);
    coherence->db = db;
    coherence->schema = schema;
    coherence->control = sqlite3_stricmp(schema, "main") == 0 ? NULL : schema;
}

void hc_coherence_unknow(HcCoherence *coherence) {
    coherence->signal = HC_SIGNAL_UNKNOWN;
    coherence->token_known = 0;
    coherence->pending_known = 0;
    coherence->file = coherence->journal = NULL;
}

void hc_coherence_forget(HcCoherence *coherence) {
    coherence->known = coherence->tentative = 0;
}

static unsigned data_version(HcCoherence *coherence) {
    unsigned version = 0;
    sqlite3_file_control(coherence->db, coherence->control, SQLITE_FCNTL_DATA_VERSION, &version);
    return version;
}

void hc_coherence_doubt(HcCoherence *coherence) {
    coherence->data_version = ~data_version(coherence);
    coherence->token_known = 0;
}

/* ------------------------------------------------------------- the signals */

static sqlite3_file *file_of(HcCoherence *coherence, int op) {
    sqlite3_file *file = NULL;
    sqlite3_file_control(coherence->db, coherence->control, op, &file);
    return file && file->pMethods ? file : NULL;
}

/*
** The WAL-index header, without a lock. The mapping is fetched each time, since
** leaving WAL mode unmaps it. Word by word: SQLite's writer is a plain memcpy,
** and a torn read only looks like a change.
*/
static int read_walindex(sqlite3_file *file, HcToken *token) {
    void volatile *region = NULL;
    int rc = file->pMethods->xShmMap(file, 0, 32768, 0, &region);
    if ((rc != SQLITE_OK && rc != SQLITE_READONLY) || !region)
        return 0;
    uint64_t volatile *words = region;
    for (int i = 0; i < HC_WALINDEX_WORDS; i++)
        token->words[i] = __atomic_load_n(words + i, __ATOMIC_RELAXED);
    return 1;
}

static int read_counter(sqlite3_file *file, HcToken *token) {
    memset(token, 0, sizeof *token);
    return file->pMethods->xRead(file, token->bytes, HC_HEADER_BYTES, HC_HEADER_OFFSET) == SQLITE_OK;
}

/*
** Reads the token of the signal in force; 0 if it cannot be had now. The file is asked
** for each time: DETACH and sqlite3_deserialize() take it away.
*/
static int read_token(HcCoherence *coherence, HcToken *token) {
    sqlite3_file *file = file_of(coherence, SQLITE_FCNTL_FILE_POINTER);
    if (!file || file != coherence->file || file->pMethods != coherence->methods)
        return 0;
    return coherence->signal == HC_SIGNAL_COUNTER ? read_counter(file, token) : read_walindex(file, token);
}

/* The journal pointer is the WAL while that is open; asking xShmMap after that would make a new -shm file. */
static int wal_is_open(HcCoherence *coherence) {
    return file_of(coherence, SQLITE_FCNTL_JOURNAL_POINTER) == coherence->journal;
}

/* The VFSes whose files and shared memory behave as SQLite's documents say, byte for byte. */
static int is_builtin_vfs(const char *name) {
    static const char *const builtin[] = {
        "unix",  "unix-none",      "unix-dotfile", "unix-excl",           "unix-namedsem",
        "win32", "win32-longpath", "win32-none",   "win32-longpath-none", "memdb"};
    for (size_t i = 0; name && i < sizeof builtin / sizeof builtin[0]; i++) {
        if (strcmp(name, builtin[i]) == 0)
            return 1;
    }
    return 0;
}

static int is_exclusive(HcCoherence *coherence) {
    int exclusive = 1;
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("PRAGMA \"%w\".locking_mode", coherence->schema);
    if (sql && sqlite3_prepare_v2(coherence->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(stmt, 0);
        exclusive = !mode || sqlite3_stricmp(mode, "normal") != 0;
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return exclusive;
}

/* Chooses the signal, with a read transaction open. Once a connection, and again when the journal changed. */
static void choose_signal(HcCoherence *coherence) {
    HcToken token;
    sqlite3_vfs *vfs = NULL;
    sqlite3_file *file = file_of(coherence, SQLITE_FCNTL_FILE_POINTER);
    coherence->signal = HC_SIGNAL_READ;
    coherence->token_known = 0;
    coherence->journal = NULL;
    coherence->file = file;
    coherence->methods = file ? file->pMethods : NULL;
    if (!file || sqlite3_stricmp(coherence->schema, "temp") == 0) {
        coherence->signal = HC_SIGNAL_PRIVATE;
        return;
    }
    sqlite3_file_control(coherence->db, coherence->control, SQLITE_FCNTL_VFS_POINTER, &vfs);
    if (!vfs || !is_builtin_vfs(vfs->zName) || !read_counter(file, &token))
        return;
    /* DETACH and ATTACH put another file behind the same name; on such a host nothing would tell. */
    if (!hc_host_tells_expired() && sqlite3_stricmp(coherence->schema, "main") != 0)
        return;
    if (token.bytes[18 - HC_HEADER_OFFSET] != 2) {
        coherence->signal = HC_SIGNAL_COUNTER;
    } else if (file->pMethods->iVersion >= 2 && file->pMethods->xShmMap && !is_exclusive(coherence)) {
        /* Under locking_mode=EXCLUSIVE the WAL-index is private memory, and xShmMap would make a public one. */
        coherence->signal = HC_SIGNAL_WALINDEX;
        coherence->journal = file_of(coherence, SQLITE_FCNTL_JOURNAL_POINTER);
    }
}

/* --------------------------------------------------------------- questions */

/*
** In a write transaction that this cache has no part in, no callback will tell when
** it is undone. As long as no statement of it has changed anything, that does not
** matter; after that the shadow tables themselves may have been written to.
**
**     BEGIN; UPDATE cache_data SET ...; SELECT hybrid_cache_get('cache', 'a'); ROLLBACK;
**     UPDATE cache_data SET value = value || hybrid_cache_get('cache', 'a');
*/
int hc_coherence_blind(HcCoherence *coherence, int joined) {
    int changes = sqlite3_total_changes(coherence->db);
    if (changes == coherence->changes)
        return 0;
    int state = hc_host_txn_state(coherence->db, coherence->schema);
    /* A host before 3.34 cannot tell a transaction that reads from one that writes. */
    if (state == 0 || state == 1 || (state < 0 && sqlite3_get_autocommit(coherence->db))) {
        coherence->changes = changes;
        return 0;
    }
    return !joined;
}

/*
** The token, without a lock. FCNTL_DATA_VERSION besides: it tells of own commits, and
** with them of a journal mode that this connection has switched. The header of an
** empty WAL looks like that of another.
*/
static int token_holds(HcCoherence *coherence) {
    HcToken token;
    if (!coherence->token_known || data_version(coherence) != coherence->data_version || !read_token(coherence, &token))
        return 0;
    return coherence->signal == HC_SIGNAL_WALINDEX
               ? memcmp(token.words, coherence->token.words, sizeof token.words) == 0
               : memcmp(token.bytes, coherence->token.bytes, sizeof token.bytes) == 0;
}

int hc_coherence_fresh(HcCoherence *coherence, int reading) {
    if (!coherence->known)
        return 0;
    if (!reading) {
        int autocommit = sqlite3_get_autocommit(coherence->db);
        /*
        ** In autocommit the L1 answers as of now. If the token holds, an older snapshot that an
        ** outer statement may have open is the same one: tokens are read where none is open.
        */
        if (autocommit && (coherence->signal == HC_SIGNAL_WALINDEX || coherence->signal == HC_SIGNAL_COUNTER) &&
            token_holds(coherence))
            return 1;
        int state = hc_host_txn_state(coherence->db, coherence->schema);
        /*
        ** After BEGIN the first read has to open the snapshot that all later ones see. And a
        ** host before 3.34 cannot tell whether one is open: an inner read always answers.
        **
        **     BEGIN; SELECT hybrid_cache_get('cache', 'a');  -- from here on, nothing moves
        */
        if (state < 0 || (state == 0 && !(autocommit && coherence->signal == HC_SIGNAL_PRIVATE)))
            return 0;
    }
    return data_version(coherence) == coherence->data_version;
}

/*
** In WAL mode the header is read before the snapshot is opened: a commit that
** hides between the two then shows as a change the next time.
*/
void hc_coherence_before(HcCoherence *coherence) {
    coherence->pending_known = coherence->signal == HC_SIGNAL_WALINDEX &&
                               hc_host_txn_state(coherence->db, coherence->schema) == 0 && wal_is_open(coherence) &&
                               read_token(coherence, &coherence->pending);
}

/* The snapshot that is open belongs to `state`: remember by what it can be told. */
static void remember(HcCoherence *coherence) {
    coherence->data_version = data_version(coherence);
    if (coherence->signal == HC_SIGNAL_UNKNOWN || file_of(coherence, SQLITE_FCNTL_FILE_POINTER) != coherence->file ||
        (coherence->signal == HC_SIGNAL_WALINDEX && !wal_is_open(coherence)))
        choose_signal(coherence);
    if (coherence->signal == HC_SIGNAL_WALINDEX && coherence->pending_known) {
        coherence->token = coherence->pending;
        coherence->token_known = 1;
    } else if (coherence->signal == HC_SIGNAL_COUNTER && sqlite3_get_autocommit(coherence->db) &&
               hc_host_txn_state(coherence->db, coherence->schema) == 1) {
        /*
        ** Under the SHARED lock of the validating read: a counter read before may be that
        ** of a writer that died, is undone by recovery, and comes back with the next commit.
        ** So may one of our own statement that has spilt to the file and is rolled back.
        */
        coherence->token_known = read_token(coherence, &coherence->token);
        if (coherence->token_known && coherence->token.bytes[18 - HC_HEADER_OFFSET] == 2)
            choose_signal(coherence);
    }
    coherence->pending_known = 0;
}

int hc_coherence_same(HcCoherence *coherence) {
    if (!coherence->known || data_version(coherence) != coherence->data_version)
        return 0;
    /* A token that belongs to this snapshot is as good as a newer one. */
    if (!coherence->token_known)
        remember(coherence);
    return 1;
}

HcVerdict hc_coherence_adopt(HcCoherence *coherence, const HcMeta *meta) {
    HcVerdict verdict = HC_SAME;
    if (!coherence->known || coherence->store != meta->store || coherence->seed != meta->seed ||
        coherence->outside != meta->outside || (coherence->reloaded && meta->outside) ||
        coherence->moment >= LAST_MOMENT) {
        verdict = HC_OTHER;
        memset(coherence->moved, 0, sizeof coherence->moved);
        coherence->moment = 0;
    } else if (coherence->state.version != meta->state.version) {
        for (int i = 0; i < HC_BUCKETS; i++) {
            if (coherence->state.bucket[i] != meta->state.bucket[i]) {
                coherence->moved[i] = coherence->moment + 1;
                verdict = HC_MOVED;
            }
        }
        coherence->moment += verdict == HC_MOVED;
    }
    coherence->store = meta->store;
    coherence->seed = meta->seed;
    coherence->outside = meta->outside;
    coherence->state = meta->state;
    coherence->known = 1;
    coherence->reloaded = 0;
    coherence->token_known = 0;
    remember(coherence);
    return verdict;
}

/*
** FCNTL_DATA_VERSION has moved by this commit and by no other, since it moves for
** others only when a read transaction begins. The WAL-index header and the
** change counter may already belong to somebody else's commit after ours: they
** are learnt anew by the next validating read.
*/
void hc_coherence_committed(HcCoherence *coherence, const HcState *state) {
    coherence->state = *state;
    coherence->data_version = data_version(coherence);
    coherence->token_known = 0;
}
