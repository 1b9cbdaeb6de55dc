/*
** hybrid_cache: a two-tier key-value cache inside SQLite.
**
** The public header. A program that links the extension statically calls
**
**     sqlite3_auto_extension((void (*)(void))sqlite3_hybridcache_init);
**
** before it opens connections (compile everything with -DSQLITE_CORE), or calls
** sqlite3_hybridcache_init(db, NULL, NULL) on one connection. A program that
** loads it needs no header: SELECT load_extension('./hybrid_cache').
*/
#ifndef HYBRID_CACHE_H
#define HYBRID_CACHE_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && !defined(SQLITE_CORE)
#define HYBRID_CACHE_API __declspec(dllexport)
#elif defined(__GNUC__)
#define HYBRID_CACHE_API __attribute__((visibility("default")))
#else
#define HYBRID_CACHE_API
#endif

struct sqlite3_api_routines;

/*
** Registers the module hybrid_cache and the functions hybrid_cache_*() on `db`.
** Returns SQLITE_OK, or an error code with *message (free with sqlite3_free)
** where the host is older than SQLite 3.31.0 or out of memory. Registering
** twice on one connection is harmless.
*/
HYBRID_CACHE_API int sqlite3_hybridcache_init(sqlite3 *db, char **message, const struct sqlite3_api_routines *api);

#ifdef __cplusplus
}
#endif
#endif
