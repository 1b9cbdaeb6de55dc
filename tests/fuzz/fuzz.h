/*
** fuzz.h: what the fuzz targets share: databases in memory, a clock that stands still, and the word for "wrong".
**
** A target defines
**
**     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
**
** and is linked to libFuzzer, or to replay.c, which runs files and their mutations without it.
*/
#ifndef FUZZ_H
#define FUZZ_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The time at which each run begins. */
#define FUZZ_TIME 1800000000.0

/*
** At the beginning of each run: the clock at FUZZ_TIME, the same random numbers, no file that could be opened,
** memory limited. So one input does the same each time, and nothing outside the process.
*/
void fuzz_start(void);

/* A connection to a database in memory; those of one name share it. Limits, authorizer and extension are set up. */
sqlite3 *fuzz_open(const char *name);
/* The connection has to close: a statement that the extension has kept is wrong. */
void fuzz_close(sqlite3 *db);
/* Statements of this connection are interrupted after so many thousand steps; 0 = never. */
void fuzz_patience(sqlite3 *db, int thousands);
/* Runs SQL that is made with sqlite3_mprintf() and ends in failure or not; *message as sqlite3_exec(). */
int fuzz_exec(sqlite3 *db, char **message, const char *format, ...);

/* Copies the database `from` over `to`. */
void fuzz_copy(sqlite3 *to, sqlite3 *from);

/* Is what the L1 of each cache of the connection says about itself true? */
void fuzz_verify(sqlite3 *db);

/* Something is wrong: says what, and aborts. */
_Noreturn void fuzz_wrong(const char *format, ...);

#endif
