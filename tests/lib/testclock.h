/*
** testclock.h - a clock that tests can move.
**
** The clock is process-global and sits inside SQLite's default VFS, whose
** name and files stay what they were. Until it is set it passes real time
** through (plus whatever it was advanced by); once set it stands still and
** moves only by testclock_advance().
*/
#ifndef TESTCLOCK_H
#define TESTCLOCK_H

/* Patch the default VFS; harmless when repeated. Returns an SQLite code. */
int testclock_install(void);

void testclock_set(double unix_seconds); /* freeze at this time */
void testclock_advance(double seconds);
void testclock_release(void); /* real time again */
double testclock_now(void);

#endif
